//! Requests, read from a client.

use super::{config, tools};
use crate::canonical::{ChatRequest, Content, Extras, Failure, Message, Part, Role, ToolCall};
use crate::gemini::parts::{self, Kind, Said};
use crate::gemini::{fields, media, signature};
use crate::raw::{Mismatch, Object, Read, text};
use serde_json::value::RawValue;

/// Reads a request.
pub(crate) fn decode(body: &[u8]) -> Result<ChatRequest, Failure> {
    read(Object::of_request(body)?.in_camel_case()).map_err(Mismatch::blame_caller)
}

fn read(mut object: Object<'_>) -> Read<ChatRequest> {
    let mut request =
        ChatRequest { model: object.string("model")?, stream_usage: true, ..ChatRequest::default() };
    let mut talk = Talk::default();
    if let Some(system) = fields::take_object(&mut object, "systemInstruction")? {
        talk.instruct(system).map_err(|wrong| wrong.within("systemInstruction"))?;
    }
    let turns = fields::each(&mut object, "contents", |turn| talk.turn(turn))?;
    turns.ok_or_else(|| Mismatch::missing("contents", "a list"))?;
    request.messages = talk.messages;
    let mut extras = Vec::new();
    config::read(&mut object, &mut request, &mut extras)?;
    tools::read(&mut object, &mut request, &mut extras)?;
    extras.extend(object.rest_without_nulls());
    Ok(ChatRequest { extras: Extras { fields: extras, for_provider: false }, ..request })
}

/// The conversation as it is read.
#[derive(Default)]
struct Talk {
    messages: Vec<Message>,
    /// Calls of the model whose answers have not come: the id that each was given, and its name.
    waiting: Vec<(String, String)>,
    calls: usize,
}

impl Talk {
    fn instruct(&mut self, mut system: Object<'_>) -> Read<()> {
        let mut said = Said::default();
        fields::each(&mut system, "parts", |part| add(&mut said, part, &mut 0))?;
        let (content, _) = said.into_content();
        if !matches!(&content, Content::Text(text) if text.is_empty()) {
            self.messages.push(Message { content, ..Message::text(Role::System, "") });
        }
        Ok(())
    }

    /// Reads a turn: tools' answers become messages of their own before what else the user says.
    fn turn(&mut self, value: &RawValue) -> Read<()> {
        let mut turn = fields::object(value)?;
        let role = match turn.string("role")?.as_deref() {
            Some("model") => Role::Assistant,
            None | Some("" | "user" | "function" | "tool") => Role::User,
            Some(other) => Role::Other(other.to_owned()),
        };
        let parts = fields::each(&mut turn, "parts", Ok)?.unwrap_or_default();
        let extras = turn.rest_without_nulls();
        let mut said = if role == Role::Assistant { self.begun() } else { Said::default() };
        let (answers, calls) = (self.messages.len(), said.calls.len());
        for (place, part) in parts.into_iter().enumerate() {
            self.part(part, &role, &mut said)
                .map_err(|wrong| wrong.within(format_args!("parts[{place}]")))?;
        }
        if said.parts.is_empty() && said.calls.is_empty() && self.messages.len() > answers {
            return Ok(());
        }
        let (content, tool_calls) = said.into_content();
        let new = tool_calls.iter().skip(calls);
        self.waiting.extend(new.map(|call| (call.id.clone(), call.name.clone())));
        self.messages.push(Message { content, tool_calls, extras, ..Message::text(role, "") });
        Ok(())
    }

    /// What the model has said in the turn before, if that was its own: clients that stream keep each piece of an answer
    /// as a turn.
    fn begun(&mut self) -> Said {
        let mut said = Said::of_model();
        let own = |message: &mut Message| message.role == Role::Assistant && message.extras.is_empty();
        if let Some(before) = self.messages.pop_if(own) {
            said.parts = match before.content {
                Content::Text(text) if !text.is_empty() => vec![Part::Text { text, extras: Vec::new() }],
                Content::None | Content::Text(_) => Vec::new(),
                Content::Parts(parts) => parts,
            };
            said.calls = before.tool_calls;
        }
        said
    }

    fn part(&mut self, part: &RawValue, role: &Role, said: &mut Said) -> Read<()> {
        let piece = parts::read(part)?;
        match piece.kind {
            Kind::Result(result) if *role != Role::Assistant => {
                let answer = self.answer(result).map_err(|wrong| wrong.within("functionResponse"))?;
                self.messages.push(answer);
                Ok(())
            }
            _ => add(said, part, &mut self.calls),
        }
    }

    /// Reads a tool's answer. Its content is the text under the API's own keys for output and errors, else the whole of
    /// `response`, as JSON.
    fn answer(&mut self, mut result: Object<'_>) -> Read<Message> {
        let name = result.string("name")?.unwrap_or_default();
        let id = result.string("id")?.filter(|id| !id.is_empty());
        let response = result.take("response");
        let media = fields::each(&mut result, "parts", media::read_only)?.unwrap_or_default();
        let known = self.claim(id.as_deref(), &name);
        let unknown = known.is_none().then(|| name.clone());
        let id = known.or(id).unwrap_or_else(|| parts::made_up_id("answer", self.messages.len(), &name, ""));
        let (text, is_error) = response.map_or(("{}".to_owned(), false), read_response);
        let content = match media.is_empty() {
            true => Content::Text(text),
            false => {
                let text = Part::Text { text, extras: Vec::new() };
                Content::Parts(std::iter::once(text).chain(media.into_iter().map(Part::Media)).collect())
            }
        };
        Ok(Message {
            content,
            name: unknown.filter(|name| !name.is_empty()),
            tool_call_id: Some(id),
            is_error,
            extras: result.rest_without_nulls(),
            ..Message::text(Role::Tool, "")
        })
    }

    /// The id of the call that an answer is for: the one with its id, else the first of its name.
    fn claim(&mut self, id: Option<&str>, name: &str) -> Option<String> {
        let by_id = id.and_then(|id| self.waiting.iter().position(|(known, _)| known == id));
        let by_name = || self.waiting.iter().position(|(_, known)| known == name);
        let place = by_id.or_else(by_name)?;
        Some(self.waiting.remove(place).0)
    }
}

fn add(said: &mut Said, part: &RawValue, calls: &mut usize) -> Read<()> {
    let number = *calls;
    let before = said.calls.len();
    let piece = parts::read(part)?;
    said.add(part, piece, signature, |name, arguments| {
        parts::made_up_id("history", number, name, arguments)
    })?;
    *calls += said.calls.len() - before;
    Ok(())
}

/// The text of a tool's answer, and whether the tool failed (`FunctionResponse.response`).
fn read_response(response: &RawValue) -> (String, bool) {
    let whole = || response.get().to_owned();
    let alone = |name: &str| {
        let mut fields = Object::of(response).ok()?;
        fields.take(name).filter(|_| fields.is_empty())
    };
    // A text that is an object would not come back as the text that it was.
    let plain = |value: &RawValue| text(value).ok().filter(|text| !text.trim_start().starts_with('{'));
    match (alone("output"), alone("error")) {
        (Some(output), _) => (plain(output).unwrap_or_else(whole), false),
        (None, Some(error)) => (plain(error).unwrap_or_else(whole), true),
        (None, None) => (whole(), false),
    }
}

/// The calls of the newest turn that made any, for tools' answers without names.
pub(super) fn called<'a>(messages: &'a [Message], id: &str) -> Option<&'a ToolCall> {
    messages.iter().rev().flat_map(|message| &message.tool_calls).find(|call| call.id == id)
}
