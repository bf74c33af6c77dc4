//! Text completion: `/v1/generate`.

use crate::canonical::{CompletionRequest, Extras, Failure, Losses, Prompt};
use crate::cohere_v1::NO_SUCH_FIELD;
use crate::dialect::ModelTraits;
use crate::raw::{Mismatch, Object, Read};

/// Writes a request for the provider.
pub(crate) fn encode(
    request: &CompletionRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let Prompt::Text(prompt) = &request.prompt else {
        return Err(Failure::invalid("prompt", "Cohere's completions take one prompt as a string"));
    };
    let mut body = super::body_for(model);
    super::set_sampling(&mut body, &request.sampling, model, losses);
    body.set_some("num_generations", request.sampling.n);
    body.set("prompt", prompt);
    body.set_some("stream", request.stream);
    losses.add_if(request.user.is_some(), "user", NO_SUCH_FIELD);
    super::set_extras(&mut body, &request.extras, losses);
    Ok(body.into_body())
}

/// Reads a client's request.
pub(crate) fn decode(body: &[u8]) -> Result<CompletionRequest, Failure> {
    read(Object::of_request(body)?).map_err(Mismatch::blame_caller)
}

fn read(mut object: Object<'_>) -> Read<CompletionRequest> {
    let mut sampling = super::take_sampling(&mut object)?;
    sampling.n = object.count("num_generations")?;
    Ok(CompletionRequest {
        model: object.string("model")?,
        prompt: Prompt::Text(object.need_string("prompt")?),
        sampling,
        stream: object.boolean("stream")?,
        stream_usage: false,
        user: None,
        extras: Extras { fields: object.rest_without_nulls(), for_provider: false },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_the_way_in_and_out() {
        let body = br#"{"model":"m","temperature":0.5,"p":0.9,"k":3,"stop_sequences":["X"],"max_tokens":9,"seed":7,"num_generations":2,"prompt":"q","stream":true}"#;
        let request = decode(body).expect("a request");
        let traits = ModelTraits { model: request.model.clone(), ..ModelTraits::default() };
        let mut losses = Losses::default();
        assert_eq!(encode(&request, &traits, &mut losses).expect("a text prompt"), body);
        assert!(losses.is_empty());
    }

    #[test]
    fn a_count_of_one_is_sent_when_the_surface_gave_it() {
        let request = CompletionRequest {
            sampling: crate::canonical::Sampling { n: Some(1), ..Default::default() },
            ..CompletionRequest::default()
        };
        let body = encode(&request, &ModelTraits::default(), &mut Losses::default()).expect("a prompt");
        assert_eq!(body, br#"{"model":null,"num_generations":1,"prompt":""}"#);
    }
}
