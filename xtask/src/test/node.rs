//! Programs and SDKs in JavaScript: Claude Code, Codex, Gemini CLI and the official packages.

use super::step::{Bench, Done, Step, exists};
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;

/// Installs what `tests/environments/node/package-lock.json` lists, a Node of its own among it.
pub(crate) fn environment() -> Step {
    Step::preparation("env-node", "Claude Code, Codex, Gemini CLI and the SDKs in JavaScript", install)
}

/// Where their commands are.
pub(crate) fn commands(bench: &Bench<'_>) -> PathBuf {
    folder(bench).join("node_modules/.bin")
}

fn folder(bench: &Bench<'_>) -> PathBuf {
    bench.place.target.join("node-packages")
}

fn install(bench: &Bench<'_>) -> Result<Done> {
    let source = bench.place.root.join("tests/environments/node");
    let wanted = std::fs::read_to_string(source.join("package-lock.json"))?;
    let (folder, stamp) = (folder(bench), folder(bench).join("installed.json"));
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(Done::Passed("is there already".into()));
    }
    npm(bench)?;
    std::fs::create_dir_all(&folder)?;
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        std::fs::copy(source.join(name), folder.join(name)).with_context(|| format!("copying {name}"))?;
    }
    let mut command = bench.command("npm");
    command.args(["ci", "--no-audit", "--no-fund", "--legacy-peer-deps", "--prefix"]).arg(&folder);
    bench.run(&mut command)?;
    std::fs::write(stamp, wanted)?;
    Ok(Done::Passed(String::new()))
}

fn npm(bench: &Bench<'_>) -> Result<()> {
    if exists("npm") {
        return Ok(());
    }
    let how = "npm is missing: install it (Debian: apt-get install npm) and try again";
    ensure!(exists("apt-get") && nix::unistd::geteuid().is_root(), how);
    bench.apt_install("npm").context(how)
}
