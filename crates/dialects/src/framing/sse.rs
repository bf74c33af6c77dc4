//! Server-sent events (WHATWG HTML, section 9.2): an incremental reader, and a writer.

use super::lines::{Line, Lines};
use super::{FrameTooLarge, MAX_FRAME};
use memchr::{memchr, memchr2};

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// Its name, where one is given.
    pub event: Option<&'a str>,
    /// Its data; several `data` lines are joined by LF.
    pub data: &'a [u8],
}

impl<'a> SseEvent<'a> {
    /// The data without white space around it: some servers pad it.
    pub fn trimmed(&self) -> &'a [u8] {
        self.data.trim_ascii()
    }
}

/// Cuts bytes into events. Any chunking gives the same events, and an event that lies whole in a chunk is not copied.
///
/// Lines may end in LF, CRLF or CR; comments, `id`, `retry` and unknown fields are skipped; an event without data is
/// none.
#[derive(Debug)]
pub struct SseReader {
    lines: Lines,
    event: Pending,
    failed: Option<FrameTooLarge>,
}

impl Default for SseReader {
    fn default() -> Self {
        Self::with_limit(MAX_FRAME)
    }
}

impl SseReader {
    /// A reader of events of at most [`MAX_FRAME`] bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader of events of at most `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { lines: Lines::new(limit, true), event: Pending::new(limit), failed: None }
    }

    /// Takes the next bytes and gives each event that they complete to `on`.
    ///
    /// # Errors
    /// [`FrameTooLarge`], then and ever after.
    pub fn feed(&mut self, bytes: &[u8], mut on: impl FnMut(SseEvent<'_>)) -> Result<(), FrameTooLarge> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let mut held = None;
        let event = &mut self.event;
        let fed = self.lines.feed(bytes, |line| event.line(line, &mut held, &mut on));
        self.event.keep(held);
        self.failed = fed.err();
        fed
    }

    /// The stream ended: gives the last event to `on` if no blank line followed it.
    ///
    /// # Errors
    /// [`FrameTooLarge`].
    pub fn finish(&mut self, mut on: impl FnMut(SseEvent<'_>)) -> Result<(), FrameTooLarge> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let mut held = None;
        if let Some(rest) = self.lines.rest() {
            self.event.line(Line::Joined(&rest), &mut held, &mut on)?;
        }
        self.event.dispatch(None, &mut on);
        Ok(())
    }
}

/// The event whose lines are being read. Its data stands in `data`, or, while it is one line of the present chunk, in
/// the `held` that the functions pass along.
#[derive(Debug)]
struct Pending {
    name: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    first_line: bool,
    limit: usize,
}

impl Pending {
    fn new(limit: usize) -> Self {
        Self { name: Vec::new(), data: Vec::new(), has_data: false, first_line: true, limit }
    }

    fn line<'chunk>(
        &mut self,
        line: Line<'chunk, '_>,
        held: &mut Option<&'chunk [u8]>,
        on: &mut impl FnMut(SseEvent<'_>),
    ) -> Result<(), FrameTooLarge> {
        let (Line::InChunk(bytes) | Line::Joined(bytes)) = line;
        let whole = self.without_mark(bytes);
        self.first_line = false;
        if whole.is_empty() {
            self.dispatch(held.take(), on);
            return Ok(());
        }
        let (name, value) = field(whole);
        match name {
            b"data" => match line {
                Line::InChunk(line) if !self.has_data && held.is_none() => {
                    *held = Some(&line[line.len() - value.len()..]);
                    Ok(())
                }
                _ => {
                    self.keep(held.take());
                    self.append(value)
                }
            },
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A stream may begin with a byte order mark.
    fn without_mark<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        if self.first_line { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line }
    }

    fn append(&mut self, value: &[u8]) -> Result<(), FrameTooLarge> {
        if self.data.len() + value.len() >= self.limit {
            return Err(FrameTooLarge { limit: self.limit });
        }
        if std::mem::replace(&mut self.has_data, true) {
            self.data.push(b'\n');
        }
        self.data.extend_from_slice(value);
        Ok(())
    }

    /// Copies what was held of a chunk that goes away.
    fn keep(&mut self, held: Option<&[u8]>) {
        if let Some(held) = held {
            self.data.extend_from_slice(held);
            self.has_data = true;
        }
    }

    fn dispatch(&mut self, held: Option<&[u8]>, on: &mut impl FnMut(SseEvent<'_>)) {
        let data = held.or(self.has_data.then_some(self.data.as_slice()));
        if let Some(data) = data.filter(|data| !data.is_empty()) {
            let event = std::str::from_utf8(&self.name).ok().filter(|name| !name.is_empty());
            on(SseEvent { event, data });
        }
        self.name.clear();
        self.data.clear();
        self.has_data = false;
    }
}

/// A line's field name and value; one space after the colon does not count.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b':', line) {
        None => (line, b""),
        Some(colon) => {
            let value = &line[colon + 1..];
            (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
        }
    }
}

/// Appends an event. Line ends in `data` begin new `data` lines.
pub fn write(event: Option<&str>, data: &[u8], out: &mut Vec<u8>) {
    if let Some(event) = event {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.push(b'\n');
    }
    let mut rest = data;
    loop {
        out.extend_from_slice(b"data: ");
        match memchr2(b'\n', b'\r', rest) {
            None => break,
            Some(end) => {
                out.extend_from_slice(&rest[..end]);
                out.push(b'\n');
                let after = &rest[end..];
                rest = after.strip_prefix(b"\r\n").unwrap_or(&after[1..]);
            }
        }
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    type Owned = (Option<String>, String);

    fn read(reader: &mut SseReader, chunks: &[&[u8]]) -> Result<Vec<Owned>, FrameTooLarge> {
        let mut events = Vec::new();
        let mut on = |event: SseEvent<'_>| {
            let data = String::from_utf8(event.data.to_vec()).unwrap();
            events.push((event.event.map(str::to_owned), data));
        };
        for chunk in chunks {
            reader.feed(chunk, &mut on)?;
        }
        reader.finish(&mut on)?;
        Ok(events)
    }

    fn data(stream: &str) -> Vec<String> {
        let whole = read(&mut SseReader::new(), &[stream.as_bytes()]).unwrap();
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(whole, read(&mut SseReader::new(), &bytes).unwrap(), "by bytes: {stream:?}");
        whole.into_iter().map(|(_, data)| data).collect()
    }

    #[test]
    fn every_line_end_and_both_spacings_are_read() {
        assert_eq!(data("data: a\n\ndata:b\n\n"), ["a", "b"]);
        assert_eq!(data("data: a\r\n\r\ndata:b\r\n\r\n"), ["a", "b"]);
        assert_eq!(data("data: a\r\rdata:b\r\r"), ["a", "b"]);
        assert_eq!(data("\u{feff}data:  a \n\n"), [" a "]);
    }

    #[test]
    fn comments_and_other_fields_are_skipped_and_data_lines_are_joined() {
        assert_eq!(data(": hello\n\nid: 7\nretry: 1\ndata: a\ndata\ndata: b\nnothing\n\n"), ["a\n\nb"]);
        assert!(data("event: ping\n\n: keep alive\n\n").is_empty());
    }

    #[test]
    fn an_event_without_a_blank_line_after_it_still_counts_at_the_end() {
        assert_eq!(data("data: a\n\ndata: [DONE]"), ["a", "[DONE]"]);
        assert_eq!(data("data: [DONE]\n"), ["[DONE]"]);
    }

    #[test]
    fn a_name_may_stand_before_or_after_the_data() {
        let stream: &[u8] = b"event: x\ndata: 1\n\ndata: 2\nevent: y\n\ndata: 3\n\n";
        let names: Vec<_> =
            read(&mut SseReader::new(), &[stream]).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, [Some("x".to_owned()), Some("y".to_owned()), None]);
    }

    #[test]
    fn text_cut_within_a_character_is_whole_again() {
        let stream = "data: \u{1F600}\n\n".as_bytes();
        assert_eq!(read(&mut SseReader::new(), &[&stream[..8], &stream[8..]]).unwrap()[0].1, "\u{1F600}");
    }

    #[test]
    fn an_event_larger_than_the_limit_ends_the_reading() {
        let small = || SseReader::with_limit(16);
        assert!(read(&mut small(), &[b"data: 0123456789\n\n"]).is_ok());
        for stream in
            ["data: 0123456789a\n\n", "data: 01234567\ndata: 01234567\n\n", "data: 012345678901234567"]
        {
            assert!(read(&mut small(), &[stream.as_bytes()]).is_err(), "{stream}");
            let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
            let mut reader = small();
            assert!(read(&mut reader, &bytes).is_err(), "{stream}");
            assert!(reader.feed(b"data: a\n\n", |_| ()).is_err());
        }
    }

    #[test]
    fn a_whole_event_is_given_without_a_copy() {
        let chunk: &[u8] = b"data: abc\n\n";
        let mut reader = SseReader::new();
        reader.feed(chunk, |event| assert_eq!(event.data.as_ptr(), chunk[6..].as_ptr())).unwrap();
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut out = Vec::new();
        write(Some("e"), b"a\nb", &mut out);
        write(None, b"{}", &mut out);
        assert_eq!(out, b"event: e\ndata: a\ndata: b\n\ndata: {}\n\n");
        assert_eq!(data(std::str::from_utf8(&out).unwrap()), ["a\nb", "{}"]);
    }
}
