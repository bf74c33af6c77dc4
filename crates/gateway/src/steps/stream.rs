//! A streamed answer on its way to the client: passed or translated as it comes, metered, and never ended as if it
//! were whole when it is not.

mod borders;

use super::ask::broken;
use super::translate::Missing;
use super::{Account, Redactor};
use crate::upstream::{Broken, UpstreamBody};
use borders::Borders;
use bytes::Bytes;
use lockgate_dialects::canonical::{Class, Event, Failure, UpstreamError};
use lockgate_dialects::stream::{StreamCut, StreamDecoder, StreamEncoder, UsageMeter};
use std::io;
use std::task::{Context, Poll, ready};

/// A stream with everything that it needs until its end.
pub(crate) struct Stream {
    upstream: UpstreamBody,
    relay: Relay,
    redactor: Redactor,
    request_id: String,
    account: Account,
    ended: bool,
}

/// What happens to the provider's bytes.
pub(crate) enum Relay {
    /// They pass, in whole lines or messages; usage is read as they do.
    Pass {
        meter: Box<dyn UsageMeter>,
        /// Takes out what only the gateway asked for.
        cut: Option<Box<dyn StreamCut>>,
        fail: Box<dyn StreamEncoder>,
        borders: Borders,
        /// Whether the provider told an error of its own, after which nothing is missing.
        told_error: bool,
    },
    /// They are told in the client's dialect.
    Translate(Box<Translator>),
}

/// A stream's decoder and encoder, and what lies between them.
pub(crate) struct Translator {
    decoder: Box<dyn StreamDecoder>,
    encoder: Box<dyn StreamEncoder>,
    events: Vec<Event>,
    /// The configured name, where the provider gives none.
    model: Option<String>,
    created: u64,
    finished: bool,
}

impl Relay {
    pub(crate) fn pass(
        meter: Box<dyn UsageMeter>,
        cut: Option<Box<dyn StreamCut>>,
        fail: Box<dyn StreamEncoder>,
    ) -> Self {
        let borders = Borders::new(fail.framing());
        Self::Pass { meter, cut, fail, borders, told_error: false }
    }

    pub(crate) fn translate(
        decoder: Box<dyn StreamDecoder>,
        encoder: Box<dyn StreamEncoder>,
        missing: Missing<'_>,
    ) -> Self {
        Self::Translate(Box::new(Translator {
            decoder,
            encoder,
            events: Vec::new(),
            model: missing.model.map(str::to_owned),
            created: missing.created,
            finished: false,
        }))
    }
}

impl Relay {
    /// Whether the dialect's own end was seen.
    fn finished(&self) -> bool {
        match self {
            Self::Pass { meter, .. } => meter.finished(),
            Self::Translate(translator) => translator.finished,
        }
    }
}

impl Stream {
    pub(crate) fn new(
        upstream: UpstreamBody,
        relay: Relay,
        redactor: Redactor,
        request_id: String,
        account: Account,
    ) -> Self {
        Self { upstream, relay, redactor, request_id, account, ended: false }
    }

    /// What can be sent now, in one piece; `None` at the end.
    pub(crate) fn poll_batch(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        while !self.ended {
            let told = match ready!(self.upstream.poll_batch(cx)) {
                Some(Ok(bytes)) => self.tell(bytes),
                // What breaks off after the dialect's own end lost nothing.
                Some(Err(why)) if !self.relay.finished() => self.fail(broken(&why)),
                Some(Err(_)) | None => self.finish(),
            };
            if self.relay.finished() {
                self.generated();
            }
            if !told.is_empty() {
                self.account.first_byte();
                return Poll::Ready(Some(Ok(told)));
            }
        }
        self.account.finish();
        Poll::Ready(None)
    }

    /// The dialect's own end was seen.
    fn generated(&mut self) {
        if let Relay::Pass { meter, .. } = &self.relay {
            self.account.usage(meter.usage());
        }
        self.account.generated();
    }

    fn tell(&mut self, bytes: Bytes) -> Bytes {
        match &mut self.relay {
            Relay::Pass { meter, cut, borders, told_error, .. } => {
                meter.feed(&bytes);
                let whole = match borders.pass(bytes) {
                    Ok(whole) => whole,
                    Err(why) => return self.fail(Failure::new(Class::UpstreamError, why.to_string())),
                };
                let whole = cut.as_mut().map_or(whole.clone(), |cut| cut.cut(whole));
                let (whole, error) = self.redactor.stream(borders.framing, whole);
                *told_error |= error;
                whole
            }
            Relay::Translate(translator) => {
                translator.decoder.feed(&bytes, &mut translator.events);
                self.translate()
            }
        }
    }

    /// The provider closed its stream; whether it was whole, only its dialect knows.
    fn finish(&mut self) -> Bytes {
        let (rest, told_error) = match &mut self.relay {
            Relay::Pass { meter, cut, borders, told_error, .. } => {
                self.account.usage(meter.usage());
                let rest = borders.rest();
                (cut.as_mut().map_or(rest.clone(), |cut| cut.cut(rest)), *told_error)
            }
            Relay::Translate(translator) => {
                if !translator.finished {
                    translator.decoder.finish(&mut translator.events);
                }
                let told = self.translate();
                self.ended = true;
                return told;
            }
        };
        let (rest, error_at_end) = self.redactor.lines(rest);
        if told_error || error_at_end {
            let why = "The provider told an error inside its stream";
            self.account.fail(&Failure::new(Class::UpstreamError, why));
        } else if !self.relay.finished() {
            return self.fail(broken(&Broken::Cut));
        }
        self.ended = true;
        rest
    }

    /// Tells the events that were read; an error among them ends the stream.
    fn translate(&mut self) -> Bytes {
        let Relay::Translate(translator) = &mut self.relay else { return Bytes::new() };
        let mut out = Vec::new();
        let mut failed = None;
        let mut events = std::mem::take(&mut translator.events);
        for event in events.drain(..) {
            match translator.complete(event) {
                Event::Failed(error) => {
                    failed = Some(error);
                    break;
                }
                event => {
                    if let Event::Usage(usage) = &event {
                        self.account.usage(Some(*usage));
                    }
                    translator.finished |= matches!(event, Event::Finished);
                    translator.encoder.encode(&event, &mut out);
                }
            }
        }
        translator.events = events;
        if let Some(error) = failed {
            out.extend_from_slice(&self.fail(failure(error)));
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
            Relay::Pass { meter, fail, borders, .. } => {
                self.account.usage(meter.usage());
                borders.end(&mut out);
                fail.fail(&failure, &self.request_id, &mut out);
            }
            Relay::Translate(translator) => translator.encoder.fail(&failure, &self.request_id, &mut out),
        }
        out.into()
    }
}

impl Drop for Stream {
    /// A client that goes away still used what came until then; one that goes after the end missed nothing.
    fn drop(&mut self) {
        if let Relay::Pass { meter, .. } = &self.relay {
            self.account.usage(meter.usage());
        }
        if self.relay.finished() {
            self.account.finish();
        }
    }
}

impl Translator {
    /// Adds what the provider left out.
    fn complete(&self, event: Event) -> Event {
        match event {
            Event::Started { id, model, created } => Event::Started {
                id,
                model: model.or_else(|| self.model.clone()),
                created: created.or(Some(self.created)),
            },
            other => other,
        }
    }
}

/// An error inside a stream, which carries no status of its own where it is 0.
fn failure(error: UpstreamError) -> Failure {
    let class = match (error.status, error.kind.as_deref()) {
        (0, Some("stream_truncated")) => Class::StreamTruncated,
        (0, _) => Class::UpstreamError,
        _ => error.class(),
    };
    Failure::upstream(class, error)
}
