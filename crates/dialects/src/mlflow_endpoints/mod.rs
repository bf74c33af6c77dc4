//! The REST contract of MLflow 2.9 to 2.22: `POST /endpoints/{name}/invocations`.
//!
//! Bodies and answers look like OpenAI's, but temperatures run from 0 to 2 whatever the provider, two defaults are
//! always sent, answers have a fixed set of keys, and streams end without `[DONE]`.

mod request;
mod response;
mod reverse;
mod schema;
mod stream;

#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod tests;

use crate::canonical::{
    ChatRequest, ChatResponse, CompletionRequest, CompletionResponse, EmbeddingRequest, EmbeddingResponse,
    Failure, Losses, UpstreamError,
};
use crate::dialect::{ChatCodec, CompletionCodec, Dialect, EmbeddingCodec, ErrorReply, ModelTraits};
use crate::mlflow_contract::body;
use crate::mlflow_contract::error::{self, Contract};
use crate::raw::Peek;
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter};

/// The dialect of MLflow's `endpoints:`.
pub(crate) struct MlflowEndpoints;

impl Dialect for MlflowEndpoints {
    fn name(&self) -> &'static str {
        "mlflow_endpoints"
    }

    fn peek(&self, body: &[u8]) -> Result<Peek, Failure> {
        body::peek(body)
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

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        UpstreamError::read(status, content_type, body)
    }

    fn encode_error(&self, failure: &Failure, _request_id: &str) -> ErrorReply {
        error::reply(failure, Contract::Endpoints)
    }
}

impl ChatCodec for MlflowEndpoints {
    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest, Failure> {
        request::chat(body)
    }

    fn encode_request(
        &self,
        request: &ChatRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        reverse::encode_chat(request, model, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        reverse::decode_chat(body)
    }

    fn encode_response(&self, response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
        response::chat(response, losses)
    }

    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        reverse::decoder()
    }

    fn stream_encoder(&self, include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream::ChatEncoder::new(include_usage)))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        reverse::meter(streamed)
    }
}

impl CompletionCodec for MlflowEndpoints {
    fn decode_request(&self, body: &[u8]) -> Result<CompletionRequest, Failure> {
        request::completion(body)
    }

    fn encode_request(
        &self,
        request: &CompletionRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        reverse::encode_completion(request, model, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<CompletionResponse, Failure> {
        reverse::decode_completion(body)
    }

    fn encode_response(&self, response: &CompletionResponse, losses: &mut Losses) -> Vec<u8> {
        response::completion(response, losses)
    }

    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        reverse::decoder()
    }

    fn stream_encoder(&self, include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream::TextEncoder::new(include_usage)))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        reverse::meter(streamed)
    }
}

impl EmbeddingCodec for MlflowEndpoints {
    fn decode_request(&self, body: &[u8]) -> Result<EmbeddingRequest, Failure> {
        request::embedding(body)
    }

    fn encode_request(
        &self,
        request: &EmbeddingRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        reverse::encode_embedding(request, model, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<EmbeddingResponse, Failure> {
        reverse::decode_embedding(body)
    }

    fn encode_response(&self, response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
        response::embedding(response, losses)
    }

    fn meter(&self) -> Box<dyn UsageMeter> {
        reverse::meter(false)
    }
}
