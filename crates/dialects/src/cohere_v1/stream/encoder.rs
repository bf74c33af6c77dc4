//! Streams, written for a client.

use crate::canonical::{BlockKind, Delta, Event, Failure, FinishReason, Losses, Usage};
use crate::cohere_v1::response::word_of;
use crate::cohere_v1::usage;
use crate::raw::{Draft, to_bytes};
use crate::stream::{StreamEncoder, Untold};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Writes a stream of either operation.
pub(crate) struct Encoder {
    chat: bool,
    id: Option<String>,
    done: bool,
    texts: BTreeMap<u32, Answer>,
    /// Choice and block of what is no text of the answer: reasoning and tool calls.
    silent: BTreeSet<(u32, u32)>,
    usage: Option<Usage>,
    untold: Untold,
}

/// An answer so far; the stream's end repeats it whole.
#[derive(Default)]
struct Answer {
    text: String,
    reason: Option<FinishReason>,
}

impl Encoder {
    /// Writes chat.
    pub(crate) fn of_chat() -> Self {
        Self {
            chat: true,
            id: None,
            done: false,
            texts: BTreeMap::new(),
            silent: BTreeSet::new(),
            usage: None,
            untold: Untold::default(),
        }
    }

    /// Writes text completion.
    pub(crate) fn of_generate() -> Self {
        Self { chat: false, ..Self::of_chat() }
    }

    fn id(&self) -> &str {
        self.id.as_deref().unwrap_or("generation")
    }

    fn grow(&mut self, choice: u32, text: &str, out: &mut Vec<u8>) {
        self.texts.entry(choice).or_default().text.push_str(text);
        let mut line = json!({ "is_finished": false, "event_type": "text-generation", "text": text });
        if choice > 0 {
            line["index"] = choice.into();
        }
        write(&line, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let first = self.texts.get(&0);
        let reason = first.and_then(|answer| answer.reason.as_ref()).map(word_of);
        let mut response = Draft::default();
        if self.chat {
            response.set("response_id", self.id());
            response.set("generation_id", self.id());
            response.set("text", first.map(|answer| answer.text.as_str()).unwrap_or_default());
        } else {
            let generation = |(index, answer): (&u32, &Answer)| {
                json!({
                    "id": format!("{}-{index}", self.id()),
                    "text": answer.text,
                    "finish_reason": answer.reason.as_ref().map(word_of),
                })
            };
            response.set("id", self.id());
            response.set("generations", self.texts.iter().map(generation).collect::<Vec<_>>());
        }
        response.set_some("finish_reason", reason);
        usage::set(&mut response, self.usage.as_ref(), &mut Losses::default());
        let mut line = Draft::default();
        line.set("is_finished", true);
        line.set("event_type", "stream-end");
        line.set("finish_reason", reason.unwrap_or("COMPLETE"));
        line.set("response", response);
        write(&line, out);
        self.done = true;
    }
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            _ if self.done => {}
            Event::Started { id, .. } => {
                self.id.clone_from(id);
                let start = json!({
                    "is_finished": false,
                    "event_type": "stream-start",
                    "generation_id": self.id(),
                });
                if self.chat {
                    write(&start, out);
                }
            }
            Event::BlockOpened { choice, block, kind }
                if !matches!(kind, BlockKind::Text | BlockKind::Refusal) =>
            {
                self.silent.insert((*choice, *block));
                self.untold.event(event, ONE_TEXT);
            }
            Event::BlockGrew { choice, block, delta: Delta::Text(text) } => {
                let heard = *choice == 0 || !self.chat;
                if heard && !self.silent.contains(&(*choice, *block)) {
                    self.grow(*choice, text, out);
                }
            }
            Event::Ended { choice, reason } => {
                self.texts.entry(*choice).or_default().reason.clone_from(reason);
                if self.chat && *choice > 0 {
                    self.untold.event(event, "Cohere's chat gives one answer");
                }
            }
            Event::Usage(usage) => {
                self.usage.get_or_insert_default().update(*usage);
                self.untold.usage_details(usage, "Cohere's older API counts prompt and answer alone");
            }
            Event::Aside { .. } | Event::Unknown(_) => self.untold.event(event, ONE_TEXT),
            Event::Finished => self.finish(out),
            _ => {}
        }
    }

    fn fail(&mut self, failure: &Failure, _request_id: &str, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.done, true) {
            let line = json!({
                "is_finished": true,
                "event_type": "stream-error",
                "finish_reason": "ERROR",
                "err": failure.message,
            });
            write(&line, out);
        }
    }

    fn losses(&mut self) -> Losses {
        self.untold.take()
    }
}

const ONE_TEXT: &str = "Cohere's older API answers with one text";

fn write(line: &impl serde::Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(&to_bytes(line));
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_of_another_provider_is_not_shown_as_the_answer() {
        let mut out = Vec::new();
        let mut encoder = Encoder::of_chat();
        for event in [
            Event::Started { id: None, model: None, created: None },
            Event::BlockOpened { choice: 0, block: 0, kind: BlockKind::Thinking },
            Event::BlockGrew { choice: 0, block: 0, delta: Delta::Text("secret".to_owned()) },
            Event::BlockClosed { choice: 0, block: 0 },
            Event::BlockOpened { choice: 0, block: 1, kind: BlockKind::Text },
            Event::BlockGrew { choice: 0, block: 1, delta: Delta::Text("said".to_owned()) },
            Event::Finished,
        ] {
            encoder.encode(&event, &mut out);
        }
        let out = String::from_utf8(out).expect("JSON");
        assert!(out.contains("said") && !out.contains("secret"), "{out}");
    }
}
