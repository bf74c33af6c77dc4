//! Credentials of run-time routes: one that the config defines, or the key itself. Nothing of the machine is read.

use crate::check::Check;
use crate::credentials;
use crate::node::{Content, Node};
use crate::notes::Note;
use crate::secret::Secret;

/// Bytes of the longest key.
const LONGEST: usize = 8 << 10;
const HINT: &str = "define it under `credentials` in the config file and send {\"credential\": NAME}, or send the key itself";

/// `{credential: NAME}`.
pub(crate) fn form(check: &Check<'_>, node: &Node) -> Option<Vec<Secret>> {
    if let Some([(key, value)]) = node.entries()
        && let (Some("credential"), Content::Text(name)) = (key.text(), &value.content)
    {
        return credentials::named(check, &value.span, name);
    }
    let message =
        "A route that is made at run time reads no environment variables, files, commands or secrets";
    check.notes.add(Note::mistake(node.head(), message).within(node).hint(HINT));
    None
}

/// The key itself. What a config would take for a reference is refused, since here it would be sent as it stands.
pub(crate) fn literal(check: &Check<'_>, node: &Node, text: &str) -> Option<Secret> {
    let message = if text.starts_with('$') {
        "A route that is made at run time reads no environment variables"
    } else if is_path(text) || check.is_file(text) {
        "This looks like the path of a file, and a route that is made at run time reads no files"
    } else if text.is_empty() || text.len() > LONGEST {
        "A key has 1 to 8192 bytes"
    } else if text.chars().any(char::is_control) {
        "A key has no line breaks and other control characters"
    } else {
        return Some(Secret::new(text));
    };
    check.notes.add(Note::mistake(node.span.clone(), message).hint(HINT));
    None
}

fn is_path(text: &str) -> bool {
    let starts = ["/", "./", "../", "~", "file:", "\\"].iter().any(|start| text.starts_with(start));
    starts || text.split('/').any(|step| matches!(step, "." | ".."))
}
