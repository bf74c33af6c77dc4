//! `lockgate secrets`: the encrypted file from the operator's side. Values come from stdin or a terminal, never from an
//! argument, which other users and the shell's history see.

use crate::args::{Secrets, SecretsCommand, Variant};
use anyhow::{Context, bail, ensure};
use lockgate_secrets::{FileStore, NEW_PASSPHRASE, Opener};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Bytes that are read of a value: one more than a secret may have.
const MOST_BYTES: u64 = (64 << 10) + 2;

/// Does what was asked.
///
/// # Errors
/// Why not, for the operator, without any secret.
pub(crate) fn run(asked: Secrets) -> anyhow::Result<()> {
    let path = asked.store.unwrap_or_else(location);
    let locked = FileStore::new(&path, None);
    match asked.command {
        SecretsCommand::Set { name, value } => {
            ensure!(
                value.is_empty(),
                "a value is not taken from the command line, where others can see it: write it to stdin, or leave it \
                 out to be asked for it"
            );
            ensure!(lockgate_secrets::is_name(&name), "{}", lockgate_secrets::Problem::Name);
            let store = FileStore::new(&path, Some(opener(&locked)?));
            store.set(&name, &given(&name)?)?;
            say(&format!("'{name}' is set in {}\n", path.display()))
        }
        SecretsCommand::List => list(&locked),
        SecretsCommand::Rm { name } => {
            ensure!(locked.remove(&name)?, "there is no secret '{name}' in {}", path.display());
            say(&format!("'{name}' is gone from {}\n", path.display()))
        }
        SecretsCommand::Rotate { new_key_file } => {
            let old = opener(&locked)?;
            FileStore::new(&path, Some(old)).rotate(&new_opener(new_key_file)?)?;
            say(&format!("{} has a new key\n", path.display()))
        }
    }
}

/// The store where nothing on the command line says otherwise.
fn location() -> PathBuf {
    let config = Variant::Plain.variables().iter().filter_map(std::env::var_os).find(|path| !path.is_empty());
    let config = config.map(PathBuf::from);
    lockgate_secrets::location(std::env::var_os(lockgate_secrets::FILE), config.as_deref())
}

/// What opens the store, or is to close a new one: from the environment, else asked for.
fn opener(store: &FileStore) -> anyhow::Result<Opener> {
    if let Some(opener) = Opener::from_environment(|name| std::env::var(name).ok())? {
        return Ok(opener);
    }
    match store.takes_passphrase()? {
        Some(true) => Ok(Opener::Passphrase(hidden("Passphrase of the store: ")?)),
        Some(false) => bail!("the store is opened by a key file: set {}", lockgate_secrets::KEY_FILE),
        None => Ok(Opener::Passphrase(twice("Passphrase for the new store: ")?)),
    }
}

fn new_opener(key_file: Option<PathBuf>) -> anyhow::Result<Opener> {
    if let Some(path) = key_file {
        return Ok(Opener::KeyFile(path));
    }
    match std::env::var(NEW_PASSPHRASE).ok().filter(|passphrase| !passphrase.is_empty()) {
        Some(passphrase) => Ok(Opener::Passphrase(Zeroizing::new(passphrase))),
        None => Ok(Opener::Passphrase(twice("New passphrase of the store: ")?)),
    }
}

/// The value of a secret: from stdin, without a line break at its end.
fn given(name: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    if io::stdin().is_terminal() {
        return Ok(Zeroizing::new(hidden(&format!("Value of '{name}': "))?.as_bytes().to_vec()));
    }
    let mut value = Zeroizing::new(Vec::with_capacity(MOST_BYTES as usize));
    io::stdin().lock().take(MOST_BYTES).read_to_end(&mut value).context("stdin cannot be read")?;
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
    Ok(value)
}

/// What is typed on the terminal, also where stdin is something else.
fn hidden(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    let typed = rpassword::prompt_password(prompt).with_context(|| {
        format!(
            "there is no terminal to ask on: set {} or {}",
            lockgate_secrets::PASSPHRASE,
            lockgate_secrets::KEY_FILE
        )
    })?;
    Ok(Zeroizing::new(typed))
}

/// A new passphrase, typed twice: nobody could open the store after a slip.
fn twice(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    let typed = hidden(prompt)?;
    ensure!(hidden("Once more: ")? == typed, "the two differ; nothing was changed");
    Ok(typed)
}

/// Names and dates.
fn list(store: &FileStore) -> anyhow::Result<()> {
    let listed = store.list()?;
    let width = listed.iter().map(|secret| secret.name.len()).max().unwrap_or(0).max("NAME".len());
    let mut text = format!("{:width$}  {:29}  CREATED\n", "NAME", "CHANGED");
    for secret in listed {
        let (changed, created) = (date(secret.changed), date(secret.created));
        writeln!(text, "{:width$}  {changed:29}  {created}", secret.name)?;
    }
    say(&text)
}

/// As HTTP writes it; whatever no calendar has is left out.
fn date(unix: u64) -> String {
    // The year 9999 is the last that HTTP can write.
    let time = (unix < 253_402_300_800).then(|| UNIX_EPOCH + Duration::from_secs(unix));
    time.map(httpdate::fmt_http_date).unwrap_or_default()
}

fn say(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        // A reader such as `head` that has enough is no error.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
