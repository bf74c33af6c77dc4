//! Streams and whole answers, each made of the other.

use anyhow::{Result, bail, ensure};
use lockgate_dialects::canonical::{
    BlockKind, ChatResponse, Choice, Content, Delta, Event, FinishReason, Message, Part, RawJson, Role,
    ToolCall, UpstreamError,
};
use serde_json::Value;

/// A stream, read to its end.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// The answer that it told.
    pub(crate) answer: ChatResponse,
    /// Why it failed, if it did.
    pub(crate) failed: Option<UpstreamError>,
    /// Frames that nobody knew.
    pub(crate) unknown: Vec<String>,
}

struct Open {
    choice: u32,
    block: u32,
    kind: BlockKind,
    text: String,
    signature: Option<lockgate_dialects::canonical::Signature>,
}

/// Reads events to their end, and their grammar on the way.
///
/// # Errors
/// When the events break the grammar.
pub(crate) fn fold(events: &[Event]) -> Result<Folded> {
    let mut folded = Folded::default();
    let (mut open, mut ended, mut started, mut over) = (Vec::<Open>::new(), Vec::new(), false, false);
    for event in events {
        ensure!(!over, "an event after the end: {event:?}");
        let first = matches!(event, Event::Started { .. } | Event::Unknown(_) | Event::Failed(_));
        ensure!(started || first, "an event before the start: {event:?}");
        match event {
            Event::Started { id, model, created } => {
                ensure!(!std::mem::replace(&mut started, true), "two starts");
                (folded.answer.id, folded.answer.model) = (id.clone(), model.clone());
                folded.answer.created = *created;
            }
            Event::BlockOpened { choice, block, kind } => {
                ensure!(!ended.contains(choice), "a block after its choice's end");
                open.push(Open {
                    choice: *choice,
                    block: *block,
                    kind: kind.clone(),
                    text: String::new(),
                    signature: None,
                });
            }
            Event::BlockGrew { choice, block, delta } => {
                let found = open.iter_mut().find(|open| open.choice == *choice && open.block == *block);
                let Some(found) = found else { bail!("a block grows that is not open: {event:?}") };
                match delta {
                    Delta::Text(text) | Delta::Arguments(text) => found.text.push_str(text),
                    Delta::Signature(signature) => found.signature = Some(signature.clone()),
                }
            }
            Event::BlockClosed { choice, block } => {
                let at = open.iter().position(|open| open.choice == *choice && open.block == *block);
                let Some(at) = at else { bail!("a block is closed that is not open") };
                let block = open.remove(at);
                close(choice_of(&mut folded.answer, *choice), block);
            }
            Event::Aside { choice, field, value, .. } => {
                add_aside(choice_of(&mut folded.answer, *choice), field, value);
            }
            Event::Ended { choice, reason } => {
                ensure!(open.iter().all(|open| open.choice != *choice), "a choice ends with an open block");
                ensure!(!ended.contains(choice), "a choice ends twice");
                ended.push(*choice);
                choice_of(&mut folded.answer, *choice).finish_reason.clone_from(reason);
            }
            Event::Usage(usage) => folded.answer.usage.get_or_insert_default().update(*usage),
            Event::Unknown(bytes) => folded.unknown.push(String::from_utf8_lossy(bytes).into_owned()),
            Event::Finished => over = true,
            Event::Failed(error) => {
                over = true;
                folded.failed = Some(error.clone());
            }
        }
    }
    ensure!(over, "the stream says no end");
    ensure!(open.is_empty() || folded.failed.is_some(), "the stream finishes with an open block");
    folded.answer.choices.sort_by_key(|choice| choice.index);
    Ok(folded)
}

fn choice_of(answer: &mut ChatResponse, index: u32) -> &mut Choice {
    let at = answer.choices.iter().position(|choice| choice.index == index).unwrap_or_else(|| {
        let message = Message { content: Content::None, ..Message::text(Role::Assistant, "") };
        answer.choices.push(Choice::of(index, message, None));
        answer.choices.len() - 1
    });
    &mut answer.choices[at]
}

/// Adds what stands aside: log probabilities joined as a whole answer has them, the rest in a list where there is more
/// than one.
fn add_aside(choice: &mut Choice, field: &str, value: &RawJson) {
    let raw = |value: &Value| serde_json::value::to_raw_value(value).expect("JSON");
    let mut value: Value = serde_json::from_str(value.get()).expect("JSON");
    if field == "logprobs" {
        if let Some(before) = &choice.logprobs {
            let mut all: Value = serde_json::from_str(before.get()).expect("JSON");
            for (name, more) in value.as_object_mut().into_iter().flatten() {
                match (all[name.as_str()].as_array_mut(), more.as_array_mut()) {
                    (Some(all), Some(more)) => all.append(more),
                    _ => all[name.as_str()] = more.take(),
                }
            }
            value = all;
        }
        choice.logprobs = Some(raw(&value));
        return;
    }
    match choice.extras.iter_mut().find(|(name, _)| name == field) {
        None => choice.extras.push((field.to_owned(), raw(&value))),
        Some((_, before)) => {
            let all: Value = serde_json::from_str(before.get()).expect("JSON");
            let mut list = if let Value::Array(list) = all { list } else { vec![all] };
            list.push(value);
            *before = raw(&Value::Array(list));
        }
    }
}

fn close(choice: &mut Choice, block: Open) {
    let message = &mut choice.message;
    let part = match block.kind {
        BlockKind::Text => Part::Text { text: block.text, extras: Vec::new() },
        BlockKind::Thinking => Part::Thinking { text: block.text, signature: block.signature },
        BlockKind::RedactedThinking(data) => Part::RedactedThinking(data),
        BlockKind::Refusal => {
            message.refusal.get_or_insert_default().push_str(&block.text);
            return;
        }
        BlockKind::ToolCall { id, name, signature } => {
            let arguments = block.text;
            message.tool_calls.push(ToolCall { id, name, arguments, signature, extras: Vec::new() });
            return;
        }
    };
    match &mut message.content {
        Content::Parts(parts) => parts.push(part),
        content => *content = Content::Parts(vec![part]),
    }
}

/// The events that a whole answer amounts to, as far as events can say it: text and arguments in two pieces.
pub(crate) fn unfold(answer: &ChatResponse) -> Vec<Event> {
    let (id, model) = (answer.id.clone(), answer.model.clone());
    let mut events = vec![Event::Started { id, model, created: answer.created }];
    for choice in &answer.choices {
        let mut blocks = Blocks { choice: choice.index, next: 0, events: &mut events };
        blocks.message(&choice.message);
        let reason: Option<FinishReason> = choice.finish_reason.clone();
        events.push(Event::Ended { choice: choice.index, reason });
    }
    events.extend(answer.usage.map(Event::Usage));
    events.push(Event::Finished);
    events
}

struct Blocks<'a> {
    choice: u32,
    next: u32,
    events: &'a mut Vec<Event>,
}

impl Blocks<'_> {
    fn message(&mut self, message: &Message) {
        match &message.content {
            Content::None => {}
            Content::Text(text) => self.block(BlockKind::Text, text, None),
            Content::Parts(parts) => parts.iter().for_each(|part| match part {
                Part::Text { text, .. } => self.block(BlockKind::Text, text, None),
                Part::Thinking { text, signature } => {
                    let signature = signature.clone().map(Delta::Signature);
                    self.block(BlockKind::Thinking, text, signature);
                }
                Part::RedactedThinking(data) => {
                    self.block(BlockKind::RedactedThinking(data.clone()), "", None);
                }
                Part::Media(_) | Part::Unknown(_) => {}
            }),
        }
        if let Some(refusal) = &message.refusal {
            self.block(BlockKind::Refusal, refusal, None);
        }
        for call in &message.tool_calls {
            let (id, name, signature) = (call.id.clone(), call.name.clone(), call.signature.clone());
            self.block(BlockKind::ToolCall { id, name, signature }, &call.arguments, None);
        }
    }

    fn block(&mut self, kind: BlockKind, text: &str, last: Option<Delta>) {
        if text.is_empty() && matches!(kind, BlockKind::Text | BlockKind::Refusal) {
            return;
        }
        let (choice, block) = (self.choice, self.next);
        self.next += 1;
        let is_call = matches!(kind, BlockKind::ToolCall { .. });
        self.events.push(Event::BlockOpened { choice, block, kind });
        let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
        let (one, other) = text.split_at(middle);
        for piece in [one, other].into_iter().filter(|piece| !piece.is_empty()) {
            let piece = piece.to_owned();
            let delta = if is_call { Delta::Arguments(piece) } else { Delta::Text(piece) };
            self.events.push(Event::BlockGrew { choice, block, delta });
        }
        self.events.extend(last.map(|delta| Event::BlockGrew { choice, block, delta }));
        self.events.push(Event::BlockClosed { choice, block });
    }
}

/// The answer without what no event carries.
pub(crate) fn without_extras(answer: &ChatResponse) -> ChatResponse {
    let mut bare = answer.clone();
    bare.extras.clear();
    for choice in &mut bare.choices {
        choice.extras.clear();
        choice.logprobs = None;
        choice.message.extras.clear();
        for call in &mut choice.message.tool_calls {
            call.extras.clear();
        }
        if let Content::Parts(parts) = &mut choice.message.content {
            parts.retain(|part| !matches!(part, Part::Media(_) | Part::Unknown(_)));
            for part in parts {
                if let Part::Text { extras, .. } = part {
                    extras.clear();
                }
            }
        }
    }
    bare
}
