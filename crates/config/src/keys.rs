//! Credentials: MLflow's string forms, and those that say what they are.

use std::io::ErrorKind;
use std::time::Duration;

use crate::Command;
use crate::check::Check;
use crate::credentials;
use crate::mask::presentable;
use crate::node::{Content, Node};
use crate::notes::Note;
use crate::read::{self, At};
use crate::run_time;
use crate::secret::Secret;
use crate::suggest::closest;
use crate::values;
use crate::written;

/// MLflow's text for a key that is not a string.
const NOT_A_STRING: &str = "The api key provided is not a string. Please provide either an environment variable key, a \
     path to a file containing the api key, or the api key itself";
const NO_FORM: &str = "Input should be a valid string, {env: NAME}, {file: PATH}, {command: [PROGRAM, …]}, \
     {secret: NAME} or {credential: NAME}";
/// The keys of the forms.
const FORMS: [&str; 5] = ["env", "file", "command", "secret", "credential"];
/// Bytes of the longest credential.
const LONGEST: usize = 64 << 10;
/// Keys that are used in turn.
const MOST_KEYS: usize = 64;
/// Words of a command.
const MOST_WORDS: usize = 64;
/// A command runs at most so long: whatever else the config says waits for it.
const LONGEST_RUN: Duration = Duration::from_secs(60);
/// The shortest time to live, so that no config has a command run all the time.
const SHORTEST_LIFE: Duration = Duration::from_secs(1);

/// Whether `{credential: NAME}` may stand here: everywhere but where credentials are defined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Use,
    Definition,
}

/// The credentials that a `*_api_key` names, never none; what is wrong is noted, without its content.
pub(crate) fn resolve(check: &Check<'_>, node: &Node) -> Option<Vec<Secret>> {
    keys(check, node, Place::Use)
}

/// The same where `credentials` defines one.
pub(crate) fn defined(check: &Check<'_>, node: &Node) -> Option<Vec<Secret>> {
    keys(check, node, Place::Definition)
}

/// A value that stands as it is, or in one of the forms: a header's.
pub(crate) fn literal(check: &Check<'_>, node: &Node) -> Option<Secret> {
    match &node.content {
        Content::Text(text) => Some(Secret::new(text.clone())),
        Content::Map(_) => {
            let mut keys = form(check, node, Place::Use)?;
            if keys.len() > 1 {
                check.notes.wrong_node(node, "a header takes one key, and this credential has several");
            }
            keys.pop()
        }
        _ => {
            check.notes.wrong(node.span.clone(), NO_FORM);
            None
        }
    }
}

/// A string as MLflow reads it, a form, or a list of forms. A list of strings stays a mistake, as in MLflow.
fn keys(check: &Check<'_>, node: &Node, place: Place) -> Option<Vec<Secret>> {
    match &node.content {
        Content::Text(text) if check.guard.is_some() => {
            run_time::literal(check, node, text).map(|key| vec![key])
        }
        Content::Text(text) => match text.strip_prefix('$') {
            Some(name) => from_env(check, node, name).map(|key| vec![key]),
            None => from_file_or_literal(check, node, text).map(|key| vec![key]),
        },
        Content::Map(_) => form(check, node, place),
        Content::List(forms) if !forms.is_empty() && forms.iter().all(|form| form.entries().is_some()) => {
            // All are looked at before one that is wrong ends it.
            let found: Vec<_> = forms.iter().map(|node| form(check, node, place)).collect();
            let keys = found.into_iter().collect::<Option<Vec<_>>>()?.concat();
            if keys.len() > MOST_KEYS {
                check.notes.wrong_node(node, format!("at most {MOST_KEYS} keys are used in turn"));
            }
            Some(keys)
        }
        _ => {
            check.notes.mistake(node.span.clone(), NOT_A_STRING);
            None
        }
    }
}

/// A mapping that says what it is.
fn form(check: &Check<'_>, node: &Node, place: Place) -> Option<Vec<Secret>> {
    if check.guard.is_some() {
        return run_time::form(check, node);
    }
    let entries = node.entries().unwrap_or_default();
    if node.get("command").is_some() {
        return from_command(check, node).map(|key| vec![key]);
    }
    if let [(key, value)] = entries {
        match (key.text(), value.text()) {
            (Some("env"), Some(name)) => return from_env(check, value, name).map(|key| vec![key]),
            (Some("file"), Some(path)) => return from_file(check, value, path).map(|key| vec![key]),
            (Some("secret"), Some(name)) => return from_store(check, value, name).map(|key| vec![key]),
            (Some("credential"), Some(name)) if place == Place::Use => {
                return credentials::named(check, &value.span, name);
            }
            (Some("credential"), Some(_)) => {
                check.notes.mistake(value.span.clone(), "A credential cannot stand for another one");
                return None;
            }
            _ => {}
        }
    }
    let meant = entries.iter().find_map(|(key, _)| closest(&key.label(), FORMS.into_iter()));
    let note = Note::wrong_node(node, NO_FORM);
    check.notes.add(match meant {
        Some(meant) => note.hint(format!("did you mean `{meant}`?")),
        None => note,
    });
    None
}

/// What a command prints.
fn from_command(check: &Check<'_>, node: &Node) -> Option<Secret> {
    let known = ["command", "timeout", "ttl"];
    let mut others = node.entries().into_iter().flatten().map(|(key, _)| key);
    if let Some(other) = others.find(|key| !key.text().is_some_and(|name| known.contains(&name))) {
        // Neither repeated nor in the path: where a credential belongs, a key may be one.
        let message = "a command has no other keys than `command`, `timeout` and `ttl`";
        let note = Note::mistake(other.span.clone(), message).within(node);
        check.notes.add(match closest(&other.label(), known.into_iter()) {
            Some(meant) => note.hint(format!("did you mean `{meant}`?")),
            None => note,
        });
        return None;
    }
    let written: written::Command = read::read(node, check.notes)?;
    let timeout = within(
        check,
        &written.timeout,
        Duration::from_secs(5),
        (Duration::from_millis(1), LONGEST_RUN),
        "from 1ms to 60s",
    );
    let ttl =
        within(check, &written.ttl, Duration::from_secs(600), (SHORTEST_LIFE, Duration::MAX), "at least 1s");
    let at = written.command.span;
    let argv = written.command.value?;
    if argv.first().is_none_or(String::is_empty) || argv.len() > MOST_WORDS {
        let message =
            format!("Input should be a list of a program and its arguments, of at most {MOST_WORDS} words");
        check.notes.wrong(at, message);
        return None;
    }
    let command = Command { argv, timeout: timeout?, ttl: ttl? };
    match check.command(&command) {
        Ok(output) => gained(check, node, "The command's output", output),
        Err(error) => {
            let message = format!("The command '{}' gave no credential: {error}", command.name());
            check.notes.mistake(at, message);
            None
        }
    }
}

fn within(
    check: &Check<'_>,
    written: &At<values::Duration>,
    otherwise: Duration,
    (least, most): (Duration, Duration),
    expected: &str,
) -> Option<Duration> {
    match written.value {
        Some(values::Duration(time)) if (least..=most).contains(&time) => Some(time),
        Some(_) => {
            check.notes.wrong(written.span.clone(), format!("Input should be {expected}"));
            None
        }
        // What was written and not read was noted there.
        None => (!written.written).then_some(otherwise),
    }
}

/// A secret of the store.
fn from_store(check: &Check<'_>, node: &Node, name: &str) -> Option<Secret> {
    let shown = if presentable(name) { name } else { "…" };
    if !credentials::is_name(name) {
        let message = "The name of a secret has at most 64 letters, digits, `_`, `-` and `.`";
        check.notes.mistake(node.span.clone(), message);
        return None;
    }
    let message = match check.secret(name) {
        Ok(Some(value)) => return gained(check, node, "The secret", value),
        Ok(None) => format!("The store has no secret '{shown}'; `lockgate secrets set` puts one there"),
        Err(error) => format!("The secret '{shown}' cannot be had: {error}"),
    };
    check.notes.mistake(node.span.clone(), message);
    None
}

/// What a command or the store gave, without one line break at its end.
fn gained(check: &Check<'_>, node: &Node, what: &str, value: Vec<u8>) -> Option<Secret> {
    let problem = match String::from_utf8(value) {
        Ok(text) if text.len() > LONGEST => "is longer than 64 KiB",
        Ok(text) => {
            let text =
                text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
            if !text.is_empty() {
                let secret = Secret::new(text);
                check.depends_on(&secret);
                return Some(secret);
            }
            "is empty"
        }
        Err(_) => "is not UTF-8 text",
    };
    check.notes.mistake(node.head(), format!("{what} {problem}"));
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
