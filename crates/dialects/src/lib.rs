//! Every API that clients and providers speak, to and from one canonical model.
//!
//! A dialect is the language of one API: how a request, an answer, a stream and an error look in bytes. Each is
//! one folder here and knows only the [`canonical`] model, never another dialect, a path or a provider. Nothing in
//! this crate does IO or reads a clock; whatever it cannot say in a dialect it records in [`canonical::Losses`].

pub mod canonical;
pub mod framing;
pub mod mlflow_contract;
pub mod raw;
pub mod stream;

mod anthropic_complete;
mod anthropic_messages;
mod cohere_v1;
mod dialect;
mod mlflow_endpoints;
mod mlflow_routes;
mod mlflow_serving;
mod openai_chat;
mod openai_completions;
mod openai_embeddings;

pub use dialect::{
    ChatCodec, CompletionCodec, Dialect, EmbeddingCodec, ErrorReply, ModelTraits, by_name, names,
};
