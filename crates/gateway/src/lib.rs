//! The life of a request: it comes in through [`server`], runs through [`pipeline`] and leaves through [`upstream`].

mod admin;
mod callers;
mod gateway;
mod io;
mod limits;
mod pipeline;
mod redact;
mod reload;
mod run_time;
mod server;
mod snapshot;
mod sources;
mod state;
mod steps;
mod telemetry;
mod upstream;
mod view;

pub use reload::{LoadError, Loaded, load};
pub use server::{RunError, Settings, run};
