//! Request limits: fixed windows that start at the first call, one count per route and client whatever the path or
//! the worker. Decides from the time that it is given; survives a reload.

use lockgate_config::Limit;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Clients counted one by one, per shard; those past it share one count per route, so memory stays bounded.
const MOST_CLIENTS: usize = 16_384;
const SHARDS: usize = 16;
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// All windows that are open.
pub(crate) struct Limits {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    windows: HashMap<Key, Window>,
    /// When closed windows were last thrown out.
    swept: Option<Instant>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    route: String,
    period: Duration,
    client: Option<IpAddr>,
}

struct Window {
    ends: Instant,
    calls: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Limits {
    /// Counts a call of `client`.
    ///
    /// # Errors
    /// How long until the window ends, when the limit is reached.
    pub(crate) fn count(
        &self,
        route: &str,
        limit: &Limit,
        client: IpAddr,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut key = Key { route: route.to_owned(), period: limit.period, client: Some(client) };
        let shard = self.hasher.hash_one(&key) as usize % SHARDS;
        let mut shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if shard.windows.len() >= MOST_CLIENTS && !shard.windows.contains_key(&key) && !shard.sweep(now) {
            key.client = None;
        }
        let window = shard.windows.entry(key).or_insert(Window { ends: now + limit.period, calls: 0 });
        if window.ends <= now {
            *window = Window { ends: now + limit.period, calls: 0 };
        }
        if window.calls >= limit.calls {
            return Err(window.ends - now);
        }
        window.calls += 1;
        Ok(())
    }
}

impl Shard {
    /// Throws out windows that are closed, now and then: a flood of clients must not make each call look at all of
    /// them. Returns whether there is room.
    fn sweep(&mut self, now: Instant) -> bool {
        if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP_EVERY) {
            self.swept = Some(now);
            self.windows.retain(|_, window| window.ends > now);
        }
        self.windows.len() < MOST_CLIENTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn limit(calls: u64) -> Limit {
        Limit {
            calls,
            renewal_period: "minute".to_owned(),
            period: Duration::from_secs(60),
            key: None,
            text: format!("{calls} per 1 minute"),
        }
    }

    #[test]
    fn calls_past_the_limit_wait_for_the_window_to_end() {
        let (limits, limit, start) = (Limits::default(), limit(2), Instant::now());
        assert_eq!(limits.count("a", &limit, HERE, start), Ok(()));
        assert_eq!(limits.count("a", &limit, HERE, start + Duration::from_secs(10)), Ok(()));
        assert_eq!(
            limits.count("a", &limit, HERE, start + Duration::from_secs(15)),
            Err(Duration::from_secs(45))
        );
        assert_eq!(limits.count("a", &limit, HERE, start + Duration::from_secs(60)), Ok(()));
    }

    #[test]
    fn routes_and_clients_count_apart() {
        let (limits, limit, now) = (Limits::default(), limit(1), Instant::now());
        let other = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(limits.count("a", &limit, HERE, now), Ok(()));
        assert_eq!(limits.count("b", &limit, HERE, now), Ok(()));
        assert_eq!(limits.count("a", &limit, other, now), Ok(()));
        assert!(limits.count("a", &limit, HERE, now).is_err());
    }

    #[test]
    fn parallel_calls_never_overshoot() {
        let (limits, limit, now) = (Limits::default(), limit(100), Instant::now());
        let let_through: usize = std::thread::scope(|scope| {
            let count = || (0..250).filter(|_| limits.count("a", &limit, HERE, now).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().expect("counting does not panic")).sum()
        });
        assert_eq!(let_through, 100);
    }

    #[test]
    fn a_flood_of_clients_does_not_grow_memory_without_bound() {
        let (limits, limit, now) = (Limits::default(), limit(1), Instant::now());
        for n in 0..(MOST_CLIENTS as u32 * SHARDS as u32 * 5 / 4) {
            let _ = limits.count("a", &limit, IpAddr::from(n.to_be_bytes()), now);
        }
        let held: usize =
            limits.shards.iter().map(|shard| shard.lock().expect("not poisoned").windows.len()).sum();
        assert!(held <= (MOST_CLIENTS + 1) * SHARDS, "{held}");
    }
}
