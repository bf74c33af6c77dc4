//! `lockgate keys`: new keys for callers, and the hashes that a config holds of them.

use crate::say;
use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lockgate_config::KeyHash;
use std::io::{IsTerminal, Read, Write};

/// What keys begin with, so that people and scanners know them.
const PREFIX: &str = "lg-";
/// Bytes of randomness.
const RANDOM: usize = 32;
/// The gateway does not look at longer ones.
const LONGEST: usize = 1024;
/// Shorter keys may be words, which are found by trying.
const SHORT: usize = 32;

/// Prints a new key and what a config says of it. Nothing is kept.
pub(crate) fn new(name: &str) -> anyhow::Result<()> {
    let mut random = [0; RANDOM];
    getrandom::fill(&mut random).context("the system gives no random numbers")?;
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let hash = KeyHash::of(key.as_bytes());
    // A name that YAML would read as something else stands in quotes.
    let name = serde_json::to_string(name)?;
    print(&format!(
        "# The key, which nothing shows again. Whoever calls keeps it.\n{key}\n\n\
         # What the config says of it:\ncallers:\n  - name: {name}\n    key: {hash}\n"
    ))
}

/// Prints the hash of the key on stdin.
pub(crate) fn hash() -> anyhow::Result<()> {
    let mut key = String::new();
    if std::io::stdin().is_terminal() {
        key = rpassword::prompt_password("Key: ").context("there is no terminal to ask on")?;
    } else {
        let read = std::io::stdin().take(LONGEST as u64 + 2).read_to_string(&mut key);
        read.context("the key on stdin is no text")?;
    }
    let key = key.trim_end_matches(['\r', '\n']);
    ensure!(!key.is_empty(), "there is no key on stdin; try `lockgate keys new`");
    ensure!(key.len() <= LONGEST, "the key is longer than {LONGEST} bytes");
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("the key holds a space or another character that no header can carry");
    }
    if key.len() < SHORT {
        say("Warning: a key this short may be found by trying; `lockgate keys new` makes one that is not\n");
    }
    print(&format!("{}\n", KeyHash::of(key.as_bytes())))
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("stdout is closed")
}
