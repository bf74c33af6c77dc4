//! Idle connections of one worker. A connection is polled by the task of the call that uses it and rests unpolled
//! between calls, so that no chunk of a stream has to wake a second task.

use super::{Connector, Origin, Segments};
use crate::io::Io;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How long a connection may rest. Providers' own limits start at 60 s (AWS load balancers).
const MOST_REST: Duration = Duration::from_secs(50);
/// Connections that may rest per origin and worker.
const MOST_IDLE: usize = 512;

/// The idle connections of a worker, by origin.
pub(crate) struct Pool {
    connector: RefCell<Connector>,
    idle: RefCell<HashMap<Origin, Vec<Idle>>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(connector: Connector) -> Self {
        Self { connector: RefCell::new(connector), idle: RefCell::default() }
    }

    /// Takes a new connector; connections opened by the old one are not used again.
    pub(crate) fn reconnect(&self, connector: Connector) {
        *self.connector.borrow_mut() = connector;
        self.idle.borrow_mut().clear();
    }

    /// A connection that rested and is still open.
    pub(crate) async fn rested(&self, origin: &Origin) -> Option<Connection> {
        loop {
            let mut idle = self.idle.borrow_mut().get_mut(origin)?.pop()?;
            if idle.since.elapsed() < MOST_REST && idle.connection.still_open().await {
                return Some(idle.connection);
            }
        }
    }

    /// A new connection. The caller sets the deadline.
    pub(crate) async fn fresh(&self, origin: &Origin) -> io::Result<Connection> {
        let connector = self.connector.borrow().clone();
        connector.connect(origin).await
    }

    /// Lets a connection rest until the next call.
    pub(crate) fn rest(&self, origin: Origin, connection: Connection) {
        let mut idle = self.idle.borrow_mut();
        let resting = idle.entry(origin).or_default();
        if resting.len() < MOST_IDLE {
            resting.push(Idle { connection, since: Instant::now() });
        }
    }

    /// Closes connections that rested too long or that the provider closed. Each worker calls it now and then, since
    /// nobody polls a resting connection.
    pub(crate) async fn tidy(&self) {
        let all: Vec<_> = self.idle.borrow_mut().drain().collect();
        for (origin, resting) in all {
            for mut idle in resting {
                if idle.since.elapsed() < MOST_REST && idle.connection.still_open().await {
                    self.idle.borrow_mut().entry(origin.clone()).or_default().push(idle);
                }
            }
        }
    }
}

/// An HTTP/1.1 connection that only moves while its user polls it.
pub(crate) struct Connection {
    sender: SendRequest<Segments>,
    driver: Pin<Box<Driver>>,
    ended: bool,
    /// Requests name the whole URL, since a plain HTTP proxy reads them.
    absolute: bool,
    proxy_credentials: Option<HeaderValue>,
}

type Driver = http1::Connection<TokioIo<Io>, Segments>;

impl Connection {
    pub(super) fn new(
        sender: SendRequest<Segments>,
        driver: Pin<Box<Driver>>,
        absolute: bool,
        proxy_credentials: Option<HeaderValue>,
    ) -> Self {
        Self { sender, driver, ended: false, absolute, proxy_credentials }
    }

    /// Whether requests must name the whole URL, and the proxy's credentials.
    pub(crate) fn plain_proxy(&self) -> Option<Option<&HeaderValue>> {
        self.absolute.then_some(self.proxy_credentials.as_ref())
    }

    /// Moves bytes; errors reach the caller through the answer that they break.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.ended && self.driver.as_mut().poll(cx).is_ready() {
            self.ended = true;
        }
    }

    /// Whether another request can be sent now.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ended && self.sender.is_ready()
    }

    async fn still_open(&mut self) -> bool {
        poll_fn(|cx| {
            self.drive(cx);
            Poll::Ready(self.is_ready())
        })
        .await
    }

    /// Sends a request and waits for the answer's head, driving the connection meanwhile. The error holds the request
    /// when not a byte of it was sent.
    pub(crate) async fn send(
        &mut self,
        request: Request<Segments>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Segments>>> {
        let Self { sender, driver, ended, .. } = self;
        let mut answer = pin!(sender.try_send_request(request));
        poll_fn(|cx| {
            if !*ended && driver.as_mut().poll(cx).is_ready() {
                *ended = true;
            }
            answer.as_mut().poll(cx)
        })
        .await
    }
}
