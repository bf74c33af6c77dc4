//! Ollama's own API: `POST /api/chat` and `POST /api/embed`.

mod calls;
mod created;
mod embed;
mod message;
mod request;
mod response;
mod stream;
mod usage;

use crate::canonical::{ChatRequest, ChatResponse, EmbeddingRequest, EmbeddingResponse, Failure, Losses};
use crate::dialect::{ChatCodec, Dialect, EmbeddingCodec, ErrorReply, ModelTraits};
use crate::raw::{Bound, Object, Peek, to_bytes};
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter};

/// Why a field of another API is lost.
const NO_SUCH_FIELD: &str = "Ollama's API has no such field";

/// Ollama's own API.
pub(crate) struct Ollama;

impl Dialect for Ollama {
    fn name(&self) -> &'static str {
        "ollama"
    }

    /// A chat is streamed unless the body says no; embeddings never are.
    fn peek(&self, body: &[u8]) -> Result<Peek, Failure> {
        let mut peek = Peek::of(body)?;
        let object = Object::parse(body).unwrap_or_default();
        let embeds = object.get("input").is_some();
        peek.stream = !embeds && object.get("stream").is_none_or(|stream| stream.get() != "false");
        Ok(peek)
    }

    fn stream_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn bound(&self) -> Bound {
        Bound { within: &["options"], tokens: &["num_predict"], answers: &[] }
    }

    fn chat(&self) -> Option<&dyn ChatCodec> {
        Some(self)
    }

    fn embed(&self) -> Option<&dyn EmbeddingCodec> {
        Some(self)
    }

    fn encode_error(&self, failure: &Failure, _request_id: &str) -> ErrorReply {
        ErrorReply { status: failure.class.status(), body: to_bytes(&error_of(failure)) }
    }
}

/// An error's JSON, as an answer's body and as a stream's last line.
fn error_of(failure: &Failure) -> serde_json::Value {
    serde_json::json!({ "error": failure.sentence() })
}

impl ChatCodec for Ollama {
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

impl EmbeddingCodec for Ollama {
    fn decode_request(&self, body: &[u8]) -> Result<EmbeddingRequest, Failure> {
        embed::decode_request(body)
    }

    fn encode_request(
        &self,
        request: &EmbeddingRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure> {
        embed::encode_request(request, model, losses)
    }

    fn decode_response(&self, body: &[u8]) -> Result<EmbeddingResponse, Failure> {
        embed::decode_response(body)
    }

    fn encode_response(&self, response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
        embed::encode_response(response, losses)
    }

    fn meter(&self) -> Box<dyn UsageMeter> {
        usage::meter(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Class;

    #[test]
    fn a_chat_streams_unless_it_says_no_and_embeddings_never_do() {
        let peek = |body: &str| Ollama.peek(body.as_bytes()).expect("an object");
        assert!(peek(r#"{"model":"m","messages":[]}"#).stream);
        assert!(peek(r#"{"messages":[],"stream":null}"#).stream);
        assert!(!peek(r#"{"messages":[],"stream":false}"#).stream);
        assert!(!peek(r#"{"input":"x"}"#).stream);
    }

    #[test]
    fn the_limit_of_tokens_stands_among_the_options() {
        let most = |body: &str| Ollama.bound().read(body.as_bytes());
        assert_eq!(most(r#"{"options":{"num_predict":7}}"#), Some(7));
        assert_eq!(most(r#"{"num_predict":7,"options":{"num_predict":-1}}"#), None);
    }

    #[test]
    fn an_error_is_a_string_on_both_sides() {
        let reply = Ollama.encode_error(&Failure::new(Class::RouteNotFound, "m"), "id");
        assert_eq!((reply.status, reply.body.as_slice()), (404, &br#"{"error":"m"}"#[..]));
        let error = Ollama.decode_error(404, Some("application/json"), &reply.body);
        assert_eq!(error.message, "m");
    }
}
