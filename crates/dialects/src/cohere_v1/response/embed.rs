//! Answers of `/v1/embed`.

use crate::canonical::{EmbeddingResponse, Failure, Losses, Vector};
use crate::cohere_v1::{NO_SUCH_FIELD, usage};
use crate::raw::{Draft, Mismatch, Object, Read, each};
use serde_json::value::RawValue;

/// Reads a provider's answer: vectors, or vectors by type of which the floats are taken.
pub(crate) fn decode(body: &[u8]) -> Result<EmbeddingResponse, Failure> {
    read(Object::of_response(body)?).map_err(Mismatch::blame_upstream)
}

fn read(mut object: Object<'_>) -> Read<EmbeddingResponse> {
    let missing = |name: &str| Mismatch::missing(name, "lists of numbers");
    let embeddings = object.take("embeddings").ok_or_else(|| missing("embeddings"))?;
    let rows = match Object::of(embeddings) {
        Ok(mut types) => types.take("float").ok_or_else(|| missing("embeddings.float"))?,
        Err(_) => embeddings,
    };
    let vectors = each(rows, read_row).map_err(|wrong| wrong.within("embeddings"))?;
    Ok(EmbeddingResponse { vectors, usage: usage::take(&mut object)?, ..EmbeddingResponse::default() })
}

fn read_row(row: &RawValue) -> Read<Vector> {
    match serde_json::from_str::<Vec<f64>>(row.get()) {
        Ok(_) => Ok(Vector::Numbers(row.to_owned())),
        Err(_) => Err(Mismatch::of(row, "a list of numbers")),
    }
}

/// Writes an answer for a client.
pub(crate) fn encode(response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
    losses.add_fields("", &response.extras, NO_SUCH_FIELD);
    let mut body = Draft::default();
    body.set("id", "embeddings");
    body.set("embeddings", response.rows(losses));
    usage::set(&mut body, response.usage.as_ref(), losses);
    body.set("response_type", "embeddings_floats");
    body.into_body()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(body: &str) -> Option<Vec<String>> {
        let response = decode(body.as_bytes()).ok()?;
        let text = |vector: Vector| match vector {
            Vector::Numbers(raw) => raw.get().to_owned(),
            Vector::Base64(text) => text,
        };
        Some(response.vectors.into_iter().map(text).collect())
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
}
