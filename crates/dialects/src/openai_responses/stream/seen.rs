//! The items of a stream as far as they came, and the blocks that they make.

use crate::canonical::{BlockKind, Delta, Event, Signature};
use crate::openai_chat::FAMILY;
use crate::openai_responses::request::BETWEEN_SUMMARIES;
use crate::openai_responses::{custom, response};
use crate::raw::{Object, text};
use serde_json::value::RawValue;

/// Numbers the blocks of the answer in the order in which they open.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    opened: u32,
}

impl Blocks {
    fn open(&mut self, kind: BlockKind, events: &mut Vec<Event>) -> u32 {
        let block = self.opened;
        self.opened = block.saturating_add(1);
        events.push(Event::BlockOpened { choice: 0, block, kind });
        block
    }
}

fn grow(block: u32, delta: Delta, events: &mut Vec<Event>) {
    let empty = matches!(&delta, Delta::Text(piece) | Delta::Arguments(piece) if piece.is_empty());
    if !empty {
        events.push(Event::BlockGrew { choice: 0, block, delta });
    }
}

fn close(block: u32, events: &mut Vec<Event>) {
    events.push(Event::BlockClosed { choice: 0, block });
}

/// What a piece of an item belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A text of a message, by its place.
    Text(u64),
    /// A refusal in a message, by its place.
    Refusal(u64),
    /// The summary of reasoning.
    Summary,
    /// Reasoning itself.
    Thought,
    /// A call's arguments or input.
    Call,
}

/// An item of the stream.
#[derive(Debug)]
pub(super) struct Seen {
    /// Its place in the output.
    pub(super) index: Option<u64>,
    /// Its id, which some servers change from event to event.
    pub(super) id: Option<String>,
    /// Whether it is whole.
    pub(super) done: bool,
    /// A call of a custom tool.
    custom: bool,
    blocks: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    key: Key,
    block: u32,
    closed: bool,
    grew: bool,
    /// The part of a summary that grew last.
    part: u64,
}

impl Seen {
    pub(super) fn new(index: Option<u64>, id: Option<String>) -> Self {
        Self { index, id, done: false, custom: false, blocks: Vec::new() }
    }

    /// The block of `key` that is open.
    pub(super) fn block(&self, key: Key) -> Option<u32> {
        self.blocks.iter().find(|open| open.key == key && !open.closed).map(|open| open.block)
    }

    /// Opens the call that an item begins.
    pub(super) fn call(
        &mut self,
        item: &mut Object<'_>,
        custom: bool,
        blocks: &mut Blocks,
        events: &mut Vec<Event>,
    ) {
        if !self.blocks.is_empty() {
            return;
        }
        let mut word = |name| item.string(name).ok().flatten().filter(|word| !word.is_empty());
        let id = word("call_id").or_else(|| word("id")).unwrap_or_default();
        let name = word("name").unwrap_or_default();
        self.custom = custom;
        let block = blocks.open(BlockKind::ToolCall { id, name, signature: None }, events);
        self.blocks.push(Open { key: Key::Call, block, closed: false, grew: false, part: 0 });
        if custom {
            grow(block, Delta::Arguments(custom::opening()), events);
        }
    }

    /// The place of the block of `key`, which begins if it is new.
    fn begin(&mut self, key: Key, part: u64, blocks: &mut Blocks, events: &mut Vec<Event>) -> Option<usize> {
        let known = self.blocks.iter().position(|open| open.key == key);
        if known.is_some() {
            return known;
        }
        let kind = match key {
            Key::Text(_) => BlockKind::Text,
            Key::Refusal(_) => BlockKind::Refusal,
            Key::Summary | Key::Thought => BlockKind::Thinking,
            // Only an item's own event names what is called.
            Key::Call => return None,
        };
        let block = blocks.open(kind, events);
        self.blocks.push(Open { key, block, closed: false, grew: false, part });
        Some(self.blocks.len() - 1)
    }

    /// Says what stands beside the next piece of a text, or beside the text.
    pub(super) fn note(
        &mut self,
        key: Key,
        (field, value): (&'static str, &RawValue),
        blocks: &mut Blocks,
        events: &mut Vec<Event>,
    ) {
        if self.done || self.begin(key, 0, blocks, events).is_none() {
            return;
        }
        if let Some(block) = self.block(key) {
            events.push(Event::Aside { choice: 0, block: Some(block), field, value: value.to_owned() });
        }
    }

    /// Adds a piece; of a summary, to its part `part`.
    pub(super) fn grow(
        &mut self,
        key: Key,
        part: u64,
        piece: String,
        blocks: &mut Blocks,
        events: &mut Vec<Event>,
    ) {
        if piece.is_empty() || self.done {
            return;
        }
        let Some(place) = self.begin(key, part, blocks, events) else { return };
        let open = &mut self.blocks[place];
        if open.closed {
            return;
        }
        if std::mem::replace(&mut open.part, part) != part && open.grew {
            grow(open.block, Delta::Text(BETWEEN_SUMMARIES.to_owned()), events);
        }
        open.grew = true;
        let delta = match key {
            Key::Call if self.custom => Delta::Arguments(custom::piece(&piece)),
            Key::Call => Delta::Arguments(piece),
            _ => Delta::Text(piece),
        };
        grow(open.block, delta, events);
    }

    /// Adds a text that comes whole, unless it came in pieces.
    pub(super) fn fill(
        &mut self,
        key: Key,
        part: u64,
        whole: String,
        blocks: &mut Blocks,
        events: &mut Vec<Event>,
    ) {
        let in_parts = matches!(key, Key::Summary | Key::Thought);
        let came = |open: &Open| open.key == key && open.grew && (!in_parts || open.part >= part);
        if !self.blocks.iter().any(came) {
            self.grow(key, part, whole, blocks, events);
        }
    }

    /// Closes a text, after which another may begin.
    pub(super) fn close(&mut self, key: Key, events: &mut Vec<Event>) {
        if let Some(open) = self.blocks.iter_mut().find(|open| open.key == key && !open.closed) {
            open.closed = true;
            close(open.block, events);
        }
    }

    /// The item is whole: what did not come in pieces is taken from it.
    pub(super) fn finish(
        &mut self,
        kind: &str,
        item: &mut Object<'_>,
        blocks: &mut Blocks,
        events: &mut Vec<Event>,
    ) {
        let mut word =
            |name: &str| item.take(name).and_then(|value: &RawValue| text(value).ok()).unwrap_or_default();
        match kind {
            "function_call" => self.fill(Key::Call, 0, word("arguments"), blocks, events),
            "custom_tool_call" => self.fill(Key::Call, 0, word("input"), blocks, events),
            "message" => {
                for (place, (refusal, text)) in (0..).zip(response::part_texts(item)) {
                    let key = if refusal { Key::Refusal(place) } else { Key::Text(place) };
                    self.fill(key, 0, text, blocks, events);
                }
            }
            "reasoning" => {
                let encrypted = word("encrypted_content");
                self.finish_reasoning(item, encrypted, blocks, events);
            }
            _ => {}
        }
        self.end(events);
    }

    fn finish_reasoning(
        &mut self,
        item: &mut Object<'_>,
        encrypted: String,
        blocks: &mut Blocks,
        events: &mut Vec<Event>,
    ) {
        for (name, key) in [("summary", Key::Summary), ("content", Key::Thought)] {
            let parts = item.list(name).ok().flatten().unwrap_or_default();
            let texts: Vec<_> = parts.into_iter().map(part_text).collect();
            // One that has parts has a text, if an empty one; see the whole answer.
            if !texts.is_empty() && self.block(key).is_none() {
                let block = blocks.open(BlockKind::Thinking, events);
                self.blocks.push(Open { key, block, closed: false, grew: false, part: 0 });
            }
            for (part, text) in (0..).zip(texts) {
                self.fill(key, part, text, blocks, events);
            }
        }
        if encrypted.is_empty() {
            return;
        }
        let signature = Signature::made_by(FAMILY, encrypted);
        let proven = self.block(Key::Thought).or_else(|| self.block(Key::Summary));
        match proven {
            Some(block) => grow(block, Delta::Signature(signature), events),
            None => {
                let block = blocks.open(BlockKind::RedactedThinking(signature), events);
                close(block, events);
            }
        }
    }

    /// Nothing more comes of it.
    pub(super) fn end(&mut self, events: &mut Vec<Event>) {
        self.done = true;
        for open in self.blocks.iter_mut().filter(|open| !open.closed) {
            open.closed = true;
            if self.custom {
                grow(open.block, Delta::Arguments(custom::CLOSING.to_owned()), events);
            }
            close(open.block, events);
        }
    }
}

fn part_text(part: &RawValue) -> String {
    Object::of(part).and_then(|mut part| part.need_string("text")).unwrap_or_default()
}
