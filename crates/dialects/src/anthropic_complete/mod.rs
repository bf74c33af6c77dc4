//! Anthropic's retired text completion API, `POST /v1/complete`, which MLflow's completion routes still speak.

mod request;
mod response;
mod stream;

use crate::anthropic;
use crate::canonical::{CompletionRequest, CompletionResponse, Failure, Losses, UpstreamError};
use crate::dialect::{CompletionCodec, Dialect, ErrorReply, ModelTraits};
use crate::object::Misread;
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter};
use crate::whole_meter::WholeMeter;

/// Anthropic's `/v1/complete`.
pub(crate) struct AnthropicComplete;

impl Dialect for AnthropicComplete {
    fn name(&self) -> &'static str {
        "anthropic_complete"
    }

    fn complete(&self) -> Option<&dyn CompletionCodec> {
        Some(self)
    }

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        UpstreamError::read(status, content_type, body)
    }

    fn encode_error(&self, failure: &Failure, request_id: &str) -> ErrorReply {
        anthropic::encode_error(failure, request_id)
    }
}

impl CompletionCodec for AnthropicComplete {
    fn decode_request(&self, body: &[u8]) -> Result<CompletionRequest, Failure> {
        request::decode(body).map_err(Misread::blame_caller)
    }

    fn encode_request(
        &self,
        request: &CompletionRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        request::encode(request, model, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<CompletionResponse, Failure> {
        response::decode(body)
    }

    fn encode_response(&self, response: &CompletionResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode(response, losses)
    }

    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        Some(Box::new(stream::Decoder::default()))
    }

    fn stream_encoder(&self, _include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream::Encoder::default()))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        if streamed { Box::new(stream::Meter::default()) } else { WholeMeter::boxed(|_| None) }
    }
}
