//! What a user sees of a config: whether it is refused, what is said about it, and what becomes of it.

mod aws;
mod callers;
mod credentials;
mod hostile;
mod limits;
mod models;
mod outcome;
mod rendering;
mod resolved;
mod secrets;

use std::collections::HashMap;
use std::io;

use lockgate_config::{Command, Config, Mistakes, Options, Sources};

/// An environment and files for tests.
#[derive(Default)]
struct World {
    env: HashMap<String, String>,
    files: HashMap<String, Vec<u8>>,
}

impl World {
    /// `$KEY` is set, `$EMPTY` is empty, `key.txt` and `ca.pem` exist, `locked.txt` cannot be read.
    fn usual() -> Self {
        let env = [("KEY", "sk-env"), ("EMPTY", "")];
        let files = [
            ("key.txt", "sk-file\n"),
            ("two-lines.txt", "sk-file\nmore\n"),
            ("ca.pem", "-----BEGIN CERTIFICATE-----\n"),
        ];
        Self {
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            files: files.map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec())).into(),
        }
    }
}

impl Sources for World {
    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn file(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match path {
            "locked.txt" => Err(io::ErrorKind::PermissionDenied.into()),
            _ if path.len() > 255 => Err(io::ErrorKind::InvalidFilename.into()),
            _ => Ok(self.files.get(path).cloned()),
        }
    }

    /// `say WORD` prints a line, everything else fails.
    fn command(&self, command: &Command) -> io::Result<Vec<u8>> {
        match &command.argv[..] {
            [program, word] if program == "say" => Ok(format!("{word}\n").into_bytes()),
            _ => Err(io::Error::other("exit status 1")),
        }
    }

    /// The store has `stored`.
    fn secret(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match name {
            "locked" => Err(io::Error::other("the store is locked")),
            _ => Ok((name == "stored").then(|| b"sk-stored".to_vec())),
        }
    }
}

fn check(text: &str) -> Result<Config, Mistakes> {
    lockgate_config::check(text, "c.yaml", &World::usual(), Options::default())
}

fn check_strictly(text: &str) -> Result<Config, Mistakes> {
    lockgate_config::check(text, "c.yaml", &World::usual(), Options { strict: true })
}

/// A file with one classic chat route of this model.
fn chat(model: &str) -> String {
    format!("routes:\n  - name: a\n    route_type: llm/v1/chat\n    model: {model}\n")
}

/// A file with one classic chat route of OpenAI with this config.
fn openai(config: &str) -> String {
    chat(&format!("{{provider: openai, name: gpt-4, config: {config}}}"))
}

/// A file with a good endpoint and, below it, these lines.
fn endpoint(lines: &str) -> String {
    format!(
        "endpoints:\n  - name: a\n    endpoint_type: llm/v1/chat\n    model:\n      provider: openai\n      \
         name: gpt-4\n      config: {{openai_api_key: k}}\n{lines}"
    )
}
