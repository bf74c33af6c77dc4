//! Usage: its JSON, and meters that read it from bytes that pass.

use crate::canonical::Usage;
use crate::framing::sse::SseReader;
use crate::openai_chat::stream::Ends;
use crate::raw::{Object, ObjectWriter};
use crate::stream::{UsageMeter, WholeMeter};
use memchr::memmem;
use serde_json::value::RawValue;

/// Reads a `usage` object; `None` when it holds no count. Anything odd in it is skipped.
pub(crate) fn read(value: &RawValue) -> Option<Usage> {
    let mut object = Object::of(value).ok()?;
    let mut prompt = inner(&mut object, "prompt_tokens_details");
    let mut completion = inner(&mut object, "completion_tokens_details");
    let usage = Usage {
        prompt_tokens: count(&mut object, "prompt_tokens"),
        completion_tokens: count(&mut object, "completion_tokens"),
        total_tokens: count(&mut object, "total_tokens"),
        cache_read_tokens: count(&mut prompt, "cached_tokens")
            // DeepSeek's name.
            .or_else(|| count(&mut object, "prompt_cache_hit_tokens")),
        cache_write_tokens: count(&mut prompt, "cache_write_tokens"),
        reasoning_tokens: count(&mut completion, "reasoning_tokens"),
    };
    (usage != Usage::default()).then(|| with_cache_included(with_reasoning_included(usage)))
}

/// Some servers count beside the prompt what they read from a cache (xAI on Azure) or wrote to it (OpenRouter), which
/// shows where it is more than the prompt.
fn with_cache_included(mut usage: Usage) -> Usage {
    let Some(mut prompt) = usage.prompt_tokens else { return usage };
    for cached in [usage.cache_read_tokens, usage.cache_write_tokens].into_iter().flatten() {
        if cached > prompt {
            prompt = prompt.saturating_add(cached);
        }
    }
    // What was written and then read by the same call is counted twice.
    let fresh = prompt.saturating_sub(usage.cache_read_tokens.unwrap_or(0));
    usage.cache_write_tokens = usage.cache_write_tokens.map(|written| written.min(fresh));
    Usage { prompt_tokens: Some(prompt), ..usage }
}

fn inner<'a>(object: &mut Object<'a>, name: &str) -> Object<'a> {
    object.object(name).ok().flatten().unwrap_or_default()
}

fn count(object: &mut Object<'_>, name: &str) -> Option<u64> {
    object.count(name).ok().flatten()
}

/// xAI counts reasoning apart from the completion and both in the total.
fn with_reasoning_included(usage: Usage) -> Usage {
    let (Some(prompt), Some(completion), Some(total), Some(reasoning)) =
        (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.reasoning_tokens)
    else {
        return usage;
    };
    let apart = completion.saturating_add(reasoning);
    let is_apart = reasoning > 0 && total == prompt.saturating_add(apart);
    Usage { completion_tokens: Some(if is_apart { apart } else { completion }), ..usage }
}

/// Writes a `usage` object. OpenAI's clients take three counts for granted; one that is not known is 0.
pub(crate) fn write(usage: &Usage, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::new(out);
    object.field("prompt_tokens", &usage.prompt_tokens.unwrap_or(0));
    object.field("completion_tokens", &usage.completion_tokens.unwrap_or(0));
    let known = usage.prompt_tokens.unwrap_or(0).saturating_add(usage.completion_tokens.unwrap_or(0));
    object.field("total_tokens", &usage.total().unwrap_or(known));
    if usage.cache_read_tokens.is_some() || usage.cache_write_tokens.is_some() {
        let mut details = ObjectWriter::new(object.key("prompt_tokens_details"));
        details.field("cached_tokens", &usage.cache_read_tokens.unwrap_or(0));
        details.some("cache_write_tokens", usage.cache_write_tokens);
        details.end();
    }
    if let Some(reasoning) = usage.reasoning_tokens {
        let mut details = ObjectWriter::new(object.key("completion_tokens_details"));
        details.field("reasoning_tokens", &reasoning);
        details.end();
    }
    object.end();
}

/// A meter of a stream of chunks, or of a whole answer.
pub(crate) fn meter(streamed: bool) -> Box<dyn UsageMeter> {
    if streamed { Box::new(StreamMeter::default()) } else { WholeMeter::boxed(&[("usage", read)]) }
}

/// Reads usage from chunks. Chunks without any are not parsed.
#[derive(Debug, Default)]
struct StreamMeter {
    reader: SseReader,
    seen: Seen,
}

#[derive(Debug, Default)]
struct Seen {
    usage: Option<Usage>,
    finished: bool,
    ends: Ends,
}

impl UsageMeter for StreamMeter {
    fn feed(&mut self, bytes: &[u8]) {
        let seen = &mut self.seen;
        // An event too large to hold is passed on like all bytes; it only goes uncounted.
        let _uncounted = self.reader.feed(bytes, |event| seen.event(event.data));
    }

    fn usage(&self) -> Option<Usage> {
        self.seen.usage
    }

    fn finished(&self) -> bool {
        self.seen.finished
    }

    /// Some servers send no `[DONE]`; their stream is whole when every choice is.
    fn close(&mut self) -> bool {
        let seen = &mut self.seen;
        let _uncounted = self.reader.finish(|event| seen.event(event.data));
        seen.finished || seen.ends.are_all()
    }
}

impl Seen {
    fn event(&mut self, data: &[u8]) {
        if data.trim_ascii() == b"[DONE]" {
            self.finished = true;
            return;
        }
        self.ends.chunk(data);
        if names_usage(data)
            && let Ok(mut chunk) = Object::parse(data)
            && let Some(usage) = chunk.take("usage").and_then(read)
        {
            self.usage.get_or_insert_default().update(usage);
        }
    }
}

/// Whether an object stands under a field `usage` anywhere; most chunks have none, or `null`.
fn names_usage(data: &[u8]) -> bool {
    const NAME: &[u8] = b"\"usage\"";
    memmem::find_iter(data, NAME).any(|at| {
        let after = data[at + NAME.len()..].trim_ascii_start();
        after.strip_prefix(b":").is_some_and(|value| value.trim_ascii_start().first() == Some(&b'{'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Option<Usage> {
        read(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn details_are_counted_and_oddities_skipped() {
        let json = r#"{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"queue_time":0.1,"cost":null,
            "prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":3}}"#;
        let usage = of(json).unwrap();
        assert_eq!((usage.cache_read_tokens, usage.reasoning_tokens), (Some(4), Some(3)));
        assert_eq!(usage.completion_tokens, Some(5));
        assert_eq!(of(r#"{"prompt_tokens":null,"completion_tokens":"x"}"#), None);
        assert_eq!(of("[]"), None);
    }

    #[test]
    fn reasoning_that_is_counted_apart_is_added_to_the_completion() {
        let json = r#"{"prompt_tokens":10,"completion_tokens":2,"total_tokens":312,
            "completion_tokens_details":{"reasoning_tokens":300}}"#;
        assert_eq!(of(json).unwrap().completion_tokens, Some(302));
    }

    #[test]
    fn the_meter_of_a_stream_sees_usage_and_the_end() {
        let mut meter = meter(true);
        meter.feed(
            b"data: {\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":{}\"}}],\"usage\":null}\n\nda",
        );
        assert_eq!((meter.usage(), meter.finished()), (None, false));
        meter.feed(b"ta: {\"choices\":[],\"usage\": {\"prompt_tokens\":1,\"completion_tokens\":2}}\n\n");
        assert_eq!(meter.usage().unwrap().total(), Some(3));
        assert!(!meter.finished());
        meter.feed(b"data: [DONE]\n\n");
        assert!(meter.finished());
    }

    #[test]
    fn the_meter_of_an_answer_sees_the_top_levels_usage() {
        let mut meter = meter(false);
        meter.feed(b"{\"x_groq\":{\"usage\":{\"prompt_tokens\":7}},\"usa");
        assert_eq!(meter.usage(), None);
        meter.feed(b"ge\":{\"prompt_tokens\":1}}");
        assert_eq!(meter.usage().unwrap().prompt_tokens, Some(1));
    }

    #[test]
    fn unknown_counts_are_written_as_zero_for_clients_that_need_them() {
        let mut out = Vec::new();
        write(&Usage { prompt_tokens: Some(3), ..Usage::default() }, &mut out);
        assert_eq!(out, br#"{"prompt_tokens":3,"completion_tokens":0,"total_tokens":3}"#);
    }
}
