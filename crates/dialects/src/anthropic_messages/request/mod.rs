//! Requests.

mod decode;
mod encode;
mod reasoning;
#[cfg(test)]
mod tests;
mod turns;

pub(super) use decode::decode;
pub(super) use encode::encode;
pub(crate) use reasoning::Thought;
