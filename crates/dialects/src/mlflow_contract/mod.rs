//! What MLflow's two REST contracts share: how bodies are read and checked, and how errors are said.

pub mod body;
pub mod limits;

pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod losses;
pub(crate) mod report;
pub(crate) mod request;

mod rules;
mod text;
mod write;

pub(crate) use rules::field as step;

#[cfg(test)]
pub(crate) mod tests;
