//! Streams of named events: `message-start`, content, plans, calls and citations, `message-end`.

mod decoder;
mod encoder;
mod frame;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
