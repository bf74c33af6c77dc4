//! Streams, written for a client.

use crate::anthropic_messages::FAMILY;
use crate::anthropic_messages::parameters::NO_SUCH_FIELD;
use crate::anthropic_messages::{blocks, errors, response, usage};
use crate::canonical::{BlockKind, Delta, Event, Failure, FinishReason, Losses, RawJson, Signature, Usage};
use crate::framing::sse;
use crate::raw::{Object, to_bytes};
use crate::stream::{StreamEncoder, Untold};
use serde::Serialize;
use serde_json::json;
use std::collections::VecDeque;

/// Writes a stream of one answer. One block is open at a time: what other blocks get meanwhile waits its turn.
/// `message_delta` waits for the end, for usage may come after the reason.
#[derive(Default)]
pub(crate) struct Encoder {
    started: bool,
    done: bool,
    /// Blocks that are not closed yet, the open one first.
    blocks: VecDeque<Block>,
    next_index: u32,
    reason: Option<FinishReason>,
    calls: bool,
    usage: Usage,
    untold: Untold,
}

struct Block {
    number: u32,
    kind: BlockKind,
    /// What waits while another block is open.
    waiting: Vec<Delta>,
    closed: bool,
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.done {
            return;
        }
        match event {
            Event::Started { id, model, .. } => self.start(id.as_deref(), model.as_deref(), out),
            Event::BlockOpened { choice: 0, block, kind } => self.open(*block, kind, out),
            Event::BlockGrew { choice: 0, block, delta } => self.grow(*block, delta, out),
            Event::BlockClosed { choice: 0, block } => self.close(*block, out),
            Event::Ended { choice: 0, reason } => self.reason.clone_from(reason),
            Event::Usage(usage) => self.usage.update(*usage),
            Event::Finished => self.finish(out),
            Event::Aside { choice: 0, block: Some(block), field: "citations", value } => {
                self.cite(*block, value, event, out);
            }
            Event::Ended { .. } => self.untold.event(event, "Anthropic's API gives one answer"),
            Event::Aside { .. } | Event::Unknown(_) => self.untold.event(event, NO_SUCH_FIELD),
            // A failure is said by `fail`, with its class.
            Event::BlockOpened { .. }
            | Event::BlockGrew { .. }
            | Event::BlockClosed { .. }
            | Event::Failed(_) => {}
        }
    }

    fn fail(&mut self, failure: &Failure, request_id: &str, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.done, true) {
            write("error", &errors::body_of(failure, request_id), out);
        }
    }

    fn losses(&mut self) -> Losses {
        self.untold.take()
    }
}

impl Encoder {
    fn start(&mut self, id: Option<&str>, model: Option<&str>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let message = json!({
            "id": id.unwrap_or(response::NO_ID),
            "type": "message",
            "role": "assistant",
            "model": model.unwrap_or_default(),
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": { "input_tokens": 0, "output_tokens": 0 },
        });
        write("message_start", &json!({ "type": "message_start", "message": message }), out);
    }

    fn open(&mut self, number: u32, kind: &BlockKind, out: &mut Vec<u8>) {
        self.start(None, None, out);
        self.calls |= matches!(kind, BlockKind::ToolCall { .. });
        if let BlockKind::ToolCall { signature: Some(signature), .. } = kind {
            self.keep(signature, out);
        }
        self.blocks.push_back(Block { number, kind: kind.clone(), waiting: Vec::new(), closed: false });
        if self.blocks.len() == 1 {
            self.write_start(out);
        }
    }

    /// Keeps the signature of the call that follows in a block of its own, as a whole answer does.
    fn keep(&mut self, signature: &Signature, out: &mut Vec<u8>) {
        let waiting = vec![Delta::Signature(signature.clone())];
        self.blocks.push_back(Block { number: u32::MAX, kind: BlockKind::Thinking, waiting, closed: true });
        if self.blocks.len() == 1 {
            self.write_start(out);
            self.write_stop(out);
        }
    }

    fn grow(&mut self, number: u32, delta: &Delta, out: &mut Vec<u8>) {
        let Some(place) = self.blocks.iter().position(|block| block.number == number) else { return };
        match (place, self.blocks.get_mut(place)) {
            (0, Some(block)) => write_delta(self.next_index, &block.kind, delta, out),
            (_, Some(block)) => block.wait(delta),
            (_, None) => {}
        }
    }

    /// Says a citation of Anthropic's own form within the open block.
    fn cite(&mut self, number: u32, citation: &RawJson, event: &Event, out: &mut Vec<u8>) {
        let is_open = self.blocks.front().is_some_and(|block| block.number == number);
        let kind = Object::of(citation).ok().and_then(|mut citation| citation.string("type").ok().flatten());
        if !is_open || kind.is_none_or(|kind| !blocks::CITATIONS.contains(&kind.as_str())) {
            return self.untold.event(event, "written otherwise by Anthropic's API");
        }
        let delta = json!({ "type": "citations_delta", "citation": citation });
        let frame = json!({ "type": "content_block_delta", "index": self.next_index, "delta": delta });
        write("content_block_delta", &frame, out);
    }

    fn close(&mut self, number: u32, out: &mut Vec<u8>) {
        if let Some(block) = self.blocks.iter_mut().find(|block| block.number == number) {
            block.closed = true;
        }
        while self.blocks.front().is_some_and(|block| block.closed) {
            self.write_stop(out);
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.start(None, None, out);
        while !self.blocks.is_empty() {
            self.write_stop(out);
        }
        let stop_reason = response::stop_reason(self.reason.as_ref(), self.calls);
        let delta = json!({
            "type": "message_delta",
            "delta": { "stop_reason": stop_reason, "stop_sequence": null },
            "usage": usage::write(&self.usage),
        });
        write("message_delta", &delta, out);
        write("message_stop", &json!({ "type": "message_stop" }), out);
        self.done = true;
    }

    /// Opens the first block and says what waited for it.
    fn write_start(&self, out: &mut Vec<u8>) {
        let Some(block) = self.blocks.front() else { return };
        let content = match &block.kind {
            BlockKind::Text | BlockKind::Refusal => json!({ "type": "text", "text": "" }),
            BlockKind::Thinking => json!({ "type": "thinking", "thinking": "", "signature": "" }),
            BlockKind::RedactedThinking(data) => {
                json!({ "type": "redacted_thinking", "data": data.for_client(FAMILY) })
            }
            BlockKind::ToolCall { id, name, .. } => {
                json!({ "type": "tool_use", "id": blocks::valid_id(id), "name": name, "input": {} })
            }
        };
        let start =
            json!({ "type": "content_block_start", "index": self.next_index, "content_block": content });
        write("content_block_start", &start, out);
        for delta in &block.waiting {
            write_delta(self.next_index, &block.kind, delta, out);
        }
    }

    /// Closes the first block and opens the next.
    fn write_stop(&mut self, out: &mut Vec<u8>) {
        write("content_block_stop", &json!({ "type": "content_block_stop", "index": self.next_index }), out);
        self.blocks.pop_front();
        self.next_index = self.next_index.saturating_add(1);
        self.write_start(out);
    }
}

impl Block {
    /// Keeps a piece until the block's turn, joined with the piece before it.
    fn wait(&mut self, delta: &Delta) {
        match (self.waiting.last_mut(), delta) {
            (Some(Delta::Text(before)), Delta::Text(piece))
            | (Some(Delta::Arguments(before)), Delta::Arguments(piece)) => before.push_str(piece),
            _ => self.waiting.push(delta.clone()),
        }
    }
}

#[derive(Serialize)]
struct Grown<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    index: u32,
    delta: Piece<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Piece<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    Arguments { partial_json: &'a str },
}

fn write_delta(index: u32, kind: &BlockKind, delta: &Delta, out: &mut Vec<u8>) {
    let delta = match delta {
        Delta::Text(thinking) if *kind == BlockKind::Thinking => Piece::Thinking { thinking },
        Delta::Text(text) => Piece::Text { text },
        Delta::Signature(signature) => Piece::Signature { signature: &signature.for_client(FAMILY) },
        Delta::Arguments(partial_json) => Piece::Arguments { partial_json },
    };
    write("content_block_delta", &Grown { kind: "content_block_delta", index, delta }, out);
}

fn write(event: &str, data: &impl Serialize, out: &mut Vec<u8>) {
    sse::write(Some(event), &to_bytes(data), out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Class;
    use crate::framing::sse::SseReader;
    use serde_json::Value;

    fn frames(bytes: &[u8]) -> Vec<Value> {
        let mut frames = Vec::new();
        let mut reader = SseReader::new();
        let read = reader.feed(bytes, |event| {
            let frame: Value = serde_json::from_slice(event.data).expect("JSON");
            assert_eq!(frame["type"].as_str(), event.event, "the event's name is its type");
            frames.push(frame);
        });
        read.expect("short frames");
        frames
    }

    fn written(events: &[Event]) -> Vec<Value> {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        for event in events {
            encoder.encode(event, &mut out);
        }
        frames(&out)
    }

    fn open(block: u32, kind: BlockKind) -> Event {
        Event::BlockOpened { choice: 0, block, kind }
    }

    fn grow(block: u32, delta: Delta) -> Event {
        Event::BlockGrew { choice: 0, block, delta }
    }

    fn call(id: &str) -> BlockKind {
        BlockKind::ToolCall { id: id.to_owned(), name: "look".to_owned(), signature: None }
    }

    const START: Event = Event::Started { id: None, model: None, created: None };

    #[test]
    fn a_call_that_another_provider_signed_keeps_its_signature_for_the_next_turn() {
        let signature = Signature::made_by("gemini", "sig");
        let kind = |signature| BlockKind::ToolCall { id: "t".to_owned(), name: "look".to_owned(), signature };
        let frames = written(&[
            Event::BlockOpened { choice: 0, block: 0, kind: kind(Some(signature.clone())) },
            Event::BlockClosed { choice: 0, block: 0 },
            Event::Ended { choice: 0, reason: Some(FinishReason::ToolCalls) },
            Event::Finished,
        ]);
        let kept = frames.iter().find_map(|frame| frame["delta"]["signature"].as_str());
        let kept = kept.expect("a block of reasoning keeps it");
        assert_eq!(Signature::read(FAMILY, kept.to_owned()), signature);
        let kinds: Vec<_> =
            frames.iter().filter_map(|frame| frame["content_block"]["type"].as_str()).collect();
        assert_eq!(kinds, ["thinking", "tool_use"]);
    }

    #[test]
    fn usage_that_comes_after_the_reason_is_in_the_last_delta() {
        let frames = written(&[
            START,
            Event::Ended { choice: 0, reason: Some(FinishReason::Length) },
            Event::Usage(Usage {
                prompt_tokens: Some(9),
                cache_read_tokens: Some(4),
                completion_tokens: Some(2),
                ..Usage::default()
            }),
            Event::Finished,
        ]);
        assert_eq!(frames[0]["message"]["usage"], json!({"input_tokens": 0, "output_tokens": 0}));
        assert_eq!(frames[1]["delta"]["stop_reason"], "max_tokens");
        let usage = json!({"input_tokens": 5, "cache_read_input_tokens": 4, "output_tokens": 2});
        assert_eq!(frames[1]["usage"], usage);
        assert_eq!(frames[2], json!({"type": "message_stop"}));
    }

    #[test]
    fn one_block_is_open_at_a_time_and_nothing_of_the_others_is_lost() {
        let frames = written(&[
            START,
            open(0, call("a")),
            open(1, call("b")),
            grow(1, Delta::Arguments("{\"x\"".to_owned())),
            grow(0, Delta::Arguments("{}".to_owned())),
            grow(1, Delta::Arguments(":1}".to_owned())),
            Event::BlockClosed { choice: 0, block: 1 },
            Event::BlockClosed { choice: 0, block: 0 },
            Event::Ended { choice: 0, reason: Some(FinishReason::ToolCalls) },
            Event::Finished,
        ]);
        let told: Vec<_> = frames
            .iter()
            .map(|frame| (frame["type"].as_str().unwrap_or_default(), frame["index"].as_u64()))
            .collect();
        let block = |index| {
            [
                ("content_block_start", Some(index)),
                ("content_block_delta", Some(index)),
                ("content_block_stop", Some(index)),
            ]
        };
        assert_eq!(told[1..7], [block(0), block(1)].concat());
        assert_eq!(frames[4]["content_block"]["id"], "b");
        assert_eq!(frames[5]["delta"], json!({"type": "input_json_delta", "partial_json": "{\"x\":1}"}));
        assert_eq!(frames[7]["delta"]["stop_reason"], "tool_use");
    }

    #[test]
    fn reasoning_refusals_and_encrypted_blocks_have_their_forms() {
        let frames = written(&[
            START,
            open(0, BlockKind::Thinking),
            grow(0, Delta::Text("hm".to_owned())),
            grow(0, Delta::Signature(Signature::made_by(FAMILY, "s"))),
            Event::BlockClosed { choice: 0, block: 0 },
            open(1, BlockKind::RedactedThinking(Signature::made_by(FAMILY, "o"))),
            Event::BlockClosed { choice: 0, block: 1 },
            open(2, BlockKind::Refusal),
            grow(2, Delta::Text("no".to_owned())),
        ]);
        assert_eq!(frames[2]["delta"], json!({"type": "thinking_delta", "thinking": "hm"}));
        assert_eq!(frames[3]["delta"], json!({"type": "signature_delta", "signature": "s"}));
        assert_eq!(frames[5]["content_block"], json!({"type": "redacted_thinking", "data": "o"}));
        assert_eq!(frames[8]["delta"], json!({"type": "text_delta", "text": "no"}));
    }

    #[test]
    fn a_failure_is_the_last_event_and_only_the_first_answer_is_written() {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        encoder.encode(&START, &mut out);
        encoder.encode(&Event::BlockOpened { choice: 1, block: 0, kind: BlockKind::Text }, &mut out);
        encoder.fail(&Failure::new(Class::UpstreamOverloaded, "busy"), "req_1", &mut out);
        encoder.encode(&Event::Finished, &mut out);
        encoder.fail(&Failure::new(Class::Internal, "again"), "req_1", &mut out);
        let frames = frames(&out);
        assert_eq!(frames.len(), 2);
        let error = json!({"type": "overloaded_error", "message": "busy"});
        assert_eq!(frames[1], json!({"type": "error", "error": error, "request_id": "req_1"}));
    }
}
