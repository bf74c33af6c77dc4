//! What both contracts share when lockgate is the client of another MLflow gateway.

use crate::canonical::{Losses, Scale, Temperature};

/// Why `max_completion_tokens` is written as `max_tokens`.
pub(crate) const COMPLETION_PARAMETER: &str = "MLflow's contract has `max_tokens` alone, which takes its place";

/// A temperature on a unified scale from 0 to `range`.
pub(crate) fn scaled(temperature: &Temperature, range: f64) -> f64 {
    match temperature.scale {
        Scale::OfRange(given) if given > 0.0 => temperature.value * (range / given),
        // The provider behind is unknown: most take 0 to 2, as OpenAI does.
        Scale::OfRange(_) | Scale::Absolute => temperature.value.min(2.0) * (range / 2.0),
    }
}

/// Records a loss if `lost`.
pub(crate) fn lose(lost: bool, path: &str, reason: &'static str, losses: &mut Losses) {
    if lost {
        losses.add(path, reason);
    }
}
