//! JSON as Python's `json` module reads it: what it takes, what it refuses, and where it says the mistake is.
//!
//! Unlike the JSON of the other dialects it takes `NaN` and `Infinity`, lets the last of two equal keys win, and
//! names a mistake by its place in characters. Numbers stay as they were written.

use crate::raw::MAX_DEPTH;
use indexmap::IndexMap;
use std::borrow::Cow;

/// A JSON value that borrows from the body's text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    /// A number as it was written.
    Number(&'a str),
    /// `NaN`, `Infinity` or `-Infinity`, which Python reads and JSON cannot say.
    NotFinite(f64),
    Text(Cow<'a, str>),
    List(Vec<Self>),
    Object(Object<'a>),
}

/// The fields of an object, each name once, in the order of their first appearance.
pub(crate) type Object<'a> = Vec<(Cow<'a, str>, Json<'a>)>;

/// The value of `name`.
pub(crate) fn get<'o, 'a>(object: &'o Object<'a>, name: &str) -> Option<&'o Json<'a>> {
    object.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Why a text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// Python's words for the mistake and its place in characters.
    At(&'static str, usize),
    /// A number with more digits than Python converts.
    TooManyDigits,
}

/// The longest integer that Python converts, in digits (`sys.int_info.default_max_str_digits`).
const DIGITS: usize = 4300;

/// Reads one JSON value and nothing after it.
///
/// # Errors
/// The [`Mistake`] that Python reports; deeper nesting than [`MAX_DEPTH`] and lone surrogates too.
pub(crate) fn parse(text: &str) -> Result<Json<'_>, Mistake> {
    let mut scanner = Scanner { text, at: 0, depth: 0 };
    scanner.skip_space();
    let value = scanner.value().and_then(|value| {
        scanner.skip_space();
        if scanner.at == text.len() { Ok(value) } else { Err(Stop::At("Extra data", scanner.at)) }
    });
    value.map_err(|stop| match stop {
        Stop::At(what, byte) => {
            Mistake::At(what, text.as_bytes()[..byte].iter().filter(|b| is_start(**b)).count())
        }
        Stop::TooManyDigits => Mistake::TooManyDigits,
    })
}

/// Whether `byte` begins a character of UTF-8.
fn is_start(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}

/// A mistake and its place in bytes.
enum Stop {
    At(&'static str, usize),
    TooManyDigits,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
}

impl<'a> Scanner<'a> {
    fn value(&mut self) -> Result<Json<'a>, Stop> {
        let rest = &self.text[self.at..];
        match rest.as_bytes().first() {
            Some(b'"') => self.string().map(Json::Text),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            _ => {
                const WORDS: [(&str, Json<'static>); 6] = [
                    ("null", Json::Null),
                    ("true", Json::Bool(true)),
                    ("false", Json::Bool(false)),
                    ("NaN", Json::NotFinite(f64::NAN)),
                    ("Infinity", Json::NotFinite(f64::INFINITY)),
                    ("-Infinity", Json::NotFinite(f64::NEG_INFINITY)),
                ];
                for (word, value) in WORDS {
                    if rest.starts_with(word) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                self.number()
            }
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Json<'a>, Stop>) -> Result<Json<'a>, Stop> {
        if self.depth == MAX_DEPTH {
            return Err(Stop::At("Nested too deeply", self.at));
        }
        self.depth += 1;
        self.at += 1;
        self.skip_space();
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Json<'a>, Stop> {
        let mut fields: IndexMap<Cow<'a, str>, Json<'a>> = IndexMap::new();
        if self.take(b'}') {
            return Ok(Json::Object(Vec::new()));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(Stop::At("Expecting property name enclosed in double quotes", self.at));
            }
            let name = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(Stop::At("Expecting ':' delimiter", self.at));
            }
            self.skip_space();
            let value = self.value()?;
            fields.insert(name, value);
            self.skip_space();
            if self.take(b'}') {
                return Ok(Json::Object(fields.into_iter().collect()));
            }
            self.comma()?;
        }
    }

    fn list(&mut self) -> Result<Json<'a>, Stop> {
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Json::List(items));
            }
            self.comma()?;
        }
    }

    fn comma(&mut self) -> Result<(), Stop> {
        if !self.take(b',') {
            return Err(Stop::At("Expecting ',' delimiter", self.at));
        }
        self.skip_space();
        Ok(())
    }

    fn number(&mut self) -> Result<Json<'a>, Stop> {
        let bytes = self.text.as_bytes();
        let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
        let first = self.at + usize::from(self.peek() == Some(b'-'));
        let whole = if bytes.get(first) == Some(&b'0') { 1 } else { digits(first) };
        if whole == 0 {
            return Err(Stop::At("Expecting value", self.at));
        }
        let mut end = first + whole;
        if bytes.get(end) == Some(&b'.') && digits(end + 1) > 0 {
            end += 1 + digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let power = if end + 1 + sign < bytes.len() { digits(end + 1 + sign) } else { 0 };
            if power > 0 {
                end += 1 + sign + power;
            }
        }
        if end == first + whole && whole > DIGITS {
            return Err(Stop::TooManyDigits);
        }
        let number = &self.text[self.at..end];
        self.at = end;
        Ok(Json::Number(number))
    }

    /// Reads a string, the opening quote next.
    fn string(&mut self) -> Result<Cow<'a, str>, Stop> {
        let begin = self.at;
        let mut piece = begin + 1;
        let mut unescaped = String::new();
        loop {
            let bytes = &self.text.as_bytes()[piece..];
            let length = bytes.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1F));
            let Some(length) = length else {
                return Err(Stop::At("Unterminated string starting at", begin));
            };
            let text = &self.text[piece..piece + length];
            let stop = piece + length;
            match bytes[length] {
                b'"' => {
                    self.at = stop + 1;
                    return Ok(if unescaped.is_empty() {
                        Cow::Borrowed(text)
                    } else {
                        unescaped.push_str(text);
                        Cow::Owned(unescaped)
                    });
                }
                b'\\' => {
                    unescaped.push_str(text);
                    let (character, next) = self.escape(stop, begin)?;
                    unescaped.push(character);
                    piece = next;
                }
                _ => return Err(Stop::At("Invalid control character at", stop)),
            }
        }
    }

    /// Reads the escape whose backslash stands at `slash`; answers the character and where the text goes on.
    fn escape(&self, slash: usize, begin: usize) -> Result<(char, usize), Stop> {
        let character = match self.text.as_bytes().get(slash + 1) {
            None => return Err(Stop::At("Unterminated string starting at", begin)),
            Some(b'u') => return self.unicode_escape(slash),
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(*c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(_) => return Err(Stop::At("Invalid \\escape", slash)),
        };
        Ok((character, slash + 2))
    }

    fn unicode_escape(&self, slash: usize) -> Result<(char, usize), Stop> {
        let invalid = |slash: usize| Stop::At("Invalid \\uXXXX escape", slash + 1);
        let lone = Stop::At("Lone surrogate", slash);
        let first = self.four_hex(slash + 2).ok_or_else(|| invalid(slash))?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first).map(|c| (c, slash + 6)).ok_or(lone);
        }
        // Python looks for the second half only when a character follows it.
        let second = slash + 6;
        let bytes = self.text.as_bytes();
        if bytes.len() <= second + 6 || &bytes[second..second + 2] != b"\\u" {
            return Err(lone);
        }
        let low = self.four_hex(second + 2).ok_or_else(|| invalid(second))?;
        if !(0xDC00..0xE000).contains(&low) {
            return Err(lone);
        }
        let joined = 0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00);
        char::from_u32(joined).map(|c| (c, second + 6)).ok_or(lone)
    }

    /// Four hexadecimal digits with something after them, as Python wants it.
    fn four_hex(&self, from: usize) -> Option<u32> {
        let bytes = self.text.as_bytes();
        let digits = bytes.get(from..from + 4).filter(|_| bytes.len() > from + 4)?;
        digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
    }

    fn skip_space(&mut self) {
        let space = |b: &&u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.text.as_bytes()[self.at..].iter().take_while(space).count();
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }
}
