//! Token counts: Anthropic counts cached input apart, and streams them in two pieces.

use crate::canonical::Usage;
use crate::framing::sse::{SseEvent, SseReader};
use crate::raw::Draft;
use crate::stream::{UsageMeter, WholeMeter};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Counts as Anthropic writes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Counts {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

impl Counts {
    /// Reads a `usage` object; counts of an unknown form count as absent.
    pub(super) fn of(value: &RawValue) -> Self {
        serde_json::from_str(value.get()).unwrap_or_default()
    }

    /// Takes over every count that `later` has: the last one that is not null holds.
    pub(super) fn update(&mut self, later: Self) {
        self.input_tokens = later.input_tokens.or(self.input_tokens);
        self.cache_creation_input_tokens =
            later.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_read_input_tokens = later.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.output_tokens = later.output_tokens.or(self.output_tokens);
        self.output_tokens_details = later.output_tokens_details.or(self.output_tokens_details);
    }

    /// The counts in normal form, if there are any: the prompt is input, cache reads and cache writes together.
    pub(super) fn usage(&self) -> Option<Usage> {
        if *self == Self::default() {
            return None;
        }
        let cached = [self.cache_creation_input_tokens, self.cache_read_input_tokens];
        let cached = cached.into_iter().flatten().fold(0, u64::saturating_add);
        Some(Usage {
            prompt_tokens: self.input_tokens.map(|input| input.saturating_add(cached)),
            completion_tokens: self.output_tokens,
            total_tokens: None,
            cache_read_tokens: self.cache_read_input_tokens,
            cache_write_tokens: self.cache_creation_input_tokens,
            reasoning_tokens: self.output_tokens_details.and_then(|details| details.thinking_tokens),
        })
    }
}

/// Reads a `usage` object; `None` when it holds no count.
pub(super) fn read(value: &RawValue) -> Option<Usage> {
    Counts::of(value).usage()
}

/// Writes usage for a client; what is not known is zero, for clients require the counts.
pub(super) fn write(usage: &Usage) -> Draft {
    let cached = [usage.cache_read_tokens, usage.cache_write_tokens];
    let cached = cached.into_iter().flatten().fold(0, u64::saturating_add);
    let mut written = Draft::default();
    written.set("input_tokens", usage.prompt_tokens.unwrap_or(0).saturating_sub(cached));
    written.set_some("cache_creation_input_tokens", usage.cache_write_tokens);
    written.set_some("cache_read_input_tokens", usage.cache_read_tokens);
    written.set("output_tokens", usage.completion_tokens.unwrap_or(0));
    if let Some(thinking_tokens) = usage.reasoning_tokens {
        written.set("output_tokens_details", serde_json::json!({ "thinking_tokens": thinking_tokens }));
    }
    written
}

/// A meter of a stream, or of a whole answer.
pub(super) fn meter(streamed: bool) -> Box<dyn UsageMeter> {
    if streamed { Box::new(StreamMeter::default()) } else { WholeMeter::boxed(&[("usage", read)]) }
}

/// Reads usage from a stream that passes. Only the two events that carry counts are parsed.
#[derive(Default)]
struct StreamMeter {
    reader: SseReader,
    seen: Seen,
}

#[derive(Default)]
struct Seen {
    counts: Counts,
    finished: bool,
}

impl UsageMeter for StreamMeter {
    fn feed(&mut self, bytes: &[u8]) {
        // A frame past the reader's bound ends the reading, not the stream.
        let _ = self.reader.feed(bytes, |event| self.seen.read(event));
    }

    fn usage(&self) -> Option<Usage> {
        self.seen.counts.usage()
    }

    fn finished(&self) -> bool {
        self.seen.finished
    }
}

impl Seen {
    fn read(&mut self, event: SseEvent<'_>) {
        #[derive(Deserialize)]
        struct Frame {
            usage: Option<Counts>,
            message: Option<Started>,
        }
        #[derive(Deserialize)]
        struct Started {
            usage: Option<Counts>,
        }
        match event.event {
            _ if self.finished => {}
            Some("message_start" | "message_delta") => {
                let Ok(frame) = serde_json::from_slice::<Frame>(event.data) else { return };
                let counts = frame.usage.or(frame.message.and_then(|message| message.usage));
                self.counts.update(counts.unwrap_or_default());
            }
            Some("message_stop") => self.finished = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_input_counts_as_prompt() {
        let mut whole = meter(false);
        whole.feed(
            br#"{"content":[],"usage":{"input_tokens":5,"cache_creation_input_tokens":20,
                "cache_read_input_tokens":300,"output_tokens":7,"output_tokens_details":{"thinking_tokens":2}}}"#,
        );
        let wanted = Usage {
            prompt_tokens: Some(325),
            completion_tokens: Some(7),
            total_tokens: None,
            cache_read_tokens: Some(300),
            cache_write_tokens: Some(20),
            reasoning_tokens: Some(2),
        };
        assert_eq!(whole.usage(), Some(wanted));
        assert_eq!(read(&crate::raw::to_raw(&write(&wanted))), Some(wanted));
    }

    #[test]
    fn a_passing_stream_is_metered_in_any_chunking_and_its_end_is_seen() {
        let stream = b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":\
            {\"input_tokens\":9,\"cache_read_input_tokens\":4,\"output_tokens\":1}}}  \n\n\
            event: ping\ndata: {\"type\":\"ping\"}\n\n\
            event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":8}}\n\n\
            event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        for size in [1, 7, stream.len()] {
            let mut meter = meter(true);
            for chunk in stream.chunks(size) {
                assert!(!meter.finished());
                meter.feed(chunk);
            }
            let usage = meter.usage().expect("counts");
            assert_eq!((usage.prompt_tokens, usage.completion_tokens), (Some(13), Some(8)));
            assert!(meter.finished());
        }
    }
}
