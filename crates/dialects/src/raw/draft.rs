//! An object of JSON in the making.

use super::{to_bytes, to_raw};
use crate::canonical::{Extras, Losses, RawJson};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// An object whose fields may be set in any order and again. A field that is set again keeps its place.
///
/// For objects that are changed once they stand, or that the client's own fields may override;
/// [`ObjectWriter`](super::ObjectWriter) writes the others without a copy of each value.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Draft {
    fields: IndexMap<String, RawJson>,
}

impl Draft {
    /// An object of one field.
    pub(crate) fn of(name: &str, value: impl Serialize) -> Self {
        let mut draft = Self::default();
        draft.set(name, value);
        draft
    }

    /// Sets a field.
    pub(crate) fn set(&mut self, name: &str, value: impl Serialize) {
        self.set_raw(name, to_raw(&value));
    }

    /// Sets a field unless there is no value.
    pub(crate) fn set_some(&mut self, name: &str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Sets a field to JSON that is at hand.
    pub(crate) fn set_raw(&mut self, name: &str, value: RawJson) {
        self.fields.insert(name.to_owned(), value);
    }

    /// Sets the client's other fields: all of them where they are meant for the provider, else those that `native`
    /// knows. The rest is lost for `reason`.
    pub(crate) fn set_extras(
        &mut self,
        extras: &Extras,
        native: impl Fn(&str, &RawJson) -> bool,
        reason: &'static str,
        losses: &mut Losses,
    ) {
        for (name, value) in &extras.fields {
            if extras.for_provider || native(name, value) {
                self.set_raw(name, value.clone());
            } else {
                losses.add(name.as_str(), reason);
            }
        }
    }

    /// Takes over the fields of another object.
    pub(crate) fn extend(&mut self, other: Self) {
        self.fields.extend(other.fields);
    }

    /// Whether the field is set.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Whether no field is set.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The object's bytes.
    pub(crate) fn into_body(self) -> Vec<u8> {
        to_bytes(&self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_set_twice_keeps_its_place() {
        let mut draft = Draft::default();
        draft.set("a", 1);
        draft.set("b", 0.0);
        draft.set("a", "x");
        draft.set_some("c", None::<u64>);
        assert_eq!(draft.into_body(), br#"{"a":"x","b":0.0}"#);
    }

    #[test]
    fn a_field_that_nobody_knows_is_sent_or_recorded() {
        let fields = vec![("a".to_owned(), to_raw(&1)), ("b".to_owned(), to_raw(&2))];
        for (for_provider, body, lost) in [(false, &br#"{"a":1}"#[..], 1), (true, br#"{"a":1,"b":2}"#, 0)] {
            let (mut draft, mut losses) = (Draft::default(), Losses::default());
            let extras = Extras { fields: fields.clone(), for_provider };
            draft.set_extras(&extras, |name, _| name == "a", "why", &mut losses);
            assert_eq!((draft.into_body().as_slice(), losses.count()), (body, lost));
        }
    }
}
