//! Tools and the choice among them, read and written.

use super::blocks;
use crate::canonical::{ChatRequest, Losses, RawJson, Tool, ToolChoice};
use crate::raw::{Draft, Mismatch, Object, Read, to_raw};
use serde_json::value::RawValue;

/// Fields of a tool that are Anthropic's own.
const NATIVE: [&str; 6] =
    ["cache_control", "defer_loading", "allowed_callers", "input_examples", "eager_input_streaming", "type"];

/// Sets `tools` and `tool_choice`.
pub(super) fn set(body: &mut Draft, request: &ChatRequest, losses: &mut Losses) {
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
    let mut written = Draft::default();
    written.set("name", name);
    written.set_some("description", description.as_ref());
    let schema = parameters.as_ref().map_or_else(Draft::default, |schema| {
        serde_json::from_str(schema.get()).unwrap_or_else(|_| {
            losses.add(format!("{path}.function.parameters"), "a tool's schema must be an object");
            Draft::default()
        })
    });
    written.set("input_schema", with_type(schema));
    written.set_some("strict", *strict);
    blocks::add_native(&mut written, extras, &NATIVE, path, losses);
    Some(to_raw(&written))
}

/// A schema that says it describes an object, without which the API refuses it.
fn with_type(schema: Draft) -> Draft {
    if schema.has("type") {
        return schema;
    }
    let mut typed = Draft::default();
    typed.set("type", "object");
    if schema.is_empty() {
        typed.set("properties", Draft::default());
    }
    typed.extend(schema);
    typed
}

/// Anthropic's server tools bear a date in their type, as in `web_search_20250305`.
fn is_server_tool(raw: &RawJson) -> bool {
    let kind = Object::of(raw).and_then(|mut object| object.need_string("type"));
    let dated = |kind: &str| {
        let date = kind.rsplit_once('_').map_or("", |(_, date)| date);
        date.len() == 8 && date.bytes().all(|digit| digit.is_ascii_digit())
    };
    kind.is_ok_and(|kind| kind == "mcp_toolset" || dated(&kind))
}

fn write_choice(request: &ChatRequest, losses: &mut Losses) -> Option<Draft> {
    let mut choice = Draft::default();
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

/// Reads a client's tool.
pub(super) fn read(value: &RawValue) -> Read<Tool> {
    let mut tool = Object::of(value)?;
    Ok(match tool.string("type")?.as_deref() {
        None | Some("custom") => Tool::Function {
            name: tool.need_string("name")?,
            description: tool.string("description")?,
            parameters: tool.take("input_schema").map(RawValue::to_owned),
            strict: tool.boolean("strict")?,
            extras: tool.rest_without_nulls(),
        },
        Some(_) => Tool::Unknown(value.to_owned()),
    })
}

/// Takes a client's choice, and whether it allows several calls at once.
pub(super) fn read_choice(object: &mut Object<'_>) -> Read<(Option<ToolChoice>, Option<bool>)> {
    let Some(raw) = object.take("tool_choice") else { return Ok((None, None)) };
    let inside = |wrong: Mismatch| wrong.within("tool_choice");
    let mut choice = Object::of(raw).map_err(inside)?;
    let read = match choice.need_string("type").map_err(inside)?.as_str() {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "any" => ToolChoice::Required,
        "tool" => ToolChoice::Function(choice.need_string("name").map_err(inside)?),
        _ => ToolChoice::Unknown(raw.to_owned()),
    };
    let alone = choice.boolean("disable_parallel_tool_use").map_err(inside)?;
    Ok((Some(read), alone.map(|alone| !alone)))
}
