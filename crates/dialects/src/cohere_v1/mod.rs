//! Cohere's first API: `/v1/generate`, `/v1/embed` and `/v1/chat`.

mod chat;
mod embed;
mod generate;
mod shared;
mod stream;

use crate::canonical::{
    ChatRequest, ChatResponse, CompletionRequest, CompletionResponse, EmbeddingRequest, EmbeddingResponse,
    Failure, Losses, UpstreamError,
};
use crate::dialect::{ChatCodec, CompletionCodec, Dialect, EmbeddingCodec, ErrorReply, ModelTraits};
use crate::object::{Misread, bytes_of};
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter};
use crate::whole_meter::WholeMeter;

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

    fn count_name(&self) -> &'static str {
        "num_generations"
    }

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        UpstreamError::read(status, content_type, body)
    }

    fn encode_error(&self, failure: &Failure, _request_id: &str) -> ErrorReply {
        let body = serde_json::json!({ "message": failure.message });
        ErrorReply { status: failure.class.status(), body: bytes_of(&body) }
    }
}

impl ChatCodec for CohereV1 {
    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest, Failure> {
        chat::decode_request(body).map_err(Misread::blame_caller)
    }

    fn encode_request(
        &self,
        request: &ChatRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        chat::encode_request(request, model, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        chat::decode_response(body).map_err(Misread::blame_upstream)
    }

    fn encode_response(&self, response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
        chat::encode_response(response, losses)
    }

    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        Some(Box::new(stream::Decoder::default()))
    }

    fn stream_encoder(&self, _include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream::Encoder::of_chat()))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        if streamed { Box::new(stream::Meter::default()) } else { WholeMeter::boxed(shared::usage_of_body) }
    }
}

impl CompletionCodec for CohereV1 {
    fn decode_request(&self, body: &[u8]) -> Result<CompletionRequest, Failure> {
        generate::decode_request(body).map_err(Misread::blame_caller)
    }

    fn encode_request(
        &self,
        request: &CompletionRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        generate::encode_request(request, model, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<CompletionResponse, Failure> {
        generate::decode_response(body).map_err(Misread::blame_upstream)
    }

    fn encode_response(&self, response: &CompletionResponse, losses: &mut Losses) -> Vec<u8> {
        generate::encode_response(response, losses)
    }

    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        Some(Box::new(stream::Decoder::default()))
    }

    fn stream_encoder(&self, _include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream::Encoder::of_generate()))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        if streamed { Box::new(stream::Meter::default()) } else { WholeMeter::boxed(shared::usage_of_body) }
    }
}

impl EmbeddingCodec for CohereV1 {
    fn decode_request(&self, body: &[u8]) -> Result<EmbeddingRequest, Failure> {
        embed::decode_request(body).map_err(Misread::blame_caller)
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
        embed::decode_response(body).map_err(Misread::blame_upstream)
    }

    fn encode_response(&self, response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
        embed::encode_response(response, losses)
    }

    fn meter(&self) -> Box<dyn UsageMeter> {
        WholeMeter::boxed(shared::usage_of_body)
    }
}
