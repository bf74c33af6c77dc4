//! Requests and answers for embeddings.

use super::{Class, Extras, Failure, Losses, RawJson, Usage};
use crate::raw::to_raw;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A request for embeddings.
#[derive(Debug, Clone)]
pub struct EmbeddingRequest {
    /// The model or route that the caller named in the body.
    pub model: Option<String>,
    /// What to embed.
    pub input: EmbeddingInput,
    /// How long the vectors should be.
    pub dimensions: Option<u64>,
    /// How the vectors should be written.
    pub encoding: Option<Encoding>,
    /// The end user.
    pub user: Option<String>,
    /// Everything else.
    pub extras: Extras,
}

/// What to embed. The form is kept: a string and a list of one string are different bytes.
#[derive(Debug, Clone)]
pub enum EmbeddingInput {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// Tokens, or lists of tokens: carried raw, since only OpenAI's API takes them.
    Tokens(RawJson),
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// JSON numbers.
    Float,
    /// Base64 of little-endian 32-bit floats (OpenAI's Python SDK asks for it by default).
    Base64,
}

impl Encoding {
    /// OpenAI's word for it, which MLflow uses too.
    pub fn openai_word(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Base64 => "base64",
        }
    }

    /// The encoding behind OpenAI's word.
    pub fn of_openai_word(word: &str) -> Option<Self> {
        [Self::Float, Self::Base64].into_iter().find(|encoding| encoding.openai_word() == word)
    }
}

/// An answer of embeddings.
#[derive(Debug, Clone, Default)]
pub struct EmbeddingResponse {
    /// The provider's name of the model, else the configured one.
    pub model: Option<String>,
    /// The vectors, in the order of the input.
    pub vectors: Vec<Vector>,
    /// What the call consumed.
    pub usage: Option<Usage>,
    /// Fields that this model does not name.
    pub extras: Vec<(String, RawJson)>,
}

/// One vector.
#[derive(Debug, Clone)]
pub enum Vector {
    /// A JSON list of numbers, as it came.
    Numbers(RawJson),
    /// Base64 of little-endian 32-bit floats.
    Base64(String),
}

impl EmbeddingResponse {
    /// Writes every vector as the client asked, whatever the provider sent. Numbers become 32-bit floats in base64,
    /// as OpenAI's do.
    ///
    /// # Errors
    /// A [`Failure`] that blames the upstream when a vector is not of the form that it claims.
    pub fn recode(&mut self, encoding: Encoding) -> Result<(), Failure> {
        for (place, vector) in self.vectors.iter_mut().enumerate() {
            let recoded = match (&*vector, encoding) {
                (Vector::Numbers(_), Encoding::Float) | (Vector::Base64(_), Encoding::Base64) => continue,
                (_, Encoding::Float) => vector.numbers().map(Vector::Numbers),
                (_, Encoding::Base64) => vector.base64().map(Vector::Base64),
            };
            *vector = recoded.ok_or_else(|| unreadable(place))?;
        }
        Ok(())
    }

    /// The vectors as JSON lists of numbers, for APIs that have no other form. One that is not base64 of 32-bit floats
    /// is lost, and empty.
    pub fn rows(&self, losses: &mut Losses) -> Vec<RawJson> {
        let row = |(place, vector): (usize, &Vector)| {
            vector.numbers().unwrap_or_else(|| {
                losses.add(format!("data[{place}].embedding"), "it is not base64 of 32-bit floats");
                to_raw(&[0.0; 0])
            })
        };
        self.vectors.iter().enumerate().map(row).collect()
    }
}

fn unreadable(place: usize) -> Failure {
    let message =
        format!("the provider's answer cannot be read: data[{place}].embedding is no vector of floats");
    Failure::new(Class::UpstreamError, message)
}

impl Vector {
    /// The vector as a JSON list of numbers. `None` when it is not base64 of 32-bit floats.
    pub fn numbers(&self) -> Option<RawJson> {
        let text = match self {
            Self::Numbers(numbers) => return Some(numbers.clone()),
            Self::Base64(text) => text,
        };
        let bytes = STANDARD.decode(text).ok()?;
        let (floats, rest) = bytes.as_chunks::<4>();
        let floats: Vec<f32> = floats.iter().map(|four| f32::from_le_bytes(*four)).collect();
        // JSON has no word for the rest.
        let sayable = rest.is_empty() && floats.iter().all(|float| float.is_finite());
        if sayable { serde_json::value::to_raw_value(&floats).ok() } else { None }
    }

    /// The vector as base64 of little-endian 32-bit floats. `None` when it is not a list of numbers of that size.
    pub fn base64(&self) -> Option<String> {
        let numbers = match self {
            Self::Base64(text) => return Some(text.clone()),
            Self::Numbers(numbers) => numbers,
        };
        let floats: Vec<f32> = serde_json::from_str(numbers.get()).ok()?;
        let bytes: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
        floats.iter().all(|float| float.is_finite()).then(|| STANDARD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recoded(vector: Vector, encoding: Encoding) -> Result<String, String> {
        let mut response = EmbeddingResponse { vectors: vec![vector], ..EmbeddingResponse::default() };
        response.recode(encoding).map_err(|failure| failure.message)?;
        Ok(match &response.vectors[0] {
            Vector::Numbers(raw) => raw.get().to_owned(),
            Vector::Base64(text) => text.clone(),
        })
    }

    fn numbers(json: &str) -> Vector {
        Vector::Numbers(RawJson::from(serde_json::value::RawValue::from_string(json.to_owned()).unwrap()))
    }

    #[test]
    fn a_vector_reaches_the_client_in_the_form_it_asked_for() {
        let base64 = "zczMPQAAAMAAAKA/";
        assert_eq!(recoded(numbers("[0.1, -2, 1.25]"), Encoding::Base64).unwrap(), base64);
        assert_eq!(recoded(Vector::Base64(base64.to_owned()), Encoding::Float).unwrap(), "[0.1,-2.0,1.25]");
        assert_eq!(recoded(numbers("[0.10]"), Encoding::Float).unwrap(), "[0.10]");
    }

    #[test]
    fn what_is_no_vector_blames_the_provider() {
        for broken in ["", "!", "AAA=", "AADAfw=="] {
            let result = recoded(Vector::Base64(broken.to_owned()), Encoding::Float);
            assert_eq!(result.is_err(), !broken.is_empty(), "{broken}");
        }
        assert!(recoded(numbers(r#"["a"]"#), Encoding::Base64).unwrap_err().contains("data[0].embedding"));
    }
}
