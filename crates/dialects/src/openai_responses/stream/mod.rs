//! Streams of named events: `response.created`, items with their parts, `response.completed`.

mod decoder;
mod encoder;
mod events;
mod frame;
mod seen;
#[cfg(test)]
mod tests;

pub(super) use decoder::Decoder;
pub(super) use encoder::Encoder;
