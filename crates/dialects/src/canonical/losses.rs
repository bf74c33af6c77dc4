//! What a translation could not carry.

use std::fmt;

/// One thing that a dialect could not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// JSON path in the body as the sender wrote it, such as `messages[2].name`.
    pub path: String,
    /// Why, for the person who reads the report.
    pub reason: &'static str,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.path, self.reason)
    }
}

/// Everything that a translation could not carry. Bounded: past [`Losses::MOST`] entries only the count grows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    listed: Vec<Loss>,
    count: usize,
}

impl Losses {
    /// The most entries that are kept.
    pub const MOST: usize = 64;

    /// Records a loss.
    pub fn add(&mut self, path: impl Into<String>, reason: &'static str) {
        self.count += 1;
        if self.listed.len() < Self::MOST {
            self.listed.push(Loss { path: path.into(), reason });
        }
    }

    /// How many there were, those past the bound included.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first losses, at most [`Losses::MOST`].
    pub fn iter(&self) -> impl Iterator<Item = &Loss> {
        self.listed.iter()
    }
}
