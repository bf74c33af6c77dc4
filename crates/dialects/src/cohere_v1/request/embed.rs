//! Embeddings: `/v1/embed`.

use crate::canonical::{EmbeddingInput, EmbeddingRequest, Encoding, Extras, Failure, Losses};
use crate::cohere_v1::NO_SUCH_FIELD;
use crate::dialect::ModelTraits;
use crate::raw::{Mismatch, Object, Read, text};

/// Writes a request for the provider: one text goes as it came, a string or a list.
pub(crate) fn encode(
    request: &EmbeddingRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let mut body = super::body_for(model);
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
        losses.add_if(lost, path, NO_SUCH_FIELD);
    }
    super::set_extras(&mut body, &request.extras, losses);
    Ok(body.into_body())
}

/// Reads a client's request.
pub(crate) fn decode(body: &[u8]) -> Result<EmbeddingRequest, Failure> {
    read(Object::of_request(body)?).map_err(Mismatch::blame_caller)
}

fn read(mut object: Object<'_>) -> Read<EmbeddingRequest> {
    let input = match object.get("texts").map(text) {
        Some(Ok(text)) => {
            object.take("texts");
            EmbeddingInput::Text(text)
        }
        _ => EmbeddingInput::Texts(
            object.strings("texts")?.ok_or_else(|| Mismatch::missing("texts", "a list of strings"))?,
        ),
    };
    Ok(EmbeddingRequest {
        model: object.string("model")?,
        input,
        dimensions: None,
        encoding: None,
        user: None,
        extras: Extras { fields: object.rest_without_nulls(), for_provider: false },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(body: &str) -> String {
        let request = decode(body.as_bytes()).expect("a request");
        let traits = ModelTraits { model: request.model.clone(), ..ModelTraits::default() };
        let sent = encode(&request, &traits, &mut Losses::default()).expect("texts");
        String::from_utf8(sent).expect("JSON")
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
    fn tokens_are_refused_by_name() {
        let request = EmbeddingRequest {
            model: None,
            input: EmbeddingInput::Tokens(crate::raw::to_raw(&[1, 2])),
            dimensions: None,
            encoding: None,
            user: None,
            extras: Extras::default(),
        };
        let failure = encode(&request, &ModelTraits::default(), &mut Losses::default());
        assert_eq!(failure.expect_err("tokens").param.as_deref(), Some("input"));
    }
}
