//! What MLflow's answers have no place for.

use crate::canonical::{ChatResponse, CompletionResponse, Content, Losses, Part, RawJson, Usage};

const NO_PLACE: &str = "MLflow's answers have no such field";

/// Records what neither contract can say of a chat's answer.
pub(crate) fn of_chat(response: &ChatResponse, losses: &mut Losses) {
    of_fields(&response.extras, losses);
    for choice in &response.choices {
        let at = format!("choices[{}]", choice.index);
        losses.add_if(choice.logprobs.is_some(), format!("{at}.logprobs"), NO_PLACE);
        losses.add_fields(&at, &choice.extras, NO_PLACE);
        losses.add_fields(&format!("{at}.message"), &choice.message.extras, NO_PLACE);
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
    for choice in &response.choices {
        let at = format!("choices[{}]", choice.index);
        losses.add_if(choice.logprobs.is_some(), format!("{at}.logprobs"), NO_PLACE);
        losses.add_fields(&at, &choice.extras, NO_PLACE);
    }
}

/// Records an answer's own fields, such as `system_fingerprint`.
pub(crate) fn of_fields(fields: &[(String, RawJson)], losses: &mut Losses) {
    losses.add_fields("", fields, NO_PLACE);
}

/// Records the details of usage beyond MLflow's three counts.
pub(crate) fn of_usage(usage: Option<Usage>, losses: &mut Losses) {
    let Some(usage) = usage else { return };
    for (count, path) in [
        (usage.cache_read_tokens, "usage.prompt_tokens_details.cached_tokens"),
        (usage.cache_write_tokens, "usage.cache_creation_input_tokens"),
        (usage.reasoning_tokens, "usage.completion_tokens_details.reasoning_tokens"),
    ] {
        losses.add_if(count.is_some_and(|count| count > 0), path, NO_PLACE);
    }
}
