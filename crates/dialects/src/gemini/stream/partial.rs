//! Arguments of a call that come in pieces (`streamFunctionCallArguments` of Vertex AI): each names a place in the
//! arguments by a JSON path and says what stands there, or the next piece of a string.

use crate::gemini::fields;
use crate::raw::{Mismatch, Read};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The arguments so far.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    value: Value,
    /// Bytes taken, so that a stream cannot make it grow without end.
    size: usize,
}

/// The most bytes that one call's arguments may have.
const MOST: usize = 4 << 20;
/// The longest list that a path may reach into.
const MOST_ITEMS: usize = 10_000;

impl Arguments {
    /// Takes a piece.
    pub(super) fn take(&mut self, piece: &RawValue) -> Read<()> {
        let mut fields = fields::object(piece)?;
        let path = fields.need_string("jsonPath")?;
        self.size += piece.get().len();
        let place = steps(&path).filter(|_| self.size <= MOST).and_then(|steps| self.place(&steps));
        let place = place.ok_or_else(|| Mismatch::of(piece, "a piece of arguments at a known place"))?;
        if let Some(text) = fields.string("stringValue")? {
            match place {
                Value::String(before) => before.push_str(&text),
                other => *other = text.into(),
            }
        } else if let Some(number) = fields.take("numberValue") {
            *place = serde_json::from_str(number.get()).unwrap_or_default();
        } else if let Some(value) = fields.boolean("boolValue")? {
            *place = value.into();
        }
        Ok(())
    }

    /// The arguments as JSON text.
    pub(super) fn text(self) -> String {
        match self.value {
            Value::Null => "{}".to_owned(),
            value => value.to_string(),
        }
    }

    /// What stands at a path, made where nothing does.
    fn place(&mut self, steps: &[Step]) -> Option<&mut Value> {
        let mut place = &mut self.value;
        for step in steps {
            place = match step {
                Step::Field(name) => {
                    if !place.is_object() {
                        *place = Map::new().into();
                    }
                    place.as_object_mut()?.entry(name.as_str()).or_insert(Value::Null)
                }
                Step::Item(at) => {
                    if !place.is_array() {
                        *place = Vec::<Value>::new().into();
                    }
                    let items = place.as_array_mut()?;
                    self.size += (at + 1).saturating_sub(items.len()) * size_of::<Value>();
                    if items.len() <= *at {
                        items.resize(at + 1, Value::Null);
                    }
                    items.get_mut(*at)?
                }
            };
        }
        Some(place)
    }
}

enum Step {
    Field(String),
    Item(usize),
}

/// The steps of a JSON path (RFC 9535) of names and numbers: `$.a[0].b` and `$['a']`.
fn steps(path: &str) -> Option<Vec<Step>> {
    const DEEPEST: usize = 64;
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() && steps.len() < DEEPEST {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            steps.push(Step::Field(after[..end].to_owned()));
            rest = &after[end..];
        } else {
            let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
            steps.push(match inside.parse::<usize>() {
                Ok(at) if at < MOST_ITEMS => Step::Item(at),
                Ok(_) => return None,
                Err(_) => Step::Field(inside.trim_matches(['\'', '"']).to_owned()),
            });
            rest = after;
        }
    }
    (rest.is_empty() && !steps.is_empty()).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::to_raw;
    use serde_json::json;

    #[test]
    fn pieces_come_together_at_their_places() {
        let mut arguments = Arguments::default();
        for piece in [
            json!({"jsonPath": "$.city", "stringValue": "New ", "willContinue": true}),
            json!({"jsonPath": "$.city", "stringValue": "Delhi"}),
            json!({"jsonPath": "$.list[1]['odd name']", "numberValue": 1.5}),
            json!({"jsonPath": "$.list[0]", "boolValue": true}),
            json!({"jsonPath": "$.none", "nullValue": "NULL_VALUE"}),
        ] {
            arguments.take(&to_raw(&piece)).expect("a place");
        }
        let wanted = r#"{"city":"New Delhi","list":[true,{"odd name":1.5}],"none":null}"#;
        assert_eq!(arguments.text(), wanted);
        assert_eq!(Arguments::default().text(), "{}");
    }

    #[test]
    fn odd_paths_are_refused_and_make_nothing_large() {
        for path in ["", "$", "a", "$.a[", "$[99999999999]", "$[20000]", "$x"] {
            let piece = to_raw(&json!({"jsonPath": path, "boolValue": true}));
            assert!(Arguments::default().take(&piece).is_err(), "{path}");
        }
        let mut arguments = Arguments::default();
        let piece = to_raw(&json!({"jsonPath": "$.a", "stringValue": "x".repeat(MOST / 2)}));
        assert!(arguments.take(&piece).is_ok());
        assert!(arguments.take(&piece).is_err());
    }
}
