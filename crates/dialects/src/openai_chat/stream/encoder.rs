//! Events to chunks.

use crate::canonical::{BlockKind, Delta, Event, Failure, FinishReason, Losses, RawJson, Usage};
use crate::openai_chat::reasoning::{self, Entry};
use crate::openai_chat::tools::ExtraContent;
use crate::openai_chat::{FAMILY, errors, usage};
use crate::raw::{ArrayWriter, Object, ObjectWriter, each};
use crate::stream::{StreamEncoder, Untold};

/// Writes a stream of chat chunks.
///
/// Says nothing for `Failed`: who drives it classifies the error and calls [`StreamEncoder::fail`].
#[derive(Debug)]
pub(crate) struct ChunkEncoder {
    /// The fields of every chunk up to its choices.
    head: Vec<u8>,
    include_usage: bool,
    usage: Option<Usage>,
    choices: Vec<Choice>,
    untold: Untold,
}

#[derive(Debug)]
struct Choice {
    index: u32,
    /// How many tool calls have begun; clients count them alone.
    calls: u32,
    /// How many entries of `reasoning_details` were written.
    details: usize,
    /// Open blocks and what they hold.
    open: Vec<(u32, Holds)>,
}

#[derive(Debug, Clone, Copy)]
enum Holds {
    Text,
    Thinking,
    Refusal,
    Call(u32),
    Hidden,
}

impl ChunkEncoder {
    /// An encoder at the start of a stream; `include_usage` as the client's `stream_options` say.
    pub(crate) fn new(include_usage: bool) -> Self {
        let mut encoder = Self {
            head: Vec::new(),
            include_usage,
            usage: None,
            choices: Vec::new(),
            untold: Untold::default(),
        };
        encoder.start(None, None, None);
        encoder
    }

    fn start(&mut self, id: Option<&str>, model: Option<&str>, created: Option<u64>) {
        self.head = chunk_head("chat.completion.chunk", id, model, created);
    }

    /// The state of a choice, whose role chunk is written when it is new.
    fn choice(&mut self, index: u32, out: &mut Vec<u8>) -> usize {
        if let Some(at) = self.choices.iter().position(|choice| choice.index == index) {
            return at;
        }
        self.choices.push(Choice { index, calls: 0, details: 0, open: Vec::new() });
        self.chunk(index, None, out, |delta| {
            delta.field("role", "assistant").field("content", "");
        });
        self.choices.len() - 1
    }

    fn chunk(
        &self,
        index: u32,
        reason: Option<&FinishReason>,
        out: &mut Vec<u8>,
        write_delta: impl FnOnce(&mut ObjectWriter<'_>),
    ) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&self.head);
        let mut choice = ObjectWriter::new(out);
        choice.field("index", &index);
        let mut delta = ObjectWriter::new(choice.key("delta"));
        write_delta(&mut delta);
        delta.end();
        choice.field("logprobs", &()).field("finish_reason", &reason.map(FinishReason::openai_word));
        choice.end();
        out.extend_from_slice(chunk_tail(self.include_usage));
    }

    fn open(&mut self, index: u32, block: u32, kind: &BlockKind, out: &mut Vec<u8>) {
        let at = self.choice(index, out);
        let holds = match kind {
            BlockKind::Text => Holds::Text,
            BlockKind::Thinking => Holds::Thinking,
            BlockKind::Refusal => Holds::Refusal,
            BlockKind::RedactedThinking(data) => {
                self.detail(index, &Entry::encrypted(&data.for_client(FAMILY)), out);
                Holds::Hidden
            }
            BlockKind::ToolCall { .. } => {
                self.choices[at].calls += 1;
                Holds::Call(self.choices[at].calls - 1)
            }
        };
        self.choices[at].open.push((block, holds));
        if let (BlockKind::ToolCall { id, name, signature }, Holds::Call(number)) = (kind, holds) {
            let signature = signature.as_ref().map(|signature| signature.for_client(FAMILY));
            self.chunk(index, None, out, |delta| {
                let call = ToolCallStart {
                    index: number,
                    id,
                    kind: "function",
                    function: Named { name, arguments: "" },
                    extra_content: signature.map(ExtraContent::of),
                };
                delta.field("tool_calls", &[call]);
            });
        }
    }

    fn grow(&mut self, index: u32, block: u32, delta: &Delta, out: &mut Vec<u8>) {
        let choice = self.choices.iter().find(|choice| choice.index == index);
        let open = choice.and_then(|choice| choice.open.iter().rfind(|(open, _)| *open == block));
        let Some(&(_, holds)) = open else { return };
        let (name, text) = match (holds, delta) {
            (Holds::Text, Delta::Text(text)) => ("content", text),
            (Holds::Thinking, Delta::Text(text)) => ("reasoning_content", text),
            (Holds::Refusal, Delta::Text(text)) => ("refusal", text),
            (Holds::Thinking, Delta::Signature(signature)) => {
                let entry = Entry::signed(&signature.for_client(FAMILY));
                if matches!(entry, Entry::Listed { .. }) {
                    self.detail(index, &entry, out);
                }
                return;
            }
            (Holds::Call(number), Delta::Arguments(arguments)) => {
                let piece = ToolCallPiece { index: number, function: Arguments { arguments } };
                return self.chunk(index, None, out, |delta| {
                    delta.field("tool_calls", &[piece]);
                });
            }
            _ => return,
        };
        self.chunk(index, None, out, |delta| {
            delta.field(name, text);
        });
    }

    /// Writes an entry of `reasoning_details`.
    fn detail(&mut self, index: u32, entry: &Entry, out: &mut Vec<u8>) {
        let at = self.choice(index, out);
        let place = self.choices[at].details;
        self.choices[at].details += 1;
        self.chunk(index, None, out, |delta| {
            let mut list = ArrayWriter::new(delta.key(reasoning::DETAILS));
            entry.write(None, place, list.element());
            list.end();
        });
    }

    /// Says what stands aside, where it has this API's own form.
    fn aside(&mut self, index: u32, field: &str, value: &RawJson, event: &Event, out: &mut Vec<u8>) {
        let own = match field {
            "logprobs" => is_logprobs(value),
            "annotations" => is_annotations(value),
            _ => false,
        };
        if !own {
            return self.untold.event(event, "OpenAI's chat API has no such field");
        }
        self.choice(index, out);
        if field == "annotations" {
            return self.chunk(index, None, out, |delta| {
                delta.raw(field, value);
            });
        }
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&self.head);
        let mut choice = ObjectWriter::new(out);
        choice.field("index", &index);
        ObjectWriter::new(choice.key("delta")).end();
        choice.raw(field, value).field("finish_reason", &());
        choice.end();
        out.extend_from_slice(chunk_tail(self.include_usage));
    }

    fn close(&mut self, index: u32, block: u32) {
        if let Some(choice) = self.choices.iter_mut().find(|choice| choice.index == index) {
            choice.open.retain(|(open, _)| *open != block);
        }
    }

    fn finish(&self, out: &mut Vec<u8>) {
        if let Some(usage) = self.usage.as_ref().filter(|_| self.include_usage) {
            write_usage_chunk(&self.head, usage, out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }
}

impl StreamEncoder for ChunkEncoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Started { id, model, created } => self.start(id.as_deref(), model.as_deref(), *created),
            Event::BlockOpened { choice, block, kind } => self.open(*choice, *block, kind, out),
            Event::BlockGrew { choice, block, delta } => self.grow(*choice, *block, delta, out),
            Event::BlockClosed { choice, block } => self.close(*choice, *block),
            Event::Ended { choice, reason } => {
                self.choice(*choice, out);
                self.chunk(*choice, reason.as_ref(), out, |_| ());
            }
            Event::Usage(usage) => self.usage.get_or_insert_default().update(*usage),
            Event::Finished => self.finish(out),
            Event::Aside { choice, field, value, .. } => self.aside(*choice, field, value, event, out),
            Event::Unknown(_) => self.untold.event(event, "OpenAI's chat API has no such field"),
            Event::Failed(_) => {}
        }
    }

    fn fail(&mut self, failure: &Failure, request_id: &str, out: &mut Vec<u8>) {
        write_error_event(failure, request_id, out);
    }

    fn losses(&mut self) -> Losses {
        self.untold.take()
    }
}

/// OpenAI's log probabilities: of the content's tokens, or of a refusal's.
fn is_logprobs(value: &RawJson) -> bool {
    let list = |object: &mut Object<'_>, name: &str| matches!(object.list(name), Ok(Some(_)));
    Object::of(value).is_ok_and(|mut object| list(&mut object, "content") || list(&mut object, "refusal"))
}

/// OpenAI's annotations: a list of `url_citation`.
fn is_annotations(value: &RawJson) -> bool {
    let read = |entry| Object::of(entry)?.need_object("url_citation").map(drop);
    each(value, read).is_ok()
}

/// The fields of every chunk, up to and with the bracket that opens its choices.
pub(crate) fn chunk_head(kind: &str, id: Option<&str>, model: Option<&str>, created: Option<u64>) -> Vec<u8> {
    let mut head = Vec::with_capacity(128);
    let mut object = ObjectWriter::new(&mut head);
    object.field("id", id.unwrap_or_default()).field("object", kind);
    object.field("created", &created.unwrap_or(0)).field("model", model.unwrap_or_default());
    object.key("choices").push(b'[');
    head
}

/// What follows the choices. A client that asked for usage finds the field in every chunk.
pub(crate) fn chunk_tail(include_usage: bool) -> &'static [u8] {
    if include_usage { b"],\"usage\":null}\n\n" } else { b"]}\n\n" }
}

/// The chunk without choices that carries usage.
pub(crate) fn write_usage_chunk(head: &[u8], usage: &Usage, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(head);
    out.extend_from_slice(b"],\"usage\":");
    usage::write(usage, out);
    out.extend_from_slice(b"}\n\n");
}

/// The last event of a stream that broke. No `[DONE]` follows: nothing was done.
pub(crate) fn write_error_event(failure: &Failure, request_id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    errors::write_body(failure, request_id, out);
    out.extend_from_slice(b"\n\n");
}

#[derive(serde::Serialize)]
struct ToolCallStart<'a> {
    index: u32,
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Named<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<ExtraContent<'a>>,
}

#[derive(serde::Serialize)]
struct Named<'a> {
    name: &'a str,
    arguments: &'static str,
}

#[derive(serde::Serialize)]
struct ToolCallPiece<'a> {
    index: u32,
    function: Arguments<'a>,
}

#[derive(serde::Serialize)]
struct Arguments<'a> {
    arguments: &'a str,
}
