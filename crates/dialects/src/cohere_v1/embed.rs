//! Embeddings: `/v1/embed`.

use super::shared;
use crate::canonical::{
    EmbeddingInput, EmbeddingRequest, EmbeddingResponse, Encoding, Extras, Failure, Losses, Vector,
};
use crate::dialect::ModelTraits;
use crate::object::{Fields, Misread, Object};
use serde_json::value::RawValue;

/// Writes a request for the provider: one text goes as it came, a string or a list.
pub(super) fn encode_request(
    request: &EmbeddingRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let mut body = Object::default();
    if !model.model_in_url {
        body.set("model", &model.model);
    }
    match &request.input {
        EmbeddingInput::Text(text) => body.set("texts", text),
        EmbeddingInput::Texts(texts) => body.set("texts", texts),
        EmbeddingInput::Tokens(_) => {
            return Err(Failure::invalid("input", "Cohere's API embeds texts, not tokens"));
        }
    }
    for (lost, path) in [
        (request.dimensions.is_some(), "dimensions"),
        (request.encoding == Some(Encoding::Base64), "encoding_format"),
        (request.user.is_some(), "user"),
    ] {
        if lost {
            losses.add(path, shared::NO_SUCH_FIELD);
        }
    }
    shared::set_extras(&mut body, &request.extras, losses);
    Ok(body.into_body())
}

/// Reads a client's request.
pub(super) fn decode_request(body: &[u8]) -> Result<EmbeddingRequest, Misread> {
    let mut fields = Fields::of_body(body)?;
    let texts = fields.raw("texts").map(RawValue::get).unwrap_or_default();
    let input = match (serde_json::from_str(texts), serde_json::from_str(texts)) {
        (Ok(texts), _) => EmbeddingInput::Texts(texts),
        (_, Ok(text)) => EmbeddingInput::Text(text),
        _ => return Err(Misread { path: "texts".to_owned(), expected: "must be a list of strings" }),
    };
    Ok(EmbeddingRequest {
        model: fields.take("model")?,
        input,
        dimensions: None,
        encoding: None,
        user: None,
        extras: Extras { fields: fields.rest(), for_provider: false },
    })
}

/// Reads a provider's answer: vectors, or vectors by type of which the floats are taken.
pub(super) fn decode_response(body: &[u8]) -> Result<EmbeddingResponse, Misread> {
    let mut fields = Fields::of_body(body)?;
    let unreadable = || Misread { path: "embeddings".to_owned(), expected: "must be lists of numbers" };
    let embeddings = fields.raw("embeddings").ok_or_else(unreadable)?;
    let rows = match Fields::of(embeddings, "embeddings".to_owned()) {
        Ok(mut types) => types.raw("float").ok_or_else(unreadable)?,
        Err(_) => embeddings,
    };
    let rows: Vec<&RawValue> = serde_json::from_str(rows.get()).map_err(|_| unreadable())?;
    if rows.iter().any(|row| serde_json::from_str::<Vec<f64>>(row.get()).is_err()) {
        return Err(unreadable());
    }
    let vectors = rows.into_iter().map(|row| Vector::Numbers(row.to_owned())).collect();
    Ok(EmbeddingResponse { vectors, usage: shared::take_usage(&mut fields)?, ..EmbeddingResponse::default() })
}

/// Writes an answer for a client.
pub(super) fn encode_response(response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
    let mut rows = Vec::new();
    for (index, vector) in response.vectors.iter().enumerate() {
        match vector {
            Vector::Numbers(numbers) => rows.push(numbers.clone()),
            Vector::Base64(text) => {
                losses.add(
                    format!("data[{index}].embedding"),
                    "Cohere's API writes numbers; sent as base64 text",
                );
                rows.push(crate::object::raw_of(text));
            }
        }
    }
    let mut body = Object::default();
    body.set("id", "embeddings");
    body.set("embeddings", rows);
    shared::set_usage(&mut body, response.usage.as_ref());
    body.set("response_type", "embeddings_floats");
    body.into_body()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(body: &str) -> String {
        let request = decode_request(body.as_bytes()).expect("a request");
        let traits = ModelTraits { model: request.model.clone(), ..ModelTraits::default() };
        let sent = encode_request(&request, &traits, &mut Losses::default()).expect("texts");
        String::from_utf8(sent).expect("JSON")
    }

    fn vectors(body: &str) -> Option<Vec<String>> {
        let response = decode_response(body.as_bytes()).ok()?;
        let text = |vector: Vector| match vector {
            Vector::Numbers(raw) => raw.get().to_owned(),
            Vector::Base64(text) => text,
        };
        Some(response.vectors.into_iter().map(text).collect())
    }

    #[test]
    fn a_single_text_stays_a_string_and_a_list_a_list() {
        for body in
            [r#"{"model":"m","texts":"a"}"#, r#"{"model":"m","texts":["a"]}"#, r#"{"model":null,"texts":[]}"#]
        {
            assert_eq!(round(body), body);
        }
    }

    #[test]
    fn vectors_keep_their_digits_in_both_forms_of_the_answer() {
        let wanted = Some(vec!["[0.10,-2]".to_owned()]);
        assert_eq!(vectors(r#"{"embeddings":[[0.10,-2]]}"#), wanted);
        assert_eq!(vectors(r#"{"embeddings":{"float":[[0.10,-2]]}}"#), wanted);
        assert_eq!(vectors(r#"{"embeddings":{"int8":[[1]]}}"#), None);
        assert_eq!(vectors(r#"{"embeddings":[["a"]]}"#), None);
        assert_eq!(vectors("{}"), None);
    }

    #[test]
    fn tokens_are_refused_by_name() {
        let request = EmbeddingRequest {
            model: None,
            input: EmbeddingInput::Tokens(crate::object::raw_of([1, 2])),
            dimensions: None,
            encoding: None,
            user: None,
            extras: Extras::default(),
        };
        let failure = encode_request(&request, &ModelTraits::default(), &mut Losses::default());
        assert_eq!(failure.expect_err("tokens").param.as_deref(), Some("input"));
    }
}
