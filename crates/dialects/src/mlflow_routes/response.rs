//! Answers: written for clients, and read where lockgate is the client of another MLflow gateway.

use crate::canonical::{
    ChatResponse, Choice, CompletionChoice, CompletionResponse, Content, EmbeddingResponse, Failure,
    FinishReason, Losses, Message, Operation, RawJson, Role, Usage, Vector,
};
use crate::mlflow_contract::losses;
use crate::raw::{Mismatch, Object, Read, to_bytes};
use serde::Serialize;
use serde_json::value::RawValue;

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

/// Writes a chat's answer.
pub(super) fn encode_chat(response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
    losses::of_chat(response, losses);
    losses::of_usage(response.usage, losses);
    to_bytes(&Answer {
        candidates: response.choices.iter().map(|choice| candidate(choice, losses)).collect(),
        metadata: metadata(response.usage, response.model.as_deref(), Operation::Chat),
    })
}

fn candidate<'a>(choice: &'a Choice, losses: &mut Losses) -> ChatCandidate<'a> {
    let message = &choice.message;
    let at = |field: &str| format!("choices[{}].message.{field}", choice.index);
    const NO_CALLS: &str = "messages of MLflow 2.5 to 2.8 have no tool calls";
    losses.add_if(!message.tool_calls.is_empty(), at("tool_calls"), NO_CALLS);
    let content = match (&message.content, &message.refusal) {
        (Content::None, Some(refusal)) => refusal.clone(),
        (content, refusal) => {
            losses.add_if(refusal.is_some(), at("refusal"), "messages of MLflow 2.5 to 2.8 have one text");
            content.joined_text()
        }
    };
    ChatCandidate {
        message: ChatMessage { role: message.role.openai_word(), content },
        metadata: ChatMetadata { finish_reason: word(choice.finish_reason.as_ref()) },
    }
}

/// Writes a completion's answer.
pub(super) fn encode_completion(response: &CompletionResponse, losses: &mut Losses) -> Vec<u8> {
    losses::of_completion(response, losses);
    losses::of_usage(response.usage, losses);
    let candidates = response.choices.iter().map(|choice| TextCandidate {
        text: &choice.text,
        metadata: TextMetadata { finish_reason: word(choice.finish_reason.as_ref()) },
    });
    to_bytes(&Answer {
        candidates: candidates.collect(),
        metadata: metadata(response.usage, response.model.as_deref(), Operation::Complete),
    })
}

/// Writes an answer of embeddings.
pub(super) fn encode_embedding(response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
    losses::of_fields(&response.extras, losses);
    let embeddings = response.rows(losses);
    // The provider counts what it read; an embedding writes no tokens.
    let usage = response.usage.map(|usage| Usage {
        completion_tokens: usage.completion_tokens.or(usage.prompt_tokens.map(|_| 0)),
        ..usage
    });
    to_bytes(&Vectors { embeddings, metadata: metadata(usage, response.model.as_deref(), Operation::Embed) })
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

/// Reads a chat's answer.
pub(super) fn decode_chat(body: &[u8]) -> Result<ChatResponse, Failure> {
    let (choices, model, usage) = read_answer(body, |index, candidate| {
        let mut message = candidate.need_object("message")?;
        let inside = |wrong: Mismatch| wrong.within("message");
        let role = Role::of_openai_word(&message.need_string("role").map_err(inside)?);
        let content = Content::Text(message.need_string("content").map_err(inside)?);
        let message = Message { content, extras: message.rest_without_nulls(), ..Message::text(role, "") };
        Ok(Choice::of(index, message, read_reason(candidate)?))
    })?;
    Ok(ChatResponse { choices, model, usage: Some(usage), ..ChatResponse::default() })
}

/// Reads a completion's answer.
pub(super) fn decode_completion(body: &[u8]) -> Result<CompletionResponse, Failure> {
    let (choices, model, usage) = read_answer(body, |index, candidate| {
        let text = candidate.need_string("text")?;
        Ok(CompletionChoice::of(index, text, read_reason(candidate)?))
    })?;
    Ok(CompletionResponse { choices, model, usage: Some(usage), ..CompletionResponse::default() })
}

/// Reads an answer of embeddings.
pub(super) fn decode_embedding(body: &[u8]) -> Result<EmbeddingResponse, Failure> {
    let mut object = Object::of_response(body)?;
    let mut read = || {
        let rows = object.each("embeddings", |row| Ok(Vector::Numbers(row.to_owned())))?;
        let vectors = rows.ok_or_else(|| Mismatch::missing("embeddings", "a list"))?;
        let (model, usage) = read_metadata(&mut object)?;
        Ok(EmbeddingResponse { model, vectors, usage: Some(usage), extras: Vec::new() })
    };
    read().map_err(Mismatch::blame_upstream)
}

/// Reads the candidates, with their numbers, and what the answer says of all of them.
fn read_answer<T>(
    body: &[u8],
    read: impl Fn(u32, &mut Object<'_>) -> Read<T>,
) -> Result<(Vec<T>, Option<String>, Usage), Failure> {
    let mut object = Object::of_response(body)?;
    let mut places = 0..;
    let mut read = || {
        let candidates = object.each("candidates", |candidate| {
            read(places.next().unwrap_or_default(), &mut Object::of(candidate)?)
        })?;
        let (model, usage) = read_metadata(&mut object)?;
        Ok((candidates.unwrap_or_default(), model, usage))
    };
    read().map_err(Mismatch::blame_upstream)
}

fn read_reason(candidate: &mut Object<'_>) -> Read<Option<FinishReason>> {
    let reason = candidate.need_object("metadata")?.string("finish_reason");
    let reason = reason.map_err(|wrong| wrong.within("metadata"))?;
    Ok(reason.as_deref().map(FinishReason::of_openai_word))
}

/// Takes the model and the usage of an answer.
fn read_metadata(object: &mut Object<'_>) -> Read<(Option<String>, Usage)> {
    let mut metadata = object.need_object("metadata")?;
    let inside = |wrong: Mismatch| wrong.within("metadata");
    let usage = read_usage(&mut metadata).map_err(inside)?;
    Ok((metadata.string("model").map_err(inside)?, usage))
}

/// What the `metadata` of an answer say of usage.
pub(super) fn usage(metadata: &RawValue) -> Option<Usage> {
    read_usage(&mut Object::of(metadata).ok()?).ok()
}

fn read_usage(metadata: &mut Object<'_>) -> Read<Usage> {
    Ok(Usage {
        prompt_tokens: metadata.count("input_tokens")?,
        completion_tokens: metadata.count("output_tokens")?,
        total_tokens: metadata.count("total_tokens")?,
        ..Usage::default()
    })
}
