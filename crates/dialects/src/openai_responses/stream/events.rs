//! The events of a stream as they are written, each with its number.

use crate::canonical::RawJson;
use crate::framing::sse;
use crate::raw::to_bytes;
use serde::Serialize;
use serde_json::{Value, json};

/// Numbers events and writes them.
#[derive(Debug, Default)]
pub(super) struct Events {
    next: u64,
}

/// Where something stands in the output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
    /// The name and number of the part, for items that have parts.
    pub(super) part: Option<Part>,
}

/// A part of an item.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Content(usize),
    /// A reasoning has one summary, written as one part.
    Summary,
}

#[derive(Serialize)]
struct Grown<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<usize>,
    delta: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<&'a [RawJson]>,
}

impl Events {
    /// Writes a piece of a text with its log probabilities, or of a refusal, of reasoning, or of a call.
    pub(super) fn grow(
        &mut self,
        kind: &'static str,
        place: Place<'_>,
        (delta, logprobs): (&str, &[RawJson]),
        out: &mut Vec<u8>,
    ) {
        let grown = Grown {
            kind,
            sequence_number: self.number(),
            item_id: place.item_id,
            output_index: place.output_index,
            content_index: place.content_index(),
            summary_index: place.summary_index(),
            delta,
            logprobs: (kind == "response.output_text.delta").then_some(logprobs),
        };
        sse::write(Some(kind), &to_bytes(&grown), out);
    }

    /// Writes an event about a place, with these fields.
    pub(super) fn about(
        &mut self,
        kind: &'static str,
        place: Place<'_>,
        mut fields: Value,
        out: &mut Vec<u8>,
    ) {
        fields["item_id"] = json!(place.item_id);
        fields["output_index"] = json!(place.output_index);
        if let Some(index) = place.content_index() {
            fields["content_index"] = json!(index);
        }
        if let Some(index) = place.summary_index() {
            fields["summary_index"] = json!(index);
        }
        self.write(kind, fields, out);
    }

    /// Writes an event with these fields, an object.
    pub(super) fn write(&mut self, kind: &'static str, mut fields: Value, out: &mut Vec<u8>) {
        fields["type"] = json!(kind);
        fields["sequence_number"] = json!(self.number());
        sse::write(Some(kind), &to_bytes(&fields), out);
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }
}

impl Place<'_> {
    fn content_index(&self) -> Option<usize> {
        match self.part {
            Some(Part::Content(index)) => Some(index),
            Some(Part::Summary) | None => None,
        }
    }

    fn summary_index(&self) -> Option<usize> {
        matches!(self.part, Some(Part::Summary)).then_some(0)
    }
}
