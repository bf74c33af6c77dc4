//! What a process consumes, as the kernel tells it.

use std::path::PathBuf;

/// What a process consumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumption {
    /// Resident memory in KiB.
    pub memory_kib: u64,
    /// Threads.
    pub threads: u64,
    /// Open descriptors.
    pub descriptors: usize,
}

/// What the process with this id consumes now.
///
/// # Panics
/// When there is no such process.
pub fn consumption(process: u32) -> Consumption {
    let root = PathBuf::from(format!("/proc/{process}"));
    let status = std::fs::read_to_string(root.join("status")).expect("the process runs");
    let number = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
        let digits = line.trim().trim_end_matches(" kB");
        digits.parse().expect("a number")
    };
    Consumption {
        memory_kib: number("VmRSS:"),
        threads: number("Threads:"),
        descriptors: std::fs::read_dir(root.join("fd")).expect("the process is ours").count(),
    }
}
