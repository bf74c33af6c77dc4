//! OpenAI's Responses API, `POST /v1/responses`.
//!
//! Nothing is stored between calls: the whole conversation stands in `input`, and what needs an earlier response is
//! refused by name.

mod content;
mod custom;
mod output;
mod request;
mod response;
mod stream;
mod usage;

use crate::canonical::{ChatRequest, ChatResponse, Failure, Losses, UpstreamError};
use crate::dialect::{ChatCodec, Dialect, ErrorReply, ModelTraits};
use crate::openai_chat::errors;
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter};

/// Why a field of another API is lost.
const NO_SUCH_FIELD: &str = "OpenAI's Responses API has no such field";

/// OpenAI's Responses API.
pub(crate) struct OpenAiResponses;

impl Dialect for OpenAiResponses {
    fn name(&self) -> &'static str {
        "openai_responses"
    }

    fn chat(&self) -> Option<&dyn ChatCodec> {
        Some(self)
    }

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        errors::decode(status, content_type, body)
    }

    fn encode_error(&self, failure: &Failure, request_id: &str) -> ErrorReply {
        errors::encode(failure, request_id)
    }
}

impl ChatCodec for OpenAiResponses {
    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest, Failure> {
        request::decode(body)
    }

    fn encode_request(
        &self,
        request: &ChatRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        Ok(request::encode(request, model, losses))
    }

    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure> {
        response::decode(body)
    }

    fn encode_response(&self, response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
        response::encode(response, losses)
    }

    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        Some(Box::new(stream::Decoder::default()))
    }

    /// Streams of this API always carry usage.
    fn stream_encoder(&self, _include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream::Encoder::default()))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        usage::meter(streamed)
    }
}
