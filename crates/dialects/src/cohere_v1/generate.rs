//! Text completion: `/v1/generate`.

use super::shared;
use crate::canonical::{
    CompletionChoice, CompletionRequest, CompletionResponse, Extras, Failure, Losses, Prompt,
};
use crate::dialect::ModelTraits;
use crate::object::{Fields, Misread, Object};

/// Writes a request for the provider.
pub(super) fn encode_request(
    request: &CompletionRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let Prompt::Text(prompt) = &request.prompt else {
        return Err(Failure::invalid("prompt", "Cohere's completions take one prompt as a string"));
    };
    let mut body = Object::default();
    shared::set_sampling(&mut body, &request.sampling, model);
    body.set_some("num_generations", request.sampling.n);
    body.set("prompt", prompt);
    body.set_some("stream", request.stream);
    if request.user.is_some() {
        losses.add("user", shared::NO_SUCH_FIELD);
    }
    shared::set_extras(&mut body, &request.extras, losses);
    Ok(body.into_body())
}

/// Reads a client's request.
pub(super) fn decode_request(body: &[u8]) -> Result<CompletionRequest, Misread> {
    let mut fields = Fields::of_body(body)?;
    let mut sampling = shared::take_sampling(&mut fields)?;
    sampling.n = fields.take("num_generations")?;
    Ok(CompletionRequest {
        model: fields.take("model")?,
        prompt: Prompt::Text(fields.need("prompt")?),
        sampling,
        stream: fields.take("stream")?,
        stream_usage: false,
        user: None,
        extras: Extras { fields: fields.rest(), for_provider: false },
    })
}

/// Reads a provider's answer. Its id is left out, as MLflow's completions have none from Cohere.
pub(super) fn decode_response(body: &[u8]) -> Result<CompletionResponse, Misread> {
    let mut fields = Fields::of_body(body)?;
    let mut choices = Vec::new();
    if let Some(list) = fields.raw("generations") {
        for (index, (mut generation, _)) in (0..).zip(crate::object::objects(list, "generations")?) {
            let word: Option<String> = generation.take("finish_reason")?;
            choices.push(CompletionChoice {
                index,
                text: generation.need("text")?,
                finish_reason: word.as_deref().map(shared::finish_reason),
                logprobs: None,
            });
        }
    }
    if choices.is_empty() {
        return Err(Misread { path: "generations".to_owned(), expected: "must hold an answer" });
    }
    Ok(CompletionResponse {
        choices,
        usage: shared::take_usage(&mut fields)?,
        ..CompletionResponse::default()
    })
}

/// Writes an answer for a client.
pub(super) fn encode_response(response: &CompletionResponse, losses: &mut Losses) -> Vec<u8> {
    let generations = response.choices.iter().map(|choice| {
        if choice.logprobs.is_some() {
            losses.add(format!("choices[{}].logprobs", choice.index), "written otherwise by Cohere's API");
        }
        let mut generation = Object::default();
        generation.set("id", format!("{}-{}", response.id.as_deref().unwrap_or("generation"), choice.index));
        generation.set("text", &choice.text);
        generation.set_some("finish_reason", choice.finish_reason.as_ref().map(shared::word_of));
        generation
    });
    let generations: Vec<_> = generations.collect();
    for (name, _) in &response.extras {
        losses.add(name.as_str(), shared::NO_SUCH_FIELD);
    }
    let mut body = Object::default();
    body.set("id", response.id.as_deref().unwrap_or("generation"));
    body.set("generations", generations);
    shared::set_usage(&mut body, response.usage.as_ref());
    body.into_body()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{FinishReason, Usage};
    use serde_json::{Value, json};

    fn answer(body: &Value) -> CompletionResponse {
        decode_response(body.to_string().as_bytes()).expect("a whole answer")
    }

    #[test]
    fn a_request_survives_the_way_in_and_out() {
        let body = br#"{"model":"m","temperature":0.5,"p":0.9,"k":3,"stop_sequences":["X"],"max_tokens":9,"seed":7,"num_generations":2,"prompt":"q","stream":true}"#;
        let request = decode_request(body).expect("a request");
        let traits = ModelTraits { model: request.model.clone(), ..ModelTraits::default() };
        let mut losses = Losses::default();
        assert_eq!(encode_request(&request, &traits, &mut losses).expect("a text prompt"), body);
        assert!(losses.is_empty());
    }

    #[test]
    fn a_count_of_one_is_sent_when_the_surface_gave_it() {
        let request = CompletionRequest {
            sampling: crate::canonical::Sampling { n: Some(1), ..Default::default() },
            ..CompletionRequest::default()
        };
        let body =
            encode_request(&request, &ModelTraits::default(), &mut Losses::default()).expect("a prompt");
        assert_eq!(body, br#"{"model":null,"num_generations":1,"prompt":""}"#);
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
        assert!(decode_response(b"{}").is_err());
        assert!(decode_response(br#"{"generations":[]}"#).is_err());
        assert!(decode_response(br#"{"generations":[{"text":null}]}"#).is_err());
    }
}
