//! Requests and answers for ranking documents by a query.

use super::{Extras, RawJson, Usage};

/// A request to rank documents.
#[derive(Debug, Clone, Default)]
pub struct RerankRequest {
    /// The model or route that the caller named in the body.
    pub model: Option<String>,
    /// What the documents are ranked by.
    pub query: String,
    /// The documents, which answers name by their place.
    pub documents: Vec<Document>,
    /// How many of the best are wanted; all where absent.
    pub top_n: Option<u64>,
    /// Whether the answer repeats the documents.
    pub return_documents: Option<bool>,
    /// Everything else.
    pub extras: Extras,
}

/// A document.
#[derive(Debug, Clone)]
pub enum Document {
    /// A text.
    Text(String),
    /// An object, as it came: mostly one with a `text`.
    Object(RawJson),
}

/// An answer of ranking.
#[derive(Debug, Clone, Default)]
pub struct RerankResponse {
    /// The provider's id, where it gives one.
    pub id: Option<String>,
    /// The provider's name of the model, else the configured one.
    pub model: Option<String>,
    /// The documents, best first.
    pub results: Vec<Ranked>,
    /// What the call consumed.
    pub usage: Option<Usage>,
    /// Fields that this model does not name.
    pub extras: Vec<(String, RawJson)>,
}

/// A ranked document.
#[derive(Debug, Clone)]
pub struct Ranked {
    /// Its place in the request, from 0.
    pub index: u64,
    /// How well it fits, on the model's own scale.
    pub score: f64,
    /// The document, where the answer repeats it.
    pub document: Option<Document>,
    /// Fields that this model does not name.
    pub extras: Vec<(String, RawJson)>,
}
