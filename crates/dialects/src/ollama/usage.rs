//! Token counts: `prompt_eval_count` and `eval_count`. A server that had the prompt in its cache may leave one out.

use super::NO_SUCH_FIELD;
use crate::canonical::{Count, Losses, Usage};
use crate::framing::ndjson::LineReader;
use crate::raw::{Draft, Object};
use crate::stream::{UsageMeter, WholeMeter};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Takes the counts out of an answer; `None` when it holds none.
pub(super) fn take(object: &mut Object<'_>) -> Option<Usage> {
    let mut count = |name| object.count(name).ok().flatten();
    of(count("prompt_eval_count"), count("eval_count"))
}

/// The counts in normal form.
pub(super) fn of(prompt: Option<u64>, completion: Option<u64>) -> Option<Usage> {
    let usage = Usage { prompt_tokens: prompt, completion_tokens: completion, ..Usage::default() };
    (usage != Usage::default()).then_some(usage)
}

/// Sets the counts.
pub(super) fn set(body: &mut Draft, usage: Option<&Usage>) {
    body.set_some("prompt_eval_count", usage.and_then(|usage| usage.prompt_tokens));
    body.set_some("eval_count", usage.and_then(|usage| usage.completion_tokens));
}

/// Records the counts that the API does not have.
pub(super) fn lose(usage: Option<&Usage>, losses: &mut Losses) {
    losses.add_counts(&usage.copied().unwrap_or_default(), &Count::ALL, NO_SUCH_FIELD);
}

/// A meter of a stream, or of a whole answer.
pub(super) fn meter(streamed: bool) -> Box<dyn UsageMeter> {
    if streamed {
        return Box::new(StreamMeter::default());
    }
    WholeMeter::boxed(&[
        ("prompt_eval_count", |value: &RawValue| of(value.get().parse().ok(), None)),
        ("eval_count", |value: &RawValue| of(None, value.get().parse().ok())),
    ])
}

/// Reads usage from the last line of a stream that passes.
#[derive(Default)]
struct StreamMeter {
    reader: LineReader,
    usage: Option<Usage>,
    finished: bool,
}

#[derive(Deserialize)]
struct Last {
    done: bool,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
}

impl UsageMeter for StreamMeter {
    fn feed(&mut self, bytes: &[u8]) {
        // A line past the reader's bound ends the reading, not the stream.
        let _ = self.reader.feed(bytes, |line| {
            if memchr::memmem::find(line, b"true").is_none() {
                return;
            }
            if let Ok(last) = serde_json::from_slice::<Last>(line)
                && last.done
            {
                self.usage = of(last.prompt_eval_count, last.eval_count);
                self.finished = true;
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

    const LAST: &str = r#"{"message":{"content":""},"done":true,"prompt_eval_count":3,"eval_count":2}"#;

    #[test]
    fn passing_answers_and_streams_are_metered_in_any_chunking() {
        let stream = format!("{{\"message\":{{\"content\":\"true\"}},\"done\":false}}\n{LAST}\n");
        for (streamed, body) in [(true, stream.as_str()), (false, LAST)] {
            for size in [1, 9, body.len()] {
                let mut meter = meter(streamed);
                body.as_bytes().chunks(size).for_each(|chunk| meter.feed(chunk));
                assert_eq!(meter.usage(), of(Some(3), Some(2)));
                assert!(meter.finished());
            }
        }
    }
}
