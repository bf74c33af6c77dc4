//! Laws of every codec there is: no bytes break it, and what it writes is found where its dialect says.

use crate::grammar::fault;
use crate::json::json_value;
use crate::made_up::nonsense;
use lockgate_dialects::canonical::{
    ChatRequest, CompletionRequest, Event, Losses, MaxTokens, Message, Prompt, Role, Sampling,
};
use lockgate_dialects::stream::StreamDecoder;
use lockgate_dialects::{ModelTraits, by_name, names};
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
            if let Some(codec) = dialect.rerank() {
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

#[test]
fn the_length_of_an_answer_is_bound_where_the_dialect_says() {
    let sampling =
        Sampling { max_tokens: Some(MaxTokens { value: 77, completion: false }), ..Sampling::default() };
    let traits = ModelTraits { count_name: "n", ..ModelTraits::default() };
    let chat = ChatRequest {
        sampling: sampling.clone(),
        messages: vec![Message::text(Role::User, "hi")],
        ..ChatRequest::default()
    };
    let prompt = Prompt::Text("hi".to_owned());
    let complete = CompletionRequest { sampling, prompt, ..CompletionRequest::default() };
    // Nobody is called in the words of a served model: they have no surface.
    for dialect in names().filter(|name| *name != "mlflow_serving").filter_map(by_name) {
        let mut losses = Losses::default();
        let chat = dialect.chat().map(|codec| codec.encode_request(&chat, &traits, &mut losses));
        let complete = dialect.complete().map(|codec| codec.encode_request(&complete, &traits, &mut losses));
        for body in chat.into_iter().chain(complete) {
            let body = body.unwrap_or_else(|failure| panic!("{}: {}", dialect.name(), failure.message));
            let read = dialect.bound().read(&body);
            assert_eq!(read, Some(77), "{}: {}", dialect.name(), String::from_utf8_lossy(&body));
        }
    }
}
