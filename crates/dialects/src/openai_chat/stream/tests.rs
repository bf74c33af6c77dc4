//! What a client sees of streams.

use super::{ChunkDecoder, ChunkEncoder};
use crate::canonical::{BlockKind, Class, Delta, Event, Failure, FinishReason};
use crate::stream::{StreamDecoder, StreamEncoder};

/// The events of a stream whose connection closes after `chunks`, in short words.
fn events(chunks: &[&str]) -> Vec<String> {
    let mut events = Vec::new();
    let mut decoder = ChunkDecoder::new();
    for chunk in chunks {
        decoder.feed(format!("data: {chunk}\n\n").as_bytes(), &mut events);
    }
    decoder.finish(&mut events);
    events.iter().map(word).collect()
}

fn word(event: &Event) -> String {
    match event {
        Event::Started { id, .. } => format!("started {}", id.as_deref().unwrap_or("-")),
        Event::BlockOpened { choice, block, kind } => match kind {
            BlockKind::ToolCall { id, name, .. } => format!("{choice}.{block} call {id} {name}"),
            kind => format!("{choice}.{block} {kind:?}"),
        },
        Event::BlockGrew { choice, block, delta: Delta::Text(text) | Delta::Arguments(text) } => {
            format!("{choice}.{block} + {text}")
        }
        Event::BlockGrew { choice, block, delta } => format!("{choice}.{block} {delta:?}"),
        Event::BlockClosed { choice, block } => format!("{choice}.{block} closed"),
        Event::Ended { choice, reason } => {
            format!("{choice} ended {}", reason.as_ref().map_or("-", FinishReason::openai_word))
        }
        Event::Usage(usage) => format!("usage {}", usage.total().unwrap_or(0)),
        Event::Finished => "finished".to_owned(),
        Event::Failed(error) => format!("failed {}", error.message),
        Event::Aside { field, .. } => format!("aside {field}"),
        Event::Unknown(_) => "unknown".to_owned(),
    }
}

const END: &str = r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

fn call(index: u32, fields: &str, arguments: &str) -> String {
    let arguments = serde_json::to_string(arguments).unwrap();
    format!(
        r#"{{"choices":[{{"delta":{{"tool_calls":[{{"index":{index}{fields},"function":{{"name":"f","arguments":{arguments}}}}}]}}}}]}}"#
    )
}

#[test]
fn text_and_reasoning_are_blocks_one_after_the_other() {
    let chunks = [
        r#"{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":{"content":null,"reasoning_content":"r"}}]}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":{"content":"a","reasoning":null}}],"usage":null}"#,
        END,
        r#"{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#,
        "[DONE]",
    ];
    let expected = [
        "started c",
        "0.0 Thinking",
        "0.0 + r",
        "0.0 Signature(Signature { text: \"reasoning_content\", family: \"openai\" })",
        "0.0 closed",
        "0.1 Text",
        "0.1 + a",
        "usage 3",
        "0.1 closed",
        "0 ended stop",
        "finished",
    ];
    assert_eq!(events(&chunks), expected);
}

#[test]
fn azures_filter_chunks_do_not_disturb() {
    let chunks = [
        r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{}]}"#,
        r#"{"id":"c","choices":[{"index":0,"content_filter_results":{}}]}"#,
        r#"{"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}"#,
        END,
        r#"{"id":"","choices":[{"index":0,"finish_reason":null,"content_filter_offsets":{}}]}"#,
        "[DONE]",
    ];
    let expected = ["unknown", "started c", "0.0 Text", "0.0 + a", "0.0 closed", "0 ended stop", "finished"];
    assert_eq!(events(&chunks), expected);
}

#[test]
fn calls_in_turn_pass_at_once_and_calls_that_alternate_come_out_whole() {
    let in_turn =
        [call(0, r#","id":"a""#, ""), call(0, "", "{}"), call(1, r#","id":"b""#, "{"), call(1, "", "}")];
    let alternating =
        [call(0, r#","id":"a""#, "{"), call(1, r#","id":"b""#, "{"), call(0, "", "}"), call(1, "", "}")];
    let first = ["started -", "0.0 call a f", "0.0 + {}", "0.0 closed", "0.1 call b f", "0.1 + {", "0.1 + }"];
    assert_eq!(events(&in_turn.each_ref().map(String::as_str))[..7], first);
    let second = [
        "started -",
        "0.0 call a f",
        "0.0 + {",
        "0.0 + }",
        "0.0 closed",
        "0.1 call b f",
        "0.1 + {",
        "0.1 + }",
    ];
    assert_eq!(events(&alternating.each_ref().map(String::as_str))[..8], second);
}

#[test]
fn calls_that_all_count_as_the_first_are_told_apart_by_id() {
    let chunks = [call(0, r#","id":"a""#, "{}"), call(0, r#","id":"b""#, "{}")];
    let expected = ["started -", "0.0 call a f", "0.0 + {}", "0.0 closed", "0.1 call b f", "0.1 + {}"];
    assert_eq!(events(&chunks.each_ref().map(String::as_str))[..6], expected);
}

#[test]
fn a_call_after_the_reason_of_another_is_kept() {
    let stop = r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#;
    let (first, second) = (call(0, r#","id":"a""#, "{}"), call(1, r#","id":"b""#, "{}"));
    let expected = [
        "started -",
        "0.0 call a f",
        "0.0 + {}",
        "0.0 closed",
        "0.1 call b f",
        "0.1 + {}",
        "0.1 closed",
        "0 ended tool_calls",
        "finished",
    ];
    assert_eq!(events(&[&first, stop, &second, stop, "[DONE]"]), expected);
}

#[test]
fn a_stream_without_done_is_whole_when_its_choices_are() {
    assert_eq!(events(&[END]).last().unwrap(), "finished");
    let cut = r#"{"choices":[{"index":1,"delta":{"content":"a"}}]}"#;
    assert_eq!(events(&[END, cut]).last().unwrap(), "failed the provider's stream broke off before its end");
    assert_eq!(events(&[]), ["failed the provider's stream broke off before its end"]);
}

#[test]
fn done_ends_choices_that_the_provider_left_open_without_inventing_a_reason() {
    let open = r#"{"choices":[{"text":"a"}]}"#;
    let expected = ["started -", "0.0 Text", "0.0 + a", "0.0 closed", "0 ended -", "finished"];
    assert_eq!(events(&[open, "[DONE]"]), expected);
}

#[test]
fn an_error_within_a_stream_ends_it() {
    let error = r#"{"error":{"message":"busy","code":"tool_use_failed"}}"#;
    assert_eq!(events(&[error, END, "[DONE]"]), ["failed busy"]);
    assert_eq!(events(&[r#"{"object":"error","message":"busy"}"#]), ["failed busy"]);
    assert!(events(&[r#"{"choices":["#])[0].starts_with("failed the provider's stream cannot be read"));
}

/// What a client gets of a stream that passes through events.
fn again(stream: &str, include_usage: bool) -> String {
    let mut events = Vec::new();
    let mut decoder = ChunkDecoder::new();
    decoder.feed(stream.as_bytes(), &mut events);
    decoder.finish(&mut events);
    let mut encoder = ChunkEncoder::new(include_usage);
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    String::from_utf8(out).unwrap()
}

fn written(choice: &str, tail: &str) -> String {
    format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\",\"choices\":[{choice}]{tail}}}\n\n"
    )
}

#[test]
fn a_stream_is_written_as_openai_writes_it() {
    let chunk = |delta: &str, reason: &str| {
        let choice =
            format!("{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{reason}}}");
        written(&choice, ",\"usage\":null")
    };
    let stream = [
        chunk(r#"{"role":"assistant","content":""}"#, "null"),
        chunk(r#"{"reasoning_content":"r"}"#, "null"),
        chunk(r#"{"content":"a"}"#, "null"),
        chunk(
            r#"{"tool_calls":[{"index":0,"id":"x","type":"function","function":{"name":"f","arguments":""}}]}"#,
            "null",
        ),
        chunk(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#, "null"),
        chunk(
            r#"{"tool_calls":[{"index":1,"id":"y","type":"function","function":{"name":"g","arguments":""}}]}"#,
            "null",
        ),
        chunk("{}", "\"tool_calls\""),
        written("", r#","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}"#),
        "data: [DONE]\n\n".to_owned(),
    ];
    assert_eq!(again(&stream.concat(), true), stream.concat());
    let without = again(&stream.concat(), false);
    assert!(!without.contains("usage") && without.ends_with("data: [DONE]\n\n"));
}

#[test]
fn a_broken_stream_ends_in_an_error_and_without_done() {
    let mut out = Vec::new();
    let failure = Failure::new(Class::StreamTruncated, "cut");
    ChunkEncoder::new(false).fail(&failure, "r", &mut out);
    let out = String::from_utf8(out).unwrap();
    assert!(out.starts_with(r#"data: {"error":{"message":"cut","type":"server_error""#));
    assert!(out.ends_with("}}\n\n") && !out.contains("[DONE]"));
}
