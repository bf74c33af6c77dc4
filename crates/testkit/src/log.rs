//! The gateway's JSON log, read as it is written.

use crate::wait::PATIENCE;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Lines that are kept; older ones go.
const MOST_LINES: usize = 50_000;

/// The gateway's log so far.
#[derive(Debug, Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    /// How many went before the first that is kept.
    gone: usize,
    /// Lines that tell of a panic.
    panics: Vec<String>,
    ended: bool,
}

impl Log {
    /// Reads `source` on a thread of its own until it ends.
    pub(crate) fn read(source: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let filled = shared.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                filled.lock().push(String::from_utf8_lossy(&line).into_owned());
                filled.grown.notify_all();
            }
            filled.lock().ended = true;
            filled.grown.notify_all();
        });
        Self { shared }
    }

    /// Everything that is kept, as text.
    pub fn text(&self) -> String {
        let lines = self.shared.lock();
        lines.kept.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// Lines that tell of a panic, also those that are no longer kept.
    pub fn panics(&self) -> Vec<String> {
        self.shared.lock().panics.clone()
    }

    /// All records that `wanted` accepts.
    pub fn records(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let lines = self.shared.lock();
        lines.kept.iter().filter_map(|line| serde_json::from_str(line).ok()).filter(wanted).collect()
    }

    /// The first record that `wanted` accepts, also one that is still to come.
    ///
    /// # Panics
    /// When the log ends without one, or after a long wait.
    #[track_caller]
    pub fn wait(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_after(0, what, wanted).1
    }

    /// The first record from the line `start` on that `wanted` accepts, and the line after it.
    ///
    /// # Panics
    /// When the log ends without one, or after a long wait.
    #[track_caller]
    pub fn wait_after(&self, start: usize, what: &str, wanted: impl Fn(&Value) -> bool) -> (usize, Value) {
        let deadline = Instant::now() + PATIENCE;
        let mut looked_at = start;
        let mut lines = self.shared.lock();
        loop {
            let fresh = looked_at.saturating_sub(lines.gone);
            for (at, line) in lines.kept.iter().enumerate().skip(fresh) {
                if let Some(record) = serde_json::from_str(line).ok().filter(|record| wanted(record)) {
                    return (lines.gone + at + 1, record);
                }
            }
            looked_at = lines.gone + lines.kept.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if lines.ended || left.is_zero() {
                let last: Vec<_> = lines.kept.iter().rev().take(20).rev().map(String::as_str).collect();
                panic!("the log does not tell {what}; it ends with\n{}", last.join("\n"));
            }
            let waited = self.shared.grown.wait_timeout(lines, left);
            lines = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The number of the line that comes next, for [`Log::wait_after`].
    pub fn next_line(&self) -> usize {
        let lines = self.shared.lock();
        lines.gone + lines.kept.len()
    }

    /// Waits until the process has closed its log.
    pub fn wait_end(&self) {
        crate::until("the log ends", || self.shared.lock().ended.then_some(()));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn push(&mut self, line: String) {
        if line.contains("panicked") {
            self.panics.push(line.clone());
        }
        if self.kept.len() == MOST_LINES {
            self.kept.pop_front();
            self.gone += 1;
        }
        self.kept.push_back(line);
    }
}
