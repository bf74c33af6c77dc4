//! Streams, read from the provider.

use crate::canonical::{BlockKind, Delta, Event, UpstreamError};
use crate::framing::ndjson::LineReader;
use crate::ollama::{calls, created, response, usage};
use crate::raw::{Mismatch, Object, Read, each, to_raw};
use crate::stream::StreamDecoder;
use serde_json::json;
use serde_json::value::RawValue;

/// Reads a stream.
#[derive(Default)]
pub(crate) struct Decoder {
    reader: LineReader,
    state: State,
}

#[derive(Default)]
struct State {
    started: bool,
    /// The stream's own end or a failure was said; nothing follows.
    done: bool,
    /// The block of text or reasoning that is open.
    open: Option<BlockKind>,
    /// How many blocks and calls there were.
    blocks: u32,
    calls: usize,
}

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
        self.state.fail("the provider's stream ended before its line that is done".to_owned(), events);
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
        if object.get("error").is_some_and(|error| error.get() != "null") {
            self.done = true;
            events.push(Event::Failed(UpstreamError::of_frame(line)));
            return Ok(());
        }
        let at = object.string("created_at")?.unwrap_or_default();
        if !std::mem::replace(&mut self.started, true) {
            let model = object.string("model")?;
            events.push(Event::Started { id: None, model, created: created::read(&at) });
        }
        if let Some(mut message) = object.object("message")? {
            self.say(BlockKind::Thinking, message.string("thinking")?, events);
            self.say(BlockKind::Text, message.string("content")?, events);
            if let Some(calls) = message.take("tool_calls") {
                self.call(calls, &at, events)?;
            }
        }
        if let Some(tokens) = object.take("logprobs") {
            let value = to_raw(&json!({ "content": tokens }));
            events.push(Event::Aside { choice: 0, block: None, field: "logprobs", value });
        }
        if object.boolean("done")? == Some(true) {
            self.end(&mut object, events)?;
        }
        Ok(())
    }

    fn say(&mut self, kind: BlockKind, text: Option<String>, events: &mut Vec<Event>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        if self.open.as_ref() != Some(&kind) {
            self.close(events);
            self.open(kind.clone(), events);
            self.open = Some(kind);
        }
        events.push(Event::BlockGrew { choice: 0, block: self.blocks - 1, delta: Delta::Text(text) });
    }

    /// Each call comes whole.
    fn call(&mut self, value: &RawValue, at: &str, events: &mut Vec<Event>) -> Read<()> {
        for mut call in each(value, calls::read)? {
            if call.id.is_empty() {
                call.id = calls::id_for(&call, self.calls, at);
            }
            self.calls += 1;
            self.close(events);
            self.open(BlockKind::ToolCall { id: call.id, name: call.name, signature: None }, events);
            let block = self.blocks - 1;
            events.push(Event::BlockGrew { choice: 0, block, delta: Delta::Arguments(call.arguments) });
            events.push(Event::BlockClosed { choice: 0, block });
        }
        Ok(())
    }

    fn open(&mut self, kind: BlockKind, events: &mut Vec<Event>) {
        events.push(Event::BlockOpened { choice: 0, block: self.blocks, kind });
        self.blocks += 1;
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        if self.open.take().is_some() {
            events.push(Event::BlockClosed { choice: 0, block: self.blocks - 1 });
        }
    }

    fn end(&mut self, object: &mut Object<'_>, events: &mut Vec<Event>) -> Read<()> {
        self.close(events);
        let reason = object.string("done_reason")?;
        for field in response::DURATIONS {
            if let Some(value) = object.take(field) {
                events.push(Event::Aside { choice: 0, block: None, field, value: value.to_owned() });
            }
        }
        let reason = reason.map(|word| response::finish_reason(&word, self.calls > 0));
        events.push(Event::Ended { choice: 0, reason });
        events.extend(usage::take(object).map(Event::Usage));
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

    fn events(lines: &str) -> Vec<Event> {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        decoder.feed(lines.as_bytes(), &mut events);
        decoder.finish(&mut events);
        events
    }

    fn failure(lines: &str) -> String {
        match events(lines).pop() {
            Some(Event::Failed(error)) => error.message,
            other => panic!("no failure but {other:?}"),
        }
    }

    #[test]
    fn reasoning_text_and_calls_are_blocks_of_their_own() {
        let told = events(concat!(
            r#"{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"thinking":"h","content":""},"done":false}"#,
            "\n",
            r#"{"message":{"thinking":"m","content":"x"},"done":false}"#,
            "\n",
            r#"{"message":{"content":"","tool_calls":[{"function":{"name":"t","arguments":{"a":1}}},{"id":"c","function":{"name":"u"}}]},"done":false}"#,
            "\n",
            r#"{"message":{"content":""},"done":true,"done_reason":"stop","eval_count":3,"total_duration":9}"#,
        ));
        let names: Vec<_> = told
            .iter()
            .map(|event| match event {
                Event::BlockOpened { kind: BlockKind::ToolCall { name, .. }, .. } => name.clone(),
                Event::BlockOpened { kind, .. } => format!("{kind:?}"),
                Event::BlockGrew { delta: Delta::Text(text) | Delta::Arguments(text), .. } => text.clone(),
                Event::BlockClosed { .. } => ".".to_owned(),
                Event::Ended { reason, .. } => format!("{reason:?}"),
                Event::Aside { field, .. } => (*field).to_owned(),
                Event::Usage(usage) => format!("{:?}", usage.completion_tokens),
                _ => "-".to_owned(),
            })
            .collect();
        let wanted =
            "- Thinking h m . Text x . t {\"a\":1} . u {} . total_duration Some(ToolCalls) Some(3) -";
        assert_eq!(names.join(" "), wanted);
    }

    #[test]
    fn a_stream_without_its_end_or_with_an_error_in_it_failed() {
        let line = "{\"model\":\"m\",\"message\":{\"content\":\"x\"},\"done\":false}\n";
        assert!(failure(line).contains("done"));
        assert_eq!(failure(&format!("{line}{{\"error\":\"out of memory\"}}\n")), "out of memory");
        assert!(failure("{broken\n").contains("cannot be read"));
    }
}
