//! Requests.

mod config;
mod decode;
mod encode;
#[cfg(test)]
mod tests;
mod thinking;
mod tools;
mod turns;

pub(super) use decode::decode;
pub(super) use encode::encode;
