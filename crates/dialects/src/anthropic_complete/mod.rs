//! Anthropic's retired text completion API, `POST /v1/complete`, which MLflow's completion routes still speak.

mod request;
mod response;
mod stream;

use crate::anthropic_messages::errors;
use crate::canonical::{CompletionRequest, CompletionResponse, Failure, Losses};
use crate::dialect::{CompletionCodec, Dialect, ErrorReply, LimitHeaders, ModelTraits};
use crate::raw::Bound;
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter, WholeMeter};

/// Anthropic's `/v1/complete`.
pub(crate) struct AnthropicComplete;

impl Dialect for AnthropicComplete {
    fn name(&self) -> &'static str {
        "anthropic_complete"
    }

    fn complete(&self) -> Option<&dyn CompletionCodec> {
        Some(self)
    }

    fn bound(&self) -> Bound {
        Bound { tokens: &["max_tokens_to_sample"], answers: &[], ..Bound::COMMON }
    }

    fn limit_headers(&self) -> Option<LimitHeaders> {
        Some(LimitHeaders::Anthropic)
    }

    fn encode_error(&self, failure: &Failure, request_id: &str) -> ErrorReply {
        errors::encode(failure, request_id)
    }
}

impl CompletionCodec for AnthropicComplete {
    fn decode_request(&self, body: &[u8]) -> Result<CompletionRequest, Failure> {
        request::decode(body)
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
        if streamed { Box::new(stream::Meter::default()) } else { WholeMeter::boxed(&[]) }
    }
}
