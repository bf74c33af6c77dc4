//! The command `lockgate`.

mod args;
mod check;
mod keys;
mod logs;
mod secrets;
mod start;

use args::{Command, Deployments, Gateway, Keys, Lockgate, Variant};
use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Many small pieces of many sizes, made on one worker and freed on it: what mimalloc is fast at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Lockgate::parse().command {
        Command::Start(start) => start::run(start, Variant::Plain),
        Command::Gateway(Gateway::Start(start)) => start::run(start, Variant::Gateway),
        Command::Deployments(Deployments::StartServer(start)) => start::run(start, Variant::Deployments),
        Command::Secrets(asked) => finish(secrets::run(asked)),
        Command::Check { file } => check::run(file),
        Command::Keys(Keys::New { name }) => finish(keys::new(&name)),
        Command::Keys(Keys::Hash) => finish(keys::hash()),
        Command::Schema => finish(schema()),
    }
}

/// The config's JSON Schema, for editors.
fn schema() -> anyhow::Result<()> {
    let schema = serde_json::to_string_pretty(&lockgate_config::schema())?;
    match writeln!(std::io::stdout(), "{schema}") {
        // A reader such as `head` that has enough is no error.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Says what went wrong in one line. Status 1.
fn finish(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("Error: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Writes to stderr, for a second at most: a reader that is stuck does not keep the process. Nothing is left to be
/// done when it fails.
fn say(text: &str) {
    let text = text.to_owned();
    let (written, done) = mpsc::channel();
    thread::spawn(move || {
        _ = std::io::stderr().write_all(text.as_bytes());
        _ = written.send(());
    });
    _ = done.recv_timeout(Duration::from_secs(1));
}
