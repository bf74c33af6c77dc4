//! OpenAI's chat API, `POST /chat/completions`, which many providers speak too.
//!
//! The modules are public for the dialects of the same family, whose bodies have the same parts.

pub(crate) mod errors;
pub(crate) mod media;
pub(crate) mod message;
pub(crate) mod reasoning;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod sampling;
pub(crate) mod stream;
pub(crate) mod tools;
pub(crate) mod usage;

mod body;
#[cfg(test)]
mod tests;

pub(crate) use body::Body;

use crate::canonical::{ChatRequest, ChatResponse, Failure, Losses, Signature, UpstreamError};
use crate::raw::{Edit, Object, Peek};
use crate::stream::{StreamCut, StreamDecoder, StreamEncoder, UsageMeter};
use crate::{ChatCodec, Dialect, ErrorReply, ModelTraits};
use bytes::Bytes;

/// Whose signatures these are.
pub(crate) const FAMILY: &str = "openai";

/// A signature that a provider of this family made.
pub(crate) fn made_here(text: String) -> Signature {
    Signature::made_by(FAMILY, text)
}

/// A signature that a client of this family sends back.
fn kept_here(text: String) -> Signature {
    Signature::read(FAMILY, text)
}

/// The dialect `openai_chat`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenAiChat;

impl Dialect for OpenAiChat {
    fn name(&self) -> &'static str {
        "openai_chat"
    }

    fn chat(&self) -> Option<&dyn ChatCodec> {
        Some(self)
    }

    fn ask_usage(&self, body: &Bytes, peek: &Peek) -> Option<Edit<'static>> {
        stream::ask_usage(body, peek)
    }

    fn usage_cut(&self) -> Option<Box<dyn StreamCut>> {
        Some(Box::new(stream::UsageCut::new()))
    }

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        errors::decode(status, content_type, body)
    }

    fn encode_error(&self, failure: &Failure, request_id: &str) -> ErrorReply {
        errors::encode(failure, request_id)
    }
}

impl ChatCodec for OpenAiChat {
    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest, Failure> {
        request::from_object(Object::of_request(body)?, false)
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
        Some(Box::new(stream::ChunkDecoder::new()))
    }

    fn stream_encoder(&self, include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream::ChunkEncoder::new(include_usage)))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        usage::meter(streamed)
    }
}
