//! Google's Gemini API, `models/{model}:generateContent` and `:streamGenerateContent`.
//!
//! The paths say the model and whether the answer is streamed, so the bodies do not. A stream is server-sent events
//! where the query has `alt=sse`, and else one JSON list that grows: [`GEMINI`] and [`GEMINI_ARRAY`]. Embeddings are
//! asked for one by one with `:embedContent`, which [`GEMINI`] has too, or together: [`GEMINI_BATCH`].

mod embed;
mod errors;
mod fields;
mod framing;
mod media;
mod parts;
mod reasons;
mod request;
mod response;
mod schema;
mod stream;
mod usage;

use crate::canonical::{
    ChatRequest, ChatResponse, EmbeddingRequest, EmbeddingResponse, Failure, Losses, Signature, UpstreamError,
};
use crate::dialect::{ChatCodec, Dialect, EmbeddingCodec, ErrorReply, ModelTraits};
use crate::raw::{Bound, Edit};
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter, WholeMeter};
use bytes::Bytes;
use framing::Framing;

/// Whose thought signatures these are: every service that serves Gemini takes them.
const FAMILY: &str = "gemini";

/// Google's Gemini API, streamed as server-sent events.
pub(crate) static GEMINI: Gemini = Gemini { name: "gemini", framing: Framing::Sse };

/// The same, streamed as a list.
pub(crate) static GEMINI_ARRAY: Gemini = Gemini { name: "gemini_array", framing: Framing::Array };

/// Embeddings of several contents.
pub(crate) static GEMINI_BATCH: GeminiBatch = GeminiBatch;

/// Google's Gemini API, in one of its framings.
pub(crate) struct Gemini {
    name: &'static str,
    framing: Framing,
}

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        self.name
    }

    fn chat(&self) -> Option<&dyn ChatCodec> {
        Some(self)
    }

    fn embed(&self) -> Option<&dyn EmbeddingCodec> {
        Some(self)
    }

    /// The service has one type for its streams and one for everything else, lists that grow among it.
    fn stream_type(&self) -> &'static str {
        match self.framing {
            Framing::Sse => "text/event-stream",
            Framing::Array => "application/json; charset=UTF-8",
        }
    }

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        errors::decode(status, content_type, body)
    }

    /// ProtoJSON takes both spellings of a name.
    fn bound(&self) -> Bound {
        Bound {
            within: &["generationConfig", "generation_config"],
            tokens: &["maxOutputTokens", "max_output_tokens"],
            answers: &["candidateCount", "candidate_count"],
        }
    }

    fn count(&self, tokens: u64) -> Option<Vec<u8>> {
        Some(format!("{{\"totalTokens\":{tokens}}}").into_bytes())
    }

    fn encode_error(&self, failure: &Failure, _request_id: &str) -> ErrorReply {
        errors::encode(failure)
    }
}

impl ChatCodec for Gemini {
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
        Some(Box::new(stream::Decoder::new(self.framing)))
    }

    /// Streams of this API always carry usage.
    fn stream_encoder(&self, _include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        Some(Box::new(stream::Encoder::new(self.framing)))
    }

    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter> {
        usage::meter(streamed.then_some(self.framing))
    }
}

impl EmbeddingCodec for Gemini {
    fn decode_request(&self, body: &[u8]) -> Result<EmbeddingRequest, Failure> {
        embed::decode_one(body)
    }

    fn encode_request(
        &self,
        request: &EmbeddingRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        embed::encode_one(request, model, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<EmbeddingResponse, Failure> {
        embed::decode_response(body)
    }

    fn encode_response(&self, response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
        embed::encode_one_response(response, losses)
    }

    fn meter(&self) -> Box<dyn UsageMeter> {
        WholeMeter::boxed(&[("usageMetadata", usage::read)])
    }
}

/// `models/{model}:batchEmbedContents`.
pub(crate) struct GeminiBatch;

impl Dialect for GeminiBatch {
    fn name(&self) -> &'static str {
        "gemini_batch"
    }

    fn embed(&self) -> Option<&dyn EmbeddingCodec> {
        Some(self)
    }

    fn name_within(&self, body: &Bytes, model: &str) -> Option<Edit<'static>> {
        embed::name_within(body, model)
    }

    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        errors::decode(status, content_type, body)
    }

    fn encode_error(&self, failure: &Failure, _request_id: &str) -> ErrorReply {
        errors::encode(failure)
    }
}

impl EmbeddingCodec for GeminiBatch {
    fn decode_request(&self, body: &[u8]) -> Result<EmbeddingRequest, Failure> {
        embed::decode_batch(body)
    }

    fn encode_request(
        &self,
        request: &EmbeddingRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        embed::encode_batch(request, model, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<EmbeddingResponse, Failure> {
        embed::decode_response(body)
    }

    fn encode_response(&self, response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
        embed::encode_batch_response(response, losses)
    }

    fn meter(&self) -> Box<dyn UsageMeter> {
        WholeMeter::boxed(&[("usageMetadata", usage::read)])
    }
}

/// Reads a thought signature. One of another family is marked, also when a gateway stands before the provider.
fn signature(text: String) -> Signature {
    Signature::read(FAMILY, text)
}
