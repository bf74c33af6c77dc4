//! The REST contract of MLflow 2.5 to 2.8: `POST /gateway/{name}/invocations`.
//!
//! Temperatures run from 0 to 1, the number of answers is `candidate_count`, answers are `candidates`, and nothing
//! streams.

mod request;
mod response;
mod reverse;

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
use crate::whole_meter::WholeMeter;

/// The dialect of MLflow's `routes:`.
pub(crate) struct MlflowRoutes;

impl Dialect for MlflowRoutes {
    fn name(&self) -> &'static str {
        "mlflow_routes"
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

    fn count_name(&self) -> &'static str {
        "candidate_count"
    }

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        UpstreamError::read(status, content_type, body)
    }

    fn encode_error(&self, failure: &Failure, _request_id: &str) -> ErrorReply {
        error::reply(failure, Contract::Classic)
    }
}

impl ChatCodec for MlflowRoutes {
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
        None
    }

    fn stream_encoder(&self, _include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        None
    }

    fn meter(&self, _streamed: bool) -> Box<dyn UsageMeter> {
        WholeMeter::boxed(reverse::usage)
    }
}

impl CompletionCodec for MlflowRoutes {
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
        None
    }

    fn stream_encoder(&self, _include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        None
    }

    fn meter(&self, _streamed: bool) -> Box<dyn UsageMeter> {
        WholeMeter::boxed(reverse::usage)
    }
}

impl EmbeddingCodec for MlflowRoutes {
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
        WholeMeter::boxed(reverse::usage)
    }
}
