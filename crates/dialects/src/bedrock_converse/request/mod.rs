//! Requests.

mod additional;
mod decode;
mod encode;
#[cfg(test)]
mod tests;
mod turns;

pub(super) use additional::{Additional, Maker};
pub(super) use decode::decode;
pub(super) use encode::encode;
