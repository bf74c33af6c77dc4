//! Vectors that depend on their text alone.

use crate::hash::Digest;
use crate::words;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockgate_dialects::canonical::{
    EmbeddingInput, EmbeddingRequest, EmbeddingResponse, Encoding, Failure, RawJson, Usage, Vector,
};
use serde_json::Value;

/// The length of vectors when the request does not say.
const DIMENSIONS: u64 = 8;
/// The longest vector.
const MOST_DIMENSIONS: u64 = 4_096;
/// The most texts of one request, as OpenAI's API has it.
const MOST_TEXTS: usize = 2_048;
/// The most numbers of one answer.
const MOST_NUMBERS: usize = 1 << 20;

/// The answer to `request`.
///
/// # Errors
/// A [`Failure`] that names `input` or `dimensions` when there is nothing to embed or too much.
pub(crate) fn response(request: &EmbeddingRequest) -> Result<EmbeddingResponse, Failure> {
    let dimensions = request.dimensions.unwrap_or(DIMENSIONS);
    if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
        return Err(Failure::invalid("dimensions", format!("must be from 1 to {MOST_DIMENSIONS}")));
    }
    let dimensions = dimensions as usize;
    let (digests, tokens) = digests(&request.input)?;
    if digests.is_empty() || digests.len() > MOST_TEXTS {
        return Err(Failure::invalid("input", format!("must hold 1 to {MOST_TEXTS} texts")));
    }
    if digests.len() * dimensions > MOST_NUMBERS {
        return Err(Failure::invalid(
            "input",
            format!("asks for more than {MOST_NUMBERS} numbers in one answer"),
        ));
    }
    let tokens = Some(tokens as u64);
    Ok(EmbeddingResponse {
        model: Some(request.model.clone().unwrap_or_else(|| "demo".to_owned())),
        vectors: digests
            .into_iter()
            .map(|digest| written(&numbers(digest, dimensions), request.encoding))
            .collect(),
        usage: Some(Usage { prompt_tokens: tokens, total_tokens: tokens, ..Usage::default() }),
        extras: Vec::new(),
    })
}

/// The hash of each text, and the number of tokens in all.
fn digests(input: &EmbeddingInput) -> Result<(Vec<Digest>, usize), Failure> {
    let of_texts = |texts: &[String]| {
        let tokens = texts.iter().map(|text| words::count(text)).sum();
        (texts.iter().map(|text| Digest::of(text.as_bytes())).collect(), tokens)
    };
    match input {
        EmbeddingInput::Text(text) => Ok(of_texts(std::slice::from_ref(text))),
        EmbeddingInput::Texts(texts) => Ok(of_texts(texts)),
        EmbeddingInput::Tokens(raw) => {
            let lists =
                token_lists(raw).ok_or_else(|| Failure::invalid("input", "must be texts or tokens"))?;
            let tokens = lists.iter().map(Vec::len).sum();
            let digest =
                |list: &Vec<u64>| Digest::of(&list.iter().flat_map(|t| t.to_le_bytes()).collect::<Vec<_>>());
            Ok((lists.iter().map(digest).collect(), tokens))
        }
    }
}

/// A list of tokens, or lists of them.
fn token_lists(raw: &RawJson) -> Option<Vec<Vec<u64>>> {
    let list = |value: &Value| value.as_array()?.iter().map(Value::as_u64).collect::<Option<Vec<_>>>();
    let value: Value = serde_json::from_str(raw.get()).ok()?;
    match value.as_array()?.first()? {
        Value::Array(_) => value.as_array()?.iter().map(list).collect(),
        _ => Some(vec![list(&value)?]),
    }
}

/// A vector of length 1 and `dimensions` numbers.
fn numbers(digest: Digest, dimensions: usize) -> Vec<f32> {
    let numbers: Vec<f64> = (0..dimensions).map(|index| digest.number(index as u64)).collect();
    let length = numbers.iter().map(|number| number * number).sum::<f64>().sqrt();
    if length == 0.0 {
        return (0..dimensions).map(|index| if index == 0 { 1.0 } else { 0.0 }).collect();
    }
    numbers.into_iter().map(|number| (number / length) as f32).collect()
}

/// The vector as the request wants it written.
fn written(numbers: &[f32], encoding: Option<Encoding>) -> Vector {
    match encoding {
        Some(Encoding::Base64) => {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            Vector::Base64(STANDARD.encode(bytes))
        }
        None | Some(Encoding::Float) => {
            let raw = serde_json::value::to_raw_value(numbers).expect("a list of finite numbers is JSON");
            Vector::Numbers(raw)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_dialects::canonical::Extras;

    fn request(input: EmbeddingInput) -> EmbeddingRequest {
        EmbeddingRequest {
            model: None,
            input,
            dimensions: None,
            encoding: None,
            user: None,
            extras: Extras::default(),
        }
    }

    fn vector(response: &EmbeddingResponse, index: usize) -> Vec<f32> {
        match &response.vectors[index] {
            Vector::Numbers(raw) => serde_json::from_str(raw.get()).expect("numbers"),
            Vector::Base64(text) => {
                let bytes = STANDARD.decode(text).expect("base64");
                bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
            }
        }
    }

    #[test]
    fn vectors_have_length_one_and_differ_by_text() {
        let texts = EmbeddingInput::Texts(vec!["a".into(), "b c".into(), "a".into()]);
        let response = response(&request(texts)).expect("a good request");
        assert_eq!(response.vectors.len(), 3);
        assert_eq!(vector(&response, 0), vector(&response, 2));
        assert_ne!(vector(&response, 0), vector(&response, 1));
        let length: f32 = vector(&response, 1).iter().map(|number| number * number).sum();
        assert_eq!(vector(&response, 1).len(), 8);
        assert!((length - 1.0).abs() < 1e-5, "{length}");
        assert_eq!(response.usage.and_then(|usage| usage.prompt_tokens), Some(4));
    }

    #[test]
    fn base64_and_numbers_are_the_same_vector() {
        let plain = EmbeddingRequest { dimensions: Some(3), ..request(EmbeddingInput::Text("a".into())) };
        let packed = EmbeddingRequest { encoding: Some(Encoding::Base64), ..plain.clone() };
        let (plain, packed) = (response(&plain).expect("good"), response(&packed).expect("good"));
        assert!(matches!(packed.vectors[0], Vector::Base64(_)));
        assert_eq!(vector(&plain, 0), vector(&packed, 0));
        assert_eq!(vector(&plain, 0).len(), 3);
    }

    #[test]
    fn tokens_are_embedded_one_list_or_many() {
        let raw = |text: &str| EmbeddingInput::Tokens(RawJsonOf(text).into());
        assert_eq!(response(&request(raw("[1, 2]"))).expect("good").vectors.len(), 1);
        assert_eq!(response(&request(raw("[[1, 2], [3]]"))).expect("good").vectors.len(), 2);
        assert_eq!(response(&request(raw("[[1], 2]"))).expect_err("bad").param.as_deref(), Some("input"));
    }

    struct RawJsonOf<'a>(&'a str);

    impl From<RawJsonOf<'_>> for RawJson {
        fn from(text: RawJsonOf<'_>) -> Self {
            serde_json::value::RawValue::from_string(text.0.to_owned()).expect("the test writes JSON")
        }
    }

    #[test]
    fn too_much_or_nothing_is_refused_by_name() {
        let refused = |request: &EmbeddingRequest| response(request).expect_err("bad").param;
        let one = request(EmbeddingInput::Text("a".into()));
        assert_eq!(
            refused(&EmbeddingRequest { dimensions: Some(0), ..one.clone() }).as_deref(),
            Some("dimensions")
        );
        assert_eq!(
            refused(&EmbeddingRequest { dimensions: Some(5_000), ..one }).as_deref(),
            Some("dimensions")
        );
        assert_eq!(refused(&request(EmbeddingInput::Texts(vec![]))).as_deref(), Some("input"));
        let many = request(EmbeddingInput::Texts(vec!["a".into(); 2_000]));
        assert_eq!(refused(&EmbeddingRequest { dimensions: Some(4_096), ..many }).as_deref(), Some("input"));
    }
}
