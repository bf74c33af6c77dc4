//! Token counts. `tokens` are what the model saw and said; `billed_units` leave out what Cohere adds to a prompt, and
//! count where there is nothing else. Cached tokens are among the input, reasoning is among the output.

use crate::canonical::Usage;
use crate::framing::sse::{SseEvent, SseReader};
use crate::raw::Draft;
use crate::stream::{UsageMeter, WholeMeter};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Counts as Cohere writes them. Its SDKs declare all of them as floats.
#[derive(Deserialize)]
struct Counts {
    tokens: Option<Tokens>,
    billed_units: Option<Tokens>,
    cached_tokens: Option<f64>,
}

#[derive(Deserialize)]
struct Tokens {
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
    reasoning_tokens: Option<f64>,
}

/// Reads a `usage` object; `None` when it holds no count.
pub(super) fn read(value: &RawValue) -> Option<Usage> {
    let counts: Counts = serde_json::from_str(value.get()).ok()?;
    let tokens = counts.tokens.filter(Tokens::are_known).or(counts.billed_units);
    let count = |pick: fn(&Tokens) -> Option<f64>| tokens.as_ref().and_then(pick).map(whole);
    let usage = Usage {
        prompt_tokens: count(|tokens| tokens.input_tokens),
        completion_tokens: count(|tokens| tokens.output_tokens),
        total_tokens: None,
        cache_read_tokens: counts.cached_tokens.map(whole),
        cache_write_tokens: None,
        reasoning_tokens: count(|tokens| tokens.reasoning_tokens),
    };
    (usage != Usage::default()).then_some(usage)
}

impl Tokens {
    fn are_known(&self) -> bool {
        self.input_tokens.is_some() || self.output_tokens.is_some()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn whole(count: f64) -> u64 {
    count as u64
}

/// Writes usage for a client. Clients take both pairs for granted.
pub(super) fn write(usage: &Usage) -> Draft {
    let mut tokens = Draft::default();
    tokens.set("input_tokens", usage.prompt_tokens.unwrap_or(0));
    tokens.set("output_tokens", usage.completion_tokens.unwrap_or(0));
    let mut written = Draft::default();
    written.set("billed_units", &tokens);
    tokens.set_some("reasoning_tokens", usage.reasoning_tokens);
    written.set("tokens", tokens);
    written.set_some("cached_tokens", usage.cache_read_tokens);
    written
}

/// A meter of a stream, or of a whole answer.
pub(super) fn meter(streamed: bool) -> Box<dyn UsageMeter> {
    if streamed { Box::new(StreamMeter::default()) } else { WholeMeter::boxed(&[("usage", read)]) }
}

/// Reads usage from the last event of a stream that passes.
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
        // An event past the reader's bound ends the reading, not the stream.
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
            #[serde(rename = "type")]
            kind: Option<String>,
            #[serde(borrow)]
            delta: Option<Delta<'a>>,
        }
        #[derive(Deserialize)]
        struct Delta<'a> {
            #[serde(borrow)]
            usage: Option<&'a RawValue>,
        }
        if self.finished || memchr::memmem::find(event.data, b"message-end").is_none() {
            return;
        }
        let Ok(frame) = serde_json::from_slice::<Frame<'_>>(event.data) else { return };
        if frame.kind.as_deref().or(event.event) == Some("message-end") {
            self.usage = frame.delta.and_then(|delta| delta.usage).and_then(read);
            self.finished = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::to_raw;
    use serde_json::json;

    #[test]
    fn tokens_count_and_not_what_is_billed() {
        let usage = |json| read(&to_raw(&json)).expect("counts");
        let both =
            usage(json!({"billed_units": {"input_tokens": 62, "output_tokens": 35}, "cached_tokens": 144,
            "tokens": {"input_tokens": 968.0, "output_tokens": 90, "reasoning_tokens": 28}}));
        let wanted = Usage {
            prompt_tokens: Some(968),
            completion_tokens: Some(90),
            cache_read_tokens: Some(144),
            reasoning_tokens: Some(28),
            ..Usage::default()
        };
        assert_eq!(both, wanted);
        assert_eq!(usage(json!({"billed_units": {"input_tokens": 3}, "tokens": {}})).prompt_tokens, Some(3));
        assert_eq!(read(&to_raw(&json!({"tokens": null}))), None);
        assert_eq!(read(&to_raw(&write(&wanted))), Some(wanted));
    }

    #[test]
    fn a_passing_stream_is_metered_in_any_chunking() {
        let stream = concat!(
            "event: content-delta\ndata: {\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":",
            "{\"text\":\"message-end\"}}}}\n\n",
            "event: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",",
            "\"usage\":{\"tokens\":{\"input_tokens\":3,\"output_tokens\":2}}}}\n\ndata: [DONE]\n\n",
        );
        for size in [1, 9, stream.len()] {
            let mut meter = meter(true);
            stream.as_bytes().chunks(size).for_each(|chunk| meter.feed(chunk));
            assert_eq!(meter.usage().and_then(|usage| usage.total()), Some(5));
            assert!(meter.finished());
        }
    }
}
