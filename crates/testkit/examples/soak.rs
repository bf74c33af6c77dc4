//! The long form of the proofs: reloads under load, and a storm of hang-ups. Started by `cargo xtask soak`.

#![allow(clippy::print_stdout, reason = "figures are what this is for")]

use lockgate_testkit::{churn, storm};
use std::process::ExitCode;
use std::time::Duration;

/// `soak BINARY RELOADS MINUTES HANGUPS`
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [binary, reloads, minutes, hangups] = &arguments[..] else { return usage() };
    let (Ok(reloads), Ok(minutes), Ok(calls)) = (reloads.parse(), minutes.parse::<u64>(), hangups.parse())
    else {
        return usage();
    };
    let least = Duration::from_secs(60 * minutes);
    println!("Reloads under load");
    let churned = churn::churn(binary, churn::Extent { reloads, least });
    println!("{churned}\n\nClients that hang up");
    let stormed = storm::storm(binary, storm::Extent { calls });
    println!("{stormed}");
    let complaints = [churned.complaints(), stormed.complaints()].concat();
    for complaint in &complaints {
        println!("WRONG: {complaint}");
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> ExitCode {
    println!("soak BINARY RELOADS MINUTES HANGUPS");
    ExitCode::from(2)
}
