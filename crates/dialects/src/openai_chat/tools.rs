//! Tools, the choice among them, calls of them, and the form of the answer.

use super::FAMILY;
use crate::canonical::{Losses, RawJson, ResponseFormat, Signature, Tool, ToolCall, ToolChoice};
use crate::raw::{Mismatch, Object, ObjectWriter, Read, text, to_raw};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::Display;

/// Reads a tool's declaration.
///
/// # Errors
/// A [`Mismatch`] that names the first wrong field. So for the functions below.
pub(crate) fn read(value: &RawValue) -> Read<Tool> {
    let mut object = Object::of(value)?;
    let kind = object.string("type")?;
    if kind.as_deref().is_some_and(|kind| kind != "function") {
        return Ok(Tool::Unknown(value.to_owned()));
    }
    let mut function = object.need_object("function")?;
    let inside = |wrong: Mismatch| wrong.within("function");
    Ok(Tool::Function {
        name: function.need_string("name").map_err(inside)?,
        description: function.string("description").map_err(inside)?,
        parameters: function.take("parameters").map(ToOwned::to_owned),
        strict: function.boolean("strict").map_err(inside)?,
        extras: rest_with(object, "function", function),
    })
}

/// Whether OpenAI's API has a form for it.
pub(crate) fn is_known(tool: &Tool) -> bool {
    matches!(tool, Tool::Function { .. })
}

/// Writes a tool's declaration. `own`: it was written in a dialect of this family, so that what the canonical model
/// does not name is meant for the reader; else that is a loss. `at` is its path.
pub(crate) fn write(tool: &Tool, at: &dyn Display, own: bool, losses: &mut Losses, out: &mut Vec<u8>) {
    let (name, description, parameters, strict, extras) = match tool {
        Tool::Unknown(raw) => return out.extend_from_slice(raw.get().as_bytes()),
        Tool::Function { name, description, parameters, strict, extras } => {
            (name, description, parameters, strict, extras)
        }
    };
    let mut object = ObjectWriter::new(out);
    object.field("type", "function");
    let mut function = ObjectWriter::new(object.key("function"));
    function.field("name", name).some("description", description.as_ref());
    if let Some(parameters) = parameters {
        function.raw("parameters", parameters);
    }
    function.some("strict", *strict);
    write_inner(extras, "function", own, &mut function);
    function.end();
    write_outer(extras, "function", at, own, losses, &mut object);
    object.end();
}

/// Reads `tool_choice`.
pub(crate) fn read_choice(value: &RawValue) -> Read<ToolChoice> {
    if let Ok(word) = text(value) {
        return Ok(match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            _ => ToolChoice::Unknown(value.to_owned()),
        });
    }
    let wrong = |_| Mismatch::of(value, "a string or an object").within("tool_choice");
    let mut object = Object::of(value).map_err(wrong)?;
    let kind = object.string("type").ok().flatten();
    let name = object.object("function").ok().flatten().and_then(|mut function| {
        let name = function.string("name").ok().flatten();
        name.filter(|_| function.is_empty())
    });
    Ok(match name {
        Some(name) if kind.as_deref() == Some("function") && object.is_empty() => ToolChoice::Function(name),
        _ => ToolChoice::Unknown(value.to_owned()),
    })
}

/// `tool_choice` in JSON; `None` when only another API knows it.
pub(crate) fn choice_json(choice: &ToolChoice, own: bool) -> Option<RawJson> {
    Some(match choice {
        ToolChoice::Auto => to_raw("auto"),
        ToolChoice::None => to_raw("none"),
        ToolChoice::Required => to_raw("required"),
        ToolChoice::Function(name) => to_raw(&json!({"type": "function", "function": {"name": name}})),
        ToolChoice::Unknown(raw) => return own.then(|| raw.clone()),
    })
}

/// Reads `response_format`.
pub(crate) fn read_format(value: &RawValue) -> Read<ResponseFormat> {
    let wrong = |wrong: Mismatch| wrong.within("response_format");
    let mut object = Object::of(value).map_err(wrong)?;
    let kind = object.string("type").map_err(wrong)?;
    let unknown = || ResponseFormat::Unknown(value.to_owned());
    Ok(match kind.as_deref() {
        Some("text") if object.is_empty() => ResponseFormat::Text,
        Some("json_object") if object.is_empty() => ResponseFormat::JsonObject,
        Some("json_schema") => read_schema(object).unwrap_or_else(unknown),
        _ => unknown(),
    })
}

/// A format whose every field the canonical model names.
fn read_schema(mut object: Object<'_>) -> Option<ResponseFormat> {
    let mut schema = object.object("json_schema").ok().flatten()?;
    let format = ResponseFormat::JsonSchema {
        name: schema.string("name").ok()?,
        description: schema.string("description").ok()?,
        schema: schema.take("schema").map(ToOwned::to_owned),
        strict: schema.boolean("strict").ok()?,
    };
    (schema.is_empty() && object.is_empty()).then_some(format)
}

/// `response_format` in JSON; `None` when only another API knows it.
pub(crate) fn format_json(format: &ResponseFormat, own: bool) -> Option<RawJson> {
    let (name, description, schema, strict) = match format {
        ResponseFormat::Text => return Some(to_raw(&json!({"type": "text"}))),
        ResponseFormat::JsonObject => return Some(to_raw(&json!({"type": "json_object"}))),
        ResponseFormat::Unknown(raw) => return own.then(|| raw.clone()),
        ResponseFormat::JsonSchema { name, description, schema, strict } => {
            (name, description, schema, strict)
        }
    };
    let mut out = Vec::new();
    let mut object = ObjectWriter::new(&mut out);
    object.field("type", "json_schema");
    let mut inner = ObjectWriter::new(object.key("json_schema"));
    // OpenAI requires a name.
    inner.field("name", name.as_deref().unwrap_or("answer")).some("description", description.as_ref());
    inner.some("schema", schema.as_ref()).some("strict", *strict);
    inner.end();
    object.end();
    Some(as_raw(out))
}

/// Reads a call that a model made. Arguments that are JSON in place of text are taken as their text.
pub(crate) fn read_call(value: &RawValue, mark: fn(String) -> Signature) -> Read<ToolCall> {
    let mut object = Object::of(value)?;
    let signature = take_signature(&mut object).map(mark);
    let id = object.string("id")?.unwrap_or_default();
    if let Some(mut custom) = object.get("custom").and_then(|custom| Object::of(custom).ok()) {
        let (name, arguments) = (custom.string("name")?, custom.string("input")?);
        let (name, arguments) = (name.unwrap_or_default(), arguments.unwrap_or_default());
        return Ok(ToolCall { id, name, arguments, signature, extras: object.rest() });
    }
    let is_function = object.get("type").is_none_or(|kind| matches!(kind.get(), "\"function\"" | "null"));
    if is_function {
        object.take("type");
    }
    // A call of another kind stays whole among the extras.
    let whole = object.get("function").filter(|_| !is_function).map(ToOwned::to_owned);
    let mut function = object.object("function")?.unwrap_or_default();
    let name = function.string("name").map_err(|wrong| wrong.within("function"))?.unwrap_or_default();
    let arguments = function.take("arguments").map(arguments_text).unwrap_or_default();
    let mut extras = rest_with(object, "function", function);
    if let Some(whole) = whole {
        extras.retain(|(name, _)| name != "function");
        extras.push(("function".to_owned(), whole));
    }
    Ok(ToolCall { id, name, arguments, signature, extras })
}

/// Arguments as text, whether they came as a string or as JSON.
pub(crate) fn arguments_text(value: &RawValue) -> String {
    text(value).unwrap_or_else(|_| value.get().to_owned())
}

/// Where Google's OpenAI-compatible API keeps the signature of a call.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ExtraContent<'a> {
    #[serde(borrow)]
    google: Google<'a>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Google<'a> {
    #[serde(borrow)]
    thought_signature: Cow<'a, str>,
}

impl<'a> ExtraContent<'a> {
    /// With this signature in it.
    pub(crate) fn of(signature: impl Into<Cow<'a, str>>) -> Self {
        Self { google: Google { thought_signature: signature.into() } }
    }

    /// The signature in `value`, if it is of this form.
    pub(crate) fn signature(value: &'a RawValue) -> Option<String> {
        let extra: Self = serde_json::from_str(value.get()).ok()?;
        Some(extra.google.thought_signature.into_owned())
    }
}

fn take_signature(object: &mut Object<'_>) -> Option<String> {
    let signature = object.get("extra_content").and_then(ExtraContent::signature)?;
    object.take("extra_content");
    Some(signature)
}

/// Writes a call that a model made, for a client or for a provider, which takes its own family's signatures alone.
pub(crate) fn write_call(
    call: &ToolCall,
    at: &dyn Display,
    (own, for_client): (bool, bool),
    losses: &mut Losses,
    out: &mut Vec<u8>,
) {
    let mut object = ObjectWriter::new(out);
    object.field("id", &call.id);
    // A call of another kind than `function` carries its own fields.
    if own && call.extras.iter().any(|(name, _)| name == "type") {
        object.raws(&call.extras);
        return object.end();
    }
    object.field("type", "function");
    let mut function = ObjectWriter::new(object.key("function"));
    function.field("name", &call.name).field("arguments", &call.arguments);
    write_inner(&call.extras, "function", own, &mut function);
    function.end();
    if let Some(signature) = &call.signature {
        let client = for_client.then(|| signature.for_client(FAMILY));
        match client.or_else(|| signature.for_provider(FAMILY).map(Cow::Borrowed)) {
            Some(text) => _ = object.field("extra_content", &ExtraContent::of(text)),
            None => losses.add(format!("{at}.signature"), "another provider signed the call"),
        }
    }
    write_outer(&call.extras, "function", at, own, losses, &mut object);
    object.end();
}

/// What is left of an object and of the object `name` within it, as one list: the inner rest stands under `name`.
pub(crate) fn rest_with(object: Object<'_>, name: &str, inner: Object<'_>) -> Vec<(String, RawJson)> {
    let mut rest = object.rest();
    if !inner.is_empty() {
        let mut out = Vec::new();
        let mut writer = ObjectWriter::new(&mut out);
        writer.raws(&inner.rest());
        writer.end();
        rest.push((name.to_owned(), as_raw(out)));
    }
    rest
}

/// Writes the inner half of what [`rest_with`] gave.
pub(crate) fn write_inner(
    extras: &[(String, RawJson)],
    name: &str,
    own: bool,
    object: &mut ObjectWriter<'_>,
) {
    if own {
        for (_, inner) in extras.iter().filter(|(key, _)| key == name) {
            object.merge(inner);
        }
    }
}

/// Writes the outer half of what [`rest_with`] gave, or counts all of it as lost.
pub(crate) fn write_outer(
    extras: &[(String, RawJson)],
    name: &str,
    at: &dyn Display,
    own: bool,
    losses: &mut Losses,
    object: &mut ObjectWriter<'_>,
) {
    if own {
        object.raws(extras.iter().filter(|(key, _)| key != name));
    } else {
        for (key, _) in extras {
            losses.add(format!("{at}.{key}"), "OpenAI's API has no such field");
        }
    }
}

fn as_raw(json: Vec<u8>) -> RawJson {
    let json = String::from_utf8(json).expect("written from strings");
    RawValue::from_string(json).expect("written as JSON")
}
