//! Streams of chunks: `data: {…}` up to `data: [DONE]`, for chat and for text completion.

mod blocks;
mod chunk;
mod decoder;
mod encoder;

pub use decoder::ChunkDecoder;
pub use encoder::ChunkEncoder;
