//! A command whose output is a credential: run with a deadline, read with bounds, told of without what it printed.

use lockgate_config::Command;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The most bytes of an output.
const MOST_OUTPUT: u64 = 64 << 10;
/// The most bytes of what a command says is wrong; more is read and forgotten.
const MOST_WORDS: u64 = 4 << 10;
/// Characters of the hint that is made of it.
const LONGEST_HINT: usize = 100;
/// How often a command that closed its output is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

type Bytes = Zeroizing<Vec<u8>>;

/// What the command prints, for one header: a line of text, with or without its end.
pub(super) fn run(command: &Command) -> io::Result<Bytes> {
    let deadline = Instant::now() + command.timeout;
    let mut child = Running::start(command)?;
    let output = read(child.0.stdout.take(), MOST_OUTPUT + 1);
    let words = read(child.0.stderr.take(), MOST_WORDS);
    let late = || io::Error::other(format!("it took longer than {} s", command.timeout.as_secs_f64()));
    let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
    let output = output.recv_timeout(left(deadline)).map_err(|_| late())?;
    if output.len() as u64 > MOST_OUTPUT {
        return Err(io::Error::other("it printed more than 64 KiB"));
    }
    let status = child.ended(deadline)?.ok_or_else(late)?;
    if !status.success() {
        let words = words.recv_timeout(left(deadline)).unwrap_or_default();
        return Err(io::Error::other(failure(status, &words, &output)));
    }
    is_line(&output)?;
    Ok(output)
}

/// A command that is killed, with what it started, when it is dropped.
struct Running(Child);

impl Running {
    fn start(command: &Command) -> io::Result<Self> {
        let (program, arguments) = command.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let started = std::process::Command::new(program)
            .args(arguments)
            // It is no business of a command's.
            .env_remove(lockgate_secrets::PASSPHRASE)
            .env_remove(lockgate_secrets::NEW_PASSPHRASE)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        started.map(Self).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => io::Error::other("there is no such program"),
            kind => io::Error::other(format!("it cannot be run: {kind}")),
        })
    }

    /// How it ended; `None` when it had not by the deadline.
    fn ended(&mut self, deadline: Instant) -> io::Result<Option<ExitStatus>> {
        loop {
            match self.0.try_wait()? {
                None if Instant::now() < deadline => std::thread::sleep(LOOK_EVERY),
                status => return Ok(status),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its number is its own as long as nobody has waited for it.
        if let Ok(None) = self.0.try_wait() {
            if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
                _ = kill_process_group(group, Signal::KILL);
            }
            _ = self.0.kill();
            _ = self.0.wait();
        }
    }
}

/// Reads on a thread of its own, which ends with the pipe: the first bytes are sent, others are forgotten.
fn read(pipe: Option<impl Read + Send + 'static>, most: u64) -> Receiver<Bytes> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut content = Bytes::default();
        let Some(mut pipe) = pipe else { return };
        // Room for all of it: a vector that grows leaves copies behind.
        content.reserve_exact(usize::try_from(most).unwrap_or_default());
        _ = pipe.by_ref().take(most).read_to_end(&mut content);
        let whole = (content.len() as u64) < most;
        _ = send.send(content);
        if !whole {
            _ = io::copy(&mut pipe, &mut io::sink());
        }
    });
    receive
}

fn is_line(output: &[u8]) -> io::Result<()> {
    let text = std::str::from_utf8(output).map_err(|_| io::Error::other("it printed no UTF-8 text"))?;
    let line = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if line.trim().is_empty() {
        return Err(io::Error::other("it printed nothing"));
    }
    if line.chars().any(char::is_control) {
        return Err(io::Error::other("it printed more than a line"));
    }
    Ok(())
}

fn failure(status: ExitStatus, words: &[u8], output: &[u8]) -> String {
    let hint = hint(&String::from_utf8_lossy(words), &String::from_utf8_lossy(output));
    if hint.is_empty() { status.to_string() } else { format!("{status} ({hint})") }
}

/// The last line of what a command says is wrong, and of it nothing but plain words: keys are none.
fn hint(words: &str, output: &str) -> String {
    let line = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let mut hint = String::new();
    for word in line.split_whitespace() {
        let bare = word.trim_matches(|c: char| ".,:;!?'\"()".contains(c));
        let plain = bare.len() <= 16 && bare.bytes().all(|b| b.is_ascii_alphabetic());
        let shown = if plain && !output.contains(bare) { word } else { "…" };
        if hint.len() + shown.len() >= LONGEST_HINT {
            break;
        }
        // One mark for all words that follow each other and are left out.
        if !(shown == "…" && hint.ends_with('…')) {
            hint.push_str(if hint.is_empty() { "" } else { " " });
            hint.push_str(shown);
        }
    }
    if hint.chars().any(char::is_alphabetic) { hint } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, timeout: Duration) -> Result<String, String> {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        let output = run(&Command { argv, timeout, ttl: Duration::from_secs(60) });
        output.map(|output| String::from_utf8_lossy(&output).into_owned()).map_err(|error| error.to_string())
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_command_gives_the_line_that_it_prints() {
        assert_eq!(sh("echo sk-1; echo warning >&2", LONG), Ok("sk-1\n".to_owned()));
        assert_eq!(sh("printf sk-1", LONG), Ok("sk-1".to_owned()));
    }

    #[test]
    fn a_command_that_fails_or_prints_nothing_usable_gives_no_key() {
        for (script, why) in [
            ("exit 3", "exit status: 3"),
            ("echo sk-1; exit 1", "exit status: 1"),
            ("kill -9 $$", "signal: 9 (SIGKILL)"),
            ("true", "it printed nothing"),
            ("echo", "it printed nothing"),
            ("echo a; echo b", "it printed more than a line"),
            (r"printf '\377'", "it printed no UTF-8 text"),
            ("head -c 70000 /dev/zero | tr '\\0' a", "it printed more than 64 KiB"),
        ] {
            assert_eq!(sh(script, LONG), Err(why.to_owned()), "{script}");
        }
        let argv = vec!["/nowhere/at-all".to_owned()];
        let nowhere = run(&Command { argv, timeout: LONG, ttl: LONG }).expect_err("it is not there");
        assert_eq!(nowhere.to_string(), "there is no such program");
    }

    #[test]
    fn a_command_that_hangs_is_killed_with_all_that_it_started() {
        let folder = tempfile::TempDir::new().expect("a directory");
        let pid = folder.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {}; wait", pid.display());
        let why = sh(&script, Duration::from_secs(2)).expect_err("it hangs");
        assert_eq!(why, "it took longer than 2 s");
        let pid = std::fs::read_to_string(&pid).expect("the script ran");
        let status = format!("/proc/{}/stat", pid.trim());
        // Whoever inherits the dead process takes its time to bury it.
        let dead = || std::fs::read_to_string(&status).map_or(true, |stat| stat.contains(") Z "));
        let deadline = Instant::now() + LONG;
        while !dead() {
            assert!(Instant::now() < deadline, "it lives on");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    #[test]
    fn a_command_that_complains_at_length_does_not_hang() {
        assert_eq!(sh("head -c 1000000 /dev/zero >&2; echo sk-1", LONG), Ok("sk-1\n".to_owned()));
    }

    #[test]
    fn a_hint_holds_plain_words_and_no_key() {
        for (said, told) in [
            ("", ""),
            ("permission denied\n", "permission denied"),
            ("first\nError: token sk-canary-1 expired.\n\n", "Error: token … expired."),
            ("canary7f3a", ""),
            ("key=abcdef other_key: AbCdEfGhIjKlMnOpQrSt", ""),
            ("no such host api.example.com 10.0.0.1", "no such host …"),
        ] {
            assert_eq!(hint(said, "printed"), told, "{said}");
        }
        assert_eq!(hint("refused: swordfish", "swordfish\n"), "refused: …");
        assert!(hint(&"word ".repeat(1000), "").len() <= LONGEST_HINT);
    }
}
