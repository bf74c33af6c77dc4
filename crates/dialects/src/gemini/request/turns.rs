//! A conversation as the API wants it: instructions apart, turns of user and model in alternation, and tools' answers
//! in the user's turn, by name and in the order of their calls.

use super::decode::called;
use crate::canonical::{ChatRequest, Content, Losses, Message, Part, RawJson, Role};
use crate::dialect::ModelTraits;
use crate::gemini::parts::{self, NO_SUCH_FIELD, Reader};
use crate::gemini::{FAMILY, media};
use crate::raw::{Draft, Object, to_raw};
use serde::Serialize;
use serde_json::json;

/// What Google's API takes in place of a signature on calls that it did not make ("Thought signatures", FAQ).
const UNSIGNED: &str = "skip_thought_signature_validator";

/// The conversation, written.
#[derive(Default)]
pub(super) struct Turns {
    system: Vec<Draft>,
    turns: Vec<Turn>,
}

#[derive(Serialize)]
struct Turn {
    role: &'static str,
    parts: Vec<Draft>,
    /// The places of the calls that the answers at the front are for.
    #[serde(skip)]
    answers: Vec<usize>,
}

impl Turns {
    /// Writes the messages.
    pub(super) fn of(request: &ChatRequest, model: &ModelTraits, losses: &mut Losses) -> Self {
        let mut turns = Self::default();
        let messages = &request.messages;
        let last_asked = messages.iter().rposition(|message| message.role == Role::User);
        for (index, message) in messages.iter().enumerate() {
            let path = format!("messages[{index}]");
            lose_fields(message, &path, losses);
            match message.role {
                Role::System | Role::Developer => {
                    turns.system.extend(parts::write_content(message, Reader::Provider, &path, losses));
                }
                Role::User => turns.say("user", message, Vec::new(), &path, losses),
                Role::Assistant => {
                    let current = last_asked.is_none_or(|asked| index > asked);
                    let calls = calls(message, current && !model.budgets, &path, losses);
                    turns.say("model", message, calls, &path, losses);
                }
                Role::Tool => turns.report(message, &messages[..index], &path, losses),
                Role::Function | Role::Other(_) => losses.add(path, "Gemini's API has no such role"),
            }
        }
        if turns.turns.is_empty() && !turns.system.is_empty() {
            losses.add("messages[0].role", "Gemini's API wants a turn of the user; sent as one");
            let system = std::mem::take(&mut turns.system);
            turns.push("user", system);
        }
        turns
    }

    /// The top-level `systemInstruction`.
    pub(super) fn system(&self) -> Option<impl Serialize> {
        (!self.system.is_empty()).then(|| json!({ "parts": self.system }))
    }

    /// The top-level `contents`.
    pub(super) fn contents(&self) -> impl Serialize {
        &self.turns
    }

    fn say(
        &mut self,
        role: &'static str,
        message: &Message,
        calls: Vec<Draft>,
        path: &str,
        losses: &mut Losses,
    ) {
        let mut said = parts::write_content(message, Reader::Provider, path, losses);
        said.extend(calls);
        if said.is_empty() {
            losses.add(path, "Gemini's API takes no empty turn");
        } else {
            self.push(role, said);
        }
    }

    /// Adds to the turn of the role, or begins one.
    fn push(&mut self, role: &'static str, said: Vec<Draft>) {
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.parts.extend(said),
            _ => self.turns.push(Turn { role, parts: said, answers: Vec::new() }),
        }
    }

    /// A tool's answer goes to the front of the user's turn, where its call stood among the calls.
    fn report(&mut self, message: &Message, before: &[Message], path: &str, losses: &mut Losses) {
        let id = message.tool_call_id.as_deref().unwrap_or_default();
        let call = called(before, id);
        let Some(name) = call.map(|call| &call.name).or(message.name.as_ref()) else {
            return losses.add(path, "a tool's answer without the call that it answers");
        };
        let mut result = Draft::default();
        result.set_some("id", parts::own_id(id));
        result.set("name", name);
        let (text, media) = answer(message, path, losses);
        result.set_raw("response", response(&text, message.is_error));
        result.set_some("parts", (!media.is_empty()).then_some(media));
        parts::add_native(&mut result, &message.extras, &["willContinue", "scheduling"], path, losses);
        let mut part = Draft::default();
        part.set("functionResponse", result);
        let calls = before.iter().rev().find(|message| !message.tool_calls.is_empty());
        let calls = calls.map_or(&[][..], |message| &message.tool_calls);
        let place = calls.iter().position(|call| call.id == id).unwrap_or(calls.len());
        match self.turns.last_mut() {
            Some(turn) if turn.role == "user" => turn.insert(place, part),
            _ => self.turns.push(Turn { role: "user", parts: vec![part], answers: vec![place] }),
        }
    }
}

impl Turn {
    fn insert(&mut self, place: usize, answer: Draft) {
        let at = self.answers.iter().position(|other| *other > place).unwrap_or(self.answers.len());
        self.answers.insert(at, place);
        self.parts.insert(at.min(self.parts.len()), answer);
    }
}

/// Writes the calls of a turn. Models that check signatures want one on the first call of each step of the current
/// turn; where another API made the call, or lost the signature, they take a word in its place.
fn calls(message: &Message, checked: bool, path: &str, losses: &mut Losses) -> Vec<Draft> {
    let mut written = Vec::new();
    for (place, call) in message.tool_calls.iter().enumerate() {
        let path = format!("{path}.tool_calls[{place}]");
        written.push(parts::write_call(call, Reader::Provider, &path, losses));
    }
    let signed = message.tool_calls.first().and_then(|call| call.signature.as_ref()?.for_provider(FAMILY));
    if checked
        && signed.is_none()
        && let Some(first) = written.first_mut()
    {
        first.set("thoughtSignature", UNSIGNED);
    }
    written
}

/// A tool's answer: its text, and the media that go beside it.
fn answer(message: &Message, path: &str, losses: &mut Losses) -> (String, Vec<Draft>) {
    let Content::Parts(parts) = &message.content else { return (message.content.joined_text(), Vec::new()) };
    let mut written = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        let path = format!("{path}.content[{place}]");
        match part {
            Part::Text { extras, .. } => losses.add_fields(&path, extras, NO_SUCH_FIELD),
            Part::Media(part) => written.extend(media::write(part, &path, losses)),
            Part::Thinking { .. } | Part::RedactedThinking(_) | Part::Unknown(_) => {
                losses.add(path, "Gemini's API has no such part of a tool's answer");
            }
        }
    }
    (message.content.joined_text(), written)
}

/// The text of a tool's answer as the object that the API wants: itself where it is one, else under the API's own keys
/// for output and errors (`FunctionResponse.response`).
fn response(text: &str, failed: bool) -> RawJson {
    let object = if text.is_empty() { None } else { parts::as_object(text) };
    let says_so = |object: &RawJson| Object::of(object).is_ok_and(|fields| fields.get("error").is_some());
    match object {
        Some(object) if !failed || says_so(&object) => object,
        Some(object) => to_raw(&json!({ "error": object })),
        None if failed => to_raw(&json!({ "error": text })),
        None => to_raw(&json!({ "output": text })),
    }
}

/// Records the fields of a message that have no place in a turn.
fn lose_fields(message: &Message, path: &str, losses: &mut Losses) {
    let named = message.name.is_some() && message.role != Role::Tool;
    losses.add_if(named, format!("{path}.name"), "Gemini's API names no authors");
    let strange = message.role != Role::Assistant && !message.tool_calls.is_empty();
    losses.add_if(strange, format!("{path}.tool_calls"), "only the model calls tools");
    if message.role != Role::Tool {
        losses.add_fields(path, &message.extras, NO_SUCH_FIELD);
    }
}
