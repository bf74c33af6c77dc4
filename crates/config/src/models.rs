//! What is known of models: data of a published package, taken by `cargo xtask catalogue`, and the operator's word
//! over it.
//!
//! The data stays the text that it is. A target's line is found and read when the config is checked, so that a start
//! costs nothing for models that nobody names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, Named, Variant, fits};
use crate::node::Node;
use crate::notes::{Note, Notes};
use crate::read::{self, At};
use crate::suggest::closest;
use crate::values::{Dollars, Whole};
use crate::written::{self, KnownModel};
use crate::yaml;

/// What is known of a model. What is absent is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ModelFacts {
    /// How many tokens it can read at most, which most providers call its context window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_input_tokens: Option<u64>,
    /// How many tokens it can answer at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// What it reads besides text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Vec<Modality>>,
    /// What it writes besides text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Vec<Modality>>,
    /// What it can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abilities: Option<Vec<Ability>>,
    /// What its tokens cost at the provider's standard rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
}

/// What a model reads or writes besides text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// Sound.
    Audio,
    /// Pictures.
    Image,
    /// Documents in PDF.
    Pdf,
    /// Moving pictures.
    Video,
}

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ability {
    /// Prompts are cached, and what is read from the cache is cheaper.
    Caching,
    /// It thinks before it answers.
    Reasoning,
    /// It answers in a given JSON schema.
    StructuredOutput,
    /// It calls tools.
    Tools,
    /// It searches the web by itself.
    WebSearch,
}

/// What tokens cost, in US dollars per million.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Prices {
    /// Where no other price is meant.
    #[serde(flatten)]
    pub base: Rates,
    /// For prompts of more than so many tokens, by rising length; the last one that a prompt exceeds counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<Tier>,
}

/// Prices of long prompts. What is absent costs what it costs in short ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tier {
    /// The prompt's length that must be exceeded.
    pub tokens: u64,
    /// The prices of all of the call's tokens.
    #[serde(flatten)]
    pub rates: Rates,
}

/// What each kind of token costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rates {
    /// Of prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Price>,
    /// Of answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Price>,
    /// Of reasoning, where it costs another price than the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Price>,
    /// Of prompts, read from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Price>,
    /// Of prompts, written to a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Price>,
    /// Of prompts, written to a cache that keeps them for an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Price>,
}

/// A price in millionths of a US dollar per million tokens, which is 10⁻¹² dollars per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(pub u64);

impl std::fmt::Display for Price {
    /// US dollars per million tokens, such as `0.075`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rest = format!("{:06}", self.0 % 1_000_000);
        let (whole, rest) = (self.0 / 1_000_000, rest.trim_end_matches('0'));
        if rest.is_empty() { write!(f, "{whole}") } else { write!(f, "{whole}.{rest}") }
    }
}

impl Serialize for Price {
    /// US dollars per million tokens, as a number.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 1e6)
    }
}

impl ModelFacts {
    /// Whether it is known to have an ability.
    pub fn can(&self, ability: Ability) -> bool {
        self.abilities.as_ref().is_some_and(|abilities| abilities.contains(&ability))
    }

    /// Takes over every fact that `over` has.
    fn update(&mut self, over: &Self) {
        let over = over.clone();
        self.max_input_tokens = over.max_input_tokens.or(self.max_input_tokens);
        self.max_output_tokens = over.max_output_tokens.or(self.max_output_tokens);
        self.input = over.input.or(self.input.take());
        self.output = over.output.or(self.output.take());
        self.abilities = over.abilities.or(self.abilities.take());
        self.prices = over.prices.or(self.prices.take());
    }
}

/// What the operator says of models, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Own(Vec<OwnModel>);

#[derive(Debug)]
struct OwnModel {
    /// The provider's own name, and the kind where the written name means one.
    provider: String,
    variant: Option<String>,
    /// With `*` for any text.
    name: String,
    facts: ModelFacts,
}

/// Checks `models`; what is wrong is noted.
pub(crate) fn own(root: &Node, written: &[At<KnownModel>], catalogue: &Catalogue, notes: &Notes) -> Own {
    let nodes = root.get("models").and_then(Node::elements).unwrap_or_default();
    let entries = written.iter().zip(nodes);
    Own(entries
        .filter_map(|(entry, node)| own_model(entry.value.as_ref()?, node, catalogue, notes))
        .collect())
}

fn own_model(written: &KnownModel, node: &Node, catalogue: &Catalogue, notes: &Notes) -> Option<OwnModel> {
    for (field, name) in [(&written.provider, "provider"), (&written.name, "name")] {
        if !field.written {
            notes.missing(node, None, name, &[]);
        }
    }
    let facts = facts(written, notes);
    let provider = written.provider.value.as_ref()?;
    let Some(named) = catalogue.find(provider) else {
        let note = Note::mistake(
            written.provider.span.clone(),
            format!("The provider '{provider}' is not supported."),
        );
        notes.add(match closest(provider, catalogue.names()) {
            Some(meant) => note.hint(format!("did you mean `{meant}`?")),
            None => note,
        });
        return None;
    };
    Some(OwnModel {
        provider: named.provider.name.clone(),
        variant: named.variant.map(str::to_owned),
        name: written.name.value.clone()?,
        facts,
    })
}

impl Own {
    /// What is known of a model: the package's facts, and over them the operator's, of which later ones win.
    pub(crate) fn of(&self, named: &Named<'_>, variant: Option<&Variant>, model: &str) -> ModelFacts {
        let provider = named.provider;
        let like = variant.and_then(|variant| variant.facts.as_ref()).or(provider.models.facts.as_ref());
        let mut facts = published(like.unwrap_or(&provider.name), model).unwrap_or_default();
        let kind = kind(named, variant);
        for own in &self.0 {
            let meant = own.provider == provider.name
                && (own.variant.is_none() || own.variant.as_deref() == kind)
                && fits(&own.name, model);
            if meant {
                facts.update(&own.facts);
            }
        }
        facts
    }
}

/// The name of a variant among those of its provider.
fn kind<'a>(named: &Named<'a>, variant: Option<&Variant>) -> Option<&'a str> {
    let mut kinds = named.provider.variants.iter().flat_map(|variants| &variants.kinds);
    kinds
        .find(|(_, kind)| variant.is_some_and(|variant| std::ptr::eq(*kind, variant)))
        .map(|(name, _)| name.as_str())
}

/// Every file of the folder `models`, with its name: `build.rs` lists them.
static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/models.rs"));

/// The names under which the package's facts can be had.
pub(crate) fn published_names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// What the package says of a model of this exact name.
fn published(provider: &str, model: &str) -> Option<ModelFacts> {
    let (_, text) = FILES.iter().find(|(name, _)| *name == provider)?;
    let of_it = |line: &'static str| {
        line.strip_prefix(model)?.strip_prefix(": ").filter(|rest| rest.starts_with('{'))
    };
    line_facts(text.lines().find_map(of_it)?, &Notes::new(true))
}

fn line_facts(line: &str, notes: &Notes) -> Option<ModelFacts> {
    let document = yaml::parse(line).ok()?;
    let written: KnownModel = read::read(document.root.as_ref()?, notes)?;
    Some(facts(&written, notes))
}

fn facts(written: &KnownModel, notes: &Notes) -> ModelFacts {
    ModelFacts {
        max_input_tokens: tokens(&written.max_input_tokens, notes),
        max_output_tokens: tokens(&written.max_output_tokens, notes),
        input: written.input.value.clone(),
        output: written.output.value.clone(),
        abilities: written.abilities.value.clone(),
        prices: written.prices.value.as_ref().map(|prices| self::prices(prices, notes)),
    }
}

fn tokens(field: &At<Whole>, notes: &Notes) -> Option<u64> {
    let Whole(number) = field.value?;
    let tokens = u64::try_from(number).ok().filter(|tokens| *tokens > 0);
    if tokens.is_none() {
        notes.wrong(field.span.clone(), "Input should be at least 1");
    }
    tokens
}

fn prices(written: &written::Prices, notes: &Notes) -> Prices {
    let written::Prices { input, output, reasoning, cache_read, cache_write, cache_write_1h, above } =
        written;
    let price = |field: &At<Dollars>| field.value.map(|Dollars(millionths)| Price(millionths));
    let base = Rates {
        input: price(input),
        output: price(output),
        reasoning: price(reasoning),
        cache_read: price(cache_read),
        cache_write: price(cache_write),
        cache_write_1h: price(cache_write_1h),
    };
    let mut tiers: Vec<_> = above.value.iter().flatten().filter_map(|tier| self::tier(tier, notes)).collect();
    tiers.sort_by_key(|tier| tier.tokens);
    Prices { base, above: tiers }
}

fn tier(written: &At<written::Tier>, notes: &Notes) -> Option<Tier> {
    let tier = written.value.as_ref()?;
    if !tier.tokens.written {
        notes.mistake(
            written.span.clone(),
            "this price does not say from how many `tokens` of the prompt on it holds",
        );
    }
    let price = |field: &At<Dollars>| field.value.map(|Dollars(millionths)| Price(millionths));
    let rates = Rates {
        input: price(&tier.input),
        output: price(&tier.output),
        reasoning: price(&tier.reasoning),
        cache_read: price(&tier.cache_read),
        cache_write: price(&tier.cache_write),
        cache_write_1h: price(&tier.cache_write_1h),
    };
    Some(Tier { tokens: tokens(&tier.tokens, notes)?, rates })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_published_line_is_read_whole_and_stands_once_under_a_provider_that_exists() {
        let catalogue = Catalogue::built_in();
        for (provider, text) in FILES {
            assert!(catalogue.find(provider).is_some(), "no provider is called {provider}");
            let head = text.lines().nth(1).expect("a head");
            assert!(head.contains("litellm ") && head.contains("Licence: MIT"), "{head}");
            let document = yaml::parse(text).unwrap_or_else(|why| panic!("{provider}: {why:?}"));
            assert!(document.duplicates.is_empty(), "{provider}: {:?}", document.duplicates);
            let models = document.root.as_ref().and_then(Node::entries).expect("a mapping");
            assert_eq!(
                models.len(),
                text.lines().filter(|line| !line.starts_with('#')).count(),
                "{provider}"
            );
            assert!(!models.is_empty(), "{provider}");
            for (name, node) in models {
                let notes = Notes::new(true);
                let written: KnownModel = read::read(node, &notes).expect("a mapping");
                let whole = facts(&written, &notes);
                let found = notes.into_found();
                assert!(found.is_empty(), "{provider} {}: {found:?}", name.label());
                assert_ne!(whole, ModelFacts::default(), "{provider} {}", name.label());
                let name = name.text().unwrap_or_else(|| panic!("{provider}: a name that is no text"));
                assert_eq!(published(provider, name), Some(whole), "{provider} {name}");
            }
        }
    }

    #[test]
    fn a_model_is_found_by_its_whole_name_alone() {
        let name =
            FILES.iter().find(|(name, _)| *name == "anthropic").and_then(|(_, text)| text.lines().nth(2));
        let (name, _) = name.and_then(|line| line.split_once(": ")).expect("a model");
        assert!(published("anthropic", name).is_some(), "{name}");
        for unknown in ["", &name[..name.len() - 1], &format!("{name}x"), "# Package", &format!("{name}: {{")]
        {
            assert_eq!(published("anthropic", unknown), None, "{unknown}");
        }
        assert_eq!(published("nobody", name), None);
    }

    #[test]
    fn a_price_is_written_as_people_write_it() {
        let shown = [(0, "0"), (75_000, "0.075"), (3_000_000, "3"), (1, "0.000001")];
        for (millionths, text) in shown {
            assert_eq!(Price(millionths).to_string(), text);
        }
    }
}
