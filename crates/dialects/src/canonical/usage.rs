//! Token counts in one normal form.

/// What a call consumed, in tokens. `None` where the provider does not say.
///
/// `prompt_tokens` includes cached tokens and `completion_tokens` includes reasoning, as OpenAI counts; providers
/// that count otherwise are converted by their codecs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// All tokens of the request, cached ones included.
    pub prompt_tokens: Option<u64>,
    /// All tokens of the answer, reasoning included.
    pub completion_tokens: Option<u64>,
    /// The provider's own total, where it gives one.
    pub total_tokens: Option<u64>,
    /// Prompt tokens read from a prompt cache.
    pub cache_read_tokens: Option<u64>,
    /// Prompt tokens written to a prompt cache.
    pub cache_write_tokens: Option<u64>,
    /// Completion tokens spent on reasoning.
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    /// The provider's total, else the sum of what is known of prompt and completion.
    pub fn total(&self) -> Option<u64> {
        self.total_tokens.or_else(|| Some(self.prompt_tokens?.saturating_add(self.completion_tokens?)))
    }

    /// Takes over every count that `later` knows: streams report cumulative usage in pieces.
    pub fn update(&mut self, later: Self) {
        self.prompt_tokens = later.prompt_tokens.or(self.prompt_tokens);
        self.completion_tokens = later.completion_tokens.or(self.completion_tokens);
        self.total_tokens = later.total_tokens.or(self.total_tokens);
        self.cache_read_tokens = later.cache_read_tokens.or(self.cache_read_tokens);
        self.cache_write_tokens = later.cache_write_tokens.or(self.cache_write_tokens);
        self.reasoning_tokens = later.reasoning_tokens.or(self.reasoning_tokens);
    }
}
