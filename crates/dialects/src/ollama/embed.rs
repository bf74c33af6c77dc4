//! Embeddings: `POST /api/embed`.

use super::{NO_SUCH_FIELD, response, usage};
use crate::canonical::{
    EmbeddingInput, EmbeddingRequest, EmbeddingResponse, Extras, Failure, Losses, Vector,
};
use crate::dialect::ModelTraits;
use crate::raw::{Draft, Mismatch, Object, Read, text};
use serde_json::value::RawValue;

/// Fields that are Ollama's own, so that they may pass when another dialect's client writes them.
const NATIVE: [&str; 3] = ["truncate", "options", "keep_alive"];

/// Reads a client's request.
pub(super) fn decode_request(body: &[u8]) -> Result<EmbeddingRequest, Failure> {
    read_request(Object::of_request(body)?).map_err(Mismatch::blame_caller)
}

fn read_request(mut object: Object<'_>) -> Read<EmbeddingRequest> {
    const FORMS: &str = "a string or a list of strings";
    let input = object.take("input").ok_or_else(|| Mismatch::missing("input", FORMS))?;
    let input = match (text(input), serde_json::from_str(input.get())) {
        (Ok(text), _) => EmbeddingInput::Text(text),
        (_, Ok(texts)) => EmbeddingInput::Texts(texts),
        _ => return Err(Mismatch::of(input, FORMS).within("input")),
    };
    Ok(EmbeddingRequest {
        model: object.string("model")?,
        input,
        dimensions: object.count("dimensions")?,
        encoding: None,
        user: None,
        extras: Extras { fields: object.rest_without_nulls(), for_provider: false },
    })
}

/// Writes a request for the provider. Whoever wants base64 gets it made of the numbers that come.
pub(super) fn encode_request(
    request: &EmbeddingRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let mut body = Draft::default();
    if !model.model_in_url {
        body.set("model", &model.model);
    }
    match &request.input {
        EmbeddingInput::Text(text) => body.set("input", text),
        EmbeddingInput::Texts(texts) => body.set("input", texts),
        EmbeddingInput::Tokens(_) => {
            return Err(Failure::invalid("input", "Ollama's API embeds texts, not tokens"));
        }
    }
    body.set_some("dimensions", request.dimensions);
    losses.add_if(request.user.is_some(), "user", NO_SUCH_FIELD);
    body.set_extras(&request.extras, |name, _| NATIVE.contains(&name), NO_SUCH_FIELD, losses);
    Ok(body.into_body())
}

/// Reads a provider's answer.
pub(super) fn decode_response(body: &[u8]) -> Result<EmbeddingResponse, Failure> {
    read_response(Object::of_response(body)?).map_err(Mismatch::blame_upstream)
}

fn read_response(mut object: Object<'_>) -> Read<EmbeddingResponse> {
    let vectors = object.each("embeddings", read_vector)?;
    Ok(EmbeddingResponse {
        model: object.string("model")?,
        vectors: vectors.ok_or_else(|| Mismatch::missing("embeddings", "lists of numbers"))?,
        usage: usage::take(&mut object),
        extras: object.rest_without_nulls(),
    })
}

fn read_vector(value: &RawValue) -> Read<Vector> {
    match serde_json::from_str::<Vec<f64>>(value.get()) {
        Ok(_) => Ok(Vector::Numbers(value.to_owned())),
        Err(_) => Err(Mismatch::of(value, "a list of numbers")),
    }
}

/// Writes an answer for a client.
pub(super) fn encode_response(response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
    let mut body = Draft::default();
    body.set("model", response.model.as_deref().unwrap_or_default());
    body.set("embeddings", response.rows(losses));
    for (name, value) in &response.extras {
        if response::DURATIONS.contains(&name.as_str()) {
            body.set_raw(name, value.clone());
        } else {
            losses.add(name.as_str(), NO_SUCH_FIELD);
        }
    }
    body.set_some("prompt_eval_count", response.usage.and_then(|usage| usage.prompt_tokens));
    body.into_body()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn requests_and_answers_come_back_as_they_were() {
        for input in [json!("a"), json!(["a", "b"])] {
            let body = json!({"model": "m", "input": input, "dimensions": 4, "truncate": true});
            let request = decode_request(body.to_string().as_bytes()).expect("a request");
            let traits = ModelTraits { model: Some("m".to_owned()), ..ModelTraits::default() };
            let mut losses = Losses::default();
            let sent = encode_request(&request, &traits, &mut losses).expect("it can be said");
            assert_eq!(serde_json::from_slice::<Value>(&sent).expect("JSON"), body);
            assert!(losses.is_empty());
        }
        let body =
            json!({"model": "m", "embeddings": [[0.5, 1.0]], "load_duration": 1, "prompt_eval_count": 3});
        let response = decode_response(body.to_string().as_bytes()).expect("an answer");
        let mut losses = Losses::default();
        let told: Value = serde_json::from_slice(&encode_response(&response, &mut losses)).expect("JSON");
        assert_eq!((told, losses.count()), (body, 0));
    }

    #[test]
    fn a_wrong_input_is_named() {
        let wrong = |body: &str| decode_request(body.as_bytes()).expect_err("wrong").param;
        assert_eq!(wrong("{}").as_deref(), Some("input"));
        assert_eq!(wrong(r#"{"input":[1]}"#).as_deref(), Some("input"));
    }
}
