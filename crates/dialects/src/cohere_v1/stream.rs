//! Streams of chat and text completion: lines of JSON.

use super::shared;
use crate::canonical::{BlockKind, Delta, Event, Failure, FinishReason, UpstreamError, Usage};
use crate::framing::ndjson::LineReader;
use crate::object::{Fields, Misread, Object, bytes_of};
use crate::stream::{StreamDecoder, StreamEncoder, UsageMeter};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Reads a stream of either operation.
#[derive(Default)]
pub(super) struct Decoder {
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

    fn read(&mut self, line: &[u8], events: &mut Vec<Event>) -> Result<(), Misread> {
        let mut fields = Fields::of_body(line)?;
        let kind: Option<String> = fields.take("event_type")?;
        let finished = fields.take("is_finished")?.unwrap_or(false);
        match kind.as_deref() {
            Some("stream-start") => {
                let id = fields.take("generation_id")?;
                self.start(id, events);
            }
            Some("text-generation") => {
                let index = fields.take::<u64>("index")?.unwrap_or(0);
                self.grow(index, fields.need("text")?, events)?;
            }
            Some("stream-end" | "stream-error") => self.end(&mut fields, events)?,
            _ if finished => self.end(&mut fields, events)?,
            _ if fields.has("message") && kind.is_none() => {
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

    fn grow(&mut self, index: u64, text: String, events: &mut Vec<Event>) -> Result<(), Misread> {
        self.start(None, events);
        let too_many = || Misread { path: "index".to_owned(), expected: "must be the number of an answer" };
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

    fn end(&mut self, fields: &mut Fields<'_>, events: &mut Vec<Event>) -> Result<(), Misread> {
        let word: Option<String> = fields.take("finish_reason")?;
        if word.as_deref() == Some("ERROR") {
            let told = fields.take::<String>("err")?.or(fields.take("error")?);
            self.fail(told.unwrap_or_else(|| "the provider's stream reports an error".to_owned()), events);
            return Ok(());
        }
        self.start(None, events);
        let mut words = BTreeMap::new();
        let mut usage = None;
        if let Some(mut response) = fields.object("response")? {
            for (index, (mut generation, _)) in (0..).zip(response.objects("generations")?) {
                words.insert(index, generation.take::<String>("finish_reason")?);
            }
            usage = shared::take_usage(&mut response)?;
        }
        if self.open.is_empty() {
            self.open.insert(0);
            events.push(Event::BlockOpened { choice: 0, block: 0, kind: BlockKind::Text });
        }
        for &choice in &self.open {
            let word = words.remove(&choice).flatten().or_else(|| word.clone());
            events.push(Event::BlockClosed { choice, block: 0 });
            events.push(Event::Ended { choice, reason: word.as_deref().map(shared::finish_reason) });
        }
        events.extend(usage.map(Event::Usage));
        events.push(Event::Finished);
        self.done = true;
        Ok(())
    }

    fn fail(&mut self, message: String, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.done, true) {
            events.push(Event::Failed(UpstreamError { message, ..UpstreamError::default() }));
        }
    }
}

/// Writes a stream of either operation.
pub(super) struct Encoder {
    chat: bool,
    id: Option<String>,
    done: bool,
    texts: BTreeMap<u32, Answer>,
    /// Choice and block of what is no text of the answer: reasoning and tool calls.
    silent: BTreeSet<(u32, u32)>,
    usage: Option<Usage>,
}

/// An answer so far; the stream's end repeats it whole.
#[derive(Default)]
struct Answer {
    text: String,
    reason: Option<FinishReason>,
}

impl Encoder {
    /// Writes chat.
    pub(super) fn of_chat() -> Self {
        Self {
            chat: true,
            id: None,
            done: false,
            texts: BTreeMap::new(),
            silent: BTreeSet::new(),
            usage: None,
        }
    }

    /// Writes text completion.
    pub(super) fn of_generate() -> Self {
        Self { chat: false, ..Self::of_chat() }
    }

    fn id(&self) -> &str {
        self.id.as_deref().unwrap_or("generation")
    }

    fn grow(&mut self, choice: u32, text: &str, out: &mut Vec<u8>) {
        self.texts.entry(choice).or_default().text.push_str(text);
        let mut line = json!({ "is_finished": false, "event_type": "text-generation", "text": text });
        if choice > 0 {
            line["index"] = choice.into();
        }
        write(&line, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let first = self.texts.get(&0);
        let reason = first.and_then(|answer| answer.reason.as_ref()).map(shared::word_of);
        let mut response = Object::default();
        if self.chat {
            response.set("response_id", self.id());
            response.set("generation_id", self.id());
            response.set("text", first.map(|answer| answer.text.as_str()).unwrap_or_default());
        } else {
            let generation = |(index, answer): (&u32, &Answer)| {
                json!({
                    "id": format!("{}-{index}", self.id()),
                    "text": answer.text,
                    "finish_reason": answer.reason.as_ref().map(shared::word_of),
                })
            };
            response.set("id", self.id());
            response.set("generations", self.texts.iter().map(generation).collect::<Vec<_>>());
        }
        response.set_some("finish_reason", reason);
        shared::set_usage(&mut response, self.usage.as_ref());
        let mut line = Object::default();
        line.set("is_finished", true);
        line.set("event_type", "stream-end");
        line.set("finish_reason", reason.unwrap_or("COMPLETE"));
        line.set("response", response);
        write(&line, out);
        self.done = true;
    }
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            _ if self.done => {}
            Event::Started { id, .. } => {
                self.id.clone_from(id);
                let start = json!({
                    "is_finished": false,
                    "event_type": "stream-start",
                    "generation_id": self.id(),
                });
                if self.chat {
                    write(&start, out);
                }
            }
            Event::BlockOpened { choice, block, kind }
                if !matches!(kind, BlockKind::Text | BlockKind::Refusal) =>
            {
                self.silent.insert((*choice, *block));
            }
            Event::BlockGrew { choice, block, delta: Delta::Text(text) } => {
                let heard = *choice == 0 || !self.chat;
                if heard && !self.silent.contains(&(*choice, *block)) {
                    self.grow(*choice, text, out);
                }
            }
            Event::Ended { choice, reason } => {
                self.texts.entry(*choice).or_default().reason.clone_from(reason);
            }
            Event::Usage(usage) => self.usage.get_or_insert_default().update(*usage),
            Event::Finished => self.finish(out),
            _ => {}
        }
    }

    fn fail(&mut self, failure: &Failure, _request_id: &str, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.done, true) {
            let line = json!({
                "is_finished": true,
                "event_type": "stream-error",
                "finish_reason": "ERROR",
                "err": failure.message,
            });
            write(&line, out);
        }
    }
}

fn write(line: &impl serde::Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(&bytes_of(line));
    out.push(b'\n');
}

/// Reads usage from the last line of a stream that passes.
#[derive(Default)]
pub(super) struct Meter {
    reader: LineReader,
    usage: Option<Usage>,
    finished: bool,
}

impl UsageMeter for Meter {
    fn feed(&mut self, bytes: &[u8]) {
        // A line past the reader's bound ends the reading, not the stream.
        let _ = self.reader.feed(bytes, |line| {
            if memchr::memmem::find(line, b"\"stream-end\"").is_none() {
                return;
            }
            let Ok(mut fields) = Fields::of_body(line) else { return };
            self.finished |=
                matches!(fields.take::<String>("event_type"), Ok(Some(kind)) if kind == "stream-end");
            if let Ok(Some(mut response)) = fields.object("response") {
                self.usage = shared::take_usage(&mut response).unwrap_or(None);
            }
        });
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn finished(&self) -> bool {
        self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn reasoning_of_another_provider_is_not_shown_as_the_answer() {
        let mut out = Vec::new();
        let mut encoder = Encoder::of_chat();
        for event in [
            Event::Started { id: None, model: None, created: None },
            Event::BlockOpened { choice: 0, block: 0, kind: BlockKind::Thinking },
            Event::BlockGrew { choice: 0, block: 0, delta: Delta::Text("secret".to_owned()) },
            Event::BlockClosed { choice: 0, block: 0 },
            Event::BlockOpened { choice: 0, block: 1, kind: BlockKind::Text },
            Event::BlockGrew { choice: 0, block: 1, delta: Delta::Text("said".to_owned()) },
            Event::Finished,
        ] {
            encoder.encode(&event, &mut out);
        }
        let out = String::from_utf8(out).expect("JSON");
        assert!(out.contains("said") && !out.contains("secret"), "{out}");
    }

    #[test]
    fn a_passing_stream_is_metered_in_any_chunking() {
        let stream = concat!(
            r#"{"event_type":"text-generation","text":"stream-end"}"#,
            "\n",
            r#"{"event_type":"stream-end","response":{"meta":{"tokens":{"input_tokens":3,"output_tokens":2}}}}"#,
            "\n",
        );
        for size in [1, 9, stream.len()] {
            let mut meter = Meter::default();
            stream.as_bytes().chunks(size).for_each(|chunk| meter.feed(chunk));
            assert_eq!(meter.usage().and_then(|usage| usage.total()), Some(5));
            assert!(meter.finished());
        }
    }
}
