//! YAML text to a tree with places: the only file that knows the YAML library.
//!
//! Reading follows Python's safe reader, since MLflow's files are written for it: scalars by the rules of YAML 1.1,
//! merge keys, one document, no foreign tags. What aliases expand to is bounded in number and depth.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use granit_parser::{Event, Parser, ScalarStyle, Tag};

use crate::mask::Masks;
use crate::mistake::{Mistakes, Source};
use crate::node::{Content, Document, Node, Span};
use crate::notes::Note;
use crate::scalar;

/// Bytes of the longest text that is read.
pub(crate) const LONGEST: usize = 4 << 20;
/// Nodes of the largest tree, aliases expanded.
const MOST_NODES: usize = 500_000;
/// Depth of the deepest tree, aliases expanded.
const DEEPEST: usize = 64;

/// Why a text cannot be read, and at which byte.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) reason: String,
    pub(crate) at: usize,
}

/// Reads a text.
///
/// # Errors
/// [`Unreadable`] when it is not YAML, or too large.
pub(crate) fn parse(text: &str) -> Result<Document, Unreadable> {
    if text.len() > LONGEST {
        return Err(Unreadable { reason: "the file is longer than 4 MiB".to_owned(), at: 0 });
    }
    if let Some((at, _)) = text.char_indices().find(|(_, c)| !printable(*c)) {
        return Err(Unreadable { reason: "a control character".to_owned(), at });
    }
    let options = granit_parser::options! {
        emit_comments: false,
        block_scalar_eof_without_line_feed: true,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| Unreadable {
            reason: error.kind().to_string(),
            at: error.marker().byte_offset().unwrap_or(0).min(text.len()),
        })?;
        let span = span.byte_range().unwrap_or(0..0);
        let at = span.start;
        builder.take(event, span).map_err(|reason| Unreadable { reason: reason.to_owned(), at })?;
    }
    Ok(builder.document())
}

/// What is said of a text that cannot be read.
pub(crate) fn unreadable(text: &str, file_name: &str, why: Unreadable) -> Mistakes {
    let message = format!("The file at {file_name} is not a valid yaml file");
    let note = Note::mistake(why.at..why.at + 1, message).hint(why.reason);
    let source = Source { text, file: file_name.into(), root: None, masks: Masks::of_text(text) };
    Mistakes::new(vec![source.show(note)])
}

/// The characters that YAML 1.1 allows in a stream.
fn printable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// An anchored tree with its measures.
struct Anchored {
    node: Node,
    size: usize,
    height: usize,
}

/// A collection whose end has not been seen.
struct Open {
    span: Span,
    anchor: usize,
    size: usize,
    height: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    Map { entries: Vec<(Node, Node)>, key: Option<Node> },
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
    anchors: HashMap<usize, Anchored>,
    duplicates: Vec<(String, Span)>,
    aliases: HashMap<usize, Span>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), &'static str> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 { Err("a second document in the file") } else { Ok(()) }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1)?;
                let content = content_of(&text, style, tag.as_deref())?;
                self.put(Node { span, content }, anchor, 1, 1)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.enter(span, anchor, tag.as_deref(), Kind::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.enter(span, anchor, tag.as_deref(), Kind::Map { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(&span),
            Event::Alias(id) => self.expand(id, span),
            _ => Ok(()),
        }
    }

    fn enter(
        &mut self,
        span: Span,
        anchor: usize,
        tag: Option<&Tag>,
        kind: Kind,
    ) -> Result<(), &'static str> {
        let plain = match kind {
            Kind::List(_) => "seq",
            Kind::Map { .. } => "map",
        };
        if tag.is_some_and(|tag| tag.core_suffix() != Some(plain)) {
            return Err("a tag that is not supported");
        }
        self.count(1)?;
        self.open.push(Open { span, anchor, size: 1, height: 1, kind });
        if self.open.len() > DEEPEST { Err("nested too deeply") } else { Ok(()) }
    }

    fn leave(&mut self, end: &Span) -> Result<(), &'static str> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let content = match open.kind {
            Kind::List(elements) => Content::List(elements),
            Kind::Map { entries, .. } => Content::Map(self.settle(entries)?),
        };
        // A block's end is found at what comes next and has no length.
        let end = if end.is_empty() { end.start } else { end.end };
        let span = open.span.start..end.max(open.span.start);
        self.put(Node { span, content }, open.anchor, open.size, open.height)
    }

    fn expand(&mut self, id: usize, span: Span) -> Result<(), &'static str> {
        let anchored = self.anchors.get(&id).ok_or("an alias inside the node that it names")?;
        let (size, height) = (anchored.size, anchored.height);
        self.count(size)?;
        let Some(anchored) = self.anchors.get(&id) else { return Ok(()) };
        if self.open.len() + height > DEEPEST {
            return Err("nested too deeply");
        }
        let node = Node { span: span.clone(), content: anchored.node.content.clone() };
        self.aliases.insert(span.start, anchored.node.span.clone());
        self.put(node, 0, size, height)
    }

    fn count(&mut self, nodes: usize) -> Result<(), &'static str> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MOST_NODES { Err("too many values, aliases expanded") } else { Ok(()) }
    }

    /// Puts a finished node into the collection that is open.
    fn put(&mut self, node: Node, anchor: usize, size: usize, height: usize) -> Result<(), &'static str> {
        if anchor > 0 {
            self.anchors.insert(anchor, Anchored { node: node.clone(), size, height });
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        parent.size += size;
        parent.height = parent.height.max(height + 1);
        match &mut parent.kind {
            Kind::List(elements) => elements.push(node),
            Kind::Map { entries, key } => match key.take() {
                Some(key) => entries.push((key, node)),
                None if node.entries().is_some() || node.elements().is_some() => {
                    return Err("a key that is a collection");
                }
                None => *key = Some(node),
            },
        }
        Ok(())
    }

    /// Applies merge keys and lets the last of two equal keys win.
    fn settle(&mut self, written: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, &'static str> {
        let mut merged: Vec<(Node, Node)> = Vec::new();
        let mut entries: Vec<(Node, Node)> = Vec::with_capacity(written.len());
        let mut places: HashMap<String, usize> = HashMap::new();
        for (key, value) in written {
            if key.text() == Some("<<") {
                merge(&mut merged, &value)?;
                continue;
            }
            let label = format!("{} {}", key.kind(), key.label());
            match places.get(&label) {
                Some(&place) => {
                    self.duplicates.push((key.label(), key.span.clone()));
                    entries[place] = (key, value);
                }
                None => {
                    places.insert(label, entries.len());
                    entries.push((key, value));
                }
            }
        }
        for (key, value) in merged {
            let label = format!("{} {}", key.kind(), key.label());
            if let Entry::Vacant(place) = places.entry(label) {
                place.insert(entries.len());
                entries.push((key, value));
            }
        }
        Ok(entries)
    }

    fn document(self) -> Document {
        Document { root: self.root, duplicates: self.duplicates, aliases: self.aliases }
    }
}

/// The entries that a merge key brings; of two sources the earlier wins.
fn merge(merged: &mut Vec<(Node, Node)>, value: &Node) -> Result<(), &'static str> {
    match &value.content {
        Content::Map(entries) => merged.extend(entries.iter().cloned()),
        Content::List(sources) => {
            for source in sources {
                let entries = source.entries().ok_or("a merge key takes mappings")?;
                merged.extend(entries.iter().cloned());
            }
        }
        _ => return Err("a merge key takes mappings"),
    }
    Ok(())
}

fn content_of(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Content, &'static str> {
    let plain = matches!(style, ScalarStyle::Plain);
    let Some(tag) = tag else {
        return Ok(if plain { scalar::resolve(text) } else { Content::Text(text.to_owned()) });
    };
    match tag.core_suffix() {
        Some("str" | "timestamp") => Ok(Content::Text(text.to_owned())),
        Some("null" | "bool" | "int" | "float") => Ok(scalar::resolve(text)),
        _ if tag.original() == "!" => Ok(Content::Text(text.to_owned())),
        _ => Err("a tag that is not supported"),
    }
}
