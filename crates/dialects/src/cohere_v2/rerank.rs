//! Ranking: `/v2/rerank`, which takes texts alone and repeats none.

use super::NO_SUCH_FIELD;
use crate::canonical::{Failure, Losses, RerankRequest, RerankResponse};
use crate::cohere_v1::{request, rerank};
use crate::dialect::ModelTraits;
use crate::raw::{Mismatch, Object};

/// Fields that are Cohere's own, so that they may pass when another dialect's client writes them.
const NATIVE: [&str; 3] = ["max_tokens_per_doc", "priority", "relevant_spans"];

/// Reads a client's request.
pub(super) fn decode_request(body: &[u8]) -> Result<RerankRequest, Failure> {
    rerank::read_request(Object::of_request(body)?, "top_n").map_err(Mismatch::blame_caller)
}

/// Writes a request for the provider.
pub(super) fn encode_request(request: &RerankRequest, model: &ModelTraits, losses: &mut Losses) -> Vec<u8> {
    let mut body = request::body_for(model);
    body.set("query", &request.query);
    body.set("documents", rerank::as_texts(&request.documents, losses));
    body.set_some("top_n", request.top_n);
    losses.add_if(request.return_documents == Some(true), "return_documents", NO_SUCH_FIELD);
    body.set_extras(&request.extras, |name, _| NATIVE.contains(&name), NO_SUCH_FIELD, losses);
    body.into_body()
}

/// Writes an answer for a client.
pub(super) fn encode_response(response: &RerankResponse, losses: &mut Losses) -> Vec<u8> {
    rerank::write_response(response, "2", false, &["relevant_spans"], losses)
}
