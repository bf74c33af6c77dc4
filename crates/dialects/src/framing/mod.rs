//! Frames in bytes: server-sent events and lines of JSON.
