//! An answer's bytes as they come: everything that is ready joins into one batch, and every wait has a deadline.

use super::Origin;
use super::pool::{Connection, Pool};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use hyper::body::Incoming;
use lockgate_demo::{End, Piece};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// The most bytes that join into one batch; past it the client is served first.
const MOST_BATCH: usize = 64 * 1024;

/// Why an answer broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The connection closed or reset in the middle.
    Cut,
    /// Nothing came for the idle timeout.
    Idle(Duration),
    /// The call's total time is over.
    Total(Duration),
    /// More bytes than a whole answer may have.
    TooLarge,
}

/// The body of a provider's answer.
pub(crate) struct UpstreamBody {
    source: Source,
    ended: bool,
    /// A break that is told after the bytes that came before it.
    broken: Option<Broken>,
    clock: Clock,
}

enum Source {
    Http { connection: Option<Connection>, body: Incoming, pool: Rc<Pool>, origin: Origin },
    Demo { pieces: VecDeque<Piece>, end: End, waiting: Option<Pin<Box<Sleep>>> },
}

/// Two deadlines behind one timer: it is set anew only when it fires, not for each chunk.
struct Clock {
    idle: Duration,
    total: Duration,
    over_at: Instant,
    last_byte: Instant,
    timer: Pin<Box<Sleep>>,
}

impl UpstreamBody {
    pub(super) fn http(
        connection: Connection,
        body: Incoming,
        pool: Rc<Pool>,
        origin: Origin,
        deadlines: Deadlines,
    ) -> Self {
        let source = Source::Http { connection: Some(connection), body, pool, origin };
        Self { source, ended: false, broken: None, clock: Clock::new(deadlines) }
    }

    pub(super) fn demo(pieces: Vec<Piece>, end: End, deadlines: Deadlines) -> Self {
        let source = Source::Demo { pieces: pieces.into(), end, waiting: None };
        Self { source, ended: false, broken: None, clock: Clock::new(deadlines) }
    }

    /// Everything that is ready, in one piece; `None` at the clean end.
    pub(crate) fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        let mut batch = Batch::default();
        while !self.ended && batch.len() < MOST_BATCH {
            match self.source.poll_piece(cx) {
                Poll::Ready(Some(Ok(piece))) => batch.push(piece),
                Poll::Ready(Some(Err(broken))) => {
                    self.ended = true;
                    self.broken = Some(broken);
                }
                Poll::Ready(None) => {
                    self.ended = true;
                    self.source.release(cx);
                }
                Poll::Pending => break,
            }
        }
        if let Some(bytes) = batch.take() {
            self.clock.last_byte = Instant::now();
            return Poll::Ready(Some(Ok(bytes)));
        }
        if self.ended {
            return Poll::Ready(self.broken.take().map(Err));
        }
        let broken = ready!(self.clock.poll_over(cx));
        self.ended = true;
        Poll::Ready(Some(Err(broken)))
    }

    /// The next batch.
    pub(crate) async fn batch(&mut self) -> Option<Result<Bytes, Broken>> {
        poll_fn(|cx| self.poll_batch(cx)).await
    }

    /// The whole body, at most `most` bytes of it.
    pub(crate) async fn whole(mut self, most: usize) -> Result<Bytes, Broken> {
        let mut body = Batch::default();
        while let Some(batch) = self.batch().await {
            body.push(batch?);
            if body.len() > most {
                return Err(Broken::TooLarge);
            }
        }
        Ok(body.take().unwrap_or_default())
    }
}

/// When an answer must have come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    pub(crate) idle: Duration,
    pub(crate) total: Duration,
    /// When `total` is over.
    pub(crate) over_at: Instant,
}

impl Clock {
    fn new(deadlines: Deadlines) -> Self {
        let Deadlines { idle, total, over_at } = deadlines;
        let last_byte = Instant::now();
        Self { idle, total, over_at, last_byte, timer: Box::pin(sleep_until(over_at.min(last_byte + idle))) }
    }

    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<Broken> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if now >= self.over_at {
                return Poll::Ready(Broken::Total(self.total));
            }
            if now >= self.last_byte + self.idle {
                return Poll::Ready(Broken::Idle(self.idle));
            }
            self.timer.as_mut().reset(self.over_at.min(self.last_byte + self.idle));
        }
    }
}

impl Source {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        match self {
            Self::Http { connection, body, .. } => poll_http(connection, body, cx),
            Self::Demo { pieces, end, waiting } => poll_demo(pieces, end, waiting, cx),
        }
    }

    /// Lets the connection of a whole answer rest, if it can take another request.
    fn release(&mut self, cx: &mut Context<'_>) {
        if let Self::Http { connection, pool, origin, .. } = self
            && let Some(mut connection) = connection.take()
        {
            connection.drive(cx);
            if connection.is_ready() {
                pool.rest(origin.clone(), connection);
            }
        }
    }
}

fn poll_http(
    connection: &mut Option<Connection>,
    body: &mut Incoming,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Broken>>> {
    loop {
        if let Some(connection) = connection {
            connection.drive(cx);
        }
        return match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => Poll::Ready(Some(Ok(data))),
                Err(_trailers) => continue,
            },
            Some(Err(_)) => {
                *connection = None;
                Poll::Ready(Some(Err(Broken::Cut)))
            }
            None => Poll::Ready(None),
        };
    }
}

fn poll_demo(
    pieces: &mut VecDeque<Piece>,
    end: &End,
    waiting: &mut Option<Pin<Box<Sleep>>>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Broken>>> {
    let Some(next) = pieces.front() else {
        return match end {
            End::Clean => Poll::Ready(None),
            End::Cut => Poll::Ready(Some(Err(Broken::Cut))),
            End::Hang => Poll::Pending,
        };
    };
    if !next.after.is_zero() {
        let timer = waiting.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + next.after)));
        ready!(timer.as_mut().poll(cx));
        *waiting = None;
    }
    Poll::Ready(pieces.pop_front().map(|piece| Ok(piece.bytes)))
}

/// Bytes that join: nothing is copied while there is only one piece.
#[derive(Default)]
struct Batch {
    first: Option<Bytes>,
    joined: BytesMut,
}

impl Batch {
    fn len(&self) -> usize {
        self.first.as_ref().map_or(0, Bytes::len) + self.joined.len()
    }

    fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        if self.joined.is_empty() {
            match self.first.take() {
                None => {
                    self.first = Some(piece);
                    return;
                }
                Some(first) => {
                    self.joined.reserve(4 * (first.len() + piece.len()));
                    self.joined.extend_from_slice(&first);
                }
            }
        }
        self.joined.extend_from_slice(&piece);
    }

    fn take(&mut self) -> Option<Bytes> {
        self.first.take().or_else(|| (!self.joined.is_empty()).then(|| self.joined.split().freeze()))
    }
}
