//! Picks one top-level field out of a JSON object whose bytes pass in chunks.

use memchr::memchr2;

/// Keeps the value of one top-level field and nothing else. Any chunking gives the same value; of two the last counts.
#[derive(Debug)]
pub struct FieldTap {
    name: &'static str,
    /// How many brackets are open.
    depth: u32,
    in_string: bool,
    /// Within a string: the last byte was a backslash.
    escaped: bool,
    /// At the top level: the next string is a key.
    at_key: bool,
    /// Within such a string.
    in_key: bool,
    /// The key that is being read or was read last, with its quotes, cut where it cannot be `name` any more.
    key: Vec<u8>,
    /// Whether the field's value is being read.
    within: bool,
    value: Vec<u8>,
    /// Whether `value` is whole.
    whole: bool,
}

impl FieldTap {
    /// The longest value that is kept, in bytes.
    const LONGEST: usize = 64 * 1024;

    /// Waits for the field `name`, which must need no escapes.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            depth: 0,
            in_string: false,
            escaped: false,
            at_key: false,
            in_key: false,
            key: Vec::new(),
            within: false,
            value: Vec::new(),
            whole: false,
        }
    }

    /// The field's value, once it has passed.
    pub fn value(&self) -> Option<&[u8]> {
        self.whole.then_some(&self.value)
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let used = if self.in_string { self.string(bytes) } else { self.structure(bytes) };
            bytes = &bytes[used..];
        }
    }

    /// Takes bytes of a string and gives how many.
    fn string(&mut self, bytes: &[u8]) -> usize {
        let used = if std::mem::take(&mut self.escaped) {
            1
        } else if let Some(at) = memchr2(b'"', b'\\', bytes) {
            self.escaped = bytes[at] == b'\\';
            self.in_string = self.escaped;
            at + 1
        } else {
            bytes.len()
        };
        self.keep(&bytes[..used]);
        used
    }

    /// Takes bytes between strings, up to and with one that matters, and gives how many.
    fn structure(&mut self, bytes: &[u8]) -> usize {
        self.in_key = false;
        // Below the top level commas and colons do not matter; skipping them makes lists of numbers cheap.
        let found = match self.depth {
            0 | 1 => {
                bytes.iter().position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']' | b',' | b':'))
            }
            _ => bytes.iter().position(|byte| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']')),
        };
        let Some(at) = found else {
            self.keep(bytes);
            return bytes.len();
        };
        self.keep(&bytes[..at]);
        match bytes[at] {
            b'"' => {
                self.in_string = true;
                self.in_key = self.depth == 1 && self.at_key;
                if self.in_key {
                    self.key.clear();
                }
            }
            b'{' | b'[' => {
                self.depth = self.depth.saturating_add(1);
                self.at_key |= self.depth == 1;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.end_value();
                }
            }
            b',' if self.depth == 1 => {
                self.end_value();
                self.at_key = true;
            }
            b':' if self.depth == 1 && self.at_key => {
                self.at_key = false;
                self.begin_value();
                return at + 1;
            }
            _ => {}
        }
        self.keep(&bytes[at..=at]);
        at + 1
    }

    fn begin_value(&mut self) {
        let name = self.key.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\""));
        if name == Some(self.name.as_bytes()) {
            self.value.clear();
            self.whole = false;
            self.within = true;
        }
    }

    fn end_value(&mut self) {
        self.whole |= std::mem::take(&mut self.within);
    }

    /// Keeps bytes of the key or the value.
    fn keep(&mut self, bytes: &[u8]) {
        if self.within {
            self.value.extend_from_slice(bytes);
            if self.value.len() > Self::LONGEST {
                self.within = false;
                self.value = Vec::new();
            }
        } else if self.in_key {
            let room = (self.name.len() + 3).saturating_sub(self.key.len());
            self.key.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(body: &str) -> Option<String> {
        let mut whole = FieldTap::new("usage");
        whole.feed(body.as_bytes());
        let mut by_byte = FieldTap::new("usage");
        body.as_bytes().chunks(1).for_each(|byte| by_byte.feed(byte));
        assert_eq!(whole.value(), by_byte.value(), "{body}");
        whole.value().map(|value| String::from_utf8(value.to_vec()).unwrap().trim().to_owned())
    }

    #[test]
    fn the_field_is_found_at_the_top_level_only() {
        let body = r#"{"a":{"usage":1},"b":["usage",{"usage":2}],"usage" : {"x":[1,"}"],"y":{}} ,"c":"\"usage\":3"}"#;
        assert_eq!(value(body).as_deref(), Some(r#"{"x":[1,"}"],"y":{}}"#));
        assert_eq!(value(r#"{"a":"usage","b":{"usage":1}}"#), None);
    }

    #[test]
    fn it_may_stand_first_last_or_twice() {
        assert_eq!(value(r#"{"usage":{"a":1}}"#).as_deref(), Some(r#"{"a":1}"#));
        assert_eq!(value(r#"  {"usage":null,"usage":7}"#).as_deref(), Some("7"));
        assert_eq!(value(r#"{"\\":1,"a\"b":"\\","usage":"x,y"}"#).as_deref(), Some(r#""x,y""#));
    }

    #[test]
    fn a_body_cut_within_the_value_has_none() {
        assert_eq!(value(r#"{"usage":{"a":1"#), None);
        assert_eq!(value("[]}}{]"), None);
    }

    #[test]
    fn a_longer_key_is_another() {
        assert_eq!(value(r#"{"usage_of":1,"usages":2,"usag":3,"":4}"#), None);
    }
}
