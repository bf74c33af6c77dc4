//! What of a file's text may be shown: everything but values that may be secret.
//!
//! A value is shown when its key is known to hold no secret, and blotted out otherwise: a misspelt key, or a
//! credential at the wrong place, must not print what stands there.

use crate::node::{Content, Document, Node, Span};

/// Keys whose plain values are shown.
const SHOWN: &[&str] = &[
    "name",
    "route_type",
    "endpoint_type",
    "type",
    "task_type",
    "routing_strategy",
    "traffic_percentage",
    "provider",
    "api",
    "calls",
    "renewal_period",
    "requests",
    "concurrent",
    "max_body",
    "max_header",
    "max_headers",
    "max_depth",
    "header",
    "body",
    "keep_alive",
    "delay",
    "deadline",
    "connect",
    "first_byte",
    "idle",
    "total",
    "openai_api_type",
    "openai_api_version",
    "anthropic_version",
    "ca_bundle",
    "env",
    "file",
    "display",
    "dialect",
    "path",
    "status",
    "kind",
    "required",
];

/// Keys whose values are shown where they begin as a limit does: `tokens` may be written above a credential.
const LIMITING: &[&str] = &["prompt_tokens", "completion_tokens", "tokens"];

/// Keys whose values are names, shown as far as a key is: a credential may stand there by mistake.
const NAMING: &[&str] = &["secret", "credential"];

/// Stands for the key of a value below `credentials`, whose keys are names that anybody chose.
const CREDENTIAL: &str = "$credential";

/// Stretches of the text that are not shown.
#[derive(Debug, Default)]
pub(crate) struct Masks {
    hidden: Vec<Span>,
}

impl Masks {
    /// Everything that may be secret in a document.
    pub(crate) fn of(document: &Document) -> Self {
        let mut masks = Self::default();
        if let Some(root) = &document.root {
            masks.walk(root, "", document);
        }
        masks.hidden.sort_by_key(|span| (span.start, span.end));
        masks.hidden.dedup();
        masks
    }

    /// For a text that could not be read: nothing but keys, and values whose key stands before them in the line.
    pub(crate) fn of_text(text: &str) -> Self {
        let mut masks = Self::default();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            let from = shown_length(line);
            masks.hidden.push(start + from..start + line.len());
            start += line.len();
        }
        masks
    }

    /// Whether the byte is hidden.
    pub(crate) fn covers(&self, at: usize) -> bool {
        // They do not overlap: each is one scalar.
        let after = self.hidden.partition_point(|span| span.start <= at);
        self.hidden[..after].last().is_some_and(|span| span.contains(&at))
    }

    /// Hides what may be secret in the value of `key`; the elements of a list count as its values.
    fn walk(&mut self, node: &Node, key: &str, document: &Document) {
        match &node.content {
            Content::Map(entries) => {
                for (name, value) in entries {
                    let name = name
                        .text()
                        .filter(|name| presentable(name) && shown_below(key, name))
                        .or_else(|| {
                            self.hidden.push(name.span.clone());
                            None
                        });
                    let key = if key == "credentials" { CREDENTIAL } else { name.unwrap_or_default() };
                    self.walk(value, key, document);
                }
            }
            Content::List(elements) => {
                for element in elements {
                    self.walk(element, key, document);
                }
            }
            Content::Null | Content::Bool(_) => {}
            _ if SHOWN.contains(&key) => {}
            Content::Int(_) if LIMITING.contains(&key) => {}
            Content::Text(text) if LIMITING.contains(&key) && begins_as_a_limit(text) => {}
            Content::Text(name) if NAMING.contains(&key) && presentable(name) => {}
            _ => {
                self.hidden.push(node.span.clone());
                if let Some(target) = document.aliases.get(&node.span.start) {
                    self.hidden.push(target.clone());
                }
            }
        }
    }
}

/// Where a credential belongs, a mapping's key may be one that was meant as a value.
fn shown_below(key: &str, name: &str) -> bool {
    let form = || matches!(name, "env" | "file" | "command" | "timeout" | "ttl" | "secret" | "credential");
    !(key.ends_with("_key") || key == CREDENTIAL) || form()
}

/// Whether it is a number and, after a space or a slash, a few words.
fn begins_as_a_limit(text: &str) -> bool {
    let digits = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'_').count();
    (1..=16).contains(&digits) && text.len() <= 40 && text[digits..].starts_with([' ', '/'])
}

/// How much of a line of an unreadable text can be shown: its first key, and the value when that is known to be plain.
fn shown_length(line: &str) -> usize {
    let indent = line.len() - line.trim_start_matches([' ', '\t', '-']).len();
    let rest = &line[indent..];
    let word = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')).count();
    let (key, after) = rest.split_at(word);
    match after.strip_prefix(':') {
        Some(value) if SHOWN.contains(&key) && !value.contains([':', '{', '[']) => line.len(),
        Some(_) if word <= 40 => indent + word + 1,
        _ => indent,
    }
}

/// Whether a key can be repeated: what looks unlike a key may be a credential at the wrong place.
pub(crate) fn presentable(key: &str) -> bool {
    key.len() <= 40
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '<'))
        && key.chars().filter(char::is_ascii_digit).count() <= 4
        && !key.starts_with("sk-")
}
