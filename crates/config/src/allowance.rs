//! The `limits` of a route or of a caller: how much may be used, in how long.

use std::time::Duration;

use crate::check::Check;
use crate::limit;
use crate::node::{Content, Node};
use crate::notes::Note;
use crate::read::{self, At};
use crate::suggest::closest;
use crate::values::{Plain, Whole};
use crate::written;

/// The most that a limit may allow; far more than is ever used, and sums of it do not overflow.
const MOST: u64 = 1_000_000_000_000;
/// The grammar, for whoever missed it.
const GRAMMAR: &str = "Input should be a number per period, such as `100 per minute` or `10 per 5 seconds`";
const RANGE: &str = "Input should allow at least 1 and at most 1000000000000";

/// How much may be used: of a route by each caller, or by a caller of all its routes. What is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Calls per period.
    pub requests: Option<Rate>,
    /// Calls at the same time; never 0.
    pub concurrent: Option<u64>,
    /// Tokens of requests per period.
    pub prompt_tokens: Option<Rate>,
    /// Tokens of answers per period.
    pub completion_tokens: Option<Rate>,
    /// Tokens of both per period.
    pub tokens: Option<Rate>,
}

/// So much per period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// How much; never 0 in a checked config.
    pub amount: u64,
    /// The period.
    pub period: Duration,
    /// The whole in normal form, such as `100 per 1 minute`.
    pub text: String,
}

/// Checks the `limits` of the section that `node` is; what is wrong is noted.
pub(crate) fn check(check: &Check<'_>, node: &Node) -> Allowance {
    let Some((key, limits)) = node.entry("limits") else { return Allowance::default() };
    if is_mlflows(limits) {
        // MLflow reads no such key, and starts; what was meant is the one that it reads.
        check.notes.unknown(key.span.clone(), "limits", Some("limit"));
        return Allowance::default();
    }
    let Some(written) = read::read::<written::Allowance>(limits, check.notes) else {
        return Allowance::default();
    };
    if limits.entries().is_none_or(<[_]>::is_empty) {
        let note = Note::mistake(key.span.clone(), "'limits' limits nothing");
        check.notes.add(note.hint("such as `requests: 100 per minute`, or leave the key away"));
    }
    Allowance {
        requests: rate(check, &written.requests),
        concurrent: count(check, &written.concurrent),
        prompt_tokens: rate(check, &written.prompt_tokens),
        completion_tokens: rate(check, &written.completion_tokens),
        tokens: rate(check, &written.tokens),
    }
}

/// Whether it is MLflow's `limit` under another name, or a list of such.
fn is_mlflows(limits: &Node) -> bool {
    match &limits.content {
        Content::Map(_) => limits.get("calls").is_some() || limits.get("renewal_period").is_some(),
        Content::List(elements) => !elements.is_empty() && elements.iter().all(is_mlflows),
        _ => false,
    }
}

fn rate(check: &Check<'_>, written: &At<Plain>) -> Option<Rate> {
    let wrong = |message| Note::wrong(written.span.clone(), message);
    let text = match written.value.as_ref()? {
        Plain::Text(text) => text.replace('_', ""),
        Plain::Other(other) if other.bytes().all(|byte| byte.is_ascii_digit()) => {
            check.notes.add(wrong(GRAMMAR).hint(format!("did you mean `{other} per minute`?")));
            return None;
        }
        Plain::Other(_) => {
            check.notes.add(wrong(GRAMMAR));
            return None;
        }
    };
    let Some(rate) = limit::rate(&text) else {
        let word = text.trim_end().rsplit(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
        let singular = word.strip_suffix(['s', 'S']).unwrap_or(word);
        let meant = closest(singular, limit::periods());
        let known = || format!("the periods are {}", limit::periods().collect::<Vec<_>>().join(", "));
        let hint = match meant {
            Some(meant) if meant != singular => format!("did you mean `{meant}`?"),
            _ => known(),
        };
        check.notes.add(wrong(GRAMMAR).hint(hint));
        return None;
    };
    if !(1..=MOST).contains(&rate.amount) {
        check.notes.add(wrong(RANGE));
        return None;
    }
    Some(rate)
}

fn count(check: &Check<'_>, written: &At<Whole>) -> Option<u64> {
    let count = u64::try_from(written.value?.0).ok().filter(|count| (1..=MOST).contains(count));
    if count.is_none() {
        check.notes.wrong(written.span.clone(), RANGE);
    }
    count
}
