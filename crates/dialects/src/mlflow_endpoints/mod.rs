//! The REST contract of MLflow 2.9 to 2.22: `POST /endpoints/{name}/invocations`.
//!
//! Bodies and answers look like OpenAI's, but temperatures run from 0 to 2 whatever the provider, two defaults are
//! always sent, answers have a fixed set of keys, and streams end without `[DONE]`.

mod request;
mod response;
mod schema;
mod stream;

#[cfg(test)]
mod tests;

use crate::canonical::{
    ChatRequest, ChatResponse, CompletionRequest, CompletionResponse, EmbeddingRequest, EmbeddingResponse,
    Failure, Losses,
};
use crate::dialect::{ChatCodec, CompletionCodec, Dialect, EmbeddingCodec, ErrorReply, ModelTraits};
use crate::mlflow_contract::body;
use crate::mlflow_contract::error::{self, Contract};
use crate::openai_chat::{self, usage};
use crate::raw::Peek;
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter};
use crate::{openai_completions, openai_embeddings};

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

    fn encode_error(&self, failure: &Failure, _request_id: &str) -> ErrorReply {
        error::reply(failure, Contract::Endpoints)
    }
}

impl ChatCodec for MlflowEndpoints {
    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest, Failure> {
        request::decode_chat(body)
    }

    fn encode_request(
        &self,
        request: &ChatRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        Ok(request::encode_chat(request, model, losses))
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        openai_chat::response::decode(body)
    }

    fn encode_response(&self, response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode_chat(response, losses)
    }

    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        Some(stream::decoder())
    }

    fn stream_encoder(&self, include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream::ChatEncoder::new(include_usage)))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        usage::meter(streamed)
    }
}

impl CompletionCodec for MlflowEndpoints {
    fn decode_request(&self, body: &[u8]) -> Result<CompletionRequest, Failure> {
        request::decode_completion(body)
    }

    fn encode_request(
        &self,
        request: &CompletionRequest,
        _model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        request::encode_completion(request, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<CompletionResponse, Failure> {
        openai_completions::response::decode(body)
    }

    fn encode_response(&self, response: &CompletionResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode_completion(response, losses)
    }

    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        Some(stream::decoder())
    }

    fn stream_encoder(&self, include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream::TextEncoder::new(include_usage)))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        usage::meter(streamed)
    }
}

impl EmbeddingCodec for MlflowEndpoints {
    fn decode_request(&self, body: &[u8]) -> Result<EmbeddingRequest, Failure> {
        request::decode_embedding(body)
    }

    fn encode_request(
        &self,
        request: &EmbeddingRequest,
        _model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        Ok(request::encode_embedding(request, losses))
    }

    fn decode_response(&self, body: &[u8]) -> Result<EmbeddingResponse, Failure> {
        openai_embeddings::response::decode(body)
    }

    fn encode_response(&self, response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode_embedding(response, losses)
    }

    fn meter(&self) -> Box<dyn UsageMeter> {
        usage::meter(false)
    }
}
