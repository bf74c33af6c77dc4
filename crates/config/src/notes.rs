//! Everything that is found while a file is checked.

use std::cell::RefCell;

use crate::mask::presentable;
use crate::node::{Node, Span};
use crate::suggest::closest;

/// Notes beyond this number are not kept: no reader wants more, and a hostile file could write millions.
const MOST: usize = 200;

/// The notes of one check.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    strict: bool,
    found: RefCell<Vec<Note>>,
}

/// Something found at a place of the file.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    /// Whether it stops a start.
    pub(crate) fatal: bool,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// What to underline.
    pub(crate) span: Span,
    /// The node or key whose path is told.
    pub(crate) place: Span,
    /// A key that is missing below that place.
    pub(crate) below: Option<String>,
    /// Whether the message wants MLflow's frame with the path.
    pub(crate) framed: bool,
    /// A key that nobody reads: it may turn out to be a misspelt one that is missing.
    unknown: bool,
}

impl Note {
    /// A mistake in words of its own.
    pub(crate) fn mistake(span: Span, message: impl Into<String>) -> Self {
        Self {
            fatal: true,
            message: message.into(),
            hint: None,
            place: span.clone(),
            span,
            below: None,
            framed: false,
            unknown: false,
        }
    }

    /// A key that is missing in a mapping; `key` is where the mapping hangs, if at a key.
    pub(crate) fn missing(node: &Node, key: Option<&Span>, name: &str) -> Self {
        let span = key.filter(|key| !key.is_empty()).cloned().unwrap_or_else(|| node.head());
        let below = Some(name.to_owned());
        Self { place: node.span.clone(), below, framed: true, ..Self::mistake(span, "Field required") }
    }

    /// A value of the wrong shape, said in MLflow's frame.
    pub(crate) fn wrong(span: Span, message: impl Into<String>) -> Self {
        Self { framed: true, ..Self::mistake(span, message) }
    }

    /// A value of the wrong shape, said in MLflow's frame: underlined at its head, with the node's own path.
    pub(crate) fn wrong_node(node: &Node, message: impl Into<String>) -> Self {
        Self { framed: true, place: node.span.clone(), ..Self::mistake(node.head(), message) }
    }

    /// The same, told with the path of this node.
    pub(crate) fn within(self, node: &Node) -> Self {
        Self { place: node.span.clone(), ..self }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Notes {
    pub(crate) fn new(strict: bool) -> Self {
        Self { strict, found: RefCell::default() }
    }

    /// A mistake in words of its own.
    pub(crate) fn mistake(&self, span: Span, message: impl Into<String>) {
        self.add(Note::mistake(span, message));
    }

    /// A value of the wrong shape, said in MLflow's frame.
    pub(crate) fn wrong(&self, span: Span, message: impl Into<String>) {
        self.add(Note::wrong(span, message));
    }

    /// The same for a node: underlined at its head, with its own path.
    pub(crate) fn wrong_node(&self, node: &Node, message: impl Into<String>) {
        self.add(Note::wrong_node(node, message));
    }

    /// A key that is missing in a mapping. When a key that nobody reads looks like it, or is one of `instead`, the
    /// mistake stands there.
    pub(crate) fn missing(&self, node: &Node, key: Option<&Span>, name: &str, instead: &[&str]) {
        let mut note = Note::missing(node, key, name);
        let meant = node.entries().into_iter().flatten().find(|(key, _)| {
            let close = key.text().is_some_and(|text| {
                instead.contains(&text) || closest(text, std::iter::once(name)).is_some()
            });
            close && self.retract_unknown(&key.span)
        });
        if let Some((key, _)) = meant {
            note = Note { span: key.span.clone(), ..note }.hint(format!("did you mean `{name}`?"));
        }
        self.add(note);
    }

    /// Something that does not stop a start.
    pub(crate) fn warning(&self, span: Span, message: impl Into<String>) {
        self.add(Note { fatal: false, ..Note::mistake(span, message) });
    }

    /// A key that nobody reads.
    pub(crate) fn unknown(&self, span: Span, key: &str, meant: Option<&str>) {
        let shown = if presentable(key) { format!("unknown key '{key}'") } else { "unknown key".to_owned() };
        let note = Note { fatal: self.strict, unknown: true, ..Note::mistake(span, shown) };
        self.add(match meant {
            Some(meant) => note.hint(format!("did you mean `{meant}`?")),
            None => note,
        });
    }

    /// A key that stands twice.
    pub(crate) fn duplicate(&self, span: Span, key: &str) {
        let key = if presentable(key) { format!("the key '{key}'") } else { "a key".to_owned() };
        let message = format!("{key} stands twice in this mapping; the last one counts");
        self.add(Note { fatal: self.strict, ..Note::mistake(span, message) });
    }

    /// Adds a note; warnings never crowd out the reason of a refusal.
    pub(crate) fn add(&self, note: Note) {
        let mut found = self.found.borrow_mut();
        if found.len() < MOST {
            found.push(note);
        } else if note.fatal
            && let Some(warning) = found.iter_mut().find(|kept| !kept.fatal)
        {
            *warning = note;
        }
    }

    /// Everything, in the order in which it was found.
    pub(crate) fn into_found(self) -> Vec<Note> {
        self.found.into_inner()
    }

    fn retract_unknown(&self, span: &Span) -> bool {
        let mut found = self.found.borrow_mut();
        let place = found.iter().position(|note| note.unknown && note.span == *span);
        place.map(|place| found.remove(place)).is_some()
    }
}
