//! The routes of a file, whatever generation it is of.

use std::collections::HashSet;
use std::sync::Arc;

use lockgate_dialects::canonical::Operation;
use serde_json::{Map, Value};

use crate::check::Check;
use crate::model::{Limit, Route, Share, Style, Timeouts};
use crate::node::{Node, Span};
use crate::notes::Note;
use crate::read::{self, At};
use crate::suggest::closest;
use crate::values::Plain;
use crate::written::{self, Defaults, Entry};
use crate::{allowance, limit, server, target, traffic};

const DUPLICATE_ROUTE: &str = "Duplicate names found in route configurations. Please remove the duplicate route name \
     from the configuration to ensure that route endpoints are created properly.";
const DUPLICATE_ENDPOINT: &str = "Duplicate names found in endpoint configurations. Please remove the duplicate \
     endpoint name from the configuration to ensure that endpoints are created properly.";
const DUPLICATE_EITHER: &str = "Duplicate names found in endpoint / route configurations. Please remove the duplicate \
     endpoint / route name from the configuration to ensure that endpoints / routes are created properly.";

/// What every route starts from.
pub(crate) struct Common<'a> {
    pub(crate) defaults: &'a Defaults,
    pub(crate) timeouts: Timeouts,
}

/// Checks `routes` and `endpoints`.
pub(crate) fn check(check: &Check<'_>, root: &Node, common: &Common<'_>) -> Vec<Route> {
    match (root.entry("endpoints"), root.entry("routes")) {
        (Some(endpoints), Some(split)) if traffic::is_split(&split.1) => {
            unique(check, &[&endpoints.1, &split.1], DUPLICATE_EITHER);
            let mut routes = list(check, endpoints, Style::Endpoints, common);
            let split = traffic::check(check, split, &endpoints.1, &routes, common);
            routes.extend(split);
            routes
        }
        (Some(endpoints), old) => {
            if let Some((key, _)) = old {
                check.notes.warning(key.span.clone(), "'routes' is ignored: the file has 'endpoints'");
            }
            unique(check, &[&endpoints.1], DUPLICATE_ENDPOINT);
            list(check, endpoints, Style::Endpoints, common)
        }
        (None, Some(split)) if traffic::is_split(&split.1) => {
            let hint = "the destinations of `routes` are endpoints of the same file";
            check.notes.add(Note::missing(root, Some(&split.0.span), "endpoints").hint(hint));
            Vec::new()
        }
        (None, Some(routes)) => {
            unique(check, &[&routes.1], DUPLICATE_ROUTE);
            list(check, routes, Style::Classic, common)
        }
        (None, None) => {
            let hint = "a config has `routes` (MLflow 2.5 to 2.8) or `endpoints` (MLflow 2.9 and later)";
            check.notes.add(Note::missing(root, None, "endpoints").hint(hint));
            Vec::new()
        }
    }
}

/// Notes every name that stands a second time.
fn unique(check: &Check<'_>, lists: &[&Node], message: &str) {
    let mut seen = HashSet::new();
    for element in lists.iter().filter_map(|list| list.elements()).flatten() {
        let Some(name) = element.get("name") else { continue };
        if let Some(text) = name.text()
            && !seen.insert(text)
        {
            check.notes.mistake(name.span.clone(), message);
        }
    }
}

fn list(check: &Check<'_>, (key, list): &(Node, Node), style: Style, common: &Common<'_>) -> Vec<Route> {
    let Some(elements) = list.elements() else {
        let message = format!("Input should be a valid list, not {}", list.kind());
        check.notes.wrong(key.span.clone(), message);
        return Vec::new();
    };
    elements.iter().filter_map(|element| route(check, element, style, common)).collect()
}

/// Checks one route, and not whether another has its name.
pub(crate) fn route(check: &Check<'_>, node: &Node, style: Style, common: &Common<'_>) -> Option<Route> {
    let entry: Entry = read::read(node, check.notes)?;
    let name = name(check, node, &entry.name);
    let (operation, style) = operation(check, node, &entry, style);
    let limit = entry.limit.value.as_ref().and_then(Option::as_ref);
    let limit = limit.and_then(|written| self::limit(check, node, &entry.limit.key, written));
    let timeouts =
        server::timeouts(check, entry.timeouts.value.as_ref().and_then(Option::as_ref), common.timeouts);
    let target = target::check(check, node, &entry, operation);
    let (name, operation, target) = (name?, operation?, target?);
    Some(Route {
        name,
        run_time: false,
        line: check.line(node.span.start),
        style,
        operation,
        targets: vec![Share { target: Arc::new(target), weight: 100 }],
        limit,
        limits: allowance::check(check, node),
        defaults: parameters(common.defaults, operation, entry.defaults.value.flatten()),
        forced: entry.forced.value.flatten().unwrap_or_default(),
        timeouts,
        on_loss: otherwise(&entry.on_loss, &common.defaults.on_loss),
        usage: otherwise(&entry.usage, &common.defaults.usage),
    })
}

/// A route's name: letters and digits of any script, `_`, `-` and `.`.
pub(crate) fn name(check: &Check<'_>, node: &Node, written: &At<Plain>) -> Option<String> {
    match &written.value {
        None => {
            check.notes.missing(node, None, "name", &[]);
            None
        }
        Some(Plain::Other(_)) => {
            check.notes.wrong(written.span.clone(), "Input should be a valid string");
            None
        }
        Some(Plain::Text(name)) => {
            let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
            if !name.is_empty() && name.chars().all(allowed) {
                return Some(name.clone());
            }
            let message = format!(
                "The route name provided contains disallowed characters for a url endpoint. '{name}' is invalid. \
                 Names cannot contain spaces or any non alphanumeric characters other than hyphen and underscore."
            );
            check.notes.mistake(written.span.clone(), message);
            None
        }
    }
}

/// What a route is asked to do, and what its bodies look like.
fn operation(check: &Check<'_>, node: &Node, entry: &Entry, style: Style) -> (Option<Operation>, Style) {
    let (written, style) = match (entry.endpoint_type.written, entry.route_type.written) {
        (true, _) => (&entry.endpoint_type, Style::Endpoints),
        (false, true) => (&entry.route_type, style),
        (false, false) => {
            let name = if style == Style::Classic { "route_type" } else { "endpoint_type" };
            check.notes.missing(node, None, name, &["type", "task_type", "endpoint", "route"]);
            return (None, style);
        }
    };
    if style == Style::Endpoints && entry.route_type.written {
        let message = "'route_type' is deprecated under 'endpoints'; use 'endpoint_type' instead";
        check.notes.warning(entry.route_type.key.clone(), message);
    }
    (operation_of(check, written), style)
}

/// The operation that a route type names.
pub(crate) fn operation_of(check: &Check<'_>, written: &At<Plain>) -> Option<Operation> {
    let (Plain::Text(label) | Plain::Other(label)) = written.value.as_ref()?;
    let operation = match &written.value {
        Some(Plain::Text(text)) => Operation::of_route_type(text),
        _ => None,
    };
    if operation.is_none() {
        let known = Operation::ALL.map(Operation::route_type);
        let meant = closest(label, known.into_iter()).or_else(|| {
            let words = Operation::ALL.map(|operation| (operation.mlflow_word(), operation.route_type()));
            let last = label.rsplit(['/', '_']).next().unwrap_or_default();
            let word = closest(last, words.iter().map(|(word, _)| *word))?;
            words.into_iter().find(|(known, _)| *known == word).map(|(_, route_type)| route_type)
        });
        let hint = meant.map_or_else(
            || format!("one of {}", known.join(", ")),
            |meant| format!("did you mean `{meant}`?"),
        );
        let message = format!("The route_type '{label}' is not supported.");
        check.notes.add(Note::mistake(written.span.clone(), message).hint(hint));
    }
    operation
}

fn limit(check: &Check<'_>, node: &Node, key: &Span, written: &written::Limit) -> Option<Limit> {
    let node = node.get("limit")?;
    for (name, there) in
        [("calls", written.calls.written), ("renewal_period", written.renewal_period.written)]
    {
        if !there {
            check.notes.missing(node, Some(key), name, &[]);
        }
    }
    let calls = written.calls.value?;
    let period = written.renewal_period.value.as_deref()?;
    match limit::parse(calls.0, period, written.key.value.clone().flatten()) {
        Some((limit, further)) => {
            if further {
                check
                    .notes
                    .warning(written.renewal_period.span.clone(), "only the first of these limits counts");
            }
            Some(limit)
        }
        None => {
            let span = if calls.0 < 0 { &written.calls.span } else { &written.renewal_period.span };
            let hint = "`calls` is a whole number from 0, `renewal_period` such as `minute` or `5 minutes`";
            check.notes.add(Note::mistake(span.clone(), limit::UNREADABLE).hint(hint));
            None
        }
    }
}

/// A route's own word, else the common one, else the default.
pub(crate) fn otherwise<T: Copy + Default>(own: &At<Option<T>>, common: &At<Option<T>>) -> T {
    own.value.flatten().or(common.value.flatten()).unwrap_or_default()
}

/// A route's own defaults over those of its operation.
pub(crate) fn parameters(
    common: &Defaults,
    operation: Operation,
    own: Option<Map<String, Value>>,
) -> Map<String, Value> {
    let shared = match operation {
        Operation::Chat => &common.chat,
        Operation::Complete => &common.completions,
        Operation::Embed => &common.embeddings,
        Operation::Rerank => &common.rerank,
    };
    let mut parameters = shared.value.clone().flatten().unwrap_or_default();
    parameters.extend(own.unwrap_or_default());
    parameters
}
