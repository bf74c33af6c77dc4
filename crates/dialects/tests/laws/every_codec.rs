//! A law of every codec there is: no bytes break it.

use crate::grammar::fault;
use crate::json::json_value;
use crate::made_up::nonsense;
use lockgate_dialects::canonical::Event;
use lockgate_dialects::stream::StreamDecoder;
use lockgate_dialects::{by_name, names};
use proptest::collection::vec;
use proptest::prelude::*;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..300),
        json_value().prop_map(|value| value.to_string().into_bytes()),
        nonsense().prop_map(|value| value.to_string().into_bytes()),
        nonsense().prop_map(|value| format!("data: {value}\n\n{value}\n").into_bytes()),
    ]
}

fn decoded(mut decoder: Box<dyn StreamDecoder>, bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    bytes.chunks(3).for_each(|chunk| decoder.feed(chunk, &mut events));
    decoder.finish(&mut events);
    events
}

proptest! {
    #[test]
    fn no_bytes_break_any_codec(bytes in bytes()) {
        for dialect in names().filter_map(by_name) {
            let _ = dialect.peek(&bytes);
            dialect.decode_error(500, Some("application/json"), &bytes);
            let mut meters = Vec::new();
            let mut decoders = Vec::new();
            if let Some(codec) = dialect.chat() {
                let _read = (codec.decode_request(&bytes).is_ok(), codec.decode_response(&bytes).is_ok());
                decoders.extend(codec.stream_decoder());
                meters.extend([codec.meter(true), codec.meter(false)]);
            }
            if let Some(codec) = dialect.complete() {
                let _read = (codec.decode_request(&bytes).is_ok(), codec.decode_response(&bytes).is_ok());
                decoders.extend(codec.stream_decoder());
                meters.extend([codec.meter(true), codec.meter(false)]);
            }
            if let Some(codec) = dialect.embed() {
                let _read = (codec.decode_request(&bytes).is_ok(), codec.decode_response(&bytes).is_ok());
                meters.push(codec.meter());
            }
            for mut meter in meters {
                meter.feed(&bytes);
                meter.usage();
            }
            for decoder in decoders {
                prop_assert_eq!(fault(&decoded(decoder, &bytes)), None, "{}", dialect.name());
            }
        }
    }
}
