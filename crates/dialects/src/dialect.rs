//! What a dialect is, and the list of them.

use crate::canonical::{
    ChatRequest, ChatResponse, CompletionRequest, CompletionResponse, EmbeddingRequest, EmbeddingResponse,
    Failure, Losses, Operation, RerankRequest, RerankResponse, Sampling, UpstreamError,
};
use crate::raw::{Bound, Edit, Peek};
use crate::stream::{StreamCut, StreamDecoder, StreamEncoder, UsageMeter};
use bytes::Bytes;
use std::fmt;

/// The language of one API.
///
/// As a client's dialect it decodes requests and encodes answers; as a provider's it does the opposite. An operation
/// that the API lacks has no codec.
pub trait Dialect: Sync {
    /// The name that catalogue files and logs use, such as `openai_chat`.
    fn name(&self) -> &'static str;

    /// The facts that routing needs, read without parsing the rest of the body.
    ///
    /// # Errors
    /// A [`Failure`] that blames the caller when the body is not a JSON object or names a field twice.
    fn peek(&self, body: &[u8]) -> Result<Peek, Failure> {
        Peek::of(body)
    }

    /// The chat codec, if the API has chat.
    fn chat(&self) -> Option<&dyn ChatCodec> {
        None
    }

    /// The text completion codec, if the API has one.
    fn complete(&self) -> Option<&dyn CompletionCodec> {
        None
    }

    /// The embeddings codec, if the API has one.
    fn embed(&self) -> Option<&dyn EmbeddingCodec> {
        None
    }

    /// The ranking codec, if the API has one.
    fn rerank(&self) -> Option<&dyn RerankCodec> {
        None
    }

    /// What the API calls the number of answers wanted; MLflow's refusals and served models use the word.
    fn count_name(&self) -> &'static str {
        "n"
    }

    /// The content type of a stream.
    fn stream_type(&self) -> &'static str {
        "text/event-stream; charset=utf-8"
    }

    /// Request headers that change what a body means, in lower case. They go on to a provider of the same dialect.
    fn headers(&self) -> &'static [&'static str] {
        &[]
    }

    /// The edit that makes a stream's request ask for usage, where the API tells it only on request. `None` also where
    /// the client asks by itself.
    fn ask_usage(&self, body: &Bytes, peek: &Peek) -> Option<Edit<'static>> {
        let _ = (body, peek);
        None
    }

    /// The edit that names the model deep within a body, where the API wants its name there beside the path.
    fn name_within(&self, body: &Bytes, model: &str) -> Option<Edit<'static>> {
        let _ = (body, model);
        None
    }

    /// Takes out of a stream what the provider adds because of [`Dialect::ask_usage`].
    fn usage_cut(&self) -> Option<Box<dyn StreamCut>> {
        None
    }

    /// Where bodies limit the length of their answers.
    fn bound(&self) -> Bound {
        Bound::COMMON
    }

    /// How the API's servers tell what is left of a limit, beside the headers that most have.
    fn limit_headers(&self) -> Option<LimitHeaders> {
        None
    }

    /// The answer to a client that asked how many tokens its request has; `None` where the API does not count.
    fn count(&self, tokens: u64) -> Option<Vec<u8>> {
        let _ = tokens;
        None
    }

    /// Reads a provider's error answer. Never fails: what cannot be read becomes the message.
    fn decode_error(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> UpstreamError {
        UpstreamError::read(status, content_type, body)
    }

    /// Says a failure as the API's own server would, with the request's id where the API has a place for it.
    fn encode_error(&self, failure: &Failure, request_id: &str) -> ErrorReply;

    /// The header in which the API says of what kind an error is, where it has one.
    fn error_kind_header(&self) -> Option<&'static str> {
        None
    }

    /// What stands in that header for a failure.
    fn error_kind(&self, failure: &Failure) -> &'static str {
        let _ = failure;
        ""
    }

    /// Whether the dialect can serve `operation`.
    fn speaks(&self, operation: Operation) -> bool {
        match operation {
            Operation::Chat => self.chat().is_some(),
            Operation::Complete => self.complete().is_some(),
            Operation::Embed => self.embed().is_some(),
            Operation::Rerank => self.rerank().is_some(),
        }
    }
}

impl fmt::Debug for dyn Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Headers that tell what is left of a limit, other than `x-ratelimit-*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitHeaders {
    /// `anthropic-ratelimit-*`, with moments in place of durations.
    Anthropic,
}

/// An error in a dialect's own shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReply {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: Vec<u8>,
}

/// What a codec must know of the model that it writes for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelTraits {
    /// The model's name at the provider. `None` is written as `null`, as MLflow does for a route without a name.
    pub model: Option<String>,
    /// Whether the model stands elsewhere (an Azure deployment in the URL), so that the body leaves it out.
    pub model_in_url: bool,
    /// The provider's highest temperature, on which a unified scale is stretched. `None`: passed as given.
    pub temperature_max: Option<f64>,
    /// The provider refuses `stream_options`, with which others are asked for a stream's usage.
    pub refuses_stream_options: bool,
    /// Fields of OpenAI's newer APIs that the provider takes in its chat API, too. Others may refuse what they do not
    /// know.
    pub takes: std::sync::Arc<[String]>,
    /// A reasoning model: refuses sampling parameters that the client did not send itself and wants
    /// `max_completion_tokens` in place of `max_tokens`.
    pub reasoning: bool,
    /// The model reasons after a budget of tokens and knows no levels, as Gemini's did up to 2.5.
    pub budgets: bool,
    /// The model's own maximum of completion tokens, for dialects that require a limit.
    pub max_output_tokens: Option<u64>,
    /// What the caller's surface calls the number of answers (see [`Dialect::count_name`]).
    pub count_name: &'static str,
}

impl ModelTraits {
    /// The temperature to send, on the provider's scale; one outside its range becomes the nearest within, which is
    /// recorded. A reasoning model refuses any but its own, so that a mere default of the surface must not reach it.
    pub(crate) fn temperature(&self, sampling: &Sampling, losses: &mut Losses) -> Option<f64> {
        self.temperature_up_to(self.temperature_max, sampling, losses)
    }

    /// The same with `most` as the highest temperature, for a provider of which the catalogue does not say it.
    pub(crate) fn temperature_up_to(
        &self,
        most: Option<f64>,
        sampling: &Sampling,
        losses: &mut Losses,
    ) -> Option<f64> {
        let wanted = sampling.temperature.filter(|temperature| temperature.given || !self.reasoning)?;
        let sent = wanted.for_max(self.temperature_max);
        let Some(most) = most else { return Some(sent) };
        losses.add_if(sent > most, "temperature", "higher than the provider takes; its highest was sent");
        losses.add_if(sent < 0.0, "temperature", "lower than the provider takes; its lowest was sent");
        Some(sent.min(most).max(0.0))
    }
}

/// Chat: messages in, messages out.
pub trait ChatCodec: Sync {
    /// Reads a client's request.
    ///
    /// # Errors
    /// A [`Failure`] that names each wrong field.
    fn decode_request(&self, body: &[u8]) -> Result<ChatRequest, Failure>;

    /// Writes a request for a provider; what the dialect cannot say goes to `losses`.
    ///
    /// # Errors
    /// A [`Failure`] when the request cannot be said at all.
    fn encode_request(
        &self,
        request: &ChatRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure>;

    /// Reads a provider's answer.
    ///
    /// # Errors
    /// A [`Failure`] that blames the upstream.
    fn decode_response(&self, body: &[u8]) -> Result<ChatResponse, Failure>;

    /// Writes an answer for a client. `created` and `model` are set by then.
    fn encode_response(&self, response: &ChatResponse, losses: &mut Losses) -> Vec<u8>;

    /// A decoder for a provider's stream; `None` when the API cannot stream.
    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        None
    }

    /// An encoder for a client's stream; `None` when the API cannot stream. `include_usage` says whether the client
    /// asked for usage at its end; dialects that always send usage ignore it.
    fn stream_encoder(&self, include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        let _ = include_usage;
        None
    }

    /// Reads usage from an answer or stream whose bytes pass.
    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter>;
}

/// Text completion: a prompt in, text out. Streams carry the same events as chat, with text blocks only.
pub trait CompletionCodec: Sync {
    /// See [`ChatCodec::decode_request`].
    ///
    /// # Errors
    /// A [`Failure`] that names each wrong field.
    fn decode_request(&self, body: &[u8]) -> Result<CompletionRequest, Failure>;

    /// See [`ChatCodec::encode_request`].
    ///
    /// # Errors
    /// A [`Failure`] when the request cannot be said at all.
    fn encode_request(
        &self,
        request: &CompletionRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure>;

    /// See [`ChatCodec::decode_response`].
    ///
    /// # Errors
    /// A [`Failure`] that blames the upstream.
    fn decode_response(&self, body: &[u8]) -> Result<CompletionResponse, Failure>;

    /// See [`ChatCodec::encode_response`].
    fn encode_response(&self, response: &CompletionResponse, losses: &mut Losses) -> Vec<u8>;

    /// A decoder for a provider's stream; `None` when the API cannot stream.
    fn stream_decoder(&self) -> Option<Box<dyn StreamDecoder>> {
        None
    }

    /// An encoder for a client's stream; `None` when the API cannot stream. `include_usage` says whether the client
    /// asked for usage at its end; dialects that always send usage ignore it.
    fn stream_encoder(&self, include_usage: bool) -> Option<Box<dyn StreamEncoder>> {
        let _ = include_usage;
        None
    }

    /// Reads usage from an answer or stream whose bytes pass.
    fn meter(&self, streamed: bool) -> Box<dyn UsageMeter>;
}

/// Embeddings: texts in, vectors out.
pub trait EmbeddingCodec: Sync {
    /// See [`ChatCodec::decode_request`].
    ///
    /// # Errors
    /// A [`Failure`] that names each wrong field.
    fn decode_request(&self, body: &[u8]) -> Result<EmbeddingRequest, Failure>;

    /// See [`ChatCodec::encode_request`].
    ///
    /// # Errors
    /// A [`Failure`] when the request cannot be said at all.
    fn encode_request(
        &self,
        request: &EmbeddingRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure>;

    /// See [`ChatCodec::decode_response`].
    ///
    /// # Errors
    /// A [`Failure`] that blames the upstream.
    fn decode_response(&self, body: &[u8]) -> Result<EmbeddingResponse, Failure>;

    /// See [`ChatCodec::encode_response`].
    fn encode_response(&self, response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8>;

    /// Reads usage from an answer whose bytes pass.
    fn meter(&self) -> Box<dyn UsageMeter>;
}

/// Ranking: a query and documents in, the best documents out.
pub trait RerankCodec: Sync {
    /// See [`ChatCodec::decode_request`].
    ///
    /// # Errors
    /// A [`Failure`] that names each wrong field.
    fn decode_request(&self, body: &[u8]) -> Result<RerankRequest, Failure>;

    /// See [`ChatCodec::encode_request`].
    ///
    /// # Errors
    /// A [`Failure`] when the request cannot be said at all.
    fn encode_request(
        &self,
        request: &RerankRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Result<Vec<u8>, Failure>;

    /// See [`ChatCodec::decode_response`].
    ///
    /// # Errors
    /// A [`Failure`] that blames the upstream.
    fn decode_response(&self, body: &[u8]) -> Result<RerankResponse, Failure>;

    /// See [`ChatCodec::encode_response`].
    fn encode_response(&self, response: &RerankResponse, losses: &mut Losses) -> Vec<u8>;

    /// Reads usage from an answer whose bytes pass.
    fn meter(&self) -> Box<dyn UsageMeter>;
}

/// Every dialect, in the order of the documentation.
static DIALECTS: &[&dyn Dialect] = &[
    &crate::openai_chat::OpenAiChat,
    &crate::openai_completions::OpenAiCompletions,
    &crate::openai_embeddings::OpenAiEmbeddings,
    &crate::openai_responses::OpenAiResponses,
    &crate::mlflow_routes::MlflowRoutes,
    &crate::mlflow_endpoints::MlflowEndpoints,
    &crate::anthropic_messages::AnthropicMessages,
    &crate::anthropic_complete::AnthropicComplete,
    &crate::cohere_v1::CohereV1,
    &crate::cohere_v2::CohereV2,
    &crate::ollama::Ollama,
    &crate::jina_rerank::JinaRerank,
    &crate::voyage_rerank::VoyageRerank,
    &crate::mlflow_serving::MlflowServing,
    &crate::bedrock_converse::BedrockConverse,
    &crate::gemini::GEMINI,
    &crate::gemini::GEMINI_ARRAY,
    &crate::gemini::GEMINI_BATCH,
];

/// The dialect called `name`.
pub fn by_name(name: &str) -> Option<&'static dyn Dialect> {
    DIALECTS.iter().copied().find(|dialect| dialect.name() == name)
}

/// The names of all dialects.
pub fn names() -> impl Iterator<Item = &'static str> {
    DIALECTS.iter().map(|dialect| dialect.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Scale, Temperature};

    #[test]
    fn a_temperature_outside_the_range_is_moved_into_it_and_recorded() {
        let sent = |temperature, temperature_max| {
            let model = ModelTraits { temperature_max, ..ModelTraits::default() };
            let sampling = Sampling { temperature: Some(temperature), ..Sampling::default() };
            let mut losses = Losses::default();
            (model.temperature(&sampling, &mut losses), losses.count())
        };
        let given = Temperature::given;
        assert_eq!(sent(given(1.5), Some(1.0)), (Some(1.0), 1));
        assert_eq!(sent(given(-0.5), Some(1.0)), (Some(0.0), 1));
        assert_eq!(sent(given(1.0), Some(1.0)), (Some(1.0), 0));
        assert_eq!(sent(given(7.0), None), (Some(7.0), 0));
        let unified = Temperature { value: 2.0, scale: Scale::OfRange(2.0), given: true };
        assert_eq!(sent(unified, Some(1.0)), (Some(1.0), 0));
    }
}
