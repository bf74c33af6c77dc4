//! Which facts a translation dropped in silence.

use super::{Fact, Facts, says_something};
use lockgate_dialects::canonical::Losses;
use serde_json::{Value, json};

/// The facts of `told` that are neither in `heard` nor under a path of `losses`, in words.
pub(crate) fn dropped(told: &Facts, heard: &Facts, losses: &Losses) -> Vec<String> {
    if losses.count() > Losses::MOST {
        // The list is cut; what it would have named is not known.
        return Vec::new();
    }
    let mut left: Vec<Option<&Fact>> = heard.0.iter().map(Some).collect();
    let mut missing = Vec::new();
    for fact in &told.0 {
        let same = |other: &Option<&Fact>| other.is_some_and(|other| is_same(fact, other));
        if let Some(found) = left.iter_mut().find(|other| same(other)) {
            *found = None;
        } else if !is_within(fact, heard) && !is_lost(fact, losses) && !is_usual(fact, heard) {
            missing.push(format!("{} [{}] {}", fact.path, fact.kind, short(&fact.value)));
        }
    }
    missing.extend(made_up(told, heard, losses));
    missing
}

fn is_same(told: &Fact, heard: &Fact) -> bool {
    let alike = |one: &Value, other: &Value| match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() <= 1e-6 * one.abs().max(1.0),
        _ => one == other,
    };
    if told.kind == "temperature" && (told.value.is_string() || heard.value.is_string()) {
        return told.kind == heard.kind;
    }
    told.kind == heard.kind
        && match (&told.value, &heard.value) {
            (Value::Array(one), Value::Array(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
            }
            (one, other) => alike(one, other),
        }
}

/// An API without reasons says of every answer that it stopped as usual; and a model without a word on it may choose.
fn is_usual(fact: &Fact, heard: &Facts) -> bool {
    let is_stop = fact.kind.starts_with("reason ") && fact.value == "stop";
    let is_default = fact.kind == "tool_choice" && fact.value == "auto";
    (is_stop || is_default) && !heard.0.iter().any(|other| other.kind == fact.kind)
}

/// Texts may be joined and moved.
fn is_within(fact: &Fact, heard: &Facts) -> bool {
    let is_text = fact.kind.starts_with("text ") || fact.kind.starts_with("reasoning");
    is_text && fact.value.as_str().is_some_and(|text| bare(&heard.joined(&fact.kind)).contains(&bare(text)))
}

/// A text without the white space at which it may have been joined.
fn bare(text: &str) -> String {
    text.split_whitespace().collect()
}

/// Text, reasoning and calls that nobody said.
fn made_up(told: &Facts, heard: &Facts, losses: &Losses) -> Vec<String> {
    let spoken = |fact: &&Fact| {
        let kind = &fact.kind;
        kind.starts_with("text ")
            || kind.starts_with("reasoning")
            || kind.starts_with("call ") && !kind.contains("id")
    };
    let strange = |fact: &&Fact| {
        let all = bare(&told.joined(&fact.kind));
        let within = fact.value.as_str().is_some_and(|text| all.contains(&bare(text)));
        !within && !told.0.iter().any(|other| is_same(other, fact)) && losses.is_empty()
    };
    let found = heard.0.iter().filter(spoken).filter(strange);
    found.map(|fact| format!("made up: {} [{}] {}", fact.path, fact.kind, short(&fact.value))).collect()
}

/// Whether a loss names the fact, a part of it, or what holds it.
fn is_lost(fact: &Fact, losses: &Losses) -> bool {
    // A stream numbers its blocks, of which some are no content.
    let any_place = !fact.kind.starts_with("text ");
    let kind = &fact.kind;
    let fact = steps(&fact.path);
    losses.iter().any(|loss| {
        let loss = steps(&loss.path);
        let mut pairs = fact.iter().zip(&loss).enumerate();
        let same = |(at, (one, other)): (usize, (&String, &String))| {
            one == other || any_place && at > 0 && fact[at - 1] == "content" && other.starts_with('[')
        };
        let opaque = ["signature", "redacted_thinking"].map(Some);
        let is_opaque = kind.starts_with("signature") && opaque.contains(&loss.last().map(String::as_str));
        is_opaque || !loss.is_empty() && pairs.all(same)
    })
}

/// The steps of a path in words that all dialects share.
fn steps(path: &str) -> Vec<String> {
    let mut apart = path.replace('[', ".[");
    for (theirs, ours) in COUNTS {
        apart = apart.replace(theirs, ours);
    }
    let words = apart.split('.').filter(|step| !step.is_empty());
    // OpenAI's wrappers, which the canonical model does without.
    words.filter(|step| !matches!(*step, "function" | "message" | "json_schema")).map(same_word).collect()
}

/// Paths of counts, as APIs have them and as the canonical model has.
const COUNTS: [(&str, &str); 3] = [
    ("prompt_tokens_details.cached_tokens", "cache_read_tokens"),
    ("cache_creation_input_tokens", "cache_write_tokens"),
    ("completion_tokens_details.reasoning_tokens", "reasoning_tokens"),
];

fn same_word(step: &str) -> String {
    match step {
        "max_completion_tokens" | "max_output_tokens" | "max_tokens_to_sample" => "max_tokens",
        "reasoning_effort" | "thinking" => "reasoning",
        "input_schema" => "parameters",
        "filename" => "name",
        "stop_sequences" => "stop",
        other => other,
    }
    .to_owned()
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The leaves of `written` that stand nowhere in `again` and under no path of `losses`: what one's own dialect lost
/// between reading and writing. A text may have been joined with others.
pub(crate) fn leaves_dropped(written: &Value, again: &Value, losses: &Losses) -> Vec<String> {
    if losses.count() > Losses::MOST {
        return Vec::new();
    }
    let (mut leaves, mut found) = (Vec::new(), Vec::new());
    gather(String::new(), written, &mut leaves);
    gather(String::new(), again, &mut found);
    let texts: Vec<&str> = found.iter().filter_map(|(_, value)| value.as_str()).collect();
    let stands = |value: &Value| match value {
        // Google's APIs take words of enumerations in either case, and base64 in either alphabet.
        Value::String(text) if is_word(text) => {
            texts.iter().any(|other| other.eq_ignore_ascii_case(text) || other.contains(text.as_str()))
        }
        Value::String(text) if text.len() > 40 && text.contains(['-', '_']) && !text.contains(' ') => {
            let standard = text.replace('-', "+").replace('_', "/");
            texts.iter().any(|other| other.contains(text.as_str()) || other.starts_with(&standard))
        }
        Value::String(text) => texts.iter().any(|other| other.contains(text.as_str()) || holds(other, text)),
        value => {
            let same = |(_, other): &(String, &Value)| {
                *other == value || value.is_number() && other.as_f64() == value.as_f64()
            };
            found.iter().any(same) || texts.iter().any(|text| text.contains(&value.to_string()))
        }
    };
    // Places in lists are not compared: one turn may have become two messages.
    let names =
        |path: &str| steps(path).into_iter().filter(|step| !step.starts_with('[')).collect::<Vec<_>>();
    let lost = |path: &str| {
        let path = names(path);
        losses.iter().any(|loss| path.iter().zip(&names(&loss.path)).all(|(one, other)| one == other))
    };
    // Wrappers that have another form with the same meaning, and places in lists.
    let form = |path: &str, value: &Value| {
        let word =
            matches!(value.as_str(), Some("text" | "thinking" | "function" | "object" | "reasoning_text"));
        word || path == "object" || path.ends_with(".index") || path.ends_with(".role")
    };
    let missing = leaves.into_iter().filter(|(path, value)| {
        says_something(value)
            && !form(path, value)
            && !is_default(path, value)
            && !stands(value)
            && !lost(path)
    });
    missing.map(|(path, value)| format!("{path} {}", short(value))).collect()
}

fn is_word(text: &str) -> bool {
    (2..=24).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
}

/// Whether a leaf says what is so without a word, too.
fn is_default(path: &str, value: &Value) -> bool {
    let path = path.replace('_', "").to_ascii_lowercase();
    match value {
        // The order in which fields stand, and the numbers of types.
        _ if path.contains("propertyordering") || value.is_number() && path.ends_with("parameters.type") => {
            true
        }
        Value::Bool(false) => path.ends_with(".thought") || path.ends_with("includethoughts"),
        Value::String(text) => {
            text == "TEXT" && path.ends_with("responsemodalities[0]") || path == "systeminstruction.role"
        }
        _ => false,
    }
}

/// Whether JSON within a text holds the leaf, as arguments of calls do.
fn holds(text: &str, leaf: &str) -> bool {
    let escaped = json!(leaf).to_string();
    text.contains(escaped.trim_matches('"'))
}

fn gather<'a>(path: String, value: &'a Value, leaves: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Array(list) => {
            for (place, element) in list.iter().enumerate() {
                gather(format!("{path}[{place}]"), element, leaves);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                gather(path, value, leaves);
            }
        }
        leaf => leaves.push((path, leaf)),
    }
}
