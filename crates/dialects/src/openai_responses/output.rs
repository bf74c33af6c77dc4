//! What an answer holds, written for a client: its items, and the response around them.

use super::usage;
use crate::canonical::{FinishReason, RawJson, Usage};
use crate::raw::Object;
use serde_json::{Value, json};

/// Who an answer is: what every event of its stream and its whole body say alike.
#[derive(Debug, Default)]
pub(super) struct Head {
    id: String,
    model: String,
    created: u64,
}

impl Head {
    /// An answer's head. Clients want an id also where the provider gives none.
    pub(super) fn new(id: Option<&str>, model: Option<&str>, created: Option<u64>) -> Self {
        let created = created.unwrap_or(0);
        let id = match id.filter(|id| !id.is_empty()) {
            Some(id) => id.to_owned(),
            None => format!("resp_{created:016x}"),
        };
        Self { id, model: model.unwrap_or_default().to_owned(), created }
    }

    /// The id of an item, made of the answer's: the same in a stream and in a whole answer, and at most 64 letters long
    /// as the API wants it.
    pub(super) fn item_id(&self, prefix: &str, place: usize) -> String {
        const MOST: usize = 48;
        let own = self.id.strip_prefix("resp_").unwrap_or(&self.id);
        let base: String = own.chars().filter(char::is_ascii_graphic).take(MOST).collect();
        format!("{prefix}_{base}_{place}")
    }

    /// The response. What the API repeats of the request is not known here: it stands at the API's defaults.
    pub(super) fn response(&self, state: &State<'_>, output: Vec<Value>) -> Value {
        let mut response = json!({
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "status": state.status(),
            "background": false,
            "error": null,
            "incomplete_details": state.reason().map(|reason| json!({ "reason": reason })),
            "instructions": null,
            "max_output_tokens": null,
            "max_tool_calls": null,
            "metadata": {},
            "model": self.model,
            "output": output,
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "prompt_cache_key": null,
            "reasoning": { "effort": null, "summary": null },
            "safety_identifier": null,
            "service_tier": "default",
            "store": false,
            "temperature": null,
            "text": { "format": { "type": "text" } },
            "tool_choice": "auto",
            "tools": [],
            "top_logprobs": 0,
            "top_p": null,
            "truncation": "disabled",
            "usage": null,
            "user": null,
        });
        match state {
            State::Begun => {}
            State::Failed { code, message } => {
                response["error"] = json!({ "code": code, "message": message });
            }
            State::Ended { usage, .. } => response["usage"] = usage::write(usage),
        }
        response
    }
}

/// How far an answer is.
#[derive(Debug)]
pub(super) enum State<'a> {
    Begun,
    Ended { reason: Option<&'a FinishReason>, usage: Usage },
    Failed { code: &'a str, message: &'a str },
}

impl State<'_> {
    /// The API's word for it.
    pub(super) fn status(&self) -> &'static str {
        match self {
            Self::Begun => "in_progress",
            Self::Failed { .. } => "failed",
            Self::Ended { .. } if self.reason().is_some() => "incomplete",
            Self::Ended { .. } => "completed",
        }
    }

    /// Why the answer is not whole.
    fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Ended { reason: Some(FinishReason::Length), .. } => Some("max_output_tokens"),
            Self::Ended { reason: Some(FinishReason::ContentFilter), .. } => Some("content_filter"),
            _ => None,
        }
    }
}

/// An item of an answer.
#[derive(Debug)]
pub(super) enum Item {
    /// One that the canonical model does not name.
    Raw(Value),
    Message {
        id: String,
        phase: Option<String>,
        parts: Vec<Spoken>,
    },
    Reasoning {
        id: String,
        summary: Option<String>,
        encrypted: Option<String>,
    },
    Call {
        id: String,
        call_id: String,
        name: String,
        arguments: String,
    },
    CustomCall {
        id: String,
        call_id: String,
        name: String,
        input: String,
    },
}

/// Whether raw JSON is an item that this API knows and the canonical model does not name: calls of its own tools and what
/// they gave, and items that only its server reads.
pub(super) fn is_item(raw: &RawJson) -> bool {
    let kind = Object::of(raw).and_then(|mut item| item.need_string("type"));
    kind.is_ok_and(|kind| {
        kind.ends_with("_call")
            || kind.ends_with("_call_output")
            || kind.starts_with("mcp_")
            || matches!(kind.as_str(), "reasoning" | "compaction" | "tool_search_output" | "additional_tools")
    })
}

/// A part of a message.
#[derive(Debug)]
pub(super) enum Spoken {
    Text { text: String, annotations: Vec<Value>, logprobs: Vec<RawJson> },
    Refusal(String),
}

impl Spoken {
    /// A text, empty as yet.
    pub(super) fn text() -> Self {
        Self::Text { text: String::new(), annotations: Vec::new(), logprobs: Vec::new() }
    }

    /// The part in JSON.
    pub(super) fn json(&self) -> Value {
        match self {
            Self::Text { text, annotations, logprobs } => {
                json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs})
            }
            Self::Refusal(refusal) => json!({ "type": "refusal", "refusal": refusal }),
        }
    }
}

impl Item {
    /// The item's id.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Raw(item) => item["id"].as_str().unwrap_or_default(),
            Self::Message { id, .. }
            | Self::Reasoning { id, .. }
            | Self::Call { id, .. }
            | Self::CustomCall { id, .. } => id,
        }
    }

    /// The item in JSON: `in_progress`, `completed` or `incomplete`.
    pub(super) fn json(&self, status: &str) -> Value {
        match self {
            Self::Raw(item) => item.clone(),
            Self::Message { id, phase, parts } => {
                let content: Vec<_> = parts.iter().map(Spoken::json).collect();
                let mut item = json!({
                    "type": "message", "id": id, "status": status, "role": "assistant", "content": content,
                });
                if let Some(phase) = phase {
                    item["phase"] = json!(phase);
                }
                item
            }
            Self::Reasoning { id, summary, encrypted } => {
                let summary: Vec<_> = summary.iter().map(|text| summary_part(text)).collect();
                let mut item = json!({ "type": "reasoning", "id": id, "summary": summary });
                if let Some(encrypted) = encrypted {
                    item["encrypted_content"] = json!(encrypted);
                }
                item
            }
            Self::Call { id, call_id, name, arguments } => json!({
                "type": "function_call", "id": id, "call_id": call_id, "name": name, "arguments": arguments,
                "status": status,
            }),
            Self::CustomCall { id, call_id, name, input } => json!({
                "type": "custom_tool_call", "id": id, "call_id": call_id, "name": name, "input": input,
                "status": status,
            }),
        }
    }
}

/// A part of a reasoning's summary.
pub(super) fn summary_part(text: &str) -> Value {
    json!({ "type": "summary_text", "text": text })
}
