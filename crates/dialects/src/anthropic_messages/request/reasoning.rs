//! The wish for reasoning in Anthropic's words.

use crate::canonical::{ChatRequest, Losses, Reasoning, ToolChoice};
use serde_json::json;

/// The API's lowest budget for reasoning, in tokens.
const LEAST_BUDGET: u64 = 1024;

/// `thinking` and `output_config.effort`.
#[derive(Default)]
pub(crate) struct Thought {
    pub(crate) thinking: Option<serde_json::Value>,
    pub(crate) effort: Option<&'static str>,
}

impl Thought {
    /// How to say the wish for reasoning: a budget as such, a level as effort of adaptive thinking.
    pub(crate) fn of(request: &ChatRequest, max_tokens: u64, losses: &mut Losses) -> Self {
        let off = Self { thinking: Some(json!({ "type": "disabled" })), effort: None };
        let thought = match &request.reasoning {
            None => return Self::default(),
            Some(Reasoning::Off) => return off,
            Some(Reasoning::Effort(level)) if level == "none" => return off,
            Some(Reasoning::Effort(level)) => match effort_of(level, losses) {
                None => return Self::default(),
                effort => Self { thinking: Some(json!({ "type": "adaptive" })), effort },
            },
            Some(Reasoning::Budget(budget)) => match budget_within(*budget, max_tokens, losses) {
                None => return Self::default(),
                Some(budget) => Self {
                    thinking: Some(json!({ "type": "enabled", "budget_tokens": budget })),
                    effort: None,
                },
            },
        };
        if !request.tools.is_empty()
            && matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Function(_)))
        {
            losses.add("reasoning_effort", "Anthropic's models do not think when a tool is forced");
            return Self { thinking: None, effort: thought.effort };
        }
        thought
    }

    /// Whether the model thinks.
    pub(crate) fn thinks(&self) -> bool {
        self.thinking.as_ref().is_some_and(|thinking| thinking["type"] != "disabled")
    }
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
