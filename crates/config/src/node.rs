//! A YAML document as a tree in which every node knows where it stands.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::{Map, Number, Value};

use crate::mask::presentable;

/// Bytes of the text.
pub(crate) type Span = Range<usize>;

/// A document.
#[derive(Debug)]
pub(crate) struct Document {
    /// The root; `None` for a text without any node.
    pub(crate) root: Option<Node>,
    /// Keys that stand twice in a mapping: the later one, which wins.
    pub(crate) duplicates: Vec<(String, Span)>,
    /// What the alias that begins at a byte points at.
    pub(crate) aliases: HashMap<usize, Span>,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Where it stands; for an alias, where the alias stands.
    pub(crate) span: Span,
    /// What it is.
    pub(crate) content: Content,
}

/// A value, its plain scalars read by the rules of YAML 1.1, as Python's reader does.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// `null`, `~` or nothing.
    Null,
    /// `true`, `yes`, `on` …
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A text; dates too.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, without duplicates.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries, if it is a mapping.
    pub(crate) fn entries(&self) -> Option<&[(Node, Node)]> {
        match &self.content {
            Content::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The elements, if it is a sequence.
    pub(crate) fn elements(&self) -> Option<&[Node]> {
        match &self.content {
            Content::List(elements) => Some(elements),
            _ => None,
        }
    }

    /// The entry of a mapping with this key.
    pub(crate) fn entry(&self, name: &str) -> Option<&(Node, Node)> {
        self.entries()?.iter().find(|(key, _)| key.text() == Some(name))
    }

    /// The value of a mapping's key.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.entry(name).map(|(_, value)| value)
    }

    /// What to underline for the node as a whole: a mapping's first key, else the node.
    pub(crate) fn head(&self) -> Span {
        match self.entries().and_then(<[_]>::first) {
            Some((key, _)) => key.span.clone(),
            None => self.span.clone(),
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.content {
            Content::Null => "null",
            Content::Bool(_) => "a boolean",
            Content::Int(_) => "a whole number",
            Content::Float(_) => "a number",
            Content::Text(_) => "a string",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
        }
    }

    /// The value as JSON: keys that are not texts are written as texts, numbers that JSON lacks as `null`.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(value) => Value::Bool(*value),
            Content::Int(value) => Number::from_i128(*value).map_or(Value::Null, Value::Number),
            Content::Float(value) => Number::from_f64(*value).map_or(Value::Null, Value::Number),
            Content::Text(text) => Value::String(text.clone()),
            Content::List(elements) => Value::Array(elements.iter().map(Self::to_json).collect()),
            Content::Map(entries) => Value::Object(
                entries.iter().map(|(key, value)| (key.label(), value.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// A scalar as Python's `str()` would say it, for the messages that quote it; a collection by its kind.
    pub(crate) fn label(&self) -> String {
        match &self.content {
            Content::Null => "None".to_owned(),
            Content::Bool(value) => if *value { "True" } else { "False" }.to_owned(),
            Content::Int(value) => value.to_string(),
            Content::Float(value) => value.to_string(),
            Content::Text(text) => text.clone(),
            Content::List(_) | Content::Map(_) => self.kind().to_owned(),
        }
    }

    /// The path, such as `routes.0.model`, of the key or node that stands at `span`.
    pub(crate) fn path_to(&self, span: &Span) -> Option<String> {
        let mut steps = Vec::new();
        self.search(span, &mut steps).then(|| steps.join("."))
    }

    fn search(&self, span: &Span, steps: &mut Vec<String>) -> bool {
        match &self.content {
            Content::List(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    steps.push(index.to_string());
                    if element.span == *span || element.search(span, steps) {
                        return true;
                    }
                    steps.pop();
                }
                false
            }
            Content::Map(entries) => {
                for (key, value) in entries {
                    let label = key.label();
                    steps.push(if presentable(&label) { label } else { "…".to_owned() });
                    if key.span == *span || value.span == *span || value.search(span, steps) {
                        return true;
                    }
                    steps.pop();
                }
                false
            }
            _ => false,
        }
    }
}
