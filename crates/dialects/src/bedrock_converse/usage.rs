//! Token counts: Bedrock counts cached input apart, and its total includes it.

use crate::canonical::Usage;
use crate::raw::Draft;
use crate::stream::{UsageMeter, WholeMeter};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Counts as Bedrock writes them. It says those of the cache a second time, with `Count` at the end of their names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
}

/// Reads a `usage` object; `None` when it holds no count.
pub(super) fn read(value: &RawValue) -> Option<Usage> {
    let counts: Counts = serde_json::from_str(value.get()).unwrap_or_default();
    if counts == Counts::default() {
        return None;
    }
    let cached = [counts.cache_read_input_tokens, counts.cache_write_input_tokens];
    let cached = cached.into_iter().flatten().fold(0, u64::saturating_add);
    Some(Usage {
        prompt_tokens: counts.input_tokens.map(|input| input.saturating_add(cached)),
        completion_tokens: counts.output_tokens,
        total_tokens: counts.total_tokens,
        cache_read_tokens: counts.cache_read_input_tokens,
        cache_write_tokens: counts.cache_write_input_tokens,
        reasoning_tokens: None,
    })
}

/// Writes usage for a client; what is not known is zero, for clients require the counts.
pub(super) fn write(usage: &Usage) -> Draft {
    let cached = [usage.cache_read_tokens, usage.cache_write_tokens];
    let cached = cached.into_iter().flatten().fold(0, u64::saturating_add);
    let mut written = Draft::default();
    written.set("inputTokens", usage.prompt_tokens.unwrap_or(0).saturating_sub(cached));
    written.set("outputTokens", usage.completion_tokens.unwrap_or(0));
    written.set("totalTokens", usage.total().unwrap_or(0));
    written.set_some("cacheReadInputTokens", usage.cache_read_tokens);
    written.set_some("cacheWriteInputTokens", usage.cache_write_tokens);
    written
}

/// A meter of whole answers.
pub(super) fn meter() -> Box<dyn UsageMeter> {
    WholeMeter::boxed(&[("usage", read)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_input_counts_as_prompt() {
        let mut whole = meter();
        whole.feed(
            br#"{"output":{},"usage":{"cacheDetails":[{"inputTokens":236,"ttl":"5m"}],"cacheReadInputTokenCount":1712,
                "cacheReadInputTokens":1712,"cacheWriteInputTokens":236,"inputTokens":3,"outputTokens":121,
                "serverToolUsage":{},"totalTokens":2072}}"#,
        );
        let wanted = Usage {
            prompt_tokens: Some(1951),
            completion_tokens: Some(121),
            total_tokens: Some(2072),
            cache_read_tokens: Some(1712),
            cache_write_tokens: Some(236),
            reasoning_tokens: None,
        };
        assert_eq!(whole.usage(), Some(wanted));
        assert_eq!(read(&crate::raw::to_raw(&write(&wanted))), Some(wanted));
    }
}
