//! Made-up answers, streams and requests.

use lockgate_dialects::canonical::{
    BlockKind, ChatRequest, Content, Delta, Event, FinishReason, Message, Part, Role, Signature, Tool,
    ToolCall, Usage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A made-up block of an answer, with its pieces.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) kind: BlockKind,
    pub(super) pieces: Vec<Delta>,
}

pub(super) fn block() -> impl Strategy<Value = Block> {
    block_of("anthropic")
}

/// A block of an answer of a provider of `family`.
pub(super) fn block_of(family: &'static str) -> impl Strategy<Value = Block> {
    let pieces = || proptest::collection::vec("[^\0]{1,12}", 0..4);
    let texts = |pieces: Vec<String>| pieces.into_iter().map(Delta::Text).collect::<Vec<_>>();
    prop_oneof![
        pieces().prop_map(move |pieces| Block { kind: BlockKind::Text, pieces: texts(pieces) }),
        (pieces(), "[a-z]{1,9}").prop_map(move |(pieces, signature)| {
            let mut pieces = texts(pieces);
            pieces.push(Delta::Signature(Signature::made_by(family, signature)));
            Block { kind: BlockKind::Thinking, pieces }
        }),
        "[a-zA-Z0-9+/]{4,16}".prop_map(move |data| Block {
            kind: BlockKind::RedactedThinking(Signature::made_by(family, data)),
            pieces: Vec::new()
        }),
        ("[a-z]{1,8}", "[a-z]{1,8}", any::<i64>()).prop_map(|(id, name, number)| {
            let arguments = json!({ "n": number, "t": "ü\n" }).to_string();
            let middle = arguments.char_indices().nth(arguments.chars().count() / 2).map_or(0, |(at, _)| at);
            let (first, second) = arguments.split_at(middle);
            let pieces = vec![Delta::Arguments(first.to_owned()), Delta::Arguments(second.to_owned())];
            Block { kind: BlockKind::ToolCall { id, name, signature: None }, pieces }
        }),
    ]
}

pub(super) fn reason() -> impl Strategy<Value = FinishReason> {
    prop_oneof![
        Just(FinishReason::Length),
        Just(FinishReason::ToolCalls),
        Just(FinishReason::ContentFilter),
        "[a-z]{3}_new".prop_map(FinishReason::Other),
    ]
}

/// The events of an answer, as a provider's decoder says them.
pub(super) fn events(blocks: &[Block], reason: &FinishReason, usage: Usage) -> Vec<Event> {
    let id = Some("msg_1".to_owned());
    let mut events = vec![Event::Started { id, model: Some("m".to_owned()), created: None }];
    for (number, block) in (0..).zip(blocks) {
        events.push(Event::BlockOpened { choice: 0, block: number, kind: block.kind.clone() });
        for delta in &block.pieces {
            events.push(Event::BlockGrew { choice: 0, block: number, delta: delta.clone() });
        }
        events.push(Event::BlockClosed { choice: 0, block: number });
    }
    events.push(Event::Ended { choice: 0, reason: Some(reason.clone()) });
    events.push(Event::Usage(usage));
    events.push(Event::Finished);
    events
}

pub(super) fn usage() -> impl Strategy<Value = Usage> {
    (0..1_000_000_u64, 0..1000_u64, 0..1000_u64, 0..1000_u64).prop_map(|(fresh, read, written, answer)| {
        Usage {
            prompt_tokens: Some(fresh + read + written),
            completion_tokens: Some(answer),
            cache_read_tokens: Some(read),
            cache_write_tokens: Some(written),
            ..Usage::default()
        }
    })
}

/// A frame of Anthropic's grammar, in any order and perhaps broken.
pub(super) fn frame() -> impl Strategy<Value = String> {
    let index = || 0..3_u8;
    prop_oneof![
        Just(json!({"type": "message_start", "message": {"usage": {"input_tokens": 1}}}).to_string()),
        Just(json!({"type": "ping"}).to_string()),
        Just(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}).to_string()),
        Just(json!({"type": "message_stop"}).to_string()),
        Just(json!({"type": "new"}).to_string()),
        Just(json!({"type": "error", "error": {"message": "m"}}).to_string()),
        Just("{broken".to_owned()),
        (index(), prop_oneof![Just("text"), Just("thinking"), Just("server_tool_use")]).prop_map(
            |(index, kind)| {
                let block = json!({"type": kind, "text": "a"});
                json!({"type": "content_block_start", "index": index, "content_block": block}).to_string()
            }
        ),
        index().prop_map(|index| {
            let block = json!({"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}});
            json!({"type": "content_block_start", "index": index, "content_block": block}).to_string()
        }),
        (index(), prop_oneof![Just("text_delta"), Just("input_json_delta")]).prop_map(|(index, kind)| {
            let delta = json!({"type": kind, "text": "b", "partial_json": "{}"});
            json!({"type": "content_block_delta", "index": index, "delta": delta}).to_string()
        }),
        index().prop_map(|index| json!({"type": "content_block_stop", "index": index}).to_string()),
    ]
}

/// The block as it stands in a whole answer.
pub(super) fn whole_block(block: &Block) -> Value {
    let joined: String = block
        .pieces
        .iter()
        .filter_map(|delta| match delta {
            Delta::Text(piece) | Delta::Arguments(piece) => Some(piece.as_str()),
            Delta::Signature(_) => None,
        })
        .collect();
    match &block.kind {
        BlockKind::Thinking => json!({"type": "thinking", "thinking": joined, "signature": "s"}),
        BlockKind::RedactedThinking(data) => {
            json!({"type": "redacted_thinking", "data": data.for_client("anthropic")})
        }
        BlockKind::ToolCall { id, name, .. } => {
            let input: Value = serde_json::from_str(&joined).expect("made of JSON");
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        }
        BlockKind::Text | BlockKind::Refusal => json!({"type": "text", "text": joined}),
    }
}

/// A request as a client of Anthropic's API writes it, in the order of fields that lockgate writes.
pub(super) fn anthropic_request() -> impl Strategy<Value = Value> {
    let text = || "[a-zé \"\\\\]{0,8}[a-z]".prop_map(|text| json!({"type": "text", "text": text}));
    let user_block = prop_oneof![
        text(),
        Just(json!({"type": "image", "source": {"type": "url", "url": "https://x/y"}})),
        Just(
            json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}})
        ),
        Just(json!({"type": "text", "text": "t", "cache_control": {"type": "ephemeral", "ttl": "1h"}})),
        Just(json!({"type": "search_result", "source": "s", "title": "t", "content": []})),
    ];
    let turn = (
        proptest::collection::vec(user_block, 1..3),
        prop_oneof![text(), Just(json!({"type": "thinking", "thinking": "", "signature": "s"}))],
        proptest::option::of(("[a-zA-Z0-9_-]{1,9}", any::<bool>())),
    );
    let wishes = (
        proptest::option::of((0_u8..=100).prop_map(|percent| f64::from(percent) / 100.0)),
        proptest::option::of(1_u64..50),
        proptest::option::of(any::<bool>()),
        proptest::option::of("[a-z]{1,5}"),
        proptest::option::of(any::<bool>()),
    );
    (proptest::collection::vec(turn, 1..4), wishes, 1_u64..9999).prop_map(|(turns, wishes, limit)| {
        let mut messages = Vec::new();
        let mut results: Vec<Value> = Vec::new();
        for (asked, said, call) in turns {
            let content = [std::mem::take(&mut results), asked].concat();
            messages.push(json!({"role": "user", "content": content}));
            let mut answer = vec![said];
            if let Some((id, failed)) = call {
                answer.push(json!({"type": "tool_use", "id": id, "name": "look", "input": {"a": [1.5, null]}}));
                let mut result = json!({"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": "r"}]});
                if failed {
                    result["is_error"] = json!(true);
                }
                results.push(result);
            }
            messages.push(json!({"role": "assistant", "content": answer}));
        }
        if !results.is_empty() {
            messages.push(json!({"role": "user", "content": results}));
        }
        let (temperature, top_k, stream, user, forced) = wishes;
        let mut body = json!({"model": "m", "max_tokens": limit, "system": [{"type": "text", "text": "s"}],
            "messages": messages});
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body[name] = value;
            }
        };
        set("temperature", temperature.map(|value| json!(value)));
        set("top_k", top_k.map(|value| json!(value)));
        set("stream", stream.map(|value| json!(value)));
        set("metadata", user.map(|user| json!({ "user_id": user })));
        set("tools", forced.map(|_| json!([{"name": "look", "input_schema": {"type": "object", "anyOf": []}},
            {"type": "bash_20250124", "name": "bash"}])));
        set("tool_choice", forced.map(|forced| json!({"type": if forced { "any" } else { "auto" },
            "disable_parallel_tool_use": forced})));
        body
    })
}

/// A conversation as clients of other APIs write it: any roles in any order.
pub(super) fn conversation() -> impl Strategy<Value = ChatRequest> {
    let role = prop_oneof![
        Just(Role::System),
        Just(Role::User),
        Just(Role::Assistant),
        Just(Role::Tool),
        Just(Role::Function),
        Just(Role::Other("critic".to_owned())),
    ];
    let content = prop_oneof![
        Just(Content::None),
        "[a-z]{0,6}".prop_map(Content::Text),
        proptest::collection::vec("[a-z]{0,6}", 0..3).prop_map(|texts| {
            let part = |text| Part::Text { text, extras: Vec::new() };
            // Parts are joined in the check, so one of them at most has text.
            Content::Parts(texts.into_iter().take(1).map(part).collect())
        }),
    ];
    let message = (role, content, any::<bool>(), any::<bool>()).prop_map(|(role, content, calls, id)| {
        let call = ToolCall {
            id: "c".to_owned(),
            name: "look".to_owned(),
            arguments: "{}".to_owned(),
            signature: None,
            extras: Vec::new(),
        };
        let tool_calls = if calls && role == Role::Assistant { vec![call] } else { Vec::new() };
        let tool_call_id = (id && role == Role::Tool).then(|| "c".to_owned());
        Message { content, tool_calls, tool_call_id, ..Message::text(role, "") }
    });
    proptest::collection::vec(message, 0..8).prop_map(|messages| {
        let tool = Tool::Function {
            name: "look".to_owned(),
            description: None,
            parameters: None,
            strict: None,
            extras: Vec::new(),
        };
        ChatRequest { messages, tools: vec![tool], ..ChatRequest::default() }
    })
}

/// JSON that has the right names and the wrong things in them.
pub(super) fn nonsense() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z_]{0,6}".prop_map(Value::from),
        Just(json!("text")),
        Just(json!("tool_use")),
        Just(json!("stream-end")),
        Just(json!("message_stop")),
        Just(json!("content-start")),
        Just(json!("content-delta")),
        Just(json!("tool-call-start")),
        Just(json!("message-end"))
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let name = proptest::sample::select(vec![
            "messages",
            "role",
            "content",
            "type",
            "text",
            "tools",
            "model",
            "system",
            "inputs",
            "params",
            "predictions",
            "prompt",
            "generations",
            "embeddings",
            "message",
            "usage",
            "delta",
            "index",
            "event_type",
            "response",
            "stop_reason",
            "completion",
            "error",
            "content_block",
            "thinking",
            "is_finished",
            "done",
            "tool_calls",
            "function",
            "name",
            "documents",
            "query",
            "results",
            "output",
            "toolUse",
            "toolResult",
            "reasoningContent",
            "citationsContent",
            "source",
            "toolConfig",
            "additionalModelRequestFields",
        ]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..6).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}
