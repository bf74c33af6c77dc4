//! What a translation could not carry.

use super::{RawJson, Usage};
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

/// A count that not every API has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Count {
    CacheRead,
    CacheWrite,
    Reasoning,
}

impl Count {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::CacheRead, Self::CacheWrite, Self::Reasoning];

    fn of(self, usage: &Usage) -> Option<u64> {
        match self {
            Self::CacheRead => usage.cache_read_tokens,
            Self::CacheWrite => usage.cache_write_tokens,
            Self::Reasoning => usage.reasoning_tokens,
        }
    }

    /// Its place, in the words of those who have it.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::CacheRead => "usage.prompt_tokens_details.cached_tokens",
            Self::CacheWrite => "usage.cache_creation_input_tokens",
            Self::Reasoning => "usage.completion_tokens_details.reasoning_tokens",
        }
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

    /// Records a loss if there is one.
    pub fn add_if(&mut self, lost: bool, path: impl Into<String>, reason: &'static str) {
        if lost {
            self.add(path, reason);
        }
    }

    /// Records the loss of each of these fields of the object at `path`, which is empty for the body itself.
    pub fn add_fields(&mut self, path: &str, fields: &[(String, RawJson)], reason: &'static str) {
        for (name, _) in fields {
            match path {
                "" => self.add(name, reason),
                path => self.add(format!("{path}.{name}"), reason),
            }
        }
    }

    /// Records the counts of `usage` that a dialect has no field for.
    pub(crate) fn add_counts(&mut self, usage: &Usage, unsayable: &[Count], reason: &'static str) {
        for count in unsayable {
            self.add_if(count.of(usage).is_some_and(|tokens| tokens > 0), count.path(), reason);
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
