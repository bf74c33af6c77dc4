//! Streams: a run of whole answers, each with the next pieces.

mod decoder;
mod encoder;
mod partial;
#[cfg(test)]
mod tests;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
