//! What MLflow's answers have no place for.

use crate::canonical::{ChatResponse, CompletionResponse, Content, Losses, Part, RawJson, Usage};

const NO_PLACE: &str = "MLflow's answers have no such field";

/// Records what neither contract can say of a chat's answer.
pub(crate) fn of_chat(response: &ChatResponse, losses: &mut Losses) {
    of_fields(&response.extras, losses);
    for choice in &response.choices {
        let at = format!("choices[{}]", choice.index);
        if choice.logprobs.is_some() {
            losses.add(format!("{at}.logprobs"), NO_PLACE);
        }
        for (name, _) in &choice.message.extras {
            losses.add(format!("{at}.message.{name}"), NO_PLACE);
        }
        if let Content::Parts(parts) = &choice.message.content {
            for (index, part) in parts.iter().enumerate() {
                if !matches!(part, Part::Text { .. }) {
                    losses.add(format!("{at}.message.content[{index}]"), "MLflow's answers hold text alone");
                }
            }
        }
    }
}

/// Records what neither contract can say of a completion's answer.
pub(crate) fn of_completion(response: &CompletionResponse, losses: &mut Losses) {
    of_fields(&response.extras, losses);
    for choice in response.choices.iter().filter(|choice| choice.logprobs.is_some()) {
        losses.add(format!("choices[{}].logprobs", choice.index), NO_PLACE);
    }
}

/// Records an answer's own fields, such as `system_fingerprint`.
pub(crate) fn of_fields(fields: &[(String, RawJson)], losses: &mut Losses) {
    for (name, _) in fields {
        losses.add(name.as_str(), NO_PLACE);
    }
}

/// Records the details of usage beyond MLflow's three counts.
pub(crate) fn of_usage(usage: Option<Usage>, losses: &mut Losses) {
    let Some(usage) = usage else { return };
    for (count, path) in [
        (usage.cache_read_tokens, "usage.prompt_tokens_details.cached_tokens"),
        (usage.cache_write_tokens, "usage.cache_creation_input_tokens"),
        (usage.reasoning_tokens, "usage.completion_tokens_details.reasoning_tokens"),
    ] {
        if count.is_some_and(|count| count > 0) {
            losses.add(path, NO_PLACE);
        }
    }
}
