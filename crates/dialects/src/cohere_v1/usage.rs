//! Usage: in the older and the newer place, and read from bytes that pass.

use crate::canonical::{Count, Losses, Usage};
use crate::framing::ndjson::LineReader;
use crate::raw::{Draft, Mismatch, Object, Read};
use crate::stream::{UsageMeter, WholeMeter};
use serde_json::value::RawValue;

/// Takes usage: `token_count` of older servers, else `meta.tokens`, else what `meta.billed_units` bills.
pub(crate) fn take(object: &mut Object<'_>) -> Read<Option<Usage>> {
    if let Some(count) = object.take("token_count") {
        return read_count(count).map(Some).map_err(|wrong| wrong.within("token_count"));
    }
    let meta = object.take("meta").map_or(Ok(None), read_meta);
    meta.map_err(|wrong| wrong.within("meta"))
}

fn read_count(value: &RawValue) -> Read<Usage> {
    let mut count = Object::of(value)?;
    Ok(Usage {
        prompt_tokens: count.count("prompt_tokens")?,
        completion_tokens: count.count("response_tokens")?,
        total_tokens: count.count("total_tokens")?,
        ..Usage::default()
    })
}

fn read_meta(value: &RawValue) -> Read<Option<Usage>> {
    let mut meta = Object::of(value)?;
    for name in ["tokens", "billed_units"] {
        let inside = |wrong: Mismatch| wrong.within(name);
        let Some(mut tokens) = meta.object(name)? else { continue };
        let prompt_tokens = tokens.number("input_tokens").map_err(inside)?.map(whole);
        let completion_tokens = tokens.number("output_tokens").map_err(inside)?.map(whole);
        if prompt_tokens.is_some() || completion_tokens.is_some() {
            return Ok(Some(Usage { prompt_tokens, completion_tokens, ..Usage::default() }));
        }
    }
    Ok(None)
}

/// Cohere's SDKs declare counts as floats.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn whole(count: f64) -> u64 {
    count as u64
}

/// Sets usage in the older and the newer place.
pub(super) fn set(body: &mut Draft, usage: Option<&Usage>, losses: &mut Losses) {
    let Some(usage) = usage else { return };
    losses.add_counts(usage, &Count::ALL, "Cohere's older API counts prompt and answer alone");
    let mut count = Draft::default();
    count.set_some("prompt_tokens", usage.prompt_tokens);
    count.set_some("response_tokens", usage.completion_tokens);
    count.set_some("total_tokens", usage.total());
    body.set("token_count", count);
    let mut tokens = Draft::default();
    tokens.set_some("input_tokens", usage.prompt_tokens);
    tokens.set_some("output_tokens", usage.completion_tokens);
    body.set("meta", serde_json::json!({ "tokens": tokens }));
}

/// A meter of a stream, or of a whole answer.
pub(crate) fn meter(streamed: bool) -> Box<dyn UsageMeter> {
    if streamed {
        return Box::new(StreamMeter::default());
    }
    WholeMeter::boxed(&[
        ("token_count", |count| read_count(count).ok()),
        ("meta", |meta| read_meta(meta).unwrap_or(None)),
    ])
}

/// Reads usage from the last line of a stream that passes.
#[derive(Default)]
struct StreamMeter {
    reader: LineReader,
    usage: Option<Usage>,
    finished: bool,
}

impl UsageMeter for StreamMeter {
    fn feed(&mut self, bytes: &[u8]) {
        // A line past the reader's bound ends the reading, not the stream.
        let _ = self.reader.feed(bytes, |line| {
            if memchr::memmem::find(line, b"\"stream-end\"").is_none() {
                return;
            }
            let Ok(mut object) = Object::parse(line) else { return };
            self.finished |= matches!(object.string("event_type"), Ok(Some(kind)) if kind == "stream-end");
            if let Ok(Some(mut response)) = object.object("response") {
                self.usage = take(&mut response).unwrap_or(None);
            }
        });
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn finished(&self) -> bool {
        self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passing_answer_is_metered_in_both_forms() {
        for body in [
            r#"{"text":"x","token_count":{"prompt_tokens":3,"response_tokens":2,"total_tokens":5}}"#,
            r#"{"text":"x","meta":{"billed_units":{"input_tokens":3.0,"output_tokens":2.0}}}"#,
        ] {
            let mut meter = meter(false);
            body.as_bytes().chunks(7).for_each(|chunk| meter.feed(chunk));
            assert_eq!(meter.usage().and_then(|usage| usage.total()), Some(5), "{body}");
        }
    }

    #[test]
    fn a_passing_stream_is_metered_in_any_chunking() {
        let stream = concat!(
            r#"{"event_type":"text-generation","text":"stream-end"}"#,
            "\n",
            r#"{"event_type":"stream-end","response":{"meta":{"tokens":{"input_tokens":3,"output_tokens":2}}}}"#,
            "\n",
        );
        for size in [1, 9, stream.len()] {
            let mut meter = meter(true);
            stream.as_bytes().chunks(size).for_each(|chunk| meter.feed(chunk));
            assert_eq!(meter.usage().and_then(|usage| usage.total()), Some(5));
            assert!(meter.finished());
        }
    }
}
