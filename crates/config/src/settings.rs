//! A route's `config`: the provider's keys, as the provider's catalogue file describes them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::aws;
use crate::catalogue::{ConfigKey, Kind, Named, Provider, Variant, Variants};
use crate::check::Check;
use crate::keys;
use crate::model::Signing;
use crate::node::{Content, Node};
use crate::notes::Note;
use crate::run_time;
use crate::secret::Secret;
use crate::suggest::closest;
use crate::template::fill;
use crate::written::Entry;

/// What a route's `config` says, defaults included.
pub(crate) struct Settings<'a> {
    values: BTreeMap<String, Secret>,
    /// Keys of which there are several, each list as long as the others; `values` holds the first of each.
    several: BTreeMap<String, Vec<Secret>>,
    /// Callers bring the keys.
    pub(crate) brought: bool,
    /// The kind of the provider.
    pub(crate) variant: Option<&'a Variant>,
    /// What requests are signed with, or why they cannot be.
    pub(crate) signing: Result<Option<Signing>, String>,
    /// The config as it is, for a provider in this process.
    pub(crate) raw: Map<String, Value>,
}

impl Settings<'_> {
    /// The settings once for each of several keys; themselves where there is one.
    pub(crate) fn each_key(&self) -> Vec<Self> {
        let count = self.several.values().map(Vec::len).max().unwrap_or(1);
        let with = |at: usize| {
            let mut values = self.values.clone();
            let others =
                self.several.iter().filter_map(|(name, keys)| Some((name.clone(), keys.get(at)?.clone())));
            values.extend(others);
            let (raw, signing) = (self.raw.clone(), self.signing.clone());
            Self { values, several: BTreeMap::new(), raw, signing, ..*self }
        };
        (0..count).map(with).collect()
    }

    /// The names of keys of which there are several.
    pub(crate) fn several(&self) -> impl Iterator<Item = &str> {
        self.several.keys().map(String::as_str)
    }

    /// A key's value.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.values.get(key).map(|value| value.expose().to_owned())
    }

    /// The base URL that the provider has where a route says nothing of it.
    pub(crate) fn default_base(&self, provider: &Provider) -> Option<String> {
        let mut values = defaults(provider, self.variant);
        aws::fill_defaults(&mut values, self.text(aws::REGION).as_deref());
        fill(provider.base.as_ref()?, &|key| values.get(key).map(|value| value.expose().to_owned()))
    }

    /// A template with the values in it.
    pub(crate) fn fill(&self, template: &str) -> Option<String> {
        fill(template, &|key| self.text(key))
    }
}

/// Checks the `config` of a model, whose node is `model`; what is wrong is noted.
pub(crate) fn check<'a>(
    check: &Check<'_>,
    model: &Node,
    entry: &Entry,
    named: &Named<'a>,
) -> Option<Settings<'a>> {
    let provider = named.provider;
    let brought = entry.credentials.value.flatten().is_some();
    let given = |name: &String| model.get("config").is_some_and(|config| config.get(name).is_some());
    let required = |key: &ConfigKey| {
        key.required && !(brought && key.kind == Kind::Key) && !key.unless.as_ref().is_some_and(given)
    };
    let absent = model.get("config").is_none_or(|config| matches!(config.content, Content::Null));
    if absent && provider.config.values().any(required) {
        let message = format!(
            "A config must be supplied when setting a provider. The provider entry for {} is incorrect.",
            named.canonical
        );
        check.notes.mistake(entry.model.key.clone(), message);
        return None;
    }
    let (key, config) = match model.entry("config") {
        Some((key, config)) if !absent => (key, config),
        _ => return Some(without_config(named, brought)),
    };
    if config.entries().is_none() {
        let message = format!("Input should be a valid dictionary, not {}", config.kind());
        check.notes.wrong(key.span.clone(), message);
        return None;
    }
    if config.entries().is_some_and(|entries| entries.iter().any(|(key, _)| key.text().is_none())) {
        check.notes.wrong(key.span.clone(), "keys should be strings");
        return None;
    }
    unknown_keys(check, provider, config);
    let variant = provider.variants.as_ref().map(|variants| kind(check, variants, named, config));
    let mut whole = !matches!(variant, Some(None));
    let variant = variant.flatten();
    let mut values = defaults(provider, variant);
    let mut several = BTreeMap::new();
    for (name, grammar) in &provider.config {
        match config.get(name) {
            None if required(grammar) => {
                check.notes.missing(config, Some(&key.span), name, &[]);
                whole = false;
            }
            None => {}
            Some(node) if grammar.kind == Kind::Key && brought => {
                let message =
                    format!("'{name}' is not used: callers of this route bring their own credential");
                check.notes.warning(node.span.clone(), message);
            }
            Some(node) if grammar.kind == Kind::Key => match keys::resolve(check, node) {
                Some(keys) => {
                    values.extend(keys.first().map(|key| (name.clone(), key.clone())));
                    if keys.len() > 1 {
                        several.insert(name.clone(), keys);
                    }
                }
                None => whole = false,
            },
            Some(node) => match value(check, name, grammar, node) {
                Ok(Some(value)) => drop(values.insert(name.clone(), value)),
                Ok(None) => {}
                Err(()) => whole = false,
            },
        }
    }
    let signing = match &provider.aws {
        Some(_) if !whole => Ok(None),
        Some(aws) => aws::check(check, aws, config, brought, &mut values)?,
        None => Ok(None),
    };
    whole &= variant.is_none_or(|variant| cross_check(check, variant, key, config));
    whole &= alike(check, key, &several);
    let raw = match config.to_json() {
        Value::Object(raw) if provider.in_process => raw,
        _ => Map::new(),
    };
    whole.then_some(Settings { values, several, brought, variant, signing, raw })
}

/// Keys that go together go in step: there must be as many of each.
fn alike(check: &Check<'_>, key: &Node, several: &BTreeMap<String, Vec<Secret>>) -> bool {
    let mut lengths = several.values().map(Vec::len);
    let first = lengths.next();
    let alike = lengths.all(|length| Some(length) == first);
    if !alike {
        let names = several.keys().map(String::as_str).collect::<Vec<_>>().join(" and ");
        check
            .notes
            .wrong(key.span.clone(), format!("{names} go in turn together, so each needs as many keys"));
    }
    alike
}

fn without_config<'a>(named: &Named<'a>, brought: bool) -> Settings<'a> {
    let variant = named
        .provider
        .variants
        .as_ref()
        .and_then(|variants| variants.kinds.get(named.variant.unwrap_or(&variants.default)));
    let values = defaults(named.provider, variant);
    Settings { values, several: BTreeMap::new(), brought, variant, signing: Ok(None), raw: Map::new() }
}

fn defaults(provider: &Provider, variant: Option<&Variant>) -> BTreeMap<String, Secret> {
    let own = provider.config.iter().filter_map(|(name, key)| Some((name, key.default.as_ref()?)));
    let of_kind = variant.into_iter().flat_map(|variant| &variant.defaults);
    own.chain(of_kind).map(|(name, default)| (name.clone(), Secret::new(default.clone()))).collect()
}

fn unknown_keys(check: &Check<'_>, provider: &Provider, config: &Node) {
    for (key, value) in config.entries().unwrap_or_default() {
        let label = key.label();
        match provider.config.get(&label) {
            None => {
                let meant = closest(&label, provider.config.keys().map(String::as_str));
                check.notes.unknown(key.span.clone(), &label, meant);
            }
            Some(grammar) if grammar.kind == Kind::Mapping => {
                for (key, _) in value.entries().unwrap_or_default() {
                    let label = key.label();
                    if !grammar.keys.contains(&label) {
                        let meant = closest(&label, grammar.keys.iter().map(String::as_str));
                        check.notes.unknown(key.span.clone(), &label, meant);
                    }
                }
            }
            Some(_) => {}
        }
    }
}

/// Which kind of the provider a config is for.
fn kind<'a>(
    check: &Check<'_>,
    variants: &'a Variants,
    named: &Named<'_>,
    config: &Node,
) -> Option<&'a Variant> {
    let Some(node) = config.get(&variants.key) else {
        return variants.kinds.get(named.variant.unwrap_or(&variants.default));
    };
    let written = node.text().map(str::to_lowercase);
    let found = written.as_deref().and_then(|written| variants.kinds.get_key_value(written));
    let known = variants.kinds.keys().map(String::as_str);
    let note = match (found, named.variant) {
        (Some((kind, _)), Some(meant)) if kind != meant => Note::mistake(
            node.span.clone(),
            format!("The provider '{}' takes no other '{}' than '{meant}'", named.canonical, variants.key),
        ),
        (Some((_, variant)), _) => return Some(variant),
        (None, _) => {
            let label = node.label();
            let hint = match closest(&label, known.clone()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("one of {}", known.collect::<Vec<_>>().join(", ")),
            };
            Note::mistake(node.span.clone(), variants.unknown.replace("{value}", &label)).hint(hint)
        }
    };
    check.notes.add(note);
    None
}

/// The value of one key: `Ok(None)` when it counts as absent, `Err` when something was noted.
fn value(check: &Check<'_>, name: &str, grammar: &ConfigKey, node: &Node) -> Result<Option<Secret>, ()> {
    let wrong = |expected: &str| {
        check.notes.wrong(node.span.clone(), format!("Input should be {expected}"));
        Err(())
    };
    match (grammar.kind, &node.content) {
        (_, Content::Null) if !grammar.required => Ok(None),
        (Kind::Text, Content::Text(text)) => Ok(Some(Secret::new(text.clone()))),
        (Kind::Url, Content::Text(url)) if check.guard.is_some() => {
            let fit = run_time::check_url(check, name, &node.span, url);
            fit.then(|| Some(Secret::new(url.clone()))).ok_or(())
        }
        (Kind::Url, Content::Text(url)) => {
            if !["http://", "https://"].iter().any(|scheme| url.to_ascii_lowercase().starts_with(scheme)) {
                let message = format!("'{name}' is no http:// or https:// URL; every call will fail");
                check.notes.warning(node.span.clone(), message);
            }
            Ok(Some(Secret::new(url.clone())))
        }
        (Kind::Whole, Content::Int(number)) if *number >= 0 => Ok(Some(Secret::new(number.to_string()))),
        (Kind::Number, Content::Int(_) | Content::Float(_)) => Ok(Some(Secret::new(node.label()))),
        (Kind::Mapping, Content::Map(_)) => {
            let text = |key: &String| {
                node.get(key).is_none_or(|node| matches!(node.content, Content::Text(_) | Content::Null))
            };
            match grammar.texts.iter().find(|key| !text(key)) {
                Some(key) => wrong(&format!("a mapping whose '{key}' is a valid string")),
                None => Ok(None),
            }
        }
        (Kind::Text | Kind::Url | Kind::Key, _) => wrong("a valid string"),
        (Kind::Whole, _) => wrong("a whole number that is not negative"),
        (Kind::Number, _) => wrong("a valid number"),
        (Kind::Mapping, _) => wrong("a valid dictionary"),
    }
}

/// Rules between the keys of one kind.
fn cross_check(check: &Check<'_>, variant: &Variant, key: &Node, config: &Node) -> bool {
    let present = |name: &str| config.get(name).filter(|node| !matches!(node.content, Content::Null));
    let mut whole = true;
    for (name, message) in &variant.refuses {
        if present(name).is_some()
            && let Some((key, _)) = config.entry(name)
        {
            check.notes.mistake(key.span.clone(), message.clone());
            whole = false;
        }
    }
    if let Some(name) = variant.requires.iter().find(|name| present(name).is_none()) {
        let note = Note::mistake(key.span.clone(), variant.missing.clone());
        check.notes.add(note.hint(format!("`{name}` is missing")));
        whole = false;
    }
    whole
}
