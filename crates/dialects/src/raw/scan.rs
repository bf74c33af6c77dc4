//! A scanner of JSON bytes that finds the fields of the outermost object and skips their values.

use super::{MAX_DEPTH, malformed};
use crate::canonical::{Class, Failure};
use memchr::memchr2;
use std::ops::Range;

/// A field of the outermost object, as places in the body.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// The key with its quotes.
    pub(super) key: Range<usize>,
    /// The value, without the white space around it.
    pub(super) value: Range<usize>,
}

impl Field {
    /// Whether the key is `name`, escapes resolved.
    pub(super) fn is(&self, body: &[u8], name: &str) -> bool {
        let key = &body[self.key.start + 1..self.key.end - 1];
        if key == name.as_bytes() {
            return true;
        }
        // An escape takes at least one byte more than what it stands for.
        key.len() > name.len()
            && key.contains(&b'\\')
            && serde_json::from_slice::<String>(&body[self.key.clone()]).is_ok_and(|key| key == name)
    }
}

/// The string at `value`; `None` when another kind of value stands there.
pub(super) fn string_at(body: &[u8], value: Range<usize>) -> Result<Option<String>, Failure> {
    if body.get(value.start) != Some(&b'"') {
        return Ok(None);
    }
    let at = value.start;
    serde_json::from_slice(&body[value]).map(Some).map_err(|_| malformed(at, "a broken string"))
}

/// Walks the outermost object from field to field. Never recursive.
pub(super) struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    /// Where the scanner stands.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Enters the outermost object; false when it has no fields, and then it is left again.
    pub(super) fn open_object(&mut self) -> Result<bool, Failure> {
        match self.next_byte() {
            None => {
                return Err(Failure::new(
                    Class::InvalidRequest,
                    "the body is empty; it must be a JSON object",
                ));
            }
            Some(b'{') => self.at += 1,
            Some(_) => return Err(Failure::new(Class::InvalidRequest, "the body must be a JSON object")),
        }
        let empty = self.next_byte() == Some(b'}');
        self.at += usize::from(empty);
        Ok(!empty)
    }

    /// Reads one field.
    pub(super) fn field(&mut self) -> Result<Field, Failure> {
        if self.next_byte() != Some(b'"') {
            return Err(self.expected("a field name"));
        }
        let key = self.at..self.skip_string()?;
        if self.next_byte() != Some(b':') {
            return Err(self.expected("`:`"));
        }
        self.at += 1;
        let start = match self.next_byte() {
            None => return Err(self.expected("a value")),
            Some(_) => self.at,
        };
        self.skip_value()?;
        Ok(Field { key, value: start..self.at })
    }

    /// After a field: whether another follows. Leaves the object when none does.
    pub(super) fn another(&mut self) -> Result<bool, Failure> {
        let more = match self.next_byte() {
            Some(b',') => true,
            Some(b'}') => false,
            _ => return Err(self.expected("`,` or `}`")),
        };
        self.at += 1;
        Ok(more)
    }

    /// After the object: nothing may follow.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        match self.next_byte() {
            None => Ok(()),
            Some(_) => Err(self.expected("the end")),
        }
    }

    /// The next byte that is not white space; the scanner stands on it.
    fn next_byte(&mut self) -> Option<u8> {
        while let Some(&byte) = self.body.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    fn expected(&self, what: &str) -> Failure {
        let found = if self.at < self.body.len() { "expected" } else { "it ends; expected" };
        malformed(self.at, &format!("{found} {what}"))
    }

    fn skip_value(&mut self) -> Result<(), Failure> {
        match self.body[self.at] {
            b'"' => self.skip_string().map(drop),
            b'{' | b'[' => self.skip_nested(),
            _ => self.skip_scalar(),
        }
    }

    /// Skips the string that begins here and gives the place after it.
    fn skip_string(&mut self) -> Result<usize, Failure> {
        let start = self.at;
        self.at += 1;
        while let Some(found) = self.body.get(self.at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
            self.at += found;
            if self.body[self.at] == b'"' {
                self.at += 1;
                return Ok(self.at);
            }
            self.at += 2;
        }
        Err(malformed(start, "a string without an end"))
    }

    /// Skips an object or list: looks at strings and brackets only.
    fn skip_nested(&mut self) -> Result<(), Failure> {
        let start = self.at;
        // One bit per level: whether it is an object. The outermost object stands outside of it.
        let (mut objects, mut depth) = (0_u128, 0_u32);
        while let Some(&byte) = self.body.get(self.at) {
            match byte {
                b'"' => {
                    self.skip_string()?;
                    continue;
                }
                b'{' | b'[' => {
                    if depth + 1 == MAX_DEPTH {
                        let message = format!("the body is nested deeper than {MAX_DEPTH} levels");
                        return Err(Failure::new(Class::InvalidRequest, message));
                    }
                    depth += 1;
                    objects = objects << 1 | u128::from(byte == b'{');
                }
                b'}' | b']' => {
                    if (objects & 1 == 1) != (byte == b'}') {
                        return Err(malformed(self.at, "a bracket that does not match"));
                    }
                    depth -= 1;
                    objects >>= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Ok(());
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        Err(malformed(start, "a bracket that is never closed"))
    }

    /// Skips a number or one of the three words.
    fn skip_scalar(&mut self) -> Result<(), Failure> {
        let rest = &self.body[self.at..];
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.'))
            .unwrap_or(rest.len());
        let scalar = &rest[..length];
        if !matches!(scalar, b"true" | b"false" | b"null") && !is_number(scalar) {
            return Err(self.expected("a value"));
        }
        self.at += length;
        Ok(())
    }
}

/// Whether `text` is a number by JSON's grammar (RFC 8259, section 6).
fn is_number(text: &[u8]) -> bool {
    fn digits(text: &[u8]) -> usize {
        text.iter().take_while(|byte| byte.is_ascii_digit()).count()
    }
    let mut rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest[0] == b'0') {
        return false;
    }
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let length = digits(fraction);
        if length == 0 {
            return false;
        }
        rest = &fraction[length..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        return !exponent.is_empty() && digits(exponent) == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::is_number;

    #[test]
    fn numbers_follow_jsons_grammar() {
        for number in ["0", "-0", "1", "10", "1.5", "-1.50", "1e9", "1E+9", "1.0e-9"] {
            assert!(is_number(number.as_bytes()), "{number}");
        }
        for text in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "1-1", "1.e1", "NaN", "1e1.5"] {
            assert!(!is_number(text.as_bytes()), "{text}");
        }
    }
}
