//! A config's text to a checked [`Config`], or to every mistake in it at once.
//!
//! The text is MLflow's gateway YAML of any generation, with lockgate's own keys beside MLflow's. Nothing here reads a
//! file, an environment or a clock: whoever asks brings [`Sources`].

mod allowance;
mod aws;
mod callers;
mod catalogue;
mod check;
mod credentials;
mod headers;
mod keys;
mod limit;
mod listener;
mod mask;
mod mistake;
mod model;
mod models;
mod node;
mod notes;
mod provider;
mod public;
mod read;
mod refusal;
mod routes;
mod run_time;
mod scalar;
mod schema;
mod secret;
mod server;
mod settings;
mod suggest;
mod target;
mod template;
mod traffic;
mod values;
mod written;
mod yaml;

use std::time::Duration;

pub use allowance::{Allowance, Rate};
pub use callers::{Admin, Caller, KeyHash, Listen};
pub use listener::Tls;
pub use mistake::{Mistake, Mistakes};
pub use model::{
    Api, Config, Drain, Egress, Header, HttpService, Limit, Limits, ListenTimeouts, OnLoss, Proxy, Route,
    Server, Service, Share, Signing, StreamUsage, Style, Target, Timeouts,
};
pub use models::{Ability, Modality, ModelFacts, Price, Prices, Rates, Tier};
pub use public::is_public;
pub use refusal::{Bodies, Facts, Refusal, refused};
pub use run_time::{MOST_ROUTES, NotServed, Refused, RunTime, entries, is_name, text};
pub use secret::Secret;

/// The config that is served without one: chat, completions and embeddings of the `demo` provider.
pub const DEMO: &str = include_str!("demo.yaml");

/// Where a config's credentials and files come from.
pub trait Sources {
    /// An environment variable; `None` when it is not set or not Unicode.
    fn env(&self, name: &str) -> Option<String>;

    /// A file's content; `Ok(None)` when no regular file is there.
    ///
    /// # Errors
    /// When there is one that cannot be read, or (`NotFound`) when one was there for an earlier config and is gone: its
    /// path must not be taken for a key.
    fn file(&self, path: &str) -> std::io::Result<Option<Vec<u8>>>;

    /// Whether a regular file is there. It is not read.
    fn is_file(&self, _path: &str) -> bool {
        false
    }

    /// What a command prints.
    ///
    /// # Errors
    /// When it cannot be run, fails, prints nothing usable or takes too long. The text is shown to the operator: it
    /// holds nothing that the command printed but plain words.
    fn command(&self, _command: &Command) -> std::io::Result<Vec<u8>> {
        Err(std::io::Error::other("commands cannot be run here"))
    }

    /// A secret of the store; `Ok(None)` when the store has none of this name.
    ///
    /// # Errors
    /// When the store is not there, or cannot be opened. The text is shown to the operator.
    fn secret(&self, _name: &str) -> std::io::Result<Option<Vec<u8>>> {
        Err(std::io::Error::other("there is no secret store"))
    }
}

/// A command whose output is a credential.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Command {
    /// The program and its arguments; never empty. Arguments may be secret.
    pub argv: Vec<String>,
    /// How long it may run.
    pub timeout: Duration,
    /// How long its output is good.
    pub ttl: Duration,
}

impl Command {
    /// The program's name without its folders, for messages.
    pub fn name(&self) -> &str {
        let program = self.argv.first().map(String::as_str).unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or_default();
        if mask::presentable(name) { name } else { "…" }
    }
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { timeout, ttl, .. } = self;
        f.debug_struct("Command")
            .field("name", &self.name())
            .field("timeout", timeout)
            .field("ttl", ttl)
            .finish_non_exhaustive()
    }
}

/// How strict a check is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Unknown and duplicate keys are mistakes instead of warnings.
    pub strict: bool,
}

/// Checks a config whole. `file_name` is what mistakes call it.
///
/// # Errors
/// Every [`Mistake`], in the order of the file.
pub fn check(
    text: &str,
    file_name: &str,
    sources: &dyn Sources,
    options: Options,
) -> Result<Config, Mistakes> {
    check::check(text, file_name, None, sources, options)
}

/// Checks a config and, beside it, the routes that were made at run time. What is wrong with those is in
/// [`Config::not_served`] and refuses nothing else.
///
/// # Errors
/// Every [`Mistake`] of the config.
pub fn check_both(
    text: &str,
    file_name: &str,
    run_time: Option<RunTime<'_>>,
    sources: &dyn Sources,
    options: Options,
) -> Result<Config, Mistakes> {
    check::check(text, file_name, run_time, sources, options)
}

/// The JSON Schema of a config, for editors; made from the types that read it.
pub fn schema() -> serde_json::Value {
    schema::schema()
}
