//! Laws of dialects whose streams have one block open at a time, on made-up answers: Cohere's second and Ollama's.

use crate::grammar::fault;
use crate::made_up::{Block, block, events, usage};
use lockgate_dialects::canonical::{
    BlockKind, ChatResponse, Choice, Content, Delta, Event, FinishReason, Losses, Message, Part, Role,
    ToolCall, Usage,
};
use lockgate_dialects::{ChatCodec, Dialect, by_name};
use proptest::collection::vec;
use proptest::prelude::*;

const NAMES: [&str; 2] = ["cohere_v2", "ollama"];

fn chat(name: &str) -> &'static dyn ChatCodec {
    by_name(name).and_then(Dialect::chat).expect("it chats")
}

/// Blocks of the kinds that both APIs have, without what other providers sign.
fn blocks() -> impl Strategy<Value = Vec<Block>> {
    let plain = block().prop_filter_map("only others sign", |mut block| {
        block.pieces.retain(|piece| !matches!(piece, Delta::Signature(_)));
        (!matches!(block.kind, BlockKind::RedactedThinking(_))).then_some(block)
    });
    vec(plain, 0..5)
}

fn written(name: &str, events: &[Event]) -> Vec<u8> {
    let mut encoder = chat(name).stream_encoder(true).expect("it streams");
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    assert!(encoder.losses().is_empty());
    out
}

fn read(name: &str, bytes: &[u8], sizes: &[usize]) -> Vec<Event> {
    let mut decoder = chat(name).stream_decoder().expect("it streams");
    let (mut events, mut rest, mut sizes) = (Vec::new(), bytes, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(1).clamp(1, rest.len());
        decoder.feed(&rest[..size], &mut events);
        rest = &rest[size..];
    }
    decoder.finish(&mut events);
    events
}

/// What is said, as far as both APIs can say it: texts of neighbouring blocks run together at Ollama's.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    thinking: String,
    calls: Vec<(String, String)>,
    reason: Option<FinishReason>,
    usage: Option<Usage>,
    finished: bool,
}

fn said(events: &[Event]) -> Said {
    let mut said = Said::default();
    let mut kinds: Vec<&BlockKind> = Vec::new();
    for event in events {
        match event {
            Event::BlockOpened { kind, .. } => {
                kinds.push(kind);
                if let BlockKind::ToolCall { name, .. } = kind {
                    said.calls.push((name.clone(), String::new()));
                }
            }
            Event::BlockGrew { block, delta: Delta::Text(piece), .. } => match kinds[*block as usize] {
                BlockKind::Thinking => said.thinking.push_str(piece),
                _ => said.text.push_str(piece),
            },
            Event::BlockGrew { delta: Delta::Arguments(piece), .. } => {
                said.calls.last_mut().expect("a call is open").1.push_str(piece);
            }
            Event::Ended { reason, .. } => said.reason.clone_from(reason),
            Event::Usage(usage) => said.usage = Some(*usage),
            Event::Finished => said.finished = true,
            _ => {}
        }
    }
    said
}

/// The reason that both APIs give for these blocks.
fn reason(blocks: &[Block]) -> FinishReason {
    let calls = blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolCall { .. }));
    if calls { FinishReason::ToolCalls } else { FinishReason::Length }
}

/// The counts that both APIs have.
fn counted(usage: Usage) -> Usage {
    Usage {
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens,
        ..Usage::default()
    }
}

fn whole(blocks: &[Block], usage: Usage) -> ChatResponse {
    let mut message = Message::text(Role::Assistant, "");
    let mut parts = Vec::new();
    for block in blocks {
        let joined: String = block
            .pieces
            .iter()
            .map(|piece| match piece {
                Delta::Text(piece) | Delta::Arguments(piece) => piece.as_str(),
                Delta::Signature(_) => "",
            })
            .collect();
        match &block.kind {
            BlockKind::Thinking => parts.push(Part::Thinking { text: joined, signature: None }),
            BlockKind::ToolCall { id, name, .. } => message.tool_calls.push(ToolCall {
                id: id.clone(),
                name: name.clone(),
                arguments: joined,
                signature: None,
                extras: Vec::new(),
            }),
            _ => parts.push(Part::Text { text: joined, extras: Vec::new() }),
        }
    }
    message.content = Content::Parts(parts);
    let choices = vec![Choice::of(0, message, Some(reason(blocks)))];
    ChatResponse { choices, usage: Some(usage), ..ChatResponse::default() }
}

fn said_whole(response: &ChatResponse) -> Said {
    let choice = &response.choices[0];
    let mut said = Said {
        reason: choice.finish_reason.clone(),
        usage: response.usage,
        finished: true,
        ..Said::default()
    };
    match &choice.message.content {
        Content::None => {}
        Content::Text(text) => said.text.push_str(text),
        Content::Parts(parts) => parts.iter().for_each(|part| match part {
            Part::Text { text, .. } => said.text.push_str(text),
            Part::Thinking { text, .. } => said.thinking.push_str(text),
            _ => {}
        }),
    }
    let calls = choice.message.tool_calls.iter();
    said.calls = calls.map(|call| (call.name.clone(), call.arguments.clone())).collect();
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stream_written_and_read_says_the_same_in_any_chunking(
        blocks in blocks(),
        usage in usage(),
        sizes in vec(1_usize..80, 1..6),
    ) {
        let usage = counted(usage);
        let told = events(&blocks, &reason(&blocks), usage);
        for name in NAMES {
            let bytes = written(name, &told);
            let heard = read(name, &bytes, &sizes);
            prop_assert_eq!(fault(&heard), None);
            prop_assert_eq!(said(&heard), said(&told), "{}", name);
            let at_once = read(name, &bytes, &[bytes.len()]);
            prop_assert_eq!(format!("{heard:?}"), format!("{at_once:?}"));
        }
    }

    #[test]
    fn a_whole_answer_says_what_its_stream_says(blocks in blocks(), usage in usage()) {
        let usage = counted(usage);
        let told = events(&blocks, &reason(&blocks), usage);
        let response = whole(&blocks, usage);
        for name in NAMES {
            let mut losses = Losses::default();
            let body = chat(name).encode_response(&response, &mut losses);
            prop_assert!(losses.is_empty(), "{:?}", losses);
            let answer = chat(name).decode_response(&body).expect("an answer");
            let bytes = written(name, &told);
            prop_assert_eq!(said_whole(&answer), said(&read(name, &bytes, &[bytes.len()])), "{}", name);
        }
    }

    #[test]
    fn a_stream_cut_before_its_end_never_looks_finished(blocks in blocks(), place in 0.0_f64..1.0) {
        let told = events(&blocks, &reason(&blocks), Usage::default());
        for (name, end) in NAMES.into_iter().zip(["event: message-end", "\"done\":true"]) {
            let bytes = written(name, &told);
            let end = bytes.windows(end.len()).position(|window| window == end.as_bytes()).expect("an end");
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in the stream")]
            let cut = (place * end as f64) as usize;
            let heard = read(name, &bytes[..cut], &[7]);
            let failed = matches!(heard.last(), Some(Event::Failed(_)));
            prop_assert!(failed, "{}: {:?}", name, heard);
        }
    }
}
