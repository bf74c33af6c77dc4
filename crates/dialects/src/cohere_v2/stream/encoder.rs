//! Streams, written for a client.

use crate::canonical::{BlockKind, Count, Delta, Event, Failure, FinishReason, Losses, RawJson, Usage};
use crate::cohere_v2::{NO_SUCH_FIELD, response, usage};
use crate::framing::sse;
use crate::raw::{Object, to_bytes};
use crate::stream::{InTurn, StreamEncoder, Told};
use serde::Serialize;
use serde_json::json;

/// Writes a stream, one block after the other, as Cohere does.
#[derive(Default)]
pub(crate) struct Encoder {
    started: bool,
    done: bool,
    turn: InTurn,
    /// The block that is open.
    open: Holds,
    contents: u32,
    calls: u32,
    citations: u32,
    reason: Option<FinishReason>,
    usage: Usage,
    losses: Losses,
    /// Fields of [`Event::Aside`] that were lost, each once.
    lost: Vec<&'static str>,
}

/// What a block holds, with the number that the client knows it by.
#[derive(Clone, Copy, Default)]
enum Holds {
    #[default]
    Nothing,
    Text(u32),
    Thinking(u32),
    Call(u32),
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.done {
            return;
        }
        match event {
            Event::Started { id, .. } => self.start(id.as_deref(), out),
            Event::BlockOpened { choice: 0, .. }
            | Event::BlockGrew { choice: 0, .. }
            | Event::BlockClosed { choice: 0, .. } => {
                self.start(None, out);
                let mut turn = std::mem::take(&mut self.turn);
                turn.take(event, |told| self.tell(told, out));
                self.turn = turn;
            }
            Event::Aside { choice: 0, field, value, .. } => self.aside(field, value, out),
            Event::Ended { choice: 0, reason } => self.reason.clone_from(reason),
            Event::Usage(usage) => self.usage.update(*usage),
            Event::Finished => self.finish(out),
            Event::Ended { choice, .. } => {
                self.losses.add(format!("choices[{choice}]"), "Cohere's chat gives one answer");
            }
            // A failure is said by `fail`, with its class.
            Event::BlockOpened { .. }
            | Event::BlockGrew { .. }
            | Event::BlockClosed { .. }
            | Event::Aside { .. }
            | Event::Failed(_) => {}
            Event::Unknown(_) => self.lose("stream", "only the provider's own API knows it"),
        }
    }

    fn fail(&mut self, failure: &Failure, _request_id: &str, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.done, true) {
            let delta = json!({ "finish_reason": "ERROR", "error": failure.sentence() });
            write("message-end", &json!({ "type": "message-end", "delta": delta }), out);
        }
    }

    fn losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

impl Encoder {
    fn start(&mut self, id: Option<&str>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let message =
            json!({ "role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": [] });
        let start = json!({
            "id": id.unwrap_or(response::NO_ID),
            "type": "message-start",
            "delta": { "message": message },
        });
        write("message-start", &start, out);
    }

    fn tell(&mut self, told: Told<'_>, out: &mut Vec<u8>) {
        match told {
            Told::Opened(kind) => self.open(kind, out),
            Told::Grew(delta) => self.grow(delta, out),
            Told::Closed => self.close(out),
        }
    }

    fn open(&mut self, kind: &BlockKind, out: &mut Vec<u8>) {
        let content = match kind {
            BlockKind::Text | BlockKind::Refusal => json!({ "type": "text", "text": "" }),
            BlockKind::Thinking => json!({ "type": "thinking", "thinking": "" }),
            BlockKind::RedactedThinking(_) => {
                return self.lose("redacted_thinking", "Cohere's API has no hidden reasoning");
            }
            BlockKind::ToolCall { id, name, signature } => {
                if signature.is_some() {
                    self.lose("signature", "Cohere's API has no signatures");
                }
                let call =
                    json!({ "id": id, "type": "function", "function": { "name": name, "arguments": "" } });
                self.open = Holds::Call(self.calls);
                let start = json!({
                    "type": "tool-call-start",
                    "index": self.calls,
                    "delta": { "message": { "tool_calls": call } },
                });
                self.calls += 1;
                return write("tool-call-start", &start, out);
            }
        };
        let index = self.contents;
        self.contents += 1;
        self.open = match kind {
            BlockKind::Thinking => Holds::Thinking(index),
            _ => Holds::Text(index),
        };
        let delta = json!({ "message": { "content": content } });
        write("content-start", &json!({ "type": "content-start", "index": index, "delta": delta }), out);
    }

    fn grow(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        let (kind, index, message) = match (self.open, delta) {
            (Holds::Text(index), Delta::Text(text)) => {
                ("content-delta", index, Piece::Content(Words::Text(text)))
            }
            (Holds::Thinking(index), Delta::Text(thinking)) => {
                ("content-delta", index, Piece::Content(Words::Thinking(thinking)))
            }
            (Holds::Call(index), Delta::Arguments(arguments)) => {
                ("tool-call-delta", index, Piece::ToolCalls { function: Arguments { arguments } })
            }
            (_, Delta::Signature(_)) => return self.lose("signature", "Cohere's API has no signatures"),
            _ => return,
        };
        write(kind, &Grown { kind, index, delta: Message { message } }, out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        let (kind, index) = match std::mem::take(&mut self.open) {
            Holds::Nothing => return,
            Holds::Text(index) | Holds::Thinking(index) => ("content-end", index),
            Holds::Call(index) => ("tool-call-end", index),
        };
        write(kind, &json!({ "type": kind, "index": index }), out);
    }

    /// Says a citation of Cohere's form; whatever else only another API knows is lost.
    fn aside(&mut self, field: &'static str, value: &RawJson, out: &mut Vec<u8>) {
        let cites = field == "citations"
            && Object::of(value)
                .and_then(|mut citation| citation.list("sources"))
                .is_ok_and(|it| it.is_some());
        if !cites {
            return self.lose(field, "written otherwise by Cohere's API");
        }
        self.start(None, out);
        let index = self.citations;
        self.citations += 1;
        let delta = json!({ "message": { "citations": value } });
        write("citation-start", &json!({ "type": "citation-start", "index": index, "delta": delta }), out);
        write("citation-end", &json!({ "type": "citation-end", "index": index }), out);
    }

    fn lose(&mut self, field: &'static str, reason: &'static str) {
        if !self.lost.contains(&field) {
            self.lost.push(field);
            self.losses.add(format!("choices[0].{field}"), reason);
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.start(None, out);
        let mut turn = std::mem::take(&mut self.turn);
        turn.finish(|told| self.tell(told, out));
        self.losses.add_counts(&self.usage, &[Count::CacheWrite], NO_SUCH_FIELD);
        let reason = response::word_of(self.reason.as_ref(), self.calls > 0);
        let delta = json!({ "finish_reason": reason, "usage": usage::write(&self.usage) });
        write("message-end", &json!({ "type": "message-end", "delta": delta }), out);
        out.extend_from_slice(b"data: [DONE]\n\n");
        self.done = true;
    }
}

#[derive(Serialize)]
struct Grown<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u32,
    delta: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    message: Piece<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Piece<'a> {
    Content(Words<'a>),
    ToolCalls { function: Arguments<'a> },
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Words<'a> {
    Text(&'a str),
    Thinking(&'a str),
}

#[derive(Serialize)]
struct Arguments<'a> {
    arguments: &'a str,
}

fn write(event: &str, data: &impl Serialize, out: &mut Vec<u8>) {
    sse::write(Some(event), &to_bytes(data), out);
}
