//! Edits of a body's top level that leave every other byte as it was.

use super::scan::{Field, Scanner};
use super::write_json;
use crate::canonical::Failure;
use bytes::Bytes;
use std::ops::Range;

/// An edit of one top-level field. Values are JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit<'a> {
    /// The field gets this value, whether it was there or not.
    Set(&'a str, Bytes),
    /// The field gets this value if it is not there; a field that is `null` is there.
    Default(&'a str, Bytes),
    /// The field goes.
    Remove(&'a str),
}

impl Edit<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Default(name, _) | Self::Remove(name) => name,
        }
    }
}

/// Puts each value in place of the bytes at its range. The ranges lie within the body and apart.
pub(super) fn splice(body: &Bytes, mut values: Vec<(Range<usize>, Bytes)>) -> Vec<Bytes> {
    values.sort_by_key(|(at, _)| at.start);
    let mut out = Vec::with_capacity(2 * values.len() + 1);
    let mut copied = 0;
    for (at, value) in values {
        out.push(body.slice(copied..at.start));
        out.push(value);
        copied = at.end;
    }
    out.push(body.slice(copied..));
    out
}

/// Does `edits` one after the other. Untouched bytes are shared with `body`, not copied: order, white space and number
/// formats stay. New fields stand at the end. Where the body
/// has a field twice that is set, one of it remains.
///
/// # Errors
/// A [`Failure`] that blames the caller when `body` is not a JSON object.
pub fn patch(body: &Bytes, edits: &[Edit<'_>]) -> Result<Vec<Bytes>, Failure> {
    let mut patcher =
        Patcher { body, edits, seen: vec![false; edits.len()], out: Vec::new(), copied: 0, kept: false };
    let mut scanner = Scanner::new(body);
    let mut more = scanner.open_object()?;
    let mut end = scanner.at() - usize::from(!more);
    let mut previous_end = end;
    while more {
        let field = scanner.field()?;
        end = field.value.end;
        patcher.visit(&field, previous_end);
        previous_end = end;
        more = scanner.another()?;
    }
    scanner.end()?;
    patcher.append_missing(end);
    Ok(patcher.out)
}

/// What becomes of a field.
enum Fate {
    Stays,
    Becomes(Bytes),
    Goes,
}

struct Patcher<'a> {
    body: &'a Bytes,
    edits: &'a [Edit<'a>],
    /// For each edit: whether its field was met.
    seen: Vec<bool>,
    out: Vec<Bytes>,
    /// How far the body is written or cut.
    copied: usize,
    /// Whether a field stands in what was written.
    kept: bool,
}

impl Patcher<'_> {
    /// Decides about `field`, which follows on what ended at `previous_end`.
    fn visit(&mut self, field: &Field, previous_end: usize) {
        let Some(first) = self.edits.iter().position(|edit| field.is(self.body, edit.name())) else {
            return self.keep(field, previous_end);
        };
        // The first edit of a name stands for all of them.
        let again = std::mem::replace(&mut self.seen[first], true);
        match self.fate(self.edits[first].name(), true) {
            Fate::Stays => self.keep(field, previous_end),
            Fate::Goes => self.cut(previous_end..field.value.end),
            Fate::Becomes(_) if again => self.cut(previous_end..field.value.end),
            Fate::Becomes(value) => {
                self.keep(field, previous_end);
                self.cut(field.value.clone());
                self.out.push(value);
            }
        }
    }

    /// What the edits of `name` make of the field, taken one after the other.
    fn fate(&self, name: &str, present: bool) -> Fate {
        let mut fate = if present { Fate::Stays } else { Fate::Goes };
        for edit in self.edits.iter().filter(|edit| edit.name() == name) {
            fate = match (edit, fate) {
                (Edit::Set(_, value), _) | (Edit::Default(_, value), Fate::Goes) => {
                    Fate::Becomes(value.clone())
                }
                (Edit::Default(..), fate) => fate,
                (Edit::Remove(_), _) => Fate::Goes,
            };
        }
        fate
    }

    /// Leaves a field where it is, without the comma before it if it has become the first.
    fn keep(&mut self, field: &Field, previous_end: usize) {
        if !self.kept && self.copied == previous_end {
            self.cut(previous_end..field.key.start);
        }
        self.kept = true;
    }

    /// Writes the body up to `range` and leaves `range` out.
    fn cut(&mut self, range: Range<usize>) {
        self.write_up_to(range.start);
        self.copied = range.end;
    }

    fn write_up_to(&mut self, end: usize) {
        if end > self.copied {
            self.out.push(self.body.slice(self.copied..end));
        }
    }

    /// Writes the fields that were not met after the last one, which ends at `end`, and then the rest.
    fn append_missing(&mut self, end: usize) {
        let mut added = Vec::new();
        for (place, edit) in self.edits.iter().enumerate() {
            let name = edit.name();
            let first = self.edits.iter().position(|other| other.name() == name) == Some(place);
            if !first || self.seen[place] {
                continue;
            }
            if let Fate::Becomes(value) = self.fate(name, false) {
                if self.kept {
                    added.push(b',');
                }
                self.kept = true;
                write_json(name, &mut added);
                added.push(b':');
                added.extend_from_slice(&value);
            }
        }
        if !added.is_empty() {
            self.cut(end..end);
            self.out.push(Bytes::from(added));
        }
        self.write_up_to(self.body.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(body: &str, edits: &[Edit<'_>]) -> String {
        let segments = patch(&Bytes::from(body.to_owned()), edits).unwrap();
        String::from_utf8(segments.concat()).unwrap()
    }

    fn set<'a>(name: &'a str, value: &'static str) -> Edit<'a> {
        Edit::Set(name, Bytes::from_static(value.as_bytes()))
    }

    fn default<'a>(name: &'a str, value: &'static str) -> Edit<'a> {
        Edit::Default(name, Bytes::from_static(value.as_bytes()))
    }

    #[test]
    fn a_set_field_changes_in_place_and_nothing_else_does() {
        let body = r#"{ "temperature":0.10,  "mod\u0065l" : "a" ,"x":1e2 }"#;
        let expected = r#"{ "temperature":0.10,  "mod\u0065l" : "b" ,"x":1e2 }"#;
        assert_eq!(done(body, &[set("model", "\"b\"")]), expected);
    }

    #[test]
    fn a_missing_field_stands_at_the_end() {
        assert_eq!(done("{}", &[set("a", "1"), default("b", "2")]), r#"{"a":1,"b":2}"#);
        assert_eq!(done("{ \"c\": 3 }", &[set("a", "1")]), "{ \"c\": 3,\"a\":1 }");
    }

    #[test]
    fn a_default_yields_to_what_the_client_wrote() {
        assert_eq!(done(r#"{"a":null}"#, &[default("a", "1")]), r#"{"a":null}"#);
        assert_eq!(done(r#"{"b":1}"#, &[default("a", "1")]), r#"{"b":1,"a":1}"#);
    }

    #[test]
    fn removed_fields_take_one_comma_with_them() {
        let body = r#"{"a":1, "b":2 ,"c":3}"#;
        assert_eq!(done(body, &[Edit::Remove("a")]), r#"{"b":2 ,"c":3}"#);
        assert_eq!(done(body, &[Edit::Remove("b")]), r#"{"a":1 ,"c":3}"#);
        assert_eq!(done(body, &[Edit::Remove("c")]), r#"{"a":1, "b":2}"#);
        let all = [Edit::Remove("a"), Edit::Remove("b"), Edit::Remove("c")];
        assert_eq!(done(body, &all), "{}");
        assert_eq!(done(body, &[Edit::Remove("a"), Edit::Remove("b"), set("d", "4")]), r#"{"c":3,"d":4}"#);
        assert_eq!(done(r#"{"a":1}"#, &[Edit::Remove("a"), set("d", "4")]), r#"{"d":4}"#);
    }

    #[test]
    fn a_field_named_twice_cannot_outlive_a_forced_value() {
        assert_eq!(done(r#"{"a":1,"b":2,"a":3}"#, &[set("a", "9")]), r#"{"a":9,"b":2}"#);
        assert_eq!(done(r#"{"a":1,"a":3}"#, &[Edit::Remove("a")]), "{}");
    }

    #[test]
    fn edits_of_one_field_are_done_in_order() {
        assert_eq!(done(r#"{"a":1}"#, &[Edit::Remove("a"), default("a", "2")]), r#"{"a":2}"#);
        assert_eq!(done(r#"{"a":1}"#, &[set("a", "2"), Edit::Remove("a")]), "{}");
        assert_eq!(done("{}", &[default("a", "1"), default("a", "2")]), r#"{"a":1}"#);
    }
}
