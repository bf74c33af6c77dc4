//! Anthropic's Messages API, `POST /v1/messages`.

pub(crate) mod errors;
pub(crate) mod parameters;

mod blocks;
mod request;
mod response;
mod stream;
mod tools;
mod usage;

pub(crate) use request::Thought;

use crate::canonical::{ChatRequest, ChatResponse, Failure, Losses};
use crate::dialect::{ChatCodec, Dialect, ErrorReply, LimitHeaders, ModelTraits};
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter};

/// Whose signatures these are: every service that serves Claude takes them.
pub(crate) const FAMILY: &str = "anthropic";

/// Anthropic's Messages API.
pub(crate) struct AnthropicMessages;

impl Dialect for AnthropicMessages {
    fn name(&self) -> &'static str {
        "anthropic_messages"
    }

    fn chat(&self) -> Option<&dyn ChatCodec> {
        Some(self)
    }

    fn headers(&self) -> &'static [&'static str] {
        &["anthropic-beta"]
    }

    fn limit_headers(&self) -> Option<LimitHeaders> {
        Some(LimitHeaders::Anthropic)
    }

    fn count(&self, tokens: u64) -> Option<Vec<u8>> {
        Some(format!("{{\"input_tokens\":{tokens}}}").into_bytes())
    }

    fn encode_error(&self, failure: &Failure, request_id: &str) -> ErrorReply {
        errors::encode(failure, request_id)
    }
}

impl ChatCodec for AnthropicMessages {
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
