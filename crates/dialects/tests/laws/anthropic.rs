//! Laws of Anthropic's and Cohere's dialects, on made-up requests, answers and streams.

use crate::grammar::fault;
use crate::made_up::{
    Block, anthropic_request, block, conversation, events, frame, reason, usage, whole_block,
};
use lockgate_dialects::canonical::{BlockKind, Delta, Event, FinishReason, Losses, Usage};
use lockgate_dialects::stream::StreamDecoder;
use lockgate_dialects::{ChatCodec, Dialect, ModelTraits, by_name};
use proptest::prelude::*;
use serde_json::{Value, json};

fn dialect(name: &str) -> &'static dyn Dialect {
    by_name(name).expect("the dialect is registered")
}

fn anthropic() -> &'static dyn ChatCodec {
    dialect("anthropic_messages").chat().expect("it has chat")
}

fn written(events: &[Event]) -> Vec<u8> {
    let mut encoder = anthropic().stream_encoder(true).expect("it streams");
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    out
}

fn decoded(mut decoder: Box<dyn StreamDecoder>, bytes: &[u8], sizes: &[usize]) -> Vec<Event> {
    let (mut events, mut rest, mut sizes) = (Vec::new(), bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(1).clamp(1, rest.len());
        let (chunk, after) = rest.split_at(size);
        decoder.feed(chunk, &mut events);
        rest = after;
    }
    decoder.finish(&mut events);
    events
}

fn anthropic_events(bytes: &[u8], sizes: &[usize]) -> Vec<Event> {
    decoded(anthropic().stream_decoder().expect("it streams"), bytes, sizes)
}

/// Whether events keep the grammar, and none finish without the end of an answer.
fn grammatical(events: &[Event]) -> Result<(), TestCaseError> {
    prop_assert_eq!(fault(events), None);
    let finished = events.iter().any(|event| matches!(event, Event::Finished));
    let ended = events.iter().any(|event| matches!(event, Event::Ended { .. }));
    prop_assert!(ended || !finished, "{:?}", events);
    Ok(())
}

proptest! {
    #[test]
    fn a_stream_written_and_read_says_the_same_in_any_chunking(
        blocks in proptest::collection::vec(block(), 0..5),
        reason in reason(),
        usage in usage(),
        sizes in proptest::collection::vec(1_usize..80, 1..6),
    ) {
        // An answer that holds calls waits for tools, whatever else its provider says.
        let calls = blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolCall { .. }));
        let reason = if calls { FinishReason::ToolCalls } else { reason };
        let said = events(&blocks, &reason, usage);
        let bytes = written(&said);
        let read = anthropic_events(&bytes, &sizes);
        grammatical(&read)?;
        let usages: Vec<_> = read.iter().filter_map(|event| match event {
            Event::Usage(usage) => Some(*usage),
            _ => None,
        }).collect();
        prop_assert_eq!(usages.last(), Some(&usage));
        let plain = |events: &[Event]| {
            let kept = events.iter().filter(|event| !matches!(event, Event::Usage(_)));
            kept.map(|event| format!("{event:?}")).collect::<Vec<_>>()
        };
        prop_assert_eq!(plain(&read), plain(&said));
    }

    #[test]
    fn padding_pings_and_line_ends_change_nothing(
        blocks in proptest::collection::vec(block(), 0..4),
        padding in 0_usize..20,
        sizes in proptest::collection::vec(1_usize..50, 1..6),
    ) {
        let bytes = written(&events(&blocks, &FinishReason::Length, Usage::default()));
        let plain = String::from_utf8(bytes).expect("JSON");
        let padded = plain.replace("\n\n", &format!("{}\r\n\r\nevent: ping\r\ndata: {{}}\r\n\r\n", " ".repeat(padding)));
        let wanted = format!("{:?}", anthropic_events(plain.as_bytes(), &[plain.len()]));
        prop_assert_eq!(format!("{:?}", anthropic_events(padded.as_bytes(), &sizes)), wanted);
    }

    #[test]
    fn a_stream_cut_anywhere_never_looks_finished(
        blocks in proptest::collection::vec(block(), 0..4),
        place in 0.0_f64..1.0,
    ) {
        let bytes = written(&events(&blocks, &FinishReason::Stop, Usage::default()));
        let end = bytes.windows(19).position(|window| window == b"event: message_stop").unwrap_or(0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in the stream")]
        let cut = (place * end as f64) as usize;
        let read = anthropic_events(&bytes[..cut], &[7]);
        grammatical(&read)?;
        prop_assert!(matches!(read.last(), Some(Event::Failed(_))));
    }

    #[test]
    fn any_frames_in_any_order_give_grammatical_events(
        frames in proptest::collection::vec(frame(), 0..12),
        sizes in proptest::collection::vec(1_usize..60, 1..4),
    ) {
        let bytes: String = frames.iter().map(|frame| format!("data: {frame}\n\n")).collect();
        let read = anthropic_events(bytes.as_bytes(), &sizes);
        grammatical(&read)?;
        let whole = anthropic_events(bytes.as_bytes(), &[bytes.len()]);
        prop_assert_eq!(format!("{read:?}"), format!("{whole:?}"));
    }

    #[test]
    fn a_whole_answer_says_what_its_stream_says(
        blocks in proptest::collection::vec(block(), 0..5),
        usage in usage(),
    ) {
        let calls = blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolCall { .. }));
        let reason = if calls { FinishReason::ToolCalls } else { FinishReason::Stop };
        let bytes = written(&events(&blocks, &reason, usage));
        let content: Vec<Value> = blocks.iter().map(whole_block).collect();
        let body = json!({"id": "msg_1", "type": "message", "model": "m", "content": content,
            "stop_reason": if calls { "tool_use" } else { "end_turn" },
            "usage": {"input_tokens": usage.prompt_tokens.unwrap_or(0)
                    - usage.cache_read_tokens.unwrap_or(0) - usage.cache_write_tokens.unwrap_or(0),
                "cache_read_input_tokens": usage.cache_read_tokens,
                "cache_creation_input_tokens": usage.cache_write_tokens,
                "output_tokens": usage.completion_tokens}});
        let answer = anthropic().decode_response(body.to_string().as_bytes()).expect("an answer");
        prop_assert_eq!(answer.usage, Some(usage));
        let choice = &answer.choices[0];
        prop_assert_eq!(choice.finish_reason.as_ref(), Some(&reason));
        let (mut text, mut arguments) = (String::new(), Vec::new());
        for (number, block) in (0_u32..).zip(&blocks) {
            let grown: String = anthropic_events(&bytes, &[bytes.len()]).into_iter().filter_map(|event| match event {
                Event::BlockGrew { block, delta: Delta::Text(piece) | Delta::Arguments(piece), .. }
                    if block == number => Some(piece),
                _ => None,
            }).collect();
            match block.kind {
                BlockKind::Text => text.push_str(&grown),
                BlockKind::ToolCall { .. } => arguments.push(grown),
                _ => {}
            }
        }
        prop_assert_eq!(choice.message.content.joined_text(), text);
        let whole: Vec<_> = choice.message.tool_calls.iter().map(|call| call.arguments.clone()).collect();
        prop_assert_eq!(whole, arguments);
    }

    #[test]
    fn a_request_of_this_api_comes_back_as_it_was(body in anthropic_request()) {
        let request = anthropic().decode_request(body.to_string().as_bytes()).expect("a request");
        let traits = ModelTraits { model: request.model.clone(), ..ModelTraits::default() };
        let mut losses = Losses::default();
        let sent = anthropic().encode_request(&request, &traits, &mut losses).expect("it can be said");
        prop_assert_eq!(serde_json::from_slice::<Value>(&sent).expect("JSON"), body);
        prop_assert!(losses.is_empty(), "{:?}", losses);
    }

    #[test]
    fn every_part_of_a_conversation_arrives_or_is_recorded(request in conversation()) {
        let mut losses = Losses::default();
        let sent = anthropic().encode_request(&request, &ModelTraits::default(), &mut losses).expect("it can be said");
        let body: Value = serde_json::from_slice(&sent).expect("JSON");
        let text = String::from_utf8(sent).expect("JSON");
        for (index, message) in request.messages.iter().enumerate() {
            let said = message.content.joined_text();
            let recorded = losses.iter().any(|loss| loss.path.starts_with(&format!("messages[{index}]")));
            prop_assert!(text.contains(&said) || recorded, "{said} is gone");
        }
        for turn in body["messages"].as_array().expect("turns") {
            if let Some(blocks) = turn["content"].as_array() {
                prop_assert!(!blocks.is_empty());
                let mut rest = blocks.iter().skip_while(|block| block["type"] == "tool_result");
                prop_assert!(rest.all(|block| block["type"] != "tool_result"), "a tool's answer comes late: {}", turn);
            }
        }
    }

    #[test]
    fn text_streams_of_every_dialect_come_back_in_any_chunking(
        pieces in proptest::collection::vec("[^\0]{1,12}", 0..6),
        sizes in proptest::collection::vec(1_usize..40, 1..5),
    ) {
        let pieces: Vec<_> = pieces.into_iter().map(Delta::Text).collect();
        let said = events(&[Block { kind: BlockKind::Text, pieces }], &FinishReason::Length, Usage::default());
        for name in ["anthropic_complete", "cohere_v1"] {
            let codec = dialect(name).complete().expect("it completes");
            let mut encoder = codec.stream_encoder(false).expect("it streams");
            let mut bytes = Vec::new();
            said.iter().for_each(|event| encoder.encode(event, &mut bytes));
            let read = decoded(codec.stream_decoder().expect("it streams"), &bytes, &sizes);
            grammatical(&read)?;
            let plain = |events: &[Event]| {
                let kept = events.iter().filter(|event| !matches!(event, Event::Usage(_) | Event::Started { .. }));
                kept.map(|event| format!("{event:?}")).collect::<Vec<_>>()
            };
            prop_assert_eq!(plain(&read), plain(&said), "{}", name);
        }
    }
}
