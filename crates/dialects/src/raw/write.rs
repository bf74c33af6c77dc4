//! Writing JSON field by field, with raw pieces passed through.

use crate::canonical::RawJson;
use serde::Serialize;
use serde_json::value::RawValue;

/// Appends `value` as JSON.
pub(crate) fn write_json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("memory takes every byte and keys are strings");
}

/// `value` as a body of JSON.
pub(crate) fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write_json(value, &mut out);
    out
}

/// `value` as raw JSON.
pub(crate) fn to_raw<T: Serialize + ?Sized>(value: &T) -> RawJson {
    serde_json::value::to_raw_value(value).expect("memory takes every byte and keys are strings")
}

/// Writes an object. [`ObjectWriter::end`] closes it.
#[derive(Debug)]
pub(crate) struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    started: bool,
}

impl<'a> ObjectWriter<'a> {
    /// Opens an object.
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, started: false }
    }

    /// Writes a field's name; its value must be appended to what this gives.
    pub(crate) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if std::mem::replace(&mut self.started, true) {
            self.out.push(b',');
        }
        write_json(name, self.out);
        self.out.push(b':');
        self.out
    }

    /// Writes a field.
    pub(crate) fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> &mut Self {
        write_json(value, self.key(name));
        self
    }

    /// Writes a field if there is a value.
    pub(crate) fn some<T: Serialize>(&mut self, name: &str, value: Option<T>) -> &mut Self {
        if let Some(value) = value {
            self.field(name, &value);
        }
        self
    }

    /// Writes a field whose value is JSON already.
    pub(crate) fn raw(&mut self, name: &str, value: &RawValue) -> &mut Self {
        self.key(name).extend_from_slice(value.get().as_bytes());
        self
    }

    /// Writes fields whose values are JSON already.
    pub(crate) fn raws<'b>(&mut self, fields: impl IntoIterator<Item = &'b (String, RawJson)>) -> &mut Self {
        for (name, value) in fields {
            self.raw(name, value);
        }
        self
    }

    /// Writes the fields of `object`; nothing when it is no object.
    pub(crate) fn merge(&mut self, object: &RawValue) -> &mut Self {
        if let Ok(object) = super::Object::of(object) {
            self.raws(&object.rest());
        }
        self
    }

    /// Closes the object.
    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}

/// Writes a list. [`ArrayWriter::end`] closes it.
#[derive(Debug)]
pub(crate) struct ArrayWriter<'a> {
    out: &'a mut Vec<u8>,
    started: bool,
}

impl<'a> ArrayWriter<'a> {
    /// Opens a list.
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'[');
        Self { out, started: false }
    }

    /// Begins an element, which must be appended to what this gives.
    pub(crate) fn element(&mut self) -> &mut Vec<u8> {
        if std::mem::replace(&mut self.started, true) {
            self.out.push(b',');
        }
        self.out
    }

    /// Closes the list.
    pub(crate) fn end(self) {
        self.out.push(b']');
    }
}
