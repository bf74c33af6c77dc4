//! Every API that clients and providers speak, to and from one canonical model.
//!
//! A dialect is the language of one API: how a request, an answer, a stream and an error look in bytes. [`by_name`]
//! finds it, and [`Dialect`] gives its codecs, which work in both directions: what a client says becomes the
//! [`canonical`] model and then what a provider hears, and the answer goes the way back. [`stream`] has the same for
//! what comes in pieces, [`framing`] cuts bytes into the pieces, and [`raw`] reads and edits bodies that pass as they
//! are. Nothing in this crate does IO or reads a clock.
//!
//! Each dialect is a folder here with the same names in it: `request`, `response`, `stream` and `errors`, as far as it
//! has its own. It knows no path and no provider, and no other dialect but the one that it grew from: `ARCHITECTURE.md`
//! says which. [`mlflow_contract`] is what both of MLflow's REST contracts share.
//!
//! Whatever a dialect cannot say it records in [`canonical::Losses`]; whatever nobody here reads stays as it was
//! written.

pub mod canonical;
pub mod framing;
pub mod mlflow_contract;
pub mod raw;
pub mod stream;

mod anthropic_complete;
mod anthropic_messages;
mod bedrock_converse;
mod cohere_v1;
mod cohere_v2;
mod dialect;
mod gemini;
mod jina_rerank;
mod mlflow_endpoints;
mod mlflow_routes;
mod mlflow_serving;
mod ollama;
mod openai_chat;
mod openai_completions;
mod openai_embeddings;
mod openai_responses;
mod voyage_rerank;

pub use dialect::{
    ChatCodec, CompletionCodec, Dialect, EmbeddingCodec, ErrorReply, LimitHeaders, ModelTraits, RerankCodec,
    by_name, names,
};
