//! `cargo xtask corpus`: recorded exchanges, read by their own dialect and told in every other.

mod answers;
mod apart;
mod apis;
mod case;
mod errors;
mod facts;
mod fold;
mod report;
mod requests;
mod streams;
mod told;

use anyhow::{Result, ensure};
use case::{Answer, Case};
use clap::Args;
use lockgate_dialects::{Dialect, by_name, names};
use report::Report;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What to check.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Recorded exchanges: `<provider>/<api>/<case>/{meta,request,response}.json`, streams in a file beside.
    dir: PathBuf,
    /// Only cases whose name holds this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Show every failure in place of the first of each kind.
    #[arg(long)]
    all: bool,
    /// Have the official SDKs read what their clients are told, too.
    #[arg(long)]
    sdk: bool,
    /// The Python that has the SDKs; else the environment of `cargo xtask test`.
    #[arg(long, value_name = "PROGRAM", requires = "sdk")]
    python: Option<PathBuf>,
}

/// Runs every case, prints what came of it, and ends with 1 where something failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let report = check(&options.dir, &options.only)?;
    std::io::stdout().write_all(report.tell(options.all)?.as_bytes())?;
    if options.sdk {
        told::check(&options.dir, &options.only, options.python.as_deref())?;
    }
    if report.failed() > 0 {
        std::process::exit(1);
    }
    Ok(())
}

/// Checks the cases under `dir` whose name holds `only`.
pub(crate) fn check(dir: &Path, only: &str) -> Result<Report> {
    let mut folders = case::folders(dir)?;
    folders.retain(|folder| folder.to_string_lossy().contains(only));
    ensure!(!folders.is_empty(), "{} holds no case", dir.display());
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Report::default()));
    let work = || -> Result<()> {
        let mut report = Report::default();
        while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
            one(&Case::read(folder)?, &mut report);
        }
        total.lock().expect("nobody panics with it").add(report);
        Ok(())
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| -> Result<()> {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a check does not panic"))
    })?;
    Ok(total.into_inner().expect("nobody panics with it"))
}

fn one(case: &Case, report: &mut Report) {
    report.case();
    let Some((own, operation)) = apis::of(&case.provider, &case.api, &case.path) else {
        return report.not_built(case);
    };
    if case.status >= 400 || case.is_refused() {
        return errors::check(case, own, report);
    }
    if let Some(request) = &case.request {
        requests::check(case, own, operation, request, report);
    }
    let list = matches!(&case.answer, Answer::Stream(bytes) if bytes.starts_with(b"["));
    let own = by_name("gemini_array").filter(|_| own.name() == "gemini" && list).unwrap_or(own);
    match &case.answer {
        Answer::Whole(body) => answers::check(case, own, operation, body, report),
        Answer::Stream(bytes) => streams::check(case, own, operation, bytes, report),
        Answer::Unframed => report.not_built(case),
    }
}

/// Every dialect.
fn dialects() -> impl Iterator<Item = &'static dyn Dialect> {
    names().filter_map(by_name)
}
