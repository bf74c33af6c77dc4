//! Amazon Bedrock's Converse API, `POST /model/{model}/converse` and `…/converse-stream`.

mod blocks;
mod cache;
mod errors;
mod media;
mod request;
mod response;
mod stream;
mod tools;
mod usage;

use crate::canonical::{ChatRequest, ChatResponse, Failure, Losses, UpstreamError};
use crate::dialect::{ChatCodec, Dialect, ErrorReply, ModelTraits};
use crate::framing::eventstream;
use crate::raw::Bound;
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter};

/// Why a field of another API is lost.
const NO_SUCH_FIELD: &str = "Bedrock's Converse API has no such field";

/// Bedrock's Converse API. Model and stream stand in the path, so that bodies have neither.
pub(crate) struct BedrockConverse;

impl Dialect for BedrockConverse {
    fn name(&self) -> &'static str {
        "bedrock_converse"
    }

    fn chat(&self) -> Option<&dyn ChatCodec> {
        Some(self)
    }

    fn bound(&self) -> Bound {
        Bound { within: &["inferenceConfig"], tokens: &["maxTokens"], answers: &[] }
    }

    fn stream_type(&self) -> &'static str {
        eventstream::CONTENT_TYPE
    }

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        errors::decode(status, content_type, body)
    }

    fn encode_error(&self, failure: &Failure, _request_id: &str) -> ErrorReply {
        errors::encode(failure)
    }

    fn error_kind_header(&self) -> Option<&'static str> {
        Some("x-amzn-errortype")
    }

    fn error_kind(&self, failure: &Failure) -> &'static str {
        errors::kind(failure)
    }
}

impl ChatCodec for BedrockConverse {
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
        if streamed { Box::new(stream::Meter::default()) } else { usage::meter() }
    }
}
