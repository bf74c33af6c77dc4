//! Whole answers, written for clients.

use crate::canonical::{
    ChatResponse, Choice, CompletionResponse, Content, EmbeddingResponse, FinishReason, Losses, RawJson,
    ToolCall, Usage, Vector,
};
use crate::mlflow_contract::losses;
use crate::raw::to_bytes;
use serde::Serialize;

/// An answer; each key is always there.
#[derive(Serialize)]
struct Answer<'a, T> {
    id: Option<&'a str>,
    object: &'static str,
    created: u64,
    model: Option<&'a str>,
    choices: Vec<T>,
    usage: Counts,
}

#[derive(Serialize)]
pub(super) struct Counts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

impl From<Usage> for Counts {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.total(),
        }
    }
}

#[derive(Serialize)]
struct ChatChoice<'a> {
    index: u32,
    message: Message<'a>,
    finish_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: Option<String>,
    tool_calls: Option<Vec<Call<'a>>>,
    refusal: Option<&'a str>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct TextChoice<'a> {
    index: u32,
    text: &'a str,
    finish_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Embeddings<'a> {
    object: &'static str,
    data: Vec<Embedding<'a>>,
    model: Option<&'a str>,
    usage: EmbeddingCounts,
}

#[derive(Serialize)]
struct Embedding<'a> {
    object: &'static str,
    embedding: Values<'a>,
    index: usize,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Values<'a> {
    Numbers(&'a RawJson),
    Base64(&'a str),
}

#[derive(Serialize)]
struct EmbeddingCounts {
    prompt_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

/// Writes a chat's answer.
pub(super) fn encode_chat(response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
    losses::of_chat(response, losses);
    losses::of_usage(response.usage, losses);
    to_bytes(&Answer {
        id: response.id.as_deref(),
        object: "chat.completion",
        created: response.created.unwrap_or_default(),
        model: response.model.as_deref(),
        choices: response.choices.iter().map(choice).collect(),
        usage: response.usage.unwrap_or_default().into(),
    })
}

fn choice(choice: &Choice) -> ChatChoice<'_> {
    let message = &choice.message;
    let calls = message.tool_calls.iter().map(|ToolCall { id, name, arguments, .. }| Call {
        id,
        r#type: "function",
        function: Function { name, arguments },
    });
    ChatChoice {
        index: choice.index,
        message: Message {
            role: message.role.openai_word(),
            content: match &message.content {
                Content::None => None,
                content => Some(content.joined_text()),
            },
            tool_calls: if message.tool_calls.is_empty() { None } else { Some(calls.collect()) },
            refusal: message.refusal.as_deref(),
        },
        finish_reason: word(choice.finish_reason.as_ref()),
    }
}

/// Writes a completion's answer.
pub(super) fn encode_completion(response: &CompletionResponse, losses: &mut Losses) -> Vec<u8> {
    losses::of_completion(response, losses);
    losses::of_usage(response.usage, losses);
    let choices = response.choices.iter().map(|choice| TextChoice {
        index: choice.index,
        text: &choice.text,
        finish_reason: word(choice.finish_reason.as_ref()),
    });
    to_bytes(&Answer {
        id: response.id.as_deref(),
        object: "text_completion",
        created: response.created.unwrap_or_default(),
        model: response.model.as_deref(),
        choices: choices.collect(),
        usage: response.usage.unwrap_or_default().into(),
    })
}

/// Writes an answer of embeddings.
pub(super) fn encode_embedding(response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
    losses::of_fields(&response.extras, losses);
    let usage = response.usage.unwrap_or_default();
    let data = response.vectors.iter().enumerate().map(|(index, vector)| Embedding {
        object: "embedding",
        embedding: match vector {
            Vector::Numbers(numbers) => Values::Numbers(numbers),
            Vector::Base64(text) => Values::Base64(text),
        },
        index,
    });
    to_bytes(&Embeddings {
        object: "list",
        data: data.collect(),
        model: response.model.as_deref(),
        usage: EmbeddingCounts {
            prompt_tokens: usage.prompt_tokens,
            total_tokens: usage.total_tokens.or(usage.prompt_tokens),
        },
    })
}

pub(super) fn word(reason: Option<&FinishReason>) -> Option<&str> {
    reason.map(FinishReason::openai_word)
}
