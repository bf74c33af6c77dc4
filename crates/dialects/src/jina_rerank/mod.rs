//! Jina's ranking, `POST /v1/rerank`, which llama.cpp, vLLM, OpenRouter and others speak too.

pub(crate) mod form;

use crate::canonical::{Failure, Losses, RerankRequest, RerankResponse, UpstreamError};
use crate::openai_chat::errors;
use crate::stream::UsageMeter;
use crate::{Dialect, ErrorReply, ModelTraits, RerankCodec};
use form::Form;

/// How Jina's API writes what it shares with Voyage's.
const FORM: Form = Form { limit: "top_n", results: "results", documents_are_objects: true, native: &[] };

/// The dialect `jina_rerank`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JinaRerank;

impl Dialect for JinaRerank {
    fn name(&self) -> &'static str {
        "jina_rerank"
    }

    fn rerank(&self) -> Option<&dyn RerankCodec> {
        Some(self)
    }

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        errors::decode(status, content_type, body)
    }

    fn encode_error(&self, failure: &Failure, request_id: &str) -> ErrorReply {
        errors::encode(failure, request_id)
    }
}

impl RerankCodec for JinaRerank {
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
