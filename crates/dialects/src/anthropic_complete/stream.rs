//! Streams of `/v1/complete`: `event: completion` with a piece of text each, the last with its reason.

use super::response;
use crate::anthropic_messages::errors;
use crate::canonical::{BlockKind, Delta, Event, Failure, FinishReason, Losses, UpstreamError, Usage};
use crate::framing::sse::{self, SseEvent, SseReader};
use crate::raw::to_bytes;
use crate::stream::{StreamDecoder, StreamEncoder, Untold, UsageMeter};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;

/// Reads a stream.
#[derive(Default)]
pub(super) struct Decoder {
    reader: SseReader,
    state: State,
}

#[derive(Default)]
struct State {
    started: bool,
    done: bool,
}

#[derive(Deserialize)]
struct Frame {
    #[serde(rename = "type")]
    kind: Option<String>,
    id: Option<String>,
    model: Option<String>,
    completion: Option<String>,
    stop_reason: Option<String>,
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        if self.state.done {
            return;
        }
        if let Err(error) = self.reader.feed(bytes, |frame| self.state.frame(frame, events)) {
            self.state.fail(error.to_string(), events);
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        if !self.state.done
            && let Err(error) = self.reader.finish(|frame| self.state.frame(frame, events))
        {
            self.state.fail(error.to_string(), events);
        }
        self.state.fail("the provider's stream ended before its `stop_reason`".to_owned(), events);
    }
}

impl State {
    fn frame(&mut self, event: SseEvent<'_>, events: &mut Vec<Event>) {
        if self.done {
            return;
        }
        let Ok(frame) = serde_json::from_slice::<Frame>(event.trimmed()) else {
            return self.fail("an event of the provider's stream cannot be read".to_owned(), events);
        };
        match frame.kind.as_deref().or(event.event) {
            Some("ping") => {}
            Some("error") => {
                self.done = true;
                events.push(Event::Failed(UpstreamError::of_frame(event.data)));
            }
            _ if frame.completion.is_some() => self.grow(frame, events),
            _ => events.push(Event::Unknown(bytes::Bytes::copy_from_slice(event.trimmed()))),
        }
    }

    fn grow(&mut self, frame: Frame, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Started { id: frame.id, model: frame.model, created: None });
            events.push(Event::BlockOpened { choice: 0, block: 0, kind: BlockKind::Text });
        }
        if let Some(text) = frame.completion.filter(|text| !text.is_empty()) {
            events.push(Event::BlockGrew { choice: 0, block: 0, delta: Delta::Text(text) });
        }
        if let Some(reason) = frame.stop_reason {
            events.push(Event::BlockClosed { choice: 0, block: 0 });
            events.push(Event::Ended { choice: 0, reason: Some(response::finish_reason(Some(&reason))) });
            events.push(Event::Finished);
            self.done = true;
        }
    }

    fn fail(&mut self, message: String, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.done, true) {
            events.push(Event::Failed(UpstreamError::of_message(message)));
        }
    }
}

const ONE_TEXT: &str = "Anthropic's older API answers with one text";

/// Writes a stream of one answer.
#[derive(Default)]
pub(super) struct Encoder {
    id: Option<String>,
    model: Option<String>,
    reason: Option<FinishReason>,
    /// Blocks whose pieces are no text of the answer: reasoning and tool calls.
    silent: BTreeSet<u32>,
    done: bool,
    untold: Untold,
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            _ if self.done => {}
            Event::Started { id, model, .. } => {
                self.id.clone_from(id);
                self.model.clone_from(model);
            }
            Event::BlockOpened { choice: 0, block, kind }
                if !matches!(kind, BlockKind::Text | BlockKind::Refusal) =>
            {
                self.silent.insert(*block);
                self.untold.event(event, ONE_TEXT);
            }
            Event::BlockGrew { choice: 0, block, delta: Delta::Text(text) }
                if !self.silent.contains(block) =>
            {
                self.write(text, None, out);
            }
            Event::Ended { choice: 0, reason } => self.reason.clone_from(reason),
            Event::Usage(_) => self.untold.add("usage", "Anthropic's older API does not count tokens"),
            Event::Ended { .. } | Event::Aside { .. } | Event::Unknown(_) => {
                self.untold.event(event, ONE_TEXT);
            }
            Event::Finished => {
                self.write("", Some(response::stop_reason(self.reason.as_ref())), out);
                self.done = true;
            }
            _ => {}
        }
    }

    fn fail(&mut self, failure: &Failure, request_id: &str, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.done, true) {
            sse::write(Some("error"), &to_bytes(&errors::body_of(failure, request_id)), out);
        }
    }

    fn losses(&mut self) -> Losses {
        self.untold.take()
    }
}

impl Encoder {
    fn write(&self, completion: &str, stop_reason: Option<&str>, out: &mut Vec<u8>) {
        let frame = json!({
            "type": "completion",
            "id": self.id,
            "completion": completion,
            "stop_reason": stop_reason,
            "model": self.model,
        });
        sse::write(Some("completion"), &to_bytes(&frame), out);
    }
}

/// Sees the end of a stream that passes; it has no usage.
#[derive(Default)]
pub(super) struct Meter {
    reader: SseReader,
    finished: bool,
}

impl UsageMeter for Meter {
    fn feed(&mut self, bytes: &[u8]) {
        // A frame past the reader's bound ends the reading, not the stream.
        let _ = self.reader.feed(bytes, |event| {
            let frame = serde_json::from_slice::<Frame>(event.trimmed());
            self.finished |= frame.is_ok_and(|frame| frame.stop_reason.is_some());
        });
    }

    fn usage(&self) -> Option<Usage> {
        None
    }

    fn finished(&self) -> bool {
        self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "event: ping\r\ndata: {\"type\": \"ping\"}\r\n\r\n\
        event: completion\r\ndata: {\"type\":\"completion\",\"id\":\"c\",\"completion\":\" Hi\",\"stop_reason\":null,\"model\":\"m\"}\r\n\r\n\
        event: completion\r\ndata: {\"type\":\"completion\",\"completion\":\"\",\"stop_reason\":\"stop_sequence\",\"model\":\"m\"}\r\n\r\n";

    fn decoded(bytes: &[u8]) -> Vec<Event> {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        decoder.feed(bytes, &mut events);
        decoder.finish(&mut events);
        events
    }

    #[test]
    fn a_stream_is_read_and_written_back_alike() {
        let events = decoded(STREAM.as_bytes());
        assert!(
            matches!(&events[0], Event::Started { id: Some(id), model: Some(model), .. } if id == "c" && model == "m")
        );
        assert!(matches!(&events[2], Event::BlockGrew { delta: Delta::Text(text), .. } if text == " Hi"));
        assert!(matches!(&events[4], Event::Ended { reason: Some(FinishReason::Stop), .. }));
        assert!(matches!(&events[5..], [Event::Finished]));
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        events.iter().for_each(|event| encoder.encode(event, &mut out));
        assert_eq!(format!("{:?}", decoded(&out)), format!("{events:?}"));
    }

    #[test]
    fn a_cut_stream_and_an_error_are_failures() {
        let cut = decoded(&STREAM.as_bytes()[..STREAM.len() / 2]);
        assert!(matches!(cut.last(), Some(Event::Failed(_))));
        let error = decoded(
            b"event: error\ndata: {\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n",
        );
        assert!(matches!(&error[..], [Event::Failed(error)] if error.message == "busy"));
    }

    #[test]
    fn the_end_of_a_passing_stream_is_seen() {
        let mut meter = Meter::default();
        let (first, last) = STREAM.as_bytes().split_at(STREAM.len() - 10);
        first.iter().for_each(|byte| meter.feed(&[*byte]));
        assert!(!meter.finished());
        meter.feed(last);
        assert!(meter.finished());
    }
}
