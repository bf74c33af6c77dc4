//! The REST contract of MLflow 2.5 to 2.8: `POST /gateway/{name}/invocations`.
//!
//! Temperatures run from 0 to 1, the number of answers is `candidate_count`, answers are `candidates`, and nothing
//! streams.

mod request;
mod response;

#[cfg(test)]
mod tests;

use crate::canonical::{
    ChatRequest, ChatResponse, CompletionRequest, CompletionResponse, EmbeddingRequest, EmbeddingResponse,
    Failure, Losses,
};
use crate::dialect::{ChatCodec, CompletionCodec, Dialect, EmbeddingCodec, ErrorReply, ModelTraits};
use crate::mlflow_contract::body;
use crate::mlflow_contract::error::{self, Contract};
use crate::raw::Peek;
use crate::stream::{UsageMeter, WholeMeter};

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

    fn encode_error(&self, failure: &Failure, _request_id: &str) -> ErrorReply {
        error::reply(failure, Contract::Classic)
    }
}

impl ChatCodec for MlflowRoutes {
    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest, Failure> {
        request::decode_chat(body)
    }

    fn encode_request(
        &self,
        request: &ChatRequest,
        _model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        Ok(request::encode_chat(request, losses))
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        response::decode_chat(body)
    }

    fn encode_response(&self, response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode_chat(response, losses)
    }

    fn meter(&self, _streamed: bool) -> Box<dyn UsageMeter> {
        meter()
    }
}

impl CompletionCodec for MlflowRoutes {
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
        response::decode_completion(body)
    }

    fn encode_response(&self, response: &CompletionResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode_completion(response, losses)
    }

    fn meter(&self, _streamed: bool) -> Box<dyn UsageMeter> {
        meter()
    }
}

impl EmbeddingCodec for MlflowRoutes {
    fn decode_request(&self, body: &[u8]) -> Result<EmbeddingRequest, Failure> {
        request::decode_embedding(body)
    }

    fn encode_request(
        &self,
        request: &EmbeddingRequest,
        _model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        request::encode_embedding(request, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<EmbeddingResponse, Failure> {
        response::decode_embedding(body)
    }

    fn encode_response(&self, response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode_embedding(response, losses)
    }

    fn meter(&self) -> Box<dyn UsageMeter> {
        meter()
    }
}

fn meter() -> Box<dyn UsageMeter> {
    WholeMeter::boxed(&[("metadata", response::usage)])
}
