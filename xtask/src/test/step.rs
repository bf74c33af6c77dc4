//! A step: its name, what it needs, how long it may take, and its work.

use super::processes::Group;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One step of the test.
pub(crate) struct Step {
    /// As `--only` takes it.
    pub(crate) name: &'static str,
    /// What it shows when it passes.
    pub(crate) about: &'static str,
    /// Whether it counts.
    pub(crate) kind: Kind,
    /// Steps that must have passed.
    pub(crate) needs: Vec<&'static str>,
    /// Whether it wants cargo's target folder for itself.
    pub(crate) cargo: bool,
    /// How long it may take.
    pub(crate) limit: Duration,
    work: Box<Work>,
}

type Work = dyn Fn(&Bench<'_>) -> Result<Done> + Send + Sync;

/// What a step is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Shows something about the product.
    Check,
    /// Brings what others need. It counts only when it fails.
    Preparation,
}

/// How a step ended well.
#[derive(Debug)]
pub(crate) enum Done {
    /// It passed; the text says how much, or is empty.
    Passed(String),
    /// It could not be done here, and why.
    Skipped(String),
}

impl Step {
    /// A step that counts.
    pub(crate) fn check(
        name: &'static str,
        about: &'static str,
        work: impl Fn(&Bench<'_>) -> Result<Done> + Send + Sync + 'static,
    ) -> Self {
        let limit = Duration::from_mins(10);
        Self { name, about, kind: Kind::Check, needs: Vec::new(), cargo: false, limit, work: Box::new(work) }
    }

    /// A step that brings what others need.
    pub(crate) fn preparation(
        name: &'static str,
        about: &'static str,
        work: impl Fn(&Bench<'_>) -> Result<Done> + Send + Sync + 'static,
    ) -> Self {
        Self { kind: Kind::Preparation, ..Self::check(name, about, work) }
    }

    pub(crate) fn needing(self, needs: &[&'static str]) -> Self {
        Self { needs: needs.to_vec(), ..self }
    }

    /// One at a time with the other such steps.
    pub(crate) fn in_cargos_folder(self) -> Self {
        Self { cargo: true, ..self }
    }

    pub(crate) fn within_mins(self, minutes: u64) -> Self {
        Self { limit: Duration::from_mins(minutes), ..self }
    }

    /// Does the work.
    ///
    /// # Errors
    /// What failed, with the end of the log.
    pub(crate) fn run(&self, place: &Place) -> Result<Done> {
        let log = place.logs.join(format!("{}.log", self.name));
        // What an earlier run left there; commands add to the file.
        let _ = std::fs::remove_file(&log);
        (self.work)(&Bench { place, log, deadline: Instant::now() + self.limit })
    }
}

/// Where things are.
#[derive(Debug)]
pub(crate) struct Place {
    /// The repository.
    pub(crate) root: PathBuf,
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// The gateway under test.
    pub(crate) lockgate: PathBuf,
    /// A log for each step.
    logs: PathBuf,
}

impl Place {
    /// Finds the repository by where this was built and the target folder, which cargo marks, by where this runs.
    ///
    /// # Errors
    /// When the folder for logs cannot be made.
    pub(crate) fn find() -> Result<Self> {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate stands in a workspace")?;
        let own = std::env::current_exe()?;
        let is_targets = |folder: &&Path| folder.join("CACHEDIR.TAG").is_file();
        let target = own.ancestors().find(is_targets).context("run this as `cargo xtask test`")?;
        let logs = target.join("test-logs");
        std::fs::create_dir_all(&logs).with_context(|| format!("creating {}", logs.display()))?;
        let lockgate = target.join("debug/lockgate");
        Ok(Self { root: root.to_owned(), target: target.to_owned(), lockgate, logs })
    }
}

/// What a step's work is done with.
pub(crate) struct Bench<'a> {
    pub(crate) place: &'a Place,
    /// Where everything goes that its commands print.
    pub(crate) log: PathBuf,
    deadline: Instant,
}

impl Bench<'_> {
    /// A command in the repository's root.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.place.root).env("NO_COLOR", "1").env("CARGO_TERM_COLOR", "never");
        command
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    /// When it fails or takes too long, with the end of the log.
    pub(crate) fn run(&self, command: &mut Command) -> Result<()> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut group = Group::start(command, &self.log)?;
        match group.wait(self.deadline)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("{name}: {status}\n{}", self.tail()),
            None => bail!("{name} did not end in time and was killed\n{}", self.tail()),
        }
    }

    /// Installs a package of Debian's; one at a time, since apt holds a lock.
    ///
    /// # Errors
    /// When apt fails.
    pub(crate) fn apt_install(&self, package: &str) -> Result<()> {
        static APT: Mutex<()> = Mutex::new(());
        let _alone = APT.lock().unwrap_or_else(PoisonError::into_inner);
        for arguments in [&["update"][..], &["install", "--yes", "--no-install-recommends", package]] {
            let mut apt = self.command("apt-get");
            self.run(apt.arg("--quiet").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))?;
        }
        Ok(())
    }

    /// All that the step's commands have printed.
    pub(crate) fn printed(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The end of the log, and where the whole of it is.
    fn tail(&self) -> String {
        const LINES: usize = 120;
        let printed = self.printed();
        let lines: Vec<_> = printed.lines().collect();
        let shown = &lines[lines.len().saturating_sub(LINES)..];
        format!("{}\n(all of it: {})", shown.join("\n"), self.log.display())
    }
}

/// Whether a program can be started.
pub(crate) fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
