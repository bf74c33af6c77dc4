//! What MLflow's answers have no place for.

use crate::canonical::{ChatResponse, CompletionResponse, Content, Count, Losses, Part, RawJson, Usage};

pub(crate) const NO_PLACE: &str = "MLflow's answers have no such field";

/// Records what neither contract can say of a chat's answer.
pub(crate) fn of_chat(response: &ChatResponse, losses: &mut Losses) {
    of_fields(&response.extras, losses);
    for choice in &response.choices {
        let at = format!("choices[{}]", choice.index);
        losses.add_if(choice.logprobs.is_some(), format!("{at}.logprobs"), NO_PLACE);
        losses.add_fields(&at, &choice.extras, NO_PLACE);
        losses.add_fields(&format!("{at}.message"), &choice.message.extras, NO_PLACE);
        for (index, call) in choice.message.tool_calls.iter().enumerate() {
            let at = format!("{at}.message.tool_calls[{index}]");
            losses.add_if(call.signature.is_some(), format!("{at}.signature"), NO_PLACE);
            losses.add_fields(&at, &call.extras, NO_PLACE);
        }
        if let Content::Parts(parts) = &choice.message.content {
            for (index, part) in parts.iter().enumerate() {
                let at = format!("{at}.message.content[{index}]");
                match part {
                    Part::Text { extras, .. } => losses.add_fields(&at, extras, NO_PLACE),
                    _ => losses.add(at, "MLflow's answers hold text alone"),
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
    losses.add_counts(&usage.unwrap_or_default(), &Count::ALL, NO_PLACE);
}
