//! The trial behind `docs/decisions/0001-runtimes.md`: the CPU time of a request, by how the proxy is built.

mod load;
mod measure;
mod mock;
mod nginx;
mod process;
mod proxies;
mod report;
mod spread;
mod workload;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand, ValueEnum};
use measure::Costs;
use process::Running;
use proxies::Build;
use std::path::PathBuf;
use std::process::Command;
use workload::Workload;

/// The core the proxies run on, and the one everything around them runs on.
const PROXY_CORE: usize = 0;
const OUTER_CORE: usize = 1;

/// How much to measure.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Rounds; in each, every proxy answers every workload once.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Requests per proxy, workload and round.
    #[arg(long, default_value_t = 8000, value_parser = clap::value_parser!(u32).range(32..=1_000_000))]
    requests: u32,
    /// Client connections kept open while measuring.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=256))]
    connections: u32,
}

/// One process of the trial.
#[derive(Subcommand)]
pub(crate) enum Part {
    /// The upstream.
    Mock,
    /// A proxy in front of the upstream on this port.
    Proxy { build: Build, upstream: u16 },
    /// The load generator.
    Load { workload: Workload, target: u16, connections: u32, requests: u32 },
    /// nginx with the configuration in this folder.
    Nginx { folder: PathBuf },
}

impl Part {
    /// Runs this part until it is done or the trial ends.
    pub(crate) fn run(self) -> Result<()> {
        process::end_with_parent()?;
        match self {
            Self::Mock => mock::run(),
            Self::Proxy { build, upstream } => proxies::run(build, upstream),
            Self::Load { workload, target, connections, requests } => {
                load::run(workload, target, connections, requests)
            }
            Self::Nginx { folder } => nginx::run(&folder),
        }
    }
}

/// A proxy under measurement.
struct Contender {
    name: &'static str,
    process: Running,
    costs: Costs,
}

/// Runs the trial and prints its tables.
pub(crate) fn run(options: &Options) -> Result<()> {
    if cfg!(debug_assertions) {
        return run_in_release();
    }
    ensure!(
        std::thread::available_parallelism()?.get() > OUTER_CORE,
        "the trial needs two cores: one for the proxy, one for load and upstream"
    );
    let mock = Running::start("mock", OUTER_CORE, &["mock"])?;
    let folder = nginx::Folder::create(mock.port())?;
    let mut contenders = start_all(&mock, &folder)?;
    for round in 0..options.rounds as usize {
        for turn in 0..contenders.len() {
            let index = (round + turn) % contenders.len();
            for workload in Workload::ALL {
                measure_one(&mut contenders[index], workload, options)?;
            }
        }
    }
    let rows: Vec<_> = contenders.iter().map(|c| (c.name, &c.costs)).collect();
    report::costs(&rows)?;
    report::spreads(&spread::measure()?)
}

/// A debug build measures nothing of worth: build again with optimisation and hand over.
fn run_in_release() -> Result<()> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--release", "--package", "xtask", "--"])
        .args(std::env::args_os().skip(1))
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "the trial failed");
    Ok(())
}

fn start_all(mock: &Running, folder: &nginx::Folder) -> Result<Vec<Contender>> {
    let upstream = mock.port().to_string();
    let mut all = vec![Contender {
        name: "nginx, 1 worker",
        process: folder.start(PROXY_CORE)?,
        costs: Costs::default(),
    }];
    for build in Build::value_variants() {
        let argument = build.to_possible_value().context("every build has a name")?;
        all.push(Contender {
            name: build.describe(),
            process: Running::start("proxy", PROXY_CORE, &["proxy", argument.get_name(), &upstream])?,
            costs: Costs::default(),
        });
    }
    Ok(all)
}

/// Sends one batch of requests through the proxy and notes what it spent on each.
fn measure_one(contender: &mut Contender, workload: Workload, options: &Options) -> Result<()> {
    let each = workload.count(options.requests).div_ceil(options.connections);
    let before = measure::cpu_time(contender.process.id())?;
    load::start(workload, contender.process.port(), options.connections, each, OUTER_CORE)
        .with_context(|| format!("{workload:?} through {}", contender.name))?;
    let spent = measure::cpu_time(contender.process.id())? - before;
    contender.costs.add(workload, spent / (each * options.connections));
    Ok(())
}
