//! Streams in both directions.

use super::{Decoder, Encoder};
use crate::canonical::{BlockKind, Class, Delta, Event, Failure, FinishReason, Signature, Usage};
use crate::gemini::FAMILY;
use crate::gemini::framing::Framing;
use crate::stream::{StreamDecoder, StreamEncoder};
use serde_json::{Value, json};

fn events(answers: &[Value]) -> Vec<Event> {
    let bytes: String = answers.iter().map(|answer| format!("data: {answer}\r\n\r\n")).collect();
    let (mut decoder, mut events) = (Decoder::new(Framing::Sse), Vec::new());
    decoder.feed(bytes.as_bytes(), &mut events);
    decoder.finish(&mut events);
    events
}

fn stream(answers: &[Value]) -> Vec<String> {
    events(answers).iter().map(short).collect()
}

/// An event in one word or two.
fn short(event: &Event) -> String {
    match event {
        Event::Started { id, .. } => format!("start {}", id.as_deref().unwrap_or("-")),
        Event::BlockOpened { choice, block, kind } => match kind {
            BlockKind::ToolCall { id, name, signature } => {
                let signature = signature.as_ref().map(|signature| signature.for_client(FAMILY));
                format!("open {choice}.{block} call {id} {name} {}", signature.as_deref().unwrap_or("-"))
            }
            BlockKind::RedactedThinking(data) => {
                format!("open {choice}.{block} redacted {}", data.for_client(FAMILY))
            }
            kind => format!("open {choice}.{block} {kind:?}"),
        },
        Event::BlockGrew { block, delta, .. } => match delta {
            Delta::Text(piece) => format!("grow {block} {piece}"),
            Delta::Arguments(piece) => format!("arguments {block} {piece}"),
            Delta::Signature(piece) => format!("signature {block} {}", piece.for_client(FAMILY)),
        },
        Event::BlockClosed { block, .. } => format!("close {block}"),
        Event::Ended { choice, reason } => format!("end {choice} {reason:?}"),
        Event::Usage(usage) => format!("usage {:?} {:?}", usage.prompt_tokens, usage.completion_tokens),
        Event::Finished => "finished".to_owned(),
        Event::Failed(error) => format!("failed {} {}", error.status, error.message),
        Event::Aside { field, value, .. } => format!("aside {field} {}", value.get()),
        Event::Unknown(_) => "unknown".to_owned(),
    }
}

fn parts(parts: Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}], "responseId": "r"})
}

fn stop() -> Value {
    json!({"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4}})
}

#[test]
fn text_thoughts_and_calls_arrive_in_their_blocks() {
    let told = stream(&[
        parts(json!([{"text": "h", "thought": true}])),
        parts(json!([{"text": "m", "thought": true}, {"text": "a"}])),
        parts(json!([{"text": "b"}, {"text": "", "thoughtSignature": "cw=="}])),
        parts(
            json!([{"functionCall": {"id": "1", "name": "look", "args": {"q": 1}}, "thoughtSignature": "eA=="},
            {"functionCall": {"id": "2", "name": "look"}}]),
        ),
        stop(),
    ]);
    let wanted = [
        "start r",
        "open 0.0 Thinking",
        "grow 0 h",
        "grow 0 m",
        "close 0",
        "open 0.1 Text",
        "grow 1 a",
        "grow 1 b",
        "close 1",
        "open 0.2 Thinking",
        "signature 2 cw==",
        "close 2",
        "open 0.3 call 1 look eA==",
        "arguments 3 {\"q\":1}",
        "close 3",
        "open 0.4 call 2 look -",
        "arguments 4 {}",
        "close 4",
        "usage Some(3) Some(4)",
        "end 0 Some(ToolCalls)",
        "finished",
    ];
    assert_eq!(told, wanted);
}

#[test]
fn arguments_in_pieces_are_one_call() {
    let told = stream(&[
        parts(
            json!([{"functionCall": {"id": "1", "name": "look", "willContinue": true}, "thoughtSignature": "eA=="}]),
        ),
        parts(
            json!([{"functionCall": {"partialArgs": [{"jsonPath": "$.q", "stringValue": "a", "willContinue": true}],
            "willContinue": true}}]),
        ),
        parts(
            json!([{"functionCall": {"partialArgs": [{"jsonPath": "$.q", "stringValue": "b"}], "willContinue": true}}]),
        ),
        parts(json!([{"functionCall": {}}])),
        stop(),
    ]);
    let call = ["open 0.0 call 1 look eA==", "arguments 0 {\"q\":\"ab\"}", "close 0"];
    assert_eq!(told[1..4], call);
    assert_eq!(told[5..], ["end 0 Some(ToolCalls)", "finished"]);
}

#[test]
fn what_only_this_api_knows_comes_aside() {
    let mut last = stop();
    last["candidates"][0]["groundingMetadata"] = json!({"q": 1});
    last["candidates"][0]["finishReason"] = json!("RECITATION");
    let told =
        stream(&[parts(json!([{"text": "a"}, {"executableCode": {"code": "1"}}, {"text": "b"}])), last]);
    let wanted = [
        "open 0.0 Text",
        "grow 0 a",
        "close 0",
        "aside content.parts {\"executableCode\":{\"code\":\"1\"}}",
        "open 0.1 Text",
        "grow 1 b",
        "aside groundingMetadata {\"q\":1}",
        "usage Some(3) Some(4)",
        "close 1",
        "aside finishReason \"RECITATION\"",
        "end 0 Some(ContentFilter)",
        "finished",
    ];
    assert_eq!(told[1..], wanted);
}

#[test]
fn a_refused_prompt_ends_well() {
    let told = stream(&[json!({"promptFeedback": {"blockReason": "SAFETY"}})]);
    let wanted = [
        "start -",
        "aside promptFeedback {\"blockReason\":\"SAFETY\"}",
        "end 0 Some(ContentFilter)",
        "finished",
    ];
    assert_eq!(told, wanted);
}

#[test]
fn a_stream_without_a_reason_an_error_in_it_and_nonsense_are_failures() {
    let cut = "failed 0 the provider's stream ended before its `finishReason`";
    assert_eq!(stream(&[parts(json!([{"text": "a"}]))])[3..], [cut]);
    assert_eq!(stream(&[]), [cut]);
    let error = json!({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}});
    assert_eq!(stream(&[stop(), error.clone(), stop()]).last().map(String::as_str), Some("failed 503 busy"));
    for nonsense in [
        json!([]),
        parts(json!([7])),
        parts(json!([{"functionCall": {"args": {}}}])),
        json!({"candidates": 1}),
    ] {
        let told = stream(&[nonsense, stop()]);
        let last = told.last().expect("an event");
        assert!(last.starts_with("failed 0 an event of the provider's stream cannot be read"), "{last}");
    }
    let (mut decoder, mut events) = (Decoder::new(Framing::Array), Vec::new());
    decoder.feed(format!("[{error}]").as_bytes(), &mut events);
    decoder.finish(&mut events);
    assert_eq!(events.iter().map(short).collect::<Vec<_>>(), ["failed 503 busy"]);
    let (mut decoder, mut events) = (Decoder::new(Framing::Array), Vec::new());
    decoder.feed(format!("[{}", stop()).as_bytes(), &mut events);
    decoder.finish(&mut events);
    assert_eq!(events.last().map(short).as_deref(), Some(cut), "the list is not closed");
}

#[test]
fn several_candidates_stay_apart_and_each_must_end() {
    let both = json!({"candidates": [{"index": 0, "content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"},
        {"index": 1, "content": {"parts": [{"text": "b"}]}}]});
    let told = stream(std::slice::from_ref(&both));
    assert!(told.last().is_some_and(|last| last.starts_with("failed")), "{told:?}");
    let told = stream(&[both, json!({"candidates": [{"index": 1, "finishReason": "MAX_TOKENS"}]})]);
    assert_eq!(told[told.len() - 4..], ["end 0 Some(Stop)", "close 0", "end 1 Some(Length)", "finished"]);
}

fn written(framing: Framing, events: &[Event]) -> Vec<Value> {
    let (mut encoder, mut out) = (Encoder::new(framing), Vec::new());
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    let text = String::from_utf8(out).expect("JSON");
    match framing {
        Framing::Array => serde_json::from_str(&text).expect("a list"),
        Framing::Sse => {
            let frames = text.split("\r\n\r\n").filter_map(|frame| frame.strip_prefix("data: "));
            frames.map(|frame| serde_json::from_str(frame).expect("JSON")).collect()
        }
    }
}

fn say(block: u32, kind: BlockKind, deltas: Vec<Delta>) -> Vec<Event> {
    let mut events = vec![Event::BlockOpened { choice: 0, block, kind }];
    events.extend(deltas.into_iter().map(|delta| Event::BlockGrew { choice: 0, block, delta }));
    events.push(Event::BlockClosed { choice: 0, block });
    events
}

#[test]
fn each_piece_is_an_answer_and_the_last_has_reason_and_usage() {
    let start = Event::Started { id: Some("r".into()), model: Some("m".into()), created: None };
    let call = BlockKind::ToolCall { id: "c".into(), name: "look".into(), signature: None };
    let pieces = ["{\"q\"", ":1}"].map(|piece| Delta::Arguments(piece.to_owned())).to_vec();
    let events = [
        vec![start],
        say(
            0,
            BlockKind::Thinking,
            vec![Delta::Text("hm".into()), Delta::Signature(Signature::made_by(FAMILY, "cw=="))],
        ),
        say(1, BlockKind::Text, vec![Delta::Text("a".into())]),
        say(2, call, pieces),
        vec![
            Event::Ended { choice: 0, reason: Some(FinishReason::ToolCalls) },
            Event::Usage(Usage { prompt_tokens: Some(3), completion_tokens: Some(4), ..Usage::default() }),
            Event::Finished,
        ],
    ]
    .concat();
    for framing in [Framing::Sse, Framing::Array] {
        let answers = written(framing, &events);
        let said: Vec<_> =
            answers.iter().map(|answer| answer["candidates"][0]["content"]["parts"][0].clone()).collect();
        let wanted = [
            json!({"text": "hm", "thought": true}),
            json!({"text": "", "thought": true, "thoughtSignature": "cw=="}),
            json!({"text": "a"}),
            json!({"functionCall": {"id": "c", "name": "look", "args": {"q": 1}}}),
            json!({"text": ""}),
        ];
        assert_eq!(said, wanted);
        let last = &answers[4];
        assert_eq!(last["candidates"][0]["finishReason"], "STOP");
        assert_eq!(
            last["usageMetadata"],
            json!({"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7})
        );
        assert!(answers.iter().all(|answer| answer["responseId"] == "r" && answer["modelVersion"] == "m"));
    }
}

#[test]
fn a_stream_of_this_api_says_the_same_again() {
    let mut last = stop();
    last["candidates"][0]["groundingMetadata"] = json!({"q": 1});
    let told = events(&[
        parts(
            json!([{"text": "hm", "thought": true}, {"text": "a"}, {"text": "", "thoughtSignature": "cw=="}]),
        ),
        parts(json!([{"executableCode": {"code": "1"}}, {"thought": true, "thoughtSignature": "aGlk"}])),
        parts(json!([{"functionCall": {"name": "look", "args": {"a": [1.50]}}, "thoughtSignature": "eA=="}])),
        last,
    ]);
    let again = events(&written(Framing::Sse, &told));
    let plain = |events: &[Event]| {
        let kept = events.iter().filter(|event| !matches!(event, Event::Usage(_)));
        kept.map(short).collect::<Vec<_>>()
    };
    assert_eq!(plain(&again), plain(&told));
}

#[test]
fn a_failure_is_the_last_answer_and_a_refused_prompt_has_no_candidate() {
    for (framing, wanted) in [
        (
            Framing::Sse,
            "data: {\"error\":{\"code\":503,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"}}\r\n\r\n",
        ),
        (Framing::Array, "[{\"error\":{\"code\":503,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"}}]"),
    ] {
        let (mut encoder, mut out) = (Encoder::new(framing), Vec::new());
        encoder.fail(&Failure::new(Class::UpstreamOverloaded, "busy"), "id", &mut out);
        encoder.fail(&Failure::new(Class::Internal, "again"), "id", &mut out);
        encoder.encode(&Event::Finished, &mut out);
        assert_eq!(String::from_utf8(out).expect("JSON"), wanted);
    }
    let told = events(&[json!({"promptFeedback": {"blockReason": "SAFETY"}, "responseId": "r"})]);
    assert_eq!(
        written(Framing::Sse, &told),
        [json!({"promptFeedback": {"blockReason": "SAFETY"}, "responseId": "r"})]
    );
}

#[test]
fn what_clients_of_this_api_cannot_get_is_recorded() {
    let mut encoder = Encoder::new(Framing::Sse);
    let mut out = Vec::new();
    let value = crate::raw::to_raw(&1);
    let call = BlockKind::ToolCall { id: "c".into(), name: "look".into(), signature: None };
    let mut events = say(0, call, vec![Delta::Arguments("not JSON".into())]);
    events.push(Event::Aside { choice: 0, block: None, field: "logprobs", value });
    events.push(Event::Ended { choice: 0, reason: Some(FinishReason::Other("eos".into())) });
    events.push(Event::Finished);
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    assert_eq!(encoder.losses().count(), 3);
    assert!(String::from_utf8(out).expect("JSON").contains(r#""args":{"arguments":"not JSON"}"#));
}
