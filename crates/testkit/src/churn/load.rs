//! Clients that call without a pause and believe no answer unseen.

use super::configs::{PASSING, STAYING};
use crate::client::Client;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

/// Clients on threads of their own.
pub(super) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Calls hold it for reading; whoever writes has silence.
    silence: RwLock<()>,
    calls: AtomicU64,
    of_passing: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Load {
    pub(super) fn start(address: SocketAddr, clients: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let start = |number: usize| {
            let shared = shared.clone();
            std::thread::spawn(move || shared.call(&Client::new(address), number))
        };
        let threads = (0..clients).map(start).collect();
        Self { shared, threads }
    }

    /// What `look` sees while no call is in flight.
    pub(super) fn paused<T>(&self, look: impl FnOnce() -> T) -> T {
        let _silence = self.shared.silence.write().unwrap_or_else(PoisonError::into_inner);
        look()
    }

    /// Fails when a call failed.
    #[track_caller]
    pub(super) fn assert_well(&self) {
        let failures = self.shared.failures.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(failures.is_empty(), "calls failed: {failures:#?}");
    }

    /// Ends the calls: how many there were of routes that stay, and of others.
    #[track_caller]
    pub(super) fn stop(mut self) -> (u64, u64) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a client notes what fails and does not panic");
        }
        self.assert_well();
        (self.shared.calls.load(Ordering::Relaxed), self.shared.of_passing.load(Ordering::Relaxed))
    }
}

impl Drop for Load {
    /// Also when the test failed: nothing would stop the clients otherwise.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn call(&self, client: &Client, first: usize) {
        for turn in first.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let _speaking = self.silence.read().unwrap_or_else(PoisonError::into_inner);
            let name = STAYING.get(turn % (STAYING.len() + 1)).copied();
            let (told, count) = match name {
                Some(name) => (staying(client, name, turn / 5), &self.calls),
                None => (passing(client), &self.of_passing),
            };
            count.fetch_add(1, Ordering::Relaxed);
            if let Err(failure) = told {
                self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
                return;
            }
        }
    }
}

/// A route that stays must answer, whole, on every surface.
fn staying(client: &Client, name: &str, turn: usize) -> Result<(), String> {
    let words = "ein zwei drei vier";
    let (path, mut body) = match turn % 3 {
        0 => (format!("/gateway/{name}/invocations"), chat(words)),
        1 => (format!("/endpoints/{name}/invocations"), chat(words)),
        _ => ("/v1/chat/completions".to_owned(), chat(words)),
    };
    let streamed = !turn.is_multiple_of(3) && turn.is_multiple_of(2);
    if turn % 3 == 2 {
        body["model"] = json!(name);
    }
    if streamed {
        body["stream"] = json!(true);
    }
    let answer =
        client.post(&path).json(&body).try_send().map_err(|error| format!("{path} {body}: {error}"))?;
    let text = answer.text();
    let whole = match streamed {
        true if turn % 3 == 2 => text.contains("vier") && text.trim_end().ends_with("[DONE]"),
        true => text.contains("vier") && text.contains("\"finish_reason\":\"stop\""),
        false => text.contains(words),
    };
    if answer.status == 200 && whole {
        Ok(())
    } else {
        Err(format!("{path} {body}: {} {text}", answer.status))
    }
}

/// A route that comes and goes is there or is not.
fn passing(client: &Client) -> Result<(), String> {
    let path = format!("/gateway/{PASSING}/invocations");
    let answer = client.post(&path).json(&chat("da")).try_send()?;
    if matches!(answer.status, 200 | 404) {
        Ok(())
    } else {
        Err(format!("{path}: {} {}", answer.status, answer.text()))
    }
}

fn chat(words: &str) -> Value {
    json!({"messages": [{"role": "user", "content": words}]})
}
