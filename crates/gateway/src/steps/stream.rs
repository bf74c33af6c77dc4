//! A streamed answer on its way to the client: passed or translated as it comes, metered, and never ended as if it
//! were whole when it is not.

mod borders;
mod first;
mod relay;

pub(crate) use first::{Opening, error_in, open, told};
pub(crate) use relay::Relay;

use super::ask::broken;
use super::{Account, Redactor};
use crate::upstream::{Broken, UpstreamBody};
use bytes::Bytes;
use first::KeepAlive;
use lockgate_dialects::canonical::{Class, Failure};
use lockgate_dialects::framing::eventstream::Unreadable;
use relay::End;
use std::io;
use std::task::{Context, Poll, ready};

/// A stream with everything that it needs until its end.
pub(crate) struct Stream {
    upstream: UpstreamBody,
    relay: Relay,
    redactor: Redactor,
    request_id: String,
    account: Account,
    /// What came before the client was answered, until it is told.
    said: Option<Bytes>,
    /// Until the provider says something.
    keep_alive: Option<KeepAlive>,
    ended: bool,
}

impl Stream {
    /// `comments`: whether the client's framing has comments.
    pub(crate) fn new(
        upstream: UpstreamBody,
        relay: Relay,
        opening: Opening,
        comments: bool,
        redactor: Redactor,
        request_id: String,
        account: Account,
    ) -> Self {
        let keep_alive = opening.late.filter(|_| comments).map(KeepAlive::new);
        let said = Some(opening.said);
        Self { upstream, relay, redactor, request_id, account, said, keep_alive, ended: false }
    }

    /// What can be sent now, in one piece; `None` at the end.
    pub(crate) fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        while !self.ended {
            let told = match self.said.take() {
                Some(said) => self.begin(said),
                None => match self.upstream.poll_batch(cx) {
                    Poll::Pending => return self.poll_comment(cx),
                    Poll::Ready(Some(Ok(bytes))) => self.tell(bytes),
                    // What breaks off after the dialect's own end lost nothing.
                    Poll::Ready(Some(Err(why))) if !self.relay.finished() => self.fail(broken(&why)),
                    Poll::Ready(Some(Err(_)) | None) => self.finish(),
                },
            };
            if self.relay.finished() {
                self.generated();
            }
            if !told.is_empty() {
                self.note(&told);
                return Poll::Ready(Some(Ok(told)));
            }
        }
        self.account.finish();
        Poll::Ready(None)
    }

    /// Something to keep the client waiting, where it waits for the first event.
    fn poll_comment(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match &mut self.keep_alive {
            Some(keep_alive) => Poll::Ready(Some(Ok(ready!(keep_alive.poll(cx))))),
            None => Poll::Pending,
        }
    }

    /// Takes note of what leaves for the client.
    fn note(&mut self, told: &[u8]) {
        if self.relay.begun() {
            self.keep_alive = None;
            self.account.first_byte();
        } else if let Some(keep_alive) = &mut self.keep_alive {
            keep_alive.told(told);
        }
    }

    /// The dialect's own end was seen.
    fn generated(&mut self) {
        if let Relay::Pass(pass) = &self.relay {
            self.account.usage(pass.meter.usage());
        }
        self.account.generated();
    }

    /// Tells what came before the client was answered.
    fn begin(&mut self, said: Bytes) -> Bytes {
        match &mut self.relay {
            Relay::Pass(pass) => {
                let told = pass.tell(said, &self.redactor);
                self.passed(told)
            }
            Relay::Translate(_) => self.translate(),
        }
    }

    fn passed(&mut self, told: Result<Bytes, Unreadable>) -> Bytes {
        told.unwrap_or_else(|why| self.fail(Failure::new(Class::UpstreamError, why.to_string())))
    }

    fn tell(&mut self, bytes: Bytes) -> Bytes {
        match &mut self.relay {
            Relay::Pass(pass) => {
                let told = pass.tell_unseen(bytes, &self.redactor);
                self.passed(told)
            }
            Relay::Translate(translator) => {
                translator.feed(&bytes);
                self.translate()
            }
        }
    }

    /// The provider closed its stream; whether it was whole, only its dialect knows.
    fn finish(&mut self) -> Bytes {
        let (rest, end) = match &mut self.relay {
            Relay::Pass(pass) => pass.close(&self.redactor),
            Relay::Translate(translator) => {
                translator.close();
                let told = self.translate();
                self.ended = true;
                return told;
            }
        };
        match end {
            End::Whole => self.generated(),
            End::Error => {
                let why = "The provider told an error inside its stream";
                self.account.fail(&Failure::new(Class::UpstreamError, why));
            }
            End::Missing => return self.fail(broken(&Broken::Cut)),
        }
        self.ended = true;
        rest
    }

    /// Tells the events that were read; an error among them ends the stream.
    fn translate(&mut self) -> Bytes {
        let Relay::Translate(translator) = &mut self.relay else { return Bytes::new() };
        let mut out = Vec::new();
        if let Some(error) = translator.tell(&mut self.account, &mut out) {
            out.extend_from_slice(&self.fail(Failure::upstream(error.class(), error)));
        }
        out.into()
    }

    /// Tells a failure in the client's dialect; nothing follows.
    fn fail(&mut self, failure: Failure) -> Bytes {
        let failure = self.redactor.failure(failure);
        self.ended = true;
        self.account.fail(&failure);
        let mut out = Vec::new();
        match &mut self.relay {
            Relay::Pass(pass) => {
                pass.borders.end(&mut out);
                pass.fail.fail(&failure, &self.request_id, &mut out);
            }
            Relay::Translate(translator) => translator.encoder.fail(&failure, &self.request_id, &mut out),
        }
        out.into()
    }
}

impl Drop for Stream {
    /// A client that goes away still used what came until then; one that goes after the end missed nothing.
    fn drop(&mut self) {
        match &mut self.relay {
            Relay::Pass(pass) => self.account.usage(pass.meter.usage()),
            Relay::Translate(translator) => self.account.losses(&translator.encoder.losses()),
        }
        if self.relay.finished() {
            self.account.finish();
        }
    }
}
