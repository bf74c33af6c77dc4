//! Schemas: the API's own, a subset of OpenAPI 3.0 with types in capitals, and JSON Schema, which all others have.

use crate::canonical::RawJson;
use crate::raw::to_raw;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// `Type` of the API's protocol, by number.
const TYPES: [&str; 8] = ["unspecified", "string", "number", "integer", "boolean", "array", "object", "null"];
/// The bounds that ProtoJSON writes as strings, being 64-bit numbers.
const BOUNDS: [&str; 6] =
    ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"];
/// How deep schemas are followed; what is deeper stays as it is.
const MOST_DEEP: u32 = 64;

/// The API's own schema as JSON Schema. One that is JSON Schema already stays as it was written.
pub(super) fn to_json_schema(schema: &RawValue) -> RawJson {
    let Ok(mut value) = serde_json::from_str::<Value>(schema.get()) else { return schema.to_owned() };
    let before = value.clone();
    convert(&mut value, MOST_DEEP);
    if value == before { schema.to_owned() } else { to_raw(&value) }
}

fn convert(schema: &mut Value, deep: u32) {
    let (Value::Object(fields), 1..) = (schema, deep) else { return };
    *fields = std::mem::take(fields).into_iter().map(|(name, value)| (in_camel_case(name), value)).collect();
    if let Some(kind) = fields.get_mut("type") {
        convert_type(kind);
    }
    for bound in BOUNDS {
        if let Some(value) = fields.get_mut(bound)
            && let Some(number) = value.as_str().and_then(|text| text.parse::<u64>().ok())
        {
            *value = number.into();
        }
    }
    put_in_order(fields);
    // The API's word for a string with `enum`; JSON Schema knows no such format.
    if fields.get("format").is_some_and(|format| format == "enum") {
        fields.remove("format");
    }
    for (name, value) in fields.iter_mut() {
        match (name.as_str(), value) {
            ("properties" | "$defs" | "defs", Value::Object(schemas)) => {
                schemas.values_mut().for_each(|schema| convert(schema, deep - 1));
            }
            ("anyOf" | "prefixItems", Value::Array(schemas)) => {
                schemas.iter_mut().for_each(|schema| convert(schema, deep - 1));
            }
            ("items" | "additionalProperties", schema) => convert(schema, deep - 1),
            _ => {}
        }
    }
    if fields.shift_remove("nullable") == Some(Value::Bool(true)) {
        allow_null(fields);
    }
}

/// Models write fields in the order of the schema, which the API's own schemas may say apart.
fn put_in_order(fields: &mut Map<String, Value>) {
    let Some(Value::Array(order)) = fields.shift_remove("propertyOrdering") else { return };
    let Some(Value::Object(properties)) = fields.get_mut("properties") else { return };
    let mut ordered = Map::new();
    for name in order.iter().filter_map(Value::as_str) {
        ordered.extend(properties.shift_remove_entry(name));
    }
    ordered.append(properties);
    *properties = ordered;
}

/// The names of the API's schemas that clients write in snake_case.
fn in_camel_case(name: String) -> String {
    match name.as_str() {
        "any_of" => "anyOf",
        "min_items" => "minItems",
        "max_items" => "maxItems",
        "min_length" => "minLength",
        "max_length" => "maxLength",
        "min_properties" => "minProperties",
        "max_properties" => "maxProperties",
        "property_ordering" => "propertyOrdering",
        _ => return name,
    }
    .to_owned()
}

fn convert_type(kind: &mut Value) {
    let word = match kind {
        Value::String(word) => word.to_ascii_lowercase(),
        Value::Number(number) => {
            let number = number.as_u64().and_then(|number| usize::try_from(number).ok());
            number.and_then(|number| TYPES.get(number)).copied().unwrap_or_default().to_owned()
        }
        _ => return,
    };
    if TYPES[1..].contains(&word.as_str()) {
        *kind = word.into();
    }
}

fn allow_null(fields: &mut Map<String, Value>) {
    match fields.get_mut("type") {
        Some(Value::String(kind)) if kind != "null" => {
            let kinds = vec![Value::from(std::mem::take(kind)), "null".into()];
            fields.insert("type".to_owned(), kinds.into());
        }
        Some(_) => {}
        None => {
            if let Some(Value::Array(schemas)) = fields.get_mut("anyOf") {
                schemas.push(serde_json::json!({ "type": "null" }));
            }
        }
    }
    if let Some(Value::Array(values)) = fields.get_mut("enum") {
        values.push(Value::Null);
    }
}

/// Whether the API's own schemas can say a function's schema as it is written; else it is told as JSON Schema.
pub(super) fn is_own(schema: &RawValue) -> bool {
    let schema = serde_json::from_str::<Value>(schema.get()).unwrap_or_default();
    schema.get("type").is_some_and(|kind| kind == "object") && can_say(&schema, MOST_DEEP)
}

/// Whether a schema lets objects have the fields that it names and no others, and wants all of them: what those APIs ask
/// for that hold a model strictly to it.
pub(super) fn is_strict(schema: &RawValue) -> bool {
    serde_json::from_str(schema.get()).is_ok_and(|schema| is_closed(&schema, MOST_DEEP))
}

fn is_closed(schema: &Value, deep: u32) -> bool {
    let (Value::Object(fields), 1..) = (schema, deep) else { return false };
    let properties = fields.get("properties").and_then(Value::as_object);
    let is_object = properties.is_some() || fields.get("type").is_some_and(|kind| kind == "object");
    let wants_all = || {
        let required = fields.get("required").and_then(Value::as_array);
        let wanted =
            |name: &String| required.is_some_and(|required| required.iter().any(|other| other == name));
        properties.is_none_or(|properties| properties.keys().all(wanted))
    };
    let closed = fields.get("additionalProperties") == Some(&Value::Bool(false));
    let inner = ["properties", "$defs", "anyOf", "items"]
        .into_iter()
        .filter_map(|name| Some((name, fields.get(name)?)));
    let all_closed = inner.into_iter().all(|(name, inner)| match (name, inner) {
        ("items", schema) => is_closed(schema, deep - 1),
        (_, Value::Object(schemas)) => schemas.values().all(|schema| is_closed(schema, deep - 1)),
        (_, Value::Array(schemas)) => schemas.iter().all(|schema| is_closed(schema, deep - 1)),
        _ => false,
    });
    (!is_object || closed && wants_all()) && all_closed
}

fn can_say(schema: &Value, deep: u32) -> bool {
    let (Value::Object(fields), 1..) = (schema, deep) else { return false };
    let each = |schemas: &Value| match schemas {
        Value::Object(schemas) => schemas.values().all(|schema| can_say(schema, deep - 1)),
        Value::Array(schemas) => schemas.iter().all(|schema| can_say(schema, deep - 1)),
        _ => false,
    };
    fields.iter().all(|(name, value)| match name.as_str() {
        "type" => value.is_string(),
        "properties" | "anyOf" => each(value),
        "items" => can_say(value, deep - 1),
        "enum" => value.as_array().is_some_and(|values| values.iter().all(Value::is_string)),
        "format" => {
            matches!(value.as_str(), Some("float" | "double" | "int32" | "int64" | "date-time" | "enum"))
        }
        "description" | "title" | "required" | "nullable" | "minimum" | "maximum" | "minItems"
        | "maxItems" | "minLength" | "maxLength" | "pattern" | "default" => true,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn converted(schema: &Value) -> Value {
        serde_json::from_str(to_json_schema(&to_raw(schema)).get()).expect("JSON")
    }

    #[test]
    fn the_apis_own_schemas_become_json_schema() {
        let own = json!({"type": "OBJECT", "property_ordering": ["a", "b"], "required": ["a"], "properties": {
            "b": {"type": "ARRAY", "items": {"type": 3}, "minItems": "2"},
            "a": {"type": "STRING", "format": "enum", "enum": ["x"], "nullable": true},
            "nullable": {"anyOf": [{"type": "NUMBER"}], "nullable": true}}});
        let wanted = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": ["string", "null"], "enum": ["x", null]},
            "b": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
            "nullable": {"anyOf": [{"type": "number"}, {"type": "null"}]}}});
        assert_eq!(
            converted(&own).to_string(),
            wanted.to_string(),
            "fields stand in the order that was said"
        );
    }

    #[test]
    fn a_schema_is_strict_where_every_object_in_it_is_closed() {
        let strict = |schema: Value| is_strict(&to_raw(&schema));
        let closed = json!({"type": "object", "additionalProperties": false, "properties": {"a": {"type": "string"}},
            "required": ["a"]});
        assert!(strict(closed.clone()));
        let mut inner = closed.clone();
        inner["properties"]["a"] = json!({"type": "array", "items": {"type": "object", "properties": {}}});
        assert!(!strict(inner));
        let mut optional = closed;
        optional["required"] = json!([]);
        assert!(!strict(optional));
    }

    #[test]
    fn json_schema_stays_as_it_was_written() {
        let raw =
            RawValue::from_string(r#"{ "type":"object", "properties":{"n":{"const":1.0}} }"#.to_owned());
        let raw = raw.expect("JSON");
        assert_eq!(to_json_schema(&raw).get(), raw.get());
    }

    #[test]
    fn what_the_apis_own_schemas_cannot_say_is_told_as_json_schema() {
        let own = |schema: Value| is_own(&to_raw(&schema));
        assert!(own(json!({"type": "object", "properties": {}})));
        assert!(own(json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})));
        for schema in [
            json!({"type": "object", "additionalProperties": false}),
            json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}}}),
            json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}}),
            json!({"anyOf": []}),
            json!(true),
        ] {
            assert!(!own(schema.clone()), "{schema}");
        }
    }
}
