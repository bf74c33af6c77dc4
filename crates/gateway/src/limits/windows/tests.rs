use super::*;
use crate::limits::{Kind, Spent};
use lockgate_dialects::canonical::Usage;
use std::net::Ipv4Addr;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn route(name: &str) -> Subject<'_> {
    Subject::Route(name, Who::Client(HERE))
}

fn want(windows: &Windows, subject: Subject<'_>, measure: Measure, limit: u64, amount: u64) -> Claim {
    let period = (measure != Measure::Concurrent).then_some(MINUTE);
    Claim::new(Scope::Route, windows.key(&subject), measure, limit, period, amount)
}

/// One claim, as it stands after it was asked for.
fn ask(windows: &Windows, claim: Claim, now: Instant) -> (bool, Claim) {
    let mut claim = [claim];
    let taken = windows.take_now(&mut claim, now).is_ok();
    (taken, claim[0])
}

fn remaining(windows: &Windows, claim: Claim, now: Instant) -> u64 {
    ask(windows, Claim { amount: 0, ..claim }, now).1.grant.remaining
}

#[test]
fn calls_past_the_limit_wait_for_the_window_to_end() {
    let (windows, start) = (Windows::default(), Instant::now());
    let count = |now| windows.count(&route("a"), 2, MINUTE, now);
    assert_eq!(count(start), Ok(()));
    assert_eq!(count(start + SECOND * 10), Ok(()));
    assert_eq!(count(start + SECOND * 15), Err(SECOND * 45));
    assert_eq!(count(start + SECOND * 60), Ok(()));
}

#[test]
fn everybody_counts_apart() {
    let (windows, now) = (Windows::default(), Instant::now());
    for subject in [
        route("a"),
        route("b"),
        Subject::Route("a", Who::Client(THERE)),
        Subject::Route("a", Who::Caller("a")),
        Subject::Route("a", Who::Caller("b")),
        Subject::Caller("a"),
        Subject::Caller("b"),
        Subject::Tries(HERE),
    ] {
        assert_eq!(windows.count(&subject, 1, MINUTE, now), Ok(()), "{subject:?}");
        assert!(windows.count(&subject, 1, MINUTE, now).is_err(), "{subject:?}");
    }
}

#[test]
fn parallel_calls_never_overshoot() {
    let (windows, now) = (Windows::default(), Instant::now());
    let let_through: usize = std::thread::scope(|scope| {
        let count = || (0..250).filter(|_| windows.count(&route("a"), 100, MINUTE, now).is_ok()).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().expect("counting does not panic")).sum()
    });
    assert_eq!(let_through, 100);
}

#[test]
fn a_call_that_one_limit_refuses_takes_nothing_of_the_others() {
    let (windows, now) = (Windows::default(), Instant::now());
    let of_route = want(&windows, route("a"), Measure::Requests, 100, 1);
    let of_caller = want(&windows, Subject::Caller("alice"), Measure::Requests, 40, 1);
    let let_through: usize = std::thread::scope(|scope| {
        let take = || (0..250).filter(|_| windows.take_now(&mut [of_route, of_caller], now).is_ok()).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
        threads.into_iter().map(|thread| thread.join().expect("counting does not panic")).sum()
    });
    assert_eq!((let_through, remaining(&windows, of_route, now)), (40, 60));
}

#[test]
fn of_several_refusals_the_one_that_lasts_longest_is_told() {
    let (windows, now) = (Windows::default(), Instant::now());
    let long = |claim: Claim| Claim { period: Some(MINUTE * 60), ..claim };
    let short = want(&windows, route("a"), Measure::Requests, 0, 1);
    let hour = long(want(&windows, route("a"), Measure::Calls, 0, 1));
    let parallel = want(&windows, route("a"), Measure::Concurrent, 0, 1);
    let never = want(&windows, route("a"), Measure::Tokens, 10, 11);
    assert_eq!(windows.take_now(&mut [parallel, short, hour], now), Err(2));
    assert_eq!(windows.take_now(&mut [parallel, short, hour, never], now), Err(3));
    assert!(never.is_hopeless() && !hour.is_hopeless());
}

#[test]
fn a_flood_of_clients_does_not_grow_memory_without_bound() {
    let (windows, now) = (Windows::default(), Instant::now());
    for n in 0..(MOST as u32 * SHARDS as u32 * 5 / 4) {
        let client = Who::Client(IpAddr::from(n.to_be_bytes()));
        let _ = windows.count(&Subject::Route("a", client), 1, MINUTE, now);
    }
    let held: usize =
        windows.shards.iter().map(|shard| shard.lock().expect("not poisoned").windows.len()).sum();
    assert!(held <= (MOST + 1) * SHARDS, "{held}");
}

#[test]
fn clients_past_the_bound_are_limited_together_and_give_back_what_they_held() {
    let (windows, now) = (Windows::default(), Instant::now());
    for n in 0..(MOST as u32 * SHARDS as u32 * 5 / 4) {
        let client = Who::Client(IpAddr::from(n.to_be_bytes()));
        let _ = windows.count(&Subject::Route("a", client), 1, MINUTE, now);
    }
    let mut claims = Vec::new();
    for n in 0..=SHARDS as u16 {
        let client = Who::Client(IpAddr::from([n, 0, 0, 0, 0, 0, 0, 1]));
        let claim = want(&windows, Subject::Route("b", client), Measure::Concurrent, 1, 1);
        claims.push(ask(&windows, claim, now));
    }
    let (granted, refused): (Vec<_>, Vec<_>) = claims.into_iter().partition(|(granted, _)| *granted);
    assert!(!refused.is_empty() && granted.iter().all(|(_, claim)| claim.grant.pooled));
    for (_, claim) in &granted {
        Held::of(claim, now).expect("it is held").settle(&windows, &Spent::Nothing, now);
        assert!(ask(&windows, Claim { grant: Grant::default(), ..*claim }, now).0);
    }
}

#[test]
fn a_limit_that_a_reload_changes_holds_for_the_open_window() {
    let (windows, start) = (Windows::default(), Instant::now());
    let count = |limit, period, now| windows.count(&route("a"), limit, period, now);
    assert_eq!(count(1, MINUTE, start), Ok(()));
    assert_eq!(count(1, MINUTE, start), Err(MINUTE));
    assert_eq!(count(2, MINUTE, start + SECOND), Ok(()));
    assert_eq!(count(1, MINUTE, start + SECOND), Err(SECOND * 59));
    assert_eq!(count(2, MINUTE * 60, start + SECOND * 61), Err(MINUTE * 60 - SECOND * 61));
    assert_eq!(count(2, SECOND, start + SECOND * 61), Ok(()));
}

#[test]
fn the_longest_period_does_not_overflow() {
    let (windows, now) = (Windows::default(), Instant::now());
    assert_eq!(windows.count(&route("a"), 1, Duration::MAX, now), Ok(()));
    assert!(windows.count(&route("a"), 1, Duration::MAX, now + MINUTE).is_err());
}

#[test]
fn what_runs_at_the_same_time_is_limited_until_it_ends() {
    let (windows, now) = (Windows::default(), Instant::now());
    let claim = want(&windows, route("a"), Measure::Concurrent, 2, 1);
    let (first, held) = ask(&windows, claim, now);
    assert!(first && ask(&windows, claim, now).0);
    assert!(!ask(&windows, claim, now + MINUTE * 600).0, "time alone makes no room");
    let held = Held::of(&held, now).expect("it is held");
    held.settle(&windows, &Spent::Nothing, now);
    assert!(ask(&windows, claim, now).0 && !ask(&windows, claim, now).0);
    (0..2).for_each(|_| held.settle(&windows, &Spent::Nothing, now));
    assert!(windows.shards.iter().all(|shard| shard.lock().expect("not poisoned").windows.is_empty()));
}

fn whole(prompt: u64) -> Spent {
    Spent::Whole(Usage { prompt_tokens: Some(prompt), ..Usage::default() })
}

#[test]
fn tokens_are_reserved_and_then_count_as_they_were_used() {
    let (windows, now) = (Windows::default(), Instant::now());
    let claim = want(&windows, route("a"), Measure::PromptTokens, 100, 60);
    for (used, left) in [(10, 90), (60, 30), (0, 30)] {
        let (taken, claim) = ask(&windows, Claim { amount: 20, ..claim }, now);
        assert!(taken);
        Held::of(&claim, now).expect("it is held").settle(&windows, &whole(used), now);
        assert_eq!(remaining(&windows, claim, now), left, "{used}");
    }
    assert!(!ask(&windows, claim, now).0);
    let (taken, claim) = ask(&windows, Claim { amount: 30, ..claim }, now);
    assert!(taken && claim.grant.remaining == 0);
    Held::of(&claim, now).expect("it is held").settle(&windows, &whole(1_000), now);
    assert_eq!(remaining(&windows, claim, now), 0);
    assert_eq!(remaining(&windows, claim, now + MINUTE), 100);
}

#[test]
fn what_outlasts_its_window_pays_for_what_it_did_not_reserve_in_the_next() {
    let (windows, start) = (Windows::default(), Instant::now());
    let claim = want(&windows, route("a"), Measure::PromptTokens, 100, 20);
    let later = start + MINUTE + SECOND;
    let held: Vec<_> = (0..3).filter_map(|_| Held::of(&ask(&windows, claim, start).1, start)).collect();
    for (held, (used, left)) in held.iter().zip([(21, 99), (10, 99), (30, 89)]) {
        held.settle(&windows, &whole(used), later);
        assert_eq!(remaining(&windows, claim, later), left, "{used}");
    }
}

#[test]
fn every_kind_of_measure_is_told_apart() {
    let (windows, now) = (Windows::default(), Instant::now());
    let measures = [
        Measure::Calls,
        Measure::Requests,
        Measure::Concurrent,
        Measure::PromptTokens,
        Measure::CompletionTokens,
        Measure::Tokens,
    ];
    for measure in measures {
        let claim = want(&windows, route("a"), measure, 1, 1);
        assert!(ask(&windows, claim, now).0 && !ask(&windows, claim, now).0, "{measure:?}");
    }
    assert_eq!(Kind::ALL.map(|kind| kind as usize), [0, 1, 2]);
}

/// A counter that others share answers after a while.
struct Far(Windows);

impl Counter for Far {
    fn key(&self, subject: &Subject<'_>) -> Key {
        self.0.key(subject)
    }

    async fn take(&self, claims: &mut [Claim], now: Instant) -> Result<(), usize> {
        tokio::task::yield_now().await;
        self.0.take(claims, now).await
    }

    fn settle(&self, held: &Held, used: u64, now: Instant) {
        self.0.settle(held, used, now);
    }
}

#[tokio::test]
async fn a_counter_may_have_to_wait_for_its_answer() {
    let (far, now) = (Far(Windows::default()), Instant::now());
    let claim = want(&far.0, route("a"), Measure::Requests, 1, 1);
    assert_eq!(far.take(&mut [claim], now).await, Ok(()));
    assert_eq!(far.take(&mut [claim], now).await, Err(0));
}
