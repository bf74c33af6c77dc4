//! Requests for embeddings.

use crate::ModelTraits;
use crate::canonical::{EmbeddingInput, EmbeddingRequest, Encoding, Extras, Failure, Losses};
use crate::openai_chat::Body;
use crate::raw::{Mismatch, Object, Read, text};
use serde_json::value::RawValue;

/// Reads a client's request.
pub(super) fn decode(body: &[u8]) -> Result<EmbeddingRequest, Failure> {
    read(Object::of_request(body)?).map_err(Mismatch::blame_caller)
}

fn read(mut object: Object<'_>) -> Read<EmbeddingRequest> {
    let model = object.string("model")?;
    let input = object.take("input").ok_or_else(|| Mismatch::missing("input", FORMS))?;
    Ok(EmbeddingRequest {
        model,
        input: read_input(input)?,
        dimensions: object.count("dimensions")?,
        encoding: object.take("encoding_format").map(read_encoding).transpose()?,
        user: object.string("user")?,
        extras: Extras { fields: object.rest(), for_provider: false },
    })
}

const FORMS: &str = "a string, a list of strings, or tokens";

fn read_input(value: &RawValue) -> Read<EmbeddingInput> {
    if let Ok(text) = text(value) {
        return Ok(EmbeddingInput::Text(text));
    }
    if let Ok(texts) = serde_json::from_str(value.get()) {
        return Ok(EmbeddingInput::Texts(texts));
    }
    let is_tokens = serde_json::from_str::<Vec<u64>>(value.get()).is_ok()
        || serde_json::from_str::<Vec<Vec<u64>>>(value.get()).is_ok();
    if !is_tokens {
        return Err(Mismatch::of(value, FORMS).within("input"));
    }
    Ok(EmbeddingInput::Tokens(value.to_owned()))
}

fn read_encoding(value: &RawValue) -> Read<Encoding> {
    let encoding = text(value).ok().and_then(|word| Encoding::of_openai_word(&word));
    encoding.ok_or_else(|| Mismatch::of(value, "`float` or `base64`").within("encoding_format"))
}

/// Writes a request for a provider.
pub(super) fn encode(request: &EmbeddingRequest, model: &ModelTraits, losses: &mut Losses) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let mut body = Body::new(model, &request.extras, &mut out);
    match &request.input {
        EmbeddingInput::Text(text) => body.field("input", text),
        EmbeddingInput::Texts(texts) => body.field("input", texts),
        EmbeddingInput::Tokens(raw) => body.field("input", raw),
    }
    body.some("dimensions", request.dimensions);
    body.some("encoding_format", request.encoding.map(Encoding::openai_word));
    body.some("user", request.user.as_ref());
    body.end(losses);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_input_passes() {
        for input in [r#""a""#, r#"["a"]"#, "[]", "[1,2]", "[[1],[2,3]]"] {
            let body = format!(r#"{{"model":"m","input":{input},"encoding_format":"base64","user":"u"}}"#);
            let request = decode(body.as_bytes()).unwrap();
            let model = ModelTraits { model: request.model.clone(), ..ModelTraits::default() };
            let out = encode(&request, &model, &mut Losses::default());
            assert_eq!(String::from_utf8(out).unwrap(), body);
        }
    }

    #[test]
    fn a_wrong_field_is_named() {
        for (body, param) in [
            ("{}", "input"),
            (r#"{"input":["a",1]}"#, "input"),
            (r#"{"input":"a","encoding_format":"int8"}"#, "encoding_format"),
            (r#"{"input":"a","dimensions":-1}"#, "dimensions"),
        ] {
            assert_eq!(decode(body.as_bytes()).unwrap_err().param.as_deref(), Some(param), "{body}");
        }
    }
}
