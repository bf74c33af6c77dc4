//! Streams, written for clients.

use crate::canonical::{BlockKind, Delta, Event, Failure, FinishReason, Losses, Usage};
use crate::mlflow_contract::error::{self, Contract};
use crate::mlflow_contract::losses::NO_PLACE;
use crate::mlflow_endpoints::response::{Counts, word};
use crate::raw::to_bytes;
use crate::stream::{StreamEncoder, Untold};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

#[derive(Serialize)]
struct Chunk<'a, T> {
    id: Option<&'a str>,
    object: &'static str,
    created: u64,
    model: Option<&'a str>,
    choices: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Counts>,
}

#[derive(Serialize)]
struct ChatChoice<'a> {
    index: u32,
    finish_reason: Option<String>,
    delta: ChatDelta<'a>,
}

/// What a choice grows by. Role and content are always there; the other keys, which MLflow drops, only when filled.
#[derive(Default, Serialize)]
struct ChatDelta<'a> {
    role: Option<&'static str>,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta<'a>; 1]>,
}

#[derive(Serialize)]
struct CallDelta<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: FunctionDelta<'a>,
}

#[derive(Serialize)]
struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

#[derive(Serialize)]
struct TextChoice<'a> {
    index: u32,
    finish_reason: Option<String>,
    text: Option<&'a str>,
}

/// What every chunk repeats, and what waits for a later chunk.
#[derive(Debug)]
struct Head {
    object: &'static str,
    id: Option<String>,
    model: Option<String>,
    created: u64,
    usage: Usage,
    usage_due: bool,
    /// Whether the client asked for usage in a chunk of its own, as OpenAI's clients do. Else the last choice's last
    /// chunk carries it: a client that expects a choice in every chunk, as MLflow's do, must meet none without.
    usage_apart: bool,
    /// The end of a choice that is not written yet, since usage may follow.
    ended: Option<(u32, Option<FinishReason>)>,
    untold: Untold,
}

impl Head {
    fn new(object: &'static str, usage_apart: bool) -> Self {
        let usage = Usage::default();
        Self {
            object,
            id: None,
            model: None,
            created: 0,
            usage,
            usage_due: false,
            usage_apart,
            ended: None,
            untold: Untold::default(),
        }
    }

    fn chunk<T: Serialize>(&self, choices: Vec<T>, usage: Option<Counts>, out: &mut Vec<u8>) {
        let chunk = Chunk {
            id: self.id.as_deref(),
            object: self.object,
            created: self.created,
            model: self.model.as_deref(),
            choices,
            usage,
        };
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&to_bytes(&chunk));
        out.extend_from_slice(b"\n\n");
    }

    /// Takes in what belongs to no choice, and the end of one; `last` makes a choice's last chunk. `true` when the
    /// event is done with.
    fn take<T: Serialize>(
        &mut self,
        event: &Event,
        last: fn(u32, Option<String>) -> T,
        out: &mut Vec<u8>,
    ) -> bool {
        match event {
            Event::Started { id, model, created } => {
                self.id.clone_from(id);
                self.model.clone_from(model);
                self.created = created.unwrap_or_default();
            }
            Event::Usage(usage) => {
                self.usage.update(*usage);
                self.usage_due = true;
                self.untold.usage_details(usage, NO_PLACE);
            }
            Event::Ended { choice, reason } => {
                self.release(None, last, out);
                self.ended = Some((*choice, reason.clone()));
            }
            Event::Finished => {
                let usage = std::mem::take(&mut self.usage_due).then(|| self.usage.into());
                let (inside, apart) =
                    if self.usage_apart || self.ended.is_none() { (None, usage) } else { (usage, None) };
                self.release(inside, last, out);
                if apart.is_some() {
                    self.chunk(Vec::<T>::new(), apart, out);
                }
            }
            Event::Aside { .. } | Event::Unknown(_) => self.untold.event(event, NO_PLACE),
            Event::Failed(_) => {}
            _ => {
                self.release(None, last, out);
                return false;
            }
        }
        true
    }

    /// Writes the end that waits.
    fn release<T: Serialize>(
        &mut self,
        usage: Option<Counts>,
        last: fn(u32, Option<String>) -> T,
        out: &mut Vec<u8>,
    ) {
        if let Some((choice, reason)) = self.ended.take() {
            // The stream has no other end than its choices' reasons.
            let reason = word(reason.as_ref()).unwrap_or("stop");
            self.chunk(vec![last(choice, Some(reason.to_owned()))], usage, out);
        }
    }
}

/// Writes a chat's stream.
#[derive(Debug)]
pub(crate) struct ChatEncoder {
    head: Head,
    choices: HashMap<u32, State>,
}

/// Where a choice stands.
#[derive(Debug, Default)]
struct State {
    /// How many tool calls were opened.
    calls: usize,
    /// The block that grows, and what it holds.
    open: HashMap<u32, Kind>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Refusal,
    Call(usize),
    /// MLflow has no place for it.
    Unsaid,
}

impl ChatEncoder {
    pub(crate) fn new(include_usage: bool) -> Self {
        Self { head: Head::new("chat.completion.chunk", include_usage), choices: HashMap::new() }
    }

    fn delta(&self, index: u32, delta: ChatDelta<'_>, out: &mut Vec<u8>) {
        self.head.chunk(vec![ChatChoice { index, finish_reason: None, delta }], None, out);
    }

    /// A choice's first chunk says who speaks.
    fn begin(&mut self, choice: u32, out: &mut Vec<u8>) {
        if self.choices.contains_key(&choice) {
            return;
        }
        self.choices.insert(choice, State::default());
        self.delta(
            choice,
            ChatDelta { role: Some("assistant"), content: Some(""), ..ChatDelta::default() },
            out,
        );
    }

    fn open(&mut self, choice: u32, block: u32, kind: &BlockKind, out: &mut Vec<u8>) {
        let kind = match kind {
            BlockKind::ToolCall { id, name, .. } => return self.open_call(choice, block, id, name, out),
            BlockKind::Text => Kind::Text,
            BlockKind::Refusal => Kind::Refusal,
            BlockKind::Thinking | BlockKind::RedactedThinking(_) => Kind::Unsaid,
        };
        self.begin(choice, out);
        self.choices.entry(choice).or_default().open.insert(block, kind);
    }

    fn open_call(&mut self, choice: u32, block: u32, id: &str, name: &str, out: &mut Vec<u8>) {
        let first = !self.choices.contains_key(&choice);
        let state = self.choices.entry(choice).or_default();
        let index = state.calls;
        state.calls += 1;
        state.open.insert(block, Kind::Call(index));
        let function = FunctionDelta { name: Some(name), arguments: "" };
        let call = CallDelta { index, id: Some(id), r#type: Some("function"), function };
        let role = first.then_some("assistant");
        self.delta(choice, ChatDelta { role, tool_calls: Some([call]), ..ChatDelta::default() }, out);
    }

    fn grow(&mut self, choice: u32, block: u32, delta: &Delta, out: &mut Vec<u8>) {
        let kind = self.choices.get(&choice).and_then(|state| state.open.get(&block)).copied();
        let delta = match (kind, delta) {
            (Some(Kind::Text), Delta::Text(text)) if !text.is_empty() => {
                ChatDelta { content: Some(text), ..ChatDelta::default() }
            }
            (Some(Kind::Refusal), Delta::Text(text)) if !text.is_empty() => {
                ChatDelta { refusal: Some(text), ..ChatDelta::default() }
            }
            (Some(Kind::Call(index)), Delta::Arguments(arguments)) => {
                let function = FunctionDelta { name: None, arguments };
                let call = CallDelta { index, id: None, r#type: None, function };
                ChatDelta { tool_calls: Some([call]), ..ChatDelta::default() }
            }
            _ => return,
        };
        self.delta(choice, delta, out);
    }
}

fn last_of_chat(index: u32, finish_reason: Option<String>) -> ChatChoice<'static> {
    ChatChoice { index, finish_reason, delta: ChatDelta::default() }
}

impl StreamEncoder for ChatEncoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        if let Event::Ended { choice, .. } = event {
            self.begin(*choice, out);
        }
        if self.head.take(event, last_of_chat, out) {
            return;
        }
        if let Event::BlockOpened { choice, kind: BlockKind::ToolCall { signature: Some(_), .. }, .. } = event
        {
            self.head.untold.add(format!("choices[{choice}].message.tool_calls.signature"), NO_PLACE);
        }
        if let Event::BlockOpened { kind: BlockKind::Thinking | BlockKind::RedactedThinking(_), .. } = event {
            self.head.untold.event(event, NO_PLACE);
        }
        match event {
            Event::BlockOpened { choice, block, kind } => self.open(*choice, *block, kind, out),
            Event::BlockGrew { choice, block, delta } => self.grow(*choice, *block, delta, out),
            Event::BlockClosed { choice, block } => {
                if let Some(state) = self.choices.get_mut(choice) {
                    state.open.remove(block);
                }
            }
            _ => {}
        }
    }

    fn fail(&mut self, failure: &Failure, _request_id: &str, out: &mut Vec<u8>) {
        self.head.release(None, last_of_chat, out);
        out.extend_from_slice(error::event(failure, Contract::Endpoints).as_bytes());
    }

    fn losses(&mut self) -> Losses {
        self.head.untold.take()
    }
}

/// Writes a completion's stream.
#[derive(Debug)]
pub(crate) struct TextEncoder {
    head: Head,
    /// Blocks of reasoning, for which a completion has no place.
    unsaid: HashSet<(u32, u32)>,
}

impl TextEncoder {
    pub(crate) fn new(include_usage: bool) -> Self {
        Self { head: Head::new("text_completion_chunk", include_usage), unsaid: HashSet::new() }
    }
}

fn last_of_text(index: u32, finish_reason: Option<String>) -> TextChoice<'static> {
    TextChoice { index, finish_reason, text: None }
}

impl StreamEncoder for TextEncoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.head.take(event, last_of_text, out) {
            return;
        }
        match event {
            Event::BlockOpened { choice, block, kind: BlockKind::Thinking } => {
                self.unsaid.insert((*choice, *block));
                self.head.untold.event(event, NO_PLACE);
            }
            Event::BlockOpened {
                kind: BlockKind::ToolCall { .. } | BlockKind::RedactedThinking(_), ..
            } => {
                self.head.untold.event(event, NO_PLACE);
            }
            Event::BlockClosed { choice, block } => {
                self.unsaid.remove(&(*choice, *block));
            }
            Event::BlockGrew { choice, block, delta: Delta::Text(text) }
                if !text.is_empty() && !self.unsaid.contains(&(*choice, *block)) =>
            {
                let choice = TextChoice { index: *choice, finish_reason: None, text: Some(text) };
                self.head.chunk(vec![choice], None, out);
            }
            _ => {}
        }
    }

    fn fail(&mut self, failure: &Failure, _request_id: &str, out: &mut Vec<u8>) {
        self.head.release(None, last_of_text, out);
        out.extend_from_slice(error::event(failure, Contract::Endpoints).as_bytes());
    }

    fn losses(&mut self) -> Losses {
        self.head.untold.take()
    }
}
