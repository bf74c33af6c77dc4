//! What a stream says, piece by piece.

use super::{FinishReason, RawJson, Signature, UpstreamError, Usage};
use bytes::Bytes;

/// One thing that a stream says.
///
/// The grammar, per stream: `Started` first and once; for each choice its blocks, each opened before it grows and
/// closed after; `Aside` of a choice before it ended; `Ended` once per choice after its blocks are closed; `Usage`
/// anywhere, cumulative; then `Finished`, or `Failed` in place of the rest. `Unknown` anywhere.
#[derive(Debug, Clone)]
pub enum Event {
    /// The answer begins.
    Started {
        /// The provider's id, where it gives one.
        id: Option<String>,
        /// The provider's name of the model.
        model: Option<String>,
        /// Unix seconds.
        created: Option<u64>,
    },
    /// A block of a choice begins.
    BlockOpened {
        /// The choice, from 0.
        choice: u32,
        /// The block within the choice, from 0.
        block: u32,
        /// What it holds.
        kind: BlockKind,
    },
    /// A block grows.
    BlockGrew {
        /// The choice, from 0.
        choice: u32,
        /// The block within the choice.
        block: u32,
        /// By what.
        delta: Delta,
    },
    /// A block is whole.
    BlockClosed {
        /// The choice, from 0.
        choice: u32,
        /// The block within the choice.
        block: u32,
    },
    /// Something of a choice, or of one of its open blocks, that only APIs like the provider's know: log probabilities,
    /// citations.
    Aside {
        /// The choice, from 0.
        choice: u32,
        /// The block within the choice, if it is about one.
        block: Option<u32>,
        /// The provider's name of the field.
        field: &'static str,
        /// As it came.
        value: RawJson,
    },
    /// A choice is whole.
    Ended {
        /// The choice, from 0.
        choice: u32,
        /// Why it stopped.
        reason: Option<FinishReason>,
    },
    /// Usage so far.
    Usage(Usage),
    /// The dialect's own end: nothing is missing.
    Finished,
    /// The provider reports an error, or the stream broke off.
    Failed(UpstreamError),
    /// A frame that the dialect's decoder does not know.
    Unknown(Bytes),
}

/// What a block holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockKind {
    /// Text of the answer.
    Text,
    /// Reasoning.
    Thinking,
    /// Reasoning that the provider encrypted, whole.
    RedactedThinking(Signature),
    /// A refusal.
    Refusal,
    /// A tool call; its arguments grow as [`Delta::Arguments`].
    ToolCall {
        /// Joins call and answer.
        id: String,
        /// The tool's name.
        name: String,
        /// Gemini's thought signature, which must go back with the call.
        signature: Option<Signature>,
    },
}

/// By what a block grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Text, reasoning or refusal, after the block's kind.
    Text(String),
    /// A piece of a tool call's arguments: JSON text.
    Arguments(String),
    /// The signature of a thinking block: whole, once, after its text.
    Signature(Signature),
}
