//! No bytes break any reader of any dialect, as a request, an answer, an error or a stream that passes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_dialects::canonical::{Class, Encoding, Failure};
use lockgate_dialects::mlflow_contract::limits;
use lockgate_dialects::stream::UsageMeter;
use lockgate_dialects::{by_name, names};

fuzz_target!(|bytes: &[u8]| {
    let _checked = limits::check(bytes);
    for dialect in names().filter_map(by_name) {
        let _peek = dialect.peek(bytes);
        let error = dialect.decode_error(500, Some("application/json"), bytes);
        dialect.encode_error(&Failure::upstream(Class::UpstreamError, error), "id");
        if let Some(codec) = dialect.chat() {
            let _read = (codec.decode_request(bytes).is_ok(), codec.decode_response(bytes).is_ok());
            meter(codec.meter(true), bytes);
            meter(codec.meter(false), bytes);
        }
        if let Some(codec) = dialect.complete() {
            let _read = (codec.decode_request(bytes).is_ok(), codec.decode_response(bytes).is_ok());
            meter(codec.meter(true), bytes);
            meter(codec.meter(false), bytes);
        }
        if let Some(codec) = dialect.rerank() {
            let _read = (codec.decode_request(bytes).is_ok(), codec.decode_response(bytes).is_ok());
            meter(codec.meter(), bytes);
        }
        if let Some(codec) = dialect.embed() {
            let _read = codec.decode_request(bytes);
            meter(codec.meter(), bytes);
            if let Ok(mut response) = codec.decode_response(bytes) {
                let _recoded =
                    response.recode(Encoding::Base64).and_then(|()| response.recode(Encoding::Float));
            }
        }
    }
});

fn meter(mut meter: Box<dyn UsageMeter>, bytes: &[u8]) {
    meter.feed(bytes);
    meter.usage();
}
