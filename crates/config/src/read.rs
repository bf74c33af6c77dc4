//! From a tree to typed sections, with every mistake noted instead of the first one returned.
//!
//! A field of type [`At`] never fails: what is wrong in it is noted with its place, and the field stays empty. A key
//! that a section does not have is noted too, with the closest one that it has.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor, value,
};
use serde::{Deserialize, forward_to_deserialize_any};

use crate::node::{Content, Node, Span};
use crate::notes::Notes;
use crate::suggest::closest;

/// A field with its place.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    /// What was read; `None` when it is absent or wrong (noted by then).
    pub(crate) value: Option<T>,
    /// The value's place; empty at 0 when absent.
    pub(crate) span: Span,
    /// Its key's place, or the value's own in a list.
    pub(crate) key: Span,
    /// Whether it was written at all.
    pub(crate) written: bool,
}

impl<T> Default for At<T> {
    fn default() -> Self {
        Self { value: None, span: 0..0, key: 0..0, written: false }
    }
}

/// Reads a section; what is wrong in it is noted.
pub(crate) fn read<'a, T: Deserialize<'a>>(node: &'a Node, notes: &'a Notes) -> Option<T> {
    T::deserialize(Reader { node, key: None, notes }).ok()
}

/// An error that was noted already, or whose place is still to be found.
#[derive(Debug)]
pub(crate) struct Wrong {
    message: String,
    noted: bool,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Wrong {}

impl serde::de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), noted: false }
    }

    /// Says what was expected and never what was there: it may be a secret.
    fn invalid_type(unexpected: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        use serde::de::Unexpected as U;
        let kind = match unexpected {
            U::Bool(_) => "a boolean",
            U::Unsigned(_) | U::Signed(_) => "a whole number",
            U::Float(_) => "a number",
            U::Str(_) | U::Char(_) | U::Bytes(_) => "a string",
            U::Unit | U::Option => "null",
            U::Seq => "a list",
            U::Map => "a mapping",
            _ => "something else",
        };
        Self::custom(format_args!("Input should be {expected}, not {kind}"))
    }

    fn invalid_value(_: serde::de::Unexpected<'_>, expected: &dyn serde::de::Expected) -> Self {
        Self::custom(format_args!("Input should be {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("Input should be one of {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("{field}: Field required"))
    }
}

/// A node that is being read.
#[derive(Clone, Copy)]
struct Reader<'a> {
    node: &'a Node,
    key: Option<&'a Node>,
    notes: &'a Notes,
}

/// Sections that MLflow passes on as keyword arguments, which are strings; elsewhere it skips other keys.
const CALLED: &[&str] = &["File", "Model", "Limit"];
/// The name under which [`At`] asks for its place.
const AT: &str = "$at";

impl<'a> Reader<'a> {
    fn note<T>(self, result: Result<T, Wrong>) -> Result<T, Wrong> {
        result.map_err(|wrong| {
            if !wrong.noted {
                self.notes.wrong_node(self.node, wrong.message.clone());
            }
            Wrong { noted: true, ..wrong }
        })
    }

    fn section(self, fields: &'static [&'static str], entries: &'a [(Node, Node)]) -> Section<'a> {
        for (key, _) in entries {
            let known = key.text().is_some_and(|name| fields.contains(&name));
            if !known && !fields.is_empty() {
                let label = key.label();
                self.notes.unknown(key.span.clone(), &label, closest(&label, fields.iter().copied()));
            }
        }
        Section {
            entries: entries.iter(),
            value: None,
            notes: self.notes,
            only: (!fields.is_empty()).then_some(fields),
        }
    }
}

impl<'a> Deserializer<'a> for Reader<'a> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let result = match &self.node.content {
            Content::Null => visitor.visit_unit(),
            Content::Bool(value) => visitor.visit_bool(*value),
            Content::Int(value) => match (u64::try_from(*value), i64::try_from(*value)) {
                (Ok(value), _) => visitor.visit_u64(value),
                (_, Ok(value)) => visitor.visit_i64(value),
                _ => visitor.visit_f64(*value as f64),
            },
            Content::Float(value) => visitor.visit_f64(*value),
            Content::Text(text) => visitor.visit_borrowed_str(text),
            Content::List(elements) => {
                visitor.visit_seq(Elements { elements: elements.iter(), notes: self.notes })
            }
            Content::Map(entries) => visitor.visit_map(self.section(&[], entries)),
        };
        self.note(result)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.node.content {
            Content::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.node.entries() {
            Some(entries)
                if CALLED.contains(&name) && entries.iter().any(|(key, _)| key.text().is_none()) =>
            {
                self.note(Err(serde::de::Error::custom("keys should be strings")))
            }
            Some(entries) => self.note(visitor.visit_map(self.section(fields, entries))),
            None => self.note(Err(serde::de::Error::custom(format_args!(
                "Input should be a valid dictionary, not {}",
                self.node.kind()
            )))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        if name != AT {
            return visitor.visit_newtype_struct(self);
        }
        visitor.visit_seq(Place { reader: self, step: 0 })
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let result = match self.node.text() {
            Some(text) => visitor.visit_enum(Word(text)),
            None => Err(serde::de::Error::custom(format_args!(
                "Input should be a valid string, not {}",
                self.node.kind()
            ))),
        };
        self.note(result)
    }

    forward_to_deserialize_any! {
        <W: Visitor<'a>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// The entries of a mapping; with `only`, those of a section.
struct Section<'a> {
    entries: std::slice::Iter<'a, (Node, Node)>,
    value: Option<(&'a Node, &'a Node)>,
    notes: &'a Notes,
    only: Option<&'static [&'static str]>,
}

impl<'a> MapAccess<'a> for Section<'a> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        for (key, value) in self.entries.by_ref() {
            let Some(name) = key.text() else { continue };
            if self.only.is_some_and(|fields| !fields.contains(&name)) {
                continue;
            }
            self.value = Some((key, value));
            return seed.deserialize(value::BorrowedStrDeserializer::new(name)).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        let (key, node) =
            self.value.take().ok_or_else(|| <Wrong as serde::de::Error>::custom("a value before its key"))?;
        seed.deserialize(Reader { node, key: Some(key), notes: self.notes })
    }
}

struct Elements<'a> {
    elements: std::slice::Iter<'a, Node>,
    notes: &'a Notes,
}

impl<'a> SeqAccess<'a> for Elements<'a> {
    type Error = Wrong;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Wrong> {
        let Some(node) = self.elements.next() else { return Ok(None) };
        seed.deserialize(Reader { node, key: None, notes: self.notes }).map(Some)
    }
}

/// A variant without content.
struct Word<'a>(&'a str);

impl<'a> EnumAccess<'a> for Word<'a> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<(S::Value, Self), Wrong> {
        Ok((seed.deserialize(value::BorrowedStrDeserializer::new(self.0))?, self))
    }
}

impl<'a> VariantAccess<'a> for Word<'a> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'a>>(self, _: S) -> Result<S::Value, Wrong> {
        Err(serde::de::Error::custom("Input should be a plain word"))
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, _: V) -> Result<V::Value, Wrong> {
        Err(serde::de::Error::custom("Input should be a plain word"))
    }

    fn struct_variant<V: Visitor<'a>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Wrong> {
        Err(serde::de::Error::custom("Input should be a plain word"))
    }
}

/// What [`At`] is told: the four numbers of its place, then the value.
struct Place<'a> {
    reader: Reader<'a>,
    step: usize,
}

impl<'a> SeqAccess<'a> for Place<'a> {
    type Error = Wrong;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Wrong> {
        let node = self.reader.node;
        let key = self.reader.key.map_or_else(|| node.head(), |key| key.span.clone());
        let number = match self.step {
            0 => node.span.start,
            1 => node.span.end,
            2 => key.start,
            3 => key.end,
            _ => return seed.deserialize(self.reader).map(Some),
        };
        self.step += 1;
        seed.deserialize(value::UsizeDeserializer::new(number)).map(Some)
    }
}

impl<'a, T: Deserialize<'a>> Deserialize<'a> for At<T> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taker<T>(std::marker::PhantomData<T>);

        impl<'a, T: Deserialize<'a>> Visitor<'a> for Taker<T> {
            type Value = At<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_seq<A: SeqAccess<'a>>(self, mut place: A) -> Result<At<T>, A::Error> {
                let mut number = || Ok(place.next_element::<usize>()?.unwrap_or_default());
                let (span, key) = (number()?..number()?, number()?..number()?);
                // What went wrong inside was noted there.
                let value = place.next_element::<T>().unwrap_or_default();
                Ok(At { value, span, key, written: true })
            }
        }

        deserializer.deserialize_newtype_struct(AT, Taker(std::marker::PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
