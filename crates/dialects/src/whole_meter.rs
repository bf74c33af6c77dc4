//! Usage of an answer that passes in one piece.

use crate::canonical::Usage;
use crate::stream::UsageMeter;

/// Keeps the answer's bytes and reads them when asked. An answer past [`WholeMeter::MOST`] has no usage.
pub(crate) struct WholeMeter {
    seen: Vec<u8>,
    too_long: bool,
    read: fn(&[u8]) -> Option<Usage>,
}

impl WholeMeter {
    /// The most bytes that are kept.
    const MOST: usize = 8 << 20;

    /// A meter that reads the whole answer with `read`.
    pub(crate) fn boxed(read: fn(&[u8]) -> Option<Usage>) -> Box<dyn UsageMeter> {
        Box::new(Self { seen: Vec::new(), too_long: false, read })
    }
}

impl UsageMeter for WholeMeter {
    fn feed(&mut self, bytes: &[u8]) {
        self.too_long |= self.seen.len() + bytes.len() > Self::MOST;
        if self.too_long {
            self.seen = Vec::new();
        } else {
            self.seen.extend_from_slice(bytes);
        }
    }

    fn usage(&self) -> Option<Usage> {
        (self.read)(&self.seen)
    }

    fn finished(&self) -> bool {
        true
    }
}
