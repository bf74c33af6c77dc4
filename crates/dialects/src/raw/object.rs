//! Typed reading of JSON objects, field by field, that leaves what is not asked for as raw text.

use crate::canonical::{Class, Failure, RawJson};
use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A value that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// JSON path of the value; empty for the body itself.
    pub path: String,
    /// What should stand there, such as `a string`.
    pub expected: &'static str,
    /// What stands there.
    pub found: &'static str,
}

impl Mismatch {
    /// `value` is not `expected`.
    pub fn of(value: &RawValue, expected: &'static str) -> Self {
        let found = match value.get().as_bytes().first() {
            Some(b'"') => "a string",
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        };
        Self { path: String::new(), expected, found }
    }

    /// A required field that is not there.
    pub fn missing(name: &str, expected: &'static str) -> Self {
        Self { path: name.to_owned(), expected, found: "nothing" }
    }

    /// The same, seen from one level further out.
    #[must_use]
    pub fn within(self, outer: impl fmt::Display) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        Self { path: format!("{outer}{separator}{}", self.path), ..self }
    }

    /// The failure when a client wrote the value.
    pub fn blame_caller(self) -> Failure {
        let message = self.to_string();
        match self.path.as_str() {
            "" => Failure::new(Class::InvalidRequest, message),
            _ => Failure::invalid(self.path, message),
        }
    }

    /// The failure when a provider wrote the value.
    pub fn blame_upstream(self) -> Failure {
        Failure::new(Class::UpstreamError, format!("the provider's answer cannot be read: {self}"))
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the body" } else { &self.path };
        write!(f, "{path} must be {}, not {}", self.expected, self.found)
    }
}

/// A value that was read, or what is wrong with it.
pub type Read<T> = Result<T, Mismatch>;

/// The fields of a JSON object in their order. Of a field that is named twice the last value counts, as in Python and
/// JavaScript.
#[derive(Debug, Clone, Default)]
pub struct Object<'a> {
    fields: IndexMap<Cow<'a, str>, Option<&'a RawValue>>,
}

impl<'a> Object<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// The parser's message when the body is not valid JSON or not an object.
    pub fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// Reads a client's body.
    ///
    /// # Errors
    /// A [`Failure`] that blames the caller.
    pub fn of_request(body: &'a [u8]) -> Result<Self, Failure> {
        Self::parse(body).map_err(|error| {
            Failure::new(Class::InvalidRequest, format!("the body is not a valid JSON object: {error}"))
        })
    }

    /// Reads a provider's body.
    ///
    /// # Errors
    /// A [`Failure`] that blames the upstream.
    pub fn of_response(body: &'a [u8]) -> Result<Self, Failure> {
        Self::parse(body).map_err(|error| {
            Failure::new(
                Class::UpstreamError,
                format!("the provider's answer cannot be read: it is not a JSON object ({error})"),
            )
        })
    }

    /// The fields of `value`.
    ///
    /// # Errors
    /// A [`Mismatch`] when it is not an object.
    pub fn of(value: &'a RawValue) -> Read<Self> {
        serde_json::from_str(value.get()).map_err(|_| Mismatch::of(value, "an object"))
    }

    /// Puts a field in place of what the object has under this name, else at the end.
    pub fn set(&mut self, name: &'a str, value: &'a RawValue) {
        self.fields.insert(Cow::Borrowed(name), Some(value));
    }

    /// The value of a field, `null` included.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.fields.get(name).copied().flatten()
    }

    /// Takes a field out; `null` counts as absent.
    pub fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        self.fields.get_mut(name)?.take().filter(|value| value.get() != "null")
    }

    /// Takes out a string.
    ///
    /// # Errors
    /// A [`Mismatch`] when another kind of value stands there. So for the functions below.
    pub fn string(&mut self, name: &str) -> Read<Option<String>> {
        self.read(name, "a string")
    }

    /// Takes out a boolean.
    pub fn boolean(&mut self, name: &str) -> Read<Option<bool>> {
        self.read(name, "a boolean")
    }

    /// Takes out a number.
    pub fn number(&mut self, name: &str) -> Read<Option<f64>> {
        self.read(name, "a number")
    }

    /// Takes out an integer.
    pub fn integer(&mut self, name: &str) -> Read<Option<i64>> {
        self.read(name, "an integer")
    }

    /// Takes out an integer that is not negative.
    pub fn count(&mut self, name: &str) -> Read<Option<u64>> {
        self.read(name, "an integer that is not negative")
    }

    /// Takes out an object.
    pub fn object(&mut self, name: &str) -> Read<Option<Object<'a>>> {
        self.take(name).map(|value| Self::of(value).map_err(|wrong| wrong.within(name))).transpose()
    }

    /// Takes out a list.
    pub fn list(&mut self, name: &str) -> Read<Option<Vec<&'a RawValue>>> {
        self.read(name, "a list")
    }

    /// Takes out a list and reads each of its elements.
    pub fn each<T>(&mut self, name: &str, read: impl Fn(&'a RawValue) -> Read<T>) -> Read<Option<Vec<T>>> {
        let Some(list) = self.list(name)? else { return Ok(None) };
        let read_at =
            |(place, value)| read(value).map_err(|wrong: Mismatch| wrong.within(element(name, place)));
        list.into_iter().enumerate().map(read_at).collect::<Read<Vec<T>>>().map(Some)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.fields.values().all(Option::is_none)
    }

    /// The names that are left, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name.as_ref())
    }

    /// What is left, in order.
    pub fn rest(self) -> Vec<(String, RawJson)> {
        let left =
            self.fields.into_iter().filter_map(|(name, value)| Some((name.into_owned(), value?.to_owned())));
        left.collect()
    }

    fn read<T: Deserialize<'a>>(&mut self, name: &str, expected: &'static str) -> Read<Option<T>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match serde_json::from_str(value.get()) {
            Ok(read) => Ok(Some(read)),
            Err(_) => Err(Mismatch::of(value, expected).within(name)),
        }
    }
}

/// The path of a list's element.
pub fn element(name: &str, place: usize) -> String {
    format!("{name}[{place}]")
}

/// The string that `value` is.
///
/// # Errors
/// A [`Mismatch`] when it is none.
pub fn text(value: &RawValue) -> Read<String> {
    serde_json::from_str(value.get()).map_err(|_| Mismatch::of(value, "a string"))
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = IndexMap::new();
                while let Some((Key(name), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    fields.insert(name, Some(value));
                }
                Ok(Object { fields })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// A key, borrowed where it holds no escape.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_keeps_its_spelling() {
        let body = br#"{"a":1.10, "b":{ "c" : 99999999999999999999 }, "d":"x"}"#;
        let mut object = Object::parse(body).unwrap();
        assert_eq!(object.string("d").unwrap().as_deref(), Some("x"));
        let rest: Vec<String> =
            object.rest().into_iter().map(|(name, value)| format!("{name}={}", value.get())).collect();
        assert_eq!(rest, ["a=1.10", r#"b={ "c" : 99999999999999999999 }"#]);
    }

    #[test]
    fn a_wrong_value_is_named_by_its_whole_path() {
        let body = br#"{"list":[{"a":"x"},{"a":7}]}"#;
        let mut object = Object::parse(body).unwrap();
        let wrong = object.each("list", |value| Object::of(value)?.string("a")).unwrap_err();
        assert_eq!(wrong.to_string(), "list[1].a must be a string, not a number");
    }

    #[test]
    fn the_last_of_two_values_counts_and_null_counts_as_none() {
        let mut object = Object::parse(br#"{"a":1,"b":null,"a":2}"#).unwrap();
        assert_eq!(object.count("a").unwrap(), Some(2));
        assert_eq!(object.count("b").unwrap(), None);
        assert!(object.is_empty());
    }
}
