//! Embeddings: `/v2/embed`, whose vectors stand under their types.

use super::NO_SUCH_FIELD;
use crate::canonical::{
    EmbeddingInput, EmbeddingRequest, EmbeddingResponse, Encoding, Extras, Failure, Losses, RawJson, Vector,
};
use crate::cohere_v1;
use crate::dialect::ModelTraits;
use crate::raw::{Draft, Mismatch, Object, Read, each, text};
use crate::stream::UsageMeter;
use serde_json::json;
use serde_json::value::RawValue;

/// Fields that are Cohere's own, so that they may pass when another dialect's client writes them.
const NATIVE: [&str; 7] =
    ["input_type", "embedding_types", "truncate", "max_tokens", "priority", "images", "inputs"];

/// What the vectors are for where the client does not say; newer models require it, and most vectors are stored.
const DEFAULT_INPUT_TYPE: &str = "search_document";

/// Reads a client's request.
pub(super) fn decode_request(body: &[u8]) -> Result<EmbeddingRequest, Failure> {
    read_request(Object::of_request(body)?).map_err(Mismatch::blame_caller)
}

fn read_request(mut object: Object<'_>) -> Read<EmbeddingRequest> {
    let texts = match object.strings("texts")? {
        Some(texts) => texts,
        None => read_inputs(&mut object)?,
    };
    let encoding = read_types(&mut object);
    Ok(EmbeddingRequest {
        model: object.string("model")?,
        input: EmbeddingInput::Texts(texts),
        dimensions: object.count("output_dimension")?,
        encoding,
        user: None,
        extras: Extras { fields: object.rest_without_nulls(), for_provider: false },
    })
}

/// Texts out of `inputs`. Inputs and images that are more than a text stay fields of Cohere's alone.
fn read_inputs(object: &mut Object<'_>) -> Read<Vec<String>> {
    let Some(inputs) = object.get("inputs") else {
        let pictured = object.get("images").is_some();
        return if pictured { Ok(Vec::new()) } else { Err(Mismatch::missing("texts", "a list of strings")) };
    };
    let all = each(inputs, |input| Object::of(input)?.each("content", |part| Ok(read_text(part))));
    let all = all.map_err(|wrong| wrong.within("inputs"))?;
    let texts = all.into_iter().map(|parts| match parts.unwrap_or_default().as_mut_slice() {
        [Some(text)] => Some(std::mem::take(text)),
        _ => None,
    });
    let texts = texts.collect::<Option<Vec<_>>>();
    if texts.is_some() {
        object.take("inputs");
    }
    Ok(texts.unwrap_or_default())
}

fn read_text(part: &RawValue) -> Option<String> {
    let mut part = Object::of(part).ok()?;
    let kind = part.string("type").ok()??;
    let text = part.string("text").ok()??;
    (kind == "text").then_some(text)
}

/// Takes `embedding_types` where it names one type that every API has.
fn read_types(object: &mut Object<'_>) -> Option<Encoding> {
    let encoding = match object.get("embedding_types")?.get().split_whitespace().collect::<String>().as_str()
    {
        r#"["float"]"# => Encoding::Float,
        r#"["base64"]"# => Encoding::Base64,
        _ => return None,
    };
    object.take("embedding_types");
    Some(encoding)
}

/// Writes a request for the provider. Vectors are wanted as numbers: whoever wants base64 gets it made of them.
pub(super) fn encode_request(
    request: &EmbeddingRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let mut body = cohere_v1::request::body_for(model);
    match &request.input {
        EmbeddingInput::Text(text) => body.set("texts", [text]),
        EmbeddingInput::Texts(texts) if texts.is_empty() && request.extras.get("images").is_some() => {}
        EmbeddingInput::Texts(texts) if texts.is_empty() && request.extras.get("inputs").is_some() => {}
        EmbeddingInput::Texts(texts) => body.set("texts", texts),
        EmbeddingInput::Tokens(_) => {
            return Err(Failure::invalid("input", "Cohere's API embeds texts, not tokens"));
        }
    }
    body.set("input_type", DEFAULT_INPUT_TYPE);
    body.set("embedding_types", ["float"]);
    body.set_some("output_dimension", request.dimensions);
    losses.add_if(request.user.is_some(), "user", NO_SUCH_FIELD);
    body.set_extras(&request.extras, |name, _| NATIVE.contains(&name), NO_SUCH_FIELD, losses);
    Ok(body.into_body())
}

/// Reads a provider's answer: its floats, else its base64.
pub(super) fn decode_response(body: &[u8]) -> Result<EmbeddingResponse, Failure> {
    read_response(Object::of_response(body)?).map_err(Mismatch::blame_upstream)
}

fn read_response(mut object: Object<'_>) -> Read<EmbeddingResponse> {
    let inside = |wrong: Mismatch| wrong.within("embeddings");
    let mut types = object.need_object("embeddings")?;
    let vectors = match (types.take("float"), types.take("base64")) {
        (Some(floats), _) => each(floats, read_numbers).map_err(|wrong| inside(wrong.within("float")))?,
        (None, Some(texts)) => {
            let read = each(texts, |vector| text(vector).map(Vector::Base64));
            read.map_err(|wrong| inside(wrong.within("base64")))?
        }
        (None, None) => return Err(inside(Mismatch::missing("float", "lists of numbers"))),
    };
    let usage = cohere_v1::usage::take(&mut object)?;
    let mut extras = types.rest_without_nulls();
    extras.extend(object.take("images").map(|images| ("images".to_owned(), images.to_owned())));
    Ok(EmbeddingResponse { vectors, usage, extras, ..EmbeddingResponse::default() })
}

fn read_numbers(row: &RawValue) -> Read<Vector> {
    match serde_json::from_str::<Vec<f64>>(row.get()) {
        Ok(_) => Ok(Vector::Numbers(row.to_owned())),
        Err(_) => Err(Mismatch::of(row, "a list of numbers")),
    }
}

/// Writes an answer for a client: base64 where every vector is, else numbers.
pub(super) fn encode_response(response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
    let mut types = Draft::default();
    let texts = response.vectors.iter().map(|vector| match vector {
        Vector::Base64(text) => Some(text),
        Vector::Numbers(_) => None,
    });
    match texts.collect::<Option<Vec<_>>>().filter(|texts| !texts.is_empty()) {
        Some(texts) => types.set("base64", texts),
        None => types.set("float", response.rows(losses)),
    }
    let mut body = Draft::default();
    body.set("id", "embeddings");
    for (name, value) in &response.extras {
        set_extra(name, value, &mut types, &mut body, losses);
    }
    body.set("embeddings", types);
    let mut meta = Draft::default();
    meta.set("api_version", json!({ "version": "2" }));
    if let Some(input) = response.usage.and_then(|usage| usage.prompt_tokens) {
        meta.set("billed_units", json!({ "input_tokens": input }));
    }
    body.set("meta", meta);
    body.set("response_type", "embeddings_by_type");
    body.into_body()
}

/// Puts back what only Cohere's answers have: vectors of other types, and what is known of images.
fn set_extra(name: &str, value: &RawJson, types: &mut Draft, body: &mut Draft, losses: &mut Losses) {
    match name {
        "int8" | "uint8" | "binary" | "ubinary" => types.set_raw(name, value.clone()),
        "images" => body.set_raw(name, value.clone()),
        _ => losses.add(name, NO_SUCH_FIELD),
    }
}

/// A meter of answers that pass.
pub(super) fn meter() -> Box<dyn UsageMeter> {
    cohere_v1::usage::meter(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn sent(request: &EmbeddingRequest) -> (Value, usize) {
        let traits = ModelTraits { model: Some("m".to_owned()), ..ModelTraits::default() };
        let mut losses = Losses::default();
        let body = encode_request(request, &traits, &mut losses).expect("it can be said");
        (serde_json::from_slice(&body).expect("JSON"), losses.count())
    }

    fn read(body: &Value) -> EmbeddingRequest {
        decode_request(body.to_string().as_bytes()).expect("a request")
    }

    #[test]
    fn a_request_comes_back_as_it_was_and_one_without_a_purpose_has_one() {
        let body = json!({"model": "m", "texts": ["a"], "input_type": "image", "embedding_types": ["int8", "float"],
            "output_dimension": 256, "truncate": "END"});
        assert_eq!(sent(&read(&body)), (body, 0));
        let (body, _) = sent(&read(&json!({"texts": ["a"], "embedding_types": ["base64"]})));
        assert_eq!(body["input_type"], "search_document");
        assert_eq!(body["embedding_types"], json!(["float"]));
    }

    #[test]
    fn inputs_of_one_text_each_are_texts_and_others_stay_cohere_s() {
        let part = |text: &str| json!({"type": "text", "text": text});
        let plain = json!({"inputs": [{"content": [part("a")]}, {"content": [part("b")]}]});
        let request = read(&plain);
        assert!(matches!(&request.input, EmbeddingInput::Texts(texts) if texts == &["a", "b"]));
        let image = json!({"type": "image_url", "image_url": {"url": "data:x"}});
        let mixed = json!({"inputs": [{"content": [part("a"), image]}]});
        let (body, losses) = sent(&read(&mixed));
        assert_eq!((&body["inputs"], losses), (&mixed["inputs"], 0));
        assert_eq!(body.get("texts"), None);
        let error = decode_request(b"{}").expect_err("nothing to embed");
        assert_eq!(error.param.as_deref(), Some("texts"));
    }

    #[test]
    fn vectors_of_both_forms_come_back_as_they_were() {
        for types in [json!({"float": [[0.5, 1]]}), json!({"base64": ["AAAAPw=="]})] {
            let body = json!({"id": "x", "texts": ["a"], "embeddings": types,
                "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7, "image_tokens": 0}},
                "response_type": "embeddings_by_type"});
            let response = decode_response(body.to_string().as_bytes()).expect("an answer");
            assert_eq!(response.usage.and_then(|usage| usage.prompt_tokens), Some(7));
            let told: Value =
                serde_json::from_slice(&encode_response(&response, &mut Losses::default())).expect("JSON");
            assert_eq!((&told["embeddings"], &told["response_type"]), (&types, &body["response_type"]));
        }
        assert!(decode_response(br#"{"embeddings":{"int8":[[1]]}}"#).is_err());
    }
}
