//! Providers as data: the grammar of a catalogue file, and the files that come with lockgate.
//!
//! A file says which keys a route's `config` holds, where the provider stands, which headers it wants and which
//! dialect each operation speaks. A template such as `"Bearer {openai_api_key}"` names config keys, or `model`; a
//! header or query whose template names a key without a value is left out.

use std::collections::BTreeMap;

use lockgate_dialects::canonical::Operation;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::notes::Notes;
use crate::read;
use crate::refusal::Refusal;
use crate::template;
use crate::yaml;

/// A provider.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["name"]))]
pub(crate) struct Provider {
    /// Its name in `provider`.
    pub(crate) name: String,
    /// Its name in messages; the name itself when absent.
    pub(crate) display: Option<String>,
    /// Further names in `provider`, for the same provider.
    pub(crate) aliases: Vec<String>,
    /// The keys of a route's `config`.
    pub(crate) config: BTreeMap<String, ConfigKey>,
    /// Where it stands; a query in it stays at the end of every URL.
    pub(crate) base: Option<String>,
    /// A path between the base and an operation's path.
    pub(crate) prefix: Option<String>,
    /// A query for every URL.
    pub(crate) query: Option<String>,
    /// Headers of every request.
    pub(crate) headers: BTreeMap<String, String>,
    /// What it can be asked.
    pub(crate) operations: Operations,
    /// Its temperature scale.
    pub(crate) temperature: Temperature,
    /// What is known of its models.
    pub(crate) models: Models,
    /// Model names that a route may have.
    pub(crate) model_names: Vec<ModelNames>,
    /// Kinds of the provider that differ in parts.
    pub(crate) variants: Option<Variants>,
    /// A caller's `model` is a parameter like any other.
    pub(crate) allows_model: bool,
    /// It answers in this process; its config goes to it as it is.
    pub(crate) in_process: bool,
    /// Requests are signed for a service of AWS.
    pub(crate) aws: Option<Aws>,
    /// Routes load, and calls answer 501 with this text.
    pub(crate) unavailable: Option<String>,
}

/// How requests are signed for a service of AWS (Signature Version 4). Templates may name `aws_region`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Aws {
    /// The service's name in signatures.
    pub(crate) service: String,
    /// The config key that holds region and credentials in MLflow's forms.
    pub(crate) config: String,
    /// The config key of a bearer key, with which nothing is signed.
    pub(crate) key: String,
}

/// A key of a route's `config`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ConfigKey {
    /// What it holds.
    pub(crate) kind: Kind,
    /// Whether a route must have it.
    pub(crate) required: bool,
    /// A key with which it is not required after all.
    pub(crate) unless: Option<String>,
    /// Its value where a route does not have it.
    pub(crate) default: Option<String>,
    /// Of a mapping: the keys below.
    pub(crate) keys: Vec<String>,
    /// Of a mapping: those of the keys below that must be strings.
    pub(crate) texts: Vec<String>,
}

/// What a config key holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A string.
    #[default]
    Text,
    /// A credential in one of its forms.
    Key,
    /// The URL of a server.
    Url,
    /// A whole number, not negative.
    Whole,
    /// A number.
    Number,
    /// A mapping.
    Mapping,
}

/// What a provider can be asked.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Operations {
    /// Messages in, a message out.
    pub(crate) chat: Option<HowTo>,
    /// A prompt in, text out; without it a completion route asks the chat API.
    pub(crate) completions: Option<HowTo>,
    /// Texts in, vectors out.
    pub(crate) embeddings: Option<HowTo>,
    /// A query and documents in, the best documents out.
    pub(crate) rerank: Option<HowTo>,
}

impl Operations {
    pub(crate) fn of(&self, operation: Operation) -> Option<&HowTo> {
        match operation {
            Operation::Chat => self.chat.as_ref(),
            Operation::Complete => self.completions.as_ref(),
            Operation::Embed => self.embeddings.as_ref(),
            Operation::Rerank => self.rerank.as_ref(),
        }
    }
}

/// How a provider is asked for an operation.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct HowTo {
    /// The dialect it speaks, such as `openai_chat`.
    pub(crate) dialect: String,
    /// The path below the base, and a query after `?` where it wants one. `../` leaves out the version at the base's end. Where it names `{model}`, the body leaves
    /// the model out.
    pub(crate) path: String,
    /// The path for streams, where it is another.
    #[serde(default)]
    pub(crate) stream_path: Option<String>,
    /// The path at which a request's tokens are counted, where the API has one.
    #[serde(default)]
    pub(crate) count_path: Option<String>,
    /// Whether it can stream.
    #[serde(default)]
    pub(crate) streams: bool,
    /// Whether the model stands in the URL in another way, so that the body leaves it out.
    #[serde(default)]
    pub(crate) model_in_url: bool,
    /// Whether it refuses `stream_options`, so that a stream's usage cannot be asked for.
    #[serde(default)]
    pub(crate) refuses_stream_options: bool,
    /// Fields of OpenAI's Responses API that its chat API takes, too, such as `prompt_cache_key`.
    #[serde(default)]
    pub(crate) takes: Vec<String>,
    /// What MLflow's provider refuses, in its order.
    #[serde(default)]
    pub(crate) refuses: Vec<Refusal>,
    /// How it is asked for clients of every other API, where MLflow's contract fixes an older one.
    #[serde(default)]
    pub(crate) beyond_mlflow: Option<Box<HowTo>>,
}

impl HowTo {
    /// The paths at which it is asked.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &String> {
        let beyond = self.beyond_mlflow.as_deref();
        let beyond = beyond.into_iter().flat_map(|how| std::iter::once(&how.path).chain(&how.stream_path));
        std::iter::once(&self.path).chain(&self.stream_path).chain(&self.count_path).chain(beyond)
    }

    /// Whether a path names the model.
    pub(crate) fn names_model(&self) -> bool {
        self.paths().any(|path| template::keys(path).is_some_and(|keys| keys.contains(&"model")))
    }
}

/// A provider's temperature scale.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Temperature {
    /// The highest temperature, on which MLflow's unified scale is stretched; passed as given when absent.
    pub(crate) max: Option<f64>,
}

/// What is known of a provider's models. In a list of names `*` stands for any text, and a later name counts over an
/// earlier one; `!` before a name takes it out again.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Models {
    /// Those that take the completion API; a completion route asks the chat API for all others. Absent: all do.
    pub(crate) completion: Option<Vec<String>>,
    /// Those that refuse sampling parameters and `max_tokens`.
    pub(crate) reasoning: Vec<String>,
    /// Those that reason after a budget of tokens and know no levels.
    pub(crate) budgets: Vec<String>,
    /// How many tokens they can answer at most, where the facts do not say it; the first name that fits counts.
    pub(crate) max_output_tokens: Vec<MaxOutput>,
    /// The provider of whose models facts are known that hold for these; itself when absent.
    pub(crate) facts: Option<String>,
}

/// How many tokens models can answer at most.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct MaxOutput {
    /// A name with `*` for any text.
    pub(crate) model: String,
    /// Tokens.
    pub(crate) tokens: u64,
}

/// Model names that a route may have.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ModelNames {
    /// The route type's last word; every route when absent.
    #[serde(default, rename = "for")]
    pub(crate) operation: Option<String>,
    /// The names, with `*` for any text.
    pub(crate) only: Vec<String>,
    /// Whether case tells names apart.
    #[serde(default)]
    pub(crate) ignore_case: bool,
    /// The mistake otherwise; `{value}` stands for the name.
    pub(crate) message: String,
}

/// Kinds of a provider that differ in parts, told apart by a config key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Variants {
    /// The config key; case does not matter in its value.
    pub(crate) key: String,
    /// The kind without it.
    pub(crate) default: String,
    /// The mistake for any other value, `{value}`.
    pub(crate) unknown: String,
    /// The kinds.
    pub(crate) kinds: BTreeMap<String, Variant>,
}

/// A kind of a provider.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Variant {
    /// A name in `provider` that means this kind.
    pub(crate) provider: Option<String>,
    /// Values of config keys that a route does not have.
    pub(crate) defaults: BTreeMap<String, String>,
    /// Headers besides the provider's.
    pub(crate) headers: BTreeMap<String, String>,
    /// See the provider's.
    pub(crate) prefix: Option<String>,
    /// Whether the model stands in the URL, so that the body leaves it out.
    pub(crate) model_in_url: bool,
    /// The provider of whose models facts are known that hold for these; see the provider's `models`.
    pub(crate) facts: Option<String>,
    /// Fields that its chat API takes besides those that every kind takes.
    pub(crate) takes: Vec<String>,
    /// Config keys and from which of their values on, compared as texts, `stream_options` are taken.
    pub(crate) stream_options_since: BTreeMap<String, String>,
    /// Config keys that a route must have.
    pub(crate) requires: Vec<String>,
    /// The mistake when it lacks one.
    pub(crate) missing: String,
    /// Config keys that a route must not have, with the mistake.
    pub(crate) refuses: BTreeMap<String, String>,
}

/// Every file of the folder `catalogue`, with its name: `build.rs` lists them.
static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// All providers that a config can name.
#[derive(Debug)]
pub(crate) struct Catalogue {
    providers: Vec<Provider>,
}

/// A provider as a name means it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) provider: &'a Provider,
    /// The name as the API lists it.
    pub(crate) canonical: &'a str,
    /// The kind that the name alone decides.
    pub(crate) variant: Option<&'a str>,
}

impl Catalogue {
    /// The providers that come with lockgate.
    pub(crate) fn built_in() -> Self {
        let providers = FILES.iter().filter_map(|(_, text)| load(text, &Notes::new(true))).collect();
        Self { providers }
    }

    /// Adds a provider of the user's own; false when one has the name already.
    pub(crate) fn add(&mut self, provider: Provider) -> bool {
        let fresh = names_of(&provider).all(|(name, _)| self.find(name).is_none());
        if fresh {
            self.providers.push(provider);
        }
        fresh
    }

    /// The provider that a name means, matched as MLflow does: case, hyphen and underscore do not matter.
    pub(crate) fn find(&self, name: &str) -> Option<Named<'_>> {
        let wanted = fold(name);
        self.providers.iter().find_map(|provider| {
            let (canonical, variant) = names_of(provider).find(|(name, _)| fold(name) == wanted)?;
            Some(Named { provider, canonical, variant })
        })
    }

    /// Every provider.
    pub(crate) fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// Every name of every provider.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().flat_map(|provider| names_of(provider).map(|(name, _)| name))
    }
}

fn load(text: &str, notes: &Notes) -> Option<Provider> {
    let document = yaml::parse(text).ok()?;
    read::read(document.root.as_ref()?, notes)
}

fn names_of(provider: &Provider) -> impl Iterator<Item = (&str, Option<&str>)> {
    let variants = provider.variants.iter().flat_map(|variants| &variants.kinds);
    std::iter::once((provider.name.as_str(), None))
        .chain(provider.aliases.iter().map(|alias| (alias.as_str(), None)))
        .chain(
            variants.filter_map(|(kind, variant)| Some((variant.provider.as_deref()?, Some(kind.as_str())))),
        )
}

fn fold(name: &str) -> String {
    name.replace('-', "_").to_uppercase()
}

/// Whether a name stands in a list of names with `*` and `!`.
pub(crate) fn listed(list: &[String], name: &str) -> bool {
    told(list, name) == Some(true)
}

/// The same; `None` when the list says nothing of the name.
pub(crate) fn told(list: &[String], name: &str) -> Option<bool> {
    list.iter().fold(None, |told, entry| match entry.strip_prefix('!') {
        Some(except) if fits(except, name) => Some(false),
        None if fits(entry, name) => Some(true),
        _ => told,
    })
}

/// Whether a name fits a pattern in which `*` stands for any text.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
