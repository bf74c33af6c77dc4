//! Limits: how much each caller may use of a route, and of all routes together. Everything here decides from the time
//! that it is given.
//!
//! A call's limits become [`Claim`]s. A [`Counter`] grants all of them or none, and settles what was held once it is
//! known what the call used.

mod claims;
mod estimate;
mod headers;
mod settle;
mod windows;

pub(crate) use claims::{claims, refused};
pub(crate) use estimate::prompt as estimated_prompt;
pub(crate) use headers::Standing;
pub(crate) use settle::{Held, Spent};
pub(crate) use windows::Windows;

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Remembers what was used. The one of this process is [`Windows`]; one that processes share answers over a network,
/// which is why [`Counter::take`] may wait and [`Counter::settle`] may not.
pub(crate) trait Counter {
    /// Where a subject's use is counted: the same for the same subject, and for no other.
    fn key(&self, subject: &Subject<'_>) -> Key;

    /// Grants every claim or none, and notes in each how it stands. In one step: of calls that come at the same time,
    /// no more are granted than the limits allow, and none is refused for what a refused one wanted.
    ///
    /// A future that is dropped may have granted all the same. Over a network, what is held must therefore expire.
    ///
    /// # Errors
    /// The place of the claim that is refused; of several the one that has room last.
    fn take(&self, claims: &mut [Claim], now: Instant) -> impl Future<Output = Result<(), usize>>;

    /// Puts `used` in the place of what was held. Called as a call is dropped, so it does not wait: over a network it
    /// leaves the sending to another task.
    fn settle(&self, held: &Held, used: u64, now: Instant);
}

/// Whose use is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// One caller's use of a route.
    Route(&'a str, Who<'a>),
    /// A caller's use of all its routes.
    Caller(&'a str),
    /// A client's refused keys.
    Tries(IpAddr),
}

/// Who uses a route.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who<'a> {
    Caller(&'a str),
    /// Where there are no callers, and for MLflow's `limit`.
    Client(IpAddr),
}

/// Where a subject's use is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// 128 bits, so that no two subjects meet.
    id: [u64; 2],
    /// The same for all clients of a route: where those are counted that there is no room for.
    group: u64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Measure {
    /// Calls, for MLflow's `limit`.
    Calls,
    Requests,
    Concurrent,
    PromptTokens,
    CompletionTokens,
    Tokens,
}

/// What operators are told a limit is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Requests,
    Concurrent,
    Tokens,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Requests, Self::Concurrent, Self::Tokens];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Concurrent => "concurrent",
            Self::Tokens => "tokens",
        }
    }
}

impl Measure {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Calls | Self::Requests => Kind::Requests,
            Self::Concurrent => Kind::Concurrent,
            Self::PromptTokens | Self::CompletionTokens | Self::Tokens => Kind::Tokens,
        }
    }
}

/// Whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Route,
    Caller,
}

/// What a call wants of one limit, and how that limit stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) scope: Scope,
    pub(crate) key: Key,
    pub(crate) measure: Measure,
    pub(crate) limit: u64,
    /// After which the count begins anew; `None` for what is held until it is given back.
    pub(crate) period: Option<Duration>,
    /// How much is wanted.
    pub(crate) amount: u64,
    /// How many of these are tokens of the request; the others are of its answer.
    pub(crate) prompt: u64,
    pub(crate) grant: Grant,
}

/// How a limit stands after it was asked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Grant {
    /// How much is left.
    pub(crate) remaining: u64,
    /// How long until the count begins anew.
    pub(crate) renews: Duration,
    /// When it began; what is settled later belongs to this window.
    began: Option<Instant>,
    /// Whether there was no room to count this subject alone.
    pooled: bool,
}

impl Claim {
    fn new(
        scope: Scope,
        key: Key,
        measure: Measure,
        limit: u64,
        period: Option<Duration>,
        amount: u64,
    ) -> Self {
        Self { scope, key, measure, limit, period, amount, prompt: 0, grant: Grant::default() }
    }

    /// Whether it can never be granted, however long the call waits. MLflow's `calls: 0` refuses like any full limit.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.measure.kind() == Kind::Tokens && self.amount > self.limit
    }

    /// What operators call the limit: `route.limit` for MLflow's, else such as `route.requests`.
    pub(crate) fn name(&self) -> &'static str {
        match (self.scope, self.measure) {
            (_, Measure::Calls) => "route.limit",
            (Scope::Route, Measure::Requests) => "route.requests",
            (Scope::Route, Measure::Concurrent) => "route.concurrent",
            (Scope::Route, Measure::PromptTokens) => "route.prompt_tokens",
            (Scope::Route, Measure::CompletionTokens) => "route.completion_tokens",
            (Scope::Route, Measure::Tokens) => "route.tokens",
            (Scope::Caller, Measure::Requests) => "caller.requests",
            (Scope::Caller, Measure::Concurrent) => "caller.concurrent",
            (Scope::Caller, Measure::PromptTokens) => "caller.prompt_tokens",
            (Scope::Caller, Measure::CompletionTokens) => "caller.completion_tokens",
            (Scope::Caller, Measure::Tokens) => "caller.tokens",
        }
    }
}
