//! One client connection: HTTP/1.1 or 2 over it, and a watch on clients that are too slow to live.

use super::{Door, ReplyBody, Worker, http2};
use crate::io::Io;
use crate::pipeline::{self, Incoming};
use http::{Request, Response};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use lockgate_config::Limits;
use rustls::ServerConfig;
use std::cell::Cell;
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

/// How a request came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came {
    pub(crate) peer: IpAddr,
    pub(crate) door: Door,
    /// Whether over TLS.
    pub(crate) tls: bool,
}

/// Serves a connection until it ends, is told to stop, or its client is too slow.
pub(super) async fn serve(
    worker: Rc<Worker>,
    stream: std::net::TcpStream,
    peer: IpAddr,
    door: Door,
    mut stopping: watch::Receiver<bool>,
) {
    let Ok(stream) = TcpStream::from_std(stream) else { return };
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let now = worker.gateway.snapshot();
    let (limits, timeouts, tls) = (now.server.limits, now.server.timeouts, now.tls.clone());
    drop(now);
    let came = Came { peer, door, tls: tls.is_some() };
    let mut multiplexed = false;
    let stream = match tls {
        None => {
            let Some(begins) = first_bytes(&stream, timeouts.keep_alive, &mut stopping).await else { return };
            multiplexed = begins;
            Io::Plain(stream)
        }
        Some(tls) => match Box::pin(shake_hands(stream, tls, timeouts.header, &mut stopping)).await {
            Some(stream) => stream,
            None => return,
        },
    };
    let pulse = Rc::new(Pulse::default());
    let watching = pulse.clone().watch(timeouts.header, timeouts.keep_alive);
    let io = Watched { io: TokioIo::new(stream), pulse: pulse.clone(), multiplexed };
    let service = hyper::service::service_fn(|request| answer(worker.clone(), pulse.clone(), request, came));
    if multiplexed {
        let connection = http2::builder(&limits, timeouts.keep_alive).serve_connection(io, service);
        Box::pin(speak_http2(connection, watching, stopping)).await; // few have one, and it is large
    } else {
        speak_http1(builder(&limits).serve_connection(io, service), watching, stopping).await;
    }
}

async fn speak_http1<S: Service>(
    mut connection: http1::Connection<Watched, S>,
    watching: impl Future<Output = Slow>,
    mut stopping: watch::Receiver<bool>,
) {
    let (mut watching, mut told) = (pin!(watching), false);
    loop {
        tokio::select! {
            biased;
            _ = Pin::new(&mut connection) => return,
            slow = &mut watching => {
                if slow == Slow::Head {
                    let told = refusal("408 Request Timeout", "The request's headers did not arrive in time");
                    if let Io::Plain(tcp) = connection.into_parts().io.io.inner() {
                        let _ = tcp.try_write(&told);
                    }
                }
                return;
            }
            _ = stopping.wait_for(|stop| *stop), if !told => {
                told = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
}

async fn speak_http2<S: Service>(
    connection: hyper::server::conn::http2::Connection<Watched, S, http2::Here>,
    watching: impl Future<Output = Slow>,
    mut stopping: watch::Receiver<bool>,
) where
    S::Future: 'static,
{
    let (mut connection, mut watching, mut told) = (pin!(connection), pin!(watching), false);
    loop {
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            _ = &mut watching => return,
            _ = stopping.wait_for(|stop| *stop), if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// What answers the requests of a connection.
trait Service:
    hyper::service::Service<Request<hyper::body::Incoming>, Response = Response<Busy>, Error = Infallible>
{
}

impl<S> Service for S where
    S: hyper::service::Service<Request<hyper::body::Incoming>, Response = Response<Busy>, Error = Infallible>
{
}

/// Whether a connection begins as HTTP/2; `None` where nothing comes in time, or the process ends.
async fn first_bytes(
    stream: &TcpStream,
    longest: Duration,
    stopping: &mut watch::Receiver<bool>,
) -> Option<bool> {
    tokio::select! {
        begins = timeout(longest, http2::begins(stream)) => begins.ok()?.ok(),
        _ = stopping.wait_for(|stop| *stop) => None,
    }
}

/// TLS over a connection, unless the client takes longer than it may for a head, or the process ends.
async fn shake_hands(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    longest: Duration,
    stopping: &mut watch::Receiver<bool>,
) -> Option<Io> {
    let shaking = timeout(longest, TlsAcceptor::from(tls).accept(stream));
    let shaken = tokio::select! {
        shaken = shaking => shaken.ok()?,
        _ = stopping.wait_for(|stop| *stop) => return None,
    };
    match shaken {
        Ok(stream) => Some(Io::Tls(Box::new(stream.into()))),
        Err(error) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_buf_size(limits.max_header_bytes.max(8 * 1024))
        .max_headers(limits.max_headers)
        // The watch below tells a slow head from an idle connection, which hyper's own timeout does not.
        .header_read_timeout(None);
    builder
}

/// A whole answer to a request that never reached the pipeline: nobody knows what its client speaks.
fn refusal(status: &str, why: &str) -> Vec<u8> {
    let body = serde_json::json!({ "detail": why }).to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// What hyper writes when it cannot read a head has no body. The same with one; `None` for all other bytes.
fn explained(written: &[u8]) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(written).ok()?.strip_suffix("\r\n\r\n")?;
    let (status, fields) = head.strip_prefix("HTTP/1.1 ")?.split_once("\r\n")?;
    let why = match status.split(' ').next()? {
        "400" => "The request is not valid HTTP/1.1",
        "414" => "The request's path is longer than the limit",
        "431" => "The request's headers are longer or more than the limits",
        _ => return None,
    };
    fields.split("\r\n").any(|field| field == "content-length: 0").then(|| refusal(status, why))
}

async fn answer(
    worker: Rc<Worker>,
    pulse: Rc<Pulse>,
    request: Request<hyper::body::Incoming>,
    came: Came,
) -> Result<Response<Busy>, Infallible> {
    let guard = pulse.busy();
    let reply = pipeline::answer(&worker, Incoming::new(request, came)).await;
    Ok(reply.map(|body| Busy { body, _guard: guard }))
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy)]
enum State {
    /// Between requests, since then.
    Idle(Instant),
    /// A request's head has begun to arrive.
    Head(Instant),
    /// A request is being answered.
    Busy,
}

/// Why a connection is given up.
#[derive(Debug, PartialEq, Eq)]
enum Slow {
    Head,
    Idle,
    /// The client does not take its answer.
    Reader,
}

/// What a connection does, noted by its IO and its requests, looked at now and then.
struct Pulse {
    state: Cell<State>,
    /// Requests that are being answered.
    open: Cell<u32>,
    stalled: Cell<Option<Instant>>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { state: Cell::new(State::Idle(Instant::now())), open: Cell::new(0), stalled: Cell::new(None) }
    }
}

impl Pulse {
    fn busy(self: &Rc<Self>) -> BusyGuard {
        self.state.set(State::Busy);
        self.open.set(self.open.get() + 1);
        BusyGuard(self.clone())
    }

    /// Returns when the connection is too slow. It looks a few times per timeout instead of at every change, so that
    /// thousands of connections cost no timers.
    async fn watch(self: Rc<Self>, head: Duration, keep_alive: Duration) -> Slow {
        let tick = (head.min(keep_alive) / 2).max(Duration::from_millis(10));
        loop {
            tokio::time::sleep(tick).await;
            if self.stalled.get().is_some_and(|since| since.elapsed() > keep_alive) {
                return Slow::Reader;
            }
            match self.state.get() {
                State::Head(since) if since.elapsed() > head => return Slow::Head,
                State::Idle(since) if since.elapsed() > keep_alive => return Slow::Idle,
                _ => {}
            }
        }
    }
}

/// Marks the connection idle again when its last reply is done with.
struct BusyGuard(Rc<Pulse>);

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
        if self.0.open.get() == 0 {
            self.0.state.set(State::Idle(Instant::now()));
        }
    }
}

/// A reply's body that keeps the connection marked busy while it lives.
pub(super) struct Busy {
    body: ReplyBody,
    _guard: BusyGuard,
}

impl http_body::Body for Busy {
    type Data = bytes::Bytes;
    type Error = <ReplyBody as http_body::Body>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// A client's socket that notes when a head begins and when writes stall.
struct Watched {
    io: TokioIo<Io>,
    pulse: Rc<Pulse>,
    /// HTTP/2: what arrives between requests is no request's head.
    multiplexed: bool,
}

impl Watched {
    /// Writes an explained refusal in place of a bare one, if that is what `bytes` are.
    fn explain(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Option<Poll<io::Result<usize>>> {
        let State::Head(_) = self.pulse.state.get() else { return None };
        let explained = explained(bytes)?;
        let written = Pin::new(&mut self.io).poll_write(cx, &explained);
        Some(written.map_ok(|_| bytes.len())) // a fresh socket takes so few bytes at once
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match (&written, self.pulse.stalled.get()) {
            (Poll::Pending, None) => self.pulse.stalled.set(Some(Instant::now())),
            (Poll::Ready(_), Some(_)) => self.pulse.stalled.set(None),
            _ => {}
        }
        written
    }
}

impl Read for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if read.is_ready()
            && !self.multiplexed
            && let State::Idle(_) = self.pulse.state.get()
        {
            self.pulse.state.set(State::Head(Instant::now()));
        }
        read
    }
}

impl Write for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(told) = self.explain(cx, buf) {
            return told;
        }
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = bufs
            && let Some(told) = self.explain(cx, only)
        {
            return told;
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refusals_without_a_body_are_explained() {
        let bare =
            "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let told = String::from_utf8(explained(bare.as_bytes()).expect("it has no body")).expect("UTF-8");
        assert!(told.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{told}");
        assert!(
            told.ends_with("{\"detail\":\"The request's headers are longer or more than the limits\"}"),
            "{told}"
        );
        for other in [
            "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "data: x\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert_eq!(explained(other.as_bytes()), None, "{other}");
        }
    }
}
