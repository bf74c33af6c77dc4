//! Lines in chunks of bytes. A line that lies whole in a chunk is not copied.

use super::FrameTooLarge;
use memchr::{memchr, memchr2};

/// Cuts bytes into lines that end in LF or CRLF, and in CR alone where the format says so.
#[derive(Debug)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// The last line ended in CR, so that an LF right after it belongs to it.
    after_cr: bool,
    /// Whether a CR alone ends a line.
    cr_ends: bool,
    limit: usize,
}

/// A line without its end.
pub(super) enum Line<'chunk, 'joined> {
    /// It stands in the chunk.
    InChunk(&'chunk [u8]),
    /// It began in an earlier chunk.
    Joined(&'joined [u8]),
}

impl Lines {
    pub(super) fn new(limit: usize, cr_ends: bool) -> Self {
        Self { partial: Vec::new(), after_cr: false, cr_ends, limit }
    }

    /// Gives each line that `bytes` ends to `take`.
    pub(super) fn feed<'chunk>(
        &mut self,
        mut bytes: &'chunk [u8],
        mut take: impl FnMut(Line<'chunk, '_>) -> Result<(), FrameTooLarge>,
    ) -> Result<(), FrameTooLarge> {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = self.find_end(bytes) {
            let line = &bytes[..end];
            self.check(line.len())?;
            let ended_in_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if ended_in_cr {
                self.after_cr = bytes.is_empty();
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
            if self.partial.is_empty() {
                take(Line::InChunk(line))?;
            } else {
                self.partial.extend_from_slice(line);
                take(Line::Joined(&self.partial))?;
                self.partial.clear();
            }
        }
        self.check(bytes.len())?;
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// The line that no end followed, if there is one.
    pub(super) fn rest(&mut self) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.partial);
        (!rest.is_empty()).then_some(rest)
    }

    fn find_end(&self, bytes: &[u8]) -> Option<usize> {
        if self.cr_ends { memchr2(b'\n', b'\r', bytes) } else { memchr(b'\n', bytes) }
    }

    fn check(&self, more: usize) -> Result<(), FrameTooLarge> {
        if self.partial.len() + more > self.limit {
            return Err(FrameTooLarge { limit: self.limit });
        }
        Ok(())
    }
}
