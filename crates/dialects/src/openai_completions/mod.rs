//! OpenAI's legacy text completions, `POST /completions`.

mod request;
pub(crate) mod response;
mod stream;

use crate::canonical::{CompletionRequest, CompletionResponse, Failure, Losses, UpstreamError};
use crate::openai_chat::stream::{ChunkDecoder, UsageCut, ask_usage};
use crate::openai_chat::{errors, usage};
use crate::raw::{Edit, Peek};
use crate::stream::{StreamCut, StreamDecoder, StreamEncoder, UsageMeter};
use crate::{CompletionCodec, Dialect, ErrorReply, ModelTraits};
use bytes::Bytes;

/// The dialect `openai_completions`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenAiCompletions;

impl Dialect for OpenAiCompletions {
    fn name(&self) -> &'static str {
        "openai_completions"
    }

    fn complete(&self) -> Option<&dyn CompletionCodec> {
        Some(self)
    }

    fn ask_usage(&self, body: &Bytes, peek: &Peek) -> Option<Edit<'static>> {
        ask_usage(body, peek)
    }

    fn usage_cut(&self) -> Option<Box<dyn StreamCut>> {
        Some(Box::new(UsageCut::new()))
    }

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        errors::decode(status, content_type, body)
    }

    fn encode_error(&self, failure: &Failure, request_id: &str) -> ErrorReply {
        errors::encode(failure, request_id)
    }
}

impl CompletionCodec for OpenAiCompletions {
    fn decode_request(&self, body: &[u8]) -> Result<CompletionRequest, Failure> {
        request::decode(body)
    }

    fn encode_request(
        &self,
        request: &CompletionRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        Ok(request::encode(request, model, losses))
    }

    fn decode_response(&self, body: &[u8]) -> Result<CompletionResponse, Failure> {
        response::decode(body)
    }

    fn encode_response(&self, response: &CompletionResponse, _losses: &mut Losses) -> Vec<u8> {
        response::encode(response)
    }

    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        Some(Box::new(ChunkDecoder::new()))
    }

    fn stream_encoder(&self, include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream::TextEncoder::new(include_usage)))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        usage::meter(streamed)
    }
}
