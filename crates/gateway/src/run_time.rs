//! Changes of routes at run time: the one place that decides about them and writes them down.
//!
//! A change is applied to what stands in the state file now, checked together with the config as a whole, written, and
//! then served, in this order. The reloader makes one after the other, so none is lost.

use crate::reload::{LoadError, load_with};
use crate::server::Settings;
use crate::snapshot::Route;
use crate::sources::System;
use crate::state::StateFile;
use http::StatusCode;
use lockgate_config::{Config, MOST_ROUTES, RunTime};
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A change that waits to be made.
pub(crate) struct Change {
    pub(crate) edit: Edit,
    /// The route as it serves from now on; none after it was deleted. Nothing is changed once nobody waits for this.
    pub(crate) reply: oneshot::Sender<Result<Option<Arc<Route>>, Refusal>>,
}

/// What is to be changed.
#[derive(Clone)]
pub(crate) enum Edit {
    /// A new route, as it stands in the file; it has a name.
    Create(Map<String, Value>),
    /// The same for one that is there.
    Replace(Map<String, Value>),
    Delete(String),
    /// MLflow's limit of a route; none to lift it.
    Limit(String, Option<Value>),
}

/// Why a change is not made.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// For the log: nothing of what was sent.
    pub(crate) reason: &'static str,
    /// For whoever sent it.
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        Self { status, reason, detail: detail.into() }
    }

    pub(crate) fn conflict(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, reason, detail)
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "the route is invalid", detail)
    }

    pub(crate) fn unavailable(reason: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, reason, detail)
    }
}

impl Edit {
    /// The name of the route that it concerns.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Create(entry) | Self::Replace(entry) => name_of(entry),
            Self::Delete(name) | Self::Limit(name, _) => name,
        }
    }

    /// Makes it in a list of routes.
    fn make(&self, entries: &mut Vec<Map<String, Value>>) {
        let at = entries.iter().position(|entry| name_of(entry) == self.name());
        match (self, at) {
            (Self::Create(entry), _) => entries.push(entry.clone()),
            (Self::Replace(entry), Some(at)) => entries[at] = entry.clone(),
            (Self::Delete(_), Some(at)) => drop(entries.remove(at)),
            (Self::Limit(_, Some(limit)), Some(at)) => {
                entries[at].insert("limit".to_owned(), limit.clone());
            }
            (Self::Limit(_, None), Some(at)) => drop(entries[at].shift_remove("limit")),
            (_, None) => {}
        }
    }
}

fn name_of(entry: &Map<String, Value>) -> &str {
    entry.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// Makes a change and writes it down; the config that is to serve from now on. Blocks. Nothing is written once `wanted`
/// says no.
pub(crate) fn apply(
    settings: &Settings,
    system: &System,
    state: Option<&StateFile>,
    edit: &Edit,
    wanted: impl Fn() -> bool,
) -> Result<Config, Refusal> {
    let state = state.ok_or_else(|| {
        let detail =
            "This gateway keeps no routes of its own; start it with --state-dir DIR (or LOCKGATE_STATE_DIR)";
        Refusal::conflict("there is no state directory", detail)
    })?;
    let failed = |error: std::io::Error| {
        let detail = format!("The state directory cannot be used: {error}; nothing was changed");
        Refusal::unavailable("the state directory cannot be used", detail)
    };
    let _alone = state.alone().map_err(failed)?;
    let file_name = state.path().display().to_string();
    let before = state.read().map_err(|error| damaged(&error.to_string()))?;
    let file = before.as_ref().map(|text| RunTime { text, file_name: &file_name });
    let config = load_with(settings, system, file).map_err(|error| refused_config(&error))?;
    if let Some(why) = &config.not_served.damaged {
        return Err(damaged(why));
    }
    let entries = file.map(lockgate_config::entries).transpose();
    let mut entries = entries.map_err(|why| damaged(&why.to_string()))?.unwrap_or_default();
    check_name(edit, &config, &entries, settings)?;
    edit.make(&mut entries);
    let text = lockgate_config::text(&entries).ok_or_else(|| {
        Refusal::invalid("The route is too large or too deeply nested to be kept, or it has a key '<<'")
    })?;
    let file = RunTime { text: &text, file_name: &file_name };
    let config = load_with(settings, system, Some(file)).map_err(|error| refused_config(&error))?;
    if !matches!(edit, Edit::Delete(_)) {
        check_outcome(edit.name(), &config)?;
    }
    if !wanted() {
        return Err(Refusal::unavailable(
            "it took too long",
            "The change took too long; nothing was changed",
        ));
    }
    state.write(&text).map_err(failed)?;
    state.was_good(Some(text));
    Ok(config)
}

/// Whether the name may be used so.
fn check_name(
    edit: &Edit,
    config: &Config,
    entries: &[Map<String, Value>],
    settings: &Settings,
) -> Result<(), Refusal> {
    let name = edit.name();
    let made = entries.iter().any(|entry| name_of(entry) == name);
    let of_config = config.routes.iter().find(|route| route.name == name && !route.run_time);
    match (edit, of_config, made) {
        (Edit::Delete(_), _, true) | (_, None, true) if !matches!(edit, Edit::Create(_)) => Ok(()),
        (_, Some(route), _) => {
            let file = settings.config_path.as_ref().map(|path| path.display().to_string());
            let file = file.unwrap_or_else(|| "the built-in config".to_owned());
            let detail = format!(
                "The config file defines the route '{name}' ({file}, line {}); change it there, or take another name",
                route.line
            );
            Err(Refusal::conflict("the config file defines this route", detail))
        }
        (Edit::Create(_), None, true) => {
            let detail = format!("The route '{name}' exists already; PUT changes it, DELETE deletes it");
            Err(Refusal::conflict("a route has this name", detail))
        }
        (Edit::Create(_), None, false) if entries.len() >= MOST_ROUTES => {
            let detail = format!("At most {MOST_ROUTES} routes can be made at run time; delete one first");
            Err(Refusal::conflict("there are too many routes", detail))
        }
        (Edit::Create(_), None, false) => Ok(()),
        (_, None, _) => {
            let detail = format!("No route '{name}' was made at run time; POST makes one");
            Err(Refusal::new(StatusCode::NOT_FOUND, "there is no such route", detail))
        }
    }
}

/// Whether the route that was sent would serve.
fn check_outcome(name: &str, config: &Config) -> Result<(), Refusal> {
    if let Some(refused) = config.not_served.refused.iter().find(|refused| refused.name == name) {
        return Err(Refusal::invalid(refused.short.clone()));
    }
    match &config.not_served.damaged {
        Some(why) => Err(Refusal::invalid(why.clone())),
        None => Ok(()),
    }
}

fn damaged(why: &str) -> Refusal {
    let detail = format!(
        "The file of the routes that were made at run time is damaged, so nothing is changed until it is mended or \
         taken away: {why}"
    );
    Refusal::unavailable("the state file is damaged", detail)
}

fn refused_config(why: &LoadError) -> Refusal {
    let detail = format!("The config file is refused, so nothing is changed until it is mended: {why}");
    Refusal::conflict("the config file is refused", detail)
}
