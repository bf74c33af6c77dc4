//! Answers of `/v1/complete`.

use crate::anthropic_messages::parameters::NO_SUCH_FIELD;
use crate::canonical::{
    Class, CompletionChoice, CompletionResponse, Failure, FinishReason, Losses, UpstreamError,
};
use crate::raw::{Draft, Object, Read};

/// Reads a provider's answer.
pub(super) fn decode(body: &[u8]) -> Result<CompletionResponse, Failure> {
    let object = Object::of_response(body)?;
    let is_error = object.get("error").is_some();
    read(object).map_err(|wrong| {
        if is_error {
            let error = UpstreamError::of_json(&serde_json::from_slice(body).unwrap_or_default());
            return Failure::upstream(Class::UpstreamError, error);
        }
        wrong.blame_upstream()
    })
}

fn read(mut object: Object<'_>) -> Read<CompletionResponse> {
    let text = object.need_string("completion")?;
    let reason = finish_reason(object.string("stop_reason")?.as_deref());
    Ok(CompletionResponse {
        id: object.string("id")?,
        model: object.string("model")?,
        choices: vec![CompletionChoice::of(0, text, Some(reason))],
        extras: {
            object.take("type");
            object.rest_without_nulls()
        },
        ..CompletionResponse::default()
    })
}

/// MLflow's reading: whatever is not a stop text is the limit of tokens.
pub(super) fn finish_reason(stop_reason: Option<&str>) -> FinishReason {
    match stop_reason {
        Some("stop_sequence") => FinishReason::Stop,
        _ => FinishReason::Length,
    }
}

/// The API's word for a reason.
pub(super) fn stop_reason(reason: Option<&FinishReason>) -> &'static str {
    match reason {
        Some(FinishReason::Length) => "max_tokens",
        _ => "stop_sequence",
    }
}

/// Writes an answer for a client.
/// Top-level fields of an answer that are this API's own.
const NATIVE: [&str; 3] = ["stop", "log_id", "truncated"];

pub(super) fn encode(response: &CompletionResponse, losses: &mut Losses) -> Vec<u8> {
    for choice in response.choices.iter().skip(1) {
        losses.add(format!("choices[{}]", choice.index), "Anthropic's API gives one answer");
    }
    let own = |field: &&(String, _)| NATIVE.contains(&field.0.as_str());
    let foreign = response.extras.iter().filter(|field| !own(field));
    foreign.for_each(|(name, _)| losses.add(name, NO_SUCH_FIELD));
    losses.add_if(response.usage.is_some(), "usage", "Anthropic's older API does not count tokens");
    let choice = response.choices.first();
    if let Some(choice) = choice {
        let scored = choice.logprobs.is_some();
        losses.add_if(scored, "choices[0].logprobs", "Anthropic's API has no log probabilities");
        losses.add_fields("choices[0]", &choice.extras, NO_SUCH_FIELD);
        let strange = matches!(choice.finish_reason, Some(FinishReason::Other(_)));
        losses.add_if(strange, "choices[0].finish_reason", "a reason that Anthropic's API does not know");
    }
    let mut body = Draft::default();
    body.set("type", "completion");
    body.set_some("id", response.id.as_ref());
    body.set("completion", choice.map_or("", |choice| choice.text.as_str()));
    body.set("stop_reason", stop_reason(choice.and_then(|choice| choice.finish_reason.as_ref())));
    body.set("model", &response.model);
    for (name, value) in response.extras.iter().filter(own) {
        body.set_raw(name, value.clone());
    }
    body.into_body()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_keeps_its_leading_space_and_only_a_stop_text_is_a_stop() {
        let answer = decode(br#"{"completion":" Hi","stop_reason":"stop_sequence","model":"claude-x"}"#);
        let answer = answer.expect("a whole answer");
        assert_eq!(answer.choices[0].text, " Hi");
        assert_eq!(answer.choices[0].finish_reason, Some(FinishReason::Stop));
        assert_eq!(answer.model.as_deref(), Some("claude-x"));
        let cut = decode(br#"{"completion":"","stop_reason":"max_tokens"}"#).expect("a whole answer");
        assert_eq!(cut.choices[0].finish_reason, Some(FinishReason::Length));
    }

    #[test]
    fn an_answer_without_text_blames_the_provider_and_keeps_its_error() {
        let failure = decode(b"{}").expect_err("no completion");
        assert_eq!(failure.class, Class::UpstreamError);
        let failure = decode(br#"{"error":{"type":"api_error","message":"broken"}}"#).expect_err("an error");
        assert_eq!(failure.message, "broken");
    }

    #[test]
    fn an_answer_survives_the_way_out_and_back() {
        let bytes =
            br#"{"type":"completion","id":"c1","completion":"x","stop_reason":"max_tokens","model":"m"}"#;
        let mut losses = Losses::default();
        assert_eq!(encode(&decode(bytes).expect("whole"), &mut losses), bytes);
        assert!(losses.is_empty());
    }
}
