//! Streams of chunks: `data: {…}` up to `data: [DONE]`, for chat and for text completion.

mod aside;
mod blocks;
mod chunk;
mod decoder;
mod encoder;
mod ends;
#[cfg(test)]
mod tests;
mod unasked;

pub(crate) use decoder::ChunkDecoder;
pub(crate) use encoder::ChunkEncoder;
pub(crate) use encoder::{chunk_head, chunk_tail, write_error_event, write_usage_chunk};
pub(crate) use ends::Ends;
pub(crate) use unasked::{UsageCut, ask as ask_usage};
