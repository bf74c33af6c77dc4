//! Any cutting of any bytes gives the same frames, and the same complaint about one that is too large.
//!
//! The first byte of the input is the size of the pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_dialects::framing::FrameTooLarge;
use lockgate_dialects::framing::ndjson::LineReader;
use lockgate_dialects::framing::sse::{SseEvent, SseReader};

/// Small, so that inputs reach it.
const LIMIT: usize = 64;

fuzz_target!(|input: &[u8]| {
    let Some((size, stream)) = input.split_first() else { return };
    let size = usize::from(*size).max(1);
    assert_eq!(events(&[stream]), events(&stream.chunks(size).collect::<Vec<_>>()));
    assert_eq!(lines(&[stream]), lines(&stream.chunks(size).collect::<Vec<_>>()));
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
