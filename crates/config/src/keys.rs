//! Credentials: MLflow's string forms, and two that say what they are.

use std::io::ErrorKind;

use crate::check::Check;
use crate::node::{Content, Node};
use crate::secret::Secret;

/// MLflow's text for a key that is not a string.
const NOT_A_STRING: &str = "The api key provided is not a string. Please provide either an environment variable key, a \
     path to a file containing the api key, or the api key itself";
/// Bytes of the longest key file.
const LONGEST: usize = 64 << 10;

/// The credential that a `*_api_key` names; what is wrong is noted, without its content.
pub(crate) fn resolve(check: &Check<'_>, node: &Node) -> Option<Secret> {
    match &node.content {
        Content::Text(text) => match text.strip_prefix('$') {
            Some(name) => from_env(check, node, name),
            None => from_file_or_literal(check, node, text),
        },
        Content::Map(_) => form(check, node),
        _ => {
            check.notes.mistake(node.span.clone(), NOT_A_STRING);
            None
        }
    }
}

/// A value that stands as it is, or in one of the plain forms: a header's.
pub(crate) fn literal(check: &Check<'_>, node: &Node) -> Option<Secret> {
    match &node.content {
        Content::Text(text) => Some(Secret::new(text.clone())),
        Content::Map(_) => form(check, node),
        _ => {
            check
                .notes
                .wrong(node.span.clone(), "Input should be a valid string, {env: NAME} or {file: PATH}");
            None
        }
    }
}

/// `{env: NAME}` or `{file: PATH}`.
fn form(check: &Check<'_>, node: &Node) -> Option<Secret> {
    let entries = node.entries().unwrap_or_default();
    if let [(key, value)] = entries {
        match (key.text(), value.text()) {
            (Some("env"), Some(name)) => return from_env(check, value, name),
            (Some("file"), Some(path)) => return from_file(check, value, path),
            _ => {}
        }
    }
    check.notes.wrong_node(node, "Input should be a valid string, {env: NAME} or {file: PATH}");
    None
}

fn from_env(check: &Check<'_>, node: &Node, name: &str) -> Option<Secret> {
    let value = check.env(name).filter(|value| !value.is_empty());
    if value.is_none() {
        // A literal that begins with `$` is read as a name, too: only what looks like one is repeated.
        let named = name.len() <= 64
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '{' | '}'));
        let name = if named { name } else { "…" };
        check.notes.mistake(node.span.clone(), format!("Environment variable '{name}' is not set"));
    }
    value.map(Secret::new)
}

fn from_file(check: &Check<'_>, node: &Node, path: &str) -> Option<Secret> {
    match check.file(path) {
        Ok(Some(content)) => text_of(check, node, content),
        Ok(None) => {
            check.notes.mistake(node.span.clone(), format!("The key file '{path}' does not exist"));
            None
        }
        Err(error) => {
            let message = format!("The key file '{path}' cannot be read: {}", error.kind());
            check.notes.mistake(node.span.clone(), message);
            None
        }
    }
}

/// A string that is no path of a file is the key itself, whatever stands in the way of looking.
fn from_file_or_literal(check: &Check<'_>, node: &Node, text: &str) -> Option<Secret> {
    match check.file(text) {
        Ok(Some(content)) => text_of(check, node, content),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            let message = format!("The key file cannot be read: {}", error.kind());
            check.notes.mistake(node.span.clone(), message);
            None
        }
        Ok(None) | Err(_) => Some(Secret::new(text)),
    }
}

/// A key file's text without the line break at its end, which no header could carry.
fn text_of(check: &Check<'_>, node: &Node, content: Vec<u8>) -> Option<Secret> {
    match String::from_utf8(content) {
        Ok(text) if text.len() <= LONGEST => Some(Secret::new(text.trim_end_matches(['\r', '\n']))),
        Ok(_) => {
            check.notes.mistake(node.span.clone(), "The key file is longer than 64 KiB");
            None
        }
        Err(_) => {
            check.notes.mistake(node.span.clone(), "The key file is not UTF-8 text");
            None
        }
    }
}
