//! Whole answers, read from the provider and written for a client.

use super::blocks::{self, Block};
use super::parameters::NO_SUCH_FIELD;
use super::usage;
use crate::canonical::{
    ChatResponse, Choice, Class, Content, Failure, FinishReason, Losses, Message, Part, Role, UpstreamError,
};
use crate::raw::{Draft, Mismatch, Object, Read};

/// Top-level fields of an answer that are Anthropic's own.
const NATIVE: [&str; 4] = ["stop_sequence", "stop_details", "container", "context_management"];

/// Reads a provider's answer.
pub(super) fn decode(body: &[u8]) -> Result<ChatResponse, Failure> {
    let mut object = Object::of_response(body)?;
    let kind = object.string("type").unwrap_or(None);
    if kind.as_deref() == Some("error") {
        let error = UpstreamError::of_json(&serde_json::from_slice(body).unwrap_or_default());
        return Err(Failure::upstream(Class::UpstreamError, error));
    }
    read(object).map_err(Mismatch::blame_upstream)
}

fn read(mut object: Object<'_>) -> Read<ChatResponse> {
    let mut message = Message::text(Role::Assistant, "");
    let mut parts = Vec::new();
    let blocks = object.each("content", |block| {
        match blocks::read(block)? {
            Block::Part(part) => parts.push(part),
            Block::Call(call) => message.tool_calls.push(call),
            Block::Result(_) => parts.push(Part::Unknown(block.to_owned())),
        }
        Ok(())
    })?;
    blocks.ok_or_else(|| Mismatch::missing("content", "a list"))?;
    message.content = content_of(parts, !message.tool_calls.is_empty());
    let reason = object.string("stop_reason")?.as_deref().map(finish_reason);
    let usage = object.take("usage").and_then(usage::read);
    object.string("role")?;
    Ok(ChatResponse {
        id: object.string("id")?,
        created: None,
        model: object.string("model")?,
        choices: vec![Choice::of(0, message, reason)],
        usage,
        extras: object.rest_without_nulls(),
    })
}

/// One plain text is a string; no content beside tool calls is none.
fn content_of(mut parts: Vec<Part>, calls: bool) -> Content {
    match parts.as_mut_slice() {
        [] if calls => Content::None,
        [] => Content::Text(String::new()),
        [Part::Text { text, extras }] if extras.is_empty() => Content::Text(std::mem::take(text)),
        _ => Content::Parts(parts),
    }
}

/// The reason behind Anthropic's word.
pub(super) fn finish_reason(word: &str) -> FinishReason {
    match word {
        "end_turn" | "stop_sequence" | "pause_turn" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_owned()),
    }
}

/// Anthropic's word for a reason. An answer with tool calls waits for tools whatever its provider says.
pub(super) fn stop_reason(reason: Option<&FinishReason>, calls: bool) -> &str {
    match reason {
        Some(FinishReason::Length) => "max_tokens",
        Some(FinishReason::ContentFilter) => "refusal",
        Some(FinishReason::ToolCalls | FinishReason::FunctionCall) => "tool_use",
        _ if calls => "tool_use",
        Some(FinishReason::Other(word)) => word,
        Some(FinishReason::Stop) | None => "end_turn",
    }
}

/// Writes an answer for a client.
pub(super) fn encode(response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
    for choice in response.choices.iter().skip(1) {
        losses.add(format!("choices[{}]", choice.index), "Anthropic's API gives one answer");
    }
    let choice = response.choices.first();
    if let Some(choice) = choice {
        lose_fields(choice, losses);
    }
    let calls = choice.is_some_and(|choice| !choice.message.tool_calls.is_empty());
    let reason = stop_reason(choice.and_then(|choice| choice.finish_reason.as_ref()), calls);
    let mut body = Draft::default();
    body.set("id", response.id.as_deref().unwrap_or(NO_ID));
    body.set("type", "message");
    body.set("role", "assistant");
    body.set("model", response.model.as_deref().unwrap_or_default());
    body.set("content", choice.map(|choice| content(&choice.message, losses)).unwrap_or_default());
    body.set("stop_reason", reason);
    body.set("stop_sequence", None::<&str>);
    body.set("usage", usage::write(&response.usage.unwrap_or_default()));
    for (name, value) in &response.extras {
        if NATIVE.contains(&name.as_str()) {
            body.set_raw(name, value.clone());
        } else {
            losses.add(name.as_str(), NO_SUCH_FIELD);
        }
    }
    if reason == "end_turn" && response.extras.iter().any(|(name, _)| name == "stop_sequence") {
        body.set("stop_reason", "stop_sequence");
    }
    body.into_body()
}

/// Records the fields of the choice that have no place in an answer.
fn lose_fields(choice: &Choice, losses: &mut Losses) {
    losses.add_if(
        choice.logprobs.is_some(),
        "choices[0].logprobs",
        "Anthropic's API has no log probabilities",
    );
    losses.add_fields("choices[0]", &choice.extras, NO_SUCH_FIELD);
    losses.add_fields("choices[0].message", &choice.message.extras, NO_SUCH_FIELD);
}

/// The id of an answer whose provider gave none; Anthropic's clients require one.
pub(super) const NO_ID: &str = "msg_unknown";

fn content(message: &Message, losses: &mut Losses) -> Vec<Draft> {
    let path = "choices[0].message";
    let mut written = Vec::new();
    match &message.content {
        Content::None => {}
        Content::Text(text) => written.extend(blocks::text(text)),
        Content::Parts(parts) => {
            for (index, part) in parts.iter().enumerate() {
                let path = format!("{path}.content[{index}]");
                written.extend(blocks::write(part, blocks::Reader::Client, &path, losses));
            }
        }
    }
    written.extend(message.refusal.as_deref().and_then(blocks::text));
    for (index, call) in message.tool_calls.iter().enumerate() {
        written.extend(call.signature.as_ref().map(blocks::keep_signature));
        written.push(blocks::write_call(call, &format!("{path}.tool_calls[{index}]"), losses));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(body: &Value) -> ChatResponse {
        decode(body.to_string().as_bytes()).expect("an answer")
    }

    fn answer(content: Value, stop_reason: &str) -> Value {
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": content,
            "stop_reason": stop_reason, "stop_sequence": null,
            "usage": {"input_tokens": 3, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4,
                "output_tokens": 5}})
    }

    #[test]
    fn one_text_is_a_string_and_several_blocks_stay_apart() {
        let one = read(&answer(json!([{"type": "text", "text": "hi", "citations": null}]), "end_turn"));
        assert!(matches!(&one.choices[0].message.content, Content::Text(text) if text == "hi"));
        let two =
            json!([{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "hi"}]);
        let two = read(&answer(two, "end_turn"));
        assert!(matches!(&two.choices[0].message.content, Content::Parts(parts) if parts.len() == 2));
        let none = read(&answer(json!([]), "end_turn"));
        assert!(matches!(&none.choices[0].message.content, Content::Text(text) if text.is_empty()));
    }

    #[test]
    fn calls_usage_and_reason_arrive() {
        let content = json!([{"type": "text", "text": "see"},
            {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"q": [1.5]}}]);
        let read = read(&answer(content, "tool_use"));
        let choice = &read.choices[0];
        assert_eq!(choice.message.tool_calls[0].arguments, r#"{"q":[1.5]}"#);
        assert_eq!(choice.finish_reason, Some(FinishReason::ToolCalls));
        assert_eq!((read.id.as_deref(), read.model.as_deref()), (Some("msg_1"), Some("claude-x")));
        let usage = read.usage.expect("counts");
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (Some(7), Some(5)));
    }

    #[test]
    fn every_reason_survives_the_way_out() {
        for word in ["end_turn", "max_tokens", "tool_use", "refusal", "a_new_word"] {
            assert_eq!(stop_reason(Some(&finish_reason(word)), false), word);
        }
        assert_eq!(finish_reason("pause_turn"), FinishReason::Stop);
        assert_eq!(finish_reason("model_context_window_exceeded"), FinishReason::Length);
        assert_eq!(stop_reason(Some(&FinishReason::Stop), true), "tool_use");
    }

    #[test]
    fn an_answer_survives_the_way_out_and_back() {
        let content = json!([
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "opaque"},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "text", "text": "a", "citations": [{"type": "x"}]},
            {"type": "tool_use", "id": "t", "name": "look", "input": {"b": 1, "a": 2}}]);
        let mut body = answer(content, "tool_use");
        body["container"] = json!({"id": "c"});
        let mut losses = Losses::default();
        let written = encode(&read(&body), &mut losses);
        assert_eq!(serde_json::from_slice::<Value>(&written).expect("JSON"), body);
        assert!(losses.is_empty());
        let mut stopped = answer(json!([{"type": "text", "text": "a"}]), "stop_sequence");
        stopped["stop_sequence"] = json!("X");
        let written = encode(&read(&stopped), &mut losses);
        assert_eq!(serde_json::from_slice::<Value>(&written).expect("JSON"), stopped);
    }

    #[test]
    fn an_answer_that_cannot_be_read_blames_the_provider() {
        for body in ["", "[]", "{}", r#"{"content":1}"#, r#"{"content":[{"type":"text"}]}"#] {
            assert_eq!(decode(body.as_bytes()).expect_err("no answer").class, Class::UpstreamError);
        }
        let failure = decode(br#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#);
        let failure = failure.expect_err("an error");
        assert_eq!(failure.upstream.and_then(|error| error.kind).as_deref(), Some("overloaded_error"));
    }

    #[test]
    fn what_clients_of_this_api_cannot_get_is_recorded() {
        let mut response = read(&answer(json!([{"type": "text", "text": "a"}]), "end_turn"));
        response.choices.push(response.choices[0].clone());
        response.extras.push(("system_fingerprint".to_owned(), crate::raw::to_raw("fp")));
        let mut losses = Losses::default();
        encode(&response, &mut losses);
        assert_eq!(losses.count(), 2);
    }
}
