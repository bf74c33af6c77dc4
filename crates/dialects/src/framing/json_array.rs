//! A list of JSON objects that is written as it grows: an incremental reader.

use super::{FrameTooLarge, MAX_FRAME};

/// Cuts bytes into the objects of a list. Any chunking gives the same objects, and one that lies whole in a chunk is not
/// copied. An object that stands alone, without a list around it, is given too: errors come so.
///
/// What stands between objects and is neither white space nor a comma or bracket is given byte by byte, for its reader
/// to stumble over.
#[derive(Debug)]
pub struct ArrayReader {
    /// The beginning of an object whose end has not come.
    partial: Vec<u8>,
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The bracket that ends the list was seen.
    closed: bool,
    limit: usize,
    failed: Option<FrameTooLarge>,
}

impl Default for ArrayReader {
    fn default() -> Self {
        Self::with_limit(MAX_FRAME)
    }
}

impl ArrayReader {
    /// A reader of objects of at most [`MAX_FRAME`] bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader of objects of at most `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        let partial = Vec::new();
        Self { partial, depth: 0, in_string: false, escaped: false, closed: false, limit, failed: None }
    }

    /// Takes the next bytes and gives each object that they complete to `on`.
    ///
    /// # Errors
    /// [`FrameTooLarge`], then and ever after.
    pub fn feed(&mut self, bytes: &[u8], mut on: impl FnMut(&[u8])) -> Result<(), FrameTooLarge> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let mut start = 0;
        for (at, byte) in bytes.iter().enumerate() {
            if self.depth == 0 {
                start = at;
                match byte {
                    b'{' => self.depth = 1,
                    b']' => self.closed = true,
                    b'[' | b',' => {}
                    byte if byte.is_ascii_whitespace() => {}
                    _ => on(&bytes[at..=at]),
                }
            } else if self.closes(*byte) {
                self.give(&bytes[start..=at], &mut on)?;
            }
        }
        if self.depth > 0 {
            self.check(bytes.len() - start)?;
            self.partial.extend_from_slice(&bytes[start..]);
        }
        Ok(())
    }

    /// Whether the end of the list was seen.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The stream ended: gives the beginning of an object that was not finished.
    pub fn finish(&mut self, mut on: impl FnMut(&[u8])) {
        if self.failed.is_none() && !self.partial.is_empty() {
            on(&std::mem::take(&mut self.partial));
        }
    }

    /// Whether a byte within an object is its last.
    fn closes(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        self.depth == 0
    }

    fn give(&mut self, rest: &[u8], on: &mut impl FnMut(&[u8])) -> Result<(), FrameTooLarge> {
        self.check(rest.len())?;
        if self.partial.is_empty() {
            on(rest);
        } else {
            self.partial.extend_from_slice(rest);
            on(&std::mem::take(&mut self.partial));
        }
        Ok(())
    }

    fn check(&mut self, more: usize) -> Result<(), FrameTooLarge> {
        if self.partial.len() + more > self.limit {
            self.failed = Some(FrameTooLarge { limit: self.limit });
        }
        self.failed.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects(text: &str, size: usize) -> Vec<String> {
        let (mut reader, mut objects) = (ArrayReader::new(), Vec::new());
        let mut on = |object: &[u8]| objects.push(String::from_utf8_lossy(object).into_owned());
        for chunk in text.as_bytes().chunks(size) {
            reader.feed(chunk, &mut on).expect("short");
        }
        reader.finish(&mut on);
        objects
    }

    #[test]
    fn objects_come_out_whole_however_the_list_is_cut() {
        let text = "[{\"a\": [{}, \"]}\\\"\"]}\n,\r\n{\"b\":{\"c\":\"{\"}}\n]";
        for size in [1, 2, 5, text.len()] {
            assert_eq!(objects(text, size), ["{\"a\": [{}, \"]}\\\"\"]}", "{\"b\":{\"c\":\"{\"}}"], "{size}");
        }
    }

    #[test]
    fn an_object_alone_and_one_that_was_cut_are_given() {
        assert_eq!(objects("{\"error\":{}}", 3), ["{\"error\":{}}"]);
        assert_eq!(objects("[{\"a\":1},{\"b\"", 4), ["{\"a\":1}", "{\"b\""]);
        assert_eq!(objects("[]", 1), Vec::<String>::new());
        assert_eq!(objects("<p>", 2), ["<", "p", ">"]);
    }

    #[test]
    fn an_object_larger_than_the_limit_ends_the_reading() {
        let mut reader = ArrayReader::with_limit(8);
        assert!(reader.feed(b"[{\"a\":1},{\"b\"", |_| ()).is_ok());
        assert!(reader.feed(b":123}", |_| ()).is_err());
        assert!(reader.feed(b"]", |_| ()).is_err());
    }
}
