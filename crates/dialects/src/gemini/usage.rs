//! Token counts: the API counts thoughts and the prompts of its own tools apart, and cached tokens as part of the
//! prompt.

use super::framing::{Frames, Framing};
use super::reasons;
use crate::canonical::{Losses, Usage};
use crate::raw::Draft;
use crate::stream::{UsageMeter, WholeMeter};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Counts as the API writes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    prompt_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    total_token_count: Option<u64>,
}

impl Counts {
    /// Reads `usageMetadata`; counts of an unknown form count as absent.
    pub(super) fn of(value: &RawValue) -> Self {
        serde_json::from_str(value.get()).unwrap_or_default()
    }

    /// Takes over every count that `later` has: a stream's counts are cumulative, and its early ones have gaps.
    pub(super) fn update(&mut self, later: Self) {
        self.prompt_token_count = later.prompt_token_count.or(self.prompt_token_count);
        self.tool_use_prompt_token_count =
            later.tool_use_prompt_token_count.or(self.tool_use_prompt_token_count);
        self.cached_content_token_count =
            later.cached_content_token_count.or(self.cached_content_token_count);
        self.candidates_token_count = later.candidates_token_count.or(self.candidates_token_count);
        self.thoughts_token_count = later.thoughts_token_count.or(self.thoughts_token_count);
        self.total_token_count = later.total_token_count.or(self.total_token_count);
    }

    /// The counts in normal form, if there are any.
    pub(super) fn usage(&self) -> Option<Usage> {
        if *self == Self::default() {
            return None;
        }
        let tools = self.tool_use_prompt_token_count.unwrap_or(0);
        let prompt = self.prompt_token_count.map(|prompt| prompt.saturating_add(tools));
        let answer = match (self.candidates_token_count, self.thoughts_token_count) {
            // An answer of nothing is not counted at all.
            (None, None) => {
                self.total_token_count.zip(prompt).map(|(total, prompt)| total.saturating_sub(prompt))
            }
            (said, thought) => Some(said.unwrap_or(0).saturating_add(thought.unwrap_or(0))),
        };
        Some(Usage {
            prompt_tokens: prompt,
            completion_tokens: answer,
            total_tokens: self.total_token_count,
            cache_read_tokens: self.cached_content_token_count,
            cache_write_tokens: None,
            reasoning_tokens: self.thoughts_token_count,
        })
    }
}

/// Reads `usageMetadata`; `None` when it holds no count.
pub(super) fn read(value: &RawValue) -> Option<Usage> {
    Counts::of(value).usage()
}

/// Records the counts that the API has no place for.
pub(super) fn lose(usage: &Usage, losses: &mut Losses) {
    let cached = usage.cache_write_tokens.is_some_and(|tokens| tokens > 0);
    losses.add_if(cached, "usage.cache_write_tokens", "Gemini's API does not count what is cached");
    let more = usage.reasoning_tokens.is_some() && thoughts(usage).is_none();
    losses.add_if(more, "usage.reasoning_tokens", "more than the whole answer has");
}

/// Thoughts are a part of the answer; a provider that counts more of them counts otherwise.
fn thoughts(usage: &Usage) -> Option<u64> {
    usage.reasoning_tokens.filter(|thoughts| usage.completion_tokens.is_none_or(|all| *thoughts <= all))
}

/// Writes `usageMetadata` for a client.
pub(super) fn write(usage: &Usage) -> Draft {
    let mut written = Draft::default();
    written.set_some("promptTokenCount", usage.prompt_tokens);
    let thoughts = thoughts(usage);
    let said = usage.completion_tokens.map(|tokens| tokens.saturating_sub(thoughts.unwrap_or(0)));
    written.set_some("candidatesTokenCount", said);
    written.set_some("totalTokenCount", usage.total());
    written.set_some("cachedContentTokenCount", usage.cache_read_tokens);
    written.set_some("thoughtsTokenCount", thoughts);
    written
}

/// A meter of a stream in this framing, or of a whole answer.
pub(super) fn meter(framing: Option<Framing>) -> Box<dyn UsageMeter> {
    match framing {
        Some(framing) => Box::new(StreamMeter { frames: Frames::new(framing), seen: Seen::default() }),
        None => WholeMeter::boxed(&[("usageMetadata", read)]),
    }
}

/// Reads usage from a stream that passes.
struct StreamMeter {
    frames: Frames,
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
        let _ = self.frames.feed(bytes, |frame| self.seen.read(frame));
    }

    fn usage(&self) -> Option<Usage> {
        self.seen.counts.usage()
    }

    fn finished(&self) -> bool {
        self.seen.finished && self.frames.is_closed()
    }
}

impl Seen {
    fn read(&mut self, frame: &[u8]) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Frame<'a> {
            #[serde(borrow)]
            usage_metadata: Option<&'a RawValue>,
            #[serde(borrow)]
            prompt_feedback: Option<Feedback<'a>>,
            #[serde(default, borrow)]
            candidates: Vec<Candidate<'a>>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Feedback<'a> {
            #[serde(borrow)]
            block_reason: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Candidate<'a> {
            #[serde(borrow)]
            finish_reason: Option<&'a RawValue>,
        }
        let Ok(frame) = serde_json::from_slice::<Frame<'_>>(frame) else { return };
        self.counts.update(frame.usage_metadata.map(Counts::of).unwrap_or_default());
        let ended = frame
            .candidates
            .iter()
            .any(|candidate| candidate.finish_reason.and_then(reasons::read).is_some());
        self.finished |=
            ended || frame.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_count_as_answer_and_tools_prompts_as_prompt() {
        let mut whole = meter(None);
        whole.feed(
            br#"{"candidates":[],"usageMetadata":{"promptTokenCount":5,"toolUsePromptTokenCount":20,
                "cachedContentTokenCount":3,"candidatesTokenCount":7,"thoughtsTokenCount":2,"totalTokenCount":34}}"#,
        );
        let wanted = Usage {
            prompt_tokens: Some(25),
            completion_tokens: Some(9),
            total_tokens: Some(34),
            cache_read_tokens: Some(3),
            cache_write_tokens: None,
            reasoning_tokens: Some(2),
        };
        assert_eq!(whole.usage(), Some(wanted));
        assert_eq!(read(&crate::raw::to_raw(&write(&wanted))), Some(wanted));
        let nothing = crate::raw::to_raw(&serde_json::json!({"promptTokenCount": 4, "totalTokenCount": 4}));
        assert_eq!(read(&nothing).and_then(|usage| usage.completion_tokens), Some(0));
    }

    #[test]
    fn a_passing_stream_is_metered_in_any_chunking_and_its_end_is_seen() {
        let first =
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":9}}"#;
        let last = r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"candidatesTokenCount":8}}"#;
        for (framing, stream) in [
            (Framing::Sse, format!("data: {first}\r\n\r\ndata: {last}\r\n\r\n")),
            (Framing::Array, format!("[{first},\r\n{last}]")),
        ] {
            for size in [1, 7, stream.len()] {
                let mut meter = meter(Some(framing));
                let (before, after) = stream.as_bytes().split_at(stream.len() - last.len());
                before.chunks(size).for_each(|chunk| meter.feed(chunk));
                assert!(!meter.finished());
                after.chunks(size).for_each(|chunk| meter.feed(chunk));
                let usage = meter.usage().expect("counts");
                assert_eq!((usage.prompt_tokens, usage.completion_tokens), (Some(9), Some(8)));
                assert!(meter.finished());
            }
        }
    }
}
