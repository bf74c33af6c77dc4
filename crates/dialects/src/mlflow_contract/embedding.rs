//! Vectors as numbers.

use crate::canonical::{RawJson, Vector};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A vector as a list of numbers. `None` when it is not base64 of 32-bit floats.
pub(crate) fn numbers(vector: &Vector) -> Option<RawJson> {
    let text = match vector {
        Vector::Numbers(raw) => return Some(raw.clone()),
        Vector::Base64(text) => text,
    };
    let bytes = STANDARD.decode(text).ok()?;
    let (floats, rest) = bytes.as_chunks::<4>();
    let floats: Vec<f32> = floats.iter().map(|four| f32::from_le_bytes(*four)).collect();
    if rest.is_empty() { serde_json::value::to_raw_value(&floats).ok() } else { None }
}
