//! Where a stream that passes may be cut: what has not come to its end waits, so that a stream which breaks off does so
//! where an error can follow.

use bytes::Bytes;
use lockgate_dialects::framing::eventstream::{self, Unreadable};
use lockgate_dialects::stream::Framing;

/// The most bytes of an unfinished line that are held back.
const LONGEST_LINE: usize = 64 * 1024;

/// The most bytes of a message, which is held back until it is whole. Those of Bedrock have a few hundred.
const LONGEST_MESSAGE: usize = 4 << 20;

/// What waits of a stream.
pub(crate) struct Borders {
    pub(crate) framing: Framing,
    /// The beginning of a line or message that has not ended yet.
    held: Bytes,
}

impl Borders {
    pub(crate) fn new(framing: Framing) -> Self {
        Self { framing, held: Bytes::new() }
    }

    /// What can pass by now.
    ///
    /// # Errors
    /// [`Unreadable`] where messages are expected and something else came.
    pub(crate) fn pass(&mut self, bytes: Bytes) -> Result<Bytes, Unreadable> {
        match self.framing {
            Framing::Lines => Ok(whole_lines(&mut self.held, bytes)),
            Framing::Messages => {
                let mut messages = joined(&std::mem::take(&mut self.held), bytes);
                let whole = eventstream::whole(&messages, LONGEST_MESSAGE)?;
                self.held = messages.split_off(whole);
                Ok(messages)
            }
        }
    }

    /// What is left at the end: a line needs no end there, a message does.
    pub(crate) fn rest(&mut self) -> Bytes {
        let rest = std::mem::take(&mut self.held);
        if self.framing == Framing::Lines { rest } else { Bytes::new() }
    }

    /// Ends the event that broke off, so that an error is one of its own.
    pub(crate) fn end(&self, out: &mut Vec<u8>) {
        if self.framing == Framing::Lines {
            out.push(b'\n');
        }
    }
}

/// What can pass of `bytes`: whole lines. The rest waits in `held`.
fn whole_lines(held: &mut Bytes, mut bytes: Bytes) -> Bytes {
    let lines = memchr::memrchr2(b'\n', b'\r', &bytes).map_or(0, |last| last + 1);
    if lines == 0 && held.len() + bytes.len() <= LONGEST_LINE {
        *held = joined(held, bytes);
        return Bytes::new();
    }
    let rest = if lines == 0 { Bytes::new() } else { bytes.split_off(lines) };
    joined(&std::mem::replace(held, rest), bytes)
}

fn joined(first: &Bytes, second: Bytes) -> Bytes {
    if first.is_empty() {
        return second;
    }
    [&first[..], &second[..]].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_breaks_off_is_never_passed_in_part() {
        let mut held = Bytes::new();
        let mut pass = |piece: &'static str| whole_lines(&mut held, Bytes::from_static(piece.as_bytes()));
        assert_eq!(pass("data: a\n\ndata: b"), "data: a\n\n");
        assert_eq!(pass("c"), "");
        assert_eq!(pass("d\r\n\r\n"), "data: bcd\r\n\r\n");
        assert_eq!(pass("data: e\r"), "data: e\r");
        assert_eq!(pass("x"), "");
        assert_eq!(held, "x");
    }

    #[test]
    fn a_line_without_end_is_not_held_for_ever() {
        let mut held = Bytes::new();
        let long = Bytes::from(vec![b'x'; LONGEST_LINE]);
        assert_eq!(whole_lines(&mut held, long.clone()), "");
        assert_eq!(whole_lines(&mut held, long).len(), 2 * LONGEST_LINE);
        assert!(held.is_empty());
    }

    #[test]
    fn a_message_that_breaks_off_is_never_passed_in_part() {
        let mut message = Vec::new();
        eventstream::write(&[(":event-type", "e")], b"a\nb", &mut message);
        let two = Bytes::from([&message[..], &message[..]].concat());
        let mut borders = Borders::new(Framing::Messages);
        let cut = message.len() + 20;
        assert_eq!(borders.pass(two.slice(..cut)), Ok(two.slice(..message.len())));
        assert_eq!(borders.pass(two.slice(cut..)), Ok(two.slice(message.len()..)));
        assert_eq!(borders.pass(two.slice(..9)), Ok(Bytes::new()));
        assert!(borders.rest().is_empty());
        assert!(borders.pass(Bytes::from_static(b"data: {}\n\ndata: {}\n\n")).is_err());
    }
}
