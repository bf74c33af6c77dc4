//! Streams, written for a client.

use crate::canonical::{
    BlockKind, Delta, Event, Failure, FinishReason, Losses, RawJson, Signature, ToolCall, Usage,
};
use crate::ollama::{calls, created, error_of, response, usage};
use crate::raw::{Draft, to_bytes};
use crate::stream::StreamEncoder;
use serde::Serialize;
use std::collections::BTreeMap;

/// Writes a stream. Text goes out as it comes, calls when they are whole.
#[derive(Default)]
pub(crate) struct Encoder {
    model: String,
    created: Option<String>,
    done: bool,
    open: BTreeMap<u32, Block>,
    calls: usize,
    reason: Option<FinishReason>,
    usage: Option<Usage>,
    durations: Draft,
    losses: Losses,
    /// What was lost, each once.
    lost: Vec<&'static str>,
}

enum Block {
    Text,
    Thinking,
    Call(ToolCall),
}

#[derive(Serialize)]
struct Line<'a> {
    model: &'a str,
    created_at: &'a str,
    message: Message<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<RawJson>,
    done: bool,
}

#[derive(Serialize, Default)]
struct Message<'a> {
    role: Assistant,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[calls::Written<'a>; 1]>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "snake_case")]
enum Assistant {
    #[default]
    Assistant,
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            _ if self.done => {}
            Event::Started { model, created, .. } => {
                self.model = model.clone().unwrap_or_default();
                self.created = Some(created::write(*created));
            }
            Event::BlockOpened { choice: 0, block, kind } => self.open(*block, kind),
            Event::BlockGrew { choice: 0, block, delta } => self.grow(*block, delta, out),
            Event::BlockClosed { choice: 0, block } => self.close(*block, out),
            Event::Aside { choice: 0, field, value, .. } => self.aside(field, value, out),
            Event::Ended { choice: 0, reason } => self.reason.clone_from(reason),
            Event::Ended { choice, .. } => {
                self.losses.add(format!("choices[{choice}]"), "Ollama's API gives one answer");
            }
            Event::Usage(usage) => self.usage.get_or_insert_default().update(*usage),
            Event::Finished => self.finish(out),
            // A failure is said by `fail`, with its class.
            Event::BlockOpened { .. }
            | Event::BlockGrew { .. }
            | Event::BlockClosed { .. }
            | Event::Aside { .. }
            | Event::Failed(_)
            | Event::Unknown(_) => {}
        }
    }

    fn fail(&mut self, failure: &Failure, _request_id: &str, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.done, true) {
            write(&error_of(failure), out);
        }
    }

    fn losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

impl Encoder {
    fn created(&self) -> &str {
        self.created.as_deref().unwrap_or_default()
    }

    fn say(&self, message: Message<'_>, logprobs: Option<RawJson>, out: &mut Vec<u8>) {
        write(&Line { model: &self.model, created_at: self.created(), message, logprobs, done: false }, out);
    }

    fn open(&mut self, block: u32, kind: &BlockKind) {
        let holds = match kind {
            BlockKind::Text | BlockKind::Refusal => Block::Text,
            BlockKind::Thinking => Block::Thinking,
            BlockKind::RedactedThinking(_) => {
                return self.lose("redacted_thinking", "Ollama's API has no hidden reasoning");
            }
            BlockKind::ToolCall { id, name, signature } => {
                self.lose_signature(signature.as_ref());
                Block::Call(ToolCall {
                    id: id.clone(),
                    name: name.clone(),
                    arguments: String::new(),
                    signature: None,
                    extras: Vec::new(),
                })
            }
        };
        self.open.insert(block, holds);
    }

    fn grow(&mut self, block: u32, delta: &Delta, out: &mut Vec<u8>) {
        match (self.open.get_mut(&block), delta) {
            (Some(Block::Text), Delta::Text(content)) => {
                self.say(Message { content, ..Message::default() }, None, out);
            }
            (Some(Block::Thinking), Delta::Text(thinking)) => {
                self.say(Message { thinking: Some(thinking), ..Message::default() }, None, out);
            }
            (Some(Block::Call(call)), Delta::Arguments(piece)) => call.arguments.push_str(piece),
            (_, Delta::Signature(signature)) => self.lose_signature(Some(signature)),
            _ => {}
        }
    }

    fn close(&mut self, block: u32, out: &mut Vec<u8>) {
        let Some(Block::Call(call)) = self.open.remove(&block) else { return };
        let at = format!("choices[0].message.tool_calls[{}]", self.calls);
        let mut losses = std::mem::take(&mut self.losses);
        let written = calls::write(&call, self.calls, &at, &mut losses);
        self.say(Message { tool_calls: Some([written]), ..Message::default() }, None, out);
        self.losses = losses;
        self.calls += 1;
    }

    fn aside(&mut self, field: &'static str, value: &RawJson, out: &mut Vec<u8>) {
        match (field, response::tokens_of(value)) {
            ("logprobs", Some(tokens)) => self.say(Message::default(), Some(tokens), out),
            _ if response::DURATIONS.contains(&field) => self.durations.set_raw(field, value.clone()),
            _ => self.lose(field, "written otherwise by Ollama's API"),
        }
    }

    fn lose_signature(&mut self, signature: Option<&Signature>) {
        if signature.is_some() {
            self.lose("signature", "Ollama's API has no signatures");
        }
    }

    fn lose(&mut self, field: &'static str, reason: &'static str) {
        if !self.lost.contains(&field) {
            self.lost.push(field);
            self.losses.add(format!("choices[0].{field}"), reason);
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let open: Vec<u32> = self.open.keys().copied().collect();
        open.into_iter().for_each(|block| self.close(block, out));
        let mut line = Draft::default();
        line.set("model", &self.model);
        line.set("created_at", self.created());
        line.set("message", Message::default());
        line.set("done", true);
        line.set("done_reason", response::word_of(self.reason.as_ref()));
        line.extend(std::mem::take(&mut self.durations));
        usage::set(&mut line, self.usage.as_ref());
        usage::lose(self.usage.as_ref(), &mut self.losses);
        write(&line, out);
        self.done = true;
    }
}

/// Writes a line. Arguments go along as the model wrote them, perhaps over several lines; in JSON a line end is white
/// space.
fn write(line: &impl Serialize, out: &mut Vec<u8>) {
    let one_line =
        to_bytes(line).into_iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte });
    out.extend(one_line);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Class;
    use serde_json::{Value, json};

    fn lines(out: &[u8]) -> Vec<Value> {
        let lines = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("a line of JSON")).collect()
    }

    #[test]
    fn arguments_over_several_lines_are_one_line_of_the_stream() {
        let kind = BlockKind::ToolCall { id: "c".to_owned(), name: "t".to_owned(), signature: None };
        let grow =
            |text: &str| Event::BlockGrew { choice: 0, block: 0, delta: Delta::Arguments(text.to_owned()) };
        let events = [
            Event::Started { id: None, model: Some("m".to_owned()), created: Some(7) },
            Event::BlockOpened { choice: 0, block: 0, kind },
            grow("{\n \"a\":\r\n"),
            grow(" \"x\\ny\"\n}"),
            Event::BlockClosed { choice: 0, block: 0 },
            Event::Ended { choice: 0, reason: Some(FinishReason::ToolCalls) },
            Event::Finished,
        ];
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        events.iter().for_each(|event| encoder.encode(event, &mut out));
        let lines = lines(&out);
        assert_eq!(lines[0]["message"]["tool_calls"][0]["function"]["arguments"], json!({"a": "x\ny"}));
        assert_eq!(lines[0]["created_at"], "1970-01-01T00:00:07Z");
        assert_eq!((&lines[1]["done"], &lines[1]["done_reason"]), (&json!(true), &json!("stop")));
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn a_failure_is_the_last_line() {
        let (mut encoder, mut out) = (Encoder::default(), Vec::new());
        encoder.fail(&Failure::new(Class::StreamTruncated, "m"), "id", &mut out);
        encoder.encode(&Event::Finished, &mut out);
        assert_eq!(lines(&out), [json!({"error": "m"})]);
    }
}
