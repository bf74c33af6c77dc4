//! Messages, written as the items of a conversation.

use super::super::output::is_item;
use super::super::{NO_SUCH_FIELD, content, custom};
use crate::canonical::{Content, Losses, Message, Part, Role, Signature, ToolCall};
use crate::openai_chat::FAMILY;
use crate::raw::Draft;
use serde_json::json;

/// The conversation, written.
#[derive(Default)]
pub(super) struct Turns {
    pub(super) instructions: Option<String>,
    pub(super) input: Vec<Draft>,
    /// The calls of custom tools, whose answers are items of another type.
    custom_calls: Vec<String>,
    /// The model's reasoning is encrypted, and it takes no other back.
    encrypts: bool,
}

impl Turns {
    /// Writes the messages. Instructions that stand first as plain text have a field of their own.
    pub(super) fn of(messages: &[Message], encrypts: bool, losses: &mut Losses) -> Self {
        let mut turns = Self { encrypts, ..Self::default() };
        for (index, message) in messages.iter().enumerate() {
            let path = format!("messages[{index}]");
            lose_fields(message, &path, losses);
            match (&message.role, &message.content) {
                (Role::System, Content::Text(text)) if index == 0 => turns.instructions = Some(text.clone()),
                (Role::System | Role::Developer | Role::User, _) => turns.tell(message, &path, losses),
                (Role::Assistant, _) => turns.answer(message, &path, losses),
                (Role::Tool, _) => turns.report(message, &path, losses),
                (Role::Function | Role::Other(_), _) => {
                    losses.add(path, "OpenAI's Responses API has no such role");
                }
            }
        }
        turns
    }

    fn tell(&mut self, message: &Message, path: &str, losses: &mut Losses) {
        let mut item = Draft::default();
        item.set("type", "message");
        item.set("role", message.role.openai_word());
        match content::write(&message.content, path, losses) {
            Some(content) => item.set_raw("content", content),
            None => item.set("content", ""),
        }
        self.input.push(item);
    }

    /// The model's turn: its reasoning and texts in their order, then its calls.
    fn answer(&mut self, message: &Message, path: &str, losses: &mut Losses) {
        let mut said = Vec::new();
        match &message.content {
            Content::None => {}
            Content::Text(text) if message.refusal.is_none() => self.say(json!(text), message),
            Content::Text(text) => said.extend(text_part(text)),
            Content::Parts(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    self.answer_part(part, &mut said, message, &format!("{path}.content[{index}]"), losses);
                }
            }
        }
        if let Some(refusal) = &message.refusal {
            let mut part = Draft::default();
            part.set("type", "refusal");
            part.set("refusal", refusal);
            said.push(part);
        }
        self.flush(&mut said, message);
        for (index, call) in message.tool_calls.iter().enumerate() {
            self.call(call, &format!("{path}.tool_calls[{index}]"), losses);
        }
    }

    fn answer_part(
        &mut self,
        part: &Part,
        said: &mut Vec<Draft>,
        message: &Message,
        path: &str,
        losses: &mut Losses,
    ) {
        let item = match part {
            Part::Thinking { text, signature: None } if !self.encrypts => Some(thought(text)),
            Part::Thinking { text, signature } => reasoning(Some(text), signature.as_ref()),
            Part::RedactedThinking(signature) => reasoning(None, Some(signature)),
            Part::Unknown(raw) if is_item(raw) => serde_json::from_str(raw.get()).ok(),
            part => return said.extend(content::write_part(part, "output_text", path, losses)),
        };
        match item {
            Some(item) => {
                self.flush(said, message);
                self.input.push(item);
            }
            None => losses.add(path, "OpenAI's Responses API takes only reasoning that it encrypted"),
        }
    }

    fn flush(&mut self, said: &mut Vec<Draft>, message: &Message) {
        if !said.is_empty() {
            self.say(json!(std::mem::take(said)), message);
        }
    }

    fn say(&mut self, content: serde_json::Value, message: &Message) {
        let mut item = Draft::default();
        item.set("type", "message");
        item.set("role", "assistant");
        item.set("content", content);
        for (name, value) in message.extras.iter().filter(|(name, _)| name == "phase") {
            item.set_raw(name, value.clone());
        }
        self.input.push(item);
    }

    fn call(&mut self, call: &ToolCall, path: &str, losses: &mut Losses) {
        losses.add_if(
            call.signature.is_some(),
            format!("{path}.signature"),
            "another provider signed the call",
        );
        let mut item = Draft::default();
        let input = custom::input(&call.arguments);
        item.set("type", if input.is_some() { "custom_tool_call" } else { "function_call" });
        item.set("call_id", &call.id);
        item.set("name", &call.name);
        match input {
            Some(input) => {
                item.set("input", input);
                self.custom_calls.push(call.id.clone());
            }
            None => item.set("arguments", arguments(&call.arguments)),
        }
        for (name, value) in &call.extras {
            if name == "namespace" {
                item.set_raw(name, value.clone());
            } else {
                losses.add(format!("{path}.{name}"), NO_SUCH_FIELD);
            }
        }
        self.input.push(item);
    }

    fn report(&mut self, message: &Message, path: &str, losses: &mut Losses) {
        let Some(id) = &message.tool_call_id else {
            return losses.add(path, "a tool's answer without the id of its call");
        };
        losses.add_if(
            message.is_error,
            format!("{path}.is_error"),
            "OpenAI's Responses API has no mark of a failed tool",
        );
        let mut item = Draft::default();
        let custom = self.custom_calls.contains(id);
        item.set("type", if custom { "custom_tool_call_output" } else { "function_call_output" });
        item.set("call_id", id);
        match content::write(&message.content, path, losses) {
            Some(content) => item.set_raw("output", content),
            None => item.set("output", ""),
        }
        self.input.push(item);
    }
}

/// No arguments are an empty object.
fn arguments(arguments: &str) -> &str {
    if arguments.trim().is_empty() { "{}" } else { arguments }
}

fn text_part(text: &str) -> Option<Draft> {
    let mut part = Draft::default();
    part.set("type", "output_text");
    part.set("text", text);
    (!text.is_empty()).then_some(part)
}

/// An item of reasoning; `None` for one that the API would not take back.
fn reasoning(text: Option<&String>, signature: Option<&Signature>) -> Option<Draft> {
    let encrypted = signature?.for_provider(FAMILY)?;
    let summary: Vec<_> =
        text.into_iter().map(|text| json!({ "type": "summary_text", "text": text })).collect();
    let mut item = Draft::default();
    item.set("type", "reasoning");
    item.set("summary", summary);
    item.set("encrypted_content", encrypted);
    Some(item)
}

/// Reasoning as models write it that show all of it, and want it back within a loop of tools.
fn thought(text: &str) -> Draft {
    let mut item = Draft::default();
    item.set("type", "reasoning");
    item.set("summary", json!([]));
    item.set("content", json!([{ "type": "reasoning_text", "text": text }]));
    item
}

/// Records the fields of a message that have no place in an item.
fn lose_fields(message: &Message, path: &str, losses: &mut Losses) {
    losses.add_if(message.name.is_some(), format!("{path}.name"), "OpenAI's Responses API names no authors");
    let spoken = message.role == Role::Assistant;
    losses.add_if(
        !spoken && !message.tool_calls.is_empty(),
        format!("{path}.tool_calls"),
        "only the assistant calls tools",
    );
    losses.add_if(
        !spoken && message.refusal.is_some(),
        format!("{path}.refusal"),
        "only the assistant refuses",
    );
    for (name, _) in message.extras.iter().filter(|(name, _)| !(spoken && name == "phase")) {
        losses.add(format!("{path}.{name}"), NO_SUCH_FIELD);
    }
}
