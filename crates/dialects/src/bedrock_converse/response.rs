//! Whole answers, read from the provider and written for a client.

use super::blocks::{self, Block, Place, Writer};
use super::{NO_SUCH_FIELD, cache, usage};
use crate::canonical::{
    ChatResponse, Choice, Content, Count, Failure, FinishReason, Losses, Message, Part, Role,
};
use crate::raw::{Draft, Mismatch, Object, Read};

/// Top-level fields of an answer that are Bedrock's own.
const NATIVE: [&str; 5] =
    ["metrics", "additionalModelResponseFields", "trace", "performanceConfig", "serviceTier"];

/// The reason of an answer that a guardrail changed.
const GUARDED: &str = "guardrail_intervened";

/// Reads a provider's answer.
pub(super) fn decode(body: &[u8]) -> Result<ChatResponse, Failure> {
    read(Object::of_response(body)?).map_err(Mismatch::blame_upstream)
}

fn read(mut object: Object<'_>) -> Read<ChatResponse> {
    let mut output = object.need_object("output")?;
    let mut said = output.need_object("message").map_err(|wrong| wrong.within("output"))?;
    let mut message = Message::text(Role::Assistant, "");
    let mut parts = Vec::new();
    let blocks = said.each("content", |block| {
        match blocks::read(block)? {
            Block::Part(part) => parts.push(part),
            Block::Call(call) => message.tool_calls.push(call),
            Block::Result(_) | Block::Mark(_) => parts.push(Part::Unknown(block.to_owned())),
        }
        Ok(())
    });
    let blocks = blocks.map_err(|wrong| wrong.within("output.message"))?;
    blocks.ok_or_else(|| Mismatch::missing("output.message.content", "a list"))?;
    message.content = content_of(parts, !message.tool_calls.is_empty());
    let reason = object.string("stopReason")?.as_deref().map(finish_reason);
    Ok(ChatResponse {
        id: None,
        created: None,
        model: None,
        choices: vec![Choice::of(0, message, reason)],
        usage: object.take("usage").and_then(usage::read),
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

/// The reason behind Bedrock's word.
pub(super) fn finish_reason(word: &str) -> FinishReason {
    match word {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        GUARDED | "content_filtered" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_owned()),
    }
}

/// Bedrock's word for a reason. An answer with tool calls waits for tools whatever its provider says.
pub(super) fn stop_reason(reason: Option<&FinishReason>, calls: bool) -> &str {
    match reason {
        Some(FinishReason::Length) => "max_tokens",
        Some(FinishReason::ContentFilter) => "content_filtered",
        Some(FinishReason::ToolCalls | FinishReason::FunctionCall) => "tool_use",
        _ if calls => "tool_use",
        Some(FinishReason::Other(word)) => word,
        Some(FinishReason::Stop) | None => "end_turn",
    }
}

/// Writes an answer for a client.
pub(super) fn encode(response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
    lose_names(response.id.as_deref(), response.model.as_deref(), losses);
    for choice in response.choices.iter().skip(1) {
        losses.add(format!("choices[{}]", choice.index), "Bedrock's API gives one answer");
    }
    let choice = response.choices.first();
    if let Some(choice) = choice {
        lose_fields(choice, losses);
    }
    let calls = choice.is_some_and(|choice| !choice.message.tool_calls.is_empty());
    losses.add_counts(&response.usage.unwrap_or_default(), &[Count::Reasoning], NO_SUCH_FIELD);
    let content = choice.map(|choice| content(&choice.message, losses)).unwrap_or_default();
    let mut message = Draft::of("role", "assistant");
    message.set("content", content);
    let mut body = Draft::of("output", Draft::of("message", message));
    let reason = choice.and_then(|choice| choice.finish_reason.as_ref());
    let guarded = reason == Some(&FinishReason::ContentFilter) && is_guarded(response);
    body.set("stopReason", if guarded { GUARDED } else { stop_reason(reason, calls) });
    body.set("usage", usage::write(&response.usage.unwrap_or_default()));
    body.set("metrics", metrics());
    for (name, value) in &response.extras {
        if NATIVE.contains(&name.as_str()) {
            body.set_raw(name, value.clone());
        } else {
            losses.add(name.as_str(), NO_SUCH_FIELD);
        }
    }
    body.into_body()
}

/// Whether a guardrail says what it did.
fn is_guarded(response: &ChatResponse) -> bool {
    let trace = response.extras.iter().find(|(name, _)| name == "trace").map(|(_, trace)| trace);
    trace.is_some_and(|trace| super::media::is_native(trace, &["guardrail"]))
}

/// Records the names that an answer bears elsewhere.
pub(super) fn lose_names(id: Option<&str>, model: Option<&str>, losses: &mut Losses) {
    for (field, name) in [("id", id), ("model", model)] {
        losses.add_if(name.is_some_and(|name| !name.is_empty()), field, NO_SUCH_FIELD);
    }
}

/// What clients require, of an answer whose provider did not say how long it took.
pub(super) fn metrics() -> Draft {
    Draft::of("latencyMs", 0)
}

/// Records the fields of the choice that have no place in an answer.
fn lose_fields(choice: &Choice, losses: &mut Losses) {
    losses.add_if(choice.logprobs.is_some(), "choices[0].logprobs", "Bedrock's API has no log probabilities");
    losses.add_fields("choices[0]", &choice.extras, NO_SUCH_FIELD);
    losses.add_fields("choices[0].message", &choice.message.extras, NO_SUCH_FIELD);
}

fn content(message: &Message, losses: &mut Losses) -> Vec<Draft> {
    let path = "choices[0].message";
    let mut names = Vec::new();
    let mut writer = Writer::new(Place::Answer, &mut names);
    match &message.content {
        Content::None => {}
        Content::Text(text) => writer.text(text, path, losses),
        Content::Parts(parts) => {
            for (index, part) in parts.iter().enumerate() {
                writer.part(part, &format!("{path}.content[{index}]"), losses);
            }
        }
    }
    if let Some(refusal) = &message.refusal {
        writer.text(refusal, path, losses);
    }
    for (index, call) in message.tool_calls.iter().enumerate() {
        let path = format!("{path}.tool_calls[{index}]");
        if let Some(signature) = &call.signature {
            // The API has a place for it on reasoning alone.
            let kept = Part::Thinking { text: String::new(), signature: Some(signature.clone()) };
            writer.part(&kept, &path, losses);
        }
        let call_block = blocks::write_call(call, &path, losses);
        writer.blocks.push(call_block);
        let marked = cache::mark(&call.extras).is_some();
        losses.add_if(marked, format!("{path}.{}", cache::MARK), "an answer is not cached");
    }
    writer.blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Class, Signature, ToolCall, Usage};
    use crate::raw::to_raw;
    use serde_json::{Value, json};

    fn read(body: &Value) -> ChatResponse {
        decode(body.to_string().as_bytes()).expect("an answer")
    }

    fn answer(content: Value, stop_reason: &str) -> Value {
        json!({"output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop_reason,
            "usage": {"inputTokens": 3, "outputTokens": 5, "totalTokens": 12, "cacheReadInputTokens": 4,
                "cacheWriteInputTokens": 0},
            "metrics": {"latencyMs": 7}})
    }

    #[test]
    fn calls_usage_and_reason_arrive() {
        let content = json!([{"text": "see"}, {"toolUse": {"toolUseId": "t", "name": "look", "input": {"q": [1.50]},
            "type": "tool_use"}}]);
        let read = read(&answer(content, "tool_use"));
        let choice = &read.choices[0];
        assert_eq!(choice.message.content.joined_text(), "see");
        assert_eq!(choice.message.tool_calls[0].arguments, r#"{"q":[1.5]}"#);
        assert!(choice.message.tool_calls[0].extras.is_empty());
        assert_eq!(choice.finish_reason, Some(FinishReason::ToolCalls));
        let usage = read.usage.expect("counts");
        assert_eq!(
            (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens),
            (Some(7), Some(5), Some(12))
        );
    }

    #[test]
    fn every_reason_survives_the_way_out() {
        for word in ["end_turn", "max_tokens", "tool_use", "content_filtered", "malformed_tool_use"] {
            assert_eq!(stop_reason(Some(&finish_reason(word)), false), word);
        }
        assert_eq!(finish_reason("guardrail_intervened"), FinishReason::ContentFilter);
        assert_eq!(finish_reason("model_context_window_exceeded"), FinishReason::Length);
        assert_eq!(stop_reason(Some(&FinishReason::Stop), true), "tool_use");
    }

    #[test]
    fn an_answer_survives_the_way_out_and_back() {
        let content = json!([
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
            {"reasoningContent": {"reasoningText": {"text": "unsigned"}}},
            {"reasoningContent": {"redactedContent": "b3BhcXVl"}},
            {"toolUse": {"toolUseId": "s", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
            {"toolResult": {"toolUseId": "s", "content": [], "type": "nova_grounding_result"}},
            {"citationsContent": {"content": [{"text": "a"}], "citations": [{"title": "t"}]}},
            {"text": " "},
            {"toolUse": {"toolUseId": "t", "name": "look", "input": {"b": 1, "a": 2}}}]);
        let mut body = answer(content, "tool_use");
        body["trace"] = json!({"guardrail": {"actionReason": "No action."}});
        let mut losses = Losses::default();
        for reason in ["tool_use", "guardrail_intervened"] {
            body["stopReason"] = json!(reason);
            let written = encode(&read(&body), &mut losses);
            assert_eq!(serde_json::from_slice::<Value>(&written).expect("JSON"), body);
        }
        assert!(losses.is_empty(), "{losses:?}");
    }

    #[test]
    fn the_signature_of_another_providers_call_is_kept_for_the_next_turn() {
        let signature = Signature::made_by("gemini", "sig");
        let call = ToolCall {
            id: "t".to_owned(),
            name: "look".to_owned(),
            arguments: String::new(),
            signature: Some(signature.clone()),
            extras: Vec::new(),
        };
        let message = Message { tool_calls: vec![call], ..Message::text(Role::Assistant, "") };
        let response =
            ChatResponse { choices: vec![Choice::of(0, message, None)], ..ChatResponse::default() };
        let mut losses = Losses::default();
        let back = decode(&encode(&response, &mut losses)).expect("an answer");
        let Content::Parts(parts) = &back.choices[0].message.content else { panic!("{back:?}") };
        assert!(matches!(&parts[0], Part::Thinking { signature: Some(kept), .. } if *kept == signature));
        assert_eq!((back.usage, losses.count()), (Some(Usage { cache_read_tokens: None, ..zeros() }), 0));
    }

    fn zeros() -> Usage {
        Usage {
            prompt_tokens: Some(0),
            completion_tokens: Some(0),
            total_tokens: Some(0),
            ..Usage::default()
        }
    }

    #[test]
    fn an_answer_that_cannot_be_read_blames_the_provider() {
        for body in ["", "[]", "{}", r#"{"output":{}}"#, r#"{"output":{"message":{"content":[1]}}}"#] {
            assert_eq!(decode(body.as_bytes()).expect_err("no answer").class, Class::UpstreamError);
        }
    }

    #[test]
    fn what_clients_of_this_api_cannot_get_is_recorded() {
        let mut response = read(&answer(json!([{"text": "a"}]), "end_turn"));
        response.choices.push(response.choices[0].clone());
        response.extras.push(("system_fingerprint".to_owned(), to_raw("fp")));
        response.model = Some("m".to_owned());
        let mut losses = Losses::default();
        encode(&response, &mut losses);
        let paths: Vec<_> = losses.iter().map(|loss| loss.path.as_str()).collect();
        assert_eq!(paths, ["model", "choices[0]", "system_fingerprint"]);
    }
}
