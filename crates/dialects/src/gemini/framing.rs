//! The two ways in which a stream's answers follow one another.

use crate::framing::FrameTooLarge;
use crate::framing::json_array::ArrayReader;
use crate::framing::sse::SseReader;

/// How the answers of a stream are set apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Server-sent events, as with `alt=sse`.
    Sse,
    /// One JSON list.
    Array,
}

/// Cuts a stream into its answers.
pub(super) enum Frames {
    Sse(SseReader),
    Array(ArrayReader),
}

impl Frames {
    pub(super) fn new(framing: Framing) -> Self {
        match framing {
            Framing::Sse => Self::Sse(SseReader::new()),
            Framing::Array => Self::Array(ArrayReader::new()),
        }
    }

    /// Takes the next bytes and gives each answer that they complete to `on`.
    pub(super) fn feed(&mut self, bytes: &[u8], mut on: impl FnMut(&[u8])) -> Result<(), FrameTooLarge> {
        match self {
            Self::Sse(reader) => reader.feed(bytes, |event| on(event.trimmed())),
            Self::Array(reader) => reader.feed(bytes, on),
        }
    }

    /// Whether nothing more need follow: a list must be closed, events have no end of their own.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Sse(_) => true,
            Self::Array(reader) => reader.is_closed(),
        }
    }

    /// The stream ended: gives what is left.
    pub(super) fn finish(&mut self, mut on: impl FnMut(&[u8])) -> Result<(), FrameTooLarge> {
        match self {
            Self::Sse(reader) => reader.finish(|event| on(event.trimmed())),
            Self::Array(reader) => {
                reader.finish(on);
                Ok(())
            }
        }
    }
}

/// Sets a stream's answers apart.
#[derive(Debug)]
pub(super) struct FrameWriter {
    framing: Framing,
    begun: bool,
}

impl FrameWriter {
    pub(super) fn new(framing: Framing) -> Self {
        Self { framing, begun: false }
    }

    /// Appends one answer. The service ends lines in CRLF, and so do we.
    pub(super) fn write(&mut self, answer: &[u8], out: &mut Vec<u8>) {
        let begun = std::mem::replace(&mut self.begun, true);
        match (self.framing, begun) {
            (Framing::Sse, _) => out.extend_from_slice(b"data: "),
            (Framing::Array, false) => out.push(b'['),
            (Framing::Array, true) => out.extend_from_slice(b",\r\n"),
        }
        // A provider's own JSON may stand in several lines; within JSON their ends are only space.
        out.extend(answer.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        if self.framing == Framing::Sse {
            out.extend_from_slice(b"\r\n\r\n");
        }
    }

    /// Appends what ends a stream.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        match (self.framing, self.begun) {
            (Framing::Sse, _) => {}
            (Framing::Array, true) => out.extend_from_slice(b"]"),
            (Framing::Array, false) => out.extend_from_slice(b"[]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        for framing in [Framing::Sse, Framing::Array] {
            let (mut writer, mut out) = (FrameWriter::new(framing), Vec::new());
            writer.write(b"{\"a\":\n1}", &mut out);
            writer.write(b"{}", &mut out);
            writer.end(&mut out);
            let (mut reader, mut frames) = (Frames::new(framing), Vec::new());
            reader.feed(&out, |frame| frames.push(frame.to_vec())).expect("short");
            reader.finish(|frame| frames.push(frame.to_vec())).expect("short");
            assert_eq!(frames, [b"{\"a\": 1}".to_vec(), b"{}".to_vec()]);
        }
        let mut out = Vec::new();
        FrameWriter::new(Framing::Array).end(&mut out);
        assert_eq!(out, b"[]");
    }
}
