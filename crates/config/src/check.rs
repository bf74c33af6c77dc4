//! From text to config: the story of a check.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::catalogue::Catalogue;
use crate::mask::Masks;
use crate::mistake::{Mistakes, Source};
use crate::model::Config;
use crate::node::{Document, Node};
use crate::notes::{Note, Notes};
use crate::secret::Secret;
use crate::written::File;
use crate::{Command, Options, Sources, callers, credentials, provider, read, routes, server, yaml};

/// What checks share.
pub(crate) struct Check<'a> {
    pub(crate) notes: &'a Notes,
    pub(crate) catalogue: &'a Catalogue,
    /// What `credentials` defines, each under its name; `None` where it is wrong (noted by then).
    pub(crate) credentials: BTreeMap<String, Option<Vec<Secret>>>,
    sources: &'a dyn Sources,
    files: RefCell<Vec<(PathBuf, Vec<u8>)>>,
    /// What commands and the store gave.
    values: RefCell<Vec<Secret>>,
    refresh: Cell<Option<Duration>>,
}

impl Check<'_> {
    /// An environment variable.
    pub(crate) fn env(&self, name: &str) -> Option<String> {
        self.sources.env(name)
    }

    /// A file's content; from then on the file belongs to the config.
    pub(crate) fn file(&self, path: &str) -> std::io::Result<Option<Vec<u8>>> {
        let content = self.sources.file(path)?;
        if let Some(content) = &content {
            self.files.borrow_mut().push((PathBuf::from(path), content.clone()));
        }
        Ok(content)
    }

    /// What a command prints; from then on its time to live is the config's.
    pub(crate) fn command(&self, command: &Command) -> std::io::Result<Vec<u8>> {
        let ttl = self.refresh.get().map_or(command.ttl, |refresh| refresh.min(command.ttl));
        self.refresh.set(Some(ttl));
        self.sources.command(command)
    }

    /// A secret of the store.
    pub(crate) fn secret(&self, name: &str) -> std::io::Result<Option<Vec<u8>>> {
        self.sources.secret(name)
    }

    /// Has a value tell one generation from another.
    pub(crate) fn depends_on(&self, value: &Secret) {
        self.values.borrow_mut().push(value.clone());
    }
}

/// See [`crate::check`].
pub(crate) fn check(
    text: &str,
    file_name: &str,
    sources: &dyn Sources,
    options: Options,
) -> Result<Config, Mistakes> {
    let file: Arc<str> = Arc::from(file_name);
    let document = yaml::parse(text).map_err(|unreadable| {
        let message = format!("The file at {file_name} is not a valid yaml file");
        let note = Note::mistake(unreadable.at..unreadable.at + 1, message).hint(unreadable.reason);
        let source = Source { text, file: Arc::clone(&file), root: None, masks: Masks::of_text(text) };
        Mistakes::new(vec![source.show(note)])
    })?;
    let notes = Notes::new(options.strict);
    for (key, span) in &document.duplicates {
        notes.duplicate(span.clone(), key);
    }
    let config = document.root.as_ref().and_then(|root| whole(text, root, sources, &notes));
    if document.root.is_none() {
        notes.mistake(0..0, "The gateway configuration is invalid: the file is empty");
    }
    conclude(text, file, &document, notes, config)
}

/// Checks a document from top to bottom; what is wrong is noted.
fn whole(text: &str, root: &Node, sources: &dyn Sources, notes: &Notes) -> Option<Config> {
    let file: File = read::read(root, notes)?;
    let providers = root.get("providers").and_then(Node::elements).unwrap_or_default();
    let mut catalogue = Catalogue::built_in();
    add_providers(&file, providers, &mut catalogue, notes);
    let mut check = Check {
        notes,
        catalogue: &catalogue,
        credentials: BTreeMap::new(),
        sources,
        files: RefCell::default(),
        values: RefCell::default(),
        refresh: Cell::default(),
    };
    check.credentials = credentials::check(&check, root.get("credentials"));
    let server = server::check(&check, file.server.value.flatten());
    let defaults = file.defaults.value.flatten().unwrap_or_default();
    let routes = routes::check(&check, root, &defaults, server.upstream);
    let (callers, admin) = callers::check(&check, root, file.callers, file.admin, &routes);
    let (files, values) = (check.files.into_inner(), check.values.into_inner());
    Some(Config {
        hash: hash(text, &files, &values),
        server,
        routes,
        callers,
        admin,
        warnings: Vec::new(),
        watched: watched(files),
        refresh: check.refresh.get(),
    })
}

fn add_providers(file: &File, nodes: &[Node], catalogue: &mut Catalogue, notes: &Notes) {
    for (provider, node) in file.providers.value.iter().flatten().flatten().zip(nodes) {
        let Some(block) = &provider.value else { continue };
        if block.name.is_empty() {
            notes.missing(node, None, "name", &[]);
        } else if !provider::check(block, node, notes) {
            // Said there.
        } else if !catalogue.add(block.clone()) {
            notes.mistake(provider.key.clone(), format!("The provider '{}' exists already", block.name));
        }
    }
}

/// Sorts what was found into warnings and mistakes.
fn conclude(
    text: &str,
    file: Arc<str>,
    document: &Document,
    notes: Notes,
    config: Option<Config>,
) -> Result<Config, Mistakes> {
    let source = Source { text, file, root: document.root.as_ref(), masks: Masks::of(document) };
    let mut found = notes.into_found();
    found.sort_by_key(|note| note.span.start);
    let (mistakes, warnings): (Vec<_>, Vec<_>) = found.into_iter().partition(|note| note.fatal);
    match config {
        Some(config) if mistakes.is_empty() => {
            Ok(Config { warnings: warnings.into_iter().map(|note| source.show(note)).collect(), ..config })
        }
        _ => Err(Mistakes::new(mistakes.into_iter().map(|note| source.show(note)).collect())),
    }
}

/// Twelve hex digits; lengths are part of it, so that no two sequences of contents give the same bytes.
fn hash(text: &str, files: &[(PathBuf, Vec<u8>)], values: &[Secret]) -> String {
    let mut digest = Sha256::new();
    let contents = files.iter().map(|(_, content)| content.as_slice());
    let values = values.iter().map(|value| value.expose().as_bytes());
    for content in std::iter::once(text.as_bytes()).chain(contents).chain(values) {
        digest.update((content.len() as u64).to_be_bytes());
        digest.update(content);
    }
    digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

fn watched(files: Vec<(PathBuf, Vec<u8>)>) -> Vec<PathBuf> {
    let mut paths: Vec<_> = files.into_iter().map(|(path, _)| path).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// MLflow's total timeout of an upstream call, in seconds, from its environment variable.
pub(crate) fn total_timeout(check: &Check<'_>) -> Option<Duration> {
    let seconds: f64 = check.env("MLFLOW_GATEWAY_ROUTE_TIMEOUT_SECONDS")?.trim().parse().ok()?;
    (seconds > 0.0 && seconds <= 604_800.0).then(|| Duration::from_secs_f64(seconds))
}
