//! Streams, read from the provider.

use super::frame::{BlockStart, Frame, Piece, Started};
use crate::anthropic_messages::FAMILY;
use crate::anthropic_messages::response;
use crate::anthropic_messages::usage::Counts;
use crate::canonical::{BlockKind, Delta, Event, Signature, UpstreamError};
use crate::framing::sse::{SseEvent, SseReader};
use crate::stream::StreamDecoder;
use bytes::Bytes;
use serde_json::value::RawValue;

/// Reads a stream: `message_start`, blocks, `message_delta`, `message_stop`, with `ping` anywhere.
#[derive(Default)]
pub(crate) struct Decoder {
    reader: SseReader,
    state: State,
}

#[derive(Default)]
struct State {
    started: bool,
    ended: bool,
    /// The stream's own end or a failure was said; nothing follows.
    done: bool,
    counts: Counts,
    open: Vec<Open>,
    next_block: u32,
}

/// A block that is open at the provider.
struct Open {
    /// The provider's number of it.
    index: u64,
    /// Ours; `None` for a block that the canonical model does not name.
    block: Option<u32>,
    /// A tool call's input as its start gave it, until a piece of it comes.
    input: Option<String>,
    /// A block of reasoning's signature, as far as it came.
    signature: String,
}

/// The most blocks that may be open at once; Anthropic opens one at a time.
const MOST_OPEN: usize = 128;

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        if self.state.done {
            return;
        }
        if let Err(error) = self.reader.feed(bytes, |frame| self.state.frame(frame, events)) {
            self.state.fail(error.to_string(), events);
        }
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        if !self.state.done
            && let Err(error) = self.reader.finish(|frame| self.state.frame(frame, events))
        {
            self.state.fail(error.to_string(), events);
        }
        self.state.fail("the provider's stream ended before its `message_stop`".to_owned(), events);
    }
}

impl State {
    fn frame(&mut self, event: SseEvent<'_>, events: &mut Vec<Event>) {
        if self.done {
            return;
        }
        let data = event.trimmed();
        let Ok(frame) = serde_json::from_slice::<Frame<'_>>(data) else {
            return self.unreadable(events);
        };
        let known = match frame.kind.as_deref().or(event.event) {
            Some("ping") => Some(()),
            Some("message_start") => self.start(&frame, events),
            Some("content_block_start") => self.open(&frame, events),
            Some("content_block_delta") => self.grow(&frame, data, events),
            Some("content_block_stop") => self.close(frame.index, data, events),
            Some("message_delta") => self.change(&frame, events),
            Some("message_stop") => {
                self.end(None, events);
                self.done = true;
                events.push(Event::Finished);
                Some(())
            }
            Some("error") => {
                self.done = true;
                events.push(Event::Failed(UpstreamError::of_frame(data)));
                Some(())
            }
            _ => {
                events.push(Event::Unknown(Bytes::copy_from_slice(data)));
                Some(())
            }
        };
        if known.is_none() {
            self.unreadable(events);
        }
    }

    fn start(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Option<()> {
        let message: Started<'_> = serde_json::from_str(frame.message?.get()).ok()?;
        if !self.started {
            self.started = true;
            events.push(Event::Started { id: message.id, model: message.model, created: None });
        }
        self.count(message.usage, events);
        Some(())
    }

    fn open(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Option<()> {
        let start: BlockStart<'_> = serde_json::from_str(frame.content_block?.get()).ok()?;
        if self.ended || self.open.len() >= MOST_OPEN {
            return None;
        }
        self.start_late(events);
        let index = frame.index?;
        let kind = match start.kind.as_ref() {
            "text" => BlockKind::Text,
            "thinking" => BlockKind::Thinking,
            "redacted_thinking" => BlockKind::RedactedThinking(Signature::made_by(FAMILY, start.data?)),
            "tool_use" => BlockKind::ToolCall { id: start.id?, name: start.name?, signature: None },
            _ => {
                self.open.push(Open { index, block: None, input: None, signature: String::new() });
                events.push(Event::Unknown(Bytes::copy_from_slice(frame.content_block?.get().as_bytes())));
                return Some(());
            }
        };
        let block = self.next_block;
        self.next_block = block.checked_add(1)?;
        let call = matches!(kind, BlockKind::ToolCall { .. });
        let input = call.then(|| start.input.map_or("{}", RawValue::get).to_owned());
        let signature = start.signature.unwrap_or_default();
        self.open.push(Open { index, block: Some(block), input, signature });
        events.push(Event::BlockOpened { choice: 0, block, kind });
        if let Some(text) = start.text.or(start.thinking) {
            grow(block, Delta::Text(text), events);
        }
        Some(())
    }

    fn grow(&mut self, frame: &Frame<'_>, data: &[u8], events: &mut Vec<Event>) -> Option<()> {
        let piece: Piece<'_> = serde_json::from_str(frame.delta?.get()).ok()?;
        let index = frame.index?;
        let open = self.open.iter_mut().find(|open| open.index == index)?;
        let delta = match piece.kind.as_deref()? {
            "text_delta" => Delta::Text(piece.text?),
            "thinking_delta" => Delta::Text(piece.thinking?),
            "signature_delta" => {
                open.signature.push_str(&piece.signature?);
                return Some(());
            }
            "citations_delta" if open.block.is_some() => {
                let value = piece.citation?.to_owned();
                events.push(Event::Aside { choice: 0, block: open.block, field: "citations", value });
                return Some(());
            }
            "input_json_delta" => Delta::Arguments(piece.partial_json?),
            _ => {
                events.push(Event::Unknown(Bytes::copy_from_slice(data)));
                return Some(());
            }
        };
        let Some(block) = open.block else {
            events.push(Event::Unknown(Bytes::copy_from_slice(data)));
            return Some(());
        };
        if matches!(&delta, Delta::Arguments(piece) if !piece.is_empty()) {
            open.input = None;
        }
        grow(block, delta, events);
        Some(())
    }

    fn close(&mut self, index: Option<u64>, data: &[u8], events: &mut Vec<Event>) -> Option<()> {
        let index = index?;
        let place = self.open.iter().position(|open| open.index == index)?;
        let open = self.open.remove(place);
        if open.block.is_none() {
            events.push(Event::Unknown(Bytes::copy_from_slice(data)));
        }
        open.close(events);
        Some(())
    }

    fn change(&mut self, frame: &Frame<'_>, events: &mut Vec<Event>) -> Option<()> {
        let piece: Option<Piece<'_>> = match frame.delta {
            None => None,
            Some(delta) => Some(serde_json::from_str(delta.get()).ok()?),
        };
        self.start_late(events);
        if let Some(reason) = piece.and_then(|piece| piece.stop_reason) {
            self.end(Some(&reason), events);
        }
        self.count(frame.usage, events);
        Some(())
    }

    /// Ends the answer, once.
    fn end(&mut self, stop_reason: Option<&str>, events: &mut Vec<Event>) {
        self.start_late(events);
        for open in self.open.drain(..) {
            open.close(events);
        }
        if !std::mem::replace(&mut self.ended, true) {
            events.push(Event::Ended { choice: 0, reason: stop_reason.map(response::finish_reason) });
        }
    }

    fn count(&mut self, usage: Option<&RawValue>, events: &mut Vec<Event>) {
        self.counts.update(usage.map(Counts::of).unwrap_or_default());
        if usage.is_some() {
            events.extend(self.counts.usage().map(Event::Usage));
        }
    }

    /// Says the start of a stream whose provider forgot it.
    fn start_late(&mut self, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.started, true) {
            events.push(Event::Started { id: None, model: None, created: None });
        }
    }

    fn unreadable(&mut self, events: &mut Vec<Event>) {
        self.fail("an event of the provider's stream cannot be read".to_owned(), events);
    }

    fn fail(&mut self, message: String, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.done, true) {
            events.push(Event::Failed(UpstreamError::of_message(message)));
        }
    }
}

impl Open {
    fn close(self, events: &mut Vec<Event>) {
        let Some(block) = self.block else { return };
        if let Some(input) = self.input {
            grow(block, Delta::Arguments(input), events);
        }
        if !self.signature.is_empty() {
            let delta = Delta::Signature(Signature::made_by(FAMILY, self.signature));
            events.push(Event::BlockGrew { choice: 0, block, delta });
        }
        events.push(Event::BlockClosed { choice: 0, block });
    }
}

fn grow(block: u32, delta: Delta, events: &mut Vec<Event>) {
    let empty = matches!(&delta, Delta::Text(piece) | Delta::Arguments(piece) if piece.is_empty());
    if !empty {
        events.push(Event::BlockGrew { choice: 0, block, delta });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(frames: &[&str]) -> Vec<String> {
        let bytes: String = frames.iter().map(|frame| format!("data: {frame}   \r\n\r\n")).collect();
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        decoder.feed(bytes.as_bytes(), &mut events);
        decoder.finish(&mut events);
        events.iter().map(short).collect()
    }

    /// An event in one word or two.
    fn short(event: &Event) -> String {
        match event {
            Event::Started { id, .. } => format!("start {}", id.as_deref().unwrap_or("-")),
            Event::BlockOpened { block, kind, .. } => match kind {
                BlockKind::ToolCall { id, name, .. } => format!("open {block} call {id} {name}"),
                BlockKind::RedactedThinking(data) => {
                    format!("open {block} redacted {}", data.for_client(FAMILY))
                }
                kind => format!("open {block} {kind:?}"),
            },
            Event::BlockGrew { block, delta, .. } => match delta {
                Delta::Text(piece) => format!("grow {block} {piece}"),
                Delta::Arguments(piece) => format!("arguments {block} {piece}"),
                Delta::Signature(piece) => format!("signature {block} {}", piece.for_client(FAMILY)),
            },
            Event::BlockClosed { block, .. } => format!("close {block}"),
            Event::Ended { reason, .. } => format!("end {reason:?}"),
            Event::Usage(usage) => format!("usage {:?} {:?}", usage.prompt_tokens, usage.completion_tokens),
            Event::Finished => "finished".to_owned(),
            Event::Failed(error) => format!("failed {}", error.message),
            Event::Aside { field, .. } => format!("aside {field}"),
            Event::Unknown(_) => "unknown".to_owned(),
        }
    }

    const START: &str = r#"{"type":"message_start","message":{"id":"m","model":"x","usage":{"input_tokens":3,"cache_read_input_tokens":4,"output_tokens":1}}}"#;
    const DELTA: &str =
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#;
    const STOP: &str = r#"{"type":"message_stop"}"#;

    #[test]
    fn text_reasoning_and_calls_arrive_in_their_blocks_with_cumulative_usage() {
        let events = stream(&[
            START,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"o"}}"#,
            r#"{"type":"content_block_stop","index":1}"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"hi"}}"#,
            r#"{"type":"content_block_stop","index":2}"#,
            r#"{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"t","name":"look","input":{}}}"#,
            r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":""}}"#,
            r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"q\""}}"#,
            r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":":1}"}}"#,
            r#"{"type":"content_block_stop","index":3}"#,
            DELTA,
            STOP,
        ]);
        let wanted = [
            "start m",
            "usage Some(7) Some(1)",
            "open 0 Thinking",
            "grow 0 hm",
            "signature 0 s",
            "close 0",
            "open 1 redacted o",
            "close 1",
            "open 2 Text",
            "grow 2 hi",
            "close 2",
            "open 3 call t look",
            "arguments 3 {\"q\"",
            "arguments 3 :1}",
            "close 3",
            "end Some(Stop)",
            "usage Some(7) Some(9)",
            "finished",
        ];
        assert_eq!(events, wanted);
    }

    #[test]
    fn a_call_without_arguments_has_an_empty_object_and_whole_input_is_kept() {
        let call = |input: &str| {
            let start = format!(
                r#"{{"type":"content_block_start","index":0,"content_block":{{"type":"tool_use","id":"t","name":"n","input":{input}}}}}"#
            );
            stream(&[START, &start, r#"{"type":"content_block_stop","index":0}"#, DELTA, STOP])[3].clone()
        };
        assert_eq!(call("{}"), "arguments 0 {}");
        assert_eq!(call(r#"{"q":1}"#), r#"arguments 0 {"q":1}"#);
    }

    #[test]
    fn blocks_without_a_place_here_pass_as_unknown_and_do_not_number_the_others() {
        let events = stream(&[
            START,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"w"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":"a"}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{}}}"#,
            r#"{"type":"content_block_stop","index":1}"#,
            r#"{"type":"brand_new"}"#,
            DELTA,
            STOP,
        ]);
        let text = ["open 0 Text", "grow 0 a", "aside citations", "close 0", "unknown"];
        assert_eq!(
            events[2..10],
            ["unknown", "unknown", "unknown", text[0], text[1], text[2], text[3], text[4]]
        );
        assert_eq!(events.last().map(String::as_str), Some("finished"));
    }

    #[test]
    fn an_error_in_the_stream_a_cut_and_nonsense_are_failures() {
        let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#;
        assert_eq!(stream(&[START, error, STOP])[2..], ["failed busy"]);
        let cut = stream(&[START, DELTA]);
        assert_eq!(
            cut.last().map(String::as_str),
            Some("failed the provider's stream ended before its `message_stop`")
        );
        for nonsense in [
            "{",
            "[]",
            r#"{"type":"message_start"}"#,
            r#"{"type":"content_block_delta","index":5,"delta":{"type":"text_delta","text":"x"}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use"}}"#,
        ] {
            let events = stream(&[START, nonsense, STOP]);
            assert_eq!(
                events[2..],
                ["failed an event of the provider's stream cannot be read"],
                "{nonsense}"
            );
        }
    }

    #[test]
    fn an_end_without_a_reason_still_closes_what_is_open() {
        let open = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}"#;
        assert_eq!(
            stream(&[open, STOP]),
            ["start -", "open 0 Text", "grow 0 a", "close 0", "end None", "finished"]
        );
    }
}
