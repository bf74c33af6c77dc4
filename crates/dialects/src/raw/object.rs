//! Typed reading of JSON objects, field by field, that leaves what is not asked for as raw text.

use crate::canonical::{Class, Failure, RawJson};
use indexmap::IndexMap;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A value that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mismatch {
    /// JSON path of the value; empty for the body itself.
    pub(crate) path: String,
    /// What should stand there, such as `a string`.
    pub(crate) expected: &'static str,
    /// What stands there.
    pub(crate) found: &'static str,
}

impl Mismatch {
    /// `value` is not `expected`.
    pub(crate) fn of(value: &RawValue, expected: &'static str) -> Self {
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
    pub(crate) fn missing(name: &str, expected: &'static str) -> Self {
        Self { path: name.to_owned(), expected, found: "nothing" }
    }

    /// The same, seen from one level further out.
    #[must_use]
    pub(crate) fn within(self, outer: impl fmt::Display) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        Self { path: format!("{outer}{separator}{}", self.path), ..self }
    }

    /// The failure when a client wrote the value.
    pub(crate) fn blame_caller(self) -> Failure {
        let message = self.to_string();
        match self.path.as_str() {
            "" => Failure::new(Class::InvalidRequest, message),
            _ => Failure::invalid(self.path, message),
        }
    }

    /// The failure when a provider wrote the value.
    pub(crate) fn blame_upstream(self) -> Failure {
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
pub(crate) type Read<T> = Result<T, Mismatch>;

/// The fields of a JSON object in their order. Of a field that is named twice the last value counts, as in Python and
/// JavaScript.
#[derive(Debug, Clone, Default)]
pub(crate) struct Object<'a> {
    fields: IndexMap<Cow<'a, str>, Option<&'a RawValue>>,
}

impl<'a> Object<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// The parser's message when the body is not valid JSON or not an object.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// Reads a client's body.
    ///
    /// # Errors
    /// A [`Failure`] that blames the caller.
    pub(crate) fn of_request(body: &'a [u8]) -> Result<Self, Failure> {
        Self::parse(body).map_err(|error| {
            Failure::new(Class::InvalidRequest, format!("the body is not a valid JSON object: {error}"))
        })
    }

    /// Reads a provider's body.
    ///
    /// # Errors
    /// A [`Failure`] that blames the upstream.
    pub(crate) fn of_response(body: &'a [u8]) -> Result<Self, Failure> {
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
    pub(crate) fn of(value: &'a RawValue) -> Read<Self> {
        serde_json::from_str(value.get()).map_err(|_| Mismatch::of(value, "an object"))
    }

    /// The same, with names in camelCase where they are written in snake_case: Google's APIs take both (ProtoJSON, "JSON
    /// field names").
    #[must_use]
    pub(crate) fn in_camel_case(self) -> Self {
        let camel =
            |name: Cow<'a, str>| if name.contains('_') { Cow::Owned(camel_case(&name)) } else { name };
        Self { fields: self.fields.into_iter().map(|(name, value)| (camel(name), value)).collect() }
    }

    /// Puts a field in place of what the object has under this name, else at the end.
    pub(crate) fn set(&mut self, name: &'a str, value: &'a RawValue) {
        self.fields.insert(Cow::Borrowed(name), Some(value));
    }

    /// The value of a field, `null` included.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.fields.get(name).copied().flatten()
    }

    /// Takes a field out; `null` counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        self.fields.get_mut(name)?.take().filter(|value| value.get() != "null")
    }

    /// Takes out a string.
    ///
    /// # Errors
    /// A [`Mismatch`] when another kind of value stands there. So for the functions below.
    pub(crate) fn string(&mut self, name: &str) -> Read<Option<String>> {
        self.read(name, "a string")
    }

    /// Takes out a boolean.
    pub(crate) fn boolean(&mut self, name: &str) -> Read<Option<bool>> {
        self.read(name, "a boolean")
    }

    /// Takes out a number.
    pub(crate) fn number(&mut self, name: &str) -> Read<Option<f64>> {
        self.read(name, "a number")
    }

    /// Takes out an integer.
    pub(crate) fn integer(&mut self, name: &str) -> Read<Option<i64>> {
        self.read(name, "an integer")
    }

    /// Takes out an integer that is not negative.
    pub(crate) fn count(&mut self, name: &str) -> Read<Option<u64>> {
        self.read(name, "an integer that is not negative")
    }

    /// Takes out an object.
    pub(crate) fn object(&mut self, name: &str) -> Read<Option<Object<'a>>> {
        self.take(name).map(|value| Self::of(value).map_err(|wrong| wrong.within(name))).transpose()
    }

    /// Takes out a list.
    pub(crate) fn list(&mut self, name: &str) -> Read<Option<Vec<&'a RawValue>>> {
        self.read(name, "a list")
    }

    /// Takes out a list and reads each of its elements.
    pub(crate) fn each<T>(
        &mut self,
        name: &str,
        read: impl FnMut(&'a RawValue) -> Read<T>,
    ) -> Read<Option<Vec<T>>> {
        self.take(name).map(|list| each(list, read).map_err(|wrong| wrong.within(name))).transpose()
    }

    /// Takes out a list of strings.
    pub(crate) fn strings(&mut self, name: &str) -> Read<Option<Vec<String>>> {
        self.read(name, "a list of strings")
    }

    /// Takes out a string that must be there.
    ///
    /// # Errors
    /// A [`Mismatch`] when nothing or another kind of value stands there. So for the function below.
    pub(crate) fn need_string(&mut self, name: &str) -> Read<String> {
        self.string(name)?.ok_or_else(|| Mismatch::missing(name, "a string"))
    }

    /// Takes out an object that must be there.
    pub(crate) fn need_object(&mut self, name: &str) -> Read<Object<'a>> {
        self.object(name)?.ok_or_else(|| Mismatch::missing(name, "an object"))
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.fields.values().all(Option::is_none)
    }

    /// What is left, in order.
    pub(crate) fn rest(self) -> Vec<(String, RawJson)> {
        let left =
            self.fields.into_iter().filter_map(|(name, value)| Some((name.into_owned(), value?.to_owned())));
        left.collect()
    }

    /// What is left and not `null`, in order: for APIs where `null` says as much as nothing.
    pub(crate) fn rest_without_nulls(mut self) -> Vec<(String, RawJson)> {
        self.fields.retain(|_, value| value.is_some_and(|value| value.get() != "null"));
        self.rest()
    }

    fn read<T: Deserialize<'a>>(&mut self, name: &str, expected: &'static str) -> Read<Option<T>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match serde_json::from_str(value.get()) {
            Ok(read) => Ok(Some(read)),
            Err(_) => Err(Mismatch::of(value, expected).within(name)),
        }
    }
}

fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut raise = false;
    for letter in name.chars() {
        match letter {
            '_' if !camel.is_empty() => raise = true,
            _ if std::mem::take(&mut raise) => camel.extend(letter.to_uppercase()),
            _ => camel.push(letter),
        }
    }
    camel
}

/// Reads each element of the list that `value` is.
///
/// # Errors
/// A [`Mismatch`] when it is none, or that of the first element that cannot be read.
pub(crate) fn each<'a, T>(
    value: &'a RawValue,
    mut read: impl FnMut(&'a RawValue) -> Read<T>,
) -> Read<Vec<T>> {
    let list: Vec<&'a RawValue> =
        serde_json::from_str(value.get()).map_err(|_| Mismatch::of(value, "a list"))?;
    let read_at = |(place, value)| read(value).map_err(|wrong: Mismatch| wrong.within(element("", place)));
    list.into_iter().enumerate().map(read_at).collect()
}

/// The path of a list's element.
pub(crate) fn element(name: &str, place: usize) -> String {
    format!("{name}[{place}]")
}

/// The string that `value` is.
///
/// # Errors
/// A [`Mismatch`] when it is none.
pub(crate) fn text(value: &RawValue) -> Read<String> {
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
    fn what_must_be_there_is_named_where_it_is_missing() {
        let mut object = Object::parse(br#"{"list":[{"a":null}],"b":{}}"#).unwrap();
        let wrong = object.each("list", |value| Object::of(value)?.need_string("a")).unwrap_err();
        assert_eq!(wrong.to_string(), "list[0].a must be a string, not nothing");
        let mut inner = object.need_object("b").unwrap();
        assert_eq!(inner.need_object("c").unwrap_err().blame_caller().param.as_deref(), Some("c"));
    }

    #[test]
    fn names_in_snake_case_are_those_in_camel_case() {
        let body = br#"{"max_output_tokens":1,"topP":2,"_a":3}"#;
        let mut object = Object::parse(body).unwrap().in_camel_case();
        assert_eq!(object.count("maxOutputTokens").unwrap(), Some(1));
        assert_eq!(object.count("topP").unwrap(), Some(2));
        assert_eq!(object.count("_a").unwrap(), Some(3));
    }

    #[test]
    fn nulls_are_left_only_where_they_mean_something() {
        let object = || Object::parse(br#"{"b":1.50,"n":null,"c":{"d": 1e2}}"#).unwrap();
        let names = |rest: Vec<(String, RawJson)>| rest.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(object().rest()), ["b", "n", "c"]);
        assert_eq!(names(object().rest_without_nulls()), ["b", "c"]);
    }

    #[test]
    fn the_last_of_two_values_counts_and_null_counts_as_none() {
        let mut object = Object::parse(br#"{"a":1,"b":null,"a":2}"#).unwrap();
        assert_eq!(object.count("a").unwrap(), Some(2));
        assert_eq!(object.count("b").unwrap(), None);
        assert!(object.is_empty());
    }
}
