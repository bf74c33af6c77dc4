//! Logs on stderr: for people on a terminal, JSON elsewhere.

use crate::say;
use anyhow::Context;
use std::io::IsTerminal;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Lines that may wait for a slow reader of stderr. Past it lines are dropped and counted: no worker ever waits for
/// a log.
const MOST_WAITING: usize = 16_384;

/// Writes the lines that still wait when it is dropped, and says how many were lost.
pub(crate) struct Logs {
    writer: Option<WorkerGuard>,
    lost: ErrorCounter,
}

impl Logs {
    /// Logs what `LOCKGATE_LOG` says, `info` and worse by default, from here on.
    ///
    /// # Errors
    /// When `LOCKGATE_LOG` cannot be read.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let filter = EnvFilter::builder()
            .with_default_directive(LevelFilter::INFO.into())
            .with_env_var("LOCKGATE_LOG")
            .from_env()
            .context(
                "LOCKGATE_LOG takes a level such as debug, or targets such as lockgate_gateway=debug,info",
            )?;
        let (lines, writer) = NonBlockingBuilder::default()
            .buffered_lines_limit(MOST_WAITING)
            .lossy(true)
            .finish(std::io::stderr());
        let lost = lines.error_counter();
        let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
        if std::io::stderr().is_terminal() {
            let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            logs.with_ansi(colours).with_target(false).init();
        } else {
            logs.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
        }
        Ok(Self { writer: Some(writer), lost })
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        // Waits a moment at most, so that a stuck reader does not keep the process.
        drop(self.writer.take());
        let lost = self.lost.dropped_lines();
        if lost > 0 {
            say(&format!("{lost} log lines were dropped because stderr was read too slowly\n"));
        }
    }
}
