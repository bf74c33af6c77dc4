//! What a request wishes beside its messages: tools and the choice among them, the form of the answer, reasoning.

use crate::canonical::{ChatRequest, Losses, RawJson, Reasoning, ResponseFormat, Tool, ToolChoice};
use crate::cohere_v2::NO_SUCH_FIELD;
use crate::raw::{Draft, Mismatch, Object, Read, text, to_raw};
use serde_json::json;
use serde_json::value::RawValue;

/// The levels of effort below the highest, and the tokens that stand for them: Cohere has budgets alone.
const BUDGETS: [(&str, u64); 3] = [("minimal", 512), ("low", 2048), ("medium", 8192)];

/// Sets `tools`, `strict_tools` and `tool_choice`.
pub(super) fn set_tools(body: &mut Draft, request: &ChatRequest, losses: &mut Losses) {
    let chosen = match &request.tool_choice {
        Some(ToolChoice::Function(name)) => Some(name.as_str()),
        _ => None,
    };
    let known = |name: &str| request.tools.iter().any(|tool| is_named(tool, name));
    // The API names no tool, but one that is alone and required is chosen.
    let only = chosen.filter(|name| known(name));
    let all_strict = request.tools.iter().all(is_strict);
    let mut tools = Vec::new();
    for (place, tool) in request.tools.iter().enumerate() {
        if only.is_none_or(|name| is_named(tool, name)) {
            tools.extend(write_tool(tool, &format!("tools[{place}]"), all_strict, losses));
        }
    }
    let any = !tools.is_empty();
    if any {
        body.set("tools", tools);
    }
    if any && all_strict {
        body.set("strict_tools", true);
    }
    match &request.tool_choice {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => body.set("tool_choice", "NONE"),
        Some(ToolChoice::Required | ToolChoice::Function(_)) if !any => {
            losses.add("tool_choice", "there is no tool to choose");
        }
        Some(ToolChoice::Required) => body.set("tool_choice", "REQUIRED"),
        Some(ToolChoice::Function(_)) => {
            losses.add_if(only.is_none(), "tool_choice", "no tool has this name; any is required");
            body.set("tool_choice", "REQUIRED");
        }
        Some(ToolChoice::Unknown(_)) => losses.add("tool_choice", "a choice that Cohere's API does not know"),
    }
}

fn is_named(tool: &Tool, wanted: &str) -> bool {
    matches!(tool, Tool::Function { name, .. } if name == wanted)
}

fn is_strict(tool: &Tool) -> bool {
    matches!(tool, Tool::Function { strict: Some(true), .. })
}

fn write_tool(tool: &Tool, at: &str, all_strict: bool, losses: &mut Losses) -> Option<RawJson> {
    let Tool::Function { name, description, parameters, strict, extras } = tool else {
        losses.add(at, "a tool that Cohere's API does not know");
        return None;
    };
    let strict_alone = *strict == Some(true) && !all_strict;
    let reason = "Cohere's API is strict with all tools or with none";
    losses.add_if(strict_alone, format!("{at}.function.strict"), reason);
    losses.add_fields(at, extras, NO_SUCH_FIELD);
    let mut function = Draft::default();
    function.set("name", name);
    function.set_some("description", description.as_ref());
    match parameters {
        Some(parameters) => function.set_raw("parameters", parameters.clone()),
        None => function.set("parameters", json!({ "type": "object", "properties": {} })),
    }
    Some(to_raw(&json!({ "type": "function", "function": function })))
}

/// Takes `tool_choice`.
pub(super) fn take_choice(object: &mut Object<'_>) -> Read<Option<ToolChoice>> {
    let Some(value) = object.take("tool_choice") else { return Ok(None) };
    let word = text(value).map_err(|wrong| wrong.within("tool_choice"))?;
    Ok(Some(match word.as_str() {
        "REQUIRED" => ToolChoice::Required,
        "NONE" => ToolChoice::None,
        _ => ToolChoice::Unknown(value.to_owned()),
    }))
}

/// Takes `response_format`; a schema rides on `json_object`, under an older or a newer name.
pub(super) fn take_format(object: &mut Object<'_>) -> Read<Option<ResponseFormat>> {
    let Some(value) = object.take("response_format") else { return Ok(None) };
    let inside = |wrong: Mismatch| wrong.within("response_format");
    let mut format = Object::of(value).map_err(inside)?;
    let kind = format.need_string("type").map_err(inside)?;
    let schema = format.take("json_schema").or_else(|| format.take("schema")).map(RawValue::to_owned);
    let empty = format.is_empty();
    Ok(Some(match (kind.as_str(), schema) {
        ("text", None) if empty => ResponseFormat::Text,
        ("json_object", None) if empty => ResponseFormat::JsonObject,
        ("json_object", schema @ Some(_)) if empty => {
            ResponseFormat::JsonSchema { name: None, description: None, schema, strict: None }
        }
        _ => ResponseFormat::Unknown(value.to_owned()),
    }))
}

/// Sets `response_format`. A schema's name says nothing to the model, and the API holds to every schema.
pub(super) fn set_format(body: &mut Draft, format: Option<&ResponseFormat>, losses: &mut Losses) {
    let mut written = Draft::default();
    match format {
        None => return,
        Some(ResponseFormat::Text) => written.set("type", "text"),
        Some(ResponseFormat::JsonObject) => written.set("type", "json_object"),
        Some(ResponseFormat::JsonSchema { schema, description, .. }) => {
            const DESCRIPTION: &str = "response_format.json_schema.description";
            losses.add_if(description.is_some(), DESCRIPTION, "Cohere's API takes the schema alone");
            written.set("type", "json_object");
            written.set_some("json_schema", schema.as_ref());
        }
        Some(ResponseFormat::Unknown(_)) => {
            return losses.add("response_format", "a form that Cohere's API does not know");
        }
    }
    body.set("response_format", written);
}

/// Takes `thinking`. Without a budget it is as much as the model likes.
pub(super) fn take_thinking(object: &mut Object<'_>) -> Read<Option<Reasoning>> {
    let Some(mut thinking) = object.object("thinking")? else { return Ok(None) };
    let inside = |wrong: Mismatch| wrong.within("thinking");
    let kind = thinking.need_string("type").map_err(inside)?;
    let budget = thinking.count("token_budget").map_err(inside)?;
    Ok(Some(match (kind.as_str(), budget) {
        ("disabled", _) => Reasoning::Off,
        (_, Some(budget)) => Reasoning::Budget(budget),
        (_, None) => Reasoning::Effort("high".to_owned()),
    }))
}

/// Sets `thinking`; a level becomes a budget.
pub(super) fn set_thinking(body: &mut Draft, reasoning: Option<&Reasoning>, losses: &mut Losses) {
    const LEVEL: &str = "Cohere's API has budgets of tokens, not levels; one was sent";
    let mut thinking = Draft::default();
    thinking.set("type", "enabled");
    match reasoning {
        None => return,
        Some(Reasoning::Off) => thinking.set("type", "disabled"),
        // The API takes positive budgets only.
        Some(Reasoning::Budget(0)) => thinking.set("type", "disabled"),
        Some(Reasoning::Budget(budget)) => thinking.set("token_budget", budget),
        Some(Reasoning::Effort(level)) => match level.as_str() {
            "none" => thinking.set("type", "disabled"),
            "high" => {}
            "xhigh" | "max" => losses.add("reasoning_effort", "Cohere's API has no level above `high`"),
            level => match BUDGETS.iter().find(|(known, _)| *known == level) {
                Some((_, budget)) => {
                    losses.add("reasoning_effort", LEVEL);
                    thinking.set("token_budget", budget);
                }
                None => return losses.add("reasoning_effort", "an effort that Cohere's API does not know"),
            },
        },
    }
    body.set("thinking", thinking);
}
