//! Reasoning beside a message's content: `reasoning_content` or `reasoning`, which hold text alone, and
//! `reasoning_details`, the list in which OpenRouter keeps what must go back unchanged.

use super::FAMILY;
use crate::canonical::{Part, RawJson, Signature};
use crate::raw::{ArrayWriter, Object, ObjectWriter, text, to_raw};
use serde_json::value::RawValue;

/// The fields that hold reasoning as text. Some servers send the same text under both.
pub(crate) const FIELDS: [&str; 2] = ["reasoning_content", "reasoning"];
/// The field that holds signed and encrypted reasoning.
pub(crate) const DETAILS: &str = "reasoning_details";

/// Takes the reasoning out of a message. What is of no known form stays where it is. `mark` makes a signature of its
/// text.
pub(super) fn take(object: &mut Object<'_>, mark: fn(String) -> Signature) -> Vec<Part> {
    let mut parts = object.get(DETAILS).and_then(|list| read_details(list, mark)).unwrap_or_default();
    if !parts.is_empty() {
        object.take(DETAILS);
    }
    let told: String =
        parts.iter().map(|part| if let Part::Thinking { text, .. } = part { text } else { "" }).collect();
    let mut shown: Option<(&str, String)> = None;
    for field in FIELDS {
        let Some(text) = object.get(field).and_then(|value| text(value).ok()) else { continue };
        if text.is_empty() || text == told || shown.as_ref().is_some_and(|(_, shown)| *shown == text) {
            object.take(field);
        } else if shown.is_none() {
            object.take(field);
            shown = Some((field, text));
        }
    }
    if let Some((field, text)) = shown.filter(|_| told.is_empty()) {
        parts.insert(0, Part::Thinking { text, signature: Some(mark(field.to_owned())) });
    }
    parts
}

/// Reads `reasoning_details`; `None` when an entry is of no known form.
pub(crate) fn read_details(list: &RawValue, mark: fn(String) -> Signature) -> Option<Vec<Part>> {
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).ok()?;
    list.into_iter().map(|entry| read_entry(entry, mark)).collect()
}

fn read_entry(entry: &RawValue, mark: fn(String) -> Signature) -> Option<Part> {
    let mut entry = Object::of(entry).ok()?;
    let kind = entry.string("type").ok()??;
    // The place in the list.
    entry.take("index");
    let text = match kind.as_str() {
        "reasoning.text" => entry.string("text").ok()?,
        "reasoning.summary" => entry.string("summary").ok()?,
        "reasoning.encrypted" => {
            let data = entry.string("data").ok()??;
            return Some(Part::RedactedThinking(mark(packed(&kind, "data", Some(data), entry))));
        }
        _ => return None,
    };
    let signature = entry.string("signature").ok()?;
    let is_plain = signature.is_none() && kind == "reasoning.text" && entry.is_empty();
    let signature = (!is_plain).then(|| mark(packed(&kind, "signature", signature, entry)));
    Some(Part::Thinking { text: text.unwrap_or_default(), signature })
}

/// What must go back of an entry: the secret alone, or with it all that stands beside.
fn packed(kind: &str, name: &str, secret: Option<String>, rest: Object<'_>) -> String {
    let rest = rest.rest_without_nulls();
    match secret {
        Some(secret) if rest.is_empty() && kind != "reasoning.summary" => secret,
        secret => {
            let mut out = Vec::new();
            let mut object = ObjectWriter::new(&mut out);
            object.field("type", kind).some(name, secret).raws(&rest);
            object.end();
            String::from_utf8_lossy(&out).into_owned()
        }
    }
}

/// Whether a signature's text is more than where and how the reasoning was shown.
pub(crate) fn is_secret(opaque: &str) -> bool {
    let is_secret = |entry: Object<'_>| entry.get("signature").is_some() || entry.get("data").is_some();
    !FIELDS.contains(&opaque) && unpacked(opaque).is_none_or(is_secret)
}

fn unpacked(opaque: &str) -> Option<Object<'_>> {
    opaque.starts_with(r#"{"type":"reasoning."#).then(|| serde_json::from_str(opaque).ok())?
}

/// How a part of reasoning is told to a reader of this family.
pub(crate) enum Entry {
    /// As text, under a field of this name.
    Shown(&'static str),
    /// As an entry of the list, with these fields beside its text.
    Listed { text_name: &'static str, fields: Vec<(String, RawJson)> },
}

impl Entry {
    /// Of reasoning with this signature; `opaque` is its text for the reader.
    pub(crate) fn signed(opaque: &str) -> Self {
        if let Some(field) = FIELDS.into_iter().find(|field| *field == opaque) {
            return Self::Shown(field);
        }
        Self::listed(opaque, "reasoning.text", "signature")
    }

    /// Of encrypted reasoning.
    pub(crate) fn encrypted(opaque: &str) -> Self {
        Self::listed(opaque, "reasoning.encrypted", "data")
    }

    fn listed(opaque: &str, kind: &str, name: &str) -> Self {
        let fields = match unpacked(opaque) {
            Some(entry) => entry.rest(),
            None => vec![("type".to_owned(), to_raw(kind)), (name.to_owned(), to_raw(opaque))],
        };
        let is_summary = fields.iter().any(|(_, value)| value.get() == r#""reasoning.summary""#);
        Self::Listed { text_name: if is_summary { "summary" } else { "text" }, fields }
    }

    /// Writes an entry of the list, with its text where it has one.
    pub(crate) fn write(&self, text: Option<&str>, index: usize, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out);
        match self {
            Self::Shown(_) => {
                object.field("type", "reasoning.text").some("text", text);
            }
            Self::Listed { text_name, fields } => {
                object.raws(fields).some(text_name, text);
            }
        }
        object.field("index", &index);
        object.end();
    }
}

/// Whoever is told reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Keeps all of it for the next turn.
    Client,
    /// Takes back what it made itself; what it showed as text only while its calls of tools are answered.
    Provider {
        /// Whether the message is a turn of the client's own dialect, whose fields all go along.
        own: bool,
        /// Whether nobody spoke after the message but tools.
        in_loop: bool,
    },
}

impl Reader {
    /// How the reader is told a part; `None` when it must not be.
    fn entry(self, part: &Part) -> Option<Entry> {
        let opaque = |signature: &Signature| match self {
            Self::Client => Some(signature.for_client(FAMILY).into_owned()),
            Self::Provider { .. } => signature.for_provider(FAMILY).map(str::to_owned),
        };
        match part {
            Part::Thinking { signature: None, .. } => {
                let shows = matches!(self, Self::Client | Self::Provider { own: true, .. });
                shows.then_some(Entry::Shown(FIELDS[0]))
            }
            Part::Thinking { signature: Some(signature), .. } => {
                match (Entry::signed(&opaque(signature)?), self) {
                    (Entry::Shown(_), Self::Provider { own: false, in_loop: false }) => None,
                    (Entry::Shown(_), Self::Client) => Some(Entry::Shown(FIELDS[0])),
                    (entry, _) => Some(entry),
                }
            }
            Part::RedactedThinking(data) => Some(Entry::encrypted(&opaque(data)?)),
            _ => None,
        }
    }
}

/// Writes the reasoning among `parts`; what the reader must not be told is given to `lose` by its place.
pub(super) fn write(
    parts: &[Part],
    reader: Reader,
    object: &mut ObjectWriter<'_>,
    mut lose: impl FnMut(usize),
) {
    let (mut told, mut shown, mut field) = (Vec::new(), String::new(), FIELDS[0]);
    for (place, part) in parts.iter().enumerate() {
        let text = match part {
            Part::Thinking { text, .. } => Some(text.as_str()),
            Part::RedactedThinking(_) => None,
            _ => continue,
        };
        let Some(entry) = reader.entry(part) else {
            lose(place);
            continue;
        };
        if let Entry::Shown(name) = entry {
            field = name;
        }
        shown.push_str(text.unwrap_or_default());
        told.push((entry, text));
    }
    let is_listed = told.iter().any(|(entry, _)| matches!(entry, Entry::Listed { .. }));
    // A provider that takes the list has the text in it.
    if !shown.is_empty() && (!is_listed || reader == Reader::Client) {
        object.field(field, &shown);
    }
    if is_listed {
        let mut list = ArrayWriter::new(object.key(DETAILS));
        for (index, (entry, text)) in told.iter().enumerate() {
            entry.write(*text, index, list.element());
        }
        list.end();
    }
}
