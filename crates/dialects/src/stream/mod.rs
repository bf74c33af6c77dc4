//! Streams: bytes to events to bytes, and usage read from bytes that pass.

mod in_turn;
mod meter;
mod untold;

pub(crate) use in_turn::{InTurn, Told};
pub(crate) use meter::WholeMeter;
pub(crate) use untold::Untold;

use crate::canonical::{Event, Failure, Losses, Usage};
use bytes::Bytes;

/// Reads a provider's stream. Any chunking of the same bytes gives the same events.
pub trait StreamDecoder: Send {
    /// Takes the next bytes and appends what they say.
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>);

    /// The connection closed cleanly. Appends `Failed` unless the dialect's own end was seen.
    fn finish(&mut self, events: &mut Vec<Event>);
}

/// Where a stream can be cut so that something else may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// After a line, as in server-sent events and lines of JSON.
    Lines,
    /// After a message of AWS's event streams.
    Messages,
}

/// Writes a client's stream.
pub trait StreamEncoder: Send {
    /// Where the stream can be cut.
    fn framing(&self) -> Framing {
        Framing::Lines
    }

    /// Appends the bytes that say `event`; may be none.
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>);

    /// Appends the dialect's error event. Nothing may follow.
    fn fail(&mut self, failure: &Failure, request_id: &str, out: &mut Vec<u8>);

    /// What could not be said so far, each thing once; asked for at the end of a stream.
    fn losses(&mut self) -> Losses {
        Losses::default()
    }
}

/// Takes out of a stream that passes what its client did not ask for.
pub trait StreamCut: Send {
    /// What remains of the next bytes: whole lines, but for a stream's last one and for lines of excessive length.
    fn cut(&mut self, lines: Bytes) -> Bytes;
}

/// Reads usage from an answer or stream whose bytes pass untouched.
pub trait UsageMeter: Send {
    /// Takes the next bytes.
    fn feed(&mut self, bytes: &[u8]);

    /// What was seen so far.
    fn usage(&self) -> Option<Usage>;

    /// Whether the dialect's own end was seen (always true for a whole answer).
    fn finished(&self) -> bool;

    /// The connection closed cleanly: whether the answer is whole. Where a dialect's end may be left out, it is so
    /// although the end was not seen.
    fn close(&mut self) -> bool {
        self.finished()
    }
}
