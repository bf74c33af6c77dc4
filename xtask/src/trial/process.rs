//! The trial's processes: started on a given core, found by the port they announce, gone when the trial is.

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to end before it is made to.
const PATIENCE: Duration = Duration::from_secs(3);

/// A part that serves on a port until this is dropped.
pub(crate) struct Running {
    child: Child,
    port: u16,
}

impl Running {
    /// Starts a part and waits until it says on which port it serves.
    pub(crate) fn start(what: &str, core: usize, arguments: &[&str]) -> Result<Self> {
        let mut child = part(core, arguments)?.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().context("its output was asked for")?;
        let mut running = Self { child, port: 0 };
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        running.port = line.trim().parse().with_context(|| format!("{what} did not start"))?;
        Ok(running)
    }

    /// Takes over a process that serves on a port known beforehand.
    pub(crate) fn known(child: Child, port: u16) -> Self {
        Self { child, port }
    }

    /// Fails when the process has ended by itself.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("ended with {status}"),
            None => Ok(()),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.child.id()) {
            // Neither failure leaves anything to do: the process is gone already.
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This binary again, as one part of the trial on one core.
pub(crate) fn part(core: usize, arguments: &[&str]) -> Result<Command> {
    // A child inherits the core of the thread that starts it, and this thread only waits.
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &cores).with_context(|| format!("moving to core {core}"))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("trial-part").args(arguments).stdin(Stdio::null());
    Ok(command)
}

/// Makes the kernel end this process when the trial dies before it could.
pub(crate) fn end_with_parent() -> Result<()> {
    set_pdeathsig(Signal::SIGTERM).context("tying this process to the trial")
}

/// Tells the trial on which port this part serves.
pub(crate) fn announce(listener: &tokio::net::TcpListener) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{}", listener.local_addr()?.port())?;
    Ok(out.flush()?)
}

/// Runs a future on a single-threaded runtime that also takes tasks which cannot move between threads.
pub(crate) fn on_one_thread(work: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, work)
}
