//! Cleartext HTTP/2, for clients that speak nothing else (RFC 9113, section 3.3: with prior knowledge).

use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper_util::rt::TokioTimer;
use lockgate_config::Limits;
use std::io;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// What such a connection begins with.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How often a preface that has begun is looked at again, and how long it may take; clients send it in one piece.
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOOKS: usize = 50;
/// Requests that a connection may have open.
const MOST_OPEN: u32 = 128;

/// Whether a connection begins as HTTP/2. Takes nothing off the wire.
///
/// # Errors
/// The connection's own.
pub(super) async fn begins(tcp: &TcpStream) -> io::Result<bool> {
    let mut seen = [0; PREFACE.len()];
    for _ in 0..LOOKS {
        let count = tcp.peek(&mut seen).await?;
        if count == 0 || !PREFACE.starts_with(&seen[..count]) {
            break;
        }
        if count == PREFACE.len() {
            return Ok(true);
        }
        sleep(LOOK_EVERY).await; // the next look does not wait for more by itself
    }
    Ok(false)
}

/// How such a connection is served; one that says nothing for `keep_alive` is asked whether it lives.
pub(super) fn builder(limits: &Limits, keep_alive: Duration) -> http2::Builder<Here> {
    let mut builder = http2::Builder::new(Here);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(keep_alive))
        .max_concurrent_streams(MOST_OPEN)
        .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX));
    builder
}

/// Runs each request of a connection on the worker that has the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Here;

impl<F: Future<Output: 'static> + 'static> Executor<F> for Here {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
