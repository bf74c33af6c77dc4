//! The blocks of one choice, one after the other, out of deltas that may alternate between them.
//!
//! Events have one open block per choice. Text and reasoning can be closed whenever something else comes. A tool call
//! can be closed once its arguments are whole JSON; until then what belongs to other blocks waits. So calls that come
//! one after the other, as nearly every server sends them, pass at once, and those that alternate still come out whole.

use crate::canonical::{BlockKind, Delta, Event, FinishReason, Signature};
use crate::openai_chat::{FAMILY, reasoning};

/// What a delta belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Text,
    Thinking,
    Refusal,
    /// Encrypted reasoning, which never grows.
    Hidden,
    /// A tool call, by its number in the choice.
    Call(u32),
}

/// The blocks of a choice.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    choice: u32,
    open: Option<Open>,
    opened: u32,
    waiting: Vec<Waiting>,
    calls: Vec<Call>,
    reason: Option<FinishReason>,
}

#[derive(Debug)]
struct Open {
    key: Key,
    arguments: Balance,
    signature: Option<Signature>,
}

#[derive(Debug)]
struct Waiting {
    key: Key,
    kind: BlockKind,
    text: String,
    signature: Option<Signature>,
}

/// A tool call as the wire names it.
#[derive(Debug)]
struct Call {
    index: Option<u32>,
    id: String,
}

impl Blocks {
    pub(super) fn new(choice: u32) -> Self {
        Self { choice, ..Self::default() }
    }

    /// The number of the call that a piece belongs to, and whether it is a new one. Some servers leave the index out
    /// or count all calls as 0; then another id, or without ids a name, begins another call.
    pub(super) fn call(&mut self, index: Option<u32>, id: Option<&str>, is_named: bool) -> (u32, bool) {
        let id = id.filter(|id| !id.is_empty());
        let found = self.calls.iter().rposition(|call| index.is_none() || call.index == index);
        if let Some(at) = found.filter(|_| index.is_some() || id.is_some() || !is_named) {
            let call = &mut self.calls[at];
            if id.is_none_or(|id| call.id.is_empty() || call.id == id) {
                if let Some(id) = id {
                    id.clone_into(&mut call.id);
                }
                return (at as u32, false);
            }
        }
        self.calls.push(Call { index, id: id.unwrap_or_default().to_owned() });
        (self.calls.len() as u32 - 1, true)
    }

    /// How many calls there are.
    pub(super) fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Whether the block of `key` is open or waits; one that is closed takes no more.
    pub(super) fn has(&self, key: Key) -> bool {
        self.is_open(key) || self.waiting.iter().any(|block| block.key == key)
    }

    fn is_open(&self, key: Key) -> bool {
        self.open.as_ref().is_some_and(|open| open.key == key)
    }

    /// Adds `text` to the block `key`, which is opened as `kind` if it is not there.
    pub(super) fn grow(
        &mut self,
        key: Key,
        kind: impl FnOnce() -> BlockKind,
        text: String,
        events: &mut Vec<Event>,
    ) {
        // Signed reasoning is whole.
        if self.is_open(key) && self.open.as_ref().is_some_and(|open| !open.is_signed()) {
            self.write(text, events);
        } else {
            let is_call = matches!(key, Key::Call(_));
            let last = self.waiting.len().saturating_sub(1);
            let mut waiting = self.waiting.iter_mut().enumerate();
            let grows = |(at, block): &(usize, &mut Waiting)| {
                block.key == key && (is_call || *at == last && !block.is_signed())
            };
            match waiting.find(grows) {
                Some((_, block)) => block.text.push_str(&text),
                None => self.waiting.push(Waiting { key, kind: kind(), text, signature: None }),
            }
        }
        self.advance(false, events);
    }

    /// Signs the last block of reasoning, or an empty one where there is none.
    pub(super) fn sign(&mut self, signature: Signature, events: &mut Vec<Event>) {
        if signature.for_provider(FAMILY).is_some_and(|text| !reasoning::is_secret(text)) {
            return self.shown_by(signature);
        }
        let waits = self.waiting.last_mut().filter(|block| block.key == Key::Thinking);
        let open = self.open.as_mut().filter(|open| open.key == Key::Thinking && !open.is_signed());
        match (waits, open) {
            (Some(block), _) if !block.is_signed() => block.signature = Some(signature),
            (None, Some(open)) => open.signature = Some(signature),
            _ => {
                let (key, kind, text) = (Key::Thinking, BlockKind::Thinking, String::new());
                self.waiting.push(Waiting { key, kind, text, signature: Some(signature) });
                self.advance(false, events);
            }
        }
    }

    /// Remembers how the reasoning was shown, as which it goes back to its provider.
    pub(super) fn shown_by(&mut self, form: Signature) {
        let is_field = |form: &Signature| {
            form.for_provider(FAMILY).is_some_and(|text| reasoning::FIELDS.contains(&text))
        };
        let waits = self.waiting.last_mut().filter(|block| block.key == Key::Thinking);
        let open = self.open.as_mut().filter(|open| open.key == Key::Thinking);
        let signature = match (waits, open) {
            (Some(block), _) => &mut block.signature,
            (None, Some(open)) => &mut open.signature,
            (None, None) => return,
        };
        // An entry of the list says more than the name of a field.
        if signature.as_ref().is_none_or(|known| is_field(known) && !is_field(&form)) {
            *signature = Some(form);
        }
    }

    /// Adds encrypted reasoning, whole.
    pub(super) fn hide(&mut self, data: Signature, events: &mut Vec<Event>) {
        let (key, kind, text) = (Key::Hidden, BlockKind::RedactedThinking(data), String::new());
        self.waiting.push(Waiting { key, kind, text, signature: None });
        self.advance(false, events);
    }

    /// How many bytes wait.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting.iter().map(|block| block.text.len()).sum()
    }

    /// The provider says why it stopped: everything that waits comes out. More may follow all the same, since Together
    /// says it after each tool call.
    pub(super) fn stop(&mut self, reason: FinishReason, events: &mut Vec<Event>) {
        self.flush(events);
        self.reason = Some(reason);
    }

    /// Whether the provider said why it stopped.
    pub(super) fn has_stopped(&self) -> bool {
        self.reason.is_some()
    }

    /// Nothing more can follow.
    pub(super) fn end(&mut self, events: &mut Vec<Event>) {
        self.flush(events);
        self.close(events);
        events.push(Event::Ended { choice: self.choice, reason: self.reason.take() });
    }

    /// Opens everything that waits.
    pub(super) fn flush(&mut self, events: &mut Vec<Event>) {
        self.advance(true, events);
    }

    /// Opens what waits, as far as the open block can be closed, or all of it.
    fn advance(&mut self, all: bool, events: &mut Vec<Event>) {
        let mut waiting = std::mem::take(&mut self.waiting).into_iter();
        while all || self.open.as_ref().is_none_or(Open::is_whole) {
            let Some(Waiting { key, kind, text, signature }) = waiting.next() else { break };
            self.close(events);
            events.push(Event::BlockOpened { choice: self.choice, block: self.opened, kind });
            self.opened += 1;
            self.open = Some(Open { key, arguments: Balance::default(), signature });
            self.write(text, events);
        }
        self.waiting = waiting.collect();
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        let Some(open) = self.open.take() else { return };
        let (choice, block) = (self.choice, self.opened - 1);
        if let Some(signature) = open.signature {
            events.push(Event::BlockGrew { choice, block, delta: Delta::Signature(signature) });
        }
        events.push(Event::BlockClosed { choice, block });
    }

    /// Adds to the open block.
    fn write(&mut self, text: String, events: &mut Vec<Event>) {
        let Some(open) = self.open.as_mut().filter(|_| !text.is_empty()) else { return };
        let delta = match open.key {
            Key::Call(_) => {
                open.arguments.take(&text);
                Delta::Arguments(text)
            }
            Key::Text | Key::Thinking | Key::Refusal | Key::Hidden => Delta::Text(text),
        };
        events.push(Event::BlockGrew { choice: self.choice, block: self.opened - 1, delta });
    }
}

/// Whether a provider signed a block of reasoning, which is whole then.
fn is_signed(signature: Option<&Signature>) -> bool {
    let text = signature.and_then(|signature| signature.for_provider(FAMILY));
    text.is_some_and(reasoning::is_secret)
}

impl Waiting {
    fn is_signed(&self) -> bool {
        is_signed(self.signature.as_ref())
    }
}

impl Open {
    fn is_signed(&self) -> bool {
        is_signed(self.signature.as_ref())
    }

    fn is_whole(&self) -> bool {
        !matches!(self.key, Key::Call(_)) || self.arguments.is_whole()
    }
}

/// Whether the brackets of a call's arguments are closed.
#[derive(Debug, Default)]
struct Balance {
    depth: i32,
    in_string: bool,
    escaped: bool,
    began: bool,
}

impl Balance {
    fn take(&mut self, text: &str) {
        for byte in text.bytes() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.depth = self.depth.saturating_add(1);
                    self.began = true;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn is_whole(&self) -> bool {
        self.began && self.depth <= 0 && !self.in_string
    }
}
