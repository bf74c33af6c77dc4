//! Streams, read from the provider.

use super::partial::Arguments;
use crate::canonical::{BlockKind, Delta, Event, FinishReason, RawJson, UpstreamError, Usage};
use crate::gemini::framing::{Frames, Framing};
use crate::gemini::parts::{self, Call, Kind};
use crate::gemini::usage::Counts;
use crate::gemini::{errors, fields, reasons, response, signature as read_signature};
use crate::raw::{Mismatch, Object, Read, to_raw};
use crate::stream::StreamDecoder;
use bytes::Bytes;
use serde_json::value::RawValue;

/// Reads a stream. The API has no end of its own: the stream has ended well when each candidate has its reason and the
/// connection closes.
pub(crate) struct Decoder {
    frames: Frames,
    state: State,
}

#[derive(Default)]
struct State {
    started: bool,
    /// The end or a failure was said; nothing follows.
    done: bool,
    id: Option<String>,
    counts: Counts,
    usage: Option<Usage>,
    /// The prompt was refused: no candidate comes.
    blocked: bool,
    candidates: Vec<Candidate>,
}

/// The most candidates of one answer; the API gives eight.
const MOST_CANDIDATES: usize = 128;

#[derive(Default)]
struct Candidate {
    index: u32,
    /// The open block of text or thoughts, and whether it is thoughts.
    open: Option<(u32, bool)>,
    blocks: u32,
    calls: usize,
    /// A call whose arguments come in pieces.
    pending: Option<Pending>,
    reason: Option<String>,
}

struct Pending {
    name: String,
    id: Option<String>,
    signature: Option<String>,
    arguments: Arguments,
}

impl Decoder {
    pub(crate) fn new(framing: Framing) -> Self {
        Self { frames: Frames::new(framing), state: State::default() }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        if self.state.done {
            return;
        }
        if let Err(error) = self.frames.feed(bytes, |frame| self.state.frame(frame, events)) {
            self.state.fail(UpstreamError::of_message(error.to_string()), events);
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        if self.state.done {
            return;
        }
        if let Err(error) = self.frames.finish(|frame| self.state.frame(frame, events)) {
            self.state.fail(UpstreamError::of_message(error.to_string()), events);
        }
        let closed = self.frames.is_closed();
        self.state.end(closed, events);
    }
}

impl State {
    fn frame(&mut self, data: &[u8], events: &mut Vec<Event>) {
        if self.done {
            return;
        }
        let read = Object::parse(data).map_err(|_| Mismatch::missing("", "an object"));
        if let Err(wrong) = read.and_then(|answer| self.answer(answer, data, events)) {
            let message = format!("an event of the provider's stream cannot be read: {wrong}");
            self.fail(UpstreamError::of_message(message), events);
        }
    }

    fn answer(&mut self, answer: Object<'_>, data: &[u8], events: &mut Vec<Event>) -> Read<()> {
        let mut answer = answer.in_camel_case();
        if answer.take("error").is_some() {
            self.fail(errors::in_stream(data), events);
            return Ok(());
        }
        let id = answer.string("responseId")?;
        self.start(id, answer.string("modelVersion")?, events);
        for (place, candidate) in
            fields::each(&mut answer, "candidates", Ok)?.into_iter().flatten().enumerate()
        {
            self.candidate(place, candidate, data, events)
                .map_err(|wrong| wrong.within(format_args!("candidates[{place}]")))?;
        }
        if let Some(feedback) = answer.take("promptFeedback") {
            self.blocked |= response::is_blocked(feedback);
            if !self.candidates.is_empty() || self.blocked {
                self.aside(0, "promptFeedback", feedback.to_owned(), events);
            }
        }
        if let Some(counts) = answer.take("usageMetadata") {
            self.counts.update(Counts::of(counts));
            let usage = self.counts.usage();
            if usage != self.usage {
                self.usage = usage;
                events.extend(usage.map(Event::Usage));
            }
        }
        Ok(())
    }

    fn start(&mut self, id: Option<String>, model: Option<String>, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            self.id.clone_from(&id);
            events.push(Event::Started { id, model, created: None });
        }
    }

    fn candidate(&mut self, place: usize, raw: &RawValue, data: &[u8], events: &mut Vec<Event>) -> Read<()> {
        let mut fields = fields::object(raw)?;
        let index = fields::count(&mut fields, "index")?.and_then(|index| u32::try_from(index).ok());
        let index = index.or_else(|| u32::try_from(place).ok()).unwrap_or_default();
        let seed = self.id.clone().unwrap_or_default();
        let at = match self.candidates.iter().position(|known| known.index == index) {
            Some(at) => at,
            None if self.candidates.len() >= MOST_CANDIDATES => {
                return Err(Mismatch::of(raw, "one of at most 128 candidates"));
            }
            None => {
                self.candidates.push(Candidate { index, ..Candidate::default() });
                self.candidates.len() - 1
            }
        };
        let candidate = &mut self.candidates[at];
        if let Some(mut content) = fields::take_object(&mut fields, "content")? {
            let said = fields::each(&mut content, "parts", |part| candidate.part(part, &seed, events));
            said.map_err(|wrong| wrong.within("content"))?;
        }
        if let Some(word) = fields.take("finishReason").and_then(reasons::read) {
            candidate.reason = Some(word);
        }
        let mut known = true;
        for (name, value) in fields.rest_without_nulls() {
            match response::OF_CANDIDATES.iter().find(|known| **known == name) {
                Some(field) if value.get() != "{}" => self.aside(index, field, value, events),
                Some(_) => {}
                None => known = false,
            }
        }
        if !known {
            events.push(Event::Unknown(Bytes::copy_from_slice(data)));
        }
        Ok(())
    }

    fn aside(&self, choice: u32, field: &'static str, value: RawJson, events: &mut Vec<Event>) {
        events.push(Event::Aside { choice, block: None, field, value });
    }

    /// The connection closed.
    fn end(&mut self, closed: bool, events: &mut Vec<Event>) {
        let ended = closed && self.candidates.iter().all(|candidate| candidate.reason.is_some());
        if self.done {
            return;
        }
        if !ended || self.candidates.is_empty() && !self.blocked {
            let message = "the provider's stream ended before its `finishReason`";
            return self.fail(UpstreamError::of_message(message), events);
        }
        self.done = true;
        let seed = self.id.take().unwrap_or_default();
        for candidate in &mut self.candidates {
            candidate.end(&seed, events);
        }
        if self.candidates.is_empty() {
            events.push(Event::Ended { choice: 0, reason: Some(FinishReason::ContentFilter) });
        }
        events.push(Event::Finished);
    }

    fn fail(&mut self, error: UpstreamError, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.done, true) {
            events.push(Event::Failed(error));
        }
    }
}

impl Candidate {
    fn part(&mut self, raw: &RawValue, seed: &str, events: &mut Vec<Event>) -> Read<()> {
        let piece = parts::read(raw)?;
        if !matches!(piece.kind, Kind::Call(_)) {
            self.flush(seed, events);
        }
        match piece.kind {
            Kind::Text { text, .. } => {
                self.grow(false, text, events);
                if let Some(signature) = piece.signature {
                    self.close(events);
                    self.open(true, events);
                    self.sign(signature, events);
                }
            }
            Kind::Thought(Some(text)) => {
                self.grow(true, text, events);
                if let Some(signature) = piece.signature {
                    if self.open.is_none_or(|(_, thoughts)| !thoughts) {
                        self.close(events);
                        self.open(true, events);
                    }
                    self.sign(signature, events);
                }
            }
            Kind::Thought(None) => {
                self.close(events);
                if let Some(signature) = piece.signature {
                    self.whole(BlockKind::RedactedThinking(read_signature(signature)), None, events);
                }
            }
            Kind::Call(call) => self.call(call, piece.signature, seed, events)?,
            Kind::Media(_) | Kind::Result(_) | Kind::Other => {
                self.close(events);
                let value = raw.to_owned();
                events.push(Event::Aside { choice: self.index, block: None, field: response::PART, value });
            }
        }
        Ok(())
    }

    /// Takes a call, or a piece of one: the pieces after the first have no name.
    fn call(
        &mut self,
        call: Call<'_>,
        signature: Option<String>,
        seed: &str,
        events: &mut Vec<Event>,
    ) -> Read<()> {
        if call.name.is_some() {
            self.flush(seed, events);
        }
        let whole = !call.continues && call.partial.is_empty() && self.pending.is_none();
        if whole {
            let name = call.name.ok_or_else(|| Mismatch::missing("functionCall.name", "a string"))?;
            let arguments = call.args.map_or("{}", RawValue::get).to_owned();
            self.say(name, call.id, signature, arguments, seed, events);
            return Ok(());
        }
        self.close(events);
        if self.pending.is_none() {
            let name = call.name.ok_or_else(|| Mismatch::missing("functionCall.name", "a string"))?;
            self.pending = Some(Pending { name, id: call.id, signature, arguments: Arguments::default() });
        }
        if let Some(pending) = &mut self.pending {
            for piece in call.partial {
                pending.arguments.take(piece).map_err(|wrong| wrong.within("functionCall.partialArgs"))?;
            }
        }
        if !call.continues {
            self.flush(seed, events);
        }
        Ok(())
    }

    /// Says a call that came in pieces.
    fn flush(&mut self, seed: &str, events: &mut Vec<Event>) {
        if let Some(Pending { name, id, signature, arguments }) = self.pending.take() {
            self.say(name, id, signature, arguments.text(), seed, events);
        }
    }

    fn say(
        &mut self,
        name: String,
        id: Option<String>,
        signature: Option<String>,
        arguments: String,
        seed: &str,
        events: &mut Vec<Event>,
    ) {
        self.close(events);
        let id = id.unwrap_or_else(|| parts::made_up_id(seed, self.calls, &name, &arguments));
        self.calls += 1;
        let kind = BlockKind::ToolCall { id, name, signature: signature.map(read_signature) };
        self.whole(kind, Some(Delta::Arguments(arguments)), events);
    }

    /// Says a block that is whole.
    fn whole(&mut self, kind: BlockKind, delta: Option<Delta>, events: &mut Vec<Event>) {
        let (choice, block) = (self.index, self.blocks);
        self.blocks = self.blocks.saturating_add(1);
        events.push(Event::BlockOpened { choice, block, kind });
        events.extend(delta.map(|delta| Event::BlockGrew { choice, block, delta }));
        events.push(Event::BlockClosed { choice, block });
    }

    fn grow(&mut self, thoughts: bool, text: String, events: &mut Vec<Event>) {
        if text.is_empty() {
            return;
        }
        if self.open.is_none_or(|(_, open)| open != thoughts) {
            self.close(events);
            self.open(thoughts, events);
        }
        if let Some((block, _)) = self.open {
            events.push(Event::BlockGrew { choice: self.index, block, delta: Delta::Text(text) });
        }
    }

    fn open(&mut self, thoughts: bool, events: &mut Vec<Event>) {
        let (choice, block) = (self.index, self.blocks);
        self.blocks = self.blocks.saturating_add(1);
        self.open = Some((block, thoughts));
        let kind = if thoughts { BlockKind::Thinking } else { BlockKind::Text };
        events.push(Event::BlockOpened { choice, block, kind });
    }

    /// Signs the open block, which is whole then.
    fn sign(&mut self, signature: String, events: &mut Vec<Event>) {
        if let Some((block, _)) = self.open {
            let delta = Delta::Signature(read_signature(signature));
            events.push(Event::BlockGrew { choice: self.index, block, delta });
        }
        self.close(events);
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        if let Some((block, _)) = self.open.take() {
            events.push(Event::BlockClosed { choice: self.index, block });
        }
    }

    fn end(&mut self, seed: &str, events: &mut Vec<Event>) {
        self.flush(seed, events);
        self.close(events);
        let word = self.reason.take().unwrap_or_default();
        if reasons::is_finer(&word) {
            let (field, value) = (response::REASON, to_raw(&word));
            events.push(Event::Aside { choice: self.index, block: None, field, value });
        }
        let reason = Some(reasons::reason(&word, self.calls > 0));
        events.push(Event::Ended { choice: self.index, reason });
    }
}
