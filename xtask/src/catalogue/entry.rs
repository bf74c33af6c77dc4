//! A model of the package as a line of our file. Only what the package says: nothing is guessed or worked out.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What the package says of abilities, and our words.
const ABILITIES: &[(&str, &str)] = &[
    ("supports_function_calling", "tools"),
    ("supports_response_schema", "structured_output"),
    ("supports_reasoning", "reasoning"),
    ("supports_prompt_caching", "caching"),
    ("supports_web_search", "web_search"),
];
const READS: &[(&str, &str)] = &[
    ("supports_vision", "image"),
    ("supports_pdf_input", "pdf"),
    ("supports_audio_input", "audio"),
    ("supports_video_input", "video"),
];
const WRITES: &[(&str, &str)] = &[("supports_audio_output", "audio")];
/// The package's prices, in US dollars per token, and our words.
const PRICES: &[(&str, &str)] = &[
    ("input_cost_per_token", "input"),
    ("output_cost_per_token", "output"),
    ("output_cost_per_reasoning_token", "reasoning"),
    ("cache_read_input_token_cost", "cache_read"),
    ("cache_creation_input_token_cost", "cache_write"),
    ("cache_creation_input_token_cost_above_1hr", "cache_write_1h"),
];
/// What else than text our file has a word for.
const MODALITIES: &[&str] = &["audio", "image", "pdf", "video"];

/// The inside of a YAML mapping; empty when the package says nothing that we keep.
pub(super) fn facts(model: &Value) -> String {
    let mut facts = Vec::new();
    for key in ["max_input_tokens", "max_output_tokens"] {
        if let Some(tokens) = whole(&model[key]).filter(|tokens| *tokens > 0) {
            facts.push(format!("{key}: {tokens}"));
        }
    }
    let lists = [
        ("input", modalities(model, "supported_modalities", READS)),
        ("output", modalities(model, "supported_output_modalities", WRITES)),
        ("abilities", flagged(model, ABILITIES).collect()),
    ];
    for (key, words) in lists {
        if !words.is_empty() {
            facts.push(format!("{key}: [{}]", words.join(", ")));
        }
    }
    let prices = prices(model);
    if !prices.is_empty() {
        facts.push(format!("prices: {{{}}}", prices.join(", ")));
    }
    facts.join(", ")
}

fn flagged<'a>(model: &Value, flags: &'a [(&str, &'a str)]) -> impl Iterator<Item = &'a str> {
    flags.iter().filter(|(flag, _)| model[*flag] == true).map(|(_, word)| *word)
}

/// What it takes or gives besides text, by either of the package's ways to say so.
fn modalities<'a>(model: &'a Value, list: &str, flags: &'a [(&str, &'a str)]) -> Vec<&'a str> {
    let listed = model[list].as_array().into_iter().flatten().filter_map(Value::as_str);
    let all: BTreeSet<&str> =
        listed.filter(|word| MODALITIES.contains(word)).chain(flagged(model, flags)).collect();
    all.into_iter().collect()
}

/// The standard prices, and those from some length of prompt on. Prices of batches and service tiers are left out.
fn prices(model: &Value) -> Vec<String> {
    let tiered = model["tiered_pricing"].as_array();
    let first = tiered.and_then(|tiers| tiers.first()).unwrap_or(model);
    let base = listed(PRICES.iter().filter_map(|(key, word)| Some((*word, amount(&first[*key])?))));
    let mut above: BTreeMap<u64, Vec<(&str, String)>> = BTreeMap::new();
    for tier in tiered.into_iter().flatten().skip(1) {
        let Some(from) = whole(&tier["range"][0]) else { continue };
        let prices = PRICES.iter().filter_map(|(key, word)| Some((*word, amount(&tier[*key])?)));
        above.entry(from).or_default().extend(prices);
    }
    for (key, word) in PRICES {
        for (name, value) in model.as_object().into_iter().flatten() {
            let from = name.strip_prefix(key).and_then(length);
            if let (Some(from), Some(amount)) = (from, amount(value)) {
                above.entry(from).or_default().push((word, amount));
            }
        }
    }
    let above: Vec<_> = above
        .into_iter()
        .map(|(tokens, prices)| format!("{{tokens: {tokens}, {}}}", listed(prices.into_iter()).join(", ")))
        .collect();
    let above = (!above.is_empty()).then(|| format!("above: [{}]", above.join(", ")));
    base.into_iter().chain(above).collect()
}

fn listed<'a>(prices: impl Iterator<Item = (&'a str, String)>) -> Vec<String> {
    prices.map(|(word, amount)| format!("{word}: {amount}")).collect()
}

/// The tokens in `_above_200k_tokens`.
fn length(rest: &str) -> Option<u64> {
    let thousands: u64 = rest.strip_prefix("_above_")?.strip_suffix("k_tokens")?.parse().ok()?;
    Some(thousands * 1000)
}

/// A count, which the package also writes as `256000.0`.
fn whole(value: &Value) -> Option<u64> {
    let number = value.as_f64()?;
    (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then_some(number as u64)
}

/// US dollars per token as US dollars per million tokens, to six digits after the point.
fn amount(value: &Value) -> Option<String> {
    let dollars = value.as_f64().filter(|dollars| (0.0..1.0).contains(dollars))?;
    let millionths = (dollars * 1e12).round() as u64;
    let (whole, rest) = (millionths / 1_000_000, millionths % 1_000_000);
    let rest = format!("{rest:06}");
    let rest = rest.trim_end_matches('0');
    Some(if rest.is_empty() { whole.to_string() } else { format!("{whole}.{rest}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_model_is_told_with_its_limits_abilities_and_prices() {
        let model = json!({
            "max_input_tokens": 200_000, "max_output_tokens": 64_000,
            "supports_vision": true, "supports_pdf_input": false, "supported_modalities": ["text", "audio"],
            "supports_function_calling": true,
            "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05, "cache_read_input_token_cost": 7.5e-08,
            "input_cost_per_token_above_200k_tokens": 6e-06, "input_cost_per_token_batches": 1.5e-06,
            "cache_creation_input_token_cost_above_1hr": 6e-06,
            "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1.2e-05,
        });
        assert_eq!(
            facts(&model),
            "max_input_tokens: 200000, max_output_tokens: 64000, input: [audio, image], abilities: [tools], \
             prices: {input: 3, output: 15, cache_read: 0.075, cache_write_1h: 6, \
             above: [{tokens: 200000, input: 6, cache_write_1h: 12}]}"
        );
    }

    #[test]
    fn prices_in_steps_keep_their_borders() {
        let model = json!({"tiered_pricing": [
            {"input_cost_per_token": 5e-08, "range": [0, 256_000.0]},
            {"input_cost_per_token": 2.5e-07, "range": [256_000.0, 1_000_000.0]},
        ]});
        assert_eq!(facts(&model), "prices: {input: 0.05, above: [{tokens: 256000, input: 0.25}]}");
    }

    #[test]
    fn words_in_place_of_numbers_are_not_taken() {
        assert_eq!(
            facts(&json!({"max_output_tokens": "if the provider says so", "input_cost_per_token": -1})),
            ""
        );
    }
}
