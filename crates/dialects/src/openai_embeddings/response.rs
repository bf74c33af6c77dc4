//! Answers of embeddings.

use crate::canonical::{EmbeddingResponse, Failure, Vector};
use crate::openai_chat::response::{foreign, open_of, take_index, take_text};
use crate::openai_chat::usage;
use crate::raw::{ArrayWriter, Mismatch, Object, ObjectWriter, Read, element, text};
use serde_json::value::RawValue;

/// Reads a provider's answer.
pub(crate) fn decode(body: &[u8]) -> Result<EmbeddingResponse, Failure> {
    let mut object = open_of(body, "data")?;
    let vectors = read_vectors(&mut object).map_err(Mismatch::blame_upstream)?;
    object.take("object");
    Ok(EmbeddingResponse {
        model: take_text(&mut object, "model"),
        vectors,
        usage: object.take("usage").and_then(usage::read),
        extras: object.rest(),
    })
}

/// The vectors in the order of the input, whatever order they came in.
fn read_vectors(object: &mut Object<'_>) -> Read<Vec<Vector>> {
    let list = object.list("data")?.ok_or_else(|| Mismatch::missing("data", "a list"))?;
    let read = |(item, place): (&RawValue, u32)| {
        read_vector(place, item).map_err(|wrong| wrong.within(element("data", place as usize)))
    };
    let mut vectors = list.into_iter().zip(0..).map(read).collect::<Read<Vec<(u32, Vector)>>>()?;
    vectors.sort_by_key(|(index, _)| *index);
    Ok(vectors.into_iter().map(|(_, vector)| vector).collect())
}

fn read_vector(place: u32, item: &RawValue) -> Read<(u32, Vector)> {
    let mut object = Object::of(item)?;
    let embedding = object.take("embedding").ok_or_else(|| Mismatch::missing("embedding", "a vector"))?;
    let vector = match embedding.get().as_bytes().first() {
        Some(b'[') => Vector::Numbers(embedding.to_owned()),
        _ => Vector::Base64(text(embedding).map_err(|wrong| wrong.within("embedding"))?),
    };
    Ok((take_index(&mut object, place), vector))
}

/// Writes an answer for a client.
pub(crate) fn encode(response: &EmbeddingResponse) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut object = ObjectWriter::new(&mut out);
    object.field("object", "list");
    let mut list = ArrayWriter::new(object.key("data"));
    for (index, vector) in response.vectors.iter().enumerate() {
        let mut item = ObjectWriter::new(list.element());
        item.field("object", "embedding").field("index", &index);
        match vector {
            Vector::Numbers(raw) => item.raw("embedding", raw),
            Vector::Base64(text) => item.field("embedding", text),
        };
        item.end();
    }
    list.end();
    object.field("model", response.model.as_deref().unwrap_or_default());
    // OpenAI's embeddings count no completion.
    let prompt = response.usage.and_then(|usage| usage.prompt_tokens.or(usage.total_tokens)).unwrap_or(0);
    let total = response.usage.and_then(|usage| usage.total_tokens).unwrap_or(prompt);
    let mut usage = ObjectWriter::new(object.key("usage"));
    usage.field("prompt_tokens", &prompt).field("total_tokens", &total);
    usage.end();
    object.raws(foreign(&response.extras, &["object", "data", "model", "usage"]));
    object.end();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_same_after_reading_and_writing() {
        for vector in ["[0.10,-1e-7]", r#""zczMPQ==""#] {
            let body = format!(
                r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":{vector}}}],"model":"m","usage":{{"prompt_tokens":2,"total_tokens":2}},"extra":1}}"#
            );
            let out = encode(&decode(body.as_bytes()).unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), body);
        }
    }

    #[test]
    fn vectors_stand_in_the_order_of_the_input() {
        let body = br#"{"data":[{"index":1,"embedding":[1]},{"index":0,"embedding":[0]}]}"#;
        let Vector::Numbers(first) = &decode(body).unwrap().vectors[0] else { panic!("numbers") };
        assert_eq!(first.get(), "[0]");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let message = |body: &str| decode(body.as_bytes()).unwrap_err().message;
        assert!(message("{}").contains("data must be a list"));
        assert!(message(r#"{"data":[{"embedding":7}]}"#).contains("data[0].embedding must be a string"));
        assert_eq!(message(r#"{"error":{"message":"m"}}"#), "m");
    }
}
