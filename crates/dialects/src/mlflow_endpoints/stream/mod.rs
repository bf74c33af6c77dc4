//! Streams of chunks like OpenAI's, without a closing `[DONE]`.

mod decoder;
mod encoder;
#[cfg(test)]
mod tests;

pub(super) use decoder::decoder;
pub(super) use encoder::{ChatEncoder, TextEncoder};
