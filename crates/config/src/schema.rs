//! The JSON Schema of a config, for editors.

use std::collections::BTreeMap;

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::catalogue::{Catalogue, Kind};
use crate::values::KeyForms;
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

/// So much per period, as [`crate::limit::rate`] reads it.
pub(crate) fn rate(_: &mut SchemaGenerator) -> Schema {
    let pattern = format!(
        r"^\s*[0-9][0-9_]*\s*(/|[Pp][Ee][Rr])\s*[0-9]*\s*({})[Ss]?\s*$",
        crate::limit::periods().collect::<Vec<_>>().join("|")
    );
    json_schema!({"type": "string", "pattern": pattern})
}

/// A model's config: the keys of every provider, for completion in editors.
pub(crate) fn config(generator: &mut SchemaGenerator) -> Schema {
    let key_form = generator.subschema_for::<KeyForms>().to_value();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;
    use boon::{Compiler, Schemas};

    /// Why a config does not fit the schema, if so.
    fn objection(config: &Value) -> Option<String> {
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.add_resource("config.json", schema()).unwrap();
        let schema = compiler.compile("config.json", &mut schemas).expect("the schema is valid");
        schemas.validate(config, schema).err().map(|error| error.to_string())
    }

    #[test]
    fn the_schema_accepts_what_the_gateway_accepts() {
        for text in [include_str!("../tests/check/example.yaml"), crate::DEMO] {
            assert_eq!(objection(&yaml::parse(text).unwrap().root.unwrap().to_json()), None);
        }
        let guide = json!({"routes": [{
            "name": "completions",
            "route_type": "llm/v1/completions",
            "model": {"provider": "openai", "name": "gpt-3.5-turbo", "config": {"openai_api_key": "$OPENAI_API_KEY"}}
        }]});
        assert_eq!(objection(&guide), None);
    }

    #[test]
    fn the_schema_marks_what_the_gateway_refuses() {
        let entry = |key: &str, value: Value| {
            let mut entry = json!({"name": "a", "route_type": "llm/v1/chat", "model": {"provider": "demo"}});
            entry[key] = value;
            json!({"routes": [entry]})
        };
        assert_eq!(objection(&entry("name", json!("a"))), None);
        for wrong in [
            entry("name", json!(5)),
            entry("route_type", json!("llm/v1/foo")),
            entry("model", json!({})),
            entry("limit", json!({"calls": 1})),
            entry("limits", json!({"requests": 100})),
            entry("limits", json!({"requests": "100 per fortnight"})),
            entry("limits", json!({"concurrent": 0})),
            entry("timeouts", json!({"total": "5x"})),
            entry("typo", json!(1)),
            json!({"routes": [{"name": "a", "type": "llm/v1/chat", "model": {"provider": "demo"}}]}),
            json!({"server": {"limits": {"max_body": "big"}}}),
            json!({"providers": [{"display": "nameless"}]}),
        ] {
            assert!(objection(&wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn every_key_says_what_it_is_for() {
        fn silent(schema: &Value, path: &str, found: &mut Vec<String>) {
            let Value::Object(schema) = schema else { return };
            if let Some(Value::Object(properties)) = schema.get("properties") {
                for (name, property) in properties {
                    if property.get("description").is_none() {
                        found.push(format!("{path}.{name}"));
                    }
                }
            }
            for (key, value) in schema {
                silent(value, &format!("{path}.{key}"), found);
            }
        }

        let mut found = Vec::new();
        silent(&schema(), "", &mut found);
        assert!(found.is_empty(), "{found:?}");
    }
}
