//! Any cutting of any bytes gives the same frames, and the same complaint about one that is too large.
//!
//! The first byte of the input is the size of the pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_dialects::framing::{FrameTooLarge, MAX_FRAME};
use lockgate_dialects::framing::eventstream::{self, MessageReader, Unreadable};
use lockgate_dialects::framing::ndjson::LineReader;
use lockgate_dialects::framing::sse::{SseEvent, SseReader};

/// Small, so that inputs reach it.
const LIMIT: usize = 64;

fuzz_target!(|input: &[u8]| {
    let Some((size, stream)) = input.split_first() else { return };
    let size = usize::from(*size).max(1);
    assert_eq!(events(&[stream]), events(&stream.chunks(size).collect::<Vec<_>>()));
    assert_eq!(lines(&[stream]), lines(&stream.chunks(size).collect::<Vec<_>>()));
    assert_eq!(messages(&[stream]), messages(&stream.chunks(size).collect::<Vec<_>>()));
    written(stream);
});

type Event = (Option<String>, Vec<u8>);

fn events(chunks: &[&[u8]]) -> (Vec<Event>, Result<(), FrameTooLarge>) {
    let (mut reader, mut events) = (SseReader::with_limit(LIMIT), Vec::new());
    let mut on = |event: SseEvent<'_>| events.push((event.event.map(str::to_owned), event.data.to_vec()));
    let fed = chunks.iter().try_for_each(|chunk| reader.feed(chunk, &mut on));
    let ended = fed.and_then(|()| reader.finish(&mut on));
    (events, ended)
}

fn lines(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Result<(), FrameTooLarge>) {
    let (mut reader, mut lines) = (LineReader::with_limit(LIMIT), Vec::new());
    let mut on = |line: &[u8]| lines.push(line.to_vec());
    let fed = chunks.iter().try_for_each(|chunk| reader.feed(chunk, &mut on));
    reader.finish(&mut on);
    (lines, fed)
}

fn messages(chunks: &[&[u8]]) -> (Vec<(Option<String>, Vec<u8>)>, Result<(), Unreadable>) {
    let (mut reader, mut messages) = (MessageReader::with_limit(LIMIT), Vec::new());
    let mut on = |message: eventstream::Message<'_>| {
        messages.push((message.text(":event-type").map(str::to_owned), message.payload.to_vec()));
    };
    let fed = chunks.iter().try_for_each(|chunk| reader.feed(chunk, &mut on));
    (messages, fed)
}

/// A message says what was written, and no bytes before or after it change that: checksums are hard to guess, so that
/// random bytes alone are hardly ever a message.
fn written(payload: &[u8]) {
    let mut stream = Vec::new();
    eventstream::write(&[(":event-type", "e")], payload, &mut stream);
    let length = stream.len();
    assert_eq!(eventstream::whole(&stream, MAX_FRAME), Ok(length));
    assert_eq!(eventstream::whole(&stream[..length - 1], MAX_FRAME), Ok(0));
    stream.extend_from_slice(payload);
    let (mut reader, mut first) = (MessageReader::new(), None);
    let _rest = reader.feed(&stream, |message| {
        first.get_or_insert_with(|| (message.text(":event-type").map(str::to_owned), message.payload.to_vec()));
    });
    assert_eq!(first, Some((Some("e".to_owned()), payload.to_vec())));
}
