//! Google's Gemini API, `models/{model}:generateContent` and `:streamGenerateContent`.
//!
//! The paths say the model and whether the answer is streamed, so the bodies do not. A stream is server-sent events
//! where the query has `alt=sse`, and else one JSON list that grows: [`GEMINI`] and [`GEMINI_ARRAY`].

pub(crate) mod errors;
pub(crate) mod fields;

mod framing;
mod media;
mod parts;
mod reasons;
mod request;
mod response;
mod schema;
mod stream;
mod usage;

use crate::canonical::{ChatRequest, ChatResponse, Failure, Losses, Signature, UpstreamError};
use crate::dialect::{ChatCodec, Dialect, ErrorReply, ModelTraits};
use crate::raw::Bound;
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter};
use framing::Framing;

/// Whose thought signatures these are: every service that serves Gemini takes them.
const FAMILY: &str = "gemini";

/// Google's Gemini API, streamed as server-sent events.
pub(crate) static GEMINI: Gemini = Gemini { name: "gemini", framing: Framing::Sse };

/// The same, streamed as a list.
pub(crate) static GEMINI_ARRAY: Gemini = Gemini { name: "gemini_array", framing: Framing::Array };

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

/// Reads a thought signature that a client sends back.
fn returned(text: String) -> Signature {
    Signature::read(FAMILY, text)
}

/// Reads a thought signature that a provider made.
fn made(text: String) -> Signature {
    Signature::made_by(FAMILY, text)
}
