//! Anthropic's Messages API, `POST /v1/messages`.

mod blocks;
mod decode_request;
mod encode_request;
mod response;
mod stream_decoder;
mod stream_encoder;
mod tools;
mod turns;
mod usage;

use crate::anthropic;
use crate::canonical::{ChatRequest, ChatResponse, Failure, Losses, UpstreamError};
use crate::dialect::{ChatCodec, Dialect, ErrorReply, ModelTraits};
use crate::object::Misread;
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter};
use crate::whole_meter::WholeMeter;

/// Anthropic's Messages API.
pub(crate) struct AnthropicMessages;

impl Dialect for AnthropicMessages {
    fn name(&self) -> &'static str {
        "anthropic_messages"
    }

    fn chat(&self) -> Option<&dyn ChatCodec> {
        Some(self)
    }

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        UpstreamError::read(status, content_type, body)
    }

    fn encode_error(&self, failure: &Failure, request_id: &str) -> ErrorReply {
        anthropic::encode_error(failure, request_id)
    }
}

impl ChatCodec for AnthropicMessages {
    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest, Failure> {
        decode_request::decode(body).map_err(Misread::blame_caller)
    }

    fn encode_request(
        &self,
        request: &ChatRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        Ok(encode_request::encode(request, model, losses))
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        response::decode(body)
    }

    fn encode_response(&self, response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode(response, losses)
    }

    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        Some(Box::new(stream_decoder::Decoder::default()))
    }

    /// Streams of this API always carry usage.
    fn stream_encoder(&self, _include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream_encoder::Encoder::default()))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        if streamed { Box::new(usage::StreamMeter::default()) } else { WholeMeter::boxed(usage::of_body) }
    }
}
