use crate::canonical::{BlockKind, Class, Delta, Event, Failure, FinishReason, Usage};
use crate::dialect::{ChatCodec, CompletionCodec};
use crate::mlflow_endpoints::MlflowEndpoints;
use crate::openai_chat::OpenAiChat;
use proptest::prelude::*;
use serde_json::{Value, json};

fn said(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

/// What a client of the chat stream reads.
fn chunks(events: &[Event], include_usage: bool) -> Vec<Value> {
    let mut encoder = ChatCodec::stream_encoder(&MlflowEndpoints, include_usage).expect("it streams");
    written(encoder.as_mut(), events)
}

fn written(encoder: &mut dyn crate::stream::StreamEncoder, events: &[Event]) -> Vec<Value> {
    let mut out = Vec::new();
    for event in events {
        encoder.encode(event, &mut out);
    }
    let text = String::from_utf8(out).expect("text");
    let events = text.split_terminator("\n\n");
    events.map(|event| said(event.strip_prefix("data: ").expect("a data line").as_bytes())).collect()
}

fn started() -> Event {
    Event::Started { id: Some("c1".to_owned()), model: Some("m".to_owned()), created: Some(9) }
}

fn grew(block: u32, text: &str) -> Event {
    Event::BlockGrew { choice: 0, block, delta: Delta::Text(text.to_owned()) }
}

fn ended(reason: FinishReason) -> Event {
    Event::Ended { choice: 0, reason: Some(reason) }
}

fn usage(completion: u64) -> Event {
    Event::Usage(Usage { prompt_tokens: Some(1), completion_tokens: Some(completion), ..Usage::default() })
}

#[test]
fn a_plain_stream_is_mlflows_to_the_key() {
    let events = [
        started(),
        Event::BlockOpened { choice: 0, block: 0, kind: BlockKind::Text },
        grew(0, ""),
        grew(0, "Hel"),
        grew(0, "lo"),
        Event::BlockClosed { choice: 0, block: 0 },
        ended(FinishReason::Stop),
        Event::Finished,
    ];
    let chunk = |reason: Value, delta: Value| {
        json!({"id": "c1", "object": "chat.completion.chunk", "created": 9, "model": "m",
            "choices": [{"index": 0, "finish_reason": reason, "delta": delta}]})
    };
    let wanted = [
        chunk(Value::Null, json!({"role": "assistant", "content": ""})),
        chunk(Value::Null, json!({"role": null, "content": "Hel"})),
        chunk(Value::Null, json!({"role": null, "content": "lo"})),
        chunk(json!("stop"), json!({"role": null, "content": null})),
    ];
    assert_eq!(chunks(&events, false), wanted);
}

#[test]
fn usage_survives_in_a_streams_last_chunk_and_alone_only_if_asked_for() {
    let events = |last: &[Event]| [&[started(), usage(0)], last, &[Event::Finished]].concat();
    let counts = json!({"prompt_tokens": 1, "completion_tokens": 8, "total_tokens": 9});
    for last in [[ended(FinishReason::Stop), usage(8)], [usage(8), ended(FinishReason::Stop)]] {
        let inside = chunks(&events(&last), false);
        assert_eq!(inside.len(), 2);
        assert_eq!(inside[1]["usage"], counts);
        assert_eq!(inside[1]["choices"][0]["finish_reason"], "stop");
        let apart = chunks(&events(&last), true);
        assert_eq!(apart.len(), 3);
        assert!(apart[1].get("usage").is_none());
        assert_eq!((&apart[2]["choices"], &apart[2]["usage"]), (&json!([]), &counts));
    }
}

#[test]
fn tool_calls_and_refusals_survive_a_stream_and_reasoning_is_left_out() {
    let tool = |id: &str| BlockKind::ToolCall { id: id.to_owned(), name: "f".to_owned(), signature: None };
    let arguments = |block| Event::BlockGrew { choice: 0, block, delta: Delta::Arguments("{".to_owned()) };
    let events = [
        started(),
        Event::BlockOpened { choice: 0, block: 0, kind: tool("a") },
        arguments(0),
        Event::BlockClosed { choice: 0, block: 0 },
        Event::BlockOpened { choice: 0, block: 1, kind: BlockKind::Thinking },
        grew(1, "hm"),
        Event::BlockClosed { choice: 0, block: 1 },
        Event::BlockOpened { choice: 0, block: 2, kind: tool("b") },
        arguments(2),
        Event::BlockOpened { choice: 0, block: 3, kind: BlockKind::Refusal },
        grew(3, "no"),
        ended(FinishReason::ToolCalls),
        Event::Finished,
    ];
    let deltas: Vec<Value> =
        chunks(&events, false).into_iter().map(|mut chunk| chunk["choices"][0]["delta"].take()).collect();
    let opened = |index: u32, id: &str| json!([{"index": index, "id": id, "type": "function", "function": {"name": "f", "arguments": ""}}]);
    let wanted = [
        json!({"role": "assistant", "content": null, "tool_calls": opened(0, "a")}),
        json!({"role": null, "content": null, "tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}),
        json!({"role": null, "content": null, "tool_calls": opened(1, "b")}),
        json!({"role": null, "content": null, "tool_calls": [{"index": 1, "function": {"arguments": "{"}}]}),
        json!({"role": null, "content": null, "refusal": "no"}),
        json!({"role": null, "content": null}),
    ];
    assert_eq!(deltas, wanted);
}

#[test]
fn a_completions_stream_has_texts_and_then_an_end_without_one() {
    let mut encoder = CompletionCodec::stream_encoder(&MlflowEndpoints, false).expect("it streams");
    let events = [
        started(),
        Event::BlockOpened { choice: 0, block: 0, kind: BlockKind::Thinking },
        grew(0, "hm"),
        Event::BlockOpened { choice: 0, block: 1, kind: BlockKind::Text },
        grew(1, "Hi"),
        ended(FinishReason::Length),
        Event::Finished,
    ];
    let chunks = written(encoder.as_mut(), &events);
    assert_eq!(chunks.len(), 2);
    assert_eq!(chunks[0]["object"], "text_completion_chunk");
    assert_eq!(chunks[0]["choices"], json!([{"index": 0, "finish_reason": null, "text": "Hi"}]));
    assert_eq!(chunks[1]["choices"], json!([{"index": 0, "finish_reason": "length", "text": null}]));
}

#[test]
fn a_stream_that_breaks_off_says_so_after_all_that_came() {
    let mut encoder = ChatCodec::stream_encoder(&MlflowEndpoints, false).expect("it streams");
    let mut out = Vec::new();
    for event in [started(), ended(FinishReason::Stop)] {
        encoder.encode(&event, &mut out);
    }
    encoder.fail(&Failure::new(Class::StreamTruncated, "it broke off"), "id", &mut out);
    let text = String::from_utf8(out).expect("text");
    let events: Vec<_> = text.split_terminator("\n\n").collect();
    assert!(events[1].contains("\"finish_reason\":\"stop\""));
    assert!(events[2].starts_with("data: {\"error\":{\"message\":\"it broke off\""));
    assert_eq!(events.len(), 3);
}

#[test]
fn a_stream_of_a_gateway_behind_is_whole_without_a_mark_and_broken_without_an_end() {
    let read = |text: &str| {
        let mut decoder = ChatCodec::stream_decoder(&MlflowEndpoints).expect("it streams");
        let mut events = Vec::new();
        decoder.feed(text.as_bytes(), &mut events);
        decoder.finish(&mut events);
        events
    };
    let chunk = |reason: &str, content: &str| {
        format!(
            "data: {{\"id\":\"c1\",\"created\":9,\"model\":\"m\",\"choices\":[{{\"index\":0,\"finish_reason\":{reason},\
             \"delta\":{{\"role\":null,\"content\":{content}}}}}]}}\n\n"
        )
    };
    let begun = chunk("null", "\"Hi\"");
    let whole = read(&format!("{begun}{}", chunk("\"stop\"", "null")));
    assert!(matches!(whole.last(), Some(Event::Finished)), "{whole:?}");
    assert!(!whole.iter().any(|event| matches!(event, Event::Failed(_))));
    let contents: Vec<Value> = chunks(&whole, false)
        .into_iter()
        .map(|mut chunk| chunk["choices"][0]["delta"]["content"].take())
        .collect();
    assert_eq!(contents, [json!(""), json!("Hi"), Value::Null]);
    assert!(matches!(read(&begun).last(), Some(Event::Failed(_))));
    assert!(matches!(read("").last(), Some(Event::Failed(_))));
}

/// A provider's stream with text, a tool call, usage and a comment.
const PROVIDER: &str = concat!(
    ": ping\n\n",
    "data: {\"id\":\"x\",\"model\":\"m\",\"created\":3,\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"h\u{e9}\"}}]}\r\n\r\n",
    "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"two\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":",
    "{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
    "data: {\"choices\":[{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
);

fn translated(cuts: &[usize]) -> Vec<u8> {
    let mut decoder = OpenAiChat.stream_decoder().expect("it streams");
    let mut encoder = ChatCodec::stream_encoder(&MlflowEndpoints, false).expect("it streams");
    let mut events = Vec::new();
    let mut rest = PROVIDER.as_bytes();
    for cut in cuts {
        let (piece, after) = rest.split_at((*cut).min(rest.len()));
        decoder.feed(piece, &mut events);
        rest = after;
    }
    decoder.feed(rest, &mut events);
    decoder.finish(&mut events);
    let mut out = Vec::new();
    for event in &events {
        encoder.encode(event, &mut out);
    }
    out
}

proptest! {
    #[test]
    fn a_stream_is_the_same_however_it_was_cut(cuts in prop::collection::vec(0_usize..60, 0..30)) {
        let whole = translated(&[]);
        prop_assert!(!whole.is_empty());
        prop_assert_eq!(translated(&cuts), whole);
    }
}
