//! MLflow's scoring server, `POST /invocations`: a served model with `inputs`, `params` and `predictions`.

mod errors;
mod request;
mod response;

use crate::canonical::{
    ChatRequest, ChatResponse, CompletionRequest, CompletionResponse, EmbeddingRequest, EmbeddingResponse,
    Failure, Losses,
};
use crate::dialect::{ChatCodec, CompletionCodec, Dialect, EmbeddingCodec, ErrorReply, ModelTraits};
use crate::stream::{UsageMeter, WholeMeter};

/// MLflow's scoring server. It does not stream and counts no tokens.
pub(crate) struct MlflowServing;

impl Dialect for MlflowServing {
    fn name(&self) -> &'static str {
        "mlflow_serving"
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
        errors::encode(failure)
    }
}

impl ChatCodec for MlflowServing {
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

    fn meter(&self, _streamed: bool) -> Box<dyn UsageMeter> {
        WholeMeter::boxed(&[])
    }
}

impl CompletionCodec for MlflowServing {
    fn decode_request(&self, body: &[u8]) -> Result<CompletionRequest, Failure> {
        request::decode_completion(body)
    }

    fn encode_request(
        &self,
        request: &CompletionRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        Ok(request::encode_completion(request, model, losses))
    }

    fn decode_response(&self, body: &[u8]) -> Result<CompletionResponse, Failure> {
        response::decode_completion(body)
    }

    fn encode_response(&self, response: &CompletionResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode_completion(response, losses)
    }

    fn meter(&self, _streamed: bool) -> Box<dyn UsageMeter> {
        WholeMeter::boxed(&[])
    }
}

impl EmbeddingCodec for MlflowServing {
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
        WholeMeter::boxed(&[])
    }
}
