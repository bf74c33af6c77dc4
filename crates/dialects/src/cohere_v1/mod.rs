//! Cohere's first API: `/v1/generate`, `/v1/embed`, `/v1/chat` and `/v1/rerank`.

pub(crate) mod request;
pub(crate) mod rerank;
pub(crate) mod usage;

mod response;
mod stream;

use crate::canonical::{
    ChatRequest, ChatResponse, CompletionRequest, CompletionResponse, EmbeddingRequest, EmbeddingResponse,
    Failure, Losses, RerankRequest, RerankResponse,
};
use crate::dialect::{
    ChatCodec, CompletionCodec, Dialect, EmbeddingCodec, ErrorReply, ModelTraits, RerankCodec,
};
use crate::raw::{Bound, to_bytes};
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter};

/// Why a field of another API is lost.
const NO_SUCH_FIELD: &str = "Cohere's first API has no such field";

/// Cohere's first API.
pub(crate) struct CohereV1;

impl Dialect for CohereV1 {
    fn name(&self) -> &'static str {
        "cohere_v1"
    }

    fn chat(&self) -> Option<&dyn ChatCodec> {
        Some(self)
    }

    fn complete(&self) -> Option<&dyn CompletionCodec> {
        Some(self)
    }

    fn embed(&self) -> Option<&dyn EmbeddingCodec> {
        Some(self)
    }

    fn rerank(&self) -> Option<&dyn RerankCodec> {
        Some(self)
    }

    fn count_name(&self) -> &'static str {
        "num_generations"
    }

    fn stream_type(&self) -> &'static str {
        "application/stream+json"
    }

    fn bound(&self) -> Bound {
        Bound { answers: &["num_generations"], ..Bound::COMMON }
    }

    fn encode_error(&self, failure: &Failure, _request_id: &str) -> ErrorReply {
        let body = serde_json::json!({ "message": failure.message });
        ErrorReply { status: failure.class.status(), body: to_bytes(&body) }
    }
}

impl ChatCodec for CohereV1 {
    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest, Failure> {
        request::decode_chat(body)
    }

    fn encode_request(
        &self,
        request: &ChatRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        request::encode_chat(request, model, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        response::decode_chat(body)
    }

    fn encode_response(&self, response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode_chat(response, losses)
    }

    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        Some(Box::new(stream::Decoder::default()))
    }

    fn stream_encoder(&self, _include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream::Encoder::of_chat()))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        usage::meter(streamed)
    }
}

impl CompletionCodec for CohereV1 {
    fn decode_request(&self, body: &[u8]) -> Result<CompletionRequest, Failure> {
        request::decode_generate(body)
    }

    fn encode_request(
        &self,
        request: &CompletionRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        request::encode_generate(request, model, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<CompletionResponse, Failure> {
        response::decode_generate(body)
    }

    fn encode_response(&self, response: &CompletionResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode_generate(response, losses)
    }

    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        Some(Box::new(stream::Decoder::default()))
    }

    fn stream_encoder(&self, _include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream::Encoder::of_generate()))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        usage::meter(streamed)
    }
}

impl EmbeddingCodec for CohereV1 {
    fn decode_request(&self, body: &[u8]) -> Result<EmbeddingRequest, Failure> {
        request::decode_embed(body)
    }

    fn encode_request(
        &self,
        request: &EmbeddingRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        request::encode_embed(request, model, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<EmbeddingResponse, Failure> {
        response::decode_embed(body)
    }

    fn encode_response(&self, response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode_embed(response, losses)
    }

    fn meter(&self) -> Box<dyn UsageMeter> {
        usage::meter(false)
    }
}

impl RerankCodec for CohereV1 {
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
        rerank::decode_response(body)
    }

    fn encode_response(&self, response: &RerankResponse, losses: &mut Losses) -> Vec<u8> {
        rerank::encode_response(response, losses)
    }

    fn meter(&self) -> Box<dyn UsageMeter> {
        usage::meter(false)
    }
}
