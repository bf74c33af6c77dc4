//! A mistake as its reader sees it: what is wrong, where, and what was probably meant.

use std::fmt;
use std::sync::Arc;

use crate::mask::Masks;
use crate::node::{Document, Node, Span};
use crate::notes::Note;

/// What MLflow says before the path of a value that is wrong.
const FRAME: &str = "The gateway configuration is invalid: ";

/// Something wrong, or odd, in a file.
#[derive(Debug, Clone)]
pub struct Mistake {
    /// What is wrong, in MLflow's words where it has some.
    pub message: String,
    /// What was probably meant.
    pub hint: Option<String>,
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in the line, in characters, from 1.
    pub column: usize,
    /// The path of the place, such as `routes.0.model.provider`; empty at the root.
    pub path: String,
    file: Arc<str>,
    /// The line with everything that may be secret blotted out.
    excerpt: String,
    /// Where the underlining begins in `excerpt`, and how long it is, in characters.
    underlined: (usize, usize),
}

impl Mistake {
    /// What is wrong and what was meant, in one line, for whoever sent the part at `path`.
    pub(crate) fn short(&self, path: &str) -> String {
        let message = self.message.strip_prefix(FRAME).unwrap_or(&self.message);
        let below = self.path.strip_prefix(path).unwrap_or(&self.path).trim_start_matches('.');
        let message = message.strip_prefix(path).unwrap_or(message).trim_start_matches(['.', ':', ' ']);
        let named = below.is_empty() || message.starts_with(below);
        let message = if named { message.to_owned() } else { format!("{below}: {message}") };
        match &self.hint {
            Some(hint) => format!("{message} ({hint})"),
            None => message,
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{}", self.message)?;
        writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.excerpt)?;
        write!(f, "{margin} | {}{}", " ".repeat(self.underlined.0), "^".repeat(self.underlined.1))?;
        match &self.hint {
            Some(hint) => write!(f, "\n{margin} = {hint}"),
            None => Ok(()),
        }
    }
}

/// All mistakes of a file, in its order; never empty.
#[derive(Debug, Clone)]
pub struct Mistakes {
    all: Vec<Mistake>,
}

impl Mistakes {
    pub(crate) fn new(all: Vec<Mistake>) -> Self {
        Self { all }
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Mistake> {
        self.all.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Never true: without a mistake there is a config.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.all.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

impl<'a> IntoIterator for &'a Mistakes {
    type Item = &'a Mistake;
    type IntoIter = std::slice::Iter<'a, Mistake>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A file's text, for showing what notes are about.
pub(crate) struct Source<'a> {
    pub(crate) text: &'a str,
    pub(crate) file: Arc<str>,
    pub(crate) root: Option<&'a Node>,
    pub(crate) masks: Masks,
}

impl<'a> Source<'a> {
    /// A text that could be read.
    pub(crate) fn of(text: &'a str, file_name: &str, document: &'a Document) -> Self {
        Self { text, file: file_name.into(), root: document.root.as_ref(), masks: Masks::of(document) }
    }

    /// Turns a note into what its reader sees.
    pub(crate) fn show(&self, note: Note) -> Mistake {
        let at = floor(self.text, note.span.start);
        let start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = self.text[at..].find(['\n', '\r']).map_or(self.text.len(), |newline| at + newline);
        let path = self.path(&note);
        let message = match (note.framed, path.is_empty()) {
            (false, _) => note.message,
            (true, true) => format!("{FRAME}{}", note.message),
            (true, false) => format!("{FRAME}{path}: {}", note.message),
        };
        let (excerpt, underlined) =
            self.excerpt(start..end, at..floor(self.text, note.span.end.clamp(at, end)));
        Mistake {
            message: presentable(&message),
            hint: note.hint,
            line: self.text[..start].matches('\n').count() + 1,
            column: self.text[start..at].chars().count() + 1,
            path,
            file: Arc::clone(&self.file),
            excerpt,
            underlined,
        }
    }

    fn path(&self, note: &Note) -> String {
        let place = self.root.and_then(|root| root.path_to(&note.place)).unwrap_or_default();
        match &note.below {
            None => place,
            Some(key) if place.is_empty() => key.clone(),
            Some(key) => format!("{place}.{key}"),
        }
    }

    /// A line cut to a readable length around the place, and the part to underline.
    fn excerpt(&self, line: Span, place: Span) -> (String, (usize, usize)) {
        const BEFORE: usize = 60;
        const LONGEST: usize = 120;
        let first = self.text[line.start..place.start].chars().count().saturating_sub(BEFORE);
        let mut shown = String::new();
        let mut underlined = (0, 0);
        if first > 0 {
            shown.push('…');
            underlined.0 = 1;
        }
        for (offset, c) in self.text[line.clone()].char_indices().skip(first).take(LONGEST) {
            let at = line.start + offset;
            if at < place.start {
                underlined.0 += 1;
            } else if at < place.end {
                underlined.1 += 1;
            }
            shown.push(match c {
                _ if self.masks.covers(at) => '*',
                '\t' => ' ',
                c if c.is_control() => '?',
                c => c,
            });
        }
        if self.text[line].chars().nth(first + LONGEST).is_some() {
            shown.push('…');
        }
        (shown, (underlined.0, underlined.1.max(1)))
    }
}

/// A message that quotes the file, of bounded length and without characters that a terminal would obey.
fn presentable(message: &str) -> String {
    const LONGEST: usize = 1000;
    let mut shown = String::new();
    for (index, c) in message.chars().enumerate() {
        match c {
            _ if index == LONGEST => {
                shown.push('…');
                break;
            }
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// The closest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
