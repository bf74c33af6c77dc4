//! Answers of chat and text completion.

use super::{Message, RawJson, Usage};

/// An answer of chat.
#[derive(Debug, Clone, Default)]
pub struct ChatResponse {
    /// The provider's id, where it gives one.
    pub id: Option<String>,
    /// Unix seconds; set from the gateway's clock where the provider gives none.
    pub created: Option<u64>,
    /// The provider's name of the model, else the configured one.
    pub model: Option<String>,
    /// The answers.
    pub choices: Vec<Choice>,
    /// What the call consumed.
    pub usage: Option<Usage>,
    /// Fields that this model does not name, such as `system_fingerprint`.
    pub extras: Vec<(String, RawJson)>,
}

/// One answer of chat.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Its number, from 0.
    pub index: u32,
    /// What the model said.
    pub message: Message,
    /// Why it stopped; `None` where the provider does not say.
    pub finish_reason: Option<FinishReason>,
    /// Log probabilities, as they came.
    pub logprobs: Option<RawJson>,
    /// Fields of the choice that this model does not name, such as `content_filter_results`.
    pub extras: Vec<(String, RawJson)>,
}

impl Choice {
    /// A choice of which no more is known.
    pub fn of(index: u32, message: Message, finish_reason: Option<FinishReason>) -> Self {
        Self { index, message, finish_reason, logprobs: None, extras: Vec::new() }
    }
}

/// An answer of text completion.
#[derive(Debug, Clone, Default)]
pub struct CompletionResponse {
    /// The provider's id, where it gives one.
    pub id: Option<String>,
    /// Unix seconds; set from the gateway's clock where the provider gives none.
    pub created: Option<u64>,
    /// The provider's name of the model, else the configured one.
    pub model: Option<String>,
    /// The answers.
    pub choices: Vec<CompletionChoice>,
    /// What the call consumed.
    pub usage: Option<Usage>,
    /// Fields that this model does not name.
    pub extras: Vec<(String, RawJson)>,
}

/// One answer of text completion.
#[derive(Debug, Clone)]
pub struct CompletionChoice {
    /// Its number, from 0.
    pub index: u32,
    /// The text.
    pub text: String,
    /// Why it stopped; `None` where the provider does not say.
    pub finish_reason: Option<FinishReason>,
    /// Log probabilities, as they came.
    pub logprobs: Option<RawJson>,
    /// Fields of the choice that this model does not name.
    pub extras: Vec<(String, RawJson)>,
}

impl CompletionChoice {
    /// A choice of which no more is known.
    pub fn of(index: u32, text: impl Into<String>, finish_reason: Option<FinishReason>) -> Self {
        Self { index, text: text.into(), finish_reason, logprobs: None, extras: Vec::new() }
    }
}

/// Why a model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishReason {
    /// It had finished, or met a stop text.
    Stop,
    /// It met the limit of tokens.
    Length,
    /// It waits for tools.
    ToolCalls,
    /// The provider's filter, or the model's refusal.
    ContentFilter,
    /// OpenAI's deprecated function call.
    FunctionCall,
    /// A word that no dialect here knows; carried as it is.
    Other(String),
}

impl FinishReason {
    /// OpenAI's word for it, which MLflow uses too.
    pub fn openai_word(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::FunctionCall => "function_call",
            Self::Other(word) => word,
        }
    }

    /// The reason behind OpenAI's word.
    pub fn of_openai_word(word: &str) -> Self {
        match word {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            "function_call" => Self::FunctionCall,
            other => Self::Other(other.to_owned()),
        }
    }
}
