//! The wait for a stream's first event: until the provider has said something, the client can still be told an error
//! as what it is.

use super::relay::Relay;
use crate::steps::ask::broken;
use crate::upstream::UpstreamBody;
use bytes::{Bytes, BytesMut};
use lockgate_dialects::Dialect;
use lockgate_dialects::canonical::{Event, Failure, UpstreamError};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

/// The most bytes that may come before a stream begins; past it the client gets what there is.
const MOST_BEFORE: usize = 1 << 20;
/// The longest pause between two comments.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What a stream has said first.
pub(super) enum First {
    /// Nothing yet, or only that it begins.
    Nothing,
    Event,
    Error(Box<UpstreamError>),
}

/// What events say first. A beginning without content is none: errors still follow it.
pub(super) fn first(events: &[Event]) -> First {
    events
        .iter()
        .find_map(|event| match event {
            Event::Started { .. } | Event::Usage(_) | Event::BlockClosed { .. } => None,
            Event::Failed(error) => Some(First::Error(Box::new(error.clone()))),
            Event::BlockOpened { .. }
            | Event::BlockGrew { .. }
            | Event::Aside { .. }
            | Event::Ended { .. }
            | Event::Finished
            | Event::Unknown(_) => Some(First::Event),
        })
        .unwrap_or(First::Nothing)
}

/// How a stream opened.
pub(crate) struct Opening {
    /// What came so far.
    pub(super) said: Bytes,
    /// The provider has said nothing yet: the client is kept waiting with comments at this pace.
    pub(super) late: Option<Duration>,
}

/// Waits for the first event, at most for `most`.
///
/// # Errors
/// The provider's error where it says one in place of an answer, in its stream or as bare JSON; also a stream that ends
/// or breaks off before it has said anything.
pub(crate) async fn open(
    relay: &mut Relay,
    body: &mut UpstreamBody,
    dialect: &dyn Dialect,
    most: Duration,
) -> Result<Opening, Failure> {
    let deadline = Instant::now() + most;
    let mut said = Said::default();
    loop {
        let first = match timeout_at(deadline, body.batch()).await {
            Err(_) => return Ok(said.opening(Some(most.min(LONGEST_PAUSE)))),
            Ok(Some(Err(why))) => return Err(broken(&why)),
            Ok(Some(Ok(bytes))) => {
                let first = relay.look(&bytes);
                said.push(bytes);
                first
            }
            Ok(None) => match (relay.look_at_end(), error_in(dialect, None, &said.bytes())) {
                (First::Error(_) | First::Nothing, Some(error)) => First::Error(Box::new(error)),
                (First::Nothing, None) => First::Event,
                (first, _) => first,
            },
        };
        match first {
            First::Error(error) => return Err(told(*error)),
            First::Nothing if said.length < MOST_BEFORE => {}
            First::Nothing | First::Event => return Ok(said.opening(None)),
        }
    }
}

/// The failure that an error tells which came with the status of a good answer.
pub(crate) fn told(error: UpstreamError) -> Failure {
    Failure { retry_after: error.retry_after, ..Failure::upstream(error.class(), error) }
}

/// The error that a provider tells in JSON in place of a stream, with the status of a good answer.
pub(crate) fn error_in(
    dialect: &dyn Dialect,
    content_type: Option<&str>,
    body: &[u8],
) -> Option<UpstreamError> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    let told = json.get(0).unwrap_or(&json);
    let is_error = match &told["error"] {
        serde_json::Value::Null | serde_json::Value::Bool(false) => {
            told["object"] == "error" || told["type"] == "error"
        }
        _ => true,
    };
    is_error.then(|| UpstreamError { status: 0, ..dialect.decode_error(200, content_type, body) })
}

/// Bytes that came before the first event. One piece is not copied.
#[derive(Default)]
struct Said {
    first: Bytes,
    joined: BytesMut,
    length: usize,
}

impl Said {
    fn push(&mut self, bytes: Bytes) {
        self.length += bytes.len();
        if self.first.is_empty() {
            self.first = bytes;
        } else {
            self.joined.extend_from_slice(&bytes);
        }
    }

    fn bytes(&self) -> Bytes {
        if self.joined.is_empty() {
            return self.first.clone();
        }
        [&self.first[..], &self.joined[..]].concat().into()
    }

    fn opening(&self, late: Option<Duration>) -> Opening {
        Opening { said: self.bytes(), late }
    }
}

/// Comments that keep a client waiting, at once and then at a pace.
pub(super) struct KeepAlive {
    pace: Duration,
    timer: Pin<Box<Sleep>>,
    /// Whether the last bytes that the client got ended an event, so that a comment can stand here.
    pub(super) between: bool,
}

impl KeepAlive {
    pub(super) fn new(pace: Duration) -> Self {
        Self { pace, timer: Box::pin(sleep_until(Instant::now())), between: true }
    }

    /// A comment when it is time for one (WHATWG HTML, section 9.2.7).
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            self.timer.as_mut().reset(Instant::now() + self.pace);
            if self.between {
                return Poll::Ready(Bytes::from_static(b": keep-alive\n\n"));
            }
        }
    }

    /// Takes note of what the client got.
    pub(super) fn told(&mut self, bytes: &[u8]) {
        self.between = [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"].iter().any(|end| bytes.ends_with(end));
    }
}
