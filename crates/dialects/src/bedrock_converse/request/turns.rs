//! A conversation as Bedrock wants it: instructions apart, user and assistant in turn, and tools' answers first in the
//! user's turn.

use crate::bedrock_converse::blocks::{self, Place, Writer};
use crate::bedrock_converse::{NO_SUCH_FIELD, cache};
use crate::canonical::{Content, Losses, Message, Role};
use crate::raw::Draft;
use serde::Serialize;

/// The conversation, written.
#[derive(Default)]
pub(super) struct Turns<'a> {
    pub(super) system: Vec<Draft>,
    pub(super) turns: Vec<Turn>,
    /// The names of the tools that are called in it, each once.
    pub(super) called: Vec<&'a str>,
    /// The names of its documents.
    names: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Turn {
    role: &'static str,
    content: Vec<Draft>,
    /// How many blocks of tools' answers stand at the front.
    #[serde(skip)]
    results: usize,
}

impl<'a> Turns<'a> {
    /// Writes the messages.
    pub(super) fn of(messages: &'a [Message], losses: &mut Losses) -> Self {
        let mut turns = Self::default();
        for (index, message) in messages.iter().enumerate() {
            let path = format!("messages[{index}]");
            lose_fields(message, &path, losses);
            match message.role {
                Role::System | Role::Developer => turns.instruct(message, &path, losses),
                Role::User => turns.say("user", message, &path, losses),
                Role::Assistant => turns.say("assistant", message, &path, losses),
                Role::Tool => turns.report(message, &path, losses),
                Role::Function | Role::Other(_) => losses.add(path, "Bedrock's API has no such role"),
            }
        }
        turns
    }

    fn instruct(&mut self, message: &Message, path: &str, losses: &mut Losses) {
        if !self.turns.is_empty() {
            losses.add(path, "instructions in mid-conversation move to its front");
        }
        let mut writer = Writer::new(Place::System, &mut self.names);
        write_content(&mut writer, message, path, losses);
        write_mark(&mut writer, message, path, losses);
        self.system.extend(writer.blocks);
    }

    fn say(&mut self, role: &'static str, message: &'a Message, path: &str, losses: &mut Losses) {
        let mut writer = Writer::new(Place::Turn, &mut self.names);
        write_content(&mut writer, message, path, losses);
        if let Some(refusal) = &message.refusal {
            writer.text(refusal, path, losses);
        }
        let calls = message.tool_calls.iter().filter(|_| role == "assistant");
        for (index, call) in calls.enumerate() {
            let path = format!("{path}.tool_calls[{index}]");
            let signed = call.signature.is_some();
            losses.add_if(signed, format!("{path}.signature"), "another provider signed the call");
            let block = blocks::write_call(call, &path, losses);
            writer.blocks.push(block);
            if let Some(mark) = cache::mark(&call.extras) {
                writer.marked(mark, &path, losses);
            }
            if !self.called.contains(&call.name.as_str()) {
                self.called.push(&call.name);
            }
        }
        write_mark(&mut writer, message, path, losses);
        let blocks = writer.blocks;
        if blocks.is_empty() {
            return losses.add(path, "Bedrock's API takes no empty turn");
        }
        self.turn(role).content.extend(blocks);
    }

    /// A tool's answer goes to the front of the user's turn, after the answers that are there.
    fn report(&mut self, message: &Message, path: &str, losses: &mut Losses) {
        let Some(id) = &message.tool_call_id else {
            return losses.add(path, "a tool's answer without the id of its call");
        };
        let mut writer = Writer::new(Place::Result, &mut self.names);
        write_content(&mut writer, message, path, losses);
        let mark = cache::mark(&message.extras).cloned().or(writer.mark);
        let mut result = Draft::of("toolUseId", blocks::valid_id(id));
        result.set("content", writer.blocks);
        result.set("status", if message.is_error { "error" } else { "success" });
        let turn = self.turn("user");
        let point = mark.and_then(|mark| cache::write(&mark, path, losses));
        for block in [Some(Draft::of("toolResult", result)), point].into_iter().flatten() {
            turn.content.insert(turn.results.min(turn.content.len()), block);
            turn.results += 1;
        }
    }

    /// The turn that is `role`'s to say more in.
    fn turn(&mut self, role: &'static str) -> &mut Turn {
        if self.turns.last().is_none_or(|turn| turn.role != role) {
            self.turns.push(Turn { role, content: Vec::new(), results: 0 });
        }
        self.turns.last_mut().expect("there is one by now")
    }
}

/// Records the fields of a message that have no place in a turn.
fn lose_fields(message: &Message, path: &str, losses: &mut Losses) {
    losses.add_if(message.name.is_some(), format!("{path}.name"), "Bedrock's API names no authors");
    let strange = message.role != Role::Assistant && !message.tool_calls.is_empty();
    losses.add_if(strange, format!("{path}.tool_calls"), "only the assistant calls tools");
    let said = !matches!(message.role, Role::User | Role::Assistant) && message.refusal.is_some();
    losses.add_if(said, format!("{path}.refusal"), "only the assistant refuses");
    for (name, _) in message.extras.iter().filter(|(name, _)| name != cache::MARK) {
        losses.add(format!("{path}.{name}"), NO_SUCH_FIELD);
    }
}

fn write_content(writer: &mut Writer<'_>, message: &Message, path: &str, losses: &mut Losses) {
    match &message.content {
        Content::None => {}
        Content::Text(text) => writer.text(text, &format!("{path}.content"), losses),
        Content::Parts(parts) => {
            for (index, part) in parts.iter().enumerate() {
                writer.part(part, &format!("{path}.content[{index}]"), losses);
            }
        }
    }
}

/// The client's mark that what stands up to here may be cached.
fn write_mark(writer: &mut Writer<'_>, message: &Message, path: &str, losses: &mut Losses) {
    if let Some(mark) = cache::mark(&message.extras) {
        writer.marked(mark, path, losses);
    }
}
