//! A conversation as Anthropic wants it: instructions apart, and tools' answers first in the user's next turn.

use crate::anthropic_messages::blocks;
use crate::anthropic_messages::parameters::NO_SUCH_FIELD;
use crate::canonical::{Content, Losses, Message, Part, RawJson, Role};
use crate::raw::{Draft, to_raw};
use serde::Serialize;

/// The conversation, written.
#[derive(Default)]
pub(super) struct Turns {
    system: Vec<Instruction>,
    turns: Vec<Turn>,
}

/// A text of the system.
enum Instruction {
    Plain(String),
    Blocks(Vec<Draft>),
}

#[derive(Serialize)]
struct Turn {
    role: &'static str,
    content: Said,
    /// How many tools' answers stand at the front.
    #[serde(skip)]
    results: usize,
}

/// A string stays a string, as MLflow sends it.
#[derive(Serialize)]
#[serde(untagged)]
enum Said {
    Text(String),
    Blocks(Vec<Draft>),
}

impl Turns {
    /// Writes the messages.
    pub(super) fn of(messages: &[Message], losses: &mut Losses) -> Self {
        let mut turns = Self::default();
        for (index, message) in messages.iter().enumerate() {
            let path = format!("messages[{index}]");
            lose_fields(message, &path, losses);
            match message.role {
                Role::System | Role::Developer => turns.instruct(message, &path, losses),
                Role::User => turns.ask(message, &path, losses),
                Role::Assistant => turns.answer(message, index + 1 == messages.len(), &path, losses),
                Role::Tool => turns.report(message, &path, losses),
                Role::Function | Role::Other(_) => losses.add(path, "Anthropic's API has no such role"),
            }
        }
        turns
    }

    /// The top-level `system`: one string where all of it is plain, else blocks.
    pub(super) fn system(&self) -> Option<RawJson> {
        let plain = |instruction: &Instruction| match instruction {
            Instruction::Plain(text) => Some(text.clone()),
            Instruction::Blocks(_) => None,
        };
        if self.system.is_empty() {
            return None;
        }
        if let Some(texts) = self.system.iter().map(plain).collect::<Option<Vec<_>>>() {
            let joined = texts.join("\n");
            return (!joined.is_empty()).then(|| to_raw(&joined));
        }
        let blocks = self.system.iter().flat_map(|instruction| match instruction {
            Instruction::Plain(text) => blocks::text(text).iter().map(to_raw).collect::<Vec<_>>(),
            Instruction::Blocks(blocks) => blocks.iter().map(to_raw).collect(),
        });
        Some(to_raw(&blocks.collect::<Vec<_>>()))
    }

    /// The top-level `messages`.
    pub(super) fn messages(&self) -> impl Serialize {
        &self.turns
    }

    fn instruct(&mut self, message: &Message, path: &str, losses: &mut Losses) {
        if !self.turns.is_empty() {
            losses.add(path, "instructions in mid-conversation move to its front");
        }
        self.system.push(match (&message.content, cache_control(message)) {
            (Content::Text(text), None) => Instruction::Plain(text.clone()),
            _ => Instruction::Blocks(blocks_of(message, path, losses)),
        });
    }

    fn ask(&mut self, message: &Message, path: &str, losses: &mut Losses) {
        let after_results = self.turns.last().is_some_and(|turn| turn.role == "user" && turn.results > 0);
        match (&message.content, cache_control(message)) {
            (Content::Text(text), None) if !after_results => self.push("user", Said::Text(text.clone())),
            _ => {
                let blocks = blocks_of(message, path, losses);
                match self.turns.last_mut() {
                    Some(Turn { content: Said::Blocks(said), .. }) if after_results => said.extend(blocks),
                    _ if blocks.is_empty() => losses.add(path, "Anthropic's API takes no empty turn"),
                    _ => self.push("user", Said::Blocks(blocks)),
                }
            }
        }
    }

    fn answer(&mut self, message: &Message, last: bool, path: &str, losses: &mut Losses) {
        let trimmed = if last { without_final_space(message, path, losses) } else { None };
        let message = trimmed.as_ref().unwrap_or(message);
        if let Content::Text(text) = &message.content
            && !text.is_empty()
            && message.tool_calls.is_empty()
            && message.refusal.is_none()
            && cache_control(message).is_none()
        {
            return self.push("assistant", Said::Text(text.clone()));
        }
        let mut blocks = blocks_of(message, path, losses);
        blocks.extend(message.refusal.as_deref().and_then(blocks::text));
        for (index, call) in message.tool_calls.iter().enumerate() {
            let path = format!("{path}.tool_calls[{index}]");
            losses.add_if(
                call.signature.is_some(),
                format!("{path}.signature"),
                "another provider signed the call",
            );
            blocks.push(blocks::write_call(call, &path, losses));
        }
        if blocks.is_empty() {
            losses.add(path, "Anthropic's API takes no empty turn");
        } else {
            self.push("assistant", Said::Blocks(blocks));
        }
    }

    /// A tool's answer goes to the front of the user's turn, after the answers that are there.
    fn report(&mut self, message: &Message, path: &str, losses: &mut Losses) {
        let Some(id) = &message.tool_call_id else {
            return losses.add(path, "a tool's answer without the id of its call");
        };
        let mut block = Draft::default();
        block.set("type", "tool_result");
        block.set("tool_use_id", blocks::valid_id(id));
        match &message.content {
            Content::None => {}
            Content::Text(text) => block.set("content", text),
            Content::Parts(_) => block.set("content", parts_of(message, path, losses)),
        }
        if message.is_error {
            block.set("is_error", true);
        }
        block.set_some("cache_control", cache_control(message));
        match self.turns.last_mut() {
            Some(turn) if turn.role == "user" => turn.insert_result(block),
            _ => self.turns.push(Turn { role: "user", content: Said::Blocks(vec![block]), results: 1 }),
        }
    }

    fn push(&mut self, role: &'static str, content: Said) {
        self.turns.push(Turn { role, content, results: 0 });
    }
}

impl Turn {
    fn insert_result(&mut self, result: Draft) {
        if let Said::Text(text) = &self.content {
            self.content = Said::Blocks(blocks::text(text).into_iter().collect());
        }
        if let Said::Blocks(blocks) = &mut self.content {
            blocks.insert(self.results.min(blocks.len()), result);
            self.results += 1;
        }
    }
}

/// Records the fields of a message that have no place in a turn.
fn lose_fields(message: &Message, path: &str, losses: &mut Losses) {
    losses.add_if(message.name.is_some(), format!("{path}.name"), "Anthropic's API names no authors");
    let strange = message.role != Role::Assistant && !message.tool_calls.is_empty();
    losses.add_if(strange, format!("{path}.tool_calls"), "only the assistant calls tools");
    for (name, _) in message.extras.iter().filter(|(name, _)| name != "cache_control") {
        losses.add(format!("{path}.{name}"), NO_SUCH_FIELD);
    }
}

/// The client's mark that what stands up to here may be cached; it moves to the message's last block.
fn cache_control(message: &Message) -> Option<&RawJson> {
    message.extras.iter().find(|(name, _)| name == "cache_control").map(|(_, value)| value)
}

/// All of a message's content as blocks, with the message's own cache mark on the last.
fn blocks_of(message: &Message, path: &str, losses: &mut Losses) -> Vec<Draft> {
    let mut blocks = parts_of(message, path, losses);
    if let (Some(mark), Some(last)) = (cache_control(message), blocks.last_mut()) {
        last.set_raw("cache_control", mark.clone());
    }
    blocks
}

fn parts_of(message: &Message, path: &str, losses: &mut Losses) -> Vec<Draft> {
    match &message.content {
        Content::None => Vec::new(),
        Content::Text(text) => blocks::text(text).into_iter().collect(),
        Content::Parts(parts) => {
            let part = |(index, part)| {
                blocks::write(part, blocks::Reader::Provider, &format!("{path}.content[{index}]"), losses)
            };
            parts.iter().enumerate().filter_map(part).collect()
        }
    }
}

/// The message without space at its end, which the API refuses where the assistant has the last word.
fn without_final_space(message: &Message, path: &str, losses: &mut Losses) -> Option<Message> {
    if !message.tool_calls.is_empty() {
        return None;
    }
    let mut trimmed = message.clone();
    let text = match &mut trimmed.content {
        Content::Text(text) => text,
        Content::Parts(parts) => match parts.last_mut() {
            Some(Part::Text { text, .. }) => text,
            _ => return None,
        },
        Content::None => return None,
    };
    let kept = text.trim_end().len();
    if kept == text.len() {
        return None;
    }
    text.truncate(kept);
    losses.add(format!("{path}.content"), "Anthropic's API takes no space at the end of a begun answer");
    Some(trimmed)
}
