//! What MLflow 2.22 checks of a chat's messages and tools.
//!
//! The checks name the same fields in the same order; what they would drop (unknown fields of a message, keywords of a
//! nested JSON schema) is kept. Three checks are wider, since what they refuse is good JSON Schema that providers take:
//! a list of types, values of an `enum` that are not strings, and a schema as `additionalProperties`.

use crate::canonical::Step;
use crate::mlflow_contract::json::{Json, Object, get};
use crate::mlflow_contract::report::Report;
use crate::mlflow_contract::step;
use serde_json::json;

/// Pydantic's name for a list of content parts, which stands in the location of their errors.
const PARTS: &str = "list[tagged-union[TextContentPart,ImageContentPart,AudioContentPart]]";

const JSON_TYPES: [&str; 7] = ["string", "number", "integer", "object", "array", "boolean", "null"];

/// The fields of a tool whose `null` MLflow drops.
pub(super) const KEYWORDS: [&str; 10] = [
    "function",
    "uc_function",
    "description",
    "parameters",
    "strict",
    "type",
    "enum",
    "items",
    "required",
    "additionalProperties",
];

/// The tools with the type of their parameters, which MLflow fills in.
pub(super) fn with_types<'a>(tools: &Json<'a>) -> Json<'a> {
    let mut tools = tools.clone();
    if let Json::List(tools) = &mut tools {
        for tool in tools {
            let parameters =
                field_mut(tool, "function").and_then(|function| field_mut(function, "parameters"));
            if let Some(Json::Object(schema)) = parameters
                && !schema.iter().any(|(name, _)| name == "type")
            {
                schema.push(("type".into(), Json::Text("object".into())));
            }
        }
    }
    tools
}

fn field_mut<'o, 'a>(value: &'o mut Json<'a>, name: &str) -> Option<&'o mut Json<'a>> {
    let Json::Object(object) = value else { return None };
    object.iter_mut().find(|(field, _)| field == name).map(|(_, value)| value)
}

/// A message.
pub(super) fn message(report: &mut Report, value: &Json<'_>) -> Option<()> {
    let object = report.model(value)?;
    report.required(object, "role", text);
    report.nullable(object, "content", content);
    report.nullable(object, "tool_calls", |report, value| report.list(value, tool_call));
    report.nullable(object, "refusal", text);
    report.nullable(object, "tool_call_id", text);
    Some(())
}

/// A string or a list of parts; what is neither is an error in both forms.
fn content(report: &mut Report, value: &Json<'_>) -> Option<()> {
    if matches!(value, Json::Text(_)) {
        return Some(());
    }
    let before = report.mark();
    report.at(step("str"), |report| text(report, value));
    let wrong = report.mark();
    report.at(step(PARTS), |report| report.list(value, part));
    if report.mark() == wrong {
        report.forget(before);
    }
    Some(())
}

fn part(report: &mut Report, value: &Json<'_>) -> Option<()> {
    let object = report.model(value)?;
    let Some(tag) = get(object, "type") else {
        let context = json!({"discriminator": "'type'"});
        report.add_with(
            "union_tag_not_found",
            "Unable to extract tag using discriminator 'type'",
            value,
            context,
        );
        return None;
    };
    let tag = match tag {
        Json::Text(tag) => tag.to_string(),
        Json::Number(tag) => (*tag).to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Null => "None".to_owned(),
        _ => String::new(),
    };
    match tag.as_str() {
        "text" => report.at(step("text"), |report| report.required(object, "text", text)),
        "image_url" => report.at(step("image_url"), |report| {
            report.required(object, "image_url", |report, value| {
                let image = report.model(value)?;
                report.required(image, "url", text);
                report.nullable(image, "detail", |report, value| report.word(value, &["auto", "low", "high"]))
            })
        }),
        "input_audio" => report.at(step("input_audio"), |report| {
            report.required(object, "input_audio", |report, value| {
                let audio = report.model(value)?;
                report.required(audio, "data", text);
                report.required(audio, "format", |report, value| report.word(value, &["wav", "mp3"]))
            })
        }),
        _ => {
            const TAGS: &str = "'text', 'image_url', 'input_audio'";
            let message = format!(
                "Input tag '{tag}' found using 'type' does not match any of the expected tags: {TAGS}"
            );
            let context = json!({"discriminator": "'type'", "tag": tag, "expected_tags": TAGS});
            report.add_with("union_tag_invalid", message, value, context);
            None
        }
    }
}

fn tool_call(report: &mut Report, value: &Json<'_>) -> Option<()> {
    let object = report.model(value)?;
    report.required(object, "id", text);
    report.optional(object, "type", text);
    report.required(object, "function", |report, value| {
        let function = report.model(value)?;
        report.required(function, "name", text);
        report.required(function, "arguments", text)
    })
}

/// A tool.
pub(super) fn tool(report: &mut Report, value: &Json<'_>) -> Option<()> {
    let object = report.model(value)?;
    report.required(object, "type", |report, value| report.word(value, &["function", "uc_function"]));
    report.nullable(object, "function", |report, value| {
        let function = report.model(value)?;
        report.required(function, "name", text);
        report.nullable(function, "description", text);
        report.nullable(function, "parameters", parameters);
        report.nullable(function, "strict", |report, value| report.boolean(value).map(drop))
    });
    report.nullable(object, "uc_function", |report, value| {
        let function = report.model(value)?;
        report.required(function, "name", text)
    })
}

fn parameters(report: &mut Report, value: &Json<'_>) -> Option<()> {
    let schema = report.model(value)?;
    report.required(schema, "properties", |report, value| {
        for (name, value) in report.dictionary(value)? {
            report.at(Step::Field(name.to_string().into()), |report| property(report, value));
        }
        Some(())
    });
    report.optional(schema, "type", |report, value| report.word(value, &["object"]));
    report.nullable(schema, "required", |report, value| report.list(value, text));
    report.nullable(schema, "additionalProperties", |report, value| match value {
        Json::Object(_) => Some(()),
        _ => report.boolean(value).map(drop),
    })
}

fn property(report: &mut Report, value: &Json<'_>) -> Option<()> {
    let schema = report.model(value)?;
    type_of(report, schema);
    report.nullable(schema, "description", text);
    report.nullable(schema, "enum", |report, value| report.list(value, |_, _| Some(())));
    report.nullable(schema, "items", |report, value| {
        let items = report.model(value)?;
        type_of(report, items)
    })
}

fn type_of(report: &mut Report, schema: &Object<'_>) -> Option<()> {
    report.nullable(schema, "type", |report, value| match value {
        Json::List(types) if types.iter().all(|name| is_json_type(name)) => Some(()),
        _ => report.word(value, &JSON_TYPES),
    })
}

fn is_json_type(value: &Json<'_>) -> bool {
    matches!(value, Json::Text(name) if JSON_TYPES.contains(&name.as_ref()))
}

fn text(report: &mut Report, value: &Json<'_>) -> Option<()> {
    report.text(value).map(drop)
}
