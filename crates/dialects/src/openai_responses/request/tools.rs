//! Tools and the choice among them, read and written.

use crate::canonical::{ChatRequest, Losses, RawJson, Tool, ToolChoice};
use crate::openai_responses::{NO_SUCH_FIELD, custom};
use crate::raw::{Draft, Mismatch, Object, Read, text, to_raw};
use serde_json::json;
use serde_json::value::RawValue;

/// Reads a client's tool.
pub(super) fn read(value: &RawValue) -> Read<Tool> {
    let mut tool = Object::of(value)?;
    Ok(match tool.need_string("type")?.as_str() {
        "function" => Tool::Function {
            name: tool.need_string("name")?,
            description: tool.string("description")?,
            parameters: tool.take("parameters").map(RawValue::to_owned),
            strict: tool.boolean("strict")?,
            extras: tool.rest_without_nulls(),
        },
        "custom" => {
            let format = tool.get("format").filter(|format| !is_plain(format));
            if format.is_none() {
                tool.take("format");
            }
            Tool::Function {
                name: tool.need_string("name")?,
                description: tool.string("description")?,
                parameters: Some(custom::schema(format)),
                strict: None,
                extras: tool.rest_without_nulls(),
            }
        }
        _ => Tool::Unknown(value.to_owned()),
    })
}

/// Whether a custom tool's format is that of any text.
fn is_plain(format: &RawValue) -> bool {
    let kind = Object::of(format).and_then(|mut format| format.string("type"));
    format.get() == "null" || kind.is_ok_and(|kind| kind.as_deref() == Some("text"))
}

/// Takes a client's choice. One among some of the tools leaves only these: no other may be called.
pub(super) fn read_choice(object: &mut Object<'_>, tools: &mut Vec<Tool>) -> Read<Option<ToolChoice>> {
    let Some(value) = object.take("tool_choice") else { return Ok(None) };
    if let Ok(word) = text(value) {
        return Ok(Some(choice_of_word(&word).unwrap_or_else(|| ToolChoice::Unknown(value.to_owned()))));
    }
    let inside = |wrong: Mismatch| wrong.within("tool_choice");
    let mut choice = Object::of(value).map_err(|_| inside(Mismatch::of(value, "a string or an object")))?;
    Ok(Some(match choice.need_string("type").map_err(inside)?.as_str() {
        "function" | "custom" => ToolChoice::Function(choice.need_string("name").map_err(inside)?),
        "allowed_tools" => read_allowed(choice, tools)
            .map_err(inside)?
            .unwrap_or_else(|| ToolChoice::Unknown(value.to_owned())),
        _ => ToolChoice::Unknown(value.to_owned()),
    }))
}

fn choice_of_word(word: &str) -> Option<ToolChoice> {
    Some(match word {
        "auto" => ToolChoice::Auto,
        "none" => ToolChoice::None,
        "required" => ToolChoice::Required,
        _ => return None,
    })
}

/// Leaves the tools that are allowed; `None` where one of them is not among the tools.
fn read_allowed(mut choice: Object<'_>, tools: &mut Vec<Tool>) -> Read<Option<ToolChoice>> {
    let mode = choice.string("mode")?;
    let Some(mode) = choice_of_word(mode.as_deref().unwrap_or("auto")) else { return Ok(None) };
    let allowed = choice.each("tools", |tool| Ok(key(&mut Object::of(tool)?)))?.unwrap_or_default();
    let keys: Vec<_> = tools.iter().map(key_of).collect();
    if allowed.is_empty() || !allowed.iter().all(|wanted| keys.contains(wanted)) {
        return Ok(None);
    }
    let mut keys = keys.into_iter();
    tools.retain(|_| keys.next().is_some_and(|key| allowed.contains(&key)));
    Ok(Some(mode))
}

/// What names a tool in a choice: its name, else its label, else its type.
fn key(tool: &mut Object<'_>) -> Option<String> {
    ["name", "server_label", "type"].iter().find_map(|name| tool.string(name).ok().flatten())
}

fn key_of(tool: &Tool) -> Option<String> {
    match tool {
        Tool::Function { name, .. } => Some(name.clone()),
        Tool::Unknown(raw) => key(&mut Object::of(raw).ok()?),
    }
}

/// Sets `tools`, `tool_choice` and `parallel_tool_calls`.
pub(super) fn set(body: &mut Draft, request: &ChatRequest, losses: &mut Losses) {
    let mut tools = Vec::new();
    for (index, tool) in request.tools.iter().enumerate() {
        tools.extend(write(tool, &format!("tools[{index}]"), losses));
    }
    if !tools.is_empty() {
        body.set("tools", tools);
    }
    match &request.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => body.set("tool_choice", "auto"),
        Some(ToolChoice::None) => body.set("tool_choice", "none"),
        Some(ToolChoice::Required) => body.set("tool_choice", "required"),
        Some(ToolChoice::Function(name)) => {
            let kind = if is_custom(name, &request.tools) { "custom" } else { "function" };
            body.set("tool_choice", json!({ "type": kind, "name": name }));
        }
        Some(ToolChoice::Unknown(raw)) if is_hosted(raw) => body.set_raw("tool_choice", raw.clone()),
        Some(ToolChoice::Unknown(_)) => {
            losses.add("tool_choice", "a choice that OpenAI's Responses API does not know");
        }
    }
    body.set_some("parallel_tool_calls", request.parallel_tool_calls);
}

fn is_custom(wanted: &str, tools: &[Tool]) -> bool {
    tools.iter().any(|tool| match tool {
        Tool::Function { name, parameters: Some(parameters), .. } => {
            name == wanted && custom::is_schema(parameters)
        }
        _ => false,
    })
}

fn write(tool: &Tool, path: &str, losses: &mut Losses) -> Option<RawJson> {
    let (name, description, parameters, strict, extras) = match tool {
        Tool::Function { name, description, parameters, strict, extras } => {
            (name, description, parameters, strict, extras)
        }
        Tool::Unknown(raw) if is_hosted(raw) => return Some(raw.clone()),
        Tool::Unknown(_) => {
            losses.add(path, "a tool that OpenAI's Responses API does not know");
            return None;
        }
    };
    let custom = parameters.as_ref().is_some_and(|parameters| custom::is_schema(parameters));
    let mut written = Draft::default();
    written.set("type", if custom { "custom" } else { "function" });
    written.set("name", name);
    written.set_some("description", description.as_ref());
    if !custom {
        let empty = || to_raw(&json!({ "type": "object", "properties": {} }));
        written.set_raw("parameters", parameters.clone().unwrap_or_else(empty));
        // What is left out is `true` in this API and `false` in all others.
        written.set("strict", strict.unwrap_or(false));
    }
    for (field, value) in extras {
        if matches!((field.as_str(), custom), ("format", true) | ("defer_loading", _)) {
            written.set_raw(field, value.clone());
        } else {
            losses.add(format!("{path}.{field}"), NO_SUCH_FIELD);
        }
    }
    Some(to_raw(&written))
}

/// Whether raw JSON is a tool of the API's own, or the choice of one.
fn is_hosted(raw: &RawJson) -> bool {
    const HOSTED: [&str; 12] = [
        "web_search",
        "web_search_2025_08_26",
        "file_search",
        "code_interpreter",
        "image_generation",
        "mcp",
        "local_shell",
        "shell",
        "apply_patch",
        "tool_search",
        "namespace",
        "computer",
    ];
    let kind = Object::of(raw).and_then(|mut tool| tool.need_string("type"));
    kind.is_ok_and(|kind| {
        HOSTED.contains(&kind.as_str())
            || kind.starts_with("web_search_preview")
            || matches!(kind.as_str(), "computer_use_preview" | "allowed_tools")
    })
}
