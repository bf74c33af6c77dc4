//! Usage that the client did not ask for: asked for in a request that passes, and cut out of its stream again.

use crate::raw::{Edit, Object, Peek, patch};
use crate::stream::StreamCut;
use bytes::Bytes;
use memchr::{memchr2, memmem};
use std::ops::Range;

/// The edit that makes a request ask for usage and keeps its other `stream_options`. `None` where it asks by itself, and
/// where its options are not an object: the provider judges those.
pub(crate) fn ask(body: &Bytes, peek: &Peek) -> Option<Edit<'static>> {
    const ASKING: Bytes = Bytes::from_static(br#"{"include_usage":true}"#);
    let options = peek.options_at.clone().map(|at| body.slice(at));
    let asking = match options.filter(|options| &options[..] != b"null") {
        None => ASKING,
        Some(options) => {
            let asks = Object::parse(&options).ok()?.boolean("include_usage").ok()?;
            if asks == Some(true) {
                return None;
            }
            let set = Edit::Set("include_usage", Bytes::from_static(b"true"));
            patch(&options, &[set]).ok()?.concat().into()
        }
    };
    Some(Edit::Set("stream_options", asking))
}

/// Takes out what OpenAI adds to a stream whose request asks for usage: the chunk that has no choices but usage, and
/// `"usage":null` in all others. Every other byte passes.
#[derive(Debug)]
pub(crate) struct UsageCut {
    /// The last bytes did not end their line, so that the next ones go on with it: such a line was too long to wait for.
    line_open: bool,
    /// The last line that passed was blank: the next one begins an event.
    after_blank: bool,
    /// The last bytes ended in CR, so that an LF right after them belongs to the same line; whether that was cut.
    after_cr: Option<bool>,
    /// A line was cut that was its whole event; a blank line right after it goes too.
    blank_goes: bool,
}

impl UsageCut {
    /// A cut at the start of a stream.
    pub(crate) fn new() -> Self {
        Self { line_open: false, after_blank: true, after_cr: None, blank_goes: false }
    }

    /// The ranges of `bytes` that go, in order.
    fn cuts(&mut self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut cuts = Vec::new();
        let mut at = 0;
        if let Some(cut) = self.after_cr.take().filter(|_| bytes.first() == Some(&b'\n')) {
            if cut {
                cuts.push(0..1);
            }
            at = 1;
        }
        while at < bytes.len() {
            let line = line(&bytes[at..]);
            self.line(&bytes[at..at + line.length], at, &line, &mut cuts);
            self.line_open = !line.ended;
            at += line.length;
        }
        let cut = cuts.last().is_some_and(|cut| cut.end == bytes.len());
        self.after_cr = (bytes.last() == Some(&b'\r')).then_some(cut);
        cuts
    }

    fn line(&mut self, bytes: &[u8], at: usize, line: &Line, cuts: &mut Vec<Range<usize>>) {
        let text = &bytes[..line.text];
        let blank_goes = std::mem::take(&mut self.blank_goes);
        if self.line_open {
            self.after_blank = false;
        } else if text.is_empty() {
            if blank_goes {
                cuts.push(at..at + line.length);
            }
            self.after_blank = true;
        } else if tells_usage_alone(text) {
            self.blank_goes = self.after_blank;
            cuts.push(at..at + line.length);
        } else {
            self.after_blank = false;
            if let Some(null) = null_usage(text) {
                cuts.push(at + null.start..at + null.end);
            }
        }
    }

    /// Whether lines without usage can pass without a look.
    fn is_idle(&self) -> bool {
        self.after_cr != Some(true) && !self.blank_goes
    }

    /// Takes note of lines that pass without a look.
    fn pass(&mut self, mut bytes: &[u8]) {
        if self.after_cr.take().is_some() {
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        if bytes.is_empty() {
            return;
        }
        self.after_cr = bytes.ends_with(b"\r").then_some(false);
        let Some(rest) = without_line_end(bytes) else {
            self.line_open = true;
            return;
        };
        self.after_blank = match rest.last() {
            None => !self.line_open,
            Some(last) => matches!(last, b'\n' | b'\r'),
        };
        self.line_open = false;
    }
}

impl StreamCut for UsageCut {
    fn cut(&mut self, lines: Bytes) -> Bytes {
        if self.is_idle() && memmem::find(&lines, USAGE).is_none() {
            self.pass(&lines);
            return lines;
        }
        let cuts = self.cuts(&lines);
        if cuts.is_empty() {
            return lines;
        }
        let mut kept = Vec::with_capacity(lines.len());
        let mut copied = 0;
        for cut in cuts {
            kept.extend_from_slice(&lines[copied..cut.start]);
            copied = cut.end;
        }
        kept.extend_from_slice(&lines[copied..]);
        kept.into()
    }
}

const USAGE: &[u8] = b"\"usage\"";

/// The first line of some bytes.
struct Line {
    /// Its length without its end.
    text: usize,
    length: usize,
    ended: bool,
}

fn line(bytes: &[u8]) -> Line {
    match memchr2(b'\n', b'\r', bytes) {
        None => Line { text: bytes.len(), length: bytes.len(), ended: false },
        Some(text) => {
            let crlf = bytes[text..].starts_with(b"\r\n");
            Line { text, length: text + 1 + usize::from(crlf), ended: true }
        }
    }
}

fn without_line_end(bytes: &[u8]) -> Option<&[u8]> {
    bytes.strip_suffix(b"\r\n").or(bytes.strip_suffix(b"\n")).or(bytes.strip_suffix(b"\r"))
}

/// Whether a line is the data of a chunk that has no choices but usage.
fn tells_usage_alone(line: &[u8]) -> bool {
    let Some(data) = line.strip_prefix(b"data:") else { return false };
    let follows =
        |at: usize| after_colon(&data[at + USAGE.len()..]).is_some_and(|value| value.starts_with(b"{"));
    if !memmem::find_iter(data, USAGE).any(follows) {
        return false;
    }
    let Ok(mut chunk) = Object::parse(data) else { return false };
    matches!(chunk.list("choices"), Ok(Some(choices)) if choices.is_empty())
        && matches!(chunk.object("usage"), Ok(Some(_)))
}

/// Where a chunk's own `"usage":null` stands in its line, with the comma that goes with it.
fn null_usage(line: &[u8]) -> Option<Range<usize>> {
    let data = line.strip_prefix(b"data:")?;
    let offset = line.len() - data.len();
    memmem::find_iter(data, USAGE).find_map(|at| {
        let rest = after_colon(&data[at + USAGE.len()..])?.strip_prefix(b"null")?;
        let end = data.len() - rest.len();
        // Within a text the quote would be escaped, so that neither a comma nor a bracket could stand before it.
        let before = data[..at].trim_ascii_end();
        let range = match before.last()? {
            b',' => before.len() - 1..end,
            b'{' => match rest.trim_ascii_start().strip_prefix(b",") {
                Some(rest) => at..data.len() - rest.trim_ascii_start().len(),
                None => at..end,
            },
            _ => return None,
        };
        closes_object(rest).then_some(range.start + offset..range.end + offset)
    })
}

/// What stands after the colon of a key that ends here.
fn after_colon(rest: &[u8]) -> Option<&[u8]> {
    Some(rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())
}

/// Whether `rest` of a text of JSON belongs to its outermost object: the bracket that closes the object in which it
/// begins is the text's last byte.
fn closes_object(rest: &[u8]) -> bool {
    let mut depth = 0u32;
    let mut at = 0;
    while let Some(&byte) = rest.get(at) {
        at += 1;
        match byte {
            b'"' => loop {
                let Some(found) = rest.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) else {
                    return false;
                };
                at += found + 1;
                if rest[at - 1] == b'"' {
                    break;
                }
                at += 1; // what is escaped
            },
            b'{' | b'[' => depth += 1,
            b'}' | b']' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return rest[at..].trim_ascii().is_empty(),
            },
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A stream as OpenAI sends it to who asked for usage, and what is left of it.
    const CHUNKS: &[(&str, &str)] = &[
        (": keep-alive\n\n", ": keep-alive\n\n"),
        (
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}],\"usage\":null}\n\n",
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n",
        ),
        (
            "data: {\"choices\":[{\"delta\":{\"content\":\"a, \\\"usage\\\":null}\"}}],\"usage\":null,\"obfuscation\":\"x}\"}\r\n\r\n",
            "data: {\"choices\":[{\"delta\":{\"content\":\"a, \\\"usage\\\":null}\"}}],\"obfuscation\":\"x}\"}\r\n\r\n",
        ),
        ("data: {\"usage\" : null , \"choices\":[]}\n\n", "data: {\"choices\":[]}\n\n"),
        ("data: {\"usage\":null}\r\r", "data: {}\r\r"),
        (
            "data: {\"choices\":[{\"usage\":null}],\"x\":{\"a\":1,\"usage\":null}}\n\n",
            "data: {\"choices\":[{\"usage\":null}],\"x\":{\"a\":1,\"usage\":null}}\n\n",
        ),
        (
            "data: {\"choices\":[{\"index\":0}],\"usage\":{\"total_tokens\":1}}\n\n",
            "data: {\"choices\":[{\"index\":0}],\"usage\":{\"total_tokens\":1}}\n\n",
        ),
        ("event: x\ndata:{\"choices\":[],\"usage\":{}}\n\n", "event: x\n\n"),
        ("data: {\"choices\":[ ],\"usage\": {\"total_tokens\":1}}\r\n\r\n", ""),
        ("data: {\"choices\":[],\"usage\":{\"total_tokens\":1}}\n\n", ""),
        ("data: {\"choices\":[],\"usage\":{\"total_tokens\":1}}\r\r", ""),
        ("data: {\"usage\":{\"total_tokens\":1}}\n\n", "data: {\"usage\":{\"total_tokens\":1}}\n\n"),
        ("data: [\"usage\"]\n\n", "data: [\"usage\"]\n\n"),
        ("data: [DONE]\n\n", "data: [DONE]\n\n"),
    ];

    /// The stream in pieces of one or more lines; a CRLF may be cut, as it can be on the wire.
    fn cut(stream: &str, pieces: usize) -> String {
        let mut cut = UsageCut::new();
        let mut out = Vec::new();
        let mut lines = 0;
        let mut start = 0;
        for (at, byte) in stream.bytes().enumerate() {
            lines += usize::from(matches!(byte, b'\n' | b'\r'));
            if lines == pieces || at + 1 == stream.len() {
                lines = 0;
                out.extend_from_slice(&cut.cut(Bytes::copy_from_slice(&stream.as_bytes()[start..=at])));
                start = at + 1;
            }
        }
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn nothing_goes_but_what_was_not_asked_for(
            chosen in prop::collection::vec(0..CHUNKS.len(), 0..12),
            pieces in 1usize..20,
        ) {
            let all = |of: fn(&(&'static str, &'static str)) -> &'static str| -> String {
                chosen.iter().map(|at| of(&CHUNKS[*at])).collect()
            };
            prop_assert_eq!(cut(&all(|chunk| chunk.0), pieces), all(|chunk| chunk.1));
        }
    }

    #[test]
    fn a_line_that_is_too_long_to_wait_for_passes_as_it_is() {
        let mut cut = UsageCut::new();
        for piece in ["data: {\"choices\":[{\"text\":\"", "data: ", "\"}],\"usage\":null}\n", "\n"] {
            assert_eq!(cut.cut(Bytes::from(piece)), piece);
        }
        assert_eq!(cut.cut(Bytes::from("data: {\"choices\":[],\"usage\":{}}\n\n")), "");
    }

    #[test]
    fn lines_without_usage_are_not_copied() {
        let mut cut = UsageCut::new();
        let lines = Bytes::from_static(b"data: {\"choices\":[]}\n\n");
        assert_eq!(cut.cut(lines.clone()).as_ptr(), lines.as_ptr());
    }

    #[test]
    fn a_request_asks_for_usage_and_keeps_its_other_options() {
        let asked = |body: &str| {
            let body = Bytes::from(body.to_owned());
            let peek = Peek::of(&body).unwrap();
            let edit = ask(&body, &peek)?;
            Some(String::from_utf8(peek.patch(&body, &[edit]).unwrap().concat()).unwrap())
        };
        let asking = r#"{"stream":true,"stream_options":{"include_usage":true}}"#;
        assert_eq!(asked(r#"{"stream":true}"#).as_deref(), Some(asking));
        assert_eq!(asked(r#"{"stream":true,"stream_options":null}"#).as_deref(), Some(asking));
        assert_eq!(asked(r#"{"stream":true,"stream_options":{}}"#).as_deref(), Some(asking));
        assert_eq!(
            asked(r#"{"stream_options":{ "include_usage": false, "x":1.0 },"stream":true}"#).as_deref(),
            Some(r#"{"stream_options":{ "include_usage": true, "x":1.0 },"stream":true}"#)
        );
        assert_eq!(asked(r#"{"stream_options":{"include_usage":true}}"#), None);
        assert_eq!(asked(r#"{"stream_options":{"include_usage":"yes"}}"#), None);
        assert_eq!(asked(r#"{"stream_options":[]}"#), None);
    }
}
