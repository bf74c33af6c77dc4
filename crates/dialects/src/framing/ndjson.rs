//! Lines of JSON: an incremental reader.

use super::lines::{Line, Lines};
use super::{FrameTooLarge, MAX_FRAME};

/// Cuts bytes into lines. Any chunking gives the same lines, blank ones are skipped, and a line that lies whole in a
/// chunk is not copied.
#[derive(Debug)]
pub struct LineReader {
    lines: Lines,
    failed: Option<FrameTooLarge>,
}

impl Default for LineReader {
    fn default() -> Self {
        Self::with_limit(MAX_FRAME)
    }
}

impl LineReader {
    /// A reader of lines of at most [`MAX_FRAME`] bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A reader of lines of at most `limit` bytes.
    pub fn with_limit(limit: usize) -> Self {
        Self { lines: Lines::new(limit, false), failed: None }
    }

    /// Takes the next bytes and gives each line that they complete to `on`, without white space around it.
    ///
    /// # Errors
    /// [`FrameTooLarge`], then and ever after.
    pub fn feed(&mut self, bytes: &[u8], mut on: impl FnMut(&[u8])) -> Result<(), FrameTooLarge> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        let fed = self.lines.feed(bytes, |line| {
            let (Line::InChunk(line) | Line::Joined(line)) = line;
            give(line, &mut on);
            Ok(())
        });
        self.failed = fed.err();
        fed
    }

    /// The stream ended: gives the last line to `on` if no line end followed it.
    pub fn finish(&mut self, mut on: impl FnMut(&[u8])) {
        if let Some(rest) = self.lines.rest().filter(|_| self.failed.is_none()) {
            give(&rest, &mut on);
        }
    }
}

fn give(line: &[u8], on: &mut impl FnMut(&[u8])) {
    let line = line.trim_ascii();
    if !line.is_empty() {
        on(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&str]) -> Vec<String> {
        let mut reader = LineReader::new();
        let mut lines = Vec::new();
        let mut on = |line: &[u8]| lines.push(String::from_utf8(line.to_vec()).unwrap());
        for chunk in chunks {
            reader.feed(chunk.as_bytes(), &mut on).unwrap();
        }
        reader.finish(&mut on);
        lines
    }

    #[test]
    fn lines_are_joined_across_chunks_and_blank_ones_skipped() {
        assert_eq!(lines(&["{\"a\"", ":1}\r\n\n {", "}\n[", "]"]), ["{\"a\":1}", "{}", "[]"]);
        assert_eq!(lines(&["{}\n"]), ["{}"]);
    }

    #[test]
    fn a_line_larger_than_the_limit_ends_the_reading() {
        let mut reader = LineReader::with_limit(4);
        assert!(reader.feed(b"1234\n123", |_| ()).is_ok());
        assert!(reader.feed(b"45\n", |_| ()).is_err());
        assert!(reader.feed(b"1\n", |_| ()).is_err());
    }
}
