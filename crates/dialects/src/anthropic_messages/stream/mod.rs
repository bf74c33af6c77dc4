//! Streams of named events: `message_start`, blocks, `message_delta`, `message_stop`.

mod decoder;
mod encoder;
mod frame;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
