//! The frame of a request's body: the model first, extras last.

use crate::ModelTraits;
use crate::canonical::{Extras, Losses};
use crate::raw::ObjectWriter;
use serde::Serialize;

/// Writes a request's body. Where the client meant an extra for the provider, it wins over the field of its name.
pub(crate) struct Body<'a> {
    object: ObjectWriter<'a>,
    extras: &'a Extras,
}

impl<'a> Body<'a> {
    /// Opens the body with the model's name.
    pub(crate) fn new(model: &ModelTraits, extras: &'a Extras, out: &'a mut Vec<u8>) -> Self {
        let mut body = Self { object: ObjectWriter::new(out), extras };
        if !model.model_in_url {
            body.field("model", &model.model);
        }
        body
    }

    /// Writes a field.
    pub(crate) fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        if let Some(out) = self.key(name) {
            crate::raw::write_json(value, out);
        }
    }

    /// Writes a field if there is a value.
    pub(crate) fn some<T: Serialize>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value {
            self.field(name, &value);
        }
    }

    /// Writes a field's name; its value must be appended. `None` when an extra stands in its place.
    pub(crate) fn key(&mut self, name: &str) -> Option<&mut Vec<u8>> {
        let taken = self.extras.for_provider && self.extras.get(name).is_some();
        (!taken).then(|| self.object.key(name))
    }

    /// Writes the extras, or counts them as lost, and closes the body.
    pub(crate) fn end(mut self, losses: &mut Losses) {
        if self.extras.for_provider {
            self.object.raws(&self.extras.fields);
        } else {
            losses.add_fields("", &self.extras.fields, "it belongs to the client's own API");
        }
        self.object.end();
    }
}
