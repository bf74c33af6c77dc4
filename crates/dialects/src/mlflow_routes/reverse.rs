//! The other direction: lockgate as the client of another MLflow gateway.

use crate::canonical::{
    ChatRequest, ChatResponse, Choice, CompletionChoice, CompletionRequest, CompletionResponse, Content,
    EmbeddingInput, EmbeddingRequest, EmbeddingResponse, Failure, FinishReason, Losses, Message, Prompt,
    RawJson, Role, Usage, Vector,
};
use crate::dialect::ModelTraits;
use crate::mlflow_contract::reverse::{lose, set_extras, set_sampling};
use crate::object::{Fields, Misread, Object};

/// What the contract has no word for and the route's provider may know under OpenAI's name.
const NO_WORD: &str = "the contract of MLflow 2.5 to 2.8 has no such field";

pub(super) fn encode_chat(
    request: &ChatRequest,
    _model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let mut body = Object::default();
    set_sampling(&mut body, &request.sampling, 1.0, "candidate_count", losses);
    let messages = request.messages.iter().enumerate();
    body.set(
        "messages",
        messages.map(|(index, message)| encode_message(index, message, losses)).collect::<Vec<_>>(),
    );
    lose(!request.tools.is_empty(), "tools", NO_WORD, losses);
    lose(request.tool_choice.is_some(), "tool_choice", NO_WORD, losses);
    lose(request.parallel_tool_calls.is_some(), "parallel_tool_calls", NO_WORD, losses);
    lose(request.response_format.is_some(), "response_format", NO_WORD, losses);
    lose(request.reasoning.is_some(), "reasoning", NO_WORD, losses);
    lose(request.stream == Some(true), "stream", "routes of MLflow 2.5 to 2.8 do not stream", losses);
    body.set_some("user", request.user.as_ref());
    set_extras(&mut body, &request.extras, losses);
    Ok(body.into_body())
}

fn encode_message(index: usize, message: &Message, losses: &mut Losses) -> Object {
    let mut object = Object::default();
    let at = |field: &str| format!("messages[{index}].{field}");
    object.set("role", message.role.openai_word());
    object.set("content", message.content.joined_text());
    object.set_some("name", message.name.as_ref());
    if !message.tool_calls.is_empty() {
        losses.add(at("tool_calls"), NO_WORD);
    }
    if message.tool_call_id.is_some() {
        losses.add(at("tool_call_id"), NO_WORD);
    }
    for (name, value) in &message.extras {
        if !object.has(name) {
            object.set_raw(name, value.clone());
        }
    }
    object
}

pub(super) fn encode_completion(
    request: &CompletionRequest,
    _model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let Prompt::Text(prompt) = &request.prompt else {
        return Err(Failure::invalid("prompt", "a route of MLflow 2.5 to 2.8 takes one prompt as a string"));
    };
    let mut body = Object::default();
    set_sampling(&mut body, &request.sampling, 1.0, "candidate_count", losses);
    body.set("prompt", prompt);
    lose(request.stream == Some(true), "stream", "routes of MLflow 2.5 to 2.8 do not stream", losses);
    body.set_some("user", request.user.as_ref());
    set_extras(&mut body, &request.extras, losses);
    Ok(body.into_body())
}

pub(super) fn encode_embedding(
    request: &EmbeddingRequest,
    _model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let mut body = Object::default();
    match &request.input {
        EmbeddingInput::Text(text) => body.set("text", text),
        EmbeddingInput::Texts(texts) => body.set("text", texts),
        EmbeddingInput::Tokens(_) => {
            return Err(Failure::invalid("input", "a route of MLflow 2.5 to 2.8 takes text, not tokens"));
        }
    }
    lose(request.dimensions.is_some(), "dimensions", NO_WORD, losses);
    body.set_some("user", request.user.as_ref());
    set_extras(&mut body, &request.extras, losses);
    Ok(body.into_body())
}

pub(super) fn decode_chat(body: &[u8]) -> Result<ChatResponse, Failure> {
    let read = || {
        let (candidates, model, usage) = answer(body)?;
        let choices = candidates.into_iter().zip(0..).map(|((mut candidate, mut metadata), index)| {
            let mut message = needed(&mut candidate, "message")?;
            let role = Role::of_openai_word(&message.need::<String>("role")?);
            let content = Content::Text(message.need("content")?);
            let reason: Option<String> = metadata.take("finish_reason")?;
            Ok(Choice {
                index,
                message: Message { content, extras: message.rest(), ..Message::text(role, "") },
                finish_reason: reason.as_deref().map(FinishReason::of_openai_word),
                logprobs: None,
            })
        });
        let choices = choices.collect::<Result<_, Misread>>()?;
        Ok(ChatResponse { choices, model, usage: Some(usage), ..ChatResponse::default() })
    };
    read().map_err(Misread::blame_upstream)
}

pub(super) fn decode_completion(body: &[u8]) -> Result<CompletionResponse, Failure> {
    let read = || {
        let (candidates, model, usage) = answer(body)?;
        let choices = candidates.into_iter().zip(0..).map(|((mut candidate, mut metadata), index)| {
            let reason: Option<String> = metadata.take("finish_reason")?;
            Ok(CompletionChoice {
                index,
                text: candidate.need("text")?,
                finish_reason: reason.as_deref().map(FinishReason::of_openai_word),
                logprobs: None,
            })
        });
        let choices = choices.collect::<Result<_, Misread>>()?;
        Ok(CompletionResponse { choices, model, usage: Some(usage), ..CompletionResponse::default() })
    };
    read().map_err(Misread::blame_upstream)
}

pub(super) fn decode_embedding(body: &[u8]) -> Result<EmbeddingResponse, Failure> {
    let read = || {
        let mut fields = Fields::of_body(body)?;
        let raw = fields.raw("embeddings").map_or("null", |raw| raw.get());
        let Ok(rows) = serde_json::from_str::<Vec<RawJson>>(raw) else {
            return Err(Misread { path: fields.path("embeddings"), expected: "must be a list" });
        };
        let (model, usage) = metadata(&mut fields)?;
        let vectors = rows.into_iter().map(Vector::Numbers).collect();
        Ok(EmbeddingResponse { model, vectors, usage: Some(usage), extras: Vec::new() })
    };
    read().map_err(Misread::blame_upstream)
}

/// What an answer of this contract says of its usage.
pub(super) fn usage(body: &[u8]) -> Option<Usage> {
    let mut fields = Fields::of_body(body).ok()?;
    metadata(&mut fields).ok().map(|(_, usage)| usage)
}

/// A candidate and its metadata.
type Candidate<'a> = (Fields<'a>, Fields<'a>);

fn answer(body: &[u8]) -> Result<(Vec<Candidate<'_>>, Option<String>, Usage), Misread> {
    let mut fields = Fields::of_body(body)?;
    let candidates = fields.objects("candidates")?.into_iter().map(|(mut candidate, _)| {
        let metadata = needed(&mut candidate, "metadata")?;
        Ok((candidate, metadata))
    });
    let candidates = candidates.collect::<Result<_, Misread>>()?;
    let (model, usage) = metadata(&mut fields)?;
    Ok((candidates, model, usage))
}

fn metadata(fields: &mut Fields<'_>) -> Result<(Option<String>, Usage), Misread> {
    let mut metadata = needed(fields, "metadata")?;
    let usage = Usage {
        prompt_tokens: metadata.take("input_tokens")?,
        completion_tokens: metadata.take("output_tokens")?,
        total_tokens: metadata.take("total_tokens")?,
        ..Usage::default()
    };
    Ok((metadata.take("model")?, usage))
}

fn needed<'a>(fields: &mut Fields<'a>, name: &str) -> Result<Fields<'a>, Misread> {
    fields.object(name)?.ok_or_else(|| Misread { path: fields.path(name), expected: "must be an object" })
}
