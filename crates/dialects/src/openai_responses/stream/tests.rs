//! Streams read and written.

use super::{Decoder, Encoder};
use crate::canonical::{BlockKind, Class, Delta, Event, Failure, FinishReason, Signature, Usage};
use crate::framing::sse::SseReader;
use crate::stream::{StreamDecoder, StreamEncoder};
use serde_json::{Value, json};

fn stream(frames: &[Value]) -> Vec<String> {
    let bytes: String = frames.iter().map(|frame| format!("data: {frame}\n\n")).collect();
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    decoder.feed(bytes.as_bytes(), &mut events);
    decoder.finish(&mut events);
    events.iter().map(short).collect()
}

/// An event in a few words.
fn short(event: &Event) -> String {
    match event {
        Event::Started { id, .. } => format!("start {}", id.as_deref().unwrap_or("-")),
        Event::BlockOpened { block, kind, .. } => match kind {
            BlockKind::ToolCall { id, name, .. } => format!("open {block} call {id} {name}"),
            BlockKind::RedactedThinking(data) => {
                format!("open {block} redacted {}", data.for_client("openai"))
            }
            kind => format!("open {block} {kind:?}"),
        },
        Event::BlockGrew { block, delta, .. } => match delta {
            Delta::Text(piece) => format!("grow {block} {piece}"),
            Delta::Arguments(piece) => format!("arguments {block} {piece}"),
            Delta::Signature(piece) => format!("signature {block} {}", piece.for_client("openai")),
        },
        Event::BlockClosed { block, .. } => format!("close {block}"),
        Event::Ended { reason, .. } => format!("end {reason:?}"),
        Event::Usage(usage) => format!("usage {:?} {:?}", usage.prompt_tokens, usage.completion_tokens),
        Event::Finished => "finished".to_owned(),
        Event::Failed(error) => format!("failed {}", error.message),
        Event::Aside { field, .. } => format!("aside {field}"),
        Event::Unknown(_) => "unknown".to_owned(),
    }
}

fn start() -> Value {
    json!({"type": "response.created", "response": {"id": "resp_1", "model": "m", "created_at": 7, "output": []}})
}

fn end(output: Value) -> Value {
    let usage = json!({"input_tokens": 3, "output_tokens": 4, "total_tokens": 7});
    json!({"type": "response.completed", "response": {"status": "completed", "output": output, "usage": usage}})
}

fn added(index: u64, item: Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn done(index: u64, item: Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

#[test]
fn items_arrive_as_blocks_also_where_a_server_writes_another_id_each_time() {
    let piece = |kind: &str, index: u64, id: &str, delta: &str| {
        json!({"type": format!("response.{kind}.delta"), "output_index": index, "item_id": id, "content_index": 0,
            "summary_index": 0, "delta": delta})
    };
    let mut second = piece("reasoning_summary_text", 0, "y", "so");
    second["summary_index"] = json!(1);
    let reasoning = json!({"type": "reasoning", "id": "z", "encrypted_content": "enc",
        "summary": [{"type": "summary_text", "text": "hm"}, {"type": "summary_text", "text": "so"}]});
    let events = stream(&[
        start(),
        json!({"type": "response.in_progress", "response": {"id": "resp_1"}}),
        added(0, json!({"type": "reasoning", "id": "x", "summary": []})),
        piece("reasoning_summary_text", 0, "y", "hm"),
        second,
        done(0, reasoning),
        added(1, json!({"type": "message", "id": "m", "content": []})),
        piece("output_text", 1, "n", "hi"),
        json!({"type": "response.output_text.done", "output_index": 1, "content_index": 0, "text": "hi"}),
        done(1, json!({"type": "message", "content": [{"type": "output_text", "text": "hi"}]})),
        added(
            2,
            json!({"type": "function_call", "id": "f", "call_id": "c", "name": "look", "arguments": ""}),
        ),
        piece("function_call_arguments", 2, "g", "{\"q\""),
        piece("function_call_arguments", 2, "h", ":1}"),
        done(2, json!({"type": "function_call", "call_id": "c", "name": "look", "arguments": "{\"q\":1}"})),
        end(json!([])),
    ]);
    let wanted = [
        "start resp_1",
        "open 0 Thinking",
        "grow 0 hm",
        "grow 0 \n\n",
        "grow 0 so",
        "signature 0 enc",
        "close 0",
        "open 1 Text",
        "grow 1 hi",
        "close 1",
        "open 2 call c look",
        "arguments 2 {\"q\"",
        "arguments 2 :1}",
        "close 2",
        "usage Some(3) Some(4)",
        "end Some(ToolCalls)",
        "finished",
    ];
    assert_eq!(events, wanted);
}

#[test]
fn what_does_not_come_in_pieces_comes_whole() {
    let message = json!({"type": "message", "content": [{"type": "output_text", "text": "hi"},
        {"type": "refusal", "refusal": "no"}]});
    let hidden = json!({"type": "reasoning", "summary": [], "encrypted_content": "enc"});
    let custom = json!({"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "a\"b"});
    let search = json!({"type": "web_search_call", "id": "ws"});
    let wanted = [
        "open 0 redacted enc",
        "close 0",
        "open 1 Text",
        "grow 1 hi",
        "open 2 Refusal",
        "grow 2 no",
        "close 1",
        "close 2",
        "open 3 call c patch",
        "arguments 3 {\"lockgate_tool_input\":\"",
        "arguments 3 a\\\"b",
        "arguments 3 \"}",
        "close 3",
        "unknown",
        "usage Some(3) Some(4)",
        "end Some(ToolCalls)",
        "finished",
    ];
    let items = [hidden, message, custom, search];
    let by_items = items.iter().zip(0..).map(|(item, index)| done(index, item.clone()));
    let frames: Vec<_> = [start()].into_iter().chain(by_items).chain([end(json!([]))]).collect();
    assert_eq!(stream(&frames)[1..], wanted);
    assert_eq!(stream(&[start(), end(json!(items))])[1..], wanted);
}

#[test]
fn errors_in_the_stream_a_cut_and_nonsense_are_failures() {
    let nested = json!({"type": "error", "error": {"type": "t", "code": "c", "message": "busy"}});
    let flat = json!({"type": "error", "code": "c", "message": "busy"});
    let failed = json!({"type": "response.failed", "response": {"status": "failed",
        "error": {"code": "c", "message": "busy"}}});
    for error in [nested, flat, failed] {
        assert_eq!(stream(&[start(), error, end(json!([]))])[1..], ["failed busy"]);
    }
    assert_eq!(stream(&[start()])[1..], ["failed the provider's stream broke off before its end"]);
    for nonsense in [
        json!([]),
        json!({"type": "response.output_item.added"}),
        json!({"type": "response.output_text.delta", "output_index": 0, "delta": 1}),
        json!({"type": "response.completed"}),
    ] {
        let events = stream(&[start(), nonsense.clone(), end(json!([]))]);
        assert_eq!(events[1..], ["failed an event of the provider's stream cannot be read"], "{nonsense}");
    }
}

#[test]
fn what_stands_beside_a_text_comes_with_it_and_goes_out_again() {
    let citation = json!({"type": "url_citation", "url": "u"});
    let tokens = json!([{"token": "hi", "logprob": -0.5}]);
    let bytes: String = [
        start(),
        added(0, json!({"type": "message", "phase": "commentary"})),
        json!({"type": "response.output_text.delta", "output_index": 0, "delta": "hi", "logprobs": tokens}),
        json!({"type": "response.output_text.annotation.added", "output_index": 0, "annotation": citation}),
        done(0, json!({"type": "message", "content": [{"type": "output_text", "text": "hi"}]})),
        added(1, json!({"type": "message", "phase": "final_answer"})),
        json!({"type": "response.output_text.delta", "output_index": 1, "delta": "so"}),
        end(json!([])),
    ]
    .iter()
    .map(|frame| format!("data: {frame}\n\n"))
    .collect();
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    decoder.feed(bytes.as_bytes(), &mut events);
    let told: Vec<_> = events.iter().map(short).collect();
    let wanted = [
        "aside phase",
        "open 0 Text",
        "aside logprobs",
        "grow 0 hi",
        "aside annotations",
        "close 0",
        "aside phase",
        "open 1 Text",
        "grow 1 so",
        "close 1",
    ];
    assert_eq!(told[1..11], wanted);
    let frames = written(&events);
    let delta = frames.iter().find(|frame| frame["type"] == "response.output_text.delta").expect("a piece");
    assert_eq!(delta["logprobs"], tokens);
    let output = &frames[frames.len() - 1]["response"]["output"];
    assert_eq!((&output[0]["phase"], &output[1]["phase"]), (&json!("commentary"), &json!("final_answer")));
    let text = &output[0]["content"][0];
    assert_eq!((&text["annotations"], &text["logprobs"]), (&json!([citation]), &tokens));
}

#[test]
fn a_frame_that_only_the_provider_knows_is_recorded_once() {
    let frame = |kind: &str| Event::Unknown(json!({ "type": kind }).to_string().into_bytes().into());
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    for event in [started(), frame("x"), frame("x"), frame("y"), Event::Unknown("[]".into())] {
        encoder.encode(&event, &mut out);
    }
    let lost: Vec<_> = encoder.losses().iter().map(|loss| loss.path.clone()).collect();
    assert_eq!(lost, ["x", "y", "frame"]);
}

fn frames(bytes: &[u8]) -> Vec<Value> {
    let mut frames: Vec<Value> = Vec::new();
    let read = SseReader::new().feed(bytes, |event| {
        let frame: Value = serde_json::from_slice(event.data).expect("JSON");
        assert_eq!(frame["type"].as_str(), event.event, "the event's name is its type");
        assert_eq!(frame["sequence_number"].as_u64(), Some(frames.len() as u64), "numbers rise by one");
        frames.push(frame);
    });
    read.expect("short frames");
    frames
}

fn written(events: &[Event]) -> Vec<Value> {
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    frames(&out)
}

fn opened(block: u32, kind: BlockKind) -> Event {
    Event::BlockOpened { choice: 0, block, kind }
}

fn grew(block: u32, delta: Delta) -> Event {
    Event::BlockGrew { choice: 0, block, delta }
}

fn closed(block: u32) -> Event {
    Event::BlockClosed { choice: 0, block }
}

fn call(id: &str) -> BlockKind {
    BlockKind::ToolCall { id: id.to_owned(), name: "look".to_owned(), signature: None }
}

fn started() -> Event {
    Event::Started { id: Some("a".to_owned()), model: Some("m".to_owned()), created: Some(7) }
}

#[test]
fn every_event_of_the_api_comes_in_its_order_and_the_last_repeats_the_output() {
    let text = |text: &str| Delta::Text(text.to_owned());
    let frames = written(&[
        started(),
        opened(0, BlockKind::Thinking),
        grew(0, text("hm")),
        grew(0, Delta::Signature(Signature::made_by("openai", "enc"))),
        closed(0),
        opened(1, BlockKind::Text),
        grew(1, text("hi")),
        closed(1),
        opened(2, BlockKind::Refusal),
        grew(2, text("no")),
        closed(2),
        opened(3, call("c")),
        grew(3, Delta::Arguments("{\"q\":1}".to_owned())),
        closed(3),
        Event::Ended { choice: 0, reason: Some(FinishReason::ToolCalls) },
        Event::Usage(Usage { prompt_tokens: Some(3), ..Usage::default() }),
        Event::Finished,
    ]);
    let told: Vec<_> = frames
        .iter()
        .map(|frame| {
            let kind = frame["type"].as_str().unwrap_or_default().trim_start_matches("response.");
            let place = |name: &str| frame[name].as_u64().map_or("-".to_owned(), |place| place.to_string());
            format!("{kind} {} {}", place("output_index"), place("content_index"))
        })
        .collect();
    let wanted = [
        "created - -",
        "in_progress - -",
        "output_item.added 0 -",
        "reasoning_summary_part.added 0 -",
        "reasoning_summary_text.delta 0 -",
        "reasoning_summary_text.done 0 -",
        "reasoning_summary_part.done 0 -",
        "output_item.done 0 -",
        "output_item.added 1 -",
        "content_part.added 1 0",
        "output_text.delta 1 0",
        "output_text.done 1 0",
        "content_part.done 1 0",
        "content_part.added 1 1",
        "refusal.delta 1 1",
        "refusal.done 1 1",
        "content_part.done 1 1",
        "output_item.done 1 -",
        "output_item.added 2 -",
        "function_call_arguments.delta 2 -",
        "function_call_arguments.done 2 -",
        "output_item.done 2 -",
        "completed - -",
    ];
    assert_eq!(told, wanted);
    let last = &frames[frames.len() - 1]["response"];
    assert_eq!((&last["status"], &last["usage"]["input_tokens"]), (&json!("completed"), &json!(3)));
    let done: Vec<_> = frames.iter().filter(|frame| frame["type"] == "response.output_item.done").collect();
    let items: Vec<_> = done.iter().map(|frame| &frame["item"]).collect();
    assert_eq!(json!(items), last["output"]);
    assert_eq!(last["output"][0]["encrypted_content"], "enc");
}

#[test]
fn calls_that_grow_in_turns_stay_apart_and_a_custom_tools_call_is_told_as_such() {
    let frames = written(&[
        started(),
        opened(0, call("a")),
        opened(1, call("b")),
        grew(0, Delta::Arguments("{\"lockgate_tool".to_owned())),
        grew(1, Delta::Arguments("{}".to_owned())),
        grew(0, Delta::Arguments("_input\":\"x\\ny".to_owned())),
        grew(0, Delta::Arguments("z\"}".to_owned())),
        closed(0),
        closed(1),
        opened(2, call("")),
        closed(2),
        Event::Ended { choice: 0, reason: Some(FinishReason::Length) },
        Event::Finished,
    ]);
    let last = &frames[frames.len() - 1];
    assert_eq!(last["type"], "response.incomplete");
    let output = &last["response"]["output"];
    assert_eq!((&output[0]["type"], &output[0]["input"]), (&json!("custom_tool_call"), &json!("x\nyz")));
    assert_eq!((&output[1]["call_id"], &output[1]["arguments"]), (&json!("b"), &json!("{}")));
    assert_eq!((&output[2]["call_id"], &output[2]["arguments"]), (&json!("call_a_2"), &json!("{}")));
    assert_eq!(output[2]["status"], "incomplete");
}

#[test]
fn a_failure_is_an_error_and_the_responses_end_and_nothing_follows() {
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    encoder.encode(&started(), &mut out);
    encoder.encode(&opened(0, BlockKind::Text), &mut out);
    encoder.encode(&grew(0, Delta::Text("par".to_owned())), &mut out);
    encoder.fail(&Failure::new(Class::UpstreamRateLimited, "slow"), "req_1", &mut out);
    encoder.encode(&Event::Finished, &mut out);
    encoder.fail(&Failure::new(Class::Internal, "again"), "req_1", &mut out);
    let frames = frames(&out);
    let [.., error, failed] = frames.as_slice() else { panic!("two last events") };
    assert_eq!((&error["type"], &error["error"]["message"]), (&json!("error"), &json!("slow")));
    assert_eq!(
        (&failed["type"], &failed["response"]["status"]),
        (&json!("response.failed"), &json!("failed"))
    );
    assert_eq!(failed["response"]["error"], json!({"code": "rate_limit_exceeded", "message": "slow"}));
    assert_eq!(failed["response"]["output"][0]["content"][0]["text"], "par");
}

#[test]
fn only_the_first_answer_is_told_and_the_others_are_recorded() {
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    for event in [
        started(),
        Event::BlockOpened { choice: 1, block: 0, kind: BlockKind::Text },
        Event::BlockClosed { choice: 1, block: 0 },
        Event::Ended { choice: 1, reason: None },
        Event::Ended { choice: 0, reason: Some(FinishReason::Other("eos".to_owned())) },
        Event::Finished,
    ] {
        encoder.encode(&event, &mut out);
    }
    let lost: Vec<_> = encoder.losses().iter().map(|loss| loss.path.clone()).collect();
    assert_eq!(lost, ["choices[1]", "choices[0].finish_reason"]);
    assert!(encoder.losses().is_empty());
    assert_eq!(frames(&out).last().map(|frame| frame["response"]["output"].clone()), Some(json!([])));
}
