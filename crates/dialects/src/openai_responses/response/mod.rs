//! Whole answers, read from the provider and written for a client.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub(super) use decode::{decode, finish_reason, part_texts, seconds};
pub(super) use encode::{PHASE, call_id, encode, lose_reason};
