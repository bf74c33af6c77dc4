//! Requests, read from a client and written for a provider.

mod decode;
mod encode;
mod items;
#[cfg(test)]
mod tests;
mod tools;
mod turns;

pub(super) use decode::decode;
pub(super) use encode::encode;
pub(super) use items::{BETWEEN_SUMMARIES, read_reasoning};
