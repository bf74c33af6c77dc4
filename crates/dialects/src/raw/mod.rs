//! JSON that is mostly not understood: a peek at a body's top level, edits of it, and objects read and written field by
//! field. What nobody asks for stays as it was written.

mod bound;
mod draft;
mod object;
mod patch;
mod scan;
mod tap;
mod write;

pub use bound::Bound;
pub use patch::{Edit, patch};
pub use tap::FieldTap;

pub(crate) use draft::Draft;
pub(crate) use object::{Mismatch, Object, Read, each, element, text};
pub(crate) use write::{ArrayWriter, ObjectWriter, to_bytes, to_raw, write_json};

use crate::canonical::{Class, Failure};
use bytes::Bytes;
use patch::splice;
use scan::Scanner;
use std::ops::Range;

/// How deep objects and lists may be nested in a body, the outermost counted.
pub const MAX_DEPTH: u32 = 128;

/// What routing needs of a body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peek {
    /// The top-level `model`, unescaped.
    pub model: Option<String>,
    /// The top-level `stream`, when it is `true`.
    pub stream: bool,
    /// Where the value of `model` stands in the body; `None` where the body has none.
    pub model_at: Option<Range<usize>>,
    /// Where the value of `stream_options` stands.
    pub options_at: Option<Range<usize>>,
    /// Where another field can be added: after the last one. 0 where that is not known.
    pub end: usize,
}

impl Peek {
    /// Reads the top level of a JSON object and skips the rest: brackets must match, but what stands between them is
    /// left for its reader to judge. A `model` that is not a string counts as none.
    ///
    /// # Errors
    /// A [`Failure`] that blames the caller when the body is not one JSON object, is nested deeper than
    /// [`MAX_DEPTH`], or names `model`, `stream` or `stream_options` twice: two readers might each believe another one.
    pub fn of(body: &[u8]) -> Result<Self, Failure> {
        let mut peek = Self::default();
        let mut scanner = Scanner::new(body);
        let mut stream_seen = false;
        let mut more = scanner.open_object()?;
        while more {
            let field = scanner.field()?;
            if field.is(body, "model") {
                if peek.model_at.is_some() {
                    return Err(twice("model"));
                }
                peek.model = scan::string_at(body, field.value.clone())?;
                peek.model_at = Some(field.value.clone());
            } else if field.is(body, "stream") {
                if std::mem::replace(&mut stream_seen, true) {
                    return Err(twice("stream"));
                }
                peek.stream = &body[field.value.clone()] == b"true";
            } else if field.is(body, "stream_options") {
                if peek.options_at.is_some() {
                    return Err(twice("stream_options"));
                }
                peek.options_at = Some(field.value.clone());
            }
            peek.end = field.value.end;
            more = scanner.another()?;
        }
        scanner.end()?;
        Ok(peek)
    }

    /// Does `edits` to the body that was peeked at, as [`patch`] does; where they only set what was seen then, the
    /// body is not read again.
    ///
    /// # Errors
    /// Those of [`patch`].
    pub fn patch(&self, body: &Bytes, edits: &[Edit<'_>]) -> Result<Vec<Bytes>, Failure> {
        let known: Option<Vec<_>> = edits.iter().map(|edit| self.place(edit)).collect();
        match known {
            Some(places) => Ok(splice(body, places)),
            None => patch(body, edits),
        }
    }

    /// Where an edit's value goes, if that is known.
    fn place(&self, edit: &Edit<'_>) -> Option<(Range<usize>, Bytes)> {
        let Edit::Set(name, value) = edit else { return None };
        match (*name, &self.options_at) {
            ("model", _) => Some((self.model_at.clone()?, value.clone())),
            ("stream_options", Some(at)) => Some((at.clone(), value.clone())),
            ("stream_options", None) if self.end > 0 => {
                let field = [b",\"stream_options\":", value.as_ref()].concat();
                Some((self.end..self.end, field.into()))
            }
            _ => None,
        }
    }
}

fn twice(name: &str) -> Failure {
    Failure::invalid(name, format!("the body names `{name}` twice"))
}

fn malformed(at: usize, message: &str) -> Failure {
    Failure::new(Class::InvalidRequest, format!("the body is not valid JSON: {message} at byte {at}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peek(body: &str) -> Result<Peek, String> {
        Peek::of(body.as_bytes()).map_err(|failure| failure.message)
    }

    #[test]
    fn model_and_stream_are_found_wherever_they_stand() {
        let body =
            r#" {"messages":[{"model":"inner","stream":false}],"stream" : true , "model": "a\u0062" } "#;
        let found = peek(body).unwrap();
        assert_eq!(found.model.as_deref(), Some("ab"));
        assert!(found.stream);
        assert_eq!(&body[found.model_at.unwrap()], r#""a\u0062""#);
    }

    #[test]
    fn an_escaped_key_is_the_same_key() {
        assert_eq!(peek(r#"{"mod\u0065l":"a"}"#).unwrap().model.as_deref(), Some("a"));
        assert_eq!(peek(r#"{"mod\u0065l":"a","model":"b"}"#).unwrap_err(), "the body names `model` twice");
        assert_eq!(peek(r#"{"stream":true,"str\u0065am":0}"#).unwrap_err(), "the body names `stream` twice");
    }

    #[test]
    fn a_body_without_them_is_fine() {
        assert_eq!(peek("{}").unwrap(), Peek::default());
        assert_eq!(
            peek(r#"{"stream":"true","a":[],"b":{"c":[{}]}  }"#).unwrap(),
            Peek { end: 38, ..Peek::default() }
        );
        let number = peek(r#"{"model":7}"#).unwrap();
        assert_eq!((number.model, number.model_at), (None, Some(9..10)));
    }

    #[test]
    fn an_edit_of_what_was_seen_is_the_same_as_one_of_a_body_that_is_read_again() {
        let value = |text: &'static str| Bytes::from_static(text.as_bytes());
        let edits = [Edit::Set("model", value("\"b\"")), Edit::Set("stream_options", value("{}"))];
        for body in [
            r#"{"model":"a"}"#,
            r#" { "stream_options" : {"x":1} , "model" : 7 } "#,
            r#"{"model":"a","stream_options":null,"messages":[]}"#,
            r#"{"messages":[]}"#,
            "{}",
        ] {
            let body = Bytes::from(body);
            let spliced = Peek::of(&body).unwrap().patch(&body, &edits).unwrap();
            assert_eq!(spliced.concat(), patch(&body, &edits).unwrap().concat(), "{body:?}");
        }
        let body = Bytes::from_static(br#"{"model":"a","x":1}"#);
        let spliced = Peek::of(&body).unwrap().patch(&body, &edits[..1]).unwrap();
        assert_eq!(spliced[0].as_ptr(), body.as_ptr());
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for body in
            ["", "  ", "[]", "null", "\"a\"", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}"]
        {
            assert!(peek(body).is_err(), "{body}");
        }
        for body in
            ["{\"a\":1}x", "{\"a\" 1}", "{a:1}", "{\"a\":[}]}", "{\"a\":\"b}", "{\"a\":tru}", "{\"a\":01}"]
        {
            assert!(peek(body).is_err(), "{body}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let nested = |lists: usize| format!("{{\"a\":{}{}}}", "[".repeat(lists), "]".repeat(lists));
        assert!(peek(&nested(127)).is_ok());
        assert!(peek(&nested(128)).unwrap_err().contains("nested deeper than 128"));
        assert!(peek(&nested(1_000_000)).unwrap_err().contains("nested deeper than 128"));
    }
}
