//! The file of the routes that were made at run time, as lockgate writes and reads it.

use serde_json::{Map, Number, Value};

use super::{RunTime, elements};
use crate::Mistakes;
use crate::mistake::Source;
use crate::node::{Content, Node};
use crate::notes::Notes;
use crate::scalar;
use crate::yaml;

const HEAD: &str = "\
# Routes that were made at run time. lockgate writes this file whenever one is made, changed or deleted; a change by
# hand is taken over too, and comments go with the next write.
";

/// The routes in a file.
///
/// # Errors
/// [`Mistakes`] of the file as a whole; those of single routes are for the check to find.
pub fn entries(file: RunTime<'_>) -> Result<Vec<Map<String, Value>>, Mistakes> {
    let document = yaml::parse(file.text)
        .map_err(|unreadable| yaml::unreadable(file.text, file.file_name, unreadable))?;
    let notes = Notes::new(true);
    let entries =
        elements(document.root.as_ref(), &notes).into_iter().filter_map(|(_, node)| object(node)).collect();
    let source = Source::of(file.text, file.file_name, &document);
    let mistakes: Vec<_> = notes.into_found().into_iter().map(|note| source.show(note)).collect();
    if mistakes.is_empty() { Ok(entries) } else { Err(Mistakes::new(mistakes)) }
}

fn object(node: &Node) -> Option<Map<String, Value>> {
    match node.to_json() {
        Value::Object(entry) => Some(entry),
        _ => None,
    }
}

/// The text of a file with these routes; `None` when they cannot be written so that they read the same: they are too
/// large or too deeply nested, or have a merge key.
pub fn text(entries: &[Map<String, Value>]) -> Option<String> {
    let mut text = HEAD.to_owned();
    text.push_str("routes:");
    list(
        &mut text,
        entries.iter().map(|entry| Value::Object(entry.clone())).collect::<Vec<_>>().as_slice(),
        1,
    );
    let document = yaml::parse(&text).ok()?;
    let read = document.root.as_ref()?.get("routes")?.to_json();
    let same = read.as_array()?.iter().map(Value::as_object).eq(entries.iter().map(Some));
    same.then_some(text)
}

/// Writes a value after its key or dash.
fn value(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Array(elements) => list(text, elements, depth),
        Value::Object(entries) if entries.is_empty() => text.push_str(" {}\n"),
        Value::Object(entries) => {
            text.push('\n');
            map(text, entries, depth);
        }
        scalar => {
            text.push(' ');
            plain(text, scalar);
            text.push('\n');
        }
    }
}

fn list(text: &mut String, elements: &[Value], depth: usize) {
    if elements.is_empty() {
        text.push_str(" []\n");
        return;
    }
    text.push('\n');
    for element in elements {
        indent(text, depth);
        text.push('-');
        match element {
            Value::Object(entries) if !entries.is_empty() => {
                text.push(' ');
                let start = text.len();
                map(text, entries, depth + 1);
                // The first key stands beside the dash.
                text.replace_range(start..start + 2 * (depth + 1), "");
            }
            other => value(text, other, depth + 1),
        }
    }
}

fn map(text: &mut String, entries: &Map<String, Value>, depth: usize) {
    for (key, entry) in entries {
        indent(text, depth);
        let simple = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if simple && matches!(scalar::resolve(key), Content::Text(_)) {
            text.push_str(key);
        } else {
            quoted(text, key);
        }
        text.push(':');
        value(text, entry, depth + 1);
    }
}

fn indent(text: &mut String, depth: usize) {
    text.extend(std::iter::repeat_n("  ", depth));
}

fn plain(text: &mut String, value: &Value) {
    match value {
        Value::String(string) => quoted(text, string),
        Value::Number(number) => text.push_str(&number_text(number)),
        other => text.push_str(&other.to_string()),
    }
}

/// A number by the rules of YAML 1.1: a float has a point, and its exponent a sign.
fn number_text(number: &Number) -> String {
    let text = number.to_string();
    if number.is_i64() || number.is_u64() {
        return text;
    }
    let (mantissa, exponent) =
        text.split_once(['e', 'E']).map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    match exponent {
        None => format!("{mantissa}{point}"),
        Some(exponent) if exponent.starts_with(['-', '+']) => format!("{mantissa}{point}e{exponent}"),
        Some(exponent) => format!("{mantissa}{point}e+{exponent}"),
    }
}

/// A text in double quotes; what cannot stand in YAML is escaped.
fn quoted(text: &mut String, string: &str) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            ' '..='~' => text.push(c),
            '\u{a1}'..='\u{2027}'
            | '\u{202f}'..='\u{d7ff}'
            | '\u{e000}'..='\u{fefe}'
            | '\u{ff00}'..='\u{fffd}' => {
                text.push(c);
            }
            c if u32::from(c) <= 0xffff => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn route(more: Value) -> Map<String, Value> {
        let mut route =
            json!({"name": "a", "model": {"provider": "demo"}}).as_object().cloned().expect("an object");
        route.insert("forced".to_owned(), more);
        route
    }

    #[test]
    fn whatever_json_says_is_read_again_as_it_was() {
        let odd = "\u{0}\u{7}\u{7f}\u{85}\u{a0}\u{feff}\u{2028}\u{ffff}\u{1f600}\u{10ffff}é\"\\ '#: - \n\r\t";
        for value in [
            json!(null),
            json!(true),
            json!(0),
            json!(-5),
            json!(u64::MAX),
            json!(0.1),
            json!(1e-7),
            json!(-2.5e300),
            json!(1e21),
            json!(5.0),
            json!([]),
            json!({}),
            json!([[], {}, [1, [2]], {"a": [{"b": {}}]}]),
            json!(""),
            json!("no"),
            json!("1e5"),
            json!("~"),
            json!("2020-01-01"),
            json!(" x "),
            json!(odd),
            json!({"yes": 1, "1": 2, "": 3, "a b": 4, "-": 5, "é": 6, odd: odd, "y": {"n": null}}),
            json!({"$A": "$B", "{a}": "{b}", "*a": "*a", "&a": "&a", "!a": "!a", "%": "@`"}),
        ] {
            let entries = [route(value.clone()), route(json!({"deep": [value]}))];
            let text = text(&entries).unwrap_or_else(|| panic!("it is written: {entries:?}"));
            let read =
                super::entries(RunTime { text: &text, file_name: "s" }).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(read, entries, "{text}");
        }
        let empty = text(&[]).expect("a file without routes");
        assert_eq!(entries(RunTime { text: &empty, file_name: "s" }).map(|read| read.len()).ok(), Some(0));
    }

    #[test]
    fn what_would_not_read_the_same_is_not_written() {
        let deep = (0..80).fold(json!(1), |value, _| json!([value]));
        assert_eq!(text(&[route(deep)]), None);
        assert_eq!(text(&[route(json!({"<<": {"a": 1}}))]), None);
        assert_eq!(text(&[route(json!("x".repeat(5 << 20)))]), None);
    }
}
