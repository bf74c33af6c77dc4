//! Voyage's ranking, `POST /v1/rerank`: Jina's with other names.

use crate::canonical::{Failure, Losses, RerankRequest, RerankResponse, UpstreamError};
use crate::jina_rerank::form::{self, Form};
use crate::openai_chat::errors;
use crate::stream::UsageMeter;
use crate::{Dialect, ErrorReply, ModelTraits, RerankCodec};

/// How Voyage's API writes what it shares with Jina's.
const FORM: Form =
    Form { limit: "top_k", results: "data", documents_are_objects: false, native: &["truncation"] };

/// The dialect `voyage_rerank`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VoyageRerank;

impl Dialect for VoyageRerank {
    fn name(&self) -> &'static str {
        "voyage_rerank"
    }

    fn rerank(&self) -> Option<&dyn RerankCodec> {
        Some(self)
    }

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        errors::decode(status, content_type, body)
    }

    fn encode_error(&self, failure: &Failure, _request_id: &str) -> ErrorReply {
        let body = serde_json::json!({ "detail": failure.sentence() });
        ErrorReply { status: failure.class.status(), body: crate::raw::to_bytes(&body) }
    }
}

impl RerankCodec for VoyageRerank {
    fn decode_request(&self, body: &[u8]) -> Result<RerankRequest, Failure> {
        FORM.decode_request(body)
    }

    fn encode_request(
        &self,
        request: &RerankRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        Ok(FORM.encode_request(request, model, losses))
    }

    fn decode_response(&self, body: &[u8]) -> Result<RerankResponse, Failure> {
        FORM.decode_response(body)
    }

    fn encode_response(&self, response: &RerankResponse, losses: &mut Losses) -> Vec<u8> {
        FORM.encode_response(response, losses)
    }

    fn meter(&self) -> Box<dyn UsageMeter> {
        form::meter()
    }
}
