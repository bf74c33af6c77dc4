//! Streams, read from the provider.

use crate::canonical::{BlockKind, Delta, Event, UpstreamError};
use crate::cohere_v1::response::finish_reason;
use crate::cohere_v1::usage;
use crate::framing::ndjson::LineReader;
use crate::raw::{Mismatch, Object, Read};
use crate::stream::StreamDecoder;
use std::collections::{BTreeMap, BTreeSet};

/// Reads a stream of either operation.
#[derive(Default)]
pub(crate) struct Decoder {
    reader: LineReader,
    state: State,
}

#[derive(Default)]
struct State {
    started: bool,
    done: bool,
    /// The answers that have begun.
    open: BTreeSet<u32>,
}

/// The most answers of one stream; Cohere gives five.
const MOST_ANSWERS: usize = 128;

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        if self.state.done {
            return;
        }
        if let Err(error) = self.reader.feed(bytes, |line| self.state.line(line, events)) {
            self.state.fail(error.to_string(), events);
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        if !self.state.done {
            self.reader.finish(|line| self.state.line(line, events));
        }
        self.state.fail("the provider's stream ended before its `stream-end`".to_owned(), events);
    }
}

impl State {
    fn line(&mut self, line: &[u8], events: &mut Vec<Event>) {
        if !self.done && self.read(line, events).is_err() {
            self.fail("a line of the provider's stream cannot be read".to_owned(), events);
        }
    }

    fn read(&mut self, line: &[u8], events: &mut Vec<Event>) -> Read<()> {
        let mut object = Object::parse(line).map_err(|_| Mismatch::missing("", "an object"))?;
        let kind = object.string("event_type")?;
        let finished = object.boolean("is_finished")?.unwrap_or(false);
        match kind.as_deref() {
            Some("stream-start") => {
                let id = object.string("generation_id")?;
                self.start(id, events);
            }
            Some("text-generation") => {
                let index = object.count("index")?.unwrap_or(0);
                self.grow(index, object.need_string("text")?, events)?;
            }
            Some("stream-end" | "stream-error") => self.end(&mut object, events)?,
            _ if finished => self.end(&mut object, events)?,
            _ if kind.is_none() && object.take("message").is_some() => {
                let error = UpstreamError::read(0, None, line);
                self.done = true;
                events.push(Event::Failed(UpstreamError { detail: None, ..error }));
            }
            _ => events.push(Event::Unknown(bytes::Bytes::copy_from_slice(line))),
        }
        Ok(())
    }

    fn start(&mut self, id: Option<String>, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Started { id, model: None, created: None });
        }
    }

    fn grow(&mut self, index: u64, text: String, events: &mut Vec<Event>) -> Read<()> {
        self.start(None, events);
        let too_many = || Mismatch::missing("index", "the number of an answer");
        let choice = u32::try_from(index).map_err(|_| too_many())?;
        if !self.open.contains(&choice) {
            if self.open.len() >= MOST_ANSWERS {
                return Err(too_many());
            }
            self.open.insert(choice);
            events.push(Event::BlockOpened { choice, block: 0, kind: BlockKind::Text });
        }
        if !text.is_empty() {
            events.push(Event::BlockGrew { choice, block: 0, delta: Delta::Text(text) });
        }
        Ok(())
    }

    fn end(&mut self, object: &mut Object<'_>, events: &mut Vec<Event>) -> Read<()> {
        let word = object.string("finish_reason")?;
        if word.as_deref() == Some("ERROR") {
            let told = object.string("err")?.or(object.string("error")?);
            self.fail(told.unwrap_or_else(|| "the provider's stream reports an error".to_owned()), events);
            return Ok(());
        }
        self.start(None, events);
        let mut words = BTreeMap::new();
        let mut usage = None;
        if let Some(mut response) = object.object("response")? {
            let reasons = response.each("generations", |value| Object::of(value)?.string("finish_reason"))?;
            words.extend((0..).zip(reasons.unwrap_or_default()));
            usage = usage::take(&mut response)?;
        }
        if self.open.is_empty() {
            self.open.insert(0);
            events.push(Event::BlockOpened { choice: 0, block: 0, kind: BlockKind::Text });
        }
        for &choice in &self.open {
            let word = words.remove(&choice).flatten().or_else(|| word.clone());
            events.push(Event::BlockClosed { choice, block: 0 });
            events.push(Event::Ended { choice, reason: word.as_deref().map(finish_reason) });
        }
        events.extend(usage.map(Event::Usage));
        events.push(Event::Finished);
        self.done = true;
        Ok(())
    }

    fn fail(&mut self, message: String, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.done, true) {
            events.push(Event::Failed(UpstreamError::of_message(message)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::FinishReason;

    fn events(lines: &str) -> Vec<Event> {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        decoder.feed(lines.as_bytes(), &mut events);
        decoder.finish(&mut events);
        events
    }

    fn text(events: &[Event], wanted: u32) -> String {
        let piece = |event: &Event| match event {
            Event::BlockGrew { choice, delta: Delta::Text(text), .. } if *choice == wanted => {
                Some(text.clone())
            }
            _ => None,
        };
        events.iter().filter_map(piece).collect()
    }

    #[test]
    fn a_chat_ends_with_its_reason_and_usage() {
        let events = events(concat!(
            r#"{"is_finished":false,"event_type":"stream-start","generation_id":"g"}"#,
            "\n",
            r#"{"is_finished":false,"event_type":"text-generation","text":"a"}"#,
            "\n",
            r#"{"is_finished":false,"event_type":"search-results","documents":[]}"#,
            "\n",
            r#"{"is_finished":false,"event_type":"text-generation","text":"b"}"#,
            "\n",
            r#"{"is_finished":true,"event_type":"stream-end","finish_reason":"COMPLETE","response":{"text":"ab","token_count":{"prompt_tokens":3,"response_tokens":2,"total_tokens":5}}}"#,
        ));
        assert_eq!(text(&events, 0), "ab");
        assert!(matches!(&events[0], Event::Started { id: Some(id), .. } if id == "g"));
        assert!(matches!(&events[events.len() - 3], Event::Ended { reason: Some(FinishReason::Stop), .. }));
        assert!(matches!(&events[events.len() - 2], Event::Usage(usage) if usage.total_tokens == Some(5)));
        assert!(matches!(events.last(), Some(Event::Finished)));
    }

    #[test]
    fn several_generations_are_several_choices_with_their_own_reasons() {
        let events = events(concat!(
            r#"{"event_type":"text-generation","text":"a","index":0}"#,
            "\n",
            r#"{"event_type":"text-generation","text":"b","index":1}"#,
            "\n",
            r#"{"event_type":"stream-end","finish_reason":"COMPLETE","response":{"generations":[{"text":"a","finish_reason":"COMPLETE"},{"text":"b","finish_reason":"MAX_TOKENS"}]}}"#,
            "\n",
        ));
        assert_eq!((text(&events, 0), text(&events, 1)), ("a".to_owned(), "b".to_owned()));
        let reasons: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Ended { choice, reason } => Some((*choice, reason.clone())),
                _ => None,
            })
            .collect();
        assert_eq!(reasons, [(0, Some(FinishReason::Stop)), (1, Some(FinishReason::Length))]);
    }

    #[test]
    fn errors_cuts_and_nonsense_are_failures() {
        for (lines, message) in [
            (
                r#"{"event_type":"stream-error","is_finished":true,"finish_reason":"ERROR","err":"busy"}"#,
                "busy",
            ),
            (r#"{"message":"internal"}"#, "internal"),
            (r#"{"event_type":"text-generation","text":"a"}"#, "ended before"),
            ("nonsense", "cannot be read"),
            (r#"{"event_type":"text-generation","text":"a","index":99999999999}"#, "cannot be read"),
        ] {
            let events = events(lines);
            assert!(
                matches!(events.last(), Some(Event::Failed(error)) if error.message.contains(message)),
                "{lines}"
            );
        }
    }
}
