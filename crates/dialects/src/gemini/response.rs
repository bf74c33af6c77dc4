//! Whole answers, read from the provider and written for a client.

use super::parts::{self, NO_SUCH_FIELD, Reader, Said};
use super::{errors, fields, reasons, signature, usage};
use crate::canonical::{ChatResponse, Choice, Class, Failure, FinishReason, Losses, Message, Role};
use crate::raw::{Draft, Mismatch, Object, Read, to_raw};
use serde_json::value::RawValue;

/// What a candidate says beside its content and its end, as only this API knows it.
pub(super) const OF_CANDIDATES: [&str; 10] = [
    "safetyRatings",
    "citationMetadata",
    "groundingMetadata",
    "groundingAttributions",
    "urlContextMetadata",
    "avgLogprobs",
    "logprobsResult",
    "tokenCount",
    "finishMessage",
    "score",
];
/// What an answer says beside its candidates.
pub(super) const FEEDBACK: &str = "promptFeedback";
const OF_ANSWERS: [&str; 4] = [FEEDBACK, "createTime", "modelStatus", "turnToken"];
/// The word for an end, where it is finer than the canonical reason.
pub(super) const REASON: &str = "finishReason";
/// A part of a stream that only this API knows.
pub(super) const PART: &str = "content.parts";

/// Reads a provider's answer.
pub(super) fn decode(body: &[u8]) -> Result<ChatResponse, Failure> {
    let mut object = Object::of_response(body)?.in_camel_case();
    if object.take("error").is_some() {
        return Err(Failure::upstream(Class::UpstreamError, errors::in_stream(body)));
    }
    read(object).map_err(Mismatch::blame_upstream)
}

fn read(mut object: Object<'_>) -> Read<ChatResponse> {
    let id = object.string("responseId")?;
    let seed = id.as_deref().unwrap_or_default();
    let candidates = fields::each(&mut object, "candidates", Ok)?.unwrap_or_default();
    let read = |(place, candidate): (usize, &RawValue)| {
        read_candidate(candidate, place, seed)
            .map_err(|wrong| wrong.within(format_args!("candidates[{place}]")))
    };
    let mut choices = candidates.into_iter().enumerate().map(read).collect::<Read<Vec<_>>>()?;
    if choices.is_empty() {
        let feedback = object.get(FEEDBACK).filter(|feedback| is_blocked(feedback));
        feedback.ok_or_else(|| Mismatch::missing("candidates", "a list"))?;
        let nothing = Message::text(Role::Assistant, "");
        choices.push(Choice::of(0, nothing, Some(FinishReason::ContentFilter)));
    }
    Ok(ChatResponse {
        created: None,
        model: object.string("modelVersion")?,
        choices,
        usage: object.take("usageMetadata").and_then(usage::read),
        extras: object.rest_without_nulls(),
        id,
    })
}

/// Whether `promptFeedback` says that the prompt was refused.
pub(super) fn is_blocked(feedback: &RawValue) -> bool {
    fields::object(feedback).is_ok_and(|mut feedback| feedback.take("blockReason").is_some())
}

fn read_candidate(value: &RawValue, place: usize, seed: &str) -> Read<Choice> {
    let mut candidate = fields::object(value)?;
    let index = fields::count(&mut candidate, "index")?.unwrap_or(place as u64);
    let mut said = Said::of_model();
    if let Some(mut content) = fields::take_object(&mut candidate, "content")? {
        let read = fields::each(&mut content, "parts", |part| {
            let piece = parts::read(part)?;
            let number = said.calls.len();
            said.add(part, piece, signature, |name, arguments| {
                parts::made_up_id(seed, number, name, arguments)
            })
        });
        read.map_err(|wrong| wrong.within("content"))?;
    }
    let word = candidate.take(REASON).and_then(reasons::read);
    let mut extras = candidate.rest_without_nulls();
    extras.retain(|(_, value)| value.get() != "{}");
    let finer = word.as_ref().filter(|word| reasons::is_finer(word));
    extras.extend(finer.map(|word| (REASON.to_owned(), to_raw(word))));
    let reason = word.map(|word| reasons::reason(&word, !said.calls.is_empty()));
    let mut message = Message::text(Role::Assistant, "");
    (message.content, message.tool_calls) = said.into_content();
    let index = u32::try_from(index).unwrap_or_default();
    Ok(Choice { extras, ..Choice::of(index, message, reason) })
}

/// Writes an answer for a client.
pub(super) fn encode(response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
    let mut body = Draft::default();
    let blocked = blocked(response);
    if !blocked {
        let candidates = response.choices.iter().map(|choice| write_candidate(choice, losses));
        body.set("candidates", candidates.collect::<Vec<_>>());
    }
    for (name, value) in &response.extras {
        if OF_ANSWERS.contains(&name.as_str()) {
            body.set_raw(name, value.clone());
        } else {
            losses.add(name.as_str(), NO_SUCH_FIELD);
        }
    }
    if let Some(usage) = &response.usage {
        usage::lose(usage, losses);
        body.set("usageMetadata", usage::write(usage));
    }
    body.set_some("modelVersion", response.model.as_ref());
    body.set_some("responseId", response.id.as_ref());
    body.into_body()
}

/// Whether the answer is that the prompt was refused, which the API says without a candidate.
fn blocked(response: &ChatResponse) -> bool {
    let said_nothing = |choice: &Choice| {
        choice.message.tool_calls.is_empty()
            && choice.message.refusal.is_none()
            && choice.message.content.joined_text().is_empty()
    };
    response.choices.iter().all(said_nothing)
        && response.extras.iter().any(|(name, value)| name == FEEDBACK && is_blocked(value))
}

fn write_candidate(choice: &Choice, losses: &mut Losses) -> Draft {
    let at = format!("choices[{}]", choice.index);
    let path = format!("{at}.message");
    let message = &choice.message;
    let mut written = parts::write_content(message, Reader::Client, &path, losses);
    for (place, call) in message.tool_calls.iter().enumerate() {
        let path = format!("{path}.tool_calls[{place}]");
        written.push(parts::write_call(call, Reader::Client, &path, losses));
    }
    losses.add_fields(&path, &message.extras, NO_SUCH_FIELD);
    losses.add_if(
        choice.logprobs.is_some(),
        format!("{at}.logprobs"),
        "Gemini's API writes them another way",
    );
    let mut candidate = Draft::default();
    candidate.set("content", content(written));
    let (word, exact) = reasons::word(choice.finish_reason.as_ref());
    losses.add_if(!exact, format!("{at}.finish_reason"), "a reason that Gemini's API does not know");
    candidate.set(REASON, word);
    candidate.set("index", choice.index);
    for (name, value) in &choice.extras {
        if name == REASON || OF_CANDIDATES.contains(&name.as_str()) {
            candidate.set_raw(name, value.clone());
        } else {
            losses.add(format!("{at}.{name}"), NO_SUCH_FIELD);
        }
    }
    candidate
}

/// The content of the model's turn. What is empty has no parts, as with the service.
pub(super) fn content(parts: Vec<Draft>) -> Draft {
    let mut content = Draft::default();
    content.set_some("parts", (!parts.is_empty()).then_some(parts));
    content.set("role", "model");
    content
}

/// Whether an answer may have this top-level field, or its candidates.
pub(super) fn is_native_aside(field: &str) -> bool {
    field == REASON || OF_CANDIDATES.contains(&field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Content;
    use serde_json::{Value, json};

    fn read(body: &Value) -> ChatResponse {
        decode(body.to_string().as_bytes()).expect("an answer")
    }

    fn answer(parts: Value, reason: &str) -> Value {
        json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": reason, "index": 0}],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 12,
                "cachedContentTokenCount": 1, "thoughtsTokenCount": 5},
            "modelVersion": "gemini-x", "responseId": "r1"})
    }

    fn written(response: &ChatResponse) -> (Value, Losses) {
        let mut losses = Losses::default();
        let body = encode(response, &mut losses);
        (serde_json::from_slice(&body).expect("JSON"), losses)
    }

    #[test]
    fn an_answer_survives_the_way_out_and_back() {
        let mut body = answer(
            json!([{"text": "hm", "thought": true}, {"text": "see", "thoughtSignature": "c2ln"},
                {"executableCode": {"language": "PYTHON", "code": "1"}},
                {"functionCall": {"id": "c", "name": "look", "args": {"b": 1.5, "a": 2}}, "thoughtSignature": "eA=="}]),
            "STOP",
        );
        body["candidates"][0]["groundingMetadata"] = json!({"webSearchQueries": ["q"]});
        body["createTime"] = json!("2026-01-01T00:00:00Z");
        let (again, losses) = written(&read(&body));
        assert_eq!(again, body);
        assert!(losses.is_empty(), "{losses:?}");
    }

    #[test]
    fn calls_usage_and_reason_arrive() {
        let response = read(&answer(
            json!([{"text": "a"}, {"text": "b"}, {"functionCall": {"name": "look"}}, {"functionCall": {"name": "look"}}]),
            "STOP",
        ));
        let choice = &response.choices[0];
        assert_eq!(choice.finish_reason, Some(FinishReason::ToolCalls));
        assert!(matches!(&choice.message.content, Content::Text(text) if text == "ab"));
        let calls = &choice.message.tool_calls;
        assert_eq!((calls[0].arguments.as_str(), calls.len()), ("{}", 2));
        assert_ne!(calls[0].id, calls[1].id);
        let usage = response.usage.expect("counts");
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (Some(3), Some(9)));
        let length = read(&answer(json!([{"functionCall": {"name": "look"}}]), "MAX_TOKENS"));
        assert_eq!(length.choices[0].finish_reason, Some(FinishReason::Length));
    }

    #[test]
    fn a_refused_prompt_is_filtered_content_and_comes_out_as_it_went_in() {
        let body = json!({"promptFeedback": {"blockReason": "SAFETY"},
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 0, "totalTokenCount": 3}});
        let response = read(&body);
        assert_eq!(response.choices[0].finish_reason, Some(FinishReason::ContentFilter));
        assert_eq!(written(&response), (body, Losses::default()));
        let recited =
            json!({"candidates": [{"content": {"role": "model"}, "finishReason": "RECITATION", "index": 0}]});
        assert_eq!(written(&read(&recited)), (recited, Losses::default()));
    }

    #[test]
    fn an_answer_that_cannot_be_read_blames_the_provider() {
        for body in ["", "[]", "{}", r#"{"candidates":1}"#, r#"{"candidates":[{"content":{"parts":[1]}}]}"#] {
            assert_eq!(decode(body.as_bytes()).expect_err("no answer").class, Class::UpstreamError, "{body}");
        }
        let failure = decode(br#"{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}"#);
        let error = failure.expect_err("an error").upstream.expect("the provider's");
        assert_eq!((error.status, error.kind.as_deref()), (503, Some("UNAVAILABLE")));
    }

    #[test]
    fn what_clients_of_this_api_cannot_get_is_recorded() {
        let mut response = read(&answer(json!([{"text": "a"}]), "STOP"));
        response.extras.push(("system_fingerprint".to_owned(), to_raw("fp")));
        response.choices[0].logprobs = Some(to_raw(&json!({})));
        response.choices[0].finish_reason = Some(FinishReason::Other("eos".to_owned()));
        let (body, losses) = written(&response);
        assert_eq!(losses.count(), 3);
        assert_eq!(body["candidates"][0]["finishReason"], "OTHER");
    }
}
