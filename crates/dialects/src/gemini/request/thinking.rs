//! `thinkingConfig`: how much to reason. Gemini 2.5 counts a budget of tokens, later models know levels.

use super::config;
use crate::canonical::{ChatRequest, Losses, RawJson, Reasoning};
use crate::dialect::ModelTraits;
use crate::gemini::fields;
use crate::raw::{Draft, Mismatch, Object, Read, to_raw};

/// What stands before the names of extra fields that belong into `thinkingConfig`, within those of the config.
pub(super) const PREFIX: &str = "thinkingConfig.";
const INCLUDE: &str = "includeThoughts";
/// `ThinkingLevel` of the API's protocol, by number.
const LEVELS: [&str; 5] = ["THINKING_LEVEL_UNSPECIFIED", "LOW", "MEDIUM", "HIGH", "MINIMAL"];

/// Takes `thinkingConfig`.
pub(super) fn read(config: &mut Object<'_>, extras: &mut Vec<(String, RawJson)>) -> Read<Option<Reasoning>> {
    let Some(mut thinking) = fields::take_object(config, "thinkingConfig")? else { return Ok(None) };
    let inside = |wrong: Mismatch| wrong.within("thinkingConfig");
    let level = thinking.take("thinkingLevel").map(|level| fields::word(level, &LEVELS));
    let level = level.transpose().map_err(|wrong| inside(wrong.within("thinkingLevel")))?;
    let level = level.filter(|level| level != LEVELS[0]);
    let budget = thinking.integer("thinkingBudget").map_err(inside)?;
    let include = thinking.boolean(INCLUDE).map_err(inside)?;
    let mut keep =
        |name: &str, value: RawJson| extras.push((format!("{}{PREFIX}{name}", config::PREFIX), value));
    let reasoning = match (level, budget) {
        (Some(level), _) => Some(Reasoning::Effort(level.to_ascii_lowercase())),
        (None, Some(0)) => Some(Reasoning::Off),
        // The model decides, as it does without a word.
        (None, Some(dynamic @ ..0)) => {
            keep("thinkingBudget", to_raw(&dynamic));
            None
        }
        (None, Some(budget)) => Some(Reasoning::Budget(budget.unsigned_abs())),
        (None, None) => None,
    };
    // Reasoning that is asked for is shown, in every other API; without a wish for it there is nothing to show.
    match include {
        Some(include)
            if include != matches!(reasoning, Some(Reasoning::Effort(_) | Reasoning::Budget(_))) =>
        {
            keep(INCLUDE, to_raw(&include));
        }
        _ => {}
    }
    for (name, value) in thinking.rest_without_nulls() {
        keep(&name, value);
    }
    Ok(reasoning)
}

/// Writes `thinkingConfig`; empty when nothing is to be said in it.
pub(super) fn write(request: &ChatRequest, model: &ModelTraits, losses: &mut Losses) -> Draft {
    let mut thinking = Draft::default();
    let shown = match &request.reasoning {
        None => false,
        Some(Reasoning::Off) => turn_off(&mut thinking, model, losses),
        Some(Reasoning::Effort(level)) if level == "none" => turn_off(&mut thinking, model, losses),
        Some(Reasoning::Budget(budget)) => {
            thinking.set("thinkingBudget", budget);
            true
        }
        Some(Reasoning::Effort(level)) if model.budgets => set_budget(&mut thinking, level, losses),
        Some(Reasoning::Effort(level)) => set_level(&mut thinking, level, losses),
    };
    if shown {
        thinking.set(INCLUDE, true);
    }
    for (name, value) in &request.extras.fields {
        let name = name.strip_prefix(config::PREFIX).and_then(|name| name.strip_prefix(PREFIX));
        if let Some(name) = name {
            thinking.set_raw(name, value.clone());
        }
    }
    thinking
}

/// Models that know levels cannot be kept from reasoning.
fn turn_off(thinking: &mut Draft, model: &ModelTraits, losses: &mut Losses) -> bool {
    if model.budgets {
        thinking.set("thinkingBudget", 0);
    } else {
        losses.add("reasoning", "Gemini's models always reason; the lowest level was sent");
        thinking.set("thinkingLevel", "LOW");
    }
    false
}

/// The budgets that Google's own OpenAI-compatible API takes for levels.
fn set_budget(thinking: &mut Draft, level: &str, losses: &mut Losses) -> bool {
    let budget = match level {
        "minimal" | "low" => 1024,
        "medium" => 8192,
        "high" | "xhigh" | "max" => 24_576,
        _ => return unknown(losses),
    };
    thinking.set("thinkingBudget", budget);
    true
}

fn set_level(thinking: &mut Draft, level: &str, losses: &mut Losses) -> bool {
    let (word, exact) = match level {
        "minimal" => ("MINIMAL", true),
        "low" => ("LOW", true),
        "medium" => ("MEDIUM", true),
        "high" => ("HIGH", true),
        "xhigh" | "max" => ("HIGH", false),
        _ => return unknown(losses),
    };
    losses.add_if(!exact, "reasoning_effort", "Gemini's highest level is `high`");
    thinking.set("thinkingLevel", word);
    true
}

fn unknown(losses: &mut Losses) -> bool {
    losses.add("reasoning_effort", "a level that Gemini's API does not know");
    false
}
