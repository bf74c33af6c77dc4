//! Laws of Gemini's dialects, on made-up answers and streams.

use crate::grammar::fault;
use crate::json::{cut, text};
use crate::made_up::{block, events, reason, usage};
use lockgate_dialects::canonical::{BlockKind, Content, Delta, Event, FinishReason, Part, Signature, Usage};
use lockgate_dialects::{ChatCodec, Dialect, by_name};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

const FRAMINGS: [&str; 2] = ["gemini", "gemini_array"];

fn chat(dialect: &str) -> &'static dyn ChatCodec {
    by_name(dialect).and_then(Dialect::chat).expect("it chats")
}

fn events_of(dialect: &str, chunks: Vec<&[u8]>) -> Vec<Event> {
    let mut decoder = chat(dialect).stream_decoder().expect("it streams");
    let mut events = Vec::new();
    chunks.into_iter().for_each(|chunk| decoder.feed(chunk, &mut events));
    decoder.finish(&mut events);
    events
}

fn bytes_of(dialect: &str, events: &[Event]) -> Vec<u8> {
    let mut encoder = chat(dialect).stream_encoder(true).expect("it streams");
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    out
}

/// A part of the model's turn.
fn part() -> impl Strategy<Value = Value> {
    let signature = || proptest::option::of("[a-zA-Z0-9]{4}");
    let signed = |mut part: Value, signature: Option<String>| {
        if let Some(signature) = signature {
            part["thoughtSignature"] = json!(signature);
        }
        part
    };
    prop_oneof![
        4 => (text(), signature()).prop_map(move |(text, signature)| signed(json!({"text": text}), signature)),
        2 => (text(), signature())
            .prop_map(move |(text, signature)| signed(json!({"text": text, "thought": true}), signature)),
        2 => ("[a-z]{1,6}", proptest::option::of("[a-z]{1,6}"), signature()).prop_map(move |(name, id, signature)| {
            signed(json!({"functionCall": {"name": name, "id": id, "args": {"n": 1.5}}}), signature)
        }),
        1 => "[a-zA-Z0-9]{4}".prop_map(|signature| json!({"thought": true, "thoughtSignature": signature})),
        1 => Just(json!({"executableCode": {"language": "PYTHON", "code": "1"}})),
        1 => Just(json!({})),
    ]
}

fn answer(parts: &[Value], reason: Option<&str>) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": reason, "index": 0}],
        "responseId": "r", "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": parts.len()}})
}

/// Answers one after the other, as a stream of the dialect.
fn stream(dialect: &str, answers: &[Value]) -> Vec<u8> {
    if dialect == "gemini_array" {
        return serde_json::to_vec_pretty(answers).expect("JSON");
    }
    answers.iter().map(|answer| format!("data: {answer}\r\n\r\n")).collect::<String>().into_bytes()
}

/// What blocks say: their kinds and texts.
fn said(events: &[Event]) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for event in events {
        match event {
            Event::BlockOpened { kind, .. } => said.push(format!("{kind:?} ")),
            Event::BlockGrew { delta: Delta::Text(text) | Delta::Arguments(text), .. } => {
                said.last_mut().expect("a block is open").push_str(text);
            }
            Event::BlockGrew { delta: Delta::Signature(signature), .. } => {
                said.last_mut().expect("a block is open").push_str(&format!(" {signature:?}"));
            }
            Event::Ended { reason, .. } => said.push(format!("{reason:?}")),
            _ => {}
        }
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_cutting_of_a_stream_gives_the_same_grammatical_events(
        parts in vec(vec(part(), 0..3), 0..6),
        ends in any::<bool>(),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        for dialect in FRAMINGS {
            let mut answers: Vec<_> = parts.iter().map(|parts| answer(parts, None)).collect();
            answers.extend(ends.then(|| answer(&[], Some("STOP"))));
            let bytes = stream(dialect, &answers);
            let (whole, pieces) = (events_of(dialect, vec![&bytes]), events_of(dialect, cut(&bytes, &cuts)));
            prop_assert_eq!(fault(&whole), None);
            prop_assert_eq!(format!("{:?}", whole), format!("{:?}", pieces));
            prop_assert_eq!(matches!(whole.last(), Some(Event::Finished)), ends);
            let mut meter = chat(dialect).meter(true);
            cut(&bytes, &cuts).into_iter().for_each(|chunk| meter.feed(chunk));
            prop_assert_eq!(meter.finished(), ends);
        }
    }

    #[test]
    fn a_stream_that_was_translated_says_the_same_again(parts in vec(part(), 0..6), framing in select(&FRAMINGS[..])) {
        let answers = [answer(&parts, None), answer(&[], Some("MAX_TOKENS"))];
        let once = events_of("gemini", vec![&stream("gemini", &answers)]);
        let twice = events_of(framing, vec![&bytes_of(framing, &once)]);
        prop_assert_eq!(said(&once), said(&twice));
    }

    #[test]
    fn a_whole_answer_says_what_its_stream_says(parts in vec(part(), 0..6)) {
        let body = answer(&parts, Some("STOP"));
        let whole = chat("gemini").decode_response(body.to_string().as_bytes()).expect("an answer");
        let streamed = events_of("gemini", vec![&stream("gemini", &[body])]);
        let message = &whole.choices[0].message;
        let texts = |kind: BlockKind| {
            let mut texts = String::new();
            let mut open = false;
            for event in &streamed {
                match event {
                    Event::BlockOpened { kind: opened, .. } => open = *opened == kind,
                    Event::BlockGrew { delta: Delta::Text(text), .. } if open => texts.push_str(text),
                    _ => {}
                }
            }
            texts
        };
        prop_assert_eq!(message.content.joined_text(), texts(BlockKind::Text));
        let parts = match &message.content {
            Content::Parts(parts) => parts.as_slice(),
            Content::None | Content::Text(_) => &[],
        };
        let thought: String = parts.iter().filter_map(|part| match part {
            Part::Thinking { text, .. } => Some(text.as_str()),
            _ => None,
        }).collect();
        prop_assert_eq!(thought, texts(BlockKind::Thinking));
        let calls: Vec<_> = message.tool_calls.iter()
            .map(|call| (call.id.clone(), call.name.clone(), call.signature.clone())).collect();
        let streamed_calls: Vec<_> = streamed.iter().filter_map(|event| match event {
            Event::BlockOpened { kind: BlockKind::ToolCall { id, name, signature }, .. } => {
                Some((id.clone(), name.clone(), signature.clone()))
            }
            _ => None,
        }).collect();
        prop_assert_eq!(calls, streamed_calls);
        let ended = streamed.iter().find_map(|event| match event {
            Event::Ended { reason, .. } => reason.clone(),
            _ => None,
        });
        prop_assert_eq!(whole.choices[0].finish_reason.clone(), ended);
    }

    #[test]
    fn what_another_api_streams_arrives_with_its_signatures_for_the_next_turn(
        blocks in vec(block(), 0..5),
        reason in reason(),
        usage in usage(),
        framing in select(&FRAMINGS[..]),
    ) {
        let events = events(&blocks, &reason, Usage { cache_write_tokens: None, ..usage });
        let read = events_of(framing, vec![&bytes_of(framing, &events)]);
        prop_assert_eq!(fault(&read), None);
        prop_assert!(matches!(read.last(), Some(Event::Finished)));
        let text = |events: &[Event]| {
            let grown = events.iter().filter_map(|event| match event {
                Event::BlockGrew { delta: Delta::Text(text), .. } => Some(text.as_str()),
                _ => None,
            });
            grown.collect::<String>()
        };
        prop_assert_eq!(text(&read), text(&events));
        let signatures = |events: &[Event]| {
            let made = events.iter().filter_map(|event| match event {
                Event::BlockGrew { delta: Delta::Signature(signature), .. }
                | Event::BlockOpened { kind: BlockKind::RedactedThinking(signature), .. } => Some(signature.clone()),
                _ => None,
            });
            made.collect::<Vec<Signature>>()
        };
        prop_assert_eq!(signatures(&read), signatures(&events));
        let ended = read.iter().any(|event| matches!(event, Event::Ended { reason: Some(FinishReason::Length), .. }));
        prop_assert_eq!(ended, reason == FinishReason::Length);
    }
}
