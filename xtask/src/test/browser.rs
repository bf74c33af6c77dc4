//! The browser: Chromium, found or installed.

use super::step::{Bench, Done, Step, exists};
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;

/// Sees to it that there is a Chromium.
pub(crate) fn installed() -> Step {
    Step::preparation("chromium", "the browser that looks at the documentation page", install)
}

/// The browser of this machine.
pub(crate) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut found = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    found.find(|program| program.is_file())
}

fn install(bench: &Bench<'_>) -> Result<Done> {
    if find().is_some() {
        return Ok(Done::Passed("is there already".into()));
    }
    let how = "Chromium is missing: install it (Debian: apt-get install chromium) and try again";
    ensure!(exists("apt-get") && nix::unistd::geteuid().is_root(), how);
    bench.apt_install("chromium").context(how)?;
    ensure!(find().is_some(), how);
    Ok(Done::Passed(String::new()))
}
