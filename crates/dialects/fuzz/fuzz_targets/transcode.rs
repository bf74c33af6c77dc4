//! What one dialect reads every dialect can write: bodies are JSON, and streams keep the grammar of events, however
//! they are cut.
//!
//! The first byte of the input chooses the dialect that reads, the second is the size of a stream's pieces.

#![no_main]

#[path = "../../tests/laws/grammar.rs"]
mod grammar;

use libfuzzer_sys::fuzz_target;
use lockgate_dialects::canonical::{Class, Event, Failure, Losses};
use lockgate_dialects::framing::eventstream;
use lockgate_dialects::stream::{Framing, StreamDecoder, StreamEncoder};
use lockgate_dialects::{Dialect, ModelTraits, by_name, names};

fuzz_target!(|input: &[u8]| {
    let [which, size, bytes @ ..] = input else { return };
    let dialects: Vec<&dyn Dialect> = names().filter_map(by_name).collect();
    let from = dialects[usize::from(*which) % dialects.len()];
    let size = usize::from(*size).max(1);
    bodies(from, &dialects, bytes);
    if let Some(codec) = from.chat() {
        let read = || codec.stream_decoder();
        let write = |to: &dyn Dialect, usage| to.chat()?.stream_encoder(usage);
        streams(&read, &write, &dialects, bytes, size);
    }
    if let Some(codec) = from.complete() {
        let read = || codec.stream_decoder();
        let write = |to: &dyn Dialect, usage| to.complete()?.stream_encoder(usage);
        streams(&read, &write, &dialects, bytes, size);
    }
});

fn bodies(from: &dyn Dialect, dialects: &[&dyn Dialect], bytes: &[u8]) {
    let (model, losses) = (ModelTraits::default(), &mut Losses::default());
    if let Some(codec) = from.chat() {
        let (request, response) = (codec.decode_request(bytes), codec.decode_response(bytes));
        for to in dialects.iter().filter_map(|to| to.chat()) {
            request.iter().for_each(|request| is_json(to.encode_request(request, &model, losses)));
            response.iter().for_each(|response| is_json(Ok(to.encode_response(response, losses))));
        }
    }
    if let Some(codec) = from.complete() {
        let (request, response) = (codec.decode_request(bytes), codec.decode_response(bytes));
        for to in dialects.iter().filter_map(|to| to.complete()) {
            request.iter().for_each(|request| is_json(to.encode_request(request, &model, losses)));
            response.iter().for_each(|response| is_json(Ok(to.encode_response(response, losses))));
        }
    }
    if let Some(codec) = from.embed() {
        let (request, response) = (codec.decode_request(bytes), codec.decode_response(bytes));
        for to in dialects.iter().filter_map(|to| to.embed()) {
            request.iter().for_each(|request| is_json(to.encode_request(request, &model, losses)));
            response.iter().for_each(|response| is_json(Ok(to.encode_response(response, losses))));
        }
    }
}

fn is_json(body: Result<Vec<u8>, Failure>) {
    if let Ok(body) = body {
        serde_json::from_slice::<&serde_json::value::RawValue>(&body).expect("what is written is JSON");
    }
}

fn streams(
    read: &dyn Fn() -> Option<Box<dyn StreamDecoder>>,
    write: &dyn Fn(&dyn Dialect, bool) -> Option<Box<dyn StreamEncoder>>,
    dialects: &[&dyn Dialect],
    bytes: &[u8],
    size: usize,
) {
    let (Some(whole), Some(pieces)) = (read(), read()) else { return };
    let whole = events(whole, bytes.len().max(1), bytes);
    assert_eq!(format!("{whole:?}"), format!("{:?}", events(pieces, size, bytes)));
    assert_eq!(grammar::fault(&whole), None);
    for encoder in dialects.iter().flat_map(|to| [write(*to, true), write(*to, false)]) {
        let Some(mut encoder) = encoder else { continue };
        let mut out = Vec::new();
        whole.iter().for_each(|event| encoder.encode(event, &mut out));
        encoder.fail(&Failure::new(Class::StreamTruncated, "m"), "id", &mut out);
        match encoder.framing() {
            Framing::Lines => assert!(std::str::from_utf8(&out).is_ok(), "what is written is text"),
            Framing::Messages => assert_eq!(eventstream::whole(&out, usize::MAX), Ok(out.len())),
        }
    }
}

fn events(mut decoder: Box<dyn StreamDecoder>, size: usize, bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    bytes.chunks(size).for_each(|chunk| decoder.feed(chunk, &mut events));
    decoder.finish(&mut events);
    events
}
