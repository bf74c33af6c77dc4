//! Requests and answers for embeddings.

use super::{Extras, RawJson, Usage};

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
