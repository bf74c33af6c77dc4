//! CPU time of a process tree, and the median over the rounds.

use super::workload::Workload;
use anyhow::{Context, Result};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use std::time::Duration;

/// User and system time of a process, of all its threads and of its living descendants.
///
/// Read from the kernel's clock of the process: that counts nanoseconds, `/proc/PID/stat` hundredths of a
/// second.
pub(crate) fn cpu_time(process: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(process.try_into()?))
        .with_context(|| format!("process {process} has gone"))?;
    let mut total = Duration::from(clock.now()?);
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"))?;
    for child in children.split_whitespace() {
        total += cpu_time(child.parse()?)?;
    }
    Ok(total)
}

/// What one proxy spent per request, by workload and round.
#[derive(Default)]
pub(crate) struct Costs(Vec<(Workload, Duration)>);

impl Costs {
    pub(crate) fn add(&mut self, workload: Workload, per_request: Duration) {
        self.0.push((workload, per_request));
    }

    /// The median over the rounds, in microseconds.
    pub(crate) fn median(&self, workload: Workload) -> f64 {
        let of_kind = self.0.iter().filter(|(kind, _)| *kind == workload);
        median(of_kind.map(|(_, cost)| cost.as_secs_f64() * 1e6).collect())
    }
}

/// The middle value, or the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}
