//! A stream's frames as they are read: only what an event needs.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// One frame.
#[derive(Deserialize)]
pub(super) struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Cow<'a, str>>,
    pub(super) id: Option<String>,
    pub(super) index: Option<u64>,
    #[serde(borrow)]
    pub(super) delta: Option<Delta<'a>>,
    #[serde(borrow)]
    pub(super) logprobs: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    pub(super) finish_reason: Option<String>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    pub(super) error: Option<String>,
}

/// The message within the delta of content.
#[derive(Deserialize)]
pub(super) struct Spoken {
    pub(super) content: Option<Content>,
}

#[derive(Deserialize)]
pub(super) struct Content {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) text: Option<String>,
    pub(super) thinking: Option<String>,
}

/// The message within the delta of a plan.
#[derive(Deserialize)]
pub(super) struct Planned {
    pub(super) tool_plan: Option<String>,
}

/// The message within the delta of a call.
#[derive(Deserialize)]
pub(super) struct Called {
    pub(super) tool_calls: Option<Call>,
}

#[derive(Deserialize)]
pub(super) struct Call {
    pub(super) id: Option<String>,
    pub(super) function: Option<Function>,
}

#[derive(Deserialize)]
pub(super) struct Function {
    pub(super) name: Option<String>,
    pub(super) arguments: Option<String>,
}

/// The message within the delta of a citation.
#[derive(Deserialize)]
pub(super) struct Cited<'a> {
    #[serde(borrow)]
    pub(super) citations: Option<&'a RawValue>,
}
