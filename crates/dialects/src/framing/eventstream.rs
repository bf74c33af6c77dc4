//! Event streams of AWS (`application/vnd.amazon.eventstream`): an incremental reader, and a writer.
//!
//! A message is, in big-endian order: its length in bytes, the length of its headers, a CRC-32 of those eight bytes,
//! the headers, the payload, and a CRC-32 of all that comes before it (Smithy, "Amazon Event Stream specification").

use super::{FrameTooLarge, MAX_FRAME};

/// The media type of event streams.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// What comes before the headers: two lengths and their checksum.
const PRELUDE: usize = 12;
/// The checksum at a message's end.
const TAIL: usize = 4;
/// The most bytes of headers that the specification allows.
const MOST_HEADERS: usize = 128 * 1024;
/// The type of a header that holds text.
const STRING: u8 = 7;

/// A message that cannot be read. Nothing is read after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is larger than the reader accepts.
    #[error(transparent)]
    TooLarge(#[from] FrameTooLarge),
    /// Its lengths contradict each other.
    #[error("a message of the event stream has lengths that cannot be")]
    Lengths,
    /// A checksum is not that of the bytes.
    #[error("a message of the event stream has a wrong checksum")]
    Checksum,
    /// Its headers do not follow the specification.
    #[error("a message of the event stream has headers that cannot be read")]
    Headers,
}

/// One message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    headers: &'a [u8],
    /// What it says; JSON in Bedrock's streams.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Appends the message with another payload and the same headers.
    ///
    /// # Panics
    /// See [`write`].
    pub fn write_with(&self, payload: &[u8], out: &mut Vec<u8>) {
        put(payload, out, |out| out.extend_from_slice(self.headers));
    }

    /// The first header called `name`, if it holds text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.headers;
        while let Some((header, after)) = next_header(rest) {
            if header.name == name.as_bytes() {
                return header.text.and_then(|text| std::str::from_utf8(text).ok());
            }
            rest = after;
        }
        None
    }
}

/// Cuts bytes into messages. Any chunking gives the same messages, and one that lies whole in a chunk is not copied.
#[derive(Debug)]
pub struct MessageReader {
    /// The beginning of a message whose end has not come.
    partial: Vec<u8>,
    limit: usize,
    failed: Option<Unreadable>,
}

impl Default for MessageReader {
    fn default() -> Self {
        Self::with_limit(MAX_FRAME)
    }
}

impl MessageReader {
    /// A reader of messages of at most [`MAX_FRAME`] bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader of messages of at most `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { partial: Vec::new(), limit, failed: None }
    }

    /// Takes the next bytes and gives each message that they complete to `on`.
    ///
    /// # Errors
    /// Why a message is [`Unreadable`], then and ever after.
    pub fn feed(&mut self, bytes: &[u8], mut on: impl FnMut(Message<'_>)) -> Result<(), Unreadable> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let fed = self.take(bytes, &mut on);
        self.failed = fed.err();
        fed
    }

    /// Whether the bytes so far end with a whole message.
    pub fn at_border(&self) -> bool {
        self.partial.is_empty()
    }

    fn take(&mut self, mut bytes: &[u8], on: &mut impl FnMut(Message<'_>)) -> Result<(), Unreadable> {
        while !self.partial.is_empty() && !bytes.is_empty() {
            // First what says how long the message is, then the message.
            let wanted = match length(&self.partial, self.limit)? {
                None => PRELUDE,
                Some(length) => length,
            };
            let (missing, rest) = bytes.split_at(bytes.len().min(wanted - self.partial.len()));
            self.partial.extend_from_slice(missing);
            bytes = rest;
            if length(&self.partial, self.limit)? == Some(self.partial.len()) {
                on(message(&self.partial)?);
                self.partial.clear();
            }
        }
        while let Some(length) = length(bytes, self.limit)?.filter(|length| *length <= bytes.len()) {
            let (whole, rest) = bytes.split_at(length);
            on(message(whole)?);
            bytes = rest;
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }
}

/// How many bytes at the front of `bytes`, which begin with a message, are whole messages of at most `limit` bytes: what
/// can pass of them. Only lengths are looked at.
///
/// # Errors
/// [`Unreadable::Lengths`] when they cannot be, and [`Unreadable::TooLarge`].
pub fn whole(bytes: &[u8], limit: usize) -> Result<usize, Unreadable> {
    let mut at = 0;
    while let Some(length) = length(&bytes[at..], limit)?.filter(|length| *length <= bytes.len() - at) {
        at += length;
    }
    Ok(at)
}

/// The length of the message that `bytes` begin with; `None` while it is not there.
fn length(bytes: &[u8], limit: usize) -> Result<Option<usize>, Unreadable> {
    let Some(prelude) = bytes.get(..PRELUDE) else { return Ok(None) };
    let (total, headers) = (number(prelude, 0), number(prelude, 4));
    if crc32fast::hash(&prelude[..8]) != u32::try_from(number(prelude, 8)).unwrap_or_default() {
        return Err(Unreadable::Checksum);
    }
    if headers > MOST_HEADERS || total < PRELUDE + headers + TAIL {
        return Err(Unreadable::Lengths);
    }
    if total > limit {
        return Err(FrameTooLarge { limit }.into());
    }
    Ok(Some(total))
}

/// The message that `whole` is: its length is right by now.
fn message(whole: &[u8]) -> Result<Message<'_>, Unreadable> {
    let (body, sum) = whole.split_at(whole.len() - TAIL);
    if crc32fast::hash(body) != u32::try_from(number(sum, 0)).unwrap_or_default() {
        return Err(Unreadable::Checksum);
    }
    let (headers, payload) = body[PRELUDE..].split_at(number(body, 4));
    let mut rest = headers;
    while !rest.is_empty() {
        rest = next_header(rest).ok_or(Unreadable::Headers)?.1;
    }
    Ok(Message { headers, payload })
}

/// The number in the four bytes at `at`, which must be there.
fn number(bytes: &[u8], at: usize) -> usize {
    bytes[at..at + 4].iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

struct Header<'a> {
    name: &'a [u8],
    /// `None` where it holds something else.
    text: Option<&'a [u8]>,
}

/// The first header, and what follows it; `None` where it is cut or of a type that is not known.
fn next_header(bytes: &[u8]) -> Option<(Header<'_>, &[u8])> {
    let (name_length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*name_length))?;
    let (kind, rest) = rest.split_first()?;
    let (size, rest) = match *kind {
        0 | 1 => (0, rest),
        2 => (1, rest),
        3 => (2, rest),
        4 => (4, rest),
        5 | 8 => (8, rest),
        9 => (16, rest),
        6 | STRING => {
            let (size, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*size)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(size)?;
    Some((Header { name, text: (*kind == STRING).then_some(value) }, rest))
}

/// Appends a message with headers of text. A header whose name is longer than 255 bytes or whose value is longer than
/// 65,535 is left out.
///
/// # Panics
/// When the message would be longer than 4 GiB.
pub fn write(headers: &[(&str, &str)], payload: &[u8], out: &mut Vec<u8>) {
    put(payload, out, |out| headers.iter().for_each(|(name, value)| put_header(name, value, out)));
}

fn put_header(name: &str, value: &str, out: &mut Vec<u8>) {
    if let (Ok(name_length), Ok(length)) = (u8::try_from(name.len()), u16::try_from(value.len())) {
        out.push(name_length);
        out.extend_from_slice(name.as_bytes());
        out.push(STRING);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(value.as_bytes());
    }
}

/// Appends a message whose headers are what `headers` appends.
fn put(payload: &[u8], out: &mut Vec<u8>, headers: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; PRELUDE]);
    headers(out);
    let headers = out.len() - start - PRELUDE;
    out.extend_from_slice(payload);
    let total = out.len() - start + TAIL;
    let number =
        |length: usize| u32::try_from(length).expect("no message is longer than 4 GiB").to_be_bytes();
    out[start..start + 4].copy_from_slice(&number(total));
    out[start + 4..start + 8].copy_from_slice(&number(headers));
    let sum = crc32fast::hash(&out[start..start + 8]);
    out[start + 8..start + PRELUDE].copy_from_slice(&sum.to_be_bytes());
    let sum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&sum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own example of a message with a header and a payload.
    const EXAMPLE: &[u8] =
        b"\0\0\0=\0\0\0 \x07\xfd\x83\x96\x0ccontent-type\x07\0\x10application/json{'foo':'bar'}\
        \x8d\x9c\x08\xb1";

    type Said = Vec<(Option<String>, Vec<u8>)>;

    fn said(chunks: &[&[u8]]) -> (Said, Result<(), Unreadable>) {
        let (mut reader, mut said) = (MessageReader::with_limit(80), Vec::new());
        let mut on = |message: Message<'_>| {
            said.push((message.text("content-type").map(str::to_owned), message.payload.to_vec()));
        };
        let fed = chunks.iter().try_for_each(|chunk| reader.feed(chunk, &mut on));
        (said, fed)
    }

    #[test]
    fn the_specifications_example_is_read_and_written() {
        let mut written = Vec::new();
        write(&[("content-type", "application/json")], b"{'foo':'bar'}", &mut written);
        assert_eq!(written, EXAMPLE);
        let (said, fed) = said(&[EXAMPLE]);
        assert_eq!(said, [(Some("application/json".to_owned()), b"{'foo':'bar'}".to_vec())]);
        assert_eq!(fed, Ok(()));
    }

    #[test]
    fn a_message_keeps_its_headers_under_another_payload() {
        let (mut same, mut other) = (Vec::new(), Vec::new());
        let fed = MessageReader::new().feed(EXAMPLE, |message| {
            message.write_with(message.payload, &mut same);
            message.write_with(b"{}", &mut other);
        });
        assert_eq!((fed, same.as_slice()), (Ok(()), EXAMPLE));
        let read = said(&[&other]).0;
        assert_eq!(read, [(Some("application/json".to_owned()), b"{}".to_vec())]);
    }

    #[test]
    fn messages_are_joined_across_chunks() {
        let stream = [EXAMPLE, EXAMPLE, EXAMPLE].concat();
        for size in 1..stream.len() {
            let (messages, fed) = said(&stream.chunks(size).collect::<Vec<_>>());
            assert_eq!((messages.len(), fed), (3, Ok(())), "{size}");
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        for place in 0..EXAMPLE.len() * 8 {
            let mut damaged = EXAMPLE.to_vec();
            damaged[place / 8] ^= 1 << (place % 8);
            let (messages, fed) = said(&[&damaged]);
            assert!(messages.is_empty() && fed.is_err(), "bit {place}");
        }
    }

    #[test]
    fn every_type_of_header_is_skipped_and_a_cut_one_is_refused() {
        let header = |kind: u8, value: &[u8]| [&[1, b'x', kind], value].concat();
        let values: [&[u8]; 10] =
            [b"", b"", b"1", b"12", b"1234", b"12345678", b"\0\x02ab", b"\0\x02ab", b"12345678", &[0; 16]];
        let all: Vec<u8> = (0..).zip(values).flat_map(|(kind, value)| header(kind, value)).collect();
        let mut rest = all.as_slice();
        for _ in values {
            rest = next_header(rest).expect("a whole header").1;
        }
        assert!(rest.is_empty());
        for cut in [&all[..1], &all[..2], &header(10, b""), &header(7, b"\0\x09ab"), &header(9, b"12")] {
            assert!(next_header(cut).is_none(), "{cut:?}");
        }
    }

    #[test]
    fn a_message_larger_than_the_limit_ends_the_reading() {
        let mut large = Vec::new();
        write(&[], &[0; 80], &mut large);
        let (messages, fed) = said(&[&large[..PRELUDE], &large[PRELUDE..]]);
        assert!(messages.is_empty());
        assert_eq!(fed, Err(FrameTooLarge { limit: 80 }.into()));
        let mut reader = MessageReader::with_limit(80);
        assert!(reader.feed(&large, |_| ()).is_err());
        assert!(reader.feed(EXAMPLE, |_| ()).is_err(), "nothing is read after it");
    }

    #[test]
    fn what_can_pass_ends_with_a_message() {
        let two = [EXAMPLE, EXAMPLE].concat();
        for (bytes, passes) in [(0, 0), (11, 0), (EXAMPLE.len(), 61), (two.len() - 1, 61), (two.len(), 122)] {
            assert_eq!(whole(&two[..bytes], 61), Ok(passes));
        }
        assert_eq!(whole(b"data: {}\n\ndata: {}\n\n", 61), Err(Unreadable::Checksum));
    }
}
