//! Which choices of a stream have ended, read from chunks of which most are not parsed.

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The most choices that are told apart; a stream with more must tell its own end.
const MOST: usize = 1024;
/// The longest beginning of a chunk that is remembered, in bytes.
const LONGEST: usize = 1024;

/// The choices of a stream, and which of them have their finish reason.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    choices: Vec<(u32, bool)>,
    too_many: bool,
    /// How a chunk of a known choice begins, up to its index: chunks that begin alike and have nothing else of interest
    /// are not parsed.
    beginning: Vec<u8>,
}

#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow, default)]
    choices: Option<Vec<Choice<'a>>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: Option<u32>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
}

impl Ends {
    /// Takes the next chunk.
    pub(crate) fn chunk(&mut self, data: &[u8]) {
        if self.is_more_of_the_same(data) {
            return;
        }
        let Ok(Outline { choices: Some(choices) }) = serde_json::from_slice(data) else { return };
        if choices.len() == 1 {
            self.remember(data);
        }
        for (choice, place) in choices.into_iter().zip(0..) {
            let reason = choice.finish_reason.map_or("null", RawValue::get);
            self.choice(choice.index.unwrap_or(place), !matches!(reason, "null" | "\"\""));
        }
    }

    /// Whether every choice that began has ended.
    pub(crate) fn are_all(&self) -> bool {
        !self.too_many && !self.choices.is_empty() && self.choices.iter().all(|(_, ended)| *ended)
    }

    fn choice(&mut self, index: u32, ended: bool) {
        match self.choices.iter().position(|(known, _)| *known == index) {
            Some(at) => self.choices[at].1 |= ended,
            None if self.choices.len() < MOST => self.choices.push((index, ended)),
            None => self.too_many = true,
        }
    }

    fn is_more_of_the_same(&self, data: &[u8]) -> bool {
        if self.beginning.is_empty() {
            return false;
        }
        let Some(rest) = data.strip_prefix(self.beginning.as_slice()) else { return false };
        memmem::find(rest, b"\"index\"").is_none()
            && memmem::find_iter(rest, REASON).all(|at| rest[at + REASON.len()..].starts_with(b":null"))
    }

    /// Remembers how a chunk with one choice begins, where the choice's index is its first field and stands in the
    /// outermost object, as in most APIs.
    fn remember(&mut self, data: &[u8]) {
        self.beginning.clear();
        let Some(at) = memmem::find(data, FIRST_INDEX).filter(|at| *at < LONGEST) else { return };
        let outer = &data[..at];
        if outer.iter().filter(|byte| matches!(byte, b'{' | b'[')).count() != 1 {
            return;
        }
        let index = &data[at + FIRST_INDEX.len()..];
        let digits = index.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if matches!(index.get(digits), Some(b',' | b'}')) {
            self.beginning.extend_from_slice(&data[..at + FIRST_INDEX.len() + digits + 1]);
        }
    }
}

const REASON: &[u8] = b"\"finish_reason\"";
const FIRST_INDEX: &[u8] = b"\"choices\":[{\"index\":";

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(chunks: &[&str]) -> bool {
        let mut ends = Ends::default();
        chunks.iter().for_each(|chunk| ends.chunk(chunk.as_bytes()));
        ends.are_all()
    }

    const A: &str = r#"{"id":"x","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
    const B: &str = r#"{"id":"x","choices":[{"index":1,"delta":{"content":"b"},"finish_reason":null}]}"#;
    const END_A: &str = r#"{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    const END_B: &str = r#"{"id":"x","choices":[{"index":1,"delta":{},"finish_reason":"length"}]}"#;
    const BOTH: &str = r#"{"id":"x","choices":[{"index":0,"delta":{}},{"index":1,"delta":{}}]}"#;

    #[test]
    fn a_stream_is_whole_when_every_choice_has_its_reason() {
        assert!(ended(&[A, A, END_A]));
        assert!(ended(&[A, B, END_B, A, END_A, r#"{"choices":[],"usage":{}}"#]));
        assert!(ended(&[r#"{ "choices" : [ { "delta" : {}, "finish_reason" : "stop" , "index": 0 } ] }"#]));
        assert!(ended(&[r#"{"choices":[{"text":"a","finish_reason":"stop"}]}"#]));
    }

    #[test]
    fn a_choice_without_a_reason_keeps_it_open() {
        assert!(!ended(&[]));
        assert!(!ended(&[A, A]));
        assert!(!ended(&[A, B, END_A]));
        assert!(!ended(&[A, A, BOTH, END_A]));
        assert!(!ended(&[r#"{"choices":[],"usage":{}}"#]));
        assert!(!ended(&[r#"{"choices":[{"index":0,"delta":{},"finish_reason":""}]}"#]));
        let quoted = r#"{"id":"x","choices":[{"index":0,"delta":{"content":"\"finish_reason\":\"stop\""},"finish_reason":null}]}"#;
        assert!(!ended(&[A, quoted]));
    }

    #[test]
    fn a_chunk_like_the_one_before_is_not_parsed() {
        let mut ends = Ends::default();
        ends.chunk(A.as_bytes());
        assert!(ends.is_more_of_the_same(A.as_bytes()));
        for other in [B, END_A, BOTH] {
            assert!(!ends.is_more_of_the_same(other.as_bytes()), "{other}");
        }
        let nested = r#"{"x":{"choices":[{"index":0,"finish_reason":null}]},"choices":[{"index":1}]}"#;
        ends.chunk(nested.as_bytes());
        assert!(!ends.is_more_of_the_same(nested.as_bytes()));
    }
}
