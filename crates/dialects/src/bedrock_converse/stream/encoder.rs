//! Streams, written for a client.

use crate::anthropic_messages::FAMILY as CLAUDE;
use crate::bedrock_converse::{NO_SUCH_FIELD, blocks, errors, response, usage};
use crate::canonical::{BlockKind, Count, Delta, Event, Failure, FinishReason, Losses, Usage};
use crate::framing::eventstream;
use crate::raw::to_bytes;
use crate::stream::{Framing, InTurn, StreamEncoder, Told};
use serde::Serialize;
use serde_json::json;

/// Writes a stream of one answer, one block after the other. The last events wait for the end, for usage may come after
/// the reason.
#[derive(Default)]
pub(crate) struct Encoder {
    started: bool,
    done: bool,
    turn: InTurn,
    open: Open,
    reason: Option<FinishReason>,
    calls: bool,
    usage: Usage,
    /// Other answers than the first, which the API does not have.
    others: Vec<u32>,
    losses: Losses,
}

/// The block that is open, if one is.
#[derive(Default)]
struct Open {
    index: u32,
    thinking: bool,
    /// Whether anything was said of it; a block begins with its first piece.
    said: bool,
}

impl StreamEncoder for Encoder {
    fn framing(&self) -> Framing {
        Framing::Messages
    }

    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.done {
            return;
        }
        match event {
            Event::Started { id, model, .. } => {
                self.start(out);
                response::lose_names(id.as_deref(), model.as_deref(), &mut self.losses);
            }
            Event::BlockOpened { choice: 0, kind, .. } => {
                self.start(out);
                self.calls |= matches!(kind, BlockKind::ToolCall { .. });
                self.turn.take(event, |told| self.open.tell(told, out));
            }
            Event::BlockGrew { choice: 0, .. } | Event::BlockClosed { choice: 0, .. } => {
                self.turn.take(event, |told| self.open.tell(told, out));
            }
            Event::Ended { choice: 0, reason } => self.reason.clone_from(reason),
            Event::Usage(usage) => self.usage.update(*usage),
            Event::Finished => self.finish(out),
            Event::Aside { choice, field, .. } => {
                self.losses.add(format!("choices[{choice}].{field}"), NO_SUCH_FIELD);
            }
            Event::BlockOpened { choice, .. } | Event::Ended { choice, .. } => self.other(*choice),
            // A failure is said by `fail`, with its class.
            Event::BlockGrew { .. } | Event::BlockClosed { .. } | Event::Failed(_) | Event::Unknown(_) => {}
        }
    }

    fn fail(&mut self, failure: &Failure, _request_id: &str, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.done, true) {
            errors::encode_message(failure, out);
        }
    }

    fn losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

impl Encoder {
    fn start(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.started, true) {
            write("messageStart", &json!({ "role": "assistant" }), out);
        }
    }

    /// Records an answer that the API has no place for, once.
    fn other(&mut self, choice: u32) {
        if !self.others.contains(&choice) && self.others.len() < Losses::MOST {
            self.others.push(choice);
            self.losses.add(format!("choices[{choice}]"), "Bedrock's API gives one answer");
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        self.turn.finish(|told| self.open.tell(told, out));
        let reason = response::stop_reason(self.reason.as_ref(), self.calls);
        write("messageStop", &json!({ "stopReason": reason }), out);
        self.losses.add_counts(&self.usage, &[Count::Reasoning], NO_SUCH_FIELD);
        let metadata = [("usage", usage::write(&self.usage)), ("metrics", response::metrics())];
        write("metadata", &indexmap::IndexMap::from(metadata), out);
        self.done = true;
    }
}

impl Open {
    fn tell(&mut self, told: Told<'_>, out: &mut Vec<u8>) {
        match told {
            Told::Opened(kind) => self.begin(kind, out),
            Told::Grew(delta) => self.say(delta, out),
            Told::Closed => {
                if !self.said {
                    self.say(&Delta::Text(String::new()), out);
                }
                self.stop(out);
            }
        }
    }

    fn begin(&mut self, kind: &BlockKind, out: &mut Vec<u8>) {
        match kind {
            BlockKind::ToolCall { id, name, signature } => {
                if let Some(signature) = signature {
                    // Kept in a block of its own, as a whole answer does.
                    self.say(&Delta::Signature(signature.clone()), out);
                    self.stop(out);
                }
                let call = json!({ "toolUse": { "toolUseId": blocks::valid_id(id), "name": name } });
                write("contentBlockStart", &json!({ "contentBlockIndex": self.index, "start": call }), out);
            }
            BlockKind::RedactedThinking(data) => {
                let redacted = json!({ "reasoningContent": { "redactedContent": blocks::redacted(data) } });
                write("contentBlockDelta", &Grown { index: self.index, delta: redacted }, out);
            }
            BlockKind::Text | BlockKind::Thinking | BlockKind::Refusal => {}
        }
        self.thinking = *kind == BlockKind::Thinking;
        self.said = matches!(kind, BlockKind::ToolCall { .. } | BlockKind::RedactedThinking(_));
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        write("contentBlockStop", &json!({ "contentBlockIndex": self.index }), out);
        self.index = self.index.saturating_add(1);
    }

    fn say(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        self.said = true;
        let (event, index) = ("contentBlockDelta", self.index);
        match delta {
            Delta::Text(text) if self.thinking => {
                write(event, &Grown { index, delta: Reasoned { reasoning: Piece::Text(text) } }, out);
            }
            Delta::Text(text) => write(event, &Grown { index, delta: Piece::Text(text) }, out),
            Delta::Signature(signature) => {
                let piece = Piece::Signature(&signature.for_client(CLAUDE));
                write(event, &Grown { index, delta: Reasoned { reasoning: piece } }, out);
            }
            Delta::Arguments(input) => {
                write(event, &Grown { index, delta: Called { call: Piece::Input(input) } }, out);
            }
        }
    }
}

#[derive(Serialize)]
struct Grown<D> {
    #[serde(rename = "contentBlockIndex")]
    index: u32,
    delta: D,
}

#[derive(Serialize)]
struct Reasoned<'a> {
    #[serde(rename = "reasoningContent")]
    reasoning: Piece<'a>,
}

#[derive(Serialize)]
struct Called<'a> {
    #[serde(rename = "toolUse")]
    call: Piece<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Piece<'a> {
    Text(&'a str),
    Signature(&'a str),
    Input(&'a str),
}

fn write(event: &str, payload: &impl Serialize, out: &mut Vec<u8>) {
    let headers = [(":event-type", event), (":content-type", "application/json"), (":message-type", "event")];
    eventstream::write(&headers, &to_bytes(payload), out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Class, Signature};
    use crate::framing::eventstream::MessageReader;
    use crate::raw::to_raw;
    use serde_json::Value;

    fn frames(bytes: &[u8]) -> Vec<(String, Value)> {
        let mut frames = Vec::new();
        let read = MessageReader::new().feed(bytes, |message| {
            let kind = message.text(":event-type").or_else(|| message.text(":exception-type"));
            let payload = serde_json::from_slice(message.payload).expect("JSON");
            frames.push((kind.expect("every message says what it is").to_owned(), payload));
        });
        read.expect("whole messages");
        frames
    }

    fn written(events: &[Event]) -> Vec<(String, Value)> {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        events.iter().for_each(|event| encoder.encode(event, &mut out));
        frames(&out)
    }

    fn open(block: u32, kind: BlockKind) -> Event {
        Event::BlockOpened { choice: 0, block, kind }
    }

    fn grow(block: u32, delta: Delta) -> Event {
        Event::BlockGrew { choice: 0, block, delta }
    }

    fn close(block: u32) -> Event {
        Event::BlockClosed { choice: 0, block }
    }

    fn call(id: &str, signature: Option<Signature>) -> BlockKind {
        BlockKind::ToolCall { id: id.to_owned(), name: "look".to_owned(), signature }
    }

    const START: Event = Event::Started { id: None, model: None, created: None };

    #[test]
    fn interleaved_calls_come_one_after_the_other() {
        let arguments = |text: &str| Delta::Arguments(text.to_owned());
        let frames = written(&[
            START,
            open(0, call("a", None)),
            open(1, call("b.c", None)),
            grow(1, arguments("{\"x\":")),
            grow(0, arguments("{}")),
            grow(1, arguments("1}")),
            close(1),
            close(0),
            Event::Ended { choice: 0, reason: Some(FinishReason::Stop) },
            Event::Usage(Usage { prompt_tokens: Some(7), cache_read_tokens: Some(4), ..Usage::default() }),
            Event::Finished,
        ]);
        let start = |index: u32, id: &str| {
            let start = json!({"toolUse": {"toolUseId": id, "name": "look"}});
            ("contentBlockStart".to_owned(), json!({ "contentBlockIndex": index, "start": start }))
        };
        let input = |index: u32, input: &str| {
            let delta = json!({"toolUse": {"input": input}});
            ("contentBlockDelta".to_owned(), json!({ "contentBlockIndex": index, "delta": delta }))
        };
        let stop = |index: u32| ("contentBlockStop".to_owned(), json!({ "contentBlockIndex": index }));
        let usage = json!({"inputTokens": 3, "outputTokens": 0, "totalTokens": 0, "cacheReadInputTokens": 4});
        let wanted = [
            ("messageStart".to_owned(), json!({"role": "assistant"})),
            start(0, "a"),
            input(0, "{}"),
            stop(0),
            start(1, "b_c"),
            input(1, "{\"x\":1}"),
            stop(1),
            ("messageStop".to_owned(), json!({"stopReason": "tool_use"})),
            ("metadata".to_owned(), json!({"usage": usage, "metrics": {"latencyMs": 0}})),
        ];
        assert_eq!(frames, wanted);
    }

    #[test]
    fn a_call_that_another_provider_signed_keeps_its_signature_for_the_next_turn() {
        let signature = Signature::made_by("gemini", "sig");
        let frames =
            written(&[START, open(0, call("t", Some(signature.clone()))), close(0), Event::Finished]);
        let kept = frames[1].1["delta"]["reasoningContent"]["signature"].as_str().expect("a signature");
        assert_eq!(Signature::read(CLAUDE, kept.to_owned()), signature);
        assert_eq!(frames[2].1, json!({"contentBlockIndex": 0}));
        assert_eq!(frames[3].1["contentBlockIndex"], 1);
    }

    #[test]
    fn what_the_stream_cannot_say_is_recorded_once() {
        let mut encoder = Encoder::default();
        let mut out = Vec::new();
        let aside = Event::Aside { choice: 0, block: None, field: "logprobs", value: to_raw(&1) };
        let named =
            Event::Started { id: Some("i".to_owned()), model: Some("m".to_owned()), created: Some(1) };
        for event in [named, aside, Event::BlockOpened { choice: 1, block: 0, kind: BlockKind::Text }] {
            encoder.encode(&event, &mut out);
        }
        encoder.encode(&Event::Ended { choice: 1, reason: None }, &mut out);
        let paths: Vec<_> = encoder.losses().iter().map(|loss| loss.path.clone()).collect();
        assert_eq!(paths, ["id", "model", "choices[0].logprobs", "choices[1]"]);
    }

    #[test]
    fn a_failure_is_the_last_message() {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        encoder.encode(&START, &mut out);
        encoder.fail(&Failure::new(Class::UpstreamOverloaded, "busy"), "req_1", &mut out);
        encoder.encode(&Event::Finished, &mut out);
        encoder.fail(&Failure::new(Class::Internal, "again"), "req_1", &mut out);
        let frames = frames(&out);
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[1], ("serviceUnavailableException".to_owned(), json!({"message": "busy"})));
    }
}
