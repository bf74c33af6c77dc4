//! Clients that hang up at every moment of a call: nothing of them may stay.

use crate::gateway::Gateway;
use crate::process::Consumption;
use crate::provider::Provider;
use crate::wait::until;
use serde_json::json;
use std::fmt;
use std::time::{Duration, Instant};

/// Clients that call at the same time.
const CLIENTS: u64 = 4;

/// How long the storm goes on.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Calls that are hung up on.
    pub calls: u64,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Calls that were begun and hung up on.
    pub calls: u64,
    /// Of these, calls of the provider that were cancelled.
    pub abandoned: u64,
    /// How long it took.
    pub took: Duration,
    /// Consumption after the first tenth, once all had gone.
    pub before: Consumption,
    /// Consumption at the end, once all had gone.
    pub after: Consumption,
}

/// Calls the command at `binary` and hangs up, sooner or later in the answer.
///
/// # Panics
/// When calls stay in flight after their clients have gone.
pub fn storm(binary: &str, extent: Extent) -> Figures {
    let provider = Provider::start();
    provider.demo(&json!({"latency_ms": 2, "pace_ms": 2, "chunks": 20}));
    let base = provider.url();
    let mut gateway = Gateway::start(
        binary,
        Some(&format!(
            "routes:
  - name: passed
    route_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: k, openai_api_base: \"{base}/v1\"}}}}
  - name: translated
    route_type: llm/v1/chat
    model: {{provider: anthropic, name: claude-3, config: {{anthropic_api_key: k, anthropic_api_base: \"{base}/v1\"}}}}
"
        )),
    );
    let began = Instant::now();
    let first = extent.calls / 10;
    calls(&gateway, 0..first);
    let before = settled(&gateway, &provider);
    calls(&gateway, first..extent.calls);
    let after = settled(&gateway, &provider);
    gateway.assert_well();
    let abandoned = provider.counts().abandoned;
    Figures { calls: extent.calls, abandoned, took: began.elapsed(), before, after }
}

fn calls(gateway: &Gateway, numbers: std::ops::Range<u64>) {
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let numbers = numbers.clone();
            scope.spawn(move || {
                for number in numbers.filter(|number| number % CLIENTS == client) {
                    call(gateway, number);
                }
            });
        }
    });
}

/// One call, which ends after so many bytes of the answer as its number says.
fn call(gateway: &Gateway, number: u64) {
    let route = if number.is_multiple_of(2) { "passed" } else { "translated" };
    let streamed = !number.is_multiple_of(3);
    let body = format!(
        r#"{{"model": "{route}", "stream": {streamed}, "messages": [{{"role": "user", "content": "Hallo"}}]}}"#
    );
    let mut wire = gateway.wire();
    wire.post("/v1/chat/completions", "connection: close\r\n", &body);
    match number % 5 {
        0 => {}
        // Whole answers and short ones end before: that is an end like any other.
        events => wire.read_at_least(usize::try_from(events).unwrap_or(1) * 300),
    }
}

/// Consumption once nothing is in flight any more.
fn settled(gateway: &Gateway, provider: &Provider) -> Consumption {
    until("all have gone", || {
        let metrics = gateway.metrics();
        // The reading itself is in flight, and its connection stays.
        let quiet = metrics.value("lockgate_requests_in_flight")? <= 1.0
            && metrics.value("lockgate_connections")? <= 1.0
            && provider.counts().in_flight == 0;
        quiet.then(|| gateway.consumption())
    })
}

impl Figures {
    /// What is wrong with the figures: memory, threads or descriptors that grew.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let Self { before, after, .. } = self;
        if after.memory_kib > before.memory_kib + 8 * 1024 + self.calls / 4 {
            complaints.push(format!("memory grew from {} to {} KiB", before.memory_kib, after.memory_kib));
        }
        // The config is looked at now and then, on a thread that ends when it had nothing to do for a while.
        if after.threads > before.threads + 1 {
            complaints.push(format!("threads grew from {} to {}", before.threads, after.threads));
        }
        // Connections to the provider that ended well rest.
        if after.descriptors > before.descriptors + 2 * usize::try_from(CLIENTS).unwrap_or_default() {
            complaints.push(format!("descriptors grew from {} to {}", before.descriptors, after.descriptors));
        }
        complaints
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, after, .. } = self;
        writeln!(f, "time         {:.1} s", self.took.as_secs_f64())?;
        writeln!(f, "hang-ups     {}, {} calls of the provider cancelled", self.calls, self.abandoned)?;
        writeln!(f, "memory       {} KiB, at the end {} KiB", before.memory_kib, after.memory_kib)?;
        writeln!(f, "threads      {}, at the end {}", before.threads, after.threads)?;
        write!(f, "descriptors  {}, at the end {}", before.descriptors, after.descriptors)
    }
}
