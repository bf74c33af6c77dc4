//! The counter of this process: fixed windows that begin with the first call, whatever the path or the worker. It
//! survives a reload, and a limit that a reload changes holds for the window that is open.

use super::{Claim, Counter, Grant, Held, Key, Measure, Scope, Subject, Who};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Counts that are kept one by one, per shard; clients past them share one per route, so memory stays bounded.
const MOST: usize = 16_384;
const SHARDS: usize = 16;
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// All windows that are open.
#[derive(Default)]
pub(crate) struct Windows {
    /// Two, whose random seeds nobody knows, so that no client can make its key another's.
    hashers: [RandomState; 2],
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    windows: HashMap<([u64; 2], Measure), Window>,
    /// When closed windows were last thrown out.
    swept: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Window {
    began: Instant,
    /// `None` for what is held until it is given back.
    period: Option<Duration>,
    used: u64,
}

/// The shards that a call needs, each locked once and in their order, so that no two calls wait for each other.
type Locked<'a> = [Option<MutexGuard<'a, Shard>>; SHARDS];

impl Counter for Windows {
    fn key(&self, subject: &Subject<'_>) -> Key {
        let (group, member) = match *subject {
            Subject::Route(route, Who::Caller(caller)) => (Part::Route(route), Some(Part::Caller(caller))),
            Subject::Route(route, Who::Client(client)) => (Part::Route(route), Some(Part::Client(client))),
            Subject::Caller(caller) => (Part::Caller(caller), None),
            Subject::Tries(client) => (Part::Tries, Some(Part::Client(client))),
        };
        let mut hashers = self.hashers.each_ref().map(BuildHasher::build_hasher);
        hashers.iter_mut().for_each(|hasher| group.hash(hasher));
        let group = hashers[0].finish();
        hashers.iter_mut().for_each(|hasher| member.hash(hasher));
        Key { id: hashers.map(|hasher| hasher.finish()), group }
    }

    fn take(&self, claims: &mut [Claim], now: Instant) -> impl Future<Output = Result<(), usize>> {
        std::future::ready(self.take_now(claims, now))
    }

    fn settle(&self, held: &Held, used: u64, now: Instant) {
        let mut shard = self.lock(shard_of(&held.key));
        let place = (place(&held.key, held.pooled), held.measure);
        let Some(period) = held.period else {
            if let Some(window) = shard.windows.get_mut(&place) {
                window.used = window.used.saturating_sub(held.amount);
                if window.used == 0 {
                    shard.windows.remove(&place);
                }
            }
            return;
        };
        let more = used.saturating_sub(held.amount);
        let room = shard.windows.len() < MOST;
        match shard.windows.get_mut(&place) {
            Some(window) if window.is_closed(now) => {
                *window = Window { began: now, period: Some(period), used: more };
            }
            Some(window) if window.began == held.began => {
                window.used = window.used.saturating_sub(held.amount).saturating_add(used);
            }
            // Its own window is over: what it used beyond its reservation was never counted, and is now.
            Some(window) => window.used = window.used.saturating_add(more),
            None if more > 0 && room => {
                shard.windows.insert(place, Window { began: now, period: Some(period), used: more });
            }
            None => {}
        }
    }
}

/// What a key is made of; no part can be taken for two.
#[derive(Hash)]
enum Part<'a> {
    Route(&'a str),
    Caller(&'a str),
    Client(IpAddr),
    Tries,
}

impl Windows {
    /// Counts one event of `subject`.
    ///
    /// # Errors
    /// How long until the window ends, when `limit` is reached.
    pub(crate) fn count(
        &self,
        subject: &Subject<'_>,
        limit: u64,
        period: Duration,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut claim =
            [Claim::new(Scope::Caller, self.key(subject), Measure::Calls, limit, Some(period), 1)];
        self.take_now(&mut claim, now).map_err(|_| claim[0].grant.renews)
    }

    fn take_now(&self, claims: &mut [Claim], now: Instant) -> Result<(), usize> {
        let mut shards = self.lock_all(claims);
        let mut refused: Option<(usize, Duration)> = None;
        for (at, claim) in claims.iter_mut().enumerate() {
            let Some(shard) = &mut shards[shard_of(&claim.key)] else { continue };
            let used = shard.look(claim, now);
            claim.grant.remaining = claim.limit.saturating_sub(used);
            if claim.amount > claim.grant.remaining {
                let wait = if claim.is_hopeless() { Duration::MAX } else { claim.grant.renews };
                if refused.is_none_or(|(_, longest)| wait > longest) {
                    refused = Some((at, wait));
                }
            }
        }
        if let Some((at, _)) = refused {
            return Err(at);
        }
        for claim in claims {
            let Some(shard) = &mut shards[shard_of(&claim.key)] else { continue };
            shard.add(claim, now);
        }
        Ok(())
    }

    fn lock_all(&self, claims: &[Claim]) -> Locked<'_> {
        let needed = claims.iter().fold(0_u32, |needed, claim| needed | 1 << shard_of(&claim.key));
        std::array::from_fn(|shard| (needed & 1 << shard != 0).then(|| self.lock(shard)))
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shard_of(key: &Key) -> usize {
    key.id[0] as usize % SHARDS
}

/// Where a key is counted, alone or with all others of its group that came when there was no room.
fn place(key: &Key, pooled: bool) -> [u64; 2] {
    if pooled { [key.group; 2] } else { key.id }
}

impl Shard {
    /// Notes where and when the claim's window began, and how long it stays open. How much is used of it.
    fn look(&mut self, claim: &mut Claim, now: Instant) -> u64 {
        let alone = (claim.key.id, claim.measure);
        let full = self.windows.len() >= MOST;
        let pooled = full && !self.windows.contains_key(&alone) && !self.sweep(now);
        let place = (place(&claim.key, pooled), claim.measure);
        let open = self.windows.get(&place).map(|window| Window { period: claim.period, ..*window });
        let open = open.filter(|window| !window.is_closed(now));
        let window = open.unwrap_or(Window { began: now, period: claim.period, used: 0 });
        claim.grant = Grant { remaining: 0, renews: window.renews(now), began: Some(window.began), pooled };
        window.used
    }

    /// Adds a claim that [`Shard::look`] found room for.
    fn add(&mut self, claim: &mut Claim, now: Instant) {
        let place = (place(&claim.key, claim.grant.pooled), claim.measure);
        let began = claim.grant.began.unwrap_or(now);
        let new = Window { began, period: claim.period, used: 0 };
        let window = self.windows.entry(place).or_insert(new);
        if window.began != began {
            *window = new;
        }
        window.period = claim.period; // a reload may have changed it
        window.used = window.used.saturating_add(claim.amount);
        claim.grant.remaining = claim.limit.saturating_sub(window.used);
    }

    /// Throws out windows that are closed, now and then: a flood of clients must not make each call look at all of
    /// them. Returns whether there is room.
    fn sweep(&mut self, now: Instant) -> bool {
        if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_EVERY) {
            self.swept = Some(now);
            self.windows.retain(|_, window| !window.is_closed(now));
        }
        self.windows.len() < MOST
    }
}

impl Window {
    fn is_closed(&self, now: Instant) -> bool {
        match self.period {
            Some(period) => now.saturating_duration_since(self.began) >= period,
            None => self.used == 0,
        }
    }

    fn renews(&self, now: Instant) -> Duration {
        self.period.unwrap_or_default().saturating_sub(now.saturating_duration_since(self.began))
    }
}

#[cfg(test)]
mod tests;
