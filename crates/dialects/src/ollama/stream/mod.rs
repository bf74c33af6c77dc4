//! Streams: lines of JSON, the last of which is done.

mod decoder;
mod encoder;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
