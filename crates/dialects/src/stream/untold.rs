//! What a client's stream could not say.

use crate::canonical::{BlockKind, Count, Event, Losses, Usage};
use serde_json::Value;
use std::collections::HashSet;

/// Gathers losses of a stream, each thing once however often it came.
#[derive(Debug, Default)]
pub(crate) struct Untold {
    losses: Losses,
    seen: HashSet<String>,
}

impl Untold {
    /// Records that what stands at `path` is lost.
    pub(crate) fn add(&mut self, path: impl Into<String>, reason: &'static str) {
        let path = path.into();
        // Past the bound of the list only the count could grow, with things that may have been counted before.
        if self.seen.len() <= Losses::MOST && self.seen.insert(path.clone()) {
            self.losses.add(path, reason);
        }
    }

    /// Records that `event` has no place: what stands aside, a block, a whole choice, a frame that nobody knows.
    pub(crate) fn event(&mut self, event: &Event, reason: &'static str) {
        match event {
            Event::Aside { choice, field, .. } => self.add(format!("choices[{choice}].{field}"), reason),
            Event::BlockOpened { choice, block, kind } => match kind {
                BlockKind::ToolCall { .. } => {
                    self.add(format!("choices[{choice}].message.tool_calls"), reason);
                }
                BlockKind::Refusal => self.add(format!("choices[{choice}].message.refusal"), reason),
                _ => self.add(format!("choices[{choice}].message.content[{block}]"), reason),
            },
            Event::Ended { choice, .. } => self.add(format!("choices[{choice}]"), reason),
            Event::Unknown(frame) => self.add(name_of(frame), "only the provider's own API knows it"),
            _ => {}
        }
    }

    /// Records the counts beyond those of prompt and completion.
    pub(crate) fn usage_details(&mut self, usage: &Usage, reason: &'static str) {
        let mut lost = Losses::default();
        lost.add_counts(usage, &Count::ALL, reason);
        lost.iter().for_each(|loss| self.add(&loss.path, reason));
    }

    /// The list.
    pub(crate) fn take(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

/// A frame by its own word for what it is, as far as it has one.
fn name_of(frame: &[u8]) -> String {
    const MOST: usize = 60;
    let frame: Value = serde_json::from_slice(frame).unwrap_or_default();
    let word = |value: &Value| {
        let word = value.get("type").or_else(|| value.get("event_type"))?.as_str()?;
        Some(word.chars().take(MOST).collect::<String>())
    };
    match word(frame.get("content_block").unwrap_or(&frame)) {
        Some(word) => format!("stream.{word}"),
        None => "stream".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn what_comes_a_hundred_times_is_reported_once() {
        let mut untold = Untold::default();
        for _ in 0..100 {
            let value = crate::raw::to_raw(&1);
            untold.event(&Event::Aside { choice: 0, block: None, field: "logprobs", value }, "why");
            untold.event(&Event::Unknown(Bytes::from_static(br#"{"type":"web_search"}"#)), "why");
        }
        let losses = untold.take();
        let paths: Vec<_> = losses.iter().map(|loss| loss.path.as_str()).collect();
        assert_eq!((losses.count(), paths), (2, vec!["choices[0].logprobs", "stream.web_search"]));
    }
}
