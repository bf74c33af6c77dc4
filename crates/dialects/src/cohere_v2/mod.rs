//! Cohere's second API: `/v2/chat`, `/v2/embed` and `/v2/rerank`.

mod content;
mod embed;
mod errors;
mod request;
mod rerank;
mod response;
mod stream;
mod usage;

use crate::canonical::{
    ChatRequest, ChatResponse, EmbeddingRequest, EmbeddingResponse, Failure, Losses, RerankRequest,
    RerankResponse,
};
use crate::cohere_v1;
use crate::dialect::{ChatCodec, Dialect, EmbeddingCodec, ErrorReply, ModelTraits, RerankCodec};
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter};

/// Why a field of another API is lost.
const NO_SUCH_FIELD: &str = "Cohere's API has no such field";

/// Cohere's second API.
pub(crate) struct CohereV2;

impl Dialect for CohereV2 {
    fn name(&self) -> &'static str {
        "cohere_v2"
    }

    fn chat(&self) -> Option<&dyn ChatCodec> {
        Some(self)
    }

    fn embed(&self) -> Option<&dyn EmbeddingCodec> {
        Some(self)
    }

    fn rerank(&self) -> Option<&dyn RerankCodec> {
        Some(self)
    }

    fn encode_error(&self, failure: &Failure, request_id: &str) -> ErrorReply {
        errors::encode(failure, request_id)
    }
}

impl ChatCodec for CohereV2 {
    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest, Failure> {
        request::decode(body)
    }

    fn encode_request(
        &self,
        request: &ChatRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        Ok(request::encode(request, model, losses))
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        response::decode(body)
    }

    fn encode_response(&self, response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode(response, losses)
    }

    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        Some(Box::new(stream::Decoder::default()))
    }

    /// Streams of this API always carry usage.
    fn stream_encoder(&self, _include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream::Encoder::default()))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        usage::meter(streamed)
    }
}

impl EmbeddingCodec for CohereV2 {
    fn decode_request(&self, body: &[u8]) -> Result<EmbeddingRequest, Failure> {
        embed::decode_request(body)
    }

    fn encode_request(
        &self,
        request: &EmbeddingRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        embed::encode_request(request, model, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<EmbeddingResponse, Failure> {
        embed::decode_response(body)
    }

    fn encode_response(&self, response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
        embed::encode_response(response, losses)
    }

    fn meter(&self) -> Box<dyn UsageMeter> {
        embed::meter()
    }
}

impl RerankCodec for CohereV2 {
    fn decode_request(&self, body: &[u8]) -> Result<RerankRequest, Failure> {
        rerank::decode_request(body)
    }

    fn encode_request(
        &self,
        request: &RerankRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        Ok(rerank::encode_request(request, model, losses))
    }

    fn decode_response(&self, body: &[u8]) -> Result<RerankResponse, Failure> {
        cohere_v1::rerank::decode_response(body)
    }

    fn encode_response(&self, response: &RerankResponse, losses: &mut Losses) -> Vec<u8> {
        rerank::encode_response(response, losses)
    }

    fn meter(&self) -> Box<dyn UsageMeter> {
        embed::meter()
    }
}
