//! MLflow's scoring server, `POST /invocations`: a served model with `inputs`, `params` and `predictions`.

mod request;
mod response;

use crate::canonical::{
    ChatRequest, ChatResponse, Class, CompletionRequest, CompletionResponse, EmbeddingRequest,
    EmbeddingResponse, Failure, Losses, UpstreamError,
};
use crate::dialect::{ChatCodec, CompletionCodec, Dialect, EmbeddingCodec, ErrorReply, ModelTraits};
use crate::object::{Misread, bytes_of};
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter};
use crate::whole_meter::WholeMeter;

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

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        UpstreamError::read(status, content_type, body)
    }

    fn encode_error(&self, failure: &Failure, _request_id: &str) -> ErrorReply {
        let status = failure.class.status();
        let code = match failure.class {
            Class::InvalidRequest | Class::RefusedParameter(_) => "INVALID_PARAMETER_VALUE",
            Class::PathNotFound | Class::RouteNotFound | Class::UpstreamModelNotFound => {
                "RESOURCE_DOES_NOT_EXIST"
            }
            Class::Authentication => "UNAUTHENTICATED",
            Class::Permission => "PERMISSION_DENIED",
            Class::RateLimited | Class::UpstreamRateLimited => "REQUEST_LIMIT_EXCEEDED",
            Class::NotImplemented { .. } => "NOT_IMPLEMENTED",
            Class::UpstreamOverloaded | Class::Draining => "TEMPORARILY_UNAVAILABLE",
            _ if status < 500 => "BAD_REQUEST",
            _ => "INTERNAL_ERROR",
        };
        let body = serde_json::json!({ "error_code": code, "message": failure.sentence() });
        ErrorReply { status, body: bytes_of(&body) }
    }
}

impl ChatCodec for MlflowServing {
    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest, Failure> {
        request::decode_chat(body).map_err(Misread::blame_caller)
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
        None
    }

    fn stream_encoder(&self, _include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        None
    }

    fn meter(&self, _streamed: bool) -> Box<dyn UsageMeter> {
        WholeMeter::boxed(|_| None)
    }
}

impl CompletionCodec for MlflowServing {
    fn decode_request(&self, body: &[u8]) -> Result<CompletionRequest, Failure> {
        request::decode_completion(body).map_err(Misread::blame_caller)
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

    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        None
    }

    fn stream_encoder(&self, _include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        None
    }

    fn meter(&self, _streamed: bool) -> Box<dyn UsageMeter> {
        WholeMeter::boxed(|_| None)
    }
}

impl EmbeddingCodec for MlflowServing {
    fn decode_request(&self, body: &[u8]) -> Result<EmbeddingRequest, Failure> {
        request::decode_embedding(body).map_err(Misread::blame_caller)
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
        response::decode_embedding(body)
    }

    fn encode_response(&self, response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode_embedding(response, losses)
    }

    fn meter(&self) -> Box<dyn UsageMeter> {
        WholeMeter::boxed(|_| None)
    }
}
