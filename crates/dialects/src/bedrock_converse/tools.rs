//! Tools and the choice among them, read and written.

use super::request::{Additional, Maker};
use super::{NO_SUCH_FIELD, cache, media};
use crate::canonical::{ChatRequest, Losses, RawJson, Tool, ToolChoice};
use crate::raw::{Draft, Mismatch, Object, Read, to_raw};
use serde_json::json;
use serde_json::value::RawValue;

/// Sets `toolConfig`. `called` are the names of the tools that the conversation calls: the API wants tools declared
/// where it does.
pub(super) fn set(
    body: &mut Draft,
    additional: &mut Additional,
    request: &ChatRequest,
    called: &[&str],
    losses: &mut Losses,
) {
    let none = matches!(request.tool_choice, Some(ToolChoice::None));
    if none && called.is_empty() {
        const LEFT_OUT: &str = "Bedrock's API cannot forbid tools, so that they are left out";
        losses.add_if(!request.tools.is_empty(), "tools", LEFT_OUT);
        losses.add_if(!request.tools.is_empty(), "tool_choice", LEFT_OUT);
        return;
    }
    let mut tools = Vec::new();
    for (index, tool) in request.tools.iter().enumerate() {
        write(tool, &format!("tools[{index}]"), &mut tools, losses);
    }
    if tools.is_empty() {
        if matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Function(_))) {
            losses.add("tool_choice", "there is no tool to choose");
        }
        if called.is_empty() {
            return;
        }
        losses.add("tools", "Bedrock's API wants every tool declared that was called; sent by name alone");
        tools.extend(called.iter().map(|name| declared(name)));
    } else {
        let choice = if none { None } else { write_choice(request, additional, losses) };
        losses.add_if(none, "tool_choice", "Bedrock's API cannot forbid tools that were called before");
        let mut config = Draft::of("tools", tools);
        config.set_some("toolChoice", choice);
        body.set("toolConfig", config);
        return;
    }
    body.set("toolConfig", Draft::of("tools", tools));
}

/// A tool of which no more than the name is known.
fn declared(name: &str) -> RawJson {
    to_raw(&json!({ "toolSpec": { "name": name, "inputSchema": { "json": { "type": "object" } } } }))
}

fn write(tool: &Tool, path: &str, tools: &mut Vec<RawJson>, losses: &mut Losses) {
    let (name, description, parameters, strict, extras) = match tool {
        Tool::Function { name, description, parameters, strict, extras } => {
            (name, description, parameters, strict, extras)
        }
        Tool::Unknown(raw) if media::is_native(raw, &["systemTool", "cachePoint"]) => {
            return tools.push(raw.clone());
        }
        Tool::Unknown(_) => return losses.add(path, "a tool that Bedrock's API does not know"),
    };
    let schema = parameters.as_ref().map_or_else(Draft::default, |schema| {
        serde_json::from_str(schema.get()).unwrap_or_else(|_| {
            losses.add(format!("{path}.function.parameters"), "a tool's schema must be an object");
            Draft::default()
        })
    });
    let mut written = Draft::of("name", name);
    written.set_some("description", description.as_ref().filter(|description| !description.is_empty()));
    written.set("inputSchema", Draft::of("json", with_type(schema)));
    written.set_some("strict", *strict);
    for (name, _) in extras.iter().filter(|(name, _)| name != cache::MARK) {
        losses.add(format!("{path}.{name}"), NO_SUCH_FIELD);
    }
    tools.push(to_raw(&Draft::of("toolSpec", written)));
    let point = cache::mark(extras).and_then(|mark| cache::write(mark, path, losses));
    tools.extend(point.iter().map(to_raw));
}

/// A schema that says it describes an object, without which the API refuses it.
fn with_type(schema: Draft) -> Draft {
    if schema.has("type") {
        return schema;
    }
    let mut typed = Draft::of("type", "object");
    typed.extend(schema);
    typed
}

fn write_choice(request: &ChatRequest, additional: &mut Additional, losses: &mut Losses) -> Option<Draft> {
    let choice = match &request.tool_choice {
        Some(ToolChoice::Auto) => Some(Draft::of("auto", Draft::default())),
        Some(ToolChoice::Required) => Some(Draft::of("any", Draft::default())),
        Some(ToolChoice::Function(name)) => Some(Draft::of("tool", Draft::of("name", name))),
        Some(ToolChoice::Unknown(raw)) => {
            let native = media::is_native(raw, &["auto", "any", "tool"]);
            losses.add_if(!native, "tool_choice", "a choice that Bedrock's API does not know");
            native.then(|| serde_json::from_str(raw.get()).unwrap_or_default())
        }
        Some(ToolChoice::None) | None => None,
    };
    if request.parallel_tool_calls != Some(false) {
        return choice;
    }
    if !matches!(additional.maker, Maker::Anthropic | Maker::Unknown) {
        losses.add("parallel_tool_calls", "of Bedrock's models Claude alone can be held to one call");
        return choice;
    }
    // Claude is told in its own words, which must say the whole choice.
    let mut own = json!({ "type": "auto", "disable_parallel_tool_use": true });
    match &request.tool_choice {
        Some(ToolChoice::Required) => own["type"] = json!("any"),
        Some(ToolChoice::Function(name)) => {
            own["type"] = json!("tool");
            own["name"] = json!(name);
        }
        _ => {}
    }
    additional.fields.set("tool_choice", own);
    None
}

/// Takes `toolConfig`: the tools, and the choice among them.
pub(super) fn read(object: &mut Object<'_>) -> Read<(Vec<Tool>, Option<ToolChoice>)> {
    let Some(mut config) = object.object("toolConfig")? else { return Ok((Vec::new(), None)) };
    let inside = |wrong: Mismatch| wrong.within("toolConfig");
    let mut tools = Vec::new();
    config.each("tools", |tool| read_tool(tool, &mut tools)).map_err(inside)?;
    let choice = config.take("toolChoice").map(read_choice).transpose();
    Ok((tools, choice.map_err(|wrong| inside(wrong.within("toolChoice")))?))
}

/// Reads a tool. A mark of the prompt cache belongs to the tool before it.
fn read_tool(value: &RawValue, tools: &mut Vec<Tool>) -> Read<()> {
    let mut tool = Object::of(value)?;
    if let Some(spec) = tool.object("toolSpec")? {
        tools.push(read_spec(spec).map_err(|wrong| wrong.within("toolSpec"))?);
        return Ok(());
    }
    let mark = tool.take("cachePoint").and_then(cache::read);
    match (mark, tools.last_mut()) {
        (Some(mark), Some(Tool::Function { extras, .. })) if cache::mark(extras).is_none() => {
            extras.push((cache::MARK.to_owned(), mark));
        }
        _ => tools.push(Tool::Unknown(value.to_owned())),
    }
    Ok(())
}

fn read_spec(mut spec: Object<'_>) -> Read<Tool> {
    let schema = spec.object("inputSchema")?.and_then(|mut schema| schema.take("json"));
    Ok(Tool::Function {
        name: spec.need_string("name")?,
        description: spec.string("description")?,
        parameters: schema.map(RawValue::to_owned),
        strict: spec.boolean("strict")?,
        extras: spec.rest_without_nulls(),
    })
}

fn read_choice(value: &RawValue) -> Read<ToolChoice> {
    let mut choice = Object::of(value)?;
    if choice.object("auto")?.is_some() {
        return Ok(ToolChoice::Auto);
    }
    if choice.object("any")?.is_some() {
        return Ok(ToolChoice::Required);
    }
    match choice.object("tool")? {
        Some(mut tool) => {
            tool.need_string("name").map_err(|wrong| wrong.within("tool")).map(ToolChoice::Function)
        }
        None => Ok(ToolChoice::Unknown(value.to_owned())),
    }
}
