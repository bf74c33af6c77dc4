//! What chunks say beside text, reasoning and calls.

use super::chunk::Rest;
use crate::canonical::Event;
use bytes::Bytes;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// Fields that providers of this family are known to send, of chunks, choices and deltas.
const FIELDS: &[&str] = &[
    "annotations",
    "audio",
    "citations",
    "content_filter_offsets",
    "content_filter_results",
    "images",
    "matched_stop",
    "native_finish_reason",
    "prompt_filter_results",
    "provider",
    "related_questions",
    "search_results",
    "seed",
    "service_tier",
    "stop_reason",
    "system_fingerprint",
    "time_info",
    "x_groq",
];

/// Random letters that hide how long the text is (OpenAI, Mistral).
const PADDING: [&str; 2] = ["obfuscation", "p"];

/// How many different fields are remembered.
const MOST: usize = 64;

/// Tells what stands aside: of a field that repeats itself in every chunk only what is new.
#[derive(Debug, Default)]
pub(super) struct Asides {
    told: HashMap<String, String>,
}

impl Asides {
    /// Tells the fields of `rest`, which stand in the chunk `data`.
    pub(super) fn tell(&mut self, choice: u32, rest: &Rest<'_>, data: &[u8], events: &mut Vec<Event>) {
        for (name, value) in rest {
            if PADDING.contains(&name.as_ref()) || !self.is_new(name, value) {
                continue;
            }
            events.push(match FIELDS.iter().find(|field| *field == name) {
                Some(field) => Event::Aside { choice, block: None, field, value: (*value).to_owned() },
                None => Event::Unknown(Bytes::copy_from_slice(data)),
            });
        }
    }

    fn is_new(&mut self, name: &str, value: &RawValue) -> bool {
        if let Some(told) = self.told.get_mut(name) {
            let is_new = told != value.get();
            if is_new && FIELDS.contains(&name) {
                value.get().clone_into(told);
                return true;
            }
            return false;
        }
        if self.told.len() == MOST {
            return false;
        }
        self.told.insert(name.to_owned(), value.get().to_owned());
        true
    }
}
