//! Tools and the choice among them, read and written.

use super::blocks;
use crate::canonical::{ChatRequest, Losses, RawJson, Tool, ToolChoice};
use crate::object::{Fields, Misread, Object, raw_of};
use serde_json::value::RawValue;

/// Fields of a tool that are Anthropic's own.
const NATIVE: [&str; 6] =
    ["cache_control", "defer_loading", "allowed_callers", "input_examples", "eager_input_streaming", "type"];

/// Sets `tools` and `tool_choice`.
pub(super) fn set(body: &mut Object, request: &ChatRequest, losses: &mut Losses) {
    let mut tools = Vec::new();
    for (index, tool) in request.tools.iter().enumerate() {
        tools.extend(write(tool, &format!("tools[{index}]"), losses));
    }
    if tools.is_empty() {
        if matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Function(_))) {
            losses.add("tool_choice", "there is no tool to choose");
        }
        return;
    }
    body.set("tools", tools);
    body.set_some("tool_choice", write_choice(request, losses));
}

fn write(tool: &Tool, path: &str, losses: &mut Losses) -> Option<RawJson> {
    let (name, description, parameters, strict, extras) = match tool {
        Tool::Function { name, description, parameters, strict, extras } => {
            (name, description, parameters, strict, extras)
        }
        Tool::Unknown(raw) if is_server_tool(raw) => return Some(raw.clone()),
        Tool::Unknown(_) => {
            losses.add(path, "a tool that Anthropic's API does not know");
            return None;
        }
    };
    let mut written = Object::default();
    written.set("name", name);
    written.set_some("description", description.as_ref());
    let schema = parameters.as_ref().map_or_else(Object::default, |schema| {
        serde_json::from_str(schema.get()).unwrap_or_else(|_| {
            losses.add(format!("{path}.function.parameters"), "a tool's schema must be an object");
            Object::default()
        })
    });
    written.set("input_schema", with_type(schema));
    written.set_some("strict", *strict);
    blocks::add_native(&mut written, extras, &NATIVE, path, losses);
    Some(raw_of(written))
}

/// A schema that says it describes an object, without which the API refuses it.
fn with_type(schema: Object) -> Object {
    if schema.has("type") {
        return schema;
    }
    let mut typed = Object::default();
    typed.set("type", "object");
    if schema.is_empty() {
        typed.set("properties", Object::default());
    }
    typed.extend(schema);
    typed
}

/// Anthropic's server tools bear a date in their type, as in `web_search_20250305`.
fn is_server_tool(raw: &RawJson) -> bool {
    let kind = Fields::of(raw, String::new()).and_then(|mut fields| fields.need::<String>("type"));
    let dated = |kind: &str| {
        let date = kind.rsplit_once('_').map_or("", |(_, date)| date);
        date.len() == 8 && date.bytes().all(|digit| digit.is_ascii_digit())
    };
    kind.is_ok_and(|kind| kind == "mcp_toolset" || dated(&kind))
}

fn write_choice(request: &ChatRequest, losses: &mut Losses) -> Option<Object> {
    let mut choice = Object::default();
    match &request.tool_choice {
        Some(ToolChoice::Auto) => choice.set("type", "auto"),
        Some(ToolChoice::None) => {
            choice.set("type", "none");
            return Some(choice);
        }
        Some(ToolChoice::Required) => choice.set("type", "any"),
        Some(ToolChoice::Function(name)) => {
            choice.set("type", "tool");
            choice.set("name", name);
        }
        Some(ToolChoice::Unknown(_)) => {
            losses.add("tool_choice", "a choice that Anthropic's API does not know");
        }
        None => {}
    }
    if choice.is_empty() && request.parallel_tool_calls == Some(false) {
        choice.set("type", "auto");
    }
    if !choice.is_empty() {
        choice.set_some("disable_parallel_tool_use", request.parallel_tool_calls.map(|parallel| !parallel));
    }
    (!choice.is_empty()).then_some(choice)
}

/// Reads a client's tools.
pub(super) fn read(fields: &mut Fields<'_>) -> Result<Vec<Tool>, Misread> {
    let mut tools = Vec::new();
    for (mut tool, raw) in fields.objects("tools")? {
        let kind: Option<String> = tool.take("type")?;
        tools.push(match kind.as_deref() {
            None | Some("custom") => Tool::Function {
                name: tool.need("name")?,
                description: tool.take("description")?,
                parameters: tool.raw("input_schema").map(RawValue::to_owned),
                strict: tool.take("strict")?,
                extras: tool.rest(),
            },
            Some(_) => Tool::Unknown(raw.to_owned()),
        });
    }
    Ok(tools)
}

/// Reads a client's choice, and whether it allows several calls at once.
pub(super) fn read_choice(fields: &mut Fields<'_>) -> Result<(Option<ToolChoice>, Option<bool>), Misread> {
    let Some(raw) = fields.raw("tool_choice") else { return Ok((None, None)) };
    let mut choice = Fields::of(raw, fields.path("tool_choice"))?;
    let kind: String = choice.need("type")?;
    let read = match kind.as_str() {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "any" => ToolChoice::Required,
        "tool" => ToolChoice::Function(choice.need("name")?),
        _ => ToolChoice::Unknown(raw.to_owned()),
    };
    let alone: Option<bool> = choice.take("disable_parallel_tool_use")?;
    Ok((Some(read), alone.map(|alone| !alone)))
}
