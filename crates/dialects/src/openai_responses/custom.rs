//! Custom tools, whose input is plain text.
//!
//! Other APIs have functions alone. There a custom tool is a function with one argument of text, whose name marks it, so
//! that a call of it is told as the custom call that the client waits for, without memory of the request.

use crate::canonical::RawJson;
use crate::raw::{Object, to_raw};
use serde_json::json;
use serde_json::value::RawValue;

/// The argument that holds a custom tool's input.
const INPUT: &str = "lockgate_tool_input";

/// The schema of the function that stands for a custom tool, with the grammar of its input where it has one.
pub(super) fn schema(format: Option<&RawValue>) -> RawJson {
    let description = match format.and_then(grammar) {
        Some((syntax, definition)) => {
            format!("The whole input of the tool. It must match this {syntax} grammar:\n{definition}")
        }
        None => "The whole input of the tool, as plain text.".to_owned(),
    };
    to_raw(&json!({
        "type": "object",
        "properties": { INPUT: { "type": "string", "description": description } },
        "required": [INPUT],
        "additionalProperties": false,
    }))
}

fn grammar(format: &RawValue) -> Option<(String, String)> {
    let mut format = Object::of(format).ok()?;
    Some((format.string("syntax").ok()??, format.string("definition").ok()??))
}

/// Whether a schema is one that [`schema`] made.
pub(super) fn is_schema(parameters: &RawValue) -> bool {
    let properties = Object::of(parameters).and_then(|mut schema| schema.need_object("properties"));
    properties.is_ok_and(|mut properties| properties.take(INPUT).is_some() && properties.is_empty())
}

/// A custom call's input as the arguments of a function.
pub(super) fn arguments(input: &str) -> String {
    format!("{}{}{}", opening(), piece(input), CLOSING)
}

/// What stands before the input within [`arguments`].
pub(super) fn opening() -> String {
    format!("{{\"{INPUT}\":\"")
}

/// A piece of the input within [`arguments`].
pub(super) fn piece(input: &str) -> String {
    let quoted = to_raw(input);
    let quoted = quoted.get();
    quoted[1..quoted.len() - 1].to_owned()
}

/// What stands after the input within [`arguments`].
pub(super) const CLOSING: &str = "\"}";

/// The input of a custom call whose arguments a model wrote; `None` where the call is one of a function.
pub(super) fn input(arguments: &str) -> Option<String> {
    let mut reader = Reader::default();
    match reader.feed(arguments) {
        Told::Input(input) => Some(input),
        Told::Nothing | Told::Function(_) => None,
    }
}

/// Reads a call's arguments as they grow.
#[derive(Debug, Default)]
pub(super) struct Reader {
    state: State,
    /// What is held until it can be told: all while it is not clear what the call is, then an escape that is cut.
    held: String,
}

#[derive(Debug, Default)]
enum State {
    /// Not enough was seen to tell.
    #[default]
    Unclear,
    Function,
    Input,
    Ended,
}

/// What a piece of arguments says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing yet.
    Nothing,
    /// More arguments of a function.
    Function(String),
    /// More input of a custom tool.
    Input(String),
}

impl Reader {
    /// Takes the next piece of arguments.
    pub(super) fn feed(&mut self, piece: &str) -> Told {
        match self.state {
            State::Function => Told::Function(piece.to_owned()),
            State::Ended => Told::Nothing,
            State::Input => {
                self.held.push_str(piece);
                self.unescape()
            }
            State::Unclear => {
                self.held.push_str(piece);
                match after_opening(&self.held) {
                    Opening::Cut => Told::Nothing,
                    Opening::Other => {
                        self.state = State::Function;
                        Told::Function(std::mem::take(&mut self.held))
                    }
                    Opening::At(start) => {
                        self.state = State::Input;
                        self.held.drain(..start);
                        self.unescape()
                    }
                }
            }
        }
    }

    /// What is held of a function's arguments when nothing more comes; `None` where the call is of a custom tool.
    pub(super) fn end(&mut self) -> Option<String> {
        match self.state {
            State::Unclear => {
                self.state = State::Function;
                Some(std::mem::take(&mut self.held))
            }
            State::Function => Some(String::new()),
            State::Input | State::Ended => None,
        }
    }

    /// Takes what is whole of the string that is held.
    fn unescape(&mut self) -> Told {
        let (whole, ended) = whole_of(&self.held);
        let raw: String = self.held.drain(..whole).collect();
        if ended {
            self.state = State::Ended;
            self.held.clear();
        }
        // What is no valid JSON text is told as it stands.
        Told::Input(serde_json::from_str(&format!("\"{raw}\"")).unwrap_or(raw))
    }
}

enum Opening {
    Cut,
    Other,
    At(usize),
}

/// Where the input begins in arguments; models may put white space between the tokens.
fn after_opening(text: &str) -> Opening {
    let wanted = opening();
    let mut wanted = wanted.bytes().peekable();
    let mut in_name = false;
    for (at, byte) in text.bytes().enumerate() {
        if !in_name && byte.is_ascii_whitespace() {
            continue;
        }
        if wanted.next() != Some(byte) {
            return Opening::Other;
        }
        in_name ^= byte == b'"';
        if wanted.peek().is_none() {
            return Opening::At(at + 1);
        }
    }
    Opening::Cut
}

/// How many bytes of a JSON string's inside can be read alone, and whether its end was met.
fn whole_of(text: &str) -> (usize, bool) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return (at, true),
            b'\\' => match escape_length(&bytes[at..]) {
                Some(length) => at += length,
                None => return (at, false),
            },
            _ => at += 1,
        }
    }
    (at, false)
}

/// The length of the escape at the start, both halves of a pair of surrogates taken together; `None` if it is cut.
fn escape_length(bytes: &[u8]) -> Option<usize> {
    if *bytes.get(1)? != b'u' {
        return Some(2);
    }
    let first = bytes.get(2..6)?;
    let high = matches!(first, [b'd' | b'D', b'8' | b'9' | b'a' | b'A' | b'b' | b'B', ..]);
    match (high, bytes.get(6), bytes.get(7)) {
        (false, ..) => Some(6),
        (true, Some(b'\\'), Some(b'u')) => (bytes.len() >= 12).then_some(12),
        (true, Some(b'\\'), None) | (true, None, _) => None,
        (true, ..) => Some(6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&str]) -> (String, Option<String>) {
        let (mut reader, mut function, mut custom) = (Reader::default(), String::new(), String::new());
        for piece in pieces {
            match reader.feed(piece) {
                Told::Nothing => {}
                Told::Function(more) => function.push_str(&more),
                Told::Input(more) => custom.push_str(&more),
            }
        }
        let rest = reader.end().map(|rest| function + &rest);
        (custom, rest)
    }

    #[test]
    fn a_custom_tools_input_comes_back_in_any_pieces() {
        let text = "*** Begin \"Patch\"\\\n\u{1F600}\té";
        for whole in [arguments(text), arguments(text).replace('😀', "\\ud83d\\ude00")] {
            assert_eq!(input(&whole).as_deref(), Some(text));
            for cut in (1..whole.len()).filter(|cut| whole.is_char_boundary(*cut)) {
                let (first, second) = whole.split_at(cut);
                assert_eq!(read(&[first, second]), (text.to_owned(), None), "{first}|{second}");
            }
        }
        let spaced = format!("{{ \n \"{INPUT}\" : \"a\" }}");
        assert_eq!(input(&spaced).as_deref(), Some("a"));
    }

    #[test]
    fn a_functions_arguments_stay_as_they_are() {
        for pieces in
            [&["{", "\"city\":", "\"x\"}"][..], &["{}"], &[""], &["{\"lockgate", "\":1}"], &["nonsense"]]
        {
            assert_eq!(read(pieces), (String::new(), Some(pieces.concat())));
        }
    }

    #[test]
    fn a_broken_escape_is_told_as_it_stands_and_breaks_nothing() {
        let broken = format!("{}a\\", opening());
        assert_eq!(input(&broken).as_deref(), Some("a"));
        assert_eq!(input(&format!("{}\\x\"}}", opening())).as_deref(), Some("\\x"));
        assert_eq!(input(&format!("{}\\ud83dx\"}}", opening())).as_deref(), Some("\\ud83dx"));
        assert_eq!(input(&format!("{}\\é\"}}", opening())).as_deref(), Some("\\é"));
        assert_eq!(input(&format!("{}\\u00é0\"}}", opening())).as_deref(), Some("\\u00é0"));
    }

    #[test]
    fn only_the_schema_of_a_custom_tool_is_one() {
        assert!(is_schema(&schema(None)));
        let format = to_raw(&json!({"type": "grammar", "syntax": "lark", "definition": "start: A"}));
        assert!(schema(Some(&format)).get().contains("lark grammar"));
        for other in ["{}", "1", r#"{"properties":{"a":{}}}"#] {
            assert!(!is_schema(&RawValue::from_string(other.to_owned()).expect("JSON")));
        }
    }
}
