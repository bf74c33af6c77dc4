//! `cargo xtask test`: every check of the project, as CI runs it.

mod board;
mod browser;
mod cargo;
mod kit;
mod node;
mod processes;
mod python;
mod step;

use anyhow::{Result, bail, ensure};
use clap::Args;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use step::{Kind, Place, Step};

/// Which checks to run.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Run only these steps and what they need; a name also stands for all that begin with it and a hyphen.
    #[arg(long, value_name = "STEP", num_args = 1..)]
    only: Vec<String>,
    /// A differential kit: recorded cases of a real MLflow, and what compares them with this gateway.
    #[arg(long, value_name = "DIR", env = "LOCKGATE_DIFFTEST")]
    difftest: Option<PathBuf>,
    /// Say what the steps are, and run none.
    #[arg(long)]
    list: bool,
}

/// Runs the steps, each with a line of its own, and closes with how many passed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let place = Place::find()?;
    let steps = chosen(all(options.difftest.as_deref())?, &options.only)?;
    if options.list {
        return list(&steps);
    }
    processes::guard()?;
    let tally = board::run(&steps, &place)?;
    processes::end_all();
    let mut out = std::io::stdout();
    write!(out, "\n{} passed, {} failed", tally.passed, tally.failed)?;
    match tally.skipped {
        0 => writeln!(out)?,
        skipped => writeln!(out, ", {skipped} skipped")?,
    }
    if tally.failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}

/// Every step, the most urgent first: what is ready is begun in this order.
fn all(difftest: Option<&std::path::Path>) -> Result<Vec<Step>> {
    let mut steps = cargo::first();
    steps.extend(python::environments());
    steps.push(node::environment());
    steps.push(browser::installed());
    steps.extend(cargo::rest());
    steps.extend(corpus());
    steps.extend(python::suites());
    if let Some(folder) = difftest {
        steps.extend(kit::steps(folder)?);
    }
    Ok(steps)
}

/// The short form of `cargo xtask corpus`.
fn corpus() -> [Step; 2] {
    let folder = |place: &Place| place.root.join("tests/corpus");
    let codecs = Step::check("corpus", "every dialect against a handful of exchanges", move |bench| {
        let report = crate::corpus::check(&folder(bench.place), "")?;
        ensure!(report.failed() == 0, "{}", report.tell(true)?);
        Ok(step::Done::Passed(report.summary()))
    });
    let sdks =
        Step::check("corpus-sdks", "what their clients are told, read by official SDKs", move |bench| {
            let mut xtask = bench.command(std::env::current_exe()?);
            xtask.arg("corpus").arg(folder(bench.place)).args(["--sdk", "--python"]);
            bench.run(xtask.arg(python::interpreter(bench, "sdks")))?;
            Ok(step::Done::Passed(String::new()))
        });
    [codecs, sdks.needing(&["env-sdks"])]
}

/// The steps that `only` names and those that they need; all of them when it names none.
fn chosen(mut steps: Vec<Step>, only: &[String]) -> Result<Vec<Step>> {
    if only.is_empty() {
        return Ok(steps);
    }
    let mut wanted = BTreeSet::new();
    for name in only {
        let family = format!("{name}-");
        let found = steps.iter().filter(|step| step.name == *name || step.name.starts_with(&family));
        let before = wanted.len();
        wanted.extend(found.map(|step| step.name));
        ensure!(wanted.len() > before, "no step is called {name}; `cargo xtask test --list` names them all");
    }
    // A step stands after what it needs, so one look from the end finds everything.
    for step in steps.iter().rev() {
        if wanted.contains(step.name) {
            wanted.extend(&step.needs);
        }
    }
    steps.retain(|step| wanted.contains(step.name));
    Ok(steps)
}

fn list(steps: &[Step]) -> Result<()> {
    let mut out = std::io::stdout();
    for step in steps {
        let note = if step.kind == Kind::Preparation { " (prepares others)" } else { "" };
        writeln!(out, "{:<24} {}{note}", step.name, step.about)?;
    }
    if steps.is_empty() {
        bail!("no step was chosen");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str]) -> Vec<&'static str> {
        let only: Vec<_> = only.iter().map(|&name| name.to_owned()).collect();
        let steps = chosen(all(None).expect("no kit is asked for"), &only).expect("steps that exist");
        steps.iter().map(|step| step.name).collect()
    }

    #[test]
    fn a_chosen_step_brings_what_it_needs_and_nothing_else() {
        assert_eq!(names(&["format"]), ["format"]);
        assert_eq!(names(&["suite-mlflow28"]), ["build", "uv", "env-mlflow28", "suite-mlflow28"]);
        assert!(names(&["env"]).len() > 3, "a family of steps is chosen by its first word");
    }

    #[test]
    fn a_misspelt_step_is_refused_instead_of_running_nothing() {
        let error = chosen(all(None).expect("no kit is asked for"), &["formt".to_owned()]).err();
        assert!(error.is_some_and(|error| error.to_string().contains("formt")));
    }

    #[test]
    fn every_need_stands_before_the_step_that_has_it() {
        let steps = all(None).expect("no kit is asked for");
        for (index, step) in steps.iter().enumerate() {
            for need in &step.needs {
                assert!(steps[..index].iter().any(|earlier| earlier.name == *need), "{}: {need}", step.name);
            }
        }
    }
}
