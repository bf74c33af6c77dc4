//! From text to config: the story of a check.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::catalogue::Catalogue;
use crate::mistake::{Mistakes, Source};
use crate::model::Config;
use crate::models::{self, Own};
use crate::node::Node;
use crate::notes::Notes;
use crate::routes::Common;
use crate::run_time::{self, Bases, Guard, NotServed, RunTime};
use crate::secret::Secret;
use crate::written::File;
use crate::{Command, Options, Sources, callers, credentials, provider, read, routes, server, yaml};

/// What checks share.
pub(crate) struct Check<'a> {
    pub(crate) notes: &'a Notes,
    pub(crate) catalogue: &'a Catalogue,
    /// What the operator says of models.
    pub(crate) models: &'a Own,
    /// What `credentials` defines, each under its name; `None` where it is wrong (noted by then).
    pub(crate) credentials: BTreeMap<String, Option<Vec<Secret>>>,
    /// Where the text's lines end, in bytes.
    line_ends: Vec<usize>,
    /// What routes of this text may not do; `None` for the config's own.
    pub(crate) guard: Option<Guard>,
    /// Credentials that the target under check uses.
    pub(crate) used: RefCell<Vec<String>>,
    /// Where the config sends which credential.
    pub(crate) bases: RefCell<Bases>,
    sources: &'a dyn Sources,
    files: RefCell<Vec<(PathBuf, Vec<u8>)>>,
    /// What commands and the store gave.
    values: RefCell<Vec<Secret>>,
    refresh: Cell<Option<Duration>>,
}

impl<'a> Check<'a> {
    fn new(
        text: &str,
        notes: &'a Notes,
        catalogue: &'a Catalogue,
        models: &'a Own,
        sources: &'a dyn Sources,
    ) -> Self {
        Self {
            notes,
            catalogue,
            models,
            credentials: BTreeMap::new(),
            line_ends: text.match_indices('\n').map(|(at, _)| at).collect(),
            guard: None,
            used: RefCell::default(),
            bases: RefCell::default(),
            sources,
            files: RefCell::default(),
            values: RefCell::default(),
            refresh: Cell::default(),
        }
    }

    /// For the routes that were made at run time: the same providers and credentials, and a guard.
    pub(crate) fn for_run_time<'b>(&mut self, text: &str, notes: &'b Notes, guard: Guard) -> Check<'b>
    where
        'a: 'b,
    {
        let new = Check::new(text, notes, self.catalogue, self.models, self.sources);
        Check {
            credentials: self.credentials.clone(),
            bases: self.bases.take().into(),
            guard: Some(guard),
            ..new
        }
    }

    /// The number of the line, from 1, in which the byte stands.
    pub(crate) fn line(&self, at: usize) -> usize {
        self.line_ends.partition_point(|end| *end < at) + 1
    }

    /// Whether a regular file is there.
    pub(crate) fn is_file(&self, path: &str) -> bool {
        self.sources.is_file(path)
    }

    /// An environment variable. Routes that are made at run time see none, and below no file, command and secret.
    pub(crate) fn env(&self, name: &str) -> Option<String> {
        self.sources.env(name).filter(|_| self.guard.is_none())
    }

    /// A file's content; from then on the file belongs to the config.
    pub(crate) fn file(&self, path: &str) -> std::io::Result<Option<Vec<u8>>> {
        if self.guard.is_some() {
            return Ok(None);
        }
        let content = self.sources.file(path)?;
        if let Some(content) = &content {
            self.files.borrow_mut().push((PathBuf::from(path), content.clone()));
        }
        Ok(content)
    }

    /// What a command prints; from then on its time to live is the config's.
    pub(crate) fn command(&self, command: &Command) -> std::io::Result<Vec<u8>> {
        self.unguarded()?;
        let ttl = self.refresh.get().map_or(command.ttl, |refresh| refresh.min(command.ttl));
        self.refresh.set(Some(ttl));
        self.sources.command(command)
    }

    /// A secret of the store.
    pub(crate) fn secret(&self, name: &str) -> std::io::Result<Option<Vec<u8>>> {
        self.unguarded()?;
        self.sources.secret(name)
    }

    fn unguarded(&self) -> std::io::Result<()> {
        match self.guard {
            None => Ok(()),
            Some(_) => Err(std::io::Error::other("a route that is made at run time has none")),
        }
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
    run_time: Option<RunTime<'_>>,
    sources: &dyn Sources,
    options: Options,
) -> Result<Config, Mistakes> {
    let document = yaml::parse(text).map_err(|unreadable| yaml::unreadable(text, file_name, unreadable))?;
    let notes = Notes::new(options.strict);
    for (key, span) in &document.duplicates {
        notes.duplicate(span.clone(), key);
    }
    let config = document.root.as_ref().and_then(|root| whole(text, root, run_time, sources, &notes));
    if document.root.is_none() {
        notes.mistake(0..0, "The gateway configuration is invalid: the file is empty");
    }
    conclude(Source::of(text, file_name, &document), notes, config)
}

/// Checks a document from top to bottom; what is wrong is noted.
fn whole(
    text: &str,
    root: &Node,
    run_time: Option<RunTime<'_>>,
    sources: &dyn Sources,
    notes: &Notes,
) -> Option<Config> {
    let file: File = read::read(root, notes)?;
    let providers = root.get("providers").and_then(Node::elements).unwrap_or_default();
    let mut catalogue = Catalogue::built_in();
    add_providers(&file, providers, &mut catalogue, notes);
    let models = file.models.value.as_ref().and_then(Option::as_deref).unwrap_or_default();
    let models = models::own(root, models, &catalogue, notes);
    let mut check = Check::new(text, notes, &catalogue, &models, sources);
    check.credentials = credentials::check(&check, root.get("credentials"));
    let server = server::check(&check, file.server.value.flatten());
    let defaults = file.defaults.value.flatten().unwrap_or_default();
    let common = Common { defaults: &defaults, timeouts: server.upstream };
    let mut routes = routes::check(&check, root, &common);
    let (callers, admin) = callers::check(&check, root, file.callers, file.admin, &routes);
    let (mut not_served, mut warnings) = (NotServed::default(), Vec::new());
    if let Some(run_time) = run_time {
        let private_addresses = admin.as_ref().is_some_and(|admin| admin.allow_private_addresses);
        let guard = Guard { private_addresses };
        let made;
        (made, not_served, warnings) = run_time::check(run_time, &mut check, &common, guard, &routes);
        routes.extend(made);
    }
    let (files, values) = (check.files.into_inner(), check.values.into_inner());
    Some(Config {
        hash: hash(text, run_time.map(|run_time| run_time.text), &files, &values),
        server,
        routes,
        callers,
        admin,
        warnings,
        not_served,
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
fn conclude(source: Source<'_>, notes: Notes, config: Option<Config>) -> Result<Config, Mistakes> {
    let mut found = notes.into_found();
    found.sort_by_key(|note| note.span.start);
    let (mistakes, warnings): (Vec<_>, Vec<_>) = found.into_iter().partition(|note| note.fatal);
    match config {
        Some(config) if mistakes.is_empty() => {
            let mut warnings: Vec<_> = warnings.into_iter().map(|note| source.show(note)).collect();
            warnings.extend(config.warnings);
            Ok(Config { warnings, ..config })
        }
        _ => Err(Mistakes::new(mistakes.into_iter().map(|note| source.show(note)).collect())),
    }
}

/// Twelve hex digits; lengths are part of it, so that no two sequences of contents give the same bytes.
fn hash(text: &str, run_time: Option<&str>, files: &[(PathBuf, Vec<u8>)], values: &[Secret]) -> String {
    let mut digest = Sha256::new();
    let contents = files.iter().map(|(_, content)| content.as_slice());
    let values = values.iter().map(|value| value.expose().as_bytes());
    for content in
        [Some(text), run_time].into_iter().flatten().map(str::as_bytes).chain(contents).chain(values)
    {
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
