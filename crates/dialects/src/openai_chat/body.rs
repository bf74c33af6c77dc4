//! The frame of a request's body: the model first, extras last.

use crate::ModelTraits;
use crate::canonical::{Extras, Losses, RawJson};
use crate::raw::ObjectWriter;
use serde::Serialize;

/// Writes a request's body. Where the client meant an extra for the provider, it wins over the field of its name.
pub(crate) struct Body<'a> {
    object: ObjectWriter<'a>,
    extras: &'a Extras,
    takes: &'a [String],
}

impl<'a> Body<'a> {
    /// Opens the body with the model's name.
    pub(crate) fn new(model: &'a ModelTraits, extras: &'a Extras, out: &'a mut Vec<u8>) -> Self {
        let mut body = Self { object: ObjectWriter::new(out), extras, takes: &model.takes };
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
            return self.object.end();
        }
        for (path, value) in &self.extras.fields {
            match self.taken(path, value) {
                Some(name) => {
                    self.object.raw(name, value);
                    if name == "top_logprobs" {
                        // The chat API wants to be told twice.
                        self.object.field("logprobs", &true);
                    }
                }
                None => losses.add(path.as_str(), "it belongs to the client's own API"),
            }
        }
        self.object.end();
    }

    /// The name of another API's field here, where the provider takes it and it means the same.
    fn taken<'b>(&self, path: &'b str, value: &RawJson) -> Option<&'b str> {
        let name = if path == "text.verbosity" { &path["text.".len()..] } else { path };
        let means_the_same = match name {
            "service_tier" => {
                let tiers = ["\"auto\"", "\"default\"", "\"flex\"", "\"scale\"", "\"priority\""];
                tiers.contains(&value.get())
            }
            // OpenAI takes it of what is stored alone.
            "metadata" => self.extras.get("store").is_some_and(|store| store.get() == "true"),
            _ => true,
        };
        (means_the_same && self.takes.iter().any(|taken| taken == name)).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::to_raw;

    fn said(fields: &[(&str, serde_json::Value)]) -> (serde_json::Value, Vec<String>) {
        let takes =
            ["verbosity", "service_tier", "top_logprobs", "metadata", "store"].map(str::to_owned).into();
        let model = ModelTraits { takes, ..ModelTraits::default() };
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), to_raw(value))).collect();
        let (extras, mut out) = (Extras { fields, for_provider: false }, Vec::new());
        let mut losses = Losses::default();
        Body::new(&model, &extras, &mut out).end(&mut losses);
        let lost = losses.iter().map(|loss| loss.path.clone()).collect();
        (serde_json::from_slice(&out).expect("JSON"), lost)
    }

    #[test]
    fn what_the_provider_takes_of_another_api_is_said_and_the_rest_is_recorded() {
        let (body, lost) = said(&[
            ("text.verbosity", "low".into()),
            ("service_tier", "flex".into()),
            ("top_logprobs", 2.into()),
            ("max_tool_calls", 3.into()),
        ]);
        let wanted = serde_json::json!({"model": null, "verbosity": "low", "service_tier": "flex", "top_logprobs": 2,
            "logprobs": true});
        assert_eq!((body, lost), (wanted, vec!["max_tool_calls".to_owned()]));
    }

    #[test]
    fn a_field_of_the_same_name_that_means_something_else_is_recorded() {
        let (body, lost) = said(&[("service_tier", "standard_only".into()), ("metadata", "m".into())]);
        assert_eq!((body, lost.len()), (serde_json::json!({ "model": null }), 2));
        let (body, lost) = said(&[("metadata", "m".into()), ("store", true.into())]);
        assert_eq!((&body["metadata"], lost.len()), (&"m".into(), 0));
    }
}
