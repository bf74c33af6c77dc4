//! Laws of OpenAI's Responses API, on made-up requests, answers and streams.

use crate::grammar::fault;
use crate::json::{cut, text};
use crate::made_up::{Block, block_of, conversation, events, reason, usage};
use lockgate_dialects::canonical::{BlockKind, Delta, Event, FinishReason, Losses, Usage};
use lockgate_dialects::{ChatCodec, Dialect, ModelTraits, by_name};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

fn codec() -> &'static dyn ChatCodec {
    by_name("openai_responses").and_then(Dialect::chat).expect("it chats")
}

/// Blocks of an answer. A text without a letter is told as nothing.
fn blocks() -> impl Strategy<Value = Vec<Block>> {
    let blocks = vec(block_of("openai"), 0..5);
    blocks.prop_map(|mut blocks| {
        blocks.retain(|block| block.kind != BlockKind::Text || !block.pieces.is_empty());
        blocks
    })
}

/// The reason as this API can say it: it has no words but for what was cut short.
fn sayable(reason: FinishReason, blocks: &[Block]) -> FinishReason {
    match reason {
        FinishReason::Length | FinishReason::ContentFilter => reason,
        _ if blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolCall { .. })) => {
            FinishReason::ToolCalls
        }
        _ => FinishReason::Stop,
    }
}

/// Usage as this API counts: each number is there.
fn counted(usage: Usage) -> Usage {
    Usage { total_tokens: usage.total(), reasoning_tokens: Some(0), ..usage }
}

fn written(events: &[Event]) -> Vec<u8> {
    let mut encoder = codec().stream_encoder(true).expect("it streams");
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    out
}

fn decoded(chunks: Vec<&[u8]>) -> Vec<Event> {
    let (mut decoder, mut events) = (codec().stream_decoder().expect("it streams"), Vec::new());
    chunks.into_iter().for_each(|chunk| decoder.feed(chunk, &mut events));
    decoder.finish(&mut events);
    events
}

fn last_usage(events: &[Event]) -> Option<Usage> {
    events.iter().rev().find_map(|event| match event {
        Event::Usage(usage) => Some(*usage),
        _ => None,
    })
}

fn without_usage(events: &[Event]) -> Vec<String> {
    let kept = events.iter().filter(|event| !matches!(event, Event::Usage(_) | Event::Started { .. }));
    kept.map(|event| format!("{event:?}")).collect()
}

/// An event of the API's grammar, in any order and perhaps broken.
fn frame() -> impl Strategy<Value = String> {
    let place = || 0..3_u8;
    let item = (
        place(),
        any::<bool>(),
        proptest::sample::select(vec![
            json!({"type": "message", "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}]}),
            json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}], "encrypted_content": "e"}),
            json!({"type": "reasoning", "content": [{"type": "reasoning_text", "text": "a"}]}),
            json!({"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"}),
            json!({"type": "custom_tool_call", "call_id": "c", "name": "n", "input": "i"}),
            json!({"type": "web_search_call"}),
            json!({}),
        ]),
    );
    let kinds = vec![
        "output_text.delta",
        "output_text.done",
        "output_text.annotation.added",
        "refusal.delta",
        "refusal.done",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_text.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "custom_tool_call_input.delta",
        "new.delta",
    ];
    let piece = (place(), place(), proptest::sample::select(kinds));
    prop_oneof![
        6 => item.prop_map(|(index, done, item)| {
            let kind = if done { "response.output_item.done" } else { "response.output_item.added" };
            json!({"type": kind, "output_index": index, "item": item}).to_string()
        }),
        12 => piece.prop_map(|(index, part, kind)| {
            json!({"type": format!("response.{kind}"), "output_index": index, "content_index": part, "delta": "d",
                "summary_index": part, "text": "d", "annotation": {}, "logprobs": [1]}).to_string()
        }),
        2 => Just(json!({"type": "response.created", "response": {"id": "r"}}).to_string()),
        1 => Just(json!({"type": "response.completed", "response": {"usage": {"input_tokens": 1}}}).to_string()),
        1 => Just(json!({"type": "error", "message": "m"}).to_string()),
        1 => Just("{broken".to_owned()),
    ]
}

/// A request as a client of this API writes it, with the fields that survive as they are.
fn request() -> impl Strategy<Value = Value> {
    let said = |role: &'static str| {
        text().prop_map(move |text| json!({"type": "message", "role": role, "content": text}))
    };
    let parts = text().prop_map(|text| {
        json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text},
            {"type": "input_image", "detail": "low", "image_url": "https://x/y"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"}]})
    });
    let turn = (text(), "[a-z]{1,5}", "[a-z]{1,5}").prop_map(|(text, id, name)| {
        vec![
            json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": text}], "encrypted_content": "e"}),
            json!({"type": "reasoning", "summary": [], "encrypted_content": text.clone() + "e"}),
            json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text},
                {"type": "refusal", "refusal": text}]}),
            json!({"type": "function_call", "call_id": id, "name": name, "arguments": "{\"a\": 1}"}),
            json!({"type": "custom_tool_call", "call_id": id.clone() + "2", "name": name, "input": text}),
            json!({"type": "function_call_output", "call_id": id, "output": text}),
            json!({"type": "custom_tool_call_output", "call_id": id + "2",
                "output": [{"type": "input_text", "text": text}]}),
        ]
    });
    let one = prop_oneof![said("user"), said("developer"), parts];
    let items = (vec(one, 1..3), vec(turn, 0..2)).prop_map(|(mut items, turns)| {
        items.extend(turns.into_iter().flatten());
        items
    });
    (items, text(), 16..99_u64, any::<bool>(), any::<bool>()).prop_map(|(items, text, limit, stream, strict)| {
        json!({"model": "m", "instructions": text.clone() + "i", "input": items, "max_output_tokens": limit, "temperature": 0.5,
            "top_p": 0.25, "stream": stream, "user": "u", "store": false, "prompt_cache_key": text,
            "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": strict},
                {"type": "custom", "name": "c"}, {"type": "web_search", "filters": null}],
            "tool_choice": {"type": "custom", "name": "c"}, "parallel_tool_calls": stream,
            "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {}, "strict": strict}},
            "reasoning": {"effort": "low", "summary": "auto"}, "max_tool_calls": 3, "truncation": "auto"})
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_stream_written_and_read_says_the_same_in_any_chunking(
        blocks in blocks(), reason in reason(), usage in usage(), cuts in vec(any::<Index>(), 0..8),
    ) {
        let said = events(&blocks, &sayable(reason, &blocks), usage);
        let bytes = written(&said);
        let read = decoded(cut(&bytes, &cuts));
        prop_assert_eq!(fault(&read), None);
        prop_assert_eq!(without_usage(&read), without_usage(&said));
        prop_assert_eq!(last_usage(&read), Some(counted(usage)));
        let mut meter = codec().meter(true);
        cut(&bytes, &cuts).into_iter().for_each(|chunk| meter.feed(chunk));
        prop_assert_eq!((meter.usage(), meter.finished()), (Some(counted(usage)), true));
    }

    #[test]
    fn a_stream_cut_anywhere_never_looks_finished(blocks in blocks(), place in any::<Index>()) {
        let bytes = written(&events(&blocks, &FinishReason::Stop, Usage::default()));
        let end = bytes.windows(25).rposition(|bytes| bytes == b"event: response.completed").expect("an end");
        let read = decoded(vec![&bytes[..place.index(end + 1)]]);
        prop_assert_eq!(fault(&read), None);
        prop_assert!(matches!(read.last(), Some(Event::Failed(_))));
    }

    #[test]
    fn a_whole_answer_says_what_its_stream_says(blocks in blocks(), reason in reason(), usage in usage()) {
        let reason = sayable(reason, &blocks);
        let bytes = written(&events(&blocks, &reason, usage));
        let text = String::from_utf8(bytes).expect("JSON");
        let last = text.lines().rfind(|line| line.starts_with("data: ")).expect("an event");
        let last: Value = serde_json::from_str(&last["data: ".len()..]).expect("JSON");
        let answer = codec().decode_response(last["response"].to_string().as_bytes()).expect("an answer");
        prop_assert_eq!(answer.usage, Some(counted(usage)));
        let choice = &answer.choices[0];
        prop_assert_eq!(choice.finish_reason.as_ref(), Some(&reason));
        let grown = |wanted: fn(&BlockKind) -> bool| {
            let said = blocks.iter().filter(|block| wanted(&block.kind)).map(|block| {
                block.pieces.iter().map(|piece| match piece {
                    Delta::Text(piece) | Delta::Arguments(piece) => piece.as_str(),
                    Delta::Signature(_) => "",
                }).collect::<String>()
            });
            said.collect::<Vec<_>>()
        };
        prop_assert_eq!(choice.message.content.joined_text(), grown(|kind| *kind == BlockKind::Text).concat());
        let arguments: Vec<_> = choice.message.tool_calls.iter().map(|call| call.arguments.clone()).collect();
        prop_assert_eq!(arguments, grown(|kind| matches!(kind, BlockKind::ToolCall { .. })));
        // Written whole, it is what the stream's last event repeats but for the order of calls.
        let whole: Value = serde_json::from_slice(&codec().encode_response(&answer, &mut Losses::default())).expect("JSON");
        prop_assert_eq!(&whole["usage"], &last["response"]["usage"]);
        prop_assert_eq!(&whole["status"], &last["response"]["status"]);
    }

    #[test]
    fn any_events_in_any_order_keep_the_grammar(
        frames in vec(frame(), 0..14), cuts in vec(any::<Index>(), 0..6),
    ) {
        let bytes: String = frames.iter().map(|frame| format!("data: {frame}\n\n")).collect();
        let read = decoded(cut(bytes.as_bytes(), &cuts));
        prop_assert_eq!(fault(&read), None);
        prop_assert_eq!(format!("{read:?}"), format!("{:?}", decoded(vec![bytes.as_bytes()])));
    }

    #[test]
    fn a_request_of_this_api_comes_back_as_it_was(body in request()) {
        let request = codec().decode_request(body.to_string().as_bytes()).expect("a request");
        let traits = ModelTraits { model: request.model.clone(), ..ModelTraits::default() };
        let mut losses = Losses::default();
        let sent = codec().encode_request(&request, &traits, &mut losses).expect("it can be said");
        prop_assert_eq!(serde_json::from_slice::<Value>(&sent).expect("JSON"), body);
        prop_assert!(losses.is_empty(), "{:?}", losses);
    }

    #[test]
    fn every_part_of_a_conversation_arrives_or_is_recorded(request in conversation()) {
        let mut losses = Losses::default();
        let sent = codec().encode_request(&request, &ModelTraits::default(), &mut losses).expect("it can be said");
        let text = String::from_utf8(sent).expect("JSON");
        for (index, message) in request.messages.iter().enumerate() {
            let path = format!("messages[{index}]");
            let recorded = losses.iter().any(|loss| loss.path.starts_with(&path));
            let said = json!(message.content.joined_text()).to_string();
            prop_assert!(text.contains(said.trim_matches('"')) || recorded, "{said} is gone");
            for call in &message.tool_calls {
                prop_assert!(text.contains(&call.name) || recorded, "{:?} is gone", call);
            }
        }
    }
}
