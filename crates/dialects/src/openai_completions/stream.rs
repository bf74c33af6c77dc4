//! Events to chunks of text.

use crate::canonical::{BlockKind, Delta, Event, Failure, FinishReason, Losses, Usage};
use crate::openai_chat::stream::{chunk_head, chunk_tail, write_error_event, write_usage_chunk};
use crate::raw::ObjectWriter;
use crate::stream::{StreamEncoder, Untold};

/// Writes a stream of text completion. Only text and refusals are said; see
/// [`ChunkEncoder`](crate::openai_chat::stream::ChunkEncoder) for the rest.
#[derive(Debug)]
pub(super) struct TextEncoder {
    head: Vec<u8>,
    include_usage: bool,
    usage: Option<Usage>,
    /// Open blocks that are said: choice and block.
    open: Vec<(u32, u32)>,
    untold: Untold,
}

impl TextEncoder {
    pub(super) fn new(include_usage: bool) -> Self {
        Self {
            head: head(None, None, None),
            include_usage,
            usage: None,
            open: Vec::new(),
            untold: Untold::default(),
        }
    }

    fn chunk(&self, index: u32, text: &str, reason: Option<&FinishReason>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&self.head);
        let mut choice = ObjectWriter::new(out);
        choice.field("text", text).field("index", &index).field("logprobs", &());
        choice.field("finish_reason", &reason.map(FinishReason::openai_word));
        choice.end();
        out.extend_from_slice(chunk_tail(self.include_usage));
    }
}

fn head(id: Option<&str>, model: Option<&str>, created: Option<u64>) -> Vec<u8> {
    chunk_head("text_completion", id, model, created)
}

impl StreamEncoder for TextEncoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Started { id, model, created } => {
                self.head = head(id.as_deref(), model.as_deref(), *created);
            }
            Event::BlockOpened { choice, block, kind: BlockKind::Text | BlockKind::Refusal } => {
                self.open.push((*choice, *block));
            }
            Event::BlockGrew { choice, block, delta: Delta::Text(text) } => {
                if self.open.contains(&(*choice, *block)) {
                    self.chunk(*choice, text, None, out);
                }
            }
            Event::BlockClosed { choice, block } => self.open.retain(|open| *open != (*choice, *block)),
            Event::Ended { choice, reason } => self.chunk(*choice, "", reason.as_ref(), out),
            Event::Usage(usage) => self.usage.get_or_insert_default().update(*usage),
            Event::Finished => {
                if let Some(usage) = self.usage.as_ref().filter(|_| self.include_usage) {
                    write_usage_chunk(&self.head, usage, out);
                }
                out.extend_from_slice(b"data: [DONE]\n\n");
            }
            Event::BlockOpened { .. } | Event::Aside { .. } | Event::Unknown(_) => {
                self.untold.event(event, "a completion has one text");
            }
            Event::BlockGrew { .. } | Event::Failed(_) => {}
        }
    }

    fn fail(&mut self, failure: &Failure, request_id: &str, out: &mut Vec<u8>) {
        write_error_event(failure, request_id, out);
    }

    fn losses(&mut self) -> Losses {
        self.untold.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai_chat::stream::ChunkDecoder;
    use crate::stream::StreamDecoder;

    #[test]
    fn a_stream_of_text_is_the_same_after_reading_and_writing() {
        let stream = concat!(
            r#"data: {"id":"c","object":"text_completion","created":7,"model":"m","#,
            r#""choices":[{"text":"a","index":0,"logprobs":null,"finish_reason":null}],"usage":null}"#,
            "\n\n",
            r#"data: {"id":"c","object":"text_completion","created":7,"model":"m","#,
            r#""choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
            "\n\n",
            r#"data: {"id":"c","object":"text_completion","created":7,"model":"m","#,
            r#""choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#,
            "\n\ndata: [DONE]\n\n",
        );
        let mut events = Vec::new();
        ChunkDecoder::new().feed(stream.as_bytes(), &mut events);
        let mut encoder = TextEncoder::new(true);
        let mut out = Vec::new();
        events.iter().for_each(|event| encoder.encode(event, &mut out));
        assert_eq!(String::from_utf8(out).unwrap(), stream);
    }
}
