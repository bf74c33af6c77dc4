//! Streams, written for a client.

use super::events::{Events, Part, Place};
use crate::canonical::{
    BlockKind, Class, Delta, Event, Failure, FinishReason, Losses, RawJson, Signature, Usage,
};
use crate::openai_chat::{FAMILY, errors};
use crate::openai_responses::custom::{Reader, Told};
use crate::openai_responses::output::{Head, Item, Spoken, State, summary_part};
use crate::openai_responses::{NO_SUCH_FIELD, response};
use crate::raw::{Object, text, to_raw};
use crate::stream::StreamEncoder;
use serde_json::{Value, json};

/// Writes a stream of one answer. Every event names its item, so that blocks may grow in turns.
#[derive(Default)]
pub(crate) struct Encoder {
    head: Head,
    events: Events,
    started: bool,
    done: bool,
    /// The output so far, which the last event repeats.
    items: Vec<Slot>,
    open: Vec<Block>,
    /// What the next message is for, where the provider says it.
    phase: Option<String>,
    /// The log probabilities of the next piece of a text.
    logprobs: Vec<RawJson>,
    reason: Option<FinishReason>,
    usage: Usage,
    losses: Losses,
}

struct Slot {
    /// `None` while it is not clear what is called.
    item: Option<Item>,
    whole: bool,
}

/// A block that is open.
struct Block {
    number: u32,
    /// Its item's place in the output.
    slot: usize,
    holds: Holds,
}

enum Holds {
    /// A text or refusal: the part of its message.
    Spoken(usize),
    Thinking,
    Call {
        reader: Reader,
        id: String,
        name: String,
    },
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.done {
            return;
        }
        match event {
            Event::Started { id, model, created } => {
                self.head = Head::new(id.as_deref(), model.as_deref(), *created);
                self.start(out);
            }
            Event::BlockOpened { choice: 0, block, kind } => self.open(*block, kind, out),
            Event::BlockGrew { choice: 0, block, delta } => self.grow(*block, delta, out),
            Event::BlockClosed { choice: 0, block } => self.close(*block, out),
            Event::Ended { choice: 0, reason } => {
                response::lose_reason(reason.as_ref(), &mut self.losses);
                self.reason.clone_from(reason);
            }
            Event::Ended { choice, .. } => {
                self.losses.add(format!("choices[{choice}]"), "OpenAI's Responses API gives one answer");
            }
            Event::Usage(usage) => self.usage.update(*usage),
            Event::Aside { choice, block, field, value } => {
                if *choice != 0 || !self.note(*block, field, value, out) {
                    self.losses.add(format!("choices[{choice}].{field}"), NO_SUCH_FIELD);
                }
            }
            Event::Unknown(frame) => self.lose_frame(frame),
            Event::Finished => self.finish(out),
            // The API streams one answer, and a failure is said by `fail`, with its class.
            Event::BlockOpened { .. }
            | Event::BlockGrew { .. }
            | Event::BlockClosed { .. }
            | Event::Failed(_) => {}
        }
    }

    /// An event for clients that raise on it, then the response's own end, as the API does.
    fn fail(&mut self, failure: &Failure, request_id: &str, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let mut body = Vec::new();
        errors::write_body(failure, request_id, &mut body);
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let code = match failure.class {
            Class::UpstreamRateLimited => "rate_limit_exceeded",
            _ => body["error"]["code"].as_str().unwrap_or("server_error"),
        };
        let message = body["error"]["message"].as_str().unwrap_or_default();
        let failed = self.head.response(&State::Failed { code, message }, self.output("incomplete"));
        self.events.write("error", json!({ "error": body["error"] }), out);
        self.events.write("response.failed", json!({ "response": failed }), out);
    }

    fn losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

impl Encoder {
    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let response = self.head.response(&State::Begun, Vec::new());
        self.events.write("response.created", json!({ "response": response }), out);
        self.events.write("response.in_progress", json!({ "response": response }), out);
    }

    fn open(&mut self, number: u32, kind: &BlockKind, out: &mut Vec<u8>) {
        self.start(out);
        let (slot, holds) = match kind {
            BlockKind::Text => self.speak(Spoken::text(), out),
            BlockKind::Refusal => self.speak(Spoken::Refusal(String::new()), out),
            BlockKind::Thinking => {
                self.close_message(out);
                (self.reason(Some(String::new()), None, out), Holds::Thinking)
            }
            BlockKind::RedactedThinking(signature) => {
                self.close_message(out);
                let slot = self.reason(None, Some(signature), out);
                return self.end_item(slot, out);
            }
            BlockKind::ToolCall { id, name, signature } => {
                self.close_message(out);
                if signature.is_some() {
                    // The API has a place for it on reasoning alone.
                    let slot = self.reason(Some(String::new()), signature.as_ref(), out);
                    self.end_summary(slot, out);
                    self.end_item(slot, out);
                }
                self.items.push(Slot { item: None, whole: false });
                let holds = Holds::Call { reader: Reader::default(), id: id.clone(), name: name.clone() };
                (self.items.len() - 1, holds)
            }
        };
        self.open.push(Block { number, slot, holds });
    }

    /// Begins a part of the message that goes on, else of a new one.
    fn speak(&mut self, spoken: Spoken, out: &mut Vec<u8>) -> (usize, Holds) {
        let part = spoken.json();
        let slot = match self.items.last() {
            Some(Slot { item: Some(Item::Message { .. }), whole: false }) => self.items.len() - 1,
            _ => {
                let id = self.head.item_id("msg", self.items.len());
                let phase = self.phase.take();
                self.begin(Item::Message { id, phase, parts: Vec::new() }, out)
            }
        };
        let mut index = 0;
        if let Some(Slot { item: Some(Item::Message { parts, .. }), .. }) = self.items.get_mut(slot) {
            index = parts.len();
            parts.push(spoken);
        }
        self.about(
            "response.content_part.added",
            slot,
            Some(Part::Content(index)),
            json!({ "part": part }),
            out,
        );
        (slot, Holds::Spoken(index))
    }

    fn reason(&mut self, summary: Option<String>, signature: Option<&Signature>, out: &mut Vec<u8>) -> usize {
        let id = self.head.item_id("rs", self.items.len());
        let encrypted = signature.map(|signature| signature.for_client(FAMILY).into_owned());
        let slot = self.begin(Item::Reasoning { id, summary: None, encrypted }, out);
        if let (Some(text), Some(Slot { item: Some(Item::Reasoning { summary, .. }), .. })) =
            (summary, self.items.get_mut(slot))
        {
            let part = json!({ "part": summary_part(&text) });
            *summary = Some(text);
            self.about("response.reasoning_summary_part.added", slot, Some(Part::Summary), part, out);
        }
        slot
    }

    /// Begins an item.
    fn begin(&mut self, item: Item, out: &mut Vec<u8>) -> usize {
        self.items.push(Slot { item: None, whole: false });
        let slot = self.items.len() - 1;
        self.place(slot, item, out);
        slot
    }

    /// Puts an item into its place in the output.
    fn place(&mut self, slot: usize, item: Item, out: &mut Vec<u8>) {
        let added = json!({ "output_index": slot, "item": item.json("in_progress") });
        self.events.write("response.output_item.added", added, out);
        self.items[slot].item = Some(item);
    }

    fn grow(&mut self, number: u32, delta: &Delta, out: &mut Vec<u8>) {
        let Some(place) = self.open.iter().position(|block| block.number == number) else { return };
        let mut block = self.open.swap_remove(place);
        match (&mut block.holds, delta) {
            (Holds::Spoken(index), Delta::Text(text)) => self.grow_spoken(block.slot, *index, text, out),
            (Holds::Thinking, Delta::Text(text)) => {
                if let Some(Item::Reasoning { summary: Some(summary), .. }) = &mut self.items[block.slot].item
                {
                    summary.push_str(text);
                }
                self.piece(
                    "response.reasoning_summary_text.delta",
                    block.slot,
                    Some(Part::Summary),
                    text,
                    out,
                );
            }
            (Holds::Thinking, Delta::Signature(signature)) => {
                if let Some(Item::Reasoning { encrypted, .. }) = &mut self.items[block.slot].item {
                    *encrypted = Some(signature.for_client(FAMILY).into_owned());
                }
            }
            (Holds::Call { reader, id, name }, Delta::Arguments(piece)) => {
                let told = reader.feed(piece);
                self.grow_call(block.slot, told, id, name, out);
            }
            _ => {}
        }
        self.open.push(block);
    }

    fn grow_spoken(&mut self, slot: usize, index: usize, piece: &str, out: &mut Vec<u8>) {
        let mut kind = "response.output_text.delta";
        if let Some(Item::Message { parts, .. }) = &mut self.items[slot].item {
            match parts.get_mut(index) {
                Some(Spoken::Text { text, .. }) => text.push_str(piece),
                Some(Spoken::Refusal(refusal)) => {
                    refusal.push_str(piece);
                    kind = "response.refusal.delta";
                }
                None => {}
            }
        }
        self.piece(kind, slot, Some(Part::Content(index)), piece, out);
    }

    /// Tells more of a call, which begins once it is clear what is called.
    fn grow_call(&mut self, slot: usize, told: Told, id: &str, name: &str, out: &mut Vec<u8>) {
        let (piece, custom) = match told {
            Told::Nothing => return,
            Told::Function(piece) => (piece, false),
            Told::Input(piece) => (piece, true),
        };
        if self.items[slot].item.is_none() {
            let (call_id, name) = (response::call_id(id, &self.head, slot), name.to_owned());
            let item = if custom {
                Item::CustomCall { id: self.head.item_id("ctc", slot), call_id, name, input: String::new() }
            } else {
                Item::Call { id: self.head.item_id("fc", slot), call_id, name, arguments: String::new() }
            };
            self.place(slot, item, out);
        }
        let kind = match &mut self.items[slot].item {
            Some(Item::Call { arguments, .. }) => {
                arguments.push_str(&piece);
                "response.function_call_arguments.delta"
            }
            Some(Item::CustomCall { input, .. }) => {
                input.push_str(&piece);
                "response.custom_tool_call_input.delta"
            }
            _ => return,
        };
        if !piece.is_empty() {
            self.piece(kind, slot, None, &piece, out);
        }
    }

    /// Tells what stands beside a text; says whether this API has a place for it.
    fn note(&mut self, block: Option<u32>, field: &str, value: &RawJson, out: &mut Vec<u8>) -> bool {
        if field == response::PHASE {
            // What is for something else is another message.
            self.close_message(out);
            self.phase = text(value).ok();
            return self.phase.is_some();
        }
        let Some(open) = self.open.iter().find(|open| Some(open.number) == block) else { return false };
        let (slot, Holds::Spoken(index)) = (open.slot, &open.holds) else { return false };
        let at = Some(Part::Content(*index));
        let Some(Item::Message { parts, .. }) = &mut self.items[slot].item else { return false };
        let Some(Spoken::Text { annotations, logprobs, .. }) = parts.get_mut(*index) else { return false };
        match (field, serde_json::from_str::<Value>(value.get())) {
            ("annotations", Ok(annotation)) if annotation["type"].is_string() => {
                let fields = json!({ "annotation": annotation, "annotation_index": annotations.len() });
                annotations.push(annotation);
                self.about("response.output_text.annotation.added", slot, at, fields, out);
                true
            }
            ("logprobs", Ok(Value::Array(tokens))) => {
                let tokens: Vec<_> = tokens.iter().map(to_raw).collect();
                logprobs.extend(tokens.iter().cloned());
                self.logprobs = tokens;
                true
            }
            _ => false,
        }
    }

    /// Records a frame that only the provider's API knows, each type once.
    fn lose_frame(&mut self, frame: &[u8]) {
        let mut frame = Object::parse(frame).unwrap_or_default();
        let kind = frame.string("type").ok().flatten().unwrap_or_else(|| "frame".to_owned());
        if self.losses.iter().all(|loss| loss.path != kind) {
            self.losses.add(kind, "an event that only the provider's API knows");
        }
    }

    fn close(&mut self, number: u32, out: &mut Vec<u8>) {
        let Some(place) = self.open.iter().position(|block| block.number == number) else { return };
        let block = self.open.remove(place);
        match block.holds {
            Holds::Spoken(index) => {
                self.end_part(block.slot, index, out);
                // A message goes on until something else begins, which may have been while this part was open.
                if block.slot + 1 < self.items.len() {
                    self.end_message(block.slot, out);
                }
            }
            Holds::Thinking => {
                self.end_summary(block.slot, out);
                self.end_item(block.slot, out);
            }
            Holds::Call { mut reader, id, name } => {
                if let Some(rest) = reader.end() {
                    self.grow_call(block.slot, Told::Function(rest), &id, &name, out);
                }
                self.end_call(block.slot, out);
            }
        }
    }

    fn end_part(&mut self, slot: usize, index: usize, out: &mut Vec<u8>) {
        let Some(Item::Message { parts, .. }) = &self.items[slot].item else { return };
        let Some(part) = parts.get(index) else { return };
        let (kind, fields) = match part {
            Spoken::Text { text, logprobs, .. } => {
                ("response.output_text.done", json!({ "text": text, "logprobs": logprobs }))
            }
            Spoken::Refusal(refusal) => ("response.refusal.done", json!({ "refusal": refusal })),
        };
        let (at, part) = (Some(Part::Content(index)), json!({ "part": part.json() }));
        self.about(kind, slot, at, fields, out);
        self.about("response.content_part.done", slot, at, part, out);
    }

    fn end_summary(&mut self, slot: usize, out: &mut Vec<u8>) {
        let Some(Item::Reasoning { summary: Some(summary), .. }) = &self.items[slot].item else { return };
        let (text, part) = (json!({ "text": summary }), json!({ "part": summary_part(summary) }));
        self.about("response.reasoning_summary_text.done", slot, Some(Part::Summary), text, out);
        self.about("response.reasoning_summary_part.done", slot, Some(Part::Summary), part, out);
    }

    fn end_call(&mut self, slot: usize, out: &mut Vec<u8>) {
        let (kind, fields) = match &mut self.items[slot].item {
            Some(Item::Call { arguments, name, .. }) => {
                if arguments.trim().is_empty() {
                    "{}".clone_into(arguments);
                }
                let fields = json!({ "arguments": arguments, "name": name });
                ("response.function_call_arguments.done", fields)
            }
            Some(Item::CustomCall { input, .. }) => {
                ("response.custom_tool_call_input.done", json!({ "input": input }))
            }
            _ => return,
        };
        self.about(kind, slot, None, fields, out);
        self.end_item(slot, out);
    }

    /// Ends the message that goes on, unless a part of it is open.
    fn close_message(&mut self, out: &mut Vec<u8>) {
        if let Some(last) = self.items.len().checked_sub(1) {
            self.end_message(last, out);
        }
    }

    fn end_message(&mut self, slot: usize, out: &mut Vec<u8>) {
        let message = matches!(self.items[slot].item, Some(Item::Message { .. }));
        if message && self.open.iter().all(|block| block.slot != slot) {
            self.end_item(slot, out);
        }
    }

    fn end_item(&mut self, slot: usize, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.items[slot].whole, true) {
            return;
        }
        let status = match self.reason {
            Some(FinishReason::Length | FinishReason::ContentFilter) => "incomplete",
            _ => "completed",
        };
        if let Some(item) = &self.items[slot].item {
            let done = json!({ "output_index": slot, "item": item.json(status) });
            self.events.write("response.output_item.done", done, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        while let Some(number) = self.open.first().map(|block| block.number) {
            self.close(number, out);
        }
        self.close_message(out);
        let state = State::Ended { reason: self.reason.as_ref(), usage: self.usage };
        let (kind, last) = match state.status() {
            "incomplete" => ("response.incomplete", "incomplete"),
            _ => ("response.completed", "completed"),
        };
        let response = self.head.response(&state, self.output(last));
        self.events.write(kind, json!({ "response": response }), out);
        self.done = true;
    }

    /// The whole output; the last item as far as it came.
    fn output(&self, last: &str) -> Vec<Value> {
        let end = self.items.len().saturating_sub(1);
        let status = |place| if place == end { last } else { "completed" };
        let items = self.items.iter().enumerate();
        items.filter_map(|(place, slot)| Some(slot.item.as_ref()?.json(status(place)))).collect()
    }

    fn piece(&mut self, kind: &'static str, slot: usize, part: Option<Part>, piece: &str, out: &mut Vec<u8>) {
        if let Some(item) = &self.items[slot].item {
            let place = Place { item_id: item.id(), output_index: slot, part };
            let logprobs = std::mem::take(&mut self.logprobs);
            self.events.grow(kind, place, (piece, &logprobs), out);
        }
    }

    fn about(
        &mut self,
        kind: &'static str,
        slot: usize,
        part: Option<Part>,
        fields: Value,
        out: &mut Vec<u8>,
    ) {
        if let Some(item) = &self.items[slot].item {
            self.events.about(kind, Place { item_id: item.id(), output_index: slot, part }, fields, out);
        }
    }
}
