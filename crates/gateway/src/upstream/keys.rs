//! The keys of a target, used in turn. One that the provider refuses is set aside for a while.
//!
//! Calls of all workers share them without a lock: each key has one number, and a turn is a count.

use http::{HeaderMap, StatusCode};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long a refused key is set aside, before one call tries it again.
const ASIDE: Duration = Duration::from_secs(5 * 60);
/// In the place of a time: the key is good.
const GOOD: u64 = 0;

/// The keys of a target, each as the headers that carry it. Never empty.
#[derive(Debug)]
pub(crate) struct Keys {
    sets: Box<[Set]>,
    /// Whose turn it is, wrapping round.
    turn: AtomicUsize,
    /// What times are counted from.
    began: Instant,
}

#[derive(Debug)]
struct Set {
    headers: HeaderMap,
    /// When it was refused, or last tried since, in milliseconds from the beginning, never 0; or [`GOOD`].
    refused: AtomicU64,
}

/// A key for one attempt.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    keys: &'a Keys,
    at: usize,
    /// Keys that the call has tried, this one included: a bit each, as there are at most 64.
    tried: u64,
    kind: Kind,
}

/// Why a key has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It is good.
    Good,
    /// It was set aside, and this call is to find out whether it is good again.
    Trial,
    /// All keys are set aside.
    Last,
}

impl Keys {
    /// Keys that are all good. An empty list becomes one key without headers; past the 64th they are left out.
    pub(crate) fn new(sets: Vec<HeaderMap>) -> Self {
        let sets = if sets.is_empty() { vec![HeaderMap::new()] } else { sets };
        let sets = sets.into_iter().take(64).map(|headers| Set { headers, refused: AtomicU64::new(GOOD) });
        Self { sets: sets.collect(), turn: AtomicUsize::new(0), began: Instant::now() }
    }

    /// The headers of every key.
    pub(crate) fn headers(&self) -> impl Iterator<Item = &HeaderMap> {
        self.sets.iter().map(|set| &set.headers)
    }

    /// The key for a call: the next that is good, else the one whose refusal is longest ago.
    pub(crate) fn first(&self, now: Instant) -> Turn<'_> {
        if self.sets.len() == 1 {
            return Turn { keys: self, at: 0, tried: 1, kind: Kind::Good };
        }
        self.next(0, now).unwrap_or_else(|| {
            let refused = |at: &usize| self.sets[*at].refused.load(Ordering::Relaxed);
            let at = (0..self.sets.len()).min_by_key(refused).unwrap_or(0);
            Turn { keys: self, at, tried: 1 << at, kind: Kind::Last }
        })
    }

    /// The next key that is good, or due for a trial, and not among those that were tried.
    fn next(&self, tried: u64, now: Instant) -> Option<Turn<'_>> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.sets.len();
        let in_turn = (0..count).map(|step| first.wrapping_add(step) % count);
        let mut untried = in_turn.filter(|at| tried & (1 << at) == 0);
        untried.find_map(|at| {
            let kind = self.sets[at].take(self.millis(now))?;
            Some(Turn { keys: self, at, tried: tried | (1 << at), kind })
        })
    }

    fn millis(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.began).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX).max(GOOD + 1)
    }
}

impl Set {
    /// Why it can be used; `None` while it is set aside.
    fn take(&self, now: u64) -> Option<Kind> {
        let refused = self.refused.load(Ordering::Relaxed);
        if refused == GOOD {
            return Some(Kind::Good);
        }
        let due = u128::from(now.saturating_sub(refused)) >= ASIDE.as_millis();
        // Of all calls that see it due one gets it; for the others it was tried just now.
        let taken = || self.refused.compare_exchange(refused, now, Ordering::Relaxed, Ordering::Relaxed);
        (due && taken().is_ok()).then_some(Kind::Trial)
    }
}

impl<'a> Turn<'a> {
    /// What the attempt sends.
    pub(crate) fn headers(&self) -> &'a HeaderMap {
        &self.keys.sets[self.at].headers
    }

    /// Which key it is, from 1, in the order of the config.
    pub(crate) fn number(&self) -> usize {
        self.at + 1
    }

    /// Notes what the provider made of the key. What is news is told.
    pub(crate) fn judge(&self, status: StatusCode, now: Instant) -> Verdict {
        if self.keys.sets.len() == 1 {
            return Verdict::Nothing;
        }
        let refused = &self.keys.sets[self.at].refused;
        if refuses(status) {
            let before = refused.swap(self.keys.millis(now), Ordering::Relaxed);
            return if before == GOOD || self.kind == Kind::Trial {
                Verdict::Refused
            } else {
                Verdict::Nothing
            };
        }
        // Any other error says nothing about the key.
        if !status.is_success() || self.kind == Kind::Good {
            return Verdict::Nothing;
        }
        let good_again = refused.swap(GOOD, Ordering::Relaxed) != GOOD;
        if good_again { Verdict::GoodAgain } else { Verdict::Nothing }
    }

    /// Another key for the same call, if one is left.
    pub(crate) fn another(self, now: Instant) -> Option<Self> {
        if self.keys.sets.len() == 1 {
            return None;
        }
        self.keys.next(self.tried, now)
    }
}

/// What an answer says of a key that was not known before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Nothing,
    /// It is set aside from now on.
    Refused,
    /// It was set aside, and is good.
    GoodAgain,
}

/// Whether an answer refuses the key.
pub(crate) fn refuses(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: StatusCode = StatusCode::OK;
    const REFUSED: StatusCode = StatusCode::UNAUTHORIZED;

    fn keys(count: usize) -> Keys {
        Keys::new(vec![HeaderMap::new(); count])
    }

    /// The numbers of the keys of so many calls, all of which are answered well.
    fn turns(keys: &Keys, calls: usize, now: Instant) -> Vec<usize> {
        let call = |_| {
            let turn = keys.first(now);
            turn.judge(OK, now);
            turn.number()
        };
        (0..calls).map(call).collect()
    }

    /// Has the key with this number refused.
    fn refuse(keys: &Keys, number: usize, now: Instant) -> Verdict {
        loop {
            let turn = keys.first(now);
            if turn.number() == number {
                return turn.judge(REFUSED, now);
            }
        }
    }

    #[test]
    fn keys_are_used_in_turn() {
        let (keys, now) = (keys(3), Instant::now());
        assert_eq!(turns(&keys, 7, now), [1, 2, 3, 1, 2, 3, 1]);
    }

    #[test]
    fn a_refused_key_is_set_aside_and_the_call_goes_on_with_the_next() {
        let (keys, now) = (keys(3), Instant::now());
        let first = keys.first(now);
        assert_eq!((first.number(), first.judge(REFUSED, now)), (1, Verdict::Refused));
        let second = first.another(now).expect("two are left");
        assert_eq!((second.number(), second.judge(StatusCode::FORBIDDEN, now)), (2, Verdict::Refused));
        let third = second.another(now).expect("one is left");
        assert_eq!((third.number(), third.judge(OK, now)), (3, Verdict::Nothing));
        assert!(third.another(now).is_none(), "every key was tried");
        assert_eq!(turns(&keys, 3, now), [3, 3, 3]);
    }

    #[test]
    fn a_key_that_was_set_aside_is_tried_by_one_call_after_a_while() {
        let (keys, now) = (keys(2), Instant::now());
        assert_eq!(refuse(&keys, 1, now), Verdict::Refused);
        assert_eq!(turns(&keys, 3, now + ASIDE - Duration::from_secs(1)), [2, 2, 2]);
        let due = now + ASIDE + Duration::from_secs(1);
        // Two calls at once: neither knows yet how the trial ends.
        let calls = [keys.first(due), keys.first(due), keys.first(due), keys.first(due)];
        let trials: Vec<_> = calls.iter().filter(|turn| turn.number() == 1).collect();
        assert_eq!(trials.len(), 1);
        assert_eq!(trials[0].judge(OK, due), Verdict::GoodAgain);
        let mut after = turns(&keys, 2, due);
        after.sort_unstable();
        assert_eq!(after, [1, 2]);
    }

    #[test]
    fn a_key_that_fails_its_trial_waits_again() {
        let (keys, now) = (keys(2), Instant::now());
        refuse(&keys, 1, now);
        let due = now + ASIDE + Duration::from_secs(1);
        assert_eq!(refuse(&keys, 1, due), Verdict::Refused);
        assert_eq!(turns(&keys, 3, due + ASIDE - Duration::from_secs(1)), [2, 2, 2]);
    }

    #[test]
    fn when_all_are_set_aside_the_one_that_was_refused_first_is_tried() {
        let (keys, now) = (keys(3), Instant::now());
        let at = |second| now + Duration::from_secs(second);
        for (number, second) in [(2, 1), (3, 2), (1, 3)] {
            refuse(&keys, number, at(second));
        }
        let turn = keys.first(at(4));
        assert_eq!(turn.number(), 2);
        turn.judge(REFUSED, at(4));
        assert!(turn.another(at(4)).is_none(), "one refusal is enough for this call");
        assert_eq!(keys.first(at(5)).number(), 3);
        let turn = keys.first(at(6));
        assert_eq!((turn.number(), turn.judge(OK, at(6))), (3, Verdict::GoodAgain));
        assert_eq!(turns(&keys, 2, at(7)), [3, 3]);
    }

    #[test]
    fn other_errors_say_nothing_about_a_key() {
        let (keys, now) = (keys(2), Instant::now());
        for status in [400, 404, 408, 429, 500, 503] {
            let turn = keys.first(now);
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(turn.judge(status, now), Verdict::Nothing);
        }
        assert_eq!(turns(&keys, 4, now).len(), 4);
        refuse(&keys, 1, now);
        let due = now + ASIDE + Duration::from_secs(1);
        let trial = std::iter::repeat_with(|| keys.first(due)).find(|turn| turn.number() == 1);
        let verdict = trial.expect("it is due").judge(StatusCode::TOO_MANY_REQUESTS, due);
        assert_eq!(verdict, Verdict::Nothing, "it is tried again after a while");
    }

    #[test]
    fn the_only_key_is_always_used() {
        let (keys, now) = (keys(1), Instant::now());
        assert_eq!(keys.first(now).judge(REFUSED, now), Verdict::Nothing);
        assert_eq!(turns(&keys, 2, now), [1, 1]);
        assert!(keys.first(now).another(now).is_none());
    }

    #[test]
    fn a_key_that_is_refused_while_many_use_it_is_told_once() {
        let (keys, now) = (keys(2), Instant::now());
        let calls = [keys.first(now), keys.first(now), keys.first(now), keys.first(now)];
        let told = calls.iter().filter(|turn| turn.number() == 1).map(|turn| turn.judge(REFUSED, now));
        assert_eq!(told.collect::<Vec<_>>(), [Verdict::Refused, Verdict::Nothing]);
    }
}
