//! Child processes: each leads a group of its own and writes to a log, and none outlives the test.

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a process may take to end before it is made to.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(25);

/// The groups that run, and whether new ones may still start.
struct Running {
    groups: BTreeSet<i32>,
    is_closed: bool,
}

static RUNNING: Mutex<Running> = Mutex::new(Running { groups: BTreeSet::new(), is_closed: false });

fn running() -> MutexGuard<'static, Running> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on, whatever a child leaves behind becomes a child of this process, and a signal ends all of them.
///
/// # Errors
/// When the system refuses.
pub(crate) fn guard() -> Result<()> {
    set_child_subreaper(true).context("taking over what children leave behind")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        if runtime.block_on(told_to_end()).is_ok() {
            end_all();
            std::process::exit(130);
        }
    });
    Ok(())
}

async fn told_to_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

/// Ends every process that the test has started, its children's children too. No new one starts after this.
pub(crate) fn end_all() {
    let mut running = running();
    running.is_closed = true;
    for group in &running.groups {
        // Neither this nor the kill below leaves anything to do when it fails: the process is gone already.
        let _ = killpg(Pid::from_raw(*group), Signal::SIGKILL);
    }
    drop(running);
    // Each killed child may hand over children of its own.
    for _ in 0..100 {
        let children = own_children();
        if children.is_empty() {
            return;
        }
        for child in children {
            let _ = kill(child, Signal::SIGKILL);
            let _ = waitpid(child, Some(WaitPidFlag::WNOHANG));
        }
        std::thread::sleep(PAUSE);
    }
}

/// The processes whose parent this one is (the fourth field of `/proc/<id>/stat`; the second may hold spaces).
fn own_children() -> Vec<Pid> {
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_own = |id: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)) == Some(&own)
    };
    ids.filter(is_own).map(Pid::from_raw).collect()
}

/// A process and all that it starts, until this is dropped.
pub(crate) struct Group {
    child: Child,
    id: Pid,
}

impl Group {
    /// Starts `command` without an input; what it prints is added to the file `log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let out = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).process_group(0);
        let mut running = running();
        ensure!(!running.is_closed, "the test is being ended");
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("starting {name}"))?;
        let id = i32::try_from(child.id()).context("a process id beyond the kernel's own type")?;
        running.groups.insert(id);
        Ok(Self { child, id: Pid::from_raw(id) })
    }

    /// Waits for its end; `None` when `deadline` comes first.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub(crate) fn wait(&mut self, deadline: Instant) -> Result<Option<ExitStatus>> {
        while !self.has_ended()? {
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::sleep(PAUSE);
        }
        // While the leader is not yet waited for, its group's number cannot belong to anybody else.
        self.kill_group();
        Ok(Some(self.child.wait()?))
    }

    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub(crate) fn has_ended(&self) -> Result<bool> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match waitid(Id::Pid(self.id), flags) {
            Ok(WaitStatus::StillAlive) => Ok(false),
            Ok(_) | Err(Errno::ECHILD) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the process to end, and waits for it a while.
    pub(crate) fn end(mut self) {
        // A process that is gone already needs no signal.
        let _ = kill(self.id, Signal::SIGTERM);
        let _ = self.wait(Instant::now() + PATIENCE);
    }

    fn kill_group(&self) {
        if running().groups.remove(&self.id.as_raw()) {
            // The group may be empty by now.
            let _ = killpg(self.id, Signal::SIGKILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill_group();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str, log: &Path) -> Group {
        Group::start(Command::new("sh").args(["-c", script]), log).expect("a shell")
    }

    fn log(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("lockgate-xtask-{}-{name}", std::process::id()));
        // A log of an earlier run would be added to.
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn a_process_without_end_is_cut_short() {
        let log = log("endless");
        let mut group = start("sleep 600", &log);
        assert!(group.wait(Instant::now()).expect("an answer").is_none());
        let id = group.id;
        drop(group);
        assert_eq!(kill(id, None), Err(Errno::ESRCH));
        std::fs::remove_file(log).expect("the log is there");
    }

    #[test]
    fn what_a_process_leaves_in_the_background_ends_with_it() {
        let log = log("leftover");
        let mut group = start("sleep 600 & echo $!", &log);
        let status = group.wait(Instant::now() + Duration::from_mins(1)).expect("an answer");
        assert!(status.is_some_and(|status| status.success()));
        let id = std::fs::read_to_string(&log).expect("the log is there").trim().parse().expect("an id");
        let is_running = |id: i32| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
        };
        while is_running(id) {
            std::thread::sleep(PAUSE);
        }
        std::fs::remove_file(log).expect("the log is there");
    }
}
