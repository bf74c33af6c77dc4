//! Whole answers, read from the provider.

use super::PHASE;
use crate::canonical::{
    ChatResponse, Choice, Class, Content, Failure, FinishReason, Message, Part, RawJson, Role, Signature,
    ToolCall, UpstreamError,
};
use crate::openai_chat::FAMILY;
use crate::openai_chat::response::{open_of, take_text};
use crate::openai_responses::content::{self, Piece};
use crate::openai_responses::request::read_reasoning;
use crate::openai_responses::{custom, usage};
use crate::raw::{Mismatch, Object, Read, element, to_raw};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Fields of an answer that only repeat the request, or say what the canonical model says in other words.
const REPEATED: [&str; 29] = [
    "object",
    "status",
    "background",
    "completed_at",
    "error",
    "frequency_penalty",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "output_text",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "prompt",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "safety_identifier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
];

/// Reads a provider's answer.
///
/// # Errors
/// A [`Failure`] that blames the upstream, also where the answer itself says that it failed.
pub(crate) fn decode(body: &[u8]) -> Result<ChatResponse, Failure> {
    let mut object = open_of(body, "output")?;
    let status = take_text(&mut object, "status");
    if matches!(status.as_deref(), Some("failed" | "cancelled")) {
        let mut error = UpstreamError::of_frame(body);
        error.status = 200;
        error.kind = error.code.clone().or(status);
        return Err(Failure::upstream(Class::UpstreamError, error));
    }
    let incomplete = object.object("incomplete_details").ok().flatten();
    let why = incomplete.and_then(|mut details| take_text(&mut details, "reason"));
    let output = object.list("output").map_err(Mismatch::blame_upstream)?;
    let output = output.ok_or_else(|| Mismatch::missing("output", "a list").blame_upstream())?;
    let mut answer = Answer::default();
    for (place, item) in output.into_iter().enumerate() {
        answer.item(item).map_err(|wrong| wrong.within(element("output", place)).blame_upstream())?;
    }
    let calls = !answer.calls.is_empty();
    let mut choice = answer.choice();
    choice.finish_reason = Some(finish_reason(status.as_deref(), why.as_deref(), calls));
    Ok(ChatResponse {
        id: take_text(&mut object, "id"),
        created: object.take("created_at").and_then(seconds),
        model: take_text(&mut object, "model"),
        choices: vec![choice],
        usage: object.take("usage").and_then(usage::read),
        extras: rest(object),
    })
}

/// Unix seconds; some servers write a fraction.
pub(crate) fn seconds(value: &RawValue) -> Option<u64> {
    let seconds = serde_json::from_str::<f64>(value.get()).ok()?;
    (seconds >= 1.0).then_some(seconds as u64)
}

fn rest(object: Object<'_>) -> Vec<(String, RawJson)> {
    let mut rest = object.rest_without_nulls();
    rest.retain(|(name, _)| !REPEATED.contains(&name.as_str()) && name != "user");
    rest
}

/// Why the model stopped, which this API does not say outright.
pub(crate) fn finish_reason(status: Option<&str>, incomplete: Option<&str>, calls: bool) -> FinishReason {
    match (status, incomplete) {
        (Some("incomplete"), Some("max_output_tokens" | "max_tokens")) => FinishReason::Length,
        (Some("incomplete"), Some("content_filter")) => FinishReason::ContentFilter,
        (Some("incomplete"), Some(other)) => FinishReason::Other(other.to_owned()),
        (Some("incomplete"), None) => FinishReason::Length,
        // A server that works in the background, which was not asked for.
        (Some(status @ ("in_progress" | "queued")), _) => FinishReason::Other(status.to_owned()),
        _ if calls => FinishReason::ToolCalls,
        _ => FinishReason::Stop,
    }
}

/// The one choice of an answer, as its items make it.
#[derive(Default)]
struct Answer {
    parts: Vec<Part>,
    refusal: Option<String>,
    calls: Vec<ToolCall>,
    annotations: Vec<Value>,
    logprobs: Vec<RawJson>,
    extras: Vec<(String, RawJson)>,
}

impl Answer {
    fn item(&mut self, value: &RawValue) -> Read<()> {
        let mut item = Object::of(value)?;
        match item.need_string("type")?.as_str() {
            "message" => self.message(item)?,
            "reasoning" => {
                item.take("id");
                item.take("status");
                self.parts.extend(read_reasoning(item, |text| Signature::made_by(FAMILY, text))?);
            }
            "function_call" => {
                let arguments = item.string("arguments")?.unwrap_or_default();
                self.call(item, arguments)?;
            }
            "custom_tool_call" => {
                let input = item.string("input")?.unwrap_or_default();
                self.call(item, custom::arguments(&input))?;
            }
            _ => self.parts.push(Part::Unknown(value.to_owned())),
        }
        Ok(())
    }

    fn call(&mut self, mut item: Object<'_>, arguments: String) -> Read<()> {
        item.take("status");
        let id = take_text(&mut item, "id");
        let call_id = take_text(&mut item, "call_id").or(id).unwrap_or_default();
        self.calls.push(ToolCall {
            id: call_id,
            name: item.need_string("name")?,
            arguments,
            signature: None,
            extras: item.rest_without_nulls(),
        });
        Ok(())
    }

    fn message(&mut self, mut item: Object<'_>) -> Read<()> {
        let phase = item.take(PHASE).map(|phase| (PHASE.to_owned(), phase.to_owned()));
        for value in item.list("content")?.unwrap_or_default() {
            match content::read_part(value)? {
                Piece::Refusal(refusal) => self.refusal.get_or_insert_default().push_str(&refusal),
                Piece::Part(Part::Text { text, extras }) => {
                    let mut extras = self.beside(extras);
                    extras.extend(phase.clone());
                    if !text.is_empty() || !extras.is_empty() {
                        self.parts.push(Part::Text { text, extras });
                    }
                }
                Piece::Part(part) => self.parts.push(part),
            }
        }
        for name in ["id", "status", "role"] {
            item.take(name);
        }
        for (name, value) in item.rest_without_nulls() {
            self.extras.retain(|(known, _)| *known != name);
            self.extras.push((name, value));
        }
        Ok(())
    }

    /// Takes what stands beside a text: citations of pages and log probabilities go where the chat API has them.
    fn beside(&mut self, mut extras: Vec<(String, RawJson)>) -> Vec<(String, RawJson)> {
        extras.retain(|(name, value)| match name.as_str() {
            "annotations" => match citations(value) {
                Some(citations) => {
                    self.annotations.extend(citations);
                    false
                }
                None => true,
            },
            "logprobs" => match serde_json::from_str::<Vec<RawJson>>(value.get()) {
                Ok(logprobs) => {
                    self.logprobs.extend(logprobs);
                    false
                }
                Err(_) => true,
            },
            _ => true,
        });
        extras
    }

    fn choice(mut self) -> Choice {
        let mut message = Message { refusal: self.refusal, ..Message::text(Role::Assistant, "") };
        message.extras = self.extras;
        if let [Part::Text { extras, .. }] = self.parts.as_mut_slice() {
            // What a lone text is for is said of the message.
            message.extras.extend(extras.extract_if(.., |(name, _)| name == PHASE));
        }
        if !self.annotations.is_empty() {
            message.extras.push(("annotations".to_owned(), to_raw(&self.annotations)));
        }
        let silent = !self.calls.is_empty() || message.refusal.is_some();
        message.content = content_of(self.parts, silent);
        message.tool_calls = self.calls;
        let logprobs = (!self.logprobs.is_empty()).then(|| to_raw(&json!({ "content": self.logprobs })));
        Choice { logprobs, ..Choice::of(0, message, None) }
    }
}

/// One plain text is a string; no content beside calls or a refusal is none.
fn content_of(mut parts: Vec<Part>, silent: bool) -> Content {
    match parts.as_mut_slice() {
        [] if silent => Content::None,
        [] => Content::Text(String::new()),
        [Part::Text { text, extras }] if extras.is_empty() => Content::Text(std::mem::take(text)),
        _ => Content::Parts(parts),
    }
}

/// Citations of pages as the chat API writes them; `None` where one is of another kind.
fn citations(value: &RawValue) -> Option<Vec<Value>> {
    let list: Vec<Value> = serde_json::from_str(value.get()).ok()?;
    let nested = |mut citation: Value| {
        let fields = citation.as_object_mut()?;
        (fields.remove("type")? == "url_citation")
            .then(|| json!({ "type": "url_citation", "url_citation": citation }))
    };
    list.into_iter().map(nested).collect()
}

/// The texts of a message's parts in their order, refusals marked, as far as they can be read.
pub(crate) fn part_texts(item: &mut Object<'_>) -> Vec<(bool, String)> {
    let parts = item.list("content").ok().flatten().unwrap_or_default();
    let read = |part: &RawValue| {
        Some(match content::read_part(part).ok()? {
            Piece::Refusal(refusal) => (true, refusal),
            Piece::Part(Part::Text { text, .. }) => (false, text),
            Piece::Part(_) => return None,
        })
    };
    parts.into_iter().map(|part| read(part).unwrap_or_default()).collect()
}
