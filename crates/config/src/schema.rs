//! The JSON Schema of a config, for editors.

use std::collections::BTreeMap;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::catalogue::{Catalogue, Kind};
use crate::values::KeyForm;
use crate::written::File;

/// The schema, made from the types that read the file and from the catalogue.
pub(crate) fn schema() -> Value {
    schemars::schema_for!(File).to_value()
}

/// A provider's name; other spellings and own providers are allowed, too.
pub(crate) fn provider(_: &mut SchemaGenerator) -> Schema {
    let catalogue = Catalogue::built_in();
    let names: Vec<_> = catalogue.names().collect();
    json_schema!({"anyOf": [{"enum": names}, {"type": "string"}]})
}

/// A model's config: the keys of every provider, for completion in editors.
pub(crate) fn config(generator: &mut SchemaGenerator) -> Schema {
    let key_form = generator.subschema_for::<KeyForm>().to_value();
    let mut keys = BTreeMap::new();
    for provider in Catalogue::built_in().providers() {
        let display = provider.display.as_ref().unwrap_or(&provider.name);
        for (name, key) in &provider.config {
            let need = if key.required { "required" } else { "optional" };
            let mut schema = match key.kind {
                Kind::Key => json!({"anyOf": [key_form]}),
                Kind::Text | Kind::Url => json!({"type": ["string", "null"]}),
                Kind::Whole => json!({"type": ["integer", "null"], "minimum": 0}),
                Kind::Number => json!({"type": ["number", "null"]}),
                Kind::Mapping => json!({"type": ["object", "null"]}),
            };
            schema["description"] = json!(format!("For {display}, {need}."));
            if let Some(default) = &key.default {
                schema["default"] = json!(default);
            }
            keys.insert(name.clone(), schema);
        }
    }
    json_schema!({"type": ["object", "null"], "properties": keys})
}
