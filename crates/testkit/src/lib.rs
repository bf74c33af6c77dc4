//! What proofs of the built command need: the command itself, a provider over HTTP, a proxy, a client.
//!
//! Everything here panics when something goes wrong, as tests do, and every wait has an end. Nothing sleeps to let
//! something happen: it looks until it has happened.

mod answer;
mod certificate;
pub mod churn;
mod client;
mod files;
mod gateway;
mod http2;
mod log;
mod metrics;
mod process;
mod provider;
mod proxy;
mod secure;
pub mod storm;
mod wait;
mod wire;

pub use answer::Answer;
pub use certificate::Certificate;
pub use client::{Ask, Client, Streamed};
pub use files::{Files, Layout};
pub use gateway::{Gateway, Launch};
pub use http2::post_over_http2;
pub use lockgate_demo::{Answer as Said, End, Piece};
pub use lockgate_dialects::canonical::Operation;
pub use log::Log;
pub use metrics::Metrics;
pub use nix::sys::signal::Signal;
pub use process::{Consumption, consumption};
pub use provider::{Counts, Hold, Provider, Recorded, demo, said};
pub use proxy::{Passed, Proxy};
pub use secure::Secure;
pub use wait::{PATIENCE, until};
pub use wire::Wire;
