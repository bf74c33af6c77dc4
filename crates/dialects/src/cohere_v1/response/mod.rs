//! Whole answers, and the words in which they and streams say why a model stopped.

mod chat;
mod embed;
mod generate;

pub(super) use chat::{decode as decode_chat, encode as encode_chat};
pub(super) use embed::{decode as decode_embed, encode as encode_embed};
pub(super) use generate::{decode as decode_generate, encode as encode_generate};

use crate::canonical::FinishReason;

/// The reason behind Cohere's word.
pub(super) fn finish_reason(word: &str) -> FinishReason {
    match word {
        "COMPLETE" | "STOP_SEQUENCE" => FinishReason::Stop,
        "MAX_TOKENS" | "ERROR_LIMIT" => FinishReason::Length,
        "TOOL_CALL" => FinishReason::ToolCalls,
        "ERROR_TOXIC" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_owned()),
    }
}

/// Cohere's word for a reason.
pub(super) fn word_of(reason: &FinishReason) -> &str {
    match reason {
        FinishReason::Stop => "COMPLETE",
        FinishReason::Length => "MAX_TOKENS",
        FinishReason::ToolCalls | FinishReason::FunctionCall => "TOOL_CALL",
        FinishReason::ContentFilter => "ERROR_TOXIC",
        FinishReason::Other(word) => word,
    }
}
