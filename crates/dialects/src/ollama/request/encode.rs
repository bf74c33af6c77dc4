//! Requests, written for the provider.

use super::options;
use crate::canonical::{
    ChatRequest, Extras, Losses, Message, RawJson, Reasoning, ResponseFormat, Role, Tool, ToolChoice,
};
use crate::dialect::ModelTraits;
use crate::ollama::{NO_SUCH_FIELD, calls, message};
use crate::raw::{Draft, to_raw};
use serde_json::json;

/// Fields that are Ollama's own, so that they may pass when another dialect's client writes them.
const NATIVE: [&str; 5] = ["keep_alive", "truncate", "shift", "logprobs", "top_logprobs"];

/// Writes a request.
pub(crate) fn encode(request: &ChatRequest, model: &ModelTraits, losses: &mut Losses) -> Vec<u8> {
    let mut body = Draft::default();
    if !model.model_in_url {
        body.set("model", &model.model);
    }
    let messages = request.messages.iter().enumerate();
    let write = |(place, message)| write_message(message, place, &request.messages, losses);
    body.set("messages", messages.filter_map(write).collect::<Vec<_>>());
    set_tools(&mut body, request, losses);
    set_format(&mut body, request.response_format.as_ref(), losses);
    body.set_some("think", request.reasoning.as_ref().and_then(|reasoning| think(reasoning, losses)));
    let own_options = request.extras.get("options");
    body.set_some("options", options::write(&request.sampling, own_options, model, losses));
    // Without the field the answer would be streamed.
    body.set("stream", request.stream == Some(true));
    losses.add_if(request.user.is_some(), "user", NO_SUCH_FIELD);
    let parallel = request.parallel_tool_calls == Some(false);
    losses.add_if(parallel, "parallel_tool_calls", "Ollama's API cannot forbid several calls at once");
    let rest = request.extras.fields.iter().filter(|(name, _)| name != "options");
    let extras = Extras { fields: rest.cloned().collect(), for_provider: request.extras.for_provider };
    body.set_extras(&extras, |name, _| NATIVE.contains(&name), NO_SUCH_FIELD, losses);
    body.into_body()
}

fn write_message(message: &Message, place: usize, all: &[Message], losses: &mut Losses) -> Option<Draft> {
    let at = format!("messages[{place}]");
    let role = match &message.role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool | Role::Function => "tool",
        Role::Other(_) => {
            losses.add(at, "Ollama's API has no such role");
            return None;
        }
    };
    let mut written = message::write(message, role, &at, losses);
    if role == "tool" {
        let id = message.tool_call_id.as_deref();
        let called = id.and_then(|id| calls::name_of(&all[..place], id));
        written.set_some("tool_name", called.or(message.name.as_deref()));
        written.set_some("tool_call_id", id);
    } else {
        losses.add_if(message.name.is_some(), format!("{at}.name"), NO_SUCH_FIELD);
    }
    losses.add_if(message.is_error, format!("{at}.is_error"), "Ollama's API has no mark of a failed tool");
    Some(written)
}

/// Sets `tools`. The API leaves the choice to the model, but for the choice of none.
fn set_tools(body: &mut Draft, request: &ChatRequest, losses: &mut Losses) {
    match &request.tool_choice {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => {
            losses.add_if(!request.tools.is_empty(), "tools", "left out, since none may be called");
            return;
        }
        Some(_) => losses.add("tool_choice", "Ollama's API leaves the choice to the model"),
    }
    let mut tools = Vec::new();
    for (place, tool) in request.tools.iter().enumerate() {
        tools.extend(write_tool(tool, &format!("tools[{place}]"), losses));
    }
    if !tools.is_empty() {
        body.set("tools", tools);
    }
}

fn write_tool(tool: &Tool, at: &str, losses: &mut Losses) -> Option<RawJson> {
    let Tool::Function { name, description, parameters, strict, extras } = tool else {
        losses.add(at, "a tool that Ollama's API does not know");
        return None;
    };
    losses.add_if(*strict == Some(true), format!("{at}.function.strict"), NO_SUCH_FIELD);
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

/// Sets `format`. A schema's name says nothing to the model, and the server holds to every schema.
fn set_format(body: &mut Draft, format: Option<&ResponseFormat>, losses: &mut Losses) {
    match format {
        None | Some(ResponseFormat::Text) => {}
        Some(ResponseFormat::JsonObject | ResponseFormat::JsonSchema { schema: None, .. }) => {
            body.set("format", "json");
        }
        Some(ResponseFormat::JsonSchema { schema: Some(schema), description, .. }) => {
            const DESCRIPTION: &str = "response_format.json_schema.description";
            losses.add_if(description.is_some(), DESCRIPTION, "Ollama's API takes the schema alone");
            body.set_raw("format", schema.clone());
        }
        Some(ResponseFormat::Unknown(_)) => {
            losses.add("response_format", "a form that Ollama's API does not know");
        }
    }
}

/// `think` in JSON. The level `medium` is what `true` stands for, which models without levels know too.
fn think(reasoning: &Reasoning, losses: &mut Losses) -> Option<RawJson> {
    const NEAREST: &str = "Ollama's API has other levels; the nearest was sent";
    Some(match reasoning {
        Reasoning::Off => to_raw(&false),
        Reasoning::Budget(_) => {
            losses.add("reasoning", "Ollama's API has no budgets of reasoning");
            to_raw(&true)
        }
        Reasoning::Effort(level) => match level.as_str() {
            "none" => to_raw(&false),
            "medium" => to_raw(&true),
            "low" | "high" | "max" => to_raw(level),
            "minimal" | "xhigh" => {
                losses.add("reasoning_effort", NEAREST);
                to_raw(if level == "minimal" { "low" } else { "max" })
            }
            _ => {
                losses.add("reasoning_effort", "an effort that Ollama's API does not know");
                return None;
            }
        },
    })
}
