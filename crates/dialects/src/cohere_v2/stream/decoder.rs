//! Streams, read from the provider.

use super::frame::{Call, Called, Cited, Content, Delta as Change, Frame, Planned, Spoken};
use crate::canonical::{BlockKind, Delta, Event, UpstreamError};
use crate::cohere_v2::{response, usage};
use crate::framing::sse::{SseEvent, SseReader};
use crate::stream::StreamDecoder;
use bytes::Bytes;
use serde::Deserialize;

/// Reads a stream. It is whole with its `message-end`; not every service that speaks the API sends a `[DONE]` after it.
#[derive(Default)]
pub(crate) struct Decoder {
    reader: SseReader,
    state: State,
}

#[derive(Default)]
struct State {
    started: bool,
    /// The stream's own end or a failure was said; nothing follows.
    done: bool,
    open: Vec<Open>,
    next_block: u32,
}

/// A block that is open at the provider.
struct Open {
    key: Key,
    block: u32,
    /// Whether a call has had no arguments yet.
    bare: bool,
}

/// What a frame belongs to, by the provider's numbers: content and calls are counted apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Plan,
    Content(u64),
    Call(u64),
}

/// The most blocks that may be open at once; Cohere opens one at a time.
const MOST_OPEN: usize = 128;

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
        self.state.fail("the provider's stream ended before its `message-end`".to_owned(), events);
    }
}

impl State {
    fn frame(&mut self, event: SseEvent<'_>, events: &mut Vec<Event>) {
        if self.done {
            return;
        }
        let data = event.trimmed();
        let Ok(frame) = serde_json::from_slice::<Frame<'_>>(data) else {
            return self.unreadable(events);
        };
        let known = match frame.kind.as_deref().or(event.event) {
            Some("message-start") => {
                self.start(frame.id, events);
                Some(())
            }
            Some("tool-plan-delta") => self.plan(&frame, events),
            Some("content-start") => self.begin(&frame, data, events),
            Some("content-delta") => self.speak(&frame, events),
            Some("tool-call-start") => self.call(&frame, events),
            Some("tool-call-delta") => self.argue(&frame, events),
            Some("content-end") => self.close(frame.index.map(Key::Content), events),
            Some("tool-call-end") => self.close(frame.index.map(Key::Call), events),
            Some("citation-start") => self.cite(&frame, events),
            Some("citation-end") => Some(()),
            Some("message-end") => {
                self.end(frame.delta, events);
                Some(())
            }
            None if memchr::memmem::find(data, b"\"message\"").is_some() => {
                self.done = true;
                events.push(Event::Failed(UpstreamError::of_frame(data)));
                Some(())
            }
            _ => {
                events.push(Event::Unknown(Bytes::copy_from_slice(data)));
                Some(())
            }
        };
        if known.is_none() {
            self.unreadable(events);
        }
    }

    fn start(&mut self, id: Option<String>, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Started { id, model: None, created: None });
        }
    }

    /// A plan has no start and no end of its own.
    fn plan(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Option<()> {
        let text = message::<Planned>(frame)?.tool_plan.unwrap_or_default();
        if text.is_empty() {
            return Some(());
        }
        let block = match self.place(Key::Plan) {
            Some(place) => self.open[place].block,
            None => self.open(Key::Plan, BlockKind::Thinking, events)?,
        };
        grow(block, Delta::Text(text), events);
        Some(())
    }

    fn begin(&mut self, frame: &Frame<'_>, data: &[u8], events: &mut Vec<Event>) -> Option<()> {
        let content = message::<Spoken>(frame)?.content?;
        let kind = match content.kind.as_deref() {
            Some("text") => BlockKind::Text,
            Some("thinking") => BlockKind::Thinking,
            _ => {
                events.push(Event::Unknown(Bytes::copy_from_slice(data)));
                return Some(());
            }
        };
        let block = self.open(Key::Content(frame.index?), kind, events)?;
        grow(block, Delta::Text(said(content)), events);
        Some(())
    }

    fn speak(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Option<()> {
        let content = message::<Spoken>(frame)?.content?;
        let key = Key::Content(frame.index?);
        let block = match self.place(key) {
            Some(place) => self.open[place].block,
            None if content.thinking.is_some() => self.open(key, BlockKind::Thinking, events)?,
            None => self.open(key, BlockKind::Text, events)?,
        };
        grow(block, Delta::Text(said(content)), events);
        if let Some(logprobs) = frame.logprobs {
            let value = logprobs.to_owned();
            events.push(Event::Aside { choice: 0, block: Some(block), field: "logprobs", value });
        }
        Some(())
    }

    fn call(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Option<()> {
        let Call { id, function } = message::<Called>(frame)?.tool_calls?;
        let function = function?;
        let kind = BlockKind::ToolCall {
            id: id.unwrap_or_default(),
            name: function.name.unwrap_or_default(),
            signature: None,
        };
        let key = Key::Call(frame.index?);
        self.open(key, kind, events)?;
        self.add_arguments(key, function.arguments.unwrap_or_default(), events)
    }

    fn argue(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Option<()> {
        let function = message::<Called>(frame)?.tool_calls?.function;
        let arguments = function.and_then(|function| function.arguments).unwrap_or_default();
        self.add_arguments(Key::Call(frame.index?), arguments, events)
    }

    fn add_arguments(&mut self, key: Key, arguments: String, events: &mut Vec<Event>) -> Option<()> {
        let place = self.place(key)?;
        let open = &mut self.open[place];
        open.bare &= arguments.is_empty();
        grow(open.block, Delta::Arguments(arguments), events);
        Some(())
    }

    fn cite(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Option<()> {
        let value = message::<Cited<'_>>(frame)?.citations?.to_owned();
        self.start(None, events);
        events.push(Event::Aside { choice: 0, block: None, field: "citations", value });
        Some(())
    }

    fn place(&self, key: Key) -> Option<usize> {
        self.open.iter().position(|open| open.key == key)
    }

    /// Opens a block; a plan is over with what comes after it.
    fn open(&mut self, key: Key, kind: BlockKind, events: &mut Vec<Event>) -> Option<u32> {
        if self.open.len() >= MOST_OPEN || self.place(key).is_some() {
            return None;
        }
        self.start(None, events);
        if self.place(Key::Plan).is_some() {
            self.close(Some(Key::Plan), events);
        }
        let block = self.next_block;
        self.next_block = block.checked_add(1)?;
        let bare = matches!(kind, BlockKind::ToolCall { .. });
        self.open.push(Open { key, block, bare });
        events.push(Event::BlockOpened { choice: 0, block, kind });
        Some(block)
    }

    /// Closes a block; the end of one that the canonical model does not name says nothing.
    fn close(&mut self, key: Option<Key>, events: &mut Vec<Event>) -> Option<()> {
        if let Some(place) = self.place(key?) {
            self.open.remove(place).close(events);
        }
        Some(())
    }

    fn end(&mut self, delta: Option<Change<'_>>, events: &mut Vec<Event>) {
        let (word, usage, error) =
            delta.map_or((None, None, None), |delta| (delta.finish_reason, delta.usage, delta.error));
        if let Some(error) = error.filter(|error| !error.is_empty()) {
            return self.fail(error, events);
        }
        self.start(None, events);
        for open in self.open.drain(..) {
            open.close(events);
        }
        events.push(Event::Ended { choice: 0, reason: word.as_deref().map(response::finish_reason) });
        events.extend(usage.and_then(usage::read).map(Event::Usage));
        events.push(Event::Finished);
        self.done = true;
    }

    fn unreadable(&mut self, events: &mut Vec<Event>) {
        self.fail("an event of the provider's stream cannot be read".to_owned(), events);
    }

    fn fail(&mut self, message: String, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.done, true) {
            events.push(Event::Failed(UpstreamError::of_message(message)));
        }
    }
}

impl Open {
    /// A call without arguments has an empty object of them.
    fn close(self, events: &mut Vec<Event>) {
        if self.bare {
            grow(self.block, Delta::Arguments("{}".to_owned()), events);
        }
        events.push(Event::BlockClosed { choice: 0, block: self.block });
    }
}

/// The message within a frame's delta.
fn message<'a, T: Deserialize<'a>>(frame: &Frame<'a>) -> Option<T> {
    serde_json::from_str(frame.delta.as_ref()?.message?.get()).ok()
}

fn said(content: Content) -> String {
    content.text.or(content.thinking).unwrap_or_default()
}

fn grow(block: u32, delta: Delta, events: &mut Vec<Event>) {
    let empty = matches!(&delta, Delta::Text(piece) | Delta::Arguments(piece) if piece.is_empty());
    if !empty {
        events.push(Event::BlockGrew { choice: 0, block, delta });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(frames: &[&str]) -> Vec<Event> {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        for frame in frames {
            decoder.feed(format!("data: {frame}\n\n").as_bytes(), &mut events);
        }
        decoder.finish(&mut events);
        events
    }

    const START: &str = r#"{"type":"message-start","id":"a","delta":{"message":{"role":"assistant"}}}"#;
    const CALL: &str = r#"{"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"t","type":"function","function":{"name":"now","arguments":null}}}}}"#;

    #[test]
    fn a_plan_ends_where_a_call_begins_and_a_call_without_arguments_has_an_empty_object() {
        let plan = r#"{"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I will"}}}"#;
        let end = r#"{"type":"message-end","delta":{"finish_reason":"TOOL_CALL"}}"#;
        let told = events(&[START, plan, CALL, r#"{"type":"tool-call-end","index":0}"#, end]);
        let told: Vec<_> = told.iter().map(|event| format!("{event:?}")).collect();
        let wanted = [
            "Started",
            "BlockOpened { choice: 0, block: 0, kind: Thinking }",
            "BlockGrew { choice: 0, block: 0, delta: Text(\"I will\") }",
            "BlockClosed { choice: 0, block: 0 }",
            "BlockOpened { choice: 0, block: 1, kind: ToolCall { id: \"t\", name: \"now\"",
            "BlockGrew { choice: 0, block: 1, delta: Arguments(\"{}\") }",
            "BlockClosed { choice: 0, block: 1 }",
            "Ended { choice: 0, reason: Some(ToolCalls) }",
            "Finished",
        ];
        assert_eq!(told.len(), wanted.len(), "{told:?}");
        assert!(told.iter().zip(wanted).all(|(told, wanted)| told.starts_with(wanted)), "{told:?}");
    }

    #[test]
    fn a_stream_without_its_end_or_with_an_error_in_it_failed() {
        let failed = |frames: &[&str]| match events(frames).pop() {
            Some(Event::Failed(error)) => error.message,
            other => panic!("no failure but {other:?}"),
        };
        assert!(failed(&[START, CALL]).contains("message-end"));
        let error = r#"{"type":"message-end","delta":{"finish_reason":"ERROR","error":"out of memory"}}"#;
        assert_eq!(failed(&[START, error]), "out of memory");
        assert_eq!(failed(&[r#"{"id":"a","message":"too many requests"}"#]), "too many requests");
        assert!(failed(&[START, "{broken"]).contains("cannot be read"));
    }
}
