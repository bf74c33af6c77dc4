//! OpenAI's embeddings, `POST /embeddings`.

mod request;
pub(crate) mod response;

use crate::canonical::{EmbeddingRequest, EmbeddingResponse, Failure, Losses, UpstreamError};
use crate::openai_chat::{errors, usage};
use crate::stream::UsageMeter;
use crate::{Dialect, EmbeddingCodec, ErrorReply, ModelTraits};

/// The dialect `openai_embeddings`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenAiEmbeddings;

impl Dialect for OpenAiEmbeddings {
    fn name(&self) -> &'static str {
        "openai_embeddings"
    }

    fn embed(&self) -> Option<&dyn EmbeddingCodec> {
        Some(self)
    }

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        errors::decode(status, content_type, body)
    }

    fn encode_error(&self, failure: &Failure, request_id: &str) -> ErrorReply {
        errors::encode(failure, request_id)
    }
}

impl EmbeddingCodec for OpenAiEmbeddings {
    fn decode_request(&self, body: &[u8]) -> Result<EmbeddingRequest, Failure> {
        request::decode(body)
    }

    fn encode_request(
        &self,
        request: &EmbeddingRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        Ok(request::encode(request, model, losses))
    }

    fn decode_response(&self, body: &[u8]) -> Result<EmbeddingResponse, Failure> {
        response::decode(body)
    }

    fn encode_response(&self, response: &EmbeddingResponse, _losses: &mut Losses) -> Vec<u8> {
        response::encode(response)
    }

    fn meter(&self) -> Box<dyn UsageMeter> {
        usage::meter(false)
    }
}
