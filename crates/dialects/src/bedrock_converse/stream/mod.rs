//! Streams of messages: `messageStart`, blocks, `messageStop`, `metadata`.

mod decoder;
mod encoder;
mod meter;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
pub(super) use meter::Meter;
