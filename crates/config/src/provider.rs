//! What a provider block must hold together, a user's as much as one of the catalogue.

use lockgate_dialects::canonical::Operation;

use crate::aws;
use crate::catalogue::{HowTo, Provider};
use crate::headers::is_token;
use crate::models::published_names;
use crate::node::Node;
use crate::notes::{Note, Notes};
use crate::suggest::closest;
use crate::template;

/// Checks a block; false when something was noted.
pub(crate) fn check(provider: &Provider, node: &Node, notes: &Notes) -> bool {
    let mut whole = templates(provider, node, notes);
    whole &= versions(provider, node, notes);
    whole &= header_names(provider, node, notes);
    whole &= facts(provider, node, notes);
    for operation in Operation::ALL {
        if let Some(how) = provider.operations.of(operation) {
            let at = node.get("operations").and_then(|operations| operations.get(operation.mlflow_word()));
            let at = at.unwrap_or(node);
            whole &= dialect(how, operation, at, notes);
            if let Some(beyond) = &how.beyond_mlflow {
                whole &= dialect(beyond, operation, at.get("beyond_mlflow").unwrap_or(at), notes);
            }
        }
    }
    let asked = Operation::ALL.iter().any(|operation| provider.operations.of(*operation).is_some());
    if asked && provider.base.is_none() {
        notes.missing(node, None, "base", &["url"]);
        whole = false;
    }
    if !asked && !provider.in_process && provider.unavailable.is_none() {
        notes.missing(node, None, "operations", &[]);
        whole = false;
    }
    whole
}

/// Every template names config keys only.
fn templates(provider: &Provider, node: &Node, notes: &Notes) -> bool {
    let variants = provider.variants.iter().flat_map(|variants| variants.kinds.values());
    let operations = Operation::ALL.iter().filter_map(|operation| provider.operations.of(*operation));
    let parts = [&provider.base, &provider.prefix, &provider.query].into_iter().flatten();
    let parts = parts.chain(provider.config.values().filter_map(|key| key.default.as_ref()));
    let all = parts
        .chain(provider.headers.values())
        .chain(variants.clone().flat_map(|variant| variant.headers.values()))
        .chain(variants.filter_map(|variant| variant.prefix.as_ref()))
        .chain(operations.flat_map(HowTo::paths));
    let mut whole = true;
    for template in all {
        let unknown = match template::keys(template) {
            Some(keys) => keys.into_iter().find(|key| !is_known(provider, key)),
            None => Some("{"),
        };
        if let Some(key) = unknown {
            let message = format!("a template names '{key}', which is no key of the provider's `config`");
            let note = Note::mistake(node.head(), message);
            notes.add(match closest(key, provider.config.keys().map(String::as_str)) {
                Some(meant) => note.hint(format!("did you mean `{meant}`?")),
                None => note,
            });
            whole = false;
        }
    }
    whole
}

/// What depends on a config key's value names config keys only.
fn versions(provider: &Provider, node: &Node, notes: &Notes) -> bool {
    let variants = provider.variants.iter().flat_map(|variants| variants.kinds.values());
    let mut keys = variants.flat_map(|variant| variant.stream_options_since.keys());
    let unknown = keys.find(|key| !provider.config.contains_key(*key));
    if let Some(key) = unknown {
        let message =
            format!("'stream_options_since' names '{key}', which is no key of the provider's `config`");
        notes.mistake(node.head(), message);
    }
    unknown.is_none()
}

/// Whether a template may name `key`.
fn is_known(provider: &Provider, key: &str) -> bool {
    key == "model" || provider.config.contains_key(key) || provider.aws.is_some() && key == aws::REGION
}

fn header_names(provider: &Provider, node: &Node, notes: &Notes) -> bool {
    let variants = provider.variants.iter().flat_map(|variants| variants.kinds.values());
    let mut names = provider.headers.keys().chain(variants.flat_map(|variant| variant.headers.keys()));
    let wrong = names.any(|name| !is_token(name));
    if wrong {
        notes.mistake(node.head(), "one of its headers has a name that is not the name of a header");
    }
    !wrong
}

/// Facts of models can be had under the names that it gives.
fn facts(provider: &Provider, node: &Node, notes: &Notes) -> bool {
    let variants = provider.variants.iter().flat_map(|variants| variants.kinds.values());
    let mut named = provider.models.facts.iter().chain(variants.filter_map(|variant| variant.facts.as_ref()));
    let unknown = named.find(|name| !published_names().any(|known| known == name.as_str()));
    if let Some(name) = unknown {
        let at = node.get("models").and_then(|models| models.get("facts")).map(|facts| facts.span.clone());
        let note = Note::mistake(
            at.unwrap_or_else(|| node.head()),
            format!("nothing is known of the models of a provider '{name}'"),
        );
        notes.add(match closest(name, published_names()) {
            Some(meant) => note.hint(format!("did you mean `{meant}`?")),
            None => note.hint(format!("one of {}", published_names().collect::<Vec<_>>().join(", "))),
        });
    }
    unknown.is_none()
}

/// The dialect exists and has the operation.
fn dialect(how: &HowTo, operation: Operation, node: &Node, notes: &Notes) -> bool {
    let span = node.get("dialect").map_or_else(|| node.head(), |dialect| dialect.span.clone());
    let speaks =
        |name: &&str| lockgate_dialects::by_name(name).is_some_and(|dialect| dialect.speaks(operation));
    let known: Vec<_> = lockgate_dialects::names().filter(speaks).collect();
    if known.contains(&how.dialect.as_str()) {
        if how.streams && !can_stream(&how.dialect, operation) {
            notes.mistake(span, format!("the dialect '{}' cannot stream", how.dialect));
            return false;
        }
        if how.stream_path.is_some() && !how.streams {
            let span = node.get("stream_path").map_or(span, |path| path.span.clone());
            notes.add(
                Note::mistake(span, "a path for streams of an operation that does not stream")
                    .hint("add `streams: true`"),
            );
            return false;
        }
        return true;
    }
    let word = operation.mlflow_word();
    let note = Note::mistake(span, format!("there is no dialect '{}' for {word}", how.dialect));
    notes.add(match closest(&how.dialect, known.iter().copied()) {
        Some(meant) => note.hint(format!("did you mean `{meant}`?")),
        None => note.hint(format!("one of {}", known.join(", "))),
    });
    false
}

fn can_stream(dialect: &str, operation: Operation) -> bool {
    let Some(dialect) = lockgate_dialects::by_name(dialect) else { return false };
    match operation {
        Operation::Chat => dialect.chat().and_then(|codec| codec.stream_decoder()).is_some(),
        Operation::Complete => dialect.complete().and_then(|codec| codec.stream_decoder()).is_some(),
        Operation::Embed | Operation::Rerank => false,
    }
}
