//! The `credentials` section: each credential is named once, and used by many routes.

use std::collections::BTreeMap;

use crate::check::Check;
use crate::keys;
use crate::mask::presentable;
use crate::node::{Content, Node, Span};
use crate::notes::Note;
use crate::secret::Secret;
use crate::suggest::closest;

/// What each name stands for; what is wrong is noted, and its value is `None`.
pub(crate) fn check(check: &Check<'_>, section: Option<&Node>) -> BTreeMap<String, Option<Vec<Secret>>> {
    let Some(section) = section.filter(|node| !matches!(node.content, Content::Null)) else {
        return BTreeMap::new();
    };
    let Some(entries) = section.entries() else {
        check
            .notes
            .wrong_node(section, format!("Input should be a valid dictionary, not {}", section.kind()));
        return BTreeMap::new();
    };
    entries.iter().filter_map(|(key, value)| define(check, key, value)).collect()
}

fn define(check: &Check<'_>, key: &Node, value: &Node) -> Option<(String, Option<Vec<Secret>>)> {
    let name = key.text().filter(|name| is_name(name));
    if name.is_none() {
        let message = "the name of a credential has at most 64 letters, digits, `_`, `-` and `.`";
        check.notes.mistake(key.span.clone(), message);
    }
    let keys = keys::defined(check, value);
    Some((name?.to_owned(), keys))
}

/// What `{credential: name}` stands for; a name that nobody defined is noted.
pub(crate) fn named(check: &Check<'_>, span: &Span, name: &str) -> Option<Vec<Secret>> {
    if let Some(keys) = check.credentials.get(name) {
        check.used.borrow_mut().push(name.to_owned());
        return keys.clone();
    }
    let known = check.credentials.keys().map(String::as_str);
    let message = if presentable(name) {
        format!("The credential '{name}' is not defined")
    } else {
        "This credential is not defined".to_owned()
    };
    let hint = match closest(name, known.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if check.credentials.is_empty() => {
            "name it under `credentials` at the top of the file".to_owned()
        }
        None => format!("`credentials` has {}", known.take(10).collect::<Vec<_>>().join(", ")),
    };
    check.notes.add(Note::mistake(span.clone(), message).hint(hint));
    None
}

/// Whether a credential, or a secret of the store, can have this name.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}
