//! Answers for clients.

use crate::canonical::{
    ChatResponse, Choice, CompletionResponse, Content, EmbeddingResponse, FinishReason, Losses, Operation,
    RawJson, Usage,
};
use crate::mlflow_contract::losses;
use crate::object::{bytes_of, raw_of};
use serde::Serialize;

#[derive(Serialize)]
struct Answer<'a, T> {
    candidates: Vec<T>,
    metadata: Metadata<'a>,
}

/// All five keys are always there.
#[derive(Serialize)]
struct Metadata<'a> {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    model: Option<&'a str>,
    route_type: &'static str,
}

#[derive(Serialize)]
struct ChatCandidate<'a> {
    message: ChatMessage<'a>,
    metadata: ChatMetadata<'a>,
}

#[derive(Serialize)]
struct ChatMessage<'a> {
    role: &'a str,
    content: String,
}

#[derive(Serialize)]
struct ChatMetadata<'a> {
    finish_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct TextCandidate<'a> {
    text: &'a str,
    metadata: TextMetadata<'a>,
}

#[derive(Serialize)]
struct TextMetadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct Vectors<'a> {
    embeddings: Vec<RawJson>,
    metadata: Metadata<'a>,
}

pub(super) fn chat(response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
    losses::of_chat(response, losses);
    bytes_of(&Answer {
        candidates: response.choices.iter().map(|choice| candidate(choice, losses)).collect(),
        metadata: metadata(response.usage, response.model.as_deref(), Operation::Chat),
    })
}

fn candidate<'a>(choice: &'a Choice, losses: &mut Losses) -> ChatCandidate<'a> {
    let message = &choice.message;
    let at = |field: &str| format!("choices[{}].message.{field}", choice.index);
    if !message.tool_calls.is_empty() {
        losses.add(at("tool_calls"), "messages of MLflow 2.5 to 2.8 have no tool calls");
    }
    let content = match (&message.content, &message.refusal) {
        (Content::None, Some(refusal)) => refusal.clone(),
        (content, refusal) => {
            if refusal.is_some() {
                losses.add(at("refusal"), "messages of MLflow 2.5 to 2.8 have one text");
            }
            content.joined_text()
        }
    };
    ChatCandidate {
        message: ChatMessage { role: message.role.openai_word(), content },
        metadata: ChatMetadata { finish_reason: word(choice.finish_reason.as_ref()) },
    }
}

pub(super) fn completion(response: &CompletionResponse, losses: &mut Losses) -> Vec<u8> {
    losses::of_completion(response, losses);
    let candidates = response.choices.iter().map(|choice| TextCandidate {
        text: &choice.text,
        metadata: TextMetadata { finish_reason: word(choice.finish_reason.as_ref()) },
    });
    bytes_of(&Answer {
        candidates: candidates.collect(),
        metadata: metadata(response.usage, response.model.as_deref(), Operation::Complete),
    })
}

pub(super) fn embedding(response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
    losses::of_fields(&response.extras, losses);
    let embeddings = response.vectors.iter().enumerate().map(|(index, vector)| {
        vector.numbers().unwrap_or_else(|| {
            losses.add(format!("data[{index}].embedding"), "it is not base64 of 32-bit floats");
            raw_of([0.0; 0])
        })
    });
    let embeddings = embeddings.collect();
    // The provider counts what it read; an embedding writes no tokens.
    let usage = response.usage.map(|usage| Usage {
        completion_tokens: usage.completion_tokens.or(usage.prompt_tokens.map(|_| 0)),
        ..usage
    });
    bytes_of(&Vectors { embeddings, metadata: metadata(usage, response.model.as_deref(), Operation::Embed) })
}

fn metadata(usage: Option<Usage>, model: Option<&str>, operation: Operation) -> Metadata<'_> {
    let usage = usage.unwrap_or_default();
    Metadata {
        input_tokens: usage.prompt_tokens,
        output_tokens: usage.completion_tokens,
        total_tokens: usage.total(),
        model,
        route_type: operation.route_type(),
    }
}

fn word(reason: Option<&FinishReason>) -> Option<&str> {
    reason.map(FinishReason::openai_word)
}
