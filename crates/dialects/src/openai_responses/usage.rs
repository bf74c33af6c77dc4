//! Usage: its JSON, and meters that read it from bytes that pass.

use crate::canonical::Usage;
use crate::framing::sse::{SseEvent, SseReader};
use crate::openai_chat;
use crate::stream::{UsageMeter, WholeMeter};
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::borrow::Cow;

#[derive(Deserialize)]
struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    #[serde(default)]
    input_tokens_details: Option<InputDetails>,
    #[serde(default)]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Default, Deserialize)]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

/// Reads a `usage` object; `None` when it holds no count. Some clones of the API count under the chat API's names.
pub(super) fn read(value: &RawValue) -> Option<Usage> {
    let Ok(counts) = serde_json::from_str::<Counts>(value.get()) else {
        return openai_chat::usage::read(value);
    };
    let input = counts.input_tokens_details.unwrap_or_default();
    let usage = Usage {
        prompt_tokens: counts.input_tokens,
        completion_tokens: counts.output_tokens,
        total_tokens: counts.total_tokens,
        cache_read_tokens: input.cached_tokens,
        cache_write_tokens: input.cache_write_tokens,
        reasoning_tokens: counts.output_tokens_details.unwrap_or_default().reasoning_tokens,
    };
    let counted = usage.prompt_tokens.or(usage.completion_tokens).is_some();
    if counted { Some(usage) } else { openai_chat::usage::read(value) }
}

/// Usage in JSON. Clients take every count for granted; one that is not known is 0.
pub(super) fn write(usage: &Usage) -> Value {
    let known = usage.prompt_tokens.unwrap_or(0).saturating_add(usage.completion_tokens.unwrap_or(0));
    json!({
        "input_tokens": usage.prompt_tokens.unwrap_or(0),
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens.unwrap_or(0),
            "cache_write_tokens": usage.cache_write_tokens.unwrap_or(0),
        },
        "output_tokens": usage.completion_tokens.unwrap_or(0),
        "output_tokens_details": { "reasoning_tokens": usage.reasoning_tokens.unwrap_or(0) },
        "total_tokens": usage.total().unwrap_or(known),
    })
}

/// A meter of a stream, or of a whole answer.
pub(super) fn meter(streamed: bool) -> Box<dyn UsageMeter> {
    if streamed { Box::new(StreamMeter::default()) } else { WholeMeter::boxed(&[("usage", read)]) }
}

/// Whether an event of this type ends a stream.
pub(super) fn is_last(kind: &str) -> bool {
    matches!(kind, "response.completed" | "response.incomplete" | "response.failed")
}

/// Reads usage from a stream that passes. Only its last event is parsed.
#[derive(Default)]
struct StreamMeter {
    reader: SseReader,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    usage: Option<Usage>,
    finished: bool,
}

impl UsageMeter for StreamMeter {
    fn feed(&mut self, bytes: &[u8]) {
        // An event past the reader's bound passes like all bytes; it only goes uncounted.
        let _ = self.reader.feed(bytes, |event| self.seen.read(event));
    }

    fn usage(&self) -> Option<Usage> {
        self.seen.usage
    }

    fn finished(&self) -> bool {
        self.seen.finished
    }
}

impl Seen {
    fn read(&mut self, event: SseEvent<'_>) {
        #[derive(Deserialize)]
        struct Frame<'a> {
            #[serde(borrow, rename = "type")]
            kind: Cow<'a, str>,
            #[serde(borrow)]
            response: Option<Answer<'a>>,
        }
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow)]
            usage: Option<&'a RawValue>,
        }
        // Most servers name the event; the others' last event holds an answer.
        let may_be_last = match event.event {
            Some(name) => is_last(name),
            None => memmem::find(event.data, b"\"response\"").is_some(),
        };
        if !may_be_last {
            return;
        }
        let Ok(frame) = serde_json::from_slice::<Frame<'_>>(event.data) else { return };
        if is_last(&frame.kind) {
            self.finished = true;
            self.usage = frame.response.and_then(|answer| answer.usage).and_then(read).or(self.usage);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::to_raw;

    #[test]
    fn every_count_survives_the_way_out_and_back() {
        let usage = Usage {
            prompt_tokens: Some(9),
            completion_tokens: Some(5),
            total_tokens: Some(14),
            cache_read_tokens: Some(4),
            cache_write_tokens: Some(1),
            reasoning_tokens: Some(3),
        };
        assert_eq!(read(&to_raw(&write(&usage))), Some(usage));
        let none = write(&Usage::default());
        assert_eq!((&none["input_tokens"], &none["total_tokens"]), (&json!(0), &json!(0)));
    }

    #[test]
    fn a_clone_that_counts_as_the_chat_api_does_is_counted() {
        let usage = read(&to_raw(&json!({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7})));
        assert_eq!(usage.and_then(|usage| usage.completion_tokens), Some(4));
        assert_eq!(read(&to_raw(&json!({"input_tokens": "x"}))), None);
    }

    #[test]
    fn a_passing_stream_is_metered_in_any_chunking_with_and_without_names_of_events() {
        let last =
            r#"{"type":"response.incomplete","response":{"usage":{"input_tokens":9,"output_tokens":8}}}"#;
        let named =
            format!("event: response.created\ndata: {{}}\n\nevent: response.incomplete\ndata: {last}\n\n");
        let plain =
            format!("data: {{\"type\":\"response.output_text.delta\"}}\n\ndata: {last}\n\ndata: [DONE]\n\n");
        for stream in [named, plain] {
            for size in [1, 7, stream.len()] {
                let mut meter = meter(true);
                stream.as_bytes().chunks(size).for_each(|chunk| {
                    meter.feed(chunk);
                });
                assert_eq!(meter.usage().and_then(|usage| usage.total()), Some(17));
                assert!(meter.finished());
            }
        }
        let mut cut = meter(true);
        cut.feed(b"event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"usage\":null}}\n\n");
        assert!(!cut.finished());
    }
}
