//! A config's text to a checked [`Config`], or to every mistake in it at once.
//!
//! The text is MLflow's gateway YAML of any generation, with lockgate's own keys beside MLflow's. Nothing here reads a
//! file, an environment or a clock: whoever asks brings [`Sources`].

mod catalogue;
mod check;
mod headers;
mod keys;
mod limit;
mod mask;
mod mistake;
mod model;
mod node;
mod notes;
mod provider;
mod read;
mod refusal;
mod routes;
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

pub use mistake::{Mistake, Mistakes};
pub use model::{
    Api, Config, Drain, Egress, Header, HttpService, Limit, Limits, ListenTimeouts, Proxy, Route, Server,
    Service, Share, Style, Target, Timeouts,
};
pub use refusal::{Bodies, Facts, Refusal, refused};
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
    check::check(text, file_name, sources, options)
}

/// The JSON Schema of a config, for editors; made from the types that read it.
pub fn schema() -> serde_json::Value {
    schema::schema()
}
