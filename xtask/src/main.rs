//! Chores of the workspace, run as `cargo xtask <chore>`.

mod catalogue;
mod corpus;
mod soak;
mod test;
mod trial;

use clap::{Parser, Subcommand};

/// Chores of the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run every check of the project, as CI does.
    Test(test::Options),
    /// Take what is known of models, prices among it, from a published package into `crates/config/models/`.
    Catalogue(catalogue::Options),
    /// Check every dialect against recorded exchanges with real providers.
    Corpus(corpus::Options),
    /// Prove for long what the tests prove for short: reloads under load, clients that hang up.
    Soak(soak::Options),
    /// Measure the CPU time of several ways to build the data path, next to nginx.
    Trial(trial::Options),
    /// One process of the trial; the trial starts these itself.
    #[command(hide = true)]
    TrialPart {
        #[command(subcommand)]
        part: trial::Part,
    },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().chore {
        Chore::Test(options) => test::run(&options),
        Chore::Catalogue(options) => catalogue::run(&options),
        Chore::Corpus(options) => corpus::run(&options),
        Chore::Soak(options) => soak::run(&options),
        Chore::Trial(options) => trial::run(&options),
        Chore::TrialPart { part } => part.run(),
    }
}
