//! Reloads without end under load: what stays must go on as if nothing happened.

mod configs;
mod load;

use crate::gateway::{Gateway, Launch};
use crate::process::Consumption;
use crate::provider::Provider;
use crate::wait::until;
use configs::{Configs, Step};
use load::Load;
use std::fmt;
use std::time::{Duration, Instant};

/// How many routes a config has. Enough that a generation which is never let go shows in the memory.
const ROUTES: usize = 200;
/// Clients that call without a pause.
const CLIENTS: usize = 3;

/// How long the load goes on.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Changes of the config, bad ones included.
    pub reloads: u64,
    /// Go on changing the config until so much time is over, too.
    pub least: Duration,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Configs that were taken.
    pub accepted: u64,
    /// Configs that were refused.
    pub refused: u64,
    /// Calls of routes that stay, each of them answered whole.
    pub calls: u64,
    /// Calls of routes that come and go.
    pub calls_of_passing: u64,
    /// How long it took.
    pub took: Duration,
    /// Consumption after the first tenth, without calls in flight.
    pub before: Consumption,
    /// Consumption at the end, without calls in flight.
    pub after: Consumption,
}

/// Changes the config of the command at `binary` again and again while clients call.
///
/// # Panics
/// When a call of a route that stays fails, when one that is not there is not answered by 404, and when a change is
/// neither taken nor refused.
pub fn churn(binary: &str, extent: Extent) -> Figures {
    let provider = Provider::start();
    let mut configs = Configs::new(&provider.url(), ROUTES);
    let Step::Good(first) = configs.next(0) else { unreachable!("the first config is good") };
    let mut gateway = Launch::new(binary).config(first).file("key", "first-key\n").start();
    let load = Load::start(gateway.address, CLIENTS);
    let began = Instant::now();
    let mut before = None;
    let (mut accepted, mut refused) = (0, 0);
    for step in 1.. {
        if step > extent.reloads && began.elapsed() >= extent.least {
            break;
        }
        match configs.next(step) {
            Step::Good(yaml) if step % 2 == 0 => gateway.reloads(|files| files.write(&yaml)),
            Step::Good(yaml) => gateway.reloads(|files| files.rename(&yaml)),
            Step::Key(key) => gateway.reloads(|files| files.replace("key", &key)),
            Step::Bad(yaml) => _ = gateway.refuses(|files| files.rename(&yaml)),
            Step::Gone => _ = gateway.refuses(|files| files.remove()),
        }
        match configs.is_refused() {
            true => refused += 1,
            false => accepted += 1,
        }
        load.assert_well();
        if step == extent.reloads / 10 {
            before = Some(load.paused(|| settled(&gateway)));
        }
    }
    let after = load.paused(|| settled(&gateway));
    let (calls, calls_of_passing) = load.stop();
    gateway.assert_well();
    let before = before.unwrap_or(after);
    Figures { accepted, refused, calls, calls_of_passing, took: began.elapsed(), before, after }
}

/// Consumption once nothing is in flight any more.
fn settled(gateway: &Gateway) -> Consumption {
    until("nothing is in flight", || {
        // The reading itself is in flight.
        (gateway.metrics().value("lockgate_requests_in_flight")? <= 1.0).then(|| gateway.consumption())
    })
}

impl Figures {
    /// What is wrong with the figures: memory, threads or descriptors that grew.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let Self { before, after, .. } = self;
        // A generation with its routes takes about half a MiB. The allocator's own ups and downs are far below that
        // times the reloads; what leaks one generation per reload is far above.
        let most = before.memory_kib + (self.accepted * 100).max(16 * 1024);
        if after.memory_kib > most {
            complaints.push(format!("memory grew from {} to {} KiB", before.memory_kib, after.memory_kib));
        }
        // Checks run on threads that end when they had nothing to do for a while.
        if after.threads > before.threads + 2 {
            complaints.push(format!("threads grew from {} to {}", before.threads, after.threads));
        }
        // Connections to the provider rest, as many as there are clients on each worker.
        if after.descriptors > before.descriptors + 2 * CLIENTS {
            complaints.push(format!("descriptors grew from {} to {}", before.descriptors, after.descriptors));
        }
        complaints
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, after, .. } = self;
        writeln!(f, "time         {:.1} s", self.took.as_secs_f64())?;
        writeln!(f, "reloads      {} taken, {} refused", self.accepted, self.refused)?;
        writeln!(f, "calls        {} of routes that stay, none failed", self.calls)?;
        writeln!(f, "             {} of routes that come and go", self.calls_of_passing)?;
        writeln!(f, "memory       {} KiB, at the end {} KiB", before.memory_kib, after.memory_kib)?;
        writeln!(f, "threads      {}, at the end {}", before.threads, after.threads)?;
        write!(f, "descriptors  {}, at the end {}", before.descriptors, after.descriptors)
    }
}
