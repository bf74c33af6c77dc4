//! From a call to what it wants of each limit that holds for it, and why it does not get it.

use super::estimate::{self, Estimate};
use super::{Claim, Counter, Key, Measure, Scope, Subject, Who};
use crate::steps::Call;
use lockgate_config::{Allowance, Rate};
use lockgate_dialects::canonical::{Class, Failure, Operation};
use smallvec::SmallVec;
use std::time::Duration;

/// How long a call waits before it tries again, where only the end of another one makes room.
const CONCURRENT_WAIT: Duration = Duration::from_secs(1);
/// What is limited per period.
const PER_PERIOD: [Measure; 4] =
    [Measure::Requests, Measure::PromptTokens, Measure::CompletionTokens, Measure::Tokens];

/// The claims of one call. Hardly a call has more, and then they are on the heap.
pub(crate) type Claims = SmallVec<[Claim; 6]>;

/// What `call` wants of the limits of its route and of its caller: nothing, in no time, where there are none.
pub(crate) fn claims(call: &Call, counter: &impl Counter) -> Claims {
    let mut claims = Claims::new();
    let route = &call.route;
    if let Some(limit) = &route.limit {
        let key = counter.key(&Subject::Route(&route.name, Who::Client(call.client)));
        let period = Some(limit.period);
        claims.push(Claim::new(Scope::Route, key, Measure::Calls, limit.calls, period, 1));
    }
    let mut estimate = None;
    if route.limits.is_some() {
        let who = call.caller.as_ref().map_or(Who::Client(call.client), |caller| Who::Caller(&caller.name));
        let key = counter.key(&Subject::Route(&route.name, who));
        add(&mut claims, call, Scope::Route, key, &mut estimate);
    }
    if let Some(caller) = call.caller.as_ref().filter(|caller| caller.limits.is_some()) {
        let key = counter.key(&Subject::Caller(&caller.name));
        add(&mut claims, call, Scope::Caller, key, &mut estimate);
    }
    claims
}

fn add(claims: &mut Claims, call: &Call, scope: Scope, key: Key, estimate: &mut Option<Estimate>) {
    let Some(limits) = limits(call, scope) else { return };
    if let Some(most) = limits.concurrent {
        claims.push(Claim::new(scope, key, Measure::Concurrent, most, None, 1));
    }
    for measure in PER_PERIOD {
        if call.surface.counts && measure != Measure::Requests {
            continue; // counting uses no tokens
        }
        let Some(Rate { amount: limit, period, .. }) = rate(limits, measure) else { continue };
        let mut estimate = || *estimate.get_or_insert_with(|| estimated(call));
        let (amount, prompt) = match measure {
            Measure::PromptTokens => (estimate().prompt, estimate().prompt),
            Measure::CompletionTokens => (estimate().completion(*limit), 0),
            Measure::Tokens => (estimate().both(*limit), estimate().prompt),
            Measure::Calls | Measure::Requests | Measure::Concurrent => (1, 0),
        };
        let claim = Claim::new(scope, key, measure, *limit, Some(*period), amount);
        claims.push(Claim { prompt, ..claim });
    }
}

fn estimated(call: &Call) -> Estimate {
    let most = match &call.asked {
        _ if matches!(call.operation, Operation::Embed | Operation::Rerank) => Some(0),
        Some(asked) => asked.most_tokens(),
        None => call.surface.dialect.bound().read(&call.body),
    };
    estimate::of(&call.body, most)
}

fn limits(call: &Call, scope: Scope) -> Option<&Allowance> {
    match scope {
        Scope::Route => call.route.limits.as_ref(),
        Scope::Caller => call.caller.as_ref()?.limits.as_ref(),
    }
}

fn rate(limits: &Allowance, measure: Measure) -> Option<&Rate> {
    match measure {
        Measure::Requests => limits.requests.as_ref(),
        Measure::PromptTokens => limits.prompt_tokens.as_ref(),
        Measure::CompletionTokens => limits.completion_tokens.as_ref(),
        Measure::Tokens => limits.tokens.as_ref(),
        Measure::Calls | Measure::Concurrent => None,
    }
}

/// Why `claim` is refused. The text for the client; for MLflow's own limit it is MLflow's.
pub(crate) fn refused(claim: &Claim, call: &Call) -> Failure {
    let text = match limits(call, claim.scope).and_then(|limits| rate(limits, claim.measure)) {
        Some(rate) => &rate.text,
        None => call.route.limit.as_ref().map_or("", |limit| &limit.text),
    };
    let over = if claim.scope == Scope::Caller { " over all routes" } else { "" };
    let (limit, wanted, left) = (claim.limit, claim.amount, claim.grant.remaining);
    let what = match claim.measure {
        Measure::Calls | Measure::Requests => {
            return limited(format!("Rate limit exceeded: {text}{over}"), claim.grant.renews);
        }
        Measure::Concurrent => {
            let message = format!("Rate limit exceeded: {limit} at the same time{over}");
            return limited(message, CONCURRENT_WAIT);
        }
        Measure::PromptTokens => "prompt tokens",
        Measure::CompletionTokens => "completion tokens",
        Measure::Tokens => "tokens",
    };
    let per = text.split_once(' ').map_or("", |(_, per)| per);
    if claim.is_hopeless() {
        let message = format!(
            "The request wants up to {wanted} {what}, more than the whole limit of {limit} {what} {per}{over}: waiting \
             does not help. Send less, or ask for fewer tokens"
        );
        return Failure::new(Class::TooLarge, message);
    }
    let message = format!("Rate limit exceeded: {limit} {what} {per}{over} ({wanted} wanted, {left} left)");
    limited(message, claim.grant.renews)
}

fn limited(message: String, renews: Duration) -> Failure {
    Failure { retry_after: Some(renews), ..Failure::new(Class::RateLimited, message) }
}
