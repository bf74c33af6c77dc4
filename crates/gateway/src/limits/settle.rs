//! What a call holds of its limits until it has ended, and what it used of them in the end.

use super::{Claim, Counter, Key, Kind, Measure};
use lockgate_dialects::canonical::Usage;
use std::time::{Duration, Instant};

/// A part of a limit that a call holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) key: Key,
    pub(crate) measure: Measure,
    pub(crate) period: Option<Duration>,
    /// How much was reserved.
    pub(crate) amount: u64,
    /// How much of it for the request.
    prompt: u64,
    /// When the window began that it belongs to.
    pub(super) began: Instant,
    pub(super) pooled: bool,
}

impl Held {
    /// What is held of a claim that was granted; `None` for what is counted and done with.
    pub(crate) fn of(claim: &Claim, now: Instant) -> Option<Self> {
        let Claim { key, measure, period, amount, prompt, grant, .. } = *claim;
        (measure.kind() != Kind::Requests).then(|| Self {
            key,
            measure,
            period,
            amount,
            prompt,
            began: grant.began.unwrap_or(now),
            pooled: grant.pooled,
        })
    }

    /// Gives back what the call did not use, and counts what it used beyond.
    pub(crate) fn settle(&self, counter: &impl Counter, spent: &Spent, now: Instant) {
        let answer = self.amount.saturating_sub(self.prompt);
        counter.settle(self, spent.of(self.measure, self.prompt, answer), now);
    }
}

/// What a call used.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spent {
    /// It failed before anything was generated.
    Nothing,
    /// It ended as it should; the provider's count holds.
    Whole(Usage),
    /// It broke off, or its client hung up. What the provider counted until then may not be all of the answer.
    Part(Usage),
}

impl Spent {
    /// In terms of a limit of which so much was reserved for the prompt and so much for the answer. What nobody
    /// counted is what was estimated.
    fn of(&self, measure: Measure, prompt: u64, answer: u64) -> u64 {
        let (usage, whole) = match self {
            Self::Nothing => return 0,
            Self::Whole(usage) => (usage, true),
            Self::Part(usage) => (usage, false),
        };
        let counted = (usage.prompt_tokens, usage.completion_tokens);
        let least = if whole { 0 } else { answer };
        let (prompt, answer) = (counted.0.unwrap_or(prompt), counted.1.unwrap_or(answer).max(least));
        match (measure, usage.total_tokens) {
            (Measure::PromptTokens, _) => prompt,
            (Measure::CompletionTokens, _) => answer,
            (_, Some(total)) if whole && counted == (None, None) => total,
            _ => prompt.saturating_add(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGE: Usage = Usage {
        prompt_tokens: Some(3),
        completion_tokens: Some(4),
        total_tokens: None,
        cache_read_tokens: None,
        cache_write_tokens: None,
        reasoning_tokens: None,
    };

    /// Of a limit of prompt tokens, of completion tokens, and of both.
    fn spent(spent: Spent) -> [u64; 3] {
        [
            spent.of(Measure::PromptTokens, 10, 0),
            spent.of(Measure::CompletionTokens, 0, 20),
            spent.of(Measure::Tokens, 10, 20),
        ]
    }

    #[test]
    fn an_answer_costs_what_its_provider_counted_and_without_a_count_what_was_estimated() {
        assert_eq!(spent(Spent::Whole(USAGE)), [3, 4, 7]);
        assert_eq!(spent(Spent::Whole(Usage::default())), [10, 20, 30]);
        assert_eq!(spent(Spent::Nothing), [0, 0, 0]);
        let total = Usage { total_tokens: Some(8), ..Usage::default() };
        assert_eq!(spent(Spent::Whole(total)), [10, 20, 8]);
        let half = Usage { completion_tokens: None, ..USAGE };
        assert_eq!(spent(Spent::Whole(half)), [3, 20, 23]);
    }

    #[test]
    fn hanging_up_before_the_count_is_final_makes_no_answer_cheap() {
        assert_eq!(spent(Spent::Part(USAGE)), [3, 20, 23]);
        assert_eq!(spent(Spent::Part(Usage::default())), [10, 20, 30]);
        let long = Usage { completion_tokens: Some(25), ..USAGE };
        assert_eq!(spent(Spent::Part(long)), [3, 25, 28]);
    }
}
