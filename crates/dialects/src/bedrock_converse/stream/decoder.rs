//! Streams, read from the provider.

use crate::anthropic_messages::FAMILY as CLAUDE;
use crate::bedrock_converse::{blocks, errors, response, usage};
use crate::canonical::{BlockKind, Delta, Event, RawJson, Signature, UpstreamError};
use crate::framing::eventstream::{Message, MessageReader};
use crate::raw::{Object, Read};
use crate::stream::StreamDecoder;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::value::RawValue;

/// Reads a stream. Of blocks only those of tools begin with an event of their own, the others with their first piece;
/// `metadata`, with the counts, is the end.
#[derive(Default)]
pub(crate) struct Decoder {
    reader: MessageReader,
    state: State,
}

#[derive(Default)]
struct State {
    started: bool,
    /// Why the model stopped, as `messageStop` says it.
    stopped: Option<String>,
    /// The stream's own end or a failure was said; nothing follows.
    done: bool,
    open: Vec<Open>,
    next_block: u32,
}

/// A block that is open at the provider.
struct Open {
    /// The provider's number of it.
    index: u64,
    holds: Holds,
}

enum Holds {
    /// Text of ours with this number.
    Text(u32),
    /// Reasoning, and its signature as far as it came.
    Thinking { block: u32, signature: String },
    /// Encrypted reasoning as far as it came, which is told whole.
    Redacted(Vec<u8>),
    /// A call, and whether a piece of its input came.
    Call { block: u32, grew: bool },
    /// Something that the canonical model does not name.
    Unknown,
}

/// The most blocks that may be open at once; Bedrock opens one at a time.
const MOST_OPEN: usize = 128;
/// What `metadata` says beside counts.
const ASIDES: [&str; 4] = ["metrics", "trace", "performanceConfig", "serviceTier"];

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        if self.state.done {
            return;
        }
        if let Err(error) = self.reader.feed(bytes, |message| self.state.message(&message, events)) {
            self.state.fail(error.to_string(), events);
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        self.state.fail("the provider's stream ended before its `metadata`".to_owned(), events);
    }
}

impl State {
    fn message(&mut self, message: &Message<'_>, events: &mut Vec<Event>) {
        if self.done {
            return;
        }
        if message.text(":message-type").is_some_and(|kind| kind != "event") {
            self.done = true;
            return events.push(Event::Failed(errors::decode_message(message)));
        }
        let kind = message.text(":event-type").unwrap_or_default();
        if self.event(kind, message.payload, events).is_none() {
            self.fail(format!("the event `{kind}` of the provider's stream cannot be read"), events);
        }
    }

    /// Tells an event; `None` when it cannot be read.
    fn event(&mut self, kind: &str, payload: &[u8], events: &mut Vec<Event>) -> Option<()> {
        let unknown = |events: &mut Vec<Event>| events.push(Event::Unknown(Bytes::copy_from_slice(payload)));
        let mut frame = Object::parse(payload).ok()?;
        match kind {
            "messageStart" => self.start(events),
            "contentBlockStart" => {
                let index = frame.count("contentBlockIndex").ok()??;
                if !self.open(index, &mut frame, events)? {
                    unknown(events);
                }
            }
            "contentBlockDelta" => {
                let index = frame.count("contentBlockIndex").ok()??;
                let mut delta = frame.object("delta").ok()??;
                if !self.grow(index, &mut delta, events)? {
                    unknown(events);
                }
            }
            "contentBlockStop" => {
                let index = frame.count("contentBlockIndex").ok()??;
                let place = self.open.iter().position(|open| open.index == index);
                // A block without a piece was never opened.
                if let Some(place) = place {
                    let open = self.open.remove(place);
                    self.close(open, events)?;
                }
            }
            "messageStop" => {
                self.stopped = frame.string("stopReason").ok()?.or_else(|| Some(String::new()));
                self.aside(&mut frame, "additionalModelResponseFields", events)?;
            }
            "metadata" => self.end(&mut frame, events)?,
            _ => unknown(events),
        }
        Some(())
    }

    fn start(&mut self, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Started { id: None, model: None, created: None });
        }
    }

    /// Opens a block of a tool; false for one that is not the client's to answer.
    fn open(&mut self, index: u64, frame: &mut Object<'_>, events: &mut Vec<Event>) -> Option<bool> {
        self.start(events);
        let mut start = frame.object("start").ok()??;
        let call = start.object("toolUse").ok()?;
        if self.open.iter().any(|open| open.index == index) {
            return None;
        }
        let Some(call) = call.map(read_call).transpose().ok()?.flatten() else {
            self.hold(index, Holds::Unknown)?;
            return Some(false);
        };
        let block = self.number()?;
        self.hold(index, Holds::Call { block, grew: false })?;
        events.push(Event::BlockOpened { choice: 0, block, kind: call });
        Some(true)
    }

    /// Lets a block grow, which begins with its first piece if it is none of a tool; false for a piece of a kind that is
    /// not known.
    fn grow(&mut self, index: u64, delta: &mut Object<'_>, events: &mut Vec<Event>) -> Option<bool> {
        self.start(events);
        if let Some(text) = delta.string("text").ok()? {
            let block = self.begun(index, false, events)?;
            if let Some(block) = block {
                tell(block, Delta::Text(text), events);
            }
            return Some(block.is_some());
        }
        if let Some(reasoning) = delta.object("reasoningContent").ok()? {
            return self.reason(index, reasoning, events);
        }
        if let Some(mut call) = delta.object("toolUse").ok()? {
            let input = call.string("input").ok()??;
            let open = self.open.iter_mut().find(|open| open.index == index)?;
            let Holds::Call { block, grew } = &mut open.holds else { return Some(false) };
            *grew |= !input.is_empty();
            tell(*block, Delta::Arguments(input), events);
            return Some(true);
        }
        if let Some(citation) = delta.take("citation") {
            let open = self.open.iter().find(|open| open.index == index);
            let block = open.and_then(|open| match open.holds {
                Holds::Text(block) => Some(block),
                _ => None,
            });
            let value = citation.to_owned();
            events.push(Event::Aside { choice: 0, block, field: "citation", value });
            return Some(true);
        }
        Some(false)
    }

    fn reason(&mut self, index: u64, mut reasoning: Object<'_>, events: &mut Vec<Event>) -> Option<bool> {
        if let Some(redacted) = reasoning.string("redactedContent").ok()? {
            let bytes = BASE64.decode(redacted).ok()?;
            match self.open.iter_mut().find(|open| open.index == index) {
                Some(Open { holds: Holds::Redacted(before), .. }) => before.extend_from_slice(&bytes),
                Some(_) => return Some(false),
                None => self.hold(index, Holds::Redacted(bytes))?,
            }
            return Some(true);
        }
        let text = reasoning.string("text").ok()?;
        let signature = reasoning.string("signature").ok()?;
        if text.is_none() && signature.is_none() {
            return Some(false);
        }
        let Some(block) = self.begun(index, true, events)? else { return Some(false) };
        if let Some(text) = text {
            tell(block, Delta::Text(text), events);
        }
        if let (Some(piece), Some(Open { holds: Holds::Thinking { signature, .. }, .. })) =
            (signature, self.open.iter_mut().find(|open| open.index == index))
        {
            signature.push_str(&piece);
        }
        Some(true)
    }

    /// The number of the block of text or reasoning at `index`, which begins now if it has not; `Some(None)` where
    /// something else is open there.
    fn begun(&mut self, index: u64, thinking: bool, events: &mut Vec<Event>) -> Option<Option<u32>> {
        if let Some(open) = self.open.iter().find(|open| open.index == index) {
            return Some(match open.holds {
                Holds::Text(block) if !thinking => Some(block),
                Holds::Thinking { block, .. } if thinking => Some(block),
                _ => None,
            });
        }
        let block = self.number()?;
        let (kind, holds) = if thinking {
            (BlockKind::Thinking, Holds::Thinking { block, signature: String::new() })
        } else {
            (BlockKind::Text, Holds::Text(block))
        };
        self.hold(index, holds)?;
        events.push(Event::BlockOpened { choice: 0, block, kind });
        Some(Some(block))
    }

    /// Keeps a block that is open; `None` when there are too many, or the answer is over.
    fn hold(&mut self, index: u64, holds: Holds) -> Option<()> {
        let room = self.open.len() < MOST_OPEN && self.stopped.is_none();
        room.then(|| self.open.push(Open { index, holds }))
    }

    fn number(&mut self) -> Option<u32> {
        let block = self.next_block;
        self.next_block = block.checked_add(1)?;
        Some(block)
    }

    fn close(&mut self, open: Open, events: &mut Vec<Event>) -> Option<()> {
        let block = match open.holds {
            Holds::Text(block) => block,
            Holds::Unknown => return Some(()),
            Holds::Call { block, grew } => {
                if !grew {
                    tell(block, Delta::Arguments("{}".to_owned()), events);
                }
                block
            }
            Holds::Thinking { block, signature } => {
                if !signature.is_empty() {
                    let delta = Delta::Signature(Signature::read(CLAUDE, signature));
                    events.push(Event::BlockGrew { choice: 0, block, delta });
                }
                block
            }
            Holds::Redacted(bytes) => {
                let block = self.number()?;
                let kind = BlockKind::RedactedThinking(blocks::read_redacted(BASE64.encode(bytes)));
                events.push(Event::BlockOpened { choice: 0, block, kind });
                block
            }
        };
        events.push(Event::BlockClosed { choice: 0, block });
        Some(())
    }

    /// Tells what only this API has beside the answer.
    fn aside(&mut self, frame: &mut Object<'_>, field: &'static str, events: &mut Vec<Event>) -> Option<()> {
        self.start(events);
        if let Some(value) = frame.take(field) {
            let value: RawJson = RawValue::to_owned(value);
            events.push(Event::Aside { choice: 0, block: None, field, value });
        }
        Some(())
    }

    /// Ends the answer; without the reason why it stopped it is not whole.
    fn end(&mut self, frame: &mut Object<'_>, events: &mut Vec<Event>) -> Option<()> {
        let reason = self.stopped.take()?;
        for open in std::mem::take(&mut self.open) {
            self.close(open, events)?;
        }
        for field in ASIDES {
            self.aside(frame, field, events)?;
        }
        let reason = (!reason.is_empty()).then(|| response::finish_reason(&reason));
        events.push(Event::Ended { choice: 0, reason });
        events.extend(frame.take("usage").and_then(usage::read).map(Event::Usage));
        events.push(Event::Finished);
        self.done = true;
        Some(())
    }

    fn fail(&mut self, message: String, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.done, true) {
            events.push(Event::Failed(UpstreamError::of_message(message)));
        }
    }
}

/// The call that begins; `None` for one of a tool that runs at the provider.
fn read_call(mut call: Object<'_>) -> Read<Option<BlockKind>> {
    if call.string("type")?.is_some_and(|kind| kind != "tool_use") {
        return Ok(None);
    }
    let (id, name) = (call.need_string("toolUseId")?, call.need_string("name")?);
    Ok(Some(BlockKind::ToolCall { id, name, signature: None }))
}

fn tell(block: u32, delta: Delta, events: &mut Vec<Event>) {
    let empty = matches!(&delta, Delta::Text(piece) | Delta::Arguments(piece) if piece.is_empty());
    if !empty {
        events.push(Event::BlockGrew { choice: 0, block, delta });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::eventstream;
    use serde_json::{Value, json};

    fn stream(frames: &[(&str, Value)]) -> Vec<String> {
        let mut bytes = Vec::new();
        for (kind, payload) in frames {
            let headers = [(":event-type", *kind), (":message-type", "event")];
            eventstream::write(&headers, payload.to_string().as_bytes(), &mut bytes);
        }
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        decoder.feed(&bytes, &mut events);
        decoder.finish(&mut events);
        events.iter().map(short).collect()
    }

    /// An event in a few words.
    fn short(event: &Event) -> String {
        match event {
            Event::Started { .. } => "start".to_owned(),
            Event::BlockOpened { block, kind, .. } => match kind {
                BlockKind::ToolCall { id, name, .. } => format!("open {block} call {id} {name}"),
                BlockKind::RedactedThinking(data) => {
                    format!("open {block} redacted {}", data.for_client(CLAUDE))
                }
                kind => format!("open {block} {kind:?}"),
            },
            Event::BlockGrew { block, delta, .. } => match delta {
                Delta::Text(piece) => format!("grow {block} {piece}"),
                Delta::Arguments(piece) => format!("arguments {block} {piece}"),
                Delta::Signature(piece) => format!("signature {block} {}", piece.for_client(CLAUDE)),
            },
            Event::BlockClosed { block, .. } => format!("close {block}"),
            Event::Ended { reason, .. } => format!("end {reason:?}"),
            Event::Usage(usage) => format!("usage {:?} {:?}", usage.prompt_tokens, usage.completion_tokens),
            Event::Finished => "finished".to_owned(),
            Event::Failed(error) => format!("failed {} {}", error.status, error.message),
            Event::Aside { field, block, .. } => format!("aside {field} {block:?}"),
            Event::Unknown(_) => "unknown".to_owned(),
        }
    }

    fn delta(index: u32, delta: Value) -> (&'static str, Value) {
        ("contentBlockDelta", json!({ "contentBlockIndex": index, "delta": delta, "p": "abc" }))
    }

    fn stop(index: u32) -> (&'static str, Value) {
        ("contentBlockStop", json!({ "contentBlockIndex": index }))
    }

    fn end(reason: &str) -> [(&'static str, Value); 2] {
        let usage = json!({"inputTokens": 3, "outputTokens": 4, "totalTokens": 7});
        [
            ("messageStop", json!({ "stopReason": reason })),
            ("metadata", json!({ "usage": usage, "metrics": {"latencyMs": 1} })),
        ]
    }

    #[test]
    fn blocks_begin_with_their_first_piece_and_calls_with_an_event() {
        let mut frames = vec![
            ("messageStart", json!({"role": "assistant"})),
            delta(0, json!({"reasoningContent": {"text": "hm"}})),
            delta(0, json!({"reasoningContent": {"signature": "si"}})),
            delta(0, json!({"reasoningContent": {"signature": "g"}})),
            stop(0),
            delta(1, json!({"reasoningContent": {"redactedContent": "RXRr"}})),
            stop(1),
            delta(2, json!({"text": "a"})),
            delta(2, json!({"text": ""})),
            stop(2),
            (
                "contentBlockStart",
                json!({"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "t", "name": "look"}}}),
            ),
            delta(3, json!({"toolUse": {"input": "{\"a\":"}})),
            delta(3, json!({"toolUse": {"input": "1}"}})),
            stop(3),
            (
                "contentBlockStart",
                json!({"contentBlockIndex": 4, "start": {"toolUse": {"toolUseId": "u", "name": "none"}}}),
            ),
            stop(4),
        ];
        frames.extend(end("tool_use"));
        let wanted = [
            "start",
            "open 0 Thinking",
            "grow 0 hm",
            "signature 0 sig",
            "close 0",
            "open 1 redacted Etk",
            "close 1",
            "open 2 Text",
            "grow 2 a",
            "close 2",
            "open 3 call t look",
            "arguments 3 {\"a\":",
            "arguments 3 1}",
            "close 3",
            "open 4 call u none",
            "arguments 4 {}",
            "close 4",
            "aside metrics None",
            "end Some(ToolCalls)",
            "usage Some(3) Some(4)",
            "finished",
        ];
        assert_eq!(stream(&frames), wanted);
    }

    #[test]
    fn tools_that_run_at_the_provider_are_no_calls_and_citations_go_beside() {
        let start =
            json!({"toolUse": {"toolUseId": "t", "name": "nova_grounding", "type": "server_tool_use"}});
        let mut frames = vec![
            ("messageStart", json!({"role": "assistant"})),
            ("contentBlockStart", json!({"contentBlockIndex": 0, "start": start})),
            delta(0, json!({"toolUse": {"input": "{}"}})),
            stop(0),
            delta(1, json!({"text": "a"})),
            delta(1, json!({"citation": {"title": "t"}})),
            stop(1),
            delta(2, json!({"citation": {"title": "u"}})),
            stop(2),
        ];
        frames.extend(end("end_turn"));
        let told = stream(&frames);
        let wanted =
            ["start", "unknown", "unknown", "open 0 Text", "grow 0 a", "aside citation Some(0)", "close 0"];
        assert_eq!(told[..7], wanted);
        assert_eq!(told[7], "aside citation None");
    }

    #[test]
    fn a_stream_without_its_end_has_failed() {
        let mut frames = vec![("messageStart", json!({})), delta(0, json!({"text": "a"})), stop(0)];
        let last = |frames: &[(&str, Value)]| stream(frames).pop().expect("an event");
        assert!(last(&frames).starts_with("failed 0"));
        let [stopped, metadata] = end("end_turn");
        frames.push(stopped);
        assert!(last(&frames).starts_with("failed 0"), "the counts are missing");
        frames.push(metadata.clone());
        assert_eq!(last(&frames), "finished");
        assert!(last(&[metadata]).starts_with("failed 0"), "an end without a reason is none");
    }

    #[test]
    fn an_exception_ends_the_stream_with_its_status() {
        let mut bytes = Vec::new();
        let headers = [(":exception-type", "throttlingException"), (":message-type", "exception")];
        eventstream::write(&headers, br#"{"message":"slow down"}"#, &mut bytes);
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        decoder.feed(&bytes, &mut events);
        decoder.finish(&mut events);
        assert_eq!(events.iter().map(short).collect::<Vec<_>>(), ["failed 429 slow down"]);
    }

    #[test]
    fn bytes_that_are_no_event_stream_fail() {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        decoder.feed(b"data: {\"type\":\"message_start\"}\n\n", &mut events);
        assert!(matches!(events.as_slice(), [Event::Failed(_)]));
    }
}
