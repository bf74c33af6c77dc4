//! Answers of `/v1/generate`.

use super::{finish_reason, word_of};
use crate::canonical::{CompletionChoice, CompletionResponse, Failure, Losses};
use crate::cohere_v1::{NO_SUCH_FIELD, usage};
use crate::raw::{Draft, Mismatch, Object, Read};

/// Reads a provider's answer. Its id is left out, as MLflow's completions have none from Cohere.
pub(crate) fn decode(body: &[u8]) -> Result<CompletionResponse, Failure> {
    read(Object::of_response(body)?).map_err(Mismatch::blame_upstream)
}

fn read(mut object: Object<'_>) -> Read<CompletionResponse> {
    let mut places = 0..;
    let choices = object.each("generations", |value| {
        let mut generation = Object::of(value)?;
        let reason = generation.string("finish_reason")?.as_deref().map(finish_reason);
        let place = places.next().unwrap_or_default();
        Ok(CompletionChoice::of(place, generation.need_string("text")?, reason))
    })?;
    let choices = choices.filter(|choices| !choices.is_empty());
    Ok(CompletionResponse {
        choices: choices.ok_or_else(|| Mismatch::missing("generations", "a list of answers"))?,
        usage: usage::take(&mut object)?,
        ..CompletionResponse::default()
    })
}

/// Writes an answer for a client.
pub(crate) fn encode(response: &CompletionResponse, losses: &mut Losses) -> Vec<u8> {
    let generations = response.choices.iter().map(|choice| {
        let at = format!("choices[{}]", choice.index);
        let scored = choice.logprobs.is_some();
        losses.add_if(scored, format!("{at}.logprobs"), "written otherwise by Cohere's API");
        losses.add_fields(&at, &choice.extras, NO_SUCH_FIELD);
        let mut generation = Draft::default();
        generation.set("id", format!("{}-{}", response.id.as_deref().unwrap_or("generation"), choice.index));
        generation.set("text", &choice.text);
        generation.set_some("finish_reason", choice.finish_reason.as_ref().map(word_of));
        generation
    });
    let generations: Vec<_> = generations.collect();
    losses.add_fields("", &response.extras, NO_SUCH_FIELD);
    let mut body = Draft::default();
    body.set("id", response.id.as_deref().unwrap_or("generation"));
    body.set("generations", generations);
    usage::set(&mut body, response.usage.as_ref(), losses);
    body.into_body()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{FinishReason, Usage};
    use serde_json::{Value, json};

    fn answer(body: &Value) -> CompletionResponse {
        decode(body.to_string().as_bytes()).expect("a whole answer")
    }

    #[test]
    fn every_generation_is_a_choice_and_a_missing_reason_stays_missing() {
        let read = answer(&json!({"id": "x", "generations": [{"text": "a"}, {"text": "b",
            "finish_reason": "MAX_TOKENS"}], "meta": {"billed_units": {"input_tokens": 3.0, "output_tokens": 4.0}}}));
        assert_eq!(read.choices.len(), 2);
        assert_eq!(read.choices[0].finish_reason, None);
        assert_eq!(read.choices[1].finish_reason, Some(FinishReason::Length));
        let usage = Usage { prompt_tokens: Some(3), completion_tokens: Some(4), ..Usage::default() };
        assert_eq!(read.usage, Some(usage));
    }

    #[test]
    fn an_answer_without_generations_is_refused() {
        assert!(decode(b"{}").is_err());
        assert!(decode(br#"{"generations":[]}"#).is_err());
        assert!(decode(br#"{"generations":[{"text":null}]}"#).is_err());
    }
}
