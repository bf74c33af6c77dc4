//! Requests: read from clients, and written where lockgate is the client of another MLflow gateway.

use crate::canonical::{
    ChatRequest, CompletionRequest, Content, EmbeddingInput, EmbeddingRequest, Extras, Failure, Losses,
    Message, Part, Prompt, RawJson, Role,
};
use crate::mlflow_contract::body;
use crate::mlflow_contract::json::{Json, Object};
use crate::mlflow_contract::report::Report;
use crate::mlflow_contract::request::{Limits, model, rest, sampling, set_extras, set_sampling};
use crate::mlflow_contract::step;
use crate::raw::Draft;

const LIMITS: Limits = Limits { temperature: 1.0, count_name: "candidate_count", count: Some(5) };

/// Fields of every generating call that are not extras.
const SAMPLING: [&str; 5] = ["temperature", "candidate_count", "stop", "max_tokens", "model"];

/// Reads a chat.
pub(super) fn decode_chat(body: &[u8]) -> Result<ChatRequest, Failure> {
    let text = body::text(body)?;
    let object = body::object(&text)?;
    let mut report = Report::default();
    let sampling = sampling(&object, &LIMITS, &mut report);
    let messages = report
        .required(&object, "messages", |report, value| report.filled_list(value, message))
        .unwrap_or_default();
    let (model, extras) = others(&object, "messages", &mut report);
    report.finish()?;
    Ok(ChatRequest { model, messages, sampling, extras, ..ChatRequest::default() })
}

/// Reads a completion.
pub(super) fn decode_completion(body: &[u8]) -> Result<CompletionRequest, Failure> {
    let text = body::text(body)?;
    let object = body::object(&text)?;
    let mut report = Report::default();
    let sampling = sampling(&object, &LIMITS, &mut report);
    let prompt = report.required(&object, "prompt", Report::text).unwrap_or_default();
    let prompt = Prompt::Text(prompt.to_owned());
    let (model, extras) = others(&object, "prompt", &mut report);
    report.finish()?;
    Ok(CompletionRequest { model, prompt, sampling, extras, ..CompletionRequest::default() })
}

/// Reads a request for embeddings.
pub(super) fn decode_embedding(body: &[u8]) -> Result<EmbeddingRequest, Failure> {
    let text = body::text(body)?;
    let object = body::object(&text)?;
    let mut report = Report::default();
    let input = report.required(&object, "text", input);
    let model = model(&object, &mut report);
    let extras = rest(&object, &["text", "model"], &mut report);
    report.finish()?;
    Ok(EmbeddingRequest {
        model,
        input: input.unwrap_or(EmbeddingInput::Texts(Vec::new())),
        dimensions: None,
        encoding: None,
        user: None,
        extras: Extras { fields: extras, for_provider: true },
    })
}

/// A string or a list of strings; what is neither is an error in both forms.
fn input(report: &mut Report, value: &Json<'_>) -> Option<EmbeddingInput> {
    if let Json::Text(text) = value {
        return Some(EmbeddingInput::Text(text.to_string()));
    }
    let before = report.mark();
    report.at(step("str"), |report| report.text(value).map(drop));
    let texts = report.at(step("list[str]"), |report| {
        report.list(value, |report, text| report.text(text).map(str::to_owned))
    })?;
    report.forget(before);
    Some(EmbeddingInput::Texts(texts))
}

/// A message: a role and a text, and whatever else the client says in it.
fn message(report: &mut Report, value: &Json<'_>) -> Option<Message> {
    let object = report.model(value)?;
    let role = report.required(object, "role", Report::text);
    let content = report.required(object, "content", Report::text);
    let mut extras = rest(object, &["role", "content"], report);
    let mut message = Message::text(Role::of_openai_word(role?), content?);
    message.name = take_text(&mut extras, "name");
    Some(Message { extras, ..message })
}

/// Takes a field out of the extras if it is a string.
fn take_text(extras: &mut Vec<(String, RawJson)>, name: &str) -> Option<String> {
    let index = extras.iter().position(|(field, _)| field == name)?;
    let text = serde_json::from_str(extras[index].1.get()).ok()?;
    extras.remove(index);
    Some(text)
}

/// The model that the body names, and everything that the contract leaves to the provider.
fn others(object: &Object<'_>, content: &str, report: &mut Report) -> (Option<String>, Extras) {
    let mut named = SAMPLING.to_vec();
    named.push(content);
    let model = model(object, report);
    (model, Extras { fields: rest(object, &named, report), for_provider: true })
}

/// What the contract has no word for and the route's provider may know under OpenAI's name.
const NO_WORD: &str = "the contract of MLflow 2.5 to 2.8 has no such field";
const NO_STREAMS: &str = "routes of MLflow 2.5 to 2.8 do not stream";

/// Writes a chat for another MLflow gateway.
pub(super) fn encode_chat(request: &ChatRequest, losses: &mut Losses) -> Vec<u8> {
    let mut body = Draft::default();
    set_sampling(&mut body, &request.sampling, 1.0, "candidate_count", losses);
    let messages = request.messages.iter().enumerate();
    body.set(
        "messages",
        messages.map(|(index, message)| encode_message(index, message, losses)).collect::<Vec<_>>(),
    );
    losses.add_if(!request.tools.is_empty(), "tools", NO_WORD);
    losses.add_if(request.tool_choice.is_some(), "tool_choice", NO_WORD);
    losses.add_if(request.parallel_tool_calls.is_some(), "parallel_tool_calls", NO_WORD);
    losses.add_if(request.response_format.is_some(), "response_format", NO_WORD);
    losses.add_if(request.reasoning.is_some(), "reasoning", NO_WORD);
    losses.add_if(request.stream == Some(true), "stream", NO_STREAMS);
    body.set_some("user", request.user.as_ref());
    set_extras(&mut body, &request.extras, losses);
    body.into_body()
}

fn encode_message(index: usize, message: &Message, losses: &mut Losses) -> Draft {
    let mut object = Draft::default();
    let at = |field: &str| format!("messages[{index}].{field}");
    object.set("role", message.role.openai_word());
    object.set("content", message.content.joined_text());
    object.set_some("name", message.name.as_ref());
    losses.add_if(!message.tool_calls.is_empty(), at("tool_calls"), NO_WORD);
    losses.add_if(message.tool_call_id.is_some(), at("tool_call_id"), NO_WORD);
    losses.add_if(message.refusal.is_some(), at("refusal"), NO_WORD);
    losses.add_if(message.is_error, at("is_error"), NO_WORD);
    if let Content::Parts(parts) = &message.content {
        for (place, part) in parts.iter().enumerate() {
            let at = format!("messages[{index}].content[{place}]");
            match part {
                Part::Text { extras, .. } => losses.add_fields(&at, extras, NO_WORD),
                _ => losses.add(at, "messages of MLflow 2.5 to 2.8 have one text"),
            }
        }
    }
    for (name, value) in &message.extras {
        if !object.has(name) {
            object.set_raw(name, value.clone());
        }
    }
    object
}

/// Writes a completion for another MLflow gateway.
pub(super) fn encode_completion(
    request: &CompletionRequest,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let Prompt::Text(prompt) = &request.prompt else {
        return Err(Failure::invalid("prompt", "a route of MLflow 2.5 to 2.8 takes one prompt as a string"));
    };
    let mut body = Draft::default();
    set_sampling(&mut body, &request.sampling, 1.0, "candidate_count", losses);
    body.set("prompt", prompt);
    losses.add_if(request.stream == Some(true), "stream", NO_STREAMS);
    body.set_some("user", request.user.as_ref());
    set_extras(&mut body, &request.extras, losses);
    Ok(body.into_body())
}

/// Writes a request for embeddings for another MLflow gateway.
pub(super) fn encode_embedding(request: &EmbeddingRequest, losses: &mut Losses) -> Result<Vec<u8>, Failure> {
    let mut body = Draft::default();
    match &request.input {
        EmbeddingInput::Text(text) => body.set("text", text),
        EmbeddingInput::Texts(texts) => body.set("text", texts),
        EmbeddingInput::Tokens(_) => {
            return Err(Failure::invalid("input", "a route of MLflow 2.5 to 2.8 takes text, not tokens"));
        }
    }
    losses.add_if(request.dimensions.is_some(), "dimensions", NO_WORD);
    body.set_some("user", request.user.as_ref());
    set_extras(&mut body, &request.extras, losses);
    Ok(body.into_body())
}
