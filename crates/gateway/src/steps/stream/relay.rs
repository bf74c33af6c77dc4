//! What happens to a provider's bytes: they pass, or they are told in the client's dialect.

use super::borders::Borders;
use super::first::{First, first};
use crate::steps::translate::Missing;
use crate::steps::{Account, Redactor};
use bytes::Bytes;
use lockgate_dialects::canonical::{Event, UpstreamError};
use lockgate_dialects::framing::eventstream::Unreadable;
use lockgate_dialects::stream::{StreamCut, StreamDecoder, StreamEncoder, UsageMeter};

/// What happens to the provider's bytes.
pub(crate) enum Relay {
    Pass(Box<Pass>),
    Translate(Box<Translator>),
}

/// Bytes that pass, in whole lines or messages; usage is read as they do.
pub(crate) struct Pass {
    pub(super) meter: Box<dyn UsageMeter>,
    /// Takes out what only the gateway asked for.
    cut: Option<Box<dyn StreamCut>>,
    /// Writes the error that ends a stream which broke off.
    pub(super) fail: Box<dyn StreamEncoder>,
    /// Reads the stream until it has said something.
    probe: Option<Box<dyn StreamDecoder>>,
    /// Whether the first thing that it said was an error.
    failed_first: bool,
    pub(super) borders: Borders,
    /// Whether the provider told an error of its own, after which nothing is missing.
    told_error: bool,
}

/// A stream's decoder and encoder, and what lies between them.
pub(crate) struct Translator {
    decoder: Box<dyn StreamDecoder>,
    pub(super) encoder: Box<dyn StreamEncoder>,
    events: Vec<Event>,
    /// The configured name, where the provider gives none.
    model: Option<String>,
    created: u64,
    begun: bool,
    closed: bool,
    finished: bool,
}

impl Relay {
    pub(crate) fn pass(
        meter: Box<dyn UsageMeter>,
        cut: Option<Box<dyn StreamCut>>,
        fail: Box<dyn StreamEncoder>,
        probe: Option<Box<dyn StreamDecoder>>,
    ) -> Self {
        let borders = Borders::new(fail.framing());
        let (failed_first, told_error) = (false, false);
        Self::Pass(Box::new(Pass { meter, cut, fail, probe, failed_first, borders, told_error }))
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
            begun: false,
            closed: false,
            finished: false,
        }))
    }

    /// Whether the dialect's own end was seen.
    pub(super) fn finished(&self) -> bool {
        match self {
            Self::Pass(pass) => pass.meter.finished(),
            Self::Translate(translator) => translator.finished,
        }
    }

    /// Whether the provider has said something that is no error.
    pub(super) fn begun(&self) -> bool {
        match self {
            Self::Pass(pass) => pass.probe.is_none() && !pass.failed_first,
            Self::Translate(translator) => translator.begun,
        }
    }

    /// Looks at the next bytes of a stream that has not begun: a translator takes them, bytes that pass stay to be told.
    pub(super) fn look(&mut self, bytes: &[u8]) -> First {
        match self {
            Self::Pass(pass) => pass.look(bytes),
            Self::Translate(translator) => {
                translator.decoder.feed(bytes, &mut translator.events);
                translator.judge()
            }
        }
    }

    /// The same when a stream that has not begun was closed cleanly.
    pub(super) fn look_at_end(&mut self) -> First {
        match self {
            Self::Pass(pass) => pass.probe.take().map_or(First::Event, |mut probe| {
                let mut events = Vec::new();
                probe.finish(&mut events);
                first(&events)
            }),
            Self::Translate(translator) => {
                translator.close();
                translator.judge()
            }
        }
    }
}

impl Pass {
    fn look(&mut self, bytes: &[u8]) -> First {
        let Some(probe) = &mut self.probe else { return First::Event };
        let (mut events, mut said) = (Vec::new(), First::Nothing);
        // Line by line: what follows the first event passes and is not read here.
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            probe.feed(line, &mut events);
            said = first(&events);
            if !matches!(said, First::Nothing) {
                break;
            }
            events.clear();
        }
        let first = match said {
            // What cannot be read here is the client's to judge.
            First::Error(error) if !error.told => First::Event,
            first => first,
        };
        self.failed_first = matches!(first, First::Error(_));
        if !matches!(first, First::Nothing) {
            self.probe = None;
        }
        first
    }

    /// What passes of the next bytes.
    ///
    /// # Errors
    /// [`Unreadable`] where messages are expected and something else came.
    pub(super) fn tell(&mut self, bytes: Bytes, redactor: &Redactor) -> Result<Bytes, Unreadable> {
        self.meter.feed(&bytes);
        let whole = self.borders.pass(bytes)?;
        Ok(self.cleaned(whole, redactor))
    }

    /// The same of bytes at which [`Relay::look`] was not asked to look.
    ///
    /// # Errors
    /// [`Unreadable`] where messages are expected and something else came.
    pub(super) fn tell_unseen(&mut self, bytes: Bytes, redactor: &Redactor) -> Result<Bytes, Unreadable> {
        if self.probe.is_some() {
            self.look(&bytes);
        }
        self.tell(bytes, redactor)
    }

    /// What is left at a clean end, and whether the stream is whole.
    pub(super) fn close(&mut self, redactor: &Redactor) -> (Bytes, End) {
        let rest = self.borders.rest();
        let rest = self.cleaned(rest, redactor);
        let whole = self.meter.close();
        let end = match self.told_error {
            true => End::Error,
            false if whole => End::Whole,
            false => End::Missing,
        };
        (rest, end)
    }

    fn cleaned(&mut self, whole: Bytes, redactor: &Redactor) -> Bytes {
        let whole = match &mut self.cut {
            Some(cut) => cut.cut(whole),
            None => whole,
        };
        let (whole, error) = redactor.stream(self.borders.framing, whole);
        self.told_error |= error;
        whole
    }
}

/// How a stream that passed has ended.
pub(super) enum End {
    Whole,
    /// The provider told an error, after which nothing is missing.
    Error,
    Missing,
}

impl Translator {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.decoder.feed(bytes, &mut self.events);
    }

    /// The provider closed its stream; whether it was whole, only its dialect knows.
    pub(super) fn close(&mut self) {
        if !self.finished && !std::mem::replace(&mut self.closed, true) {
            self.decoder.finish(&mut self.events);
        }
    }

    fn judge(&mut self) -> First {
        let first = first(&self.events);
        self.begun |= !matches!(first, First::Nothing);
        first
    }

    /// Tells the events that were read; an error among them is given back and ends the stream.
    pub(super) fn tell(&mut self, account: &mut Account, out: &mut Vec<u8>) -> Option<UpstreamError> {
        if !self.begun {
            self.judge();
        }
        let mut events = std::mem::take(&mut self.events);
        let mut failed = None;
        for event in events.drain(..) {
            match self.complete(event) {
                Event::Failed(error) => {
                    failed = Some(error);
                    break;
                }
                event => {
                    if let Event::Usage(usage) = &event {
                        account.usage(Some(*usage));
                    }
                    self.finished |= matches!(event, Event::Finished);
                    self.encoder.encode(&event, out);
                }
            }
        }
        self.events = events;
        failed
    }

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
