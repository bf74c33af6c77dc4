//! Answers of the scripted provider, read back by the codecs that read real providers.

use lockgate_demo::{Answer, End, answer};
use lockgate_dialects::canonical::{
    BlockKind, ChatRequest, ChatResponse, CompletionRequest, Delta, EmbeddingInput, EmbeddingRequest,
    EmbeddingResponse, Event, Extras, FinishReason, Losses, Message, Operation, Prompt, Role, Usage,
};
use lockgate_dialects::{ChatCodec, Dialect, ModelTraits, by_name, names};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const NOW: u64 = 1_750_000_000;

fn dialect(operation: Operation) -> &'static dyn Dialect {
    let name = match operation {
        Operation::Chat => "openai_chat",
        Operation::Complete => "openai_completions",
        Operation::Embed => "openai_embeddings",
        Operation::Rerank => "jina_rerank",
    };
    by_name(name).expect("OpenAI's dialects are known")
}

fn ask(operation: Operation, body: &Value, options: &Value) -> Answer {
    let none = Map::new();
    let options = options.as_object().unwrap_or(&none);
    answer(dialect(operation), operation, body.to_string().as_bytes(), options, NOW)
}

/// A chat of one message with more fields.
fn chat(more: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hello there"}]});
    let fields = body.as_object_mut().expect("an object");
    fields.extend(more.as_object().expect("the test writes an object").clone());
    body
}

fn bytes(answer: &Answer) -> Vec<u8> {
    answer.pieces.iter().flat_map(|piece| piece.bytes.to_vec()).collect()
}

fn read_chat(answer: &Answer) -> ChatResponse {
    let codec = dialect(Operation::Chat).chat().expect("a chat codec");
    codec.decode_response(&bytes(answer)).expect("a readable answer")
}

fn read_stream(answer: &Answer) -> Vec<Event> {
    let codec = dialect(Operation::Chat).chat().expect("a chat codec");
    let mut decoder = codec.stream_decoder().expect("OpenAI streams");
    let mut events = Vec::new();
    answer.pieces.iter().for_each(|piece| decoder.feed(&piece.bytes, &mut events));
    decoder.finish(&mut events);
    events
}

/// What each choice of a stream said.
fn told(events: &[Event]) -> Vec<String> {
    let mut told = BTreeMap::<u32, String>::new();
    for event in events {
        if let Event::BlockGrew { choice, delta: Delta::Text(text) | Delta::Arguments(text), .. } = event {
            told.entry(*choice).or_default().push_str(text);
        }
    }
    told.into_values().collect()
}

fn text_of(response: &ChatResponse, choice: usize) -> String {
    response.choices[choice].message.content.joined_text()
}

#[test]
fn a_chat_is_answered_with_what_the_user_said() {
    let answer = ask(Operation::Chat, &chat(json!({})), &Value::Null);
    assert_eq!((answer.status, answer.content_type, answer.end), (200, "application/json", End::Clean));
    let response = read_chat(&answer);
    let text = text_of(&response, 0);
    assert!(text.contains("You said: Hello there"), "{text}");
    assert_eq!(response.choices[0].finish_reason, Some(FinishReason::Stop));
    assert_eq!((response.model.as_deref(), response.created), (Some("m"), Some(NOW)));
    let words = text.split_whitespace().count() as u64;
    let usage = response.usage.expect("usage is counted");
    assert_eq!(
        (usage.prompt_tokens, usage.completion_tokens, usage.total()),
        (Some(2), Some(words), Some(2 + words))
    );
}

#[test]
fn the_same_request_always_gets_the_same_answer() {
    let body = chat(json!({"stream": true}));
    assert_eq!(ask(Operation::Chat, &body, &Value::Null), ask(Operation::Chat, &body, &Value::Null));
}

#[test]
fn a_stream_has_the_pieces_and_pauses_of_its_script_and_says_the_same_as_one_body() {
    let options = json!({"chunks": 40, "latency_ms": 3, "first_token_ms": 5, "pace_ms": 7});
    let whole = text_of(&read_chat(&ask(Operation::Chat, &chat(json!({})), &options)), 0);
    let streamed = ask(Operation::Chat, &chat(json!({"stream": true})), &options);
    assert_eq!(streamed.content_type, "text/event-stream");
    assert_eq!(streamed.wait, Duration::from_millis(3));
    let pauses: Vec<_> = streamed.pieces.iter().map(|piece| piece.after.as_millis()).collect();
    assert_eq!(pauses, [vec![5], vec![7; 39]].concat());
    let events = read_stream(&streamed);
    assert_eq!(told(&events), [whole]);
    assert!(matches!(events.last(), Some(Event::Finished)), "{events:?}");
}

#[test]
fn a_stream_tells_usage_only_when_it_is_asked_for() {
    let usage = |body: Value| {
        read_stream(&ask(Operation::Chat, &body, &Value::Null)).into_iter().find_map(|event| match event {
            Event::Usage(usage) => Some(usage),
            _ => None,
        })
    };
    assert_eq!(usage(chat(json!({"stream": true}))), None);
    let asked = usage(chat(json!({"stream": true, "stream_options": {"include_usage": true}})));
    assert!(matches!(asked, Some(Usage { prompt_tokens: Some(2), .. })), "{asked:?}");
}

#[test]
fn a_token_limit_shortens_the_answer_and_is_named_as_the_reason() {
    let response = read_chat(&ask(Operation::Chat, &chat(json!({"max_tokens": 2})), &Value::Null));
    assert_eq!(text_of(&response, 0), "Hello from");
    assert_eq!(response.choices[0].finish_reason, Some(FinishReason::Length));
    let streamed =
        read_stream(&ask(Operation::Chat, &chat(json!({"max_tokens": 2, "stream": true})), &Value::Null));
    let length = |event: &Event| matches!(event, Event::Ended { reason: Some(FinishReason::Length), .. });
    assert!(streamed.iter().any(length), "{streamed:?}");
}

#[test]
fn as_many_answers_come_as_are_asked_for_up_to_a_bound() {
    let response = read_chat(&ask(Operation::Chat, &chat(json!({"n": 3})), &Value::Null));
    assert_eq!(response.choices.len(), 3);
    let streamed = ask(Operation::Chat, &chat(json!({"n": 3, "stream": true})), &Value::Null);
    let whole: Vec<_> = (0..3).map(|choice| text_of(&response, choice)).collect();
    assert_eq!(told(&read_stream(&streamed)), whole);
    assert_eq!(ask(Operation::Chat, &chat(json!({"n": 129})), &Value::Null).status, 400);
    assert_eq!(ask(Operation::Chat, &chat(json!({"n": 3})), &json!({"chunks": 10_000})).status, 400);
}

#[test]
fn a_scripted_tool_is_called_until_it_has_answered() {
    let options = json!({"tool_call": {"name": "weather", "arguments": {"city": "Bern"}}});
    let response = read_chat(&ask(Operation::Chat, &chat(json!({})), &options));
    let call = &response.choices[0].message.tool_calls[0];
    assert_eq!((call.name.as_str(), call.arguments.as_str()), ("weather", r#"{"city":"Bern"}"#));
    assert_eq!(response.choices[0].finish_reason, Some(FinishReason::ToolCalls));

    let events = read_stream(&ask(Operation::Chat, &chat(json!({"stream": true})), &options));
    let named = |event: &Event| matches!(event, Event::BlockOpened { kind: BlockKind::ToolCall { name, .. }, .. } if name == "weather");
    assert!(events.iter().any(named), "{events:?}");
    assert_eq!(told(&events), [r#"{"city":"Bern"}"#]);

    let turns = json!([
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "sunny"}
    ]);
    let response = read_chat(&ask(Operation::Chat, &chat(json!({"messages": turns})), &options));
    assert!(text_of(&response, 0).ends_with("The tool said: sunny"), "{response:?}");
}

#[test]
fn each_prompt_of_a_completion_gets_its_answer() {
    let codec = dialect(Operation::Complete).complete().expect("a completion codec");
    let texts = |prompt: Value| {
        let answer = ask(Operation::Complete, &json!({"model": "m", "prompt": prompt}), &Value::Null);
        let response = codec.decode_response(&bytes(&answer)).expect("a readable answer");
        response.choices.into_iter().map(|choice| choice.text).collect::<Vec<_>>()
    };
    assert!(texts(json!("Once"))[0].ends_with("Your prompt was: Once"));
    let two = texts(json!(["Once", "upon"]));
    assert!(two.len() == 2 && two[1].ends_with("upon"), "{two:?}");
    assert!(texts(json!([1, 2, 3]))[0].ends_with("3 tokens"));
}

#[test]
fn each_text_gets_a_vector() {
    let answer = ask(Operation::Embed, &json!({"model": "m", "input": ["a", "b"]}), &Value::Null);
    let codec = dialect(Operation::Embed).embed().expect("an embeddings codec");
    let response: EmbeddingResponse = codec.decode_response(&bytes(&answer)).expect("a readable answer");
    assert_eq!(response.vectors.len(), 2);
}

#[test]
fn a_scripted_status_is_an_error_in_the_dialects_own_words() {
    for status in [400, 401, 404, 429, 500, 503, 529, 599] {
        let answer = ask(Operation::Chat, &chat(json!({})), &json!({"fault": format!("status:{status}")}));
        assert_eq!(answer.status, status);
        let error = dialect(Operation::Chat).decode_error(status, Some(answer.content_type), &bytes(&answer));
        assert!(error.message.ends_with(&format!("status {status}.")), "{error:?}");
        let retry = if matches!(status, 429 | 503) { vec![("retry-after", "1".to_owned())] } else { vec![] };
        assert_eq!(answer.headers, retry);
    }
}

#[test]
fn a_cut_answer_and_a_cut_stream_lack_their_end() {
    let options = json!({"fault": "cut"});
    let whole = ask(Operation::Chat, &chat(json!({})), &options);
    assert_eq!((whole.status, whole.end), (200, End::Cut));
    assert!(!bytes(&whole).is_empty() && serde_json::from_slice::<Value>(&bytes(&whole)).is_err());
    for chunks in [1, 2, 9] {
        let options = json!({"fault": "cut", "chunks": chunks});
        let streamed = ask(Operation::Chat, &chat(json!({"stream": true})), &options);
        assert_eq!(streamed.end, End::Cut);
        let events = read_stream(&streamed);
        assert!(matches!(events.last(), Some(Event::Failed(_))), "{chunks} chunks: {events:?}");
    }
}

#[test]
fn a_malformed_answer_is_whole_and_no_json() {
    let options = json!({"fault": "malformed"});
    let whole = ask(Operation::Chat, &chat(json!({})), &options);
    assert_eq!((whole.status, whole.content_type, whole.end), (200, "application/json", End::Clean));
    assert!(serde_json::from_slice::<Value>(&bytes(&whole)).is_err());
    let events = read_stream(&ask(Operation::Chat, &chat(json!({"stream": true})), &options));
    let broken = |event: &Event| matches!(event, Event::Failed(_) | Event::Unknown(_));
    assert!(events.iter().any(broken), "{events:?}");
}

#[test]
fn a_hang_an_empty_body_and_a_page_start_with_status_200() {
    let asked = |fault: &str| ask(Operation::Chat, &chat(json!({"demo": {"fault": fault}})), &Value::Null);
    let hang = asked("hang");
    assert_eq!((hang.status, hang.pieces.len(), hang.end), (200, 0, End::Hang));
    let empty = asked("empty");
    assert_eq!((empty.status, empty.pieces.len(), empty.end), (200, 0, End::Clean));
    let page = asked("html");
    assert_eq!((page.status, page.content_type, page.end), (200, "text/html", End::Clean));
}

#[test]
fn a_fault_rate_decides_by_the_request_alone() {
    let status = |rate: f64, number: u32| {
        let options = json!({"fault": "status:500", "fault_rate": rate});
        ask(Operation::Chat, &chat(json!({"user": number.to_string()})), &options).status
    };
    assert!((0..200).all(|number| status(0.0, number) == 200));
    assert!((0..200).all(|number| status(1.0, number) == 500));
    let failed = (0..200).filter(|number| status(0.5, *number) == 500).count();
    assert!((60..140).contains(&failed), "{failed} of 200 at a rate of 0.5");
}

#[test]
fn a_wrong_option_in_a_request_is_refused_by_name() {
    let answer = ask(Operation::Chat, &chat(json!({"demo": {"latency": 5}})), &Value::Null);
    assert_eq!(answer.status, 400);
    let error = dialect(Operation::Chat).decode_error(400, Some(answer.content_type), &bytes(&answer));
    assert!(error.message.contains("unknown option 'latency'"), "{error:?}");
}

#[test]
fn an_operation_that_a_dialect_lacks_is_answered_as_not_implemented() {
    let body = json!({"model": "m", "input": "a"}).to_string();
    let answer = answer(dialect(Operation::Chat), Operation::Embed, body.as_bytes(), &Map::new(), NOW);
    assert_eq!(answer.status, 501);
}
/// One user message in whatever words the dialect has.
fn hello(codec: &dyn ChatCodec, stream: bool) -> Vec<u8> {
    let request = ChatRequest {
        messages: vec![Message::text(Role::User, "Hello there")],
        stream: Some(stream),
        ..ChatRequest::default()
    };
    let model =
        ModelTraits { model: Some("m".to_owned()), max_output_tokens: Some(99), ..ModelTraits::default() };
    codec.encode_request(&request, &model, &mut Losses::default()).expect("every dialect can say hello")
}

#[test]
fn every_chat_dialect_can_be_spoken_with_the_demo_provider() {
    for (name, dialect) in names().filter_map(|name| Some((name, by_name(name)?))) {
        let Some(codec) = dialect.chat() else { continue };
        let whole = answer(dialect, Operation::Chat, &hello(codec, false), &Map::new(), NOW);
        let response = codec.decode_response(&bytes(&whole)).expect(name);
        let text = text_of(&response, 0);
        assert!(text.contains("Hello there"), "{}: {text}", name);
        let (Some(mut decoder), Some(_)) = (codec.stream_decoder(), codec.stream_encoder(false)) else {
            continue;
        };
        let body = hello(codec, true);
        if codec.decode_request(&body).expect(name).stream != Some(true) {
            continue; // the path says that it streams, and the provider is asked by its body alone
        }
        let streamed = answer(dialect, Operation::Chat, &body, &Map::new(), NOW);
        let mut events = Vec::new();
        streamed.pieces.iter().for_each(|piece| decoder.feed(&piece.bytes, &mut events));
        decoder.finish(&mut events);
        assert_eq!(told(&events), [text], "{}: {:?}", name, String::from_utf8_lossy(&bytes(&streamed)));
    }
}

#[test]
fn every_completion_and_embeddings_dialect_can_be_spoken_with_the_demo_provider() {
    let model =
        ModelTraits { model: Some("m".to_owned()), max_output_tokens: Some(99), ..ModelTraits::default() };
    for (name, dialect) in names().filter_map(|name| Some((name, by_name(name)?))) {
        let ask = |operation, body: Vec<u8>| bytes(&answer(dialect, operation, &body, &Map::new(), NOW));
        if let Some(codec) = dialect.complete() {
            let prompt = Prompt::Text("Hello there".to_owned());
            let request = CompletionRequest { prompt, ..CompletionRequest::default() };
            let body = codec.encode_request(&request, &model, &mut Losses::default()).expect(name);
            let response = codec.decode_response(&ask(Operation::Complete, body)).expect(name);
            assert!(response.choices[0].text.contains("Hello there"), "{}: {response:?}", name);
        }
        if let Some(codec) = dialect.embed() {
            let body = |texts: &[&str]| {
                let input = EmbeddingInput::Texts(texts.iter().map(|&text| text.to_owned()).collect());
                let request = EmbeddingRequest {
                    model: None,
                    input,
                    dimensions: None,
                    encoding: None,
                    user: None,
                    extras: Extras::default(),
                };
                codec.encode_request(&request, &model, &mut Losses::default())
            };
            // Gemini's `embedContent` takes one text; a list has an API of its own.
            let (texts, body) = match body(&["a", "b"]) {
                Ok(body) => (2, body),
                Err(_) => (1, body(&["a"]).expect(name)),
            };
            let response = codec.decode_response(&ask(Operation::Embed, body)).expect(name);
            assert_eq!(response.vectors.len(), texts, "{}: {response:?}", name);
        }
    }
}

#[test]
fn documents_that_share_more_words_with_the_query_stand_first() {
    let body = json!({"model": "m", "query": "red panda", "documents": ["a bear", {"text": "a Red panda"}, "a panda"],
        "top_n": 2});
    let answer = ask(Operation::Rerank, &body, &Value::Null);
    let codec = dialect(Operation::Rerank).rerank().expect("a ranking codec");
    let response = codec.decode_response(&bytes(&answer)).expect("an answer");
    let ranked: Vec<_> = response.results.iter().map(|ranked| (ranked.index, ranked.score)).collect();
    assert_eq!(ranked, [(1, 1.0), (2, 0.5)]);
}

proptest! {
    #[test]
    fn no_body_and_no_option_makes_it_panic(
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            proptest::string::string_regex(r#"\{("(messages|prompt|input|n|stream|demo|stop|dimensions)":(\[\]|1|true|"a"|\[1\]|null|-1|\{\}|\[\{"role":"user","content":"é"\}\]),?){0,4}\}"#)
                .expect("a pattern").prop_map(String::into_bytes),
        ],
        fault in prop_oneof![Just("cut"), Just("malformed"), Just("none"), Just("status:503")],
        chunks in 0_u64..30,
    ) {
        for operation in Operation::ALL {
            let options = json!({"fault": fault, "chunks": chunks, "fault_rate": 0.5});
            let options = options.as_object().expect("an object");
            let answer = answer(dialect(operation), operation, &body, options, NOW);
            prop_assert!((200..600).contains(&answer.status));
        }
    }
}
