//! `cargo xtask soak`: the long form of proofs whose short form is among the tests.

use anyhow::{Context, ensure};
use clap::Args;
use std::path::PathBuf;
use std::process::Command;

/// How long it goes on.
#[derive(Args)]
pub(crate) struct Options {
    /// Changes of the config under load, bad ones included.
    #[arg(long, default_value_t = 1000)]
    reloads: u64,
    /// Go on changing it for so many minutes at least.
    #[arg(long, default_value_t = 0)]
    minutes: u64,
    /// Calls whose client hangs up.
    #[arg(long, default_value_t = 20_000)]
    hangups: u64,
}

/// Builds the command in its release form and drives it; prints figures. Fails when a call fails or something grows.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let target = build()?;
    let numbers = [options.reloads, options.minutes, options.hangups].map(|number| number.to_string());
    let status = Command::new(target.join("release/examples/soak"))
        .arg(target.join("release/lockgate"))
        .args(numbers)
        .status()
        .context("the soak does not start")?;
    ensure!(status.success(), "the soak found something wrong");
    Ok(())
}

/// Builds both programs. Where they are.
fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for what in [&["-p", "lockgate"][..], &["-p", "lockgate-testkit", "--example", "soak"]] {
        let built = Command::new(&cargo).args(["build", "--quiet", "--release"]).args(what).status()?;
        ensure!(built.success(), "the build failed");
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    Ok(std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from))
}
