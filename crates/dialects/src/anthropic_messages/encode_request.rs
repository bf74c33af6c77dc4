//! Requests, written for the provider.

use super::{tools, turns::Turns};
use crate::anthropic;
use crate::canonical::{ChatRequest, Losses, RawJson, Reasoning, ResponseFormat, Temperature, ToolChoice};
use crate::dialect::ModelTraits;
use crate::object::Object;

/// The limit where neither the client nor the model's entry gives one; the API requires it, and every model takes it.
const DEFAULT_MAX_TOKENS: u64 = 4096;
/// The API's lowest budget for reasoning.
const LEAST_BUDGET: u64 = 1024;

/// Writes a request.
pub(super) fn encode(request: &ChatRequest, model: &ModelTraits, losses: &mut Losses) -> Vec<u8> {
    let given = request.sampling.max_tokens.map(|max| max.value);
    let max_tokens = given.or(model.max_output_tokens).unwrap_or(DEFAULT_MAX_TOKENS);
    let reasoning = reasoning_of(request, max_tokens, losses);
    let turns = Turns::of(&request.messages, losses);
    let mut body = Object::default();
    if !model.model_in_url {
        body.set("model", &model.model);
    }
    body.set("max_tokens", max_tokens);
    body.set_some("system", turns.system());
    body.set("messages", turns.messages());
    set_sampling(&mut body, request, model, reasoning.thinks(), losses);
    body.set_some("stream", request.stream);
    anthropic::set_user(&mut body, request.user.as_ref());
    tools::set(&mut body, request, losses);
    body.set_some("thinking", reasoning.thinking);
    set_output(&mut body, reasoning.effort, request.response_format.as_ref(), losses);
    anthropic::set_extras(&mut body, &request.extras, is_native, losses);
    body.into_body()
}

/// Fields that are Anthropic's own, so that they may pass when another dialect's client writes them.
fn is_native(name: &str, value: &RawJson) -> bool {
    match name {
        "thinking" | "output_config" | "container" | "mcp_servers" | "context_management"
        | "cache_control" | "inference_geo" => true,
        "metadata" => anthropic::is_user_metadata(value),
        "service_tier" => matches!(value.get(), r#""auto""# | r#""standard_only""#),
        _ => false,
    }
}

/// Sampling, which the API restricts where the model thinks: no other temperature than 1 and no `top_k`.
fn set_sampling(
    body: &mut Object,
    request: &ChatRequest,
    model: &ModelTraits,
    thinks: bool,
    losses: &mut Losses,
) {
    let mut sampling = request.sampling.clone();
    if thinks {
        let fitting = |temperature: &Temperature| temperature.for_max(model.temperature_max) == 1.0;
        if let Some(dropped) = sampling.temperature.take_if(|temperature| !fitting(temperature))
            && dropped.given
        {
            losses.add("temperature", "Anthropic's models think at temperature 1 only");
        }
        if sampling.top_k.take().is_some() {
            losses.add("top_k", "Anthropic's models think without `top_k` only");
        }
    }
    anthropic::set_sampling(body, &sampling, model.temperature_max, model.reasoning, losses);
    anthropic::lose_sampling(&sampling, losses);
}

/// `thinking` and `output_config.effort`.
#[derive(Default)]
struct Thought {
    thinking: Option<serde_json::Value>,
    effort: Option<&'static str>,
}

impl Thought {
    fn thinks(&self) -> bool {
        self.thinking.as_ref().is_some_and(|thinking| thinking["type"] != "disabled")
    }
}

/// How to say the wish for reasoning: a budget as such, a level as effort of adaptive thinking.
fn reasoning_of(request: &ChatRequest, max_tokens: u64, losses: &mut Losses) -> Thought {
    let off = Thought { thinking: Some(serde_json::json!({ "type": "disabled" })), effort: None };
    let thought = match &request.reasoning {
        None => return Thought::default(),
        Some(Reasoning::Off) => return off,
        Some(Reasoning::Effort(level)) => match effort_of(level, losses) {
            None => return Thought::default(),
            effort => Thought { thinking: Some(serde_json::json!({ "type": "adaptive" })), effort },
        },
        Some(Reasoning::Budget(budget)) => match budget_within(*budget, max_tokens, losses) {
            None => return Thought::default(),
            Some(budget) => Thought {
                thinking: Some(serde_json::json!({ "type": "enabled", "budget_tokens": budget })),
                effort: None,
            },
        },
    };
    if !request.tools.is_empty()
        && matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Function(_)))
    {
        losses.add("reasoning_effort", "Anthropic's models do not think when a tool is forced");
        return Thought { thinking: None, effort: thought.effort };
    }
    thought
}

fn effort_of(level: &str, losses: &mut Losses) -> Option<&'static str> {
    match level {
        "none" => None,
        "minimal" => {
            losses.add("reasoning_effort", "Anthropic's lowest effort is `low`");
            Some("low")
        }
        "low" => Some("low"),
        "medium" => Some("medium"),
        "high" => Some("high"),
        "xhigh" => Some("xhigh"),
        "max" => Some("max"),
        _ => {
            losses.add("reasoning_effort", "an effort that Anthropic's API does not know");
            None
        }
    }
}

/// The API wants a budget of 1,024 tokens at least and below `max_tokens`.
fn budget_within(budget: u64, max_tokens: u64, losses: &mut Losses) -> Option<u64> {
    if max_tokens <= LEAST_BUDGET {
        losses.add("reasoning", "Anthropic's models think only where `max_tokens` exceeds 1024");
        return None;
    }
    let fitting = budget.clamp(LEAST_BUDGET, max_tokens - 1);
    if fitting != budget {
        losses.add("reasoning", "moved between 1024 and `max_tokens`, as Anthropic's API wants it");
    }
    Some(fitting)
}

/// Sets `output_config`: effort, and the form that the answer must have.
fn set_output(
    body: &mut Object,
    effort: Option<&'static str>,
    format: Option<&ResponseFormat>,
    losses: &mut Losses,
) {
    let mut output = Object::default();
    output.set_some("effort", effort);
    match format {
        None | Some(ResponseFormat::Text) => {}
        Some(ResponseFormat::JsonSchema { schema: Some(schema), description, .. }) => {
            if description.is_some() {
                losses
                    .add("response_format.json_schema.description", "Anthropic's API takes the schema alone");
            }
            let mut format = Object::default();
            format.set("type", "json_schema");
            format.set_raw("schema", schema.clone());
            output.set("format", format);
        }
        Some(_) => losses.add("response_format", "Anthropic's API takes a JSON schema only"),
    }
    if !output.is_empty() {
        body.set("output_config", output);
    }
}
