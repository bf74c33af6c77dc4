//! Waits that look until something has happened, and end.

use std::time::{Duration, Instant};

/// The longest that anything is waited for. Long, as machines that test are busy; no test depends on it.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// How often a wait looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Looks until `look` finds something.
///
/// # Panics
/// After [`PATIENCE`], with what was waited for.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
