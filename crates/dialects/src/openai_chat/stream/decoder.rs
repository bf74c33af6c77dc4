//! Chunks to events.

use super::aside::Asides;
use super::blocks::{Blocks, Key};
use super::chunk::{CallPiece, Chunk, ChunkChoice, Delta};
use crate::canonical::{BlockKind, Event, FinishReason, Part, UpstreamError};
use crate::framing::MAX_FRAME;
use crate::framing::sse::{SseEvent, SseReader};
use crate::openai_chat::{made_here, message, reasoning, response, tools, usage};
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
    id: Option<String>,
    choices: Vec<(u32, Blocks)>,
    asides: Asides,
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
            self.id = word(chunk.id);
            events.push(Event::Started {
                id: self.id.clone(),
                model: word(chunk.model),
                created: chunk.created.and_then(|created| serde_json::from_str(created.get()).ok()),
            });
        }
        for (choice, place) in choices.into_iter().zip(0..) {
            self.choice(choice, place, data, events)?;
        }
        self.asides.tell(0, &chunk.rest, data, events);
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
        let index = choice.index.unwrap_or(place);
        let id = self.id.clone();
        let blocks = self.blocks(index)?;
        let speaks = choice.delta.as_ref().is_some_and(|delta| delta.content.is_some());
        if let Some(text) = choice.text.filter(|_| !speaks) {
            grow(blocks, Key::Text, text.0.into_owned(), events);
        }
        let mut rest = choice.rest;
        if let Some(mut delta) = choice.delta {
            rest.append(&mut delta.rest);
            take_delta(blocks, delta, id.as_deref(), data, events)?;
        }
        if let Some(value) = choice.logprobs.filter(|value| !matches!(value.get(), "[]" | "{}")) {
            let value = value.to_owned();
            events.push(Event::Aside { choice: index, block: None, field: "logprobs", value });
        }
        self.asides.tell(index, &rest, data, events);
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.0.is_empty()) {
            self.blocks(index)?.stop(FinishReason::of_openai_word(&reason.0), events);
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
    id: Option<&str>,
    data: &[u8],
    events: &mut Vec<Event>,
) -> Result<(), Broken> {
    take_reasoning(blocks, &delta, data, events);
    if let Some(content) = delta.content {
        take_content(blocks, content, data, events);
    }
    if let Some(refusal) = delta.refusal {
        grow(blocks, Key::Refusal, refusal.0.into_owned(), events);
    }
    for piece in delta.tool_calls.unwrap_or_default() {
        take_call(blocks, piece, id, data, events)?;
    }
    if let Some(function) = delta.function_call {
        let piece = CallPiece { index: Some(0), function: Some(function), ..CallPiece::default() };
        take_call(blocks, piece, id, data, events)?;
    }
    if blocks.waiting_bytes() > MAX_FRAME {
        return Err(broken("the provider's stream alternates between tool calls for too long"));
    }
    Ok(())
}

/// Takes reasoning: the list where it says something, else the text beside it.
fn take_reasoning(blocks: &mut Blocks, delta: &Delta<'_>, data: &[u8], events: &mut Vec<Event>) {
    let shown = [delta.reasoning_content, delta.reasoning].into_iter().zip(reasoning::FIELDS);
    let mut shown = shown.filter_map(|(value, field)| Some((field, text(value?).ok()?)));
    let shown = shown.find(|(_, text)| !text.is_empty());
    let details = delta.reasoning_details.map(|list| reasoning::read_details(list, made_here));
    if let Some(None) = details {
        events.push(Event::Unknown(Bytes::copy_from_slice(data)));
    }
    let details = details.flatten().unwrap_or_default();
    let tells = |part: &Part| matches!(part, Part::Thinking { text, .. } if !text.is_empty());
    if let Some((field, text)) = shown.filter(|_| !details.iter().any(tells)) {
        grow(blocks, Key::Thinking, text, events);
        blocks.shown_by(made_here(field.to_owned()));
    }
    for part in details {
        match part {
            Part::Thinking { text, signature } => {
                grow(blocks, Key::Thinking, text, events);
                if let Some(signature) = signature {
                    blocks.sign(signature, events);
                }
            }
            Part::RedactedThinking(data) => blocks.hide(data, events),
            _ => {}
        }
    }
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
    id: Option<&str>,
    data: &[u8],
    events: &mut Vec<Event>,
) -> Result<(), Broken> {
    let function = piece.function.or(piece.custom).unwrap_or_default();
    let name = function.name.map(|name| name.0).unwrap_or_default();
    let arguments = function.arguments.or(function.input).map(tools::arguments_text).unwrap_or_default();
    let given = piece.id.map(|id| id.0).filter(|id| !id.is_empty());
    if given.is_none() && name.is_empty() && arguments.is_empty() {
        return Ok(());
    }
    let (call, is_new) = blocks.call(piece.index, given.as_deref(), !name.is_empty());
    if blocks.calls() > MOST {
        return Err(broken("the provider's stream has too many tool calls"));
    }
    let key = Key::Call(call);
    if is_new || blocks.has(key) {
        let kind = || BlockKind::ToolCall {
            id: given.map_or_else(|| response::made_up_id(id, call as usize), Cow::into_owned),
            name: name.into_owned(),
            signature: piece.extra_content.and_then(tools::ExtraContent::signature).map(made_here),
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
        Key::Text | Key::Hidden | Key::Call(_) => BlockKind::Text,
    };
    if !text.is_empty() {
        blocks.grow(key, || kind, text, events);
    }
}

fn word(value: Option<&RawValue>) -> Option<String> {
    text(value?).ok().filter(|text| !text.is_empty())
}
