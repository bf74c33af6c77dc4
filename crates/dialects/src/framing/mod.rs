//! Frames in bytes: server-sent events, lines and lists of JSON, and AWS's event streams.

mod lines;

pub mod eventstream;
pub mod json_array;
pub mod ndjson;
pub mod sse;

/// The most bytes that one frame may have.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;

/// A frame is larger than its reader accepts. Nothing is read after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one event of the stream is larger than {limit} bytes")]
pub struct FrameTooLarge {
    /// The most bytes that a frame may have.
    pub limit: usize,
}
