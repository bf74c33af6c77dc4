//! JSON objects read and written field by field; what is not read stays raw.

use crate::canonical::{Class, Failure, RawJson};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Something that is not what it must be.
#[derive(Debug)]
pub(crate) struct Misread {
    /// Where, as a JSON path.
    pub(crate) path: String,
    /// What it should have been.
    pub(crate) expected: &'static str,
}

impl Misread {
    /// The failure when a client wrote it.
    pub(crate) fn blame_caller(self) -> Failure {
        let message = match self.path.as_str() {
            "" => format!("the body {}", self.expected),
            path => format!("{path}: {}", self.expected),
        };
        Failure {
            param: Some(self.path).filter(|path| !path.is_empty()),
            ..Failure::new(Class::InvalidRequest, message)
        }
    }

    /// The failure when a provider wrote it.
    pub(crate) fn blame_upstream(self) -> Failure {
        let place = if self.path.is_empty() { "the body" } else { self.path.as_str() };
        Failure::new(
            Class::UpstreamError,
            format!("the provider's answer cannot be read: {place} {}", self.expected),
        )
    }
}

/// The fields of an object that have not been read yet. A field that is `null` counts as absent.
pub(crate) struct Fields<'a> {
    path: String,
    fields: IndexMap<String, &'a RawValue>,
}

impl<'a> Fields<'a> {
    /// The fields of a body.
    pub(crate) fn of_body(body: &'a [u8]) -> Result<Self, Misread> {
        match serde_json::from_slice(body) {
            Ok(fields) => Ok(Self { path: String::new(), fields }),
            Err(_) => Err(Misread { path: String::new(), expected: "must be a JSON object" }),
        }
    }

    /// The fields of the object that stands at `path`.
    pub(crate) fn of(raw: &'a RawValue, path: String) -> Result<Self, Misread> {
        match serde_json::from_str(raw.get()) {
            Ok(fields) => Ok(Self { path, fields }),
            Err(_) => Err(Misread { path, expected: "must be an object" }),
        }
    }

    /// The path of the field `name`.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Whether the field is there and has not been taken.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|raw| raw.get() != "null")
    }

    /// Takes a field as it stands.
    pub(crate) fn raw(&mut self, name: &str) -> Option<&'a RawValue> {
        self.fields.shift_remove(name).filter(|raw| raw.get() != "null")
    }

    /// Takes a field of a simple type.
    pub(crate) fn take<T: Simple + Deserialize<'a>>(&mut self, name: &str) -> Result<Option<T>, Misread> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        match serde_json::from_str(raw.get()) {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Misread { path: self.path(name), expected: T::EXPECTED }),
        }
    }

    /// Takes a field that must be there.
    pub(crate) fn need<T: Simple + Deserialize<'a>>(&mut self, name: &str) -> Result<T, Misread> {
        self.take(name)?.ok_or_else(|| Misread { path: self.path(name), expected: T::EXPECTED })
    }

    /// Takes a field that is an object.
    pub(crate) fn object(&mut self, name: &str) -> Result<Option<Self>, Misread> {
        self.raw(name).map(|raw| Self::of(raw, self.path(name))).transpose()
    }

    /// Takes a list of objects; absent is empty.
    pub(crate) fn objects(&mut self, name: &str) -> Result<Vec<(Self, &'a RawValue)>, Misread> {
        match self.raw(name) {
            None => Ok(Vec::new()),
            Some(raw) => objects(raw, &self.path(name)),
        }
    }

    /// Takes what is left and is not `null`, in its order.
    pub(crate) fn rest(&mut self) -> Vec<(String, RawJson)> {
        let rest = self.fields.drain(..).filter(|(_, raw)| raw.get() != "null");
        rest.map(|(name, raw)| (name, raw.to_owned())).collect()
    }
}

/// The elements of a list of objects at `path`, each also as it stands.
pub(crate) fn objects<'a>(raw: &'a RawValue, path: &str) -> Result<Vec<(Fields<'a>, &'a RawValue)>, Misread> {
    let Ok(list) = serde_json::from_str::<Vec<&'a RawValue>>(raw.get()) else {
        return Err(Misread { path: path.to_owned(), expected: "must be a list" });
    };
    let read = |(index, raw): (usize, &'a RawValue)| Ok((Fields::of(raw, format!("{path}[{index}]"))?, raw));
    list.into_iter().enumerate().map(read).collect()
}

/// A type of which [`Misread`] can say what was expected.
pub(crate) trait Simple {
    /// What must stand there.
    const EXPECTED: &'static str;
}

impl Simple for String {
    const EXPECTED: &'static str = "must be a string";
}
impl Simple for bool {
    const EXPECTED: &'static str = "must be true or false";
}
impl Simple for f64 {
    const EXPECTED: &'static str = "must be a number";
}
impl Simple for u64 {
    const EXPECTED: &'static str = "must be a whole number, 0 or more";
}
impl Simple for i64 {
    const EXPECTED: &'static str = "must be a whole number";
}
impl Simple for Vec<String> {
    const EXPECTED: &'static str = "must be a list of strings";
}

/// An object in the making. Setting a field again replaces its value and keeps its place.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Object {
    fields: IndexMap<String, RawJson>,
}

impl Object {
    /// Sets a field.
    pub(crate) fn set(&mut self, name: &str, value: impl Serialize) {
        self.set_raw(name, raw_of(value));
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
        bytes_of(&self)
    }
}

/// A value as raw JSON.
pub(crate) fn raw_of(value: impl Serialize) -> RawJson {
    serde_json::value::to_raw_value(&value).expect("plain data, raw JSON and string keys always serialise")
}

/// A value as JSON bytes.
pub(crate) fn bytes_of(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain data, raw JSON and string keys always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_keeps_its_order_and_its_bytes() {
        let mut fields =
            Fields::of_body(br#"{"b":1.50,"a":"x","n":null,"c":{"d": 1e2}}"#).expect("an object");
        assert_eq!(fields.take::<String>("a").expect("a string").as_deref(), Some("x"));
        assert_eq!(fields.take::<u64>("n").expect("null is absent"), None);
        let rest: Vec<_> =
            fields.rest().into_iter().map(|(name, raw)| (name, raw.get().to_owned())).collect();
        assert_eq!(rest, [("b".to_owned(), "1.50".to_owned()), ("c".to_owned(), r#"{"d": 1e2}"#.to_owned())]);
    }

    #[test]
    fn a_wrong_field_is_named_by_its_path() {
        let mut fields = Fields::of_body(br#"{"a":[{"b":{"c":true}}]}"#).expect("an object");
        let mut list = fields.objects("a").expect("objects");
        let mut inner = list[0].0.object("b").expect("an object").expect("present");
        let failure = inner.take::<String>("c").expect_err("a boolean is no string").blame_caller();
        assert_eq!(failure.param.as_deref(), Some("a[0].b.c"));
        assert_eq!(failure.message, "a[0].b.c: must be a string");
        assert_eq!(Fields::of_body(b"[1]").err().expect("no object").blame_caller().param, None);
    }

    #[test]
    fn a_field_set_twice_keeps_its_place() {
        let mut object = Object::default();
        object.set("a", 1);
        object.set("b", 0.0);
        object.set("a", "x");
        object.set_some("c", None::<u64>);
        assert_eq!(object.into_body(), br#"{"a":"x","b":0.0}"#);
    }
}
