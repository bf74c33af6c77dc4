//! Streams, read from the provider.

use super::frame::{Answer, Frame};
use super::seen::{Blocks, Key, Seen};
use crate::canonical::{Event, UpstreamError};
use crate::framing::sse::{SseEvent, SseReader};
use crate::openai_responses::{response, usage};
use crate::raw::{Object, text};
use crate::stream::StreamDecoder;
use bytes::Bytes;
use serde_json::value::RawValue;

/// Reads a stream: the response's start, items that grow, and the response's end.
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
    /// A tool was called.
    calls: bool,
    items: Vec<Seen>,
    blocks: Blocks,
}

/// The most items of an answer.
const MOST_ITEMS: usize = 1024;

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
        if !std::mem::replace(&mut self.state.done, true) {
            let error = UpstreamError::of_message("the provider's stream broke off before its end");
            let kind = Some("stream_truncated".to_owned());
            events.push(Event::Failed(UpstreamError { kind, ..error }));
        }
    }
}

impl State {
    fn frame(&mut self, event: SseEvent<'_>, events: &mut Vec<Event>) {
        let data = event.trimmed();
        if self.done || data == b"[DONE]" {
            return;
        }
        let Ok(frame) = serde_json::from_slice::<Frame<'_>>(data) else {
            return self.unreadable(events);
        };
        let kind = frame.kind.as_deref().or(event.event).unwrap_or_default();
        let read = match kind {
            "response.created" | "response.in_progress" | "response.queued" => self.start(&frame, events),
            "response.output_item.added" => self.add(&frame, events),
            "response.output_item.done" => self.finish_item(frame.output_index, frame.item, events),
            "response.completed" | "response.incomplete" => self.end(&frame, events),
            "response.failed" | "response.cancelled" | "error" => {
                self.report(&frame, data, events);
                Some(())
            }
            _ => self.grow(kind, &frame, data, events),
        };
        if read.is_none() {
            self.unreadable(events);
        }
    }

    fn start(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Option<()> {
        if self.started {
            return Some(());
        }
        let answer: Option<Answer<'_>> = match frame.response {
            Some(response) => Some(serde_json::from_str(response.get()).ok()?),
            None => None,
        };
        self.started = true;
        let word = |value: Option<&RawValue>| text(value?).ok().filter(|text| !text.is_empty());
        events.push(Event::Started {
            id: answer.as_ref().and_then(|answer| word(answer.id)),
            model: answer.as_ref().and_then(|answer| word(answer.model)),
            created: answer.and_then(|answer| response::seconds(answer.created_at?)),
        });
        Some(())
    }

    fn add(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Option<()> {
        self.start(frame, events)?;
        let mut item = Object::of(frame.item?).ok()?;
        let kind = item.string("type").ok()?;
        let id = item.get("id").and_then(|id| text(id).ok());
        let place = self.item(frame.output_index, id)?;
        let custom = kind.as_deref() == Some("custom_tool_call");
        if custom || kind.as_deref() == Some("function_call") {
            self.calls = true;
            self.items[place].call(&mut item, custom, &mut self.blocks, events);
        }
        if let Some(phase) = item.take(response::PHASE) {
            let value = phase.to_owned();
            events.push(Event::Aside { choice: 0, block: None, field: response::PHASE, value });
        }
        Some(())
    }

    /// The place of the item at `index`, which begins if it is new.
    fn item(&mut self, index: Option<u64>, id: Option<String>) -> Option<usize> {
        if let Some(place) = self.known(index, id.as_deref()) {
            return Some(place);
        }
        if self.items.len() == MOST_ITEMS {
            return None;
        }
        self.items.push(Seen::new(index, id));
        Some(self.items.len() - 1)
    }

    /// The item that an event is about: by its place, since some servers write another id each time.
    fn known(&self, index: Option<u64>, id: Option<&str>) -> Option<usize> {
        match (index, id) {
            (Some(_), _) => self.items.iter().rposition(|item| item.index == index),
            (None, Some(_)) => self.items.iter().rposition(|item| item.id.as_deref() == id),
            (None, None) => None,
        }
    }

    fn grow(&mut self, kind: &str, frame: &Frame<'_>, data: &[u8], events: &mut Vec<Event>) -> Option<()> {
        let place = frame.content_index.unwrap_or(0);
        let (key, part) = match kind {
            "response.output_text.delta"
            | "response.output_text.done"
            | "response.output_text.annotation.added" => (Key::Text(place), 0),
            "response.refusal.delta" | "response.refusal.done" => (Key::Refusal(place), 0),
            "response.reasoning_summary_text.delta" | "response.reasoning_summary_text.done" => {
                (Key::Summary, frame.summary_index.unwrap_or(0))
            }
            "response.reasoning_text.delta" | "response.reasoning_text.done" => (Key::Thought, place),
            "response.function_call_arguments.delta"
            | "response.function_call_arguments.done"
            | "response.custom_tool_call_input.delta"
            | "response.custom_tool_call_input.done" => (Key::Call, 0),
            // They repeat what other events say.
            "response.content_part.added"
            | "response.content_part.done"
            | "response.reasoning_summary_part.added"
            | "response.reasoning_summary_part.done" => return Some(()),
            _ => {
                events.push(Event::Unknown(Bytes::copy_from_slice(data)));
                return Some(());
            }
        };
        self.start(frame, events)?;
        let id = frame.item_id.as_deref().map(str::to_owned);
        let at = self.item(frame.output_index, id)?;
        let item = &mut self.items[at];
        if kind.ends_with(".delta") {
            let piece = text(frame.delta?).ok()?;
            let logprobs = frame.logprobs.filter(|logprobs| logprobs.get() != "[]");
            if let (Some(logprobs), Key::Text(_), false) = (logprobs, key, piece.is_empty()) {
                item.note(key, ("logprobs", logprobs), &mut self.blocks, events);
            }
            item.grow(key, part, piece, &mut self.blocks, events);
        } else if kind.ends_with(".done") {
            let whole =
                [frame.text, frame.refusal, frame.arguments, frame.input].into_iter().flatten().next();
            let whole = whole.map(text).transpose().ok()?.unwrap_or_default();
            item.fill(key, part, whole, &mut self.blocks, events);
            if matches!(key, Key::Text(_) | Key::Refusal(_)) {
                item.close(key, events);
            }
        } else if let Some(annotation) = frame.annotation {
            item.note(key, ("annotations", annotation), &mut self.blocks, events);
        }
        Some(())
    }

    fn finish_item(
        &mut self,
        index: Option<u64>,
        item: Option<&RawValue>,
        events: &mut Vec<Event>,
    ) -> Option<()> {
        self.start_late(events);
        let raw = item?;
        let mut item = Object::of(raw).ok()?;
        let kind = item.string("type").ok()?.unwrap_or_default();
        let id = item.get("id").and_then(|id| text(id).ok());
        let place = self.item(index, id)?;
        if self.items[place].done {
            return Some(());
        }
        match kind.as_str() {
            "message" | "reasoning" => {}
            "function_call" | "custom_tool_call" => {
                self.calls = true;
                let custom = kind == "custom_tool_call";
                self.items[place].call(&mut item, custom, &mut self.blocks, events);
            }
            _ => events.push(Event::Unknown(Bytes::copy_from_slice(raw.get().as_bytes()))),
        }
        self.items[place].finish(&kind, &mut item, &mut self.blocks, events);
        Some(())
    }

    fn end(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Option<()> {
        let answer: Answer<'_> = serde_json::from_str(frame.response?.get()).ok()?;
        self.start(frame, events)?;
        if self.items.is_empty()
            && let Some(output) = answer.output
        {
            // The server told nothing in pieces.
            let output: Vec<&RawValue> = serde_json::from_str(output.get()).ok()?;
            for (index, item) in (0..).zip(output) {
                self.finish_item(Some(index), Some(item), events)?;
            }
        }
        self.items.iter_mut().filter(|item| !item.done).for_each(|item| item.end(events));
        events.extend(answer.usage.and_then(usage::read).map(Event::Usage));
        let status = answer.status.and_then(|status| text(status).ok());
        let incomplete = answer.incomplete_details.and_then(|details| Object::of(details).ok());
        let why = incomplete.and_then(|mut details| details.string("reason").ok()?);
        let status = match frame.kind.as_deref() {
            Some("response.incomplete") => Some("incomplete"),
            _ => status.as_deref().filter(|status| *status == "incomplete"),
        };
        let reason = response::finish_reason(status, why.as_deref(), self.calls);
        events.push(Event::Ended { choice: 0, reason: Some(reason) });
        self.done = true;
        events.push(Event::Finished);
        Some(())
    }

    /// The provider tells an error, in an event of its own or in the response.
    fn report(&mut self, frame: &Frame<'_>, data: &[u8], events: &mut Vec<Event>) {
        let said = frame.response.map_or(data, |response| response.get().as_bytes());
        let mut error = UpstreamError::of_frame(said);
        if error.kind.as_deref().is_none_or(|kind| kind == "error" || kind == "failed") {
            error.kind.clone_from(&error.code);
        }
        self.done = true;
        events.push(Event::Failed(error));
    }

    /// Says the start of a stream whose provider forgot it.
    fn start_late(&mut self, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Started { id: None, model: None, created: None });
        }
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
