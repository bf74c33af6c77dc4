//! Chunks to events.

use super::blocks::{Blocks, Key};
use super::chunk::{CallPiece, Chunk, ChunkChoice, Delta, FunctionPiece};
use crate::canonical::{BlockKind, Event, FinishReason, UpstreamError};
use crate::framing::MAX_FRAME;
use crate::framing::sse::{SseEvent, SseReader};
use crate::openai_chat::{message, tools, usage};
use crate::raw::text;
use crate::stream::StreamDecoder;
use bytes::Bytes;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The most choices of a stream, and the most tool calls of a choice. OpenAI allows 128 of either.
const MOST: usize = 1024;

/// Reads a stream of chunks of chat or text completion.
#[derive(Debug, Default)]
pub(crate) struct ChunkDecoder {
    reader: SseReader,
    state: State,
}

impl ChunkDecoder {
    /// A decoder at the start of a stream.
    pub(crate) fn new() -> Self {
        Self::default()
    }
}

impl StreamDecoder for ChunkDecoder {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        let state = &mut self.state;
        if let Err(error) = self.reader.feed(bytes, |event| state.event(event, events)) {
            self.state.fail(*broken(error.to_string()), events);
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        let state = &mut self.state;
        if let Err(error) = self.reader.finish(|event| state.event(event, events)) {
            self.state.fail(*broken(error.to_string()), events);
        }
        self.state.close(events);
    }
}

#[derive(Debug, Default)]
struct State {
    started: bool,
    /// `Finished` or `Failed` was said.
    over: bool,
    choices: Vec<(u32, Blocks)>,
}

/// Why a stream cannot go on.
type Broken = Box<UpstreamError>;

fn broken(message: impl Into<String>) -> Broken {
    let kind = Some("stream_error".to_owned());
    Box::new(UpstreamError { message: message.into(), kind, ..UpstreamError::default() })
}

impl State {
    fn event(&mut self, event: SseEvent<'_>, events: &mut Vec<Event>) {
        if self.over {
            return;
        }
        let data = event.trimmed();
        if data == b"[DONE]" {
            self.finish(events);
        } else if let Err(error) = self.chunk(data, events) {
            self.fail(*error, events);
        }
    }

    fn chunk(&mut self, data: &[u8], events: &mut Vec<Event>) -> Result<(), Broken> {
        let unreadable = |error| broken(format!("the provider's stream cannot be read: {error}"));
        if data.first() != Some(&b'{') {
            serde_json::from_slice::<&RawValue>(data).map_err(unreadable)?;
            events.push(Event::Unknown(Bytes::copy_from_slice(data)));
            return Ok(());
        }
        let chunk: Chunk<'_> = serde_json::from_slice(data).map_err(unreadable)?;
        if is_error(&chunk) {
            return Err(Box::new(UpstreamError::of_frame(data)));
        }
        let usage = chunk.usage.and_then(usage::read);
        let choices = chunk.choices.unwrap_or_default();
        if choices.is_empty() && usage.is_none() && !self.started {
            // Azure begins with what its filter says of the prompt, without id and model.
            events.push(Event::Unknown(Bytes::copy_from_slice(data)));
            return Ok(());
        }
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Started {
                id: word(chunk.id),
                model: word(chunk.model),
                created: chunk.created.and_then(|created| serde_json::from_str(created.get()).ok()),
            });
        }
        for (choice, place) in choices.into_iter().zip(0..) {
            self.choice(choice, place, data, events)?;
        }
        if let Some(usage) = usage {
            events.push(Event::Usage(usage));
        }
        Ok(())
    }

    fn choice(
        &mut self,
        choice: ChunkChoice<'_>,
        place: u32,
        data: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), Broken> {
        let blocks = self.blocks(choice.index.unwrap_or(place))?;
        if let Some(text) = choice.text {
            grow(blocks, Key::Text, text.into_owned(), events);
        }
        if let Some(delta) = choice.delta {
            take_delta(blocks, delta, data, events)?;
        }
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
            blocks.stop(FinishReason::of_openai_word(&reason), events);
        }
        Ok(())
    }

    fn blocks(&mut self, index: u32) -> Result<&mut Blocks, Broken> {
        let at = match self.choices.iter().position(|(known, _)| *known == index) {
            Some(at) => at,
            None if self.choices.len() == MOST => {
                return Err(broken("the provider's stream has too many choices"));
            }
            None => {
                self.choices.push((index, Blocks::new(index)));
                self.choices.len() - 1
            }
        };
        Ok(&mut self.choices[at].1)
    }

    /// The provider's own end, at which every choice ends, with the reason that the provider gave, if any.
    fn finish(&mut self, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Started { id: None, model: None, created: None });
        }
        self.choices.sort_by_key(|(index, _)| *index);
        for (_, blocks) in &mut self.choices {
            blocks.end(events);
        }
        self.over = true;
        events.push(Event::Finished);
    }

    /// The connection closed. Some servers send no `[DONE]`; their stream is whole when every choice is.
    fn close(&mut self, events: &mut Vec<Event>) {
        if self.over {
            return;
        }
        if !self.choices.is_empty() && self.choices.iter().all(|(_, blocks)| blocks.has_stopped()) {
            self.finish(events);
        } else {
            self.fail(truncated(), events);
        }
    }

    /// What waits still comes out first: it was received.
    fn fail(&mut self, error: UpstreamError, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.over, true) {
            self.choices.iter_mut().for_each(|(_, blocks)| blocks.flush(events));
            events.push(Event::Failed(error));
        }
    }
}

fn truncated() -> UpstreamError {
    let kind = Some("stream_truncated".to_owned());
    UpstreamError { kind, ..*broken("the provider's stream broke off before its end") }
}

/// An error stands in an `error` field, or is the whole object, as vLLM and Mistral write it.
fn is_error(chunk: &Chunk<'_>) -> bool {
    let is_set = |error: &RawValue| error.get() != "false";
    chunk.error.is_some_and(is_set) || chunk.object.is_some_and(|object| object.get() == "\"error\"")
}

fn take_delta(
    blocks: &mut Blocks,
    delta: Delta<'_>,
    data: &[u8],
    events: &mut Vec<Event>,
) -> Result<(), Broken> {
    let reasoning = [delta.reasoning_content, delta.reasoning].into_iter().flatten();
    if let Some(reasoning) = reasoning.filter_map(|value| text(value).ok()).find(|text| !text.is_empty()) {
        grow(blocks, Key::Thinking, reasoning, events);
    }
    if let Some(content) = delta.content {
        take_content(blocks, content, data, events);
    }
    if let Some(refusal) = delta.refusal {
        grow(blocks, Key::Refusal, refusal.into_owned(), events);
    }
    for piece in delta.tool_calls.unwrap_or_default() {
        take_call(blocks, piece, data, events)?;
    }
    if blocks.waiting_bytes() > MAX_FRAME {
        return Err(broken("the provider's stream alternates between tool calls for too long"));
    }
    Ok(())
}

fn take_content(blocks: &mut Blocks, content: &RawValue, data: &[u8], events: &mut Vec<Event>) {
    if let Ok(text) = text(content) {
        return grow(blocks, Key::Text, text, events);
    }
    // Mistral's list of parts.
    let parts: Vec<ContentPiece<'_>> = serde_json::from_str(content.get()).unwrap_or_default();
    let mut known = !parts.is_empty();
    for part in parts {
        match (part.text, part.thinking.and_then(message::parts_text)) {
            (Some(text), _) => grow(blocks, Key::Text, text.into_owned(), events),
            (None, Some(thinking)) => grow(blocks, Key::Thinking, thinking, events),
            (None, None) => known = false,
        }
    }
    if !known {
        events.push(Event::Unknown(Bytes::copy_from_slice(data)));
    }
}

#[derive(serde::Deserialize)]
struct ContentPiece<'a> {
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
}

fn take_call(
    blocks: &mut Blocks,
    piece: CallPiece<'_>,
    data: &[u8],
    events: &mut Vec<Event>,
) -> Result<(), Broken> {
    let function = piece.function.or(piece.custom).unwrap_or(FunctionPiece { name: None, arguments: None });
    let name = function.name.unwrap_or_default();
    let arguments = function.arguments.map(tools::arguments_text).unwrap_or_default();
    let (call, is_new) = blocks.call(piece.index, piece.id.as_deref(), !name.is_empty());
    if blocks.calls() > MOST {
        return Err(broken("the provider's stream has too many tool calls"));
    }
    let key = Key::Call(call);
    if is_new || blocks.has(key) {
        let kind = || BlockKind::ToolCall {
            id: piece.id.map(Cow::into_owned).unwrap_or_default(),
            name: name.into_owned(),
            signature: None,
        };
        blocks.grow(key, kind, arguments, events);
    } else if !arguments.trim().is_empty() {
        // The call was whole and another has begun.
        events.push(Event::Unknown(Bytes::copy_from_slice(data)));
    }
    Ok(())
}

fn grow(blocks: &mut Blocks, key: Key, text: String, events: &mut Vec<Event>) {
    let kind = match key {
        Key::Thinking => BlockKind::Thinking,
        Key::Refusal => BlockKind::Refusal,
        Key::Text | Key::Call(_) => BlockKind::Text,
    };
    if !text.is_empty() {
        blocks.grow(key, || kind, text, events);
    }
}

fn word(value: Option<&RawValue>) -> Option<String> {
    text(value?).ok().filter(|text| !text.is_empty())
}
