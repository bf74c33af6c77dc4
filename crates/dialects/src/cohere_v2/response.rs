//! Whole answers of chat, read from the provider and written for a client.

use super::{NO_SUCH_FIELD, content, usage};
use crate::canonical::{ChatResponse, Choice, Content, Count, Failure, FinishReason, Losses, Part, RawJson};
use crate::raw::{Draft, Mismatch, Object, Read, each};

/// The id of an answer whose provider gave none; Cohere's clients require one.
pub(super) const NO_ID: &str = "response";

/// Reads a provider's answer.
pub(super) fn decode(body: &[u8]) -> Result<ChatResponse, Failure> {
    read(Object::of_response(body)?).map_err(Mismatch::blame_upstream)
}

fn read(mut object: Object<'_>) -> Read<ChatResponse> {
    let reason = object.string("finish_reason")?.as_deref().map(finish_reason);
    let message = object.take("message").ok_or_else(|| Mismatch::missing("message", "an object"))?;
    let mut message = content::read(message).map_err(|wrong| wrong.within("message"))?;
    message.content = simplest(message.content, !message.tool_calls.is_empty());
    let usage = object.take("usage").and_then(usage::read);
    Ok(ChatResponse {
        id: object.string("id")?,
        choices: vec![Choice::of(0, message, reason)],
        usage,
        extras: object.rest_without_nulls(),
        ..ChatResponse::default()
    })
}

/// One plain text is a string; no content beside tool calls is none.
fn simplest(content: Content, calls: bool) -> Content {
    match content {
        Content::None if !calls => Content::Text(String::new()),
        Content::Parts(mut parts) => match parts.as_mut_slice() {
            [] if calls => Content::None,
            [] => Content::Text(String::new()),
            [Part::Text { text, extras }] if extras.is_empty() => Content::Text(std::mem::take(text)),
            _ => Content::Parts(parts),
        },
        content => content,
    }
}

/// The reason behind Cohere's word.
pub(super) fn finish_reason(word: &str) -> FinishReason {
    match word {
        "COMPLETE" | "STOP_SEQUENCE" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        "TOOL_CALL" => FinishReason::ToolCalls,
        "ERROR" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_owned()),
    }
}

/// Cohere's word for a reason. An answer with tool calls waits for tools whatever its provider says.
pub(super) fn word_of(reason: Option<&FinishReason>, calls: bool) -> &str {
    match reason {
        Some(FinishReason::Length) => "MAX_TOKENS",
        Some(FinishReason::ContentFilter) => "ERROR",
        Some(FinishReason::ToolCalls | FinishReason::FunctionCall) => "TOOL_CALL",
        _ if calls => "TOOL_CALL",
        Some(FinishReason::Other(word)) => word,
        Some(FinishReason::Stop) | None => "COMPLETE",
    }
}

/// Writes an answer for a client.
pub(super) fn encode(response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
    for choice in response.choices.iter().skip(1) {
        losses.add(format!("choices[{}]", choice.index), "Cohere's chat gives one answer");
    }
    let choice = response.choices.first();
    let mut body = Draft::default();
    body.set("id", response.id.as_deref().unwrap_or(NO_ID));
    let calls = choice.is_some_and(|choice| !choice.message.tool_calls.is_empty());
    let reason = choice.and_then(|choice| choice.finish_reason.as_ref());
    losses.add_counts(&response.usage.unwrap_or_default(), &[Count::CacheWrite], NO_SUCH_FIELD);
    body.set("message", choice.map(|choice| write_choice(choice, losses)).unwrap_or_else(nothing_said));
    body.set("finish_reason", word_of(reason, calls));
    body.set("usage", usage::write(&response.usage.unwrap_or_default()));
    for (name, value) in &response.extras {
        if name == "logprobs" && are_logprobs(value) {
            body.set_raw(name, value.clone());
        } else {
            losses.add(name.as_str(), NO_SUCH_FIELD);
        }
    }
    body.into_body()
}

fn write_choice(choice: &Choice, losses: &mut Losses) -> Draft {
    const OTHERWISE: &str = "written otherwise by Cohere's API";
    losses.add_if(choice.logprobs.is_some(), "choices[0].logprobs", OTHERWISE);
    losses.add_fields("choices[0]", &choice.extras, NO_SUCH_FIELD);
    let message = content::write_answer(&choice.message, "choices[0].message", losses);
    let empty = !message.has("content") && !message.has("tool_calls");
    if empty { nothing_said() } else { message }
}

fn nothing_said() -> Draft {
    let mut message = Draft::default();
    message.set("role", "assistant");
    message.set("content", [serde_json::json!({ "type": "text", "text": "" })]);
    message
}

/// Whether log probabilities have Cohere's form: pieces of text with the numbers of their tokens.
fn are_logprobs(value: &RawJson) -> bool {
    each(value, |piece| Object::of(piece)?.list("token_ids")).is_ok_and(|all| all.iter().all(Option::is_some))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Message, Role, ToolCall, Usage};
    use serde_json::{Value, json};

    fn told(response: &ChatResponse) -> (Value, usize) {
        let mut losses = Losses::default();
        let body = encode(response, &mut losses);
        (serde_json::from_slice(&body).expect("JSON"), losses.count())
    }

    #[test]
    fn an_answer_with_reasoning_calls_citations_and_counts_comes_back_as_it_was() {
        let body = json!({
            "id": "a",
            "message": {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "x"}],
                "tool_calls": [{"id": "t_1", "type": "function",
                    "function": {"name": "t", "arguments": "{\"a\":1}"}}],
                "citations": [{"start": 0, "end": 1, "text": "x", "sources": [{"type": "tool", "id": "t_0:0"}]}],
            },
            "finish_reason": "TOOL_CALL",
            "usage": {"billed_units": {"input_tokens": 968, "output_tokens": 90},
                "tokens": {"input_tokens": 968, "output_tokens": 90, "reasoning_tokens": 28}, "cached_tokens": 4},
            "logprobs": [{"text": "x", "token_ids": [7], "logprobs": [-0.5]}],
        });
        let response = decode(body.to_string().as_bytes()).expect("an answer");
        assert_eq!(response.usage.and_then(|usage| usage.reasoning_tokens), Some(28));
        assert_eq!(told(&response), (body, 0));
    }

    #[test]
    fn a_plan_before_tools_is_reasoning_and_a_call_without_arguments_is_valid_json() {
        let body = json!({"id": "a", "finish_reason": "TOOL_CALL", "message": {"role": "assistant",
            "tool_plan": "I will look.",
            "tool_calls": [{"id": "t", "type": "function", "function": {"name": "now", "arguments": null}}]}});
        let message = decode(body.to_string().as_bytes()).expect("an answer").choices.remove(0).message;
        assert!(matches!(&message.content, Content::Parts(parts)
            if matches!(parts.as_slice(), [Part::Thinking { text, .. }] if text == "I will look.")));
        assert_eq!(message.tool_calls[0].arguments, "{}");
    }

    #[test]
    fn what_the_api_cannot_say_is_recorded_and_an_empty_answer_has_content() {
        let call = ToolCall {
            id: "t".to_owned(),
            name: "t".to_owned(),
            arguments: "{}".to_owned(),
            signature: None,
            extras: Vec::new(),
        };
        let mut message = Message::text(Role::Assistant, "");
        message.tool_calls = vec![call];
        let first = Choice::of(0, message, Some(FinishReason::Stop));
        let second = Choice::of(1, Message::text(Role::Assistant, "y"), None);
        let usage = Some(Usage { prompt_tokens: Some(1), ..Usage::default() });
        let response = ChatResponse { choices: vec![first, second], usage, ..ChatResponse::default() };
        let (body, losses) = told(&response);
        assert_eq!((body["finish_reason"].as_str(), losses), (Some("TOOL_CALL"), 1));
        assert_eq!(body["message"].get("content"), None);
        let (body, _) = told(&ChatResponse::default());
        assert_eq!(body["message"]["content"], json!([{"type": "text", "text": ""}]));
    }
}
