//! The model that every dialect is translated to and from.

mod embedding;
mod event;
mod failure;
mod losses;
mod message;
mod request;
mod rerank;
mod response;
mod signature;
mod usage;
mod words;

pub mod bridge;

pub use embedding::{EmbeddingInput, EmbeddingRequest, EmbeddingResponse, Encoding, Vector};
pub use event::{BlockKind, Delta, Event};
pub use failure::{Blame, Class, Failure, FieldError, Step, UpstreamError};
pub(crate) use losses::Count;
pub use losses::{Loss, Losses};
pub use message::{Content, Media, MediaKind, MediaSource, Message, Part, Role, ToolCall};
pub use request::{
    ChatRequest, CompletionRequest, Extras, MaxTokens, Prompt, Reasoning, ResponseFormat, Sampling, Scale,
    Temperature, Tool, ToolChoice,
};
pub use rerank::{Document, Ranked, RerankRequest, RerankResponse};
pub use response::{ChatResponse, Choice, CompletionChoice, CompletionResponse, FinishReason};
pub use signature::Signature;
pub use usage::Usage;

/// A piece of JSON that is carried, never read: number formats, key order and unknown fields stay as they were.
pub type RawJson = Box<serde_json::value::RawValue>;

/// What a call asks a model to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Messages in, a message out.
    Chat,
    /// A prompt in, text out.
    Complete,
    /// Texts in, vectors out.
    Embed,
    /// A query and documents in, the best documents out.
    Rerank,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 4] = [Self::Chat, Self::Complete, Self::Embed, Self::Rerank];

    /// MLflow's word for it, as in `llm/v1/chat`; where MLflow lacks it, a word of the same kind.
    pub fn mlflow_word(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Complete => "completions",
            Self::Embed => "embeddings",
            Self::Rerank => "rerank",
        }
    }

    /// MLflow's route type, such as `llm/v1/chat`.
    pub fn route_type(self) -> &'static str {
        match self {
            Self::Chat => "llm/v1/chat",
            Self::Complete => "llm/v1/completions",
            Self::Embed => "llm/v1/embeddings",
            Self::Rerank => "llm/v1/rerank",
        }
    }

    /// The operation of a route type, matched exactly as MLflow does.
    pub fn of_route_type(route_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.route_type() == route_type)
    }
}
