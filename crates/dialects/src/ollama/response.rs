//! Whole answers of chat, read from the provider and written for a client.

use super::{NO_SUCH_FIELD, calls, created, message, usage};
use crate::canonical::{ChatResponse, Choice, Failure, FinishReason, Losses, Message, RawJson, Role};
use crate::raw::{Draft, Mismatch, Object, Read, to_raw};
use serde_json::json;

/// How long the server took for what, in nanoseconds.
pub(super) const DURATIONS: [&str; 4] =
    ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"];

/// Reads a provider's answer.
pub(super) fn decode(body: &[u8]) -> Result<ChatResponse, Failure> {
    read(Object::of_response(body)?).map_err(Mismatch::blame_upstream)
}

fn read(mut object: Object<'_>) -> Read<ChatResponse> {
    let at = object.string("created_at")?.unwrap_or_default();
    let message = object.take("message").ok_or_else(|| Mismatch::missing("message", "an object"))?;
    let mut message = message::read(message).map_err(|wrong| wrong.within("message"))?;
    for (place, call) in message.tool_calls.iter_mut().enumerate().filter(|(_, call)| call.id.is_empty()) {
        call.id = calls::id_for(call, place, &at);
    }
    object.boolean("done")?;
    let reason = object.string("done_reason")?;
    let reason = reason.map(|word| finish_reason(&word, !message.tool_calls.is_empty()));
    let logprobs = object.take("logprobs").map(|tokens| to_raw(&json!({ "content": tokens })));
    Ok(ChatResponse {
        id: None,
        created: created::read(&at),
        model: object.string("model")?,
        choices: vec![Choice { logprobs, ..Choice::of(0, message, reason) }],
        usage: usage::take(&mut object),
        extras: object.rest_without_nulls(),
    })
}

/// The reason behind Ollama's word, which is `stop` where the model calls tools, too.
pub(super) fn finish_reason(word: &str, calls: bool) -> FinishReason {
    match word {
        "stop" if calls => FinishReason::ToolCalls,
        other => FinishReason::of_openai_word(other),
    }
}

/// Ollama's word for a reason.
pub(super) fn word_of(reason: Option<&FinishReason>) -> &str {
    match reason {
        Some(FinishReason::ToolCalls | FinishReason::FunctionCall) | None => "stop",
        Some(reason) => reason.openai_word(),
    }
}

/// Writes an answer for a client.
pub(super) fn encode(response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
    for choice in response.choices.iter().skip(1) {
        losses.add(format!("choices[{}]", choice.index), "Ollama's API gives one answer");
    }
    let choice = response.choices.first();
    let nothing = Message::text(Role::Assistant, "");
    let said = choice.map_or(&nothing, |choice| &choice.message);
    let mut body = Draft::default();
    body.set("model", response.model.as_deref().unwrap_or_default());
    body.set("created_at", created::write(response.created));
    body.set("message", message::write(said, "assistant", "choices[0].message", losses));
    if let Some(choice) = choice {
        losses.add_fields("choices[0]", &choice.extras, NO_SUCH_FIELD);
        match choice.logprobs.as_ref().map(tokens_of) {
            None => {}
            Some(Some(tokens)) => body.set_raw("logprobs", tokens),
            Some(None) => losses.add("choices[0].logprobs", "written otherwise by Ollama's API"),
        }
    }
    body.set("done", true);
    body.set("done_reason", word_of(choice.and_then(|choice| choice.finish_reason.as_ref())));
    for (name, value) in &response.extras {
        if DURATIONS.contains(&name.as_str()) {
            body.set_raw(name, value.clone());
        } else {
            losses.add(name.as_str(), NO_SUCH_FIELD);
        }
    }
    usage::set(&mut body, response.usage.as_ref());
    usage::lose(response.usage.as_ref(), losses);
    body.into_body()
}

/// The tokens of log probabilities in OpenAI's form, which are Ollama's.
pub(super) fn tokens_of(logprobs: &RawJson) -> Option<RawJson> {
    let mut logprobs = Object::of(logprobs).ok()?;
    logprobs.take("content").filter(|tokens| tokens.get().starts_with('[')).map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn an_answer_with_reasoning_calls_and_durations_comes_back_as_it_was() {
        let call = json!({"id": "call_1", "function": {"index": 0, "name": "t", "arguments": {"a": 1.0}}});
        let body = json!({
            "model": "m", "created_at": "2026-08-07T06:08:11Z",
            "message": {"role": "assistant", "content": "x", "thinking": "hm", "tool_calls": [call]},
            "logprobs": [{"token": "x", "logprob": -0.5}],
            "done": true, "done_reason": "stop", "total_duration": 9, "load_duration": 1,
            "prompt_eval_count": 3, "eval_count": 2,
        });
        let response = decode(body.to_string().as_bytes()).expect("an answer");
        assert_eq!(response.choices[0].finish_reason, Some(FinishReason::ToolCalls));
        assert_eq!(response.created, Some(1_786_082_891));
        let mut losses = Losses::default();
        let told: Value = serde_json::from_slice(&encode(&response, &mut losses)).expect("JSON");
        assert_eq!((told, losses.count()), (body, 0));
    }

    #[test]
    fn calls_without_ids_get_their_own_and_the_same_ones_each_time() {
        let call = json!({"function": {"name": "t", "arguments": {}}});
        let answer = |at: &str| {
            let message = json!({"role": "assistant", "content": "", "tool_calls": [call, call]});
            let body = json!({"created_at": at, "message": message, "done": true, "done_reason": "stop"});
            let response = decode(body.to_string().as_bytes()).expect("an answer");
            let calls = response.choices[0].message.tool_calls.iter();
            calls.map(|call| call.id.clone()).collect::<Vec<_>>()
        };
        let (first, again, later) =
            (answer("2026-01-01T00:00:00Z"), answer("2026-01-01T00:00:00Z"), answer("b"));
        assert_eq!(first, again);
        assert!(first[0] != first[1] && first[0] != later[0] && first[0].starts_with("call_"));
    }
}
