//! The `callers` and `admin` sections: whose keys open what. Keys stand in a config as hashes only.

use std::collections::HashMap;
use std::fmt;

use globset::{Glob, GlobSet, GlobSetBuilder};
use sha2::{Digest, Sha256};
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{Date, OffsetDateTime};

use crate::allowance::{self, Allowance};
use crate::check::Check;
use crate::model::Route;
use crate::node::{Node, Span};
use crate::notes::Note;
use crate::read::At;
use crate::written;

/// What stands before the digits of a hash.
const PREFIX: &str = "sha256:";
/// What logs call the holder of an admin's key.
const ADMIN: &str = "admin";
/// Seconds.
const DAY: i64 = 86_400;
const LONGEST_NAME: usize = 64;
const HINT: &str = "`lockgate keys hash` prints the hash of a key; `lockgate keys new` makes a new key";

/// The SHA-256 of a key. A key is a random token of 256 bits, which no dictionary finds: a slow hash would add
/// nothing but load.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// The hash of a key.
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |at: usize| char::from(pair[at]).to_digit(16);
            *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for KeyHash {
    /// As it stands in a config: `sha256:` and 64 hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Somebody who may call routes.
#[derive(Debug, Clone)]
pub struct Caller {
    /// What logs call it; unique in the file.
    pub name: String,
    /// The hashes of its keys; never empty. Each opens the same.
    pub keys: Vec<KeyHash>,
    /// Patterns of the routes that it may call; `None` is all.
    pub routes: Option<GlobSet>,
    /// Unix seconds from which on its keys open nothing.
    pub expires: Option<i64>,
    /// How much it may use, of all its routes together.
    pub limits: Allowance,
}

impl Caller {
    /// Whether it may call the route of this name.
    pub fn may_call(&self, route: &str) -> bool {
        self.routes.as_ref().is_none_or(|patterns| patterns.is_match(route))
    }
}

/// Who may see what is for operators.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The hashes of its keys; empty where only the second listener opens.
    pub keys: Vec<KeyHash>,
    /// A second address that serves operators' pages, and them alone, without a key.
    pub listen: Option<Listen>,
    /// Whether routes that are made at run time may ask servers that are not public.
    pub allow_private_addresses: bool,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// A name or address, without brackets.
    pub host: String,
    /// TCP port; 0 takes a free one.
    pub port: u16,
}

/// Checks both sections; what is wrong is noted. The callers are empty where there is no section: then everybody may
/// call.
pub(crate) fn check(
    check: &Check<'_>,
    root: &Node,
    callers: At<Option<Vec<At<written::Caller>>>>,
    admin: At<Option<written::Admin>>,
    routes: &[Route],
) -> (Vec<Caller>, Option<Admin>) {
    let mut seen = HashMap::new();
    let nodes = root.get("callers").and_then(Node::elements).unwrap_or_default();
    if callers.value.as_ref().is_some_and(|list| list.as_ref().is_none_or(Vec::is_empty)) {
        let note = Note::mistake(callers.key.clone(), "'callers' names nobody");
        check.notes.add(note.hint("leave the key away to let everybody call"));
    }
    let mut checked: Vec<Caller> = Vec::new();
    for (written, node) in callers.value.flatten().unwrap_or_default().into_iter().zip(nodes) {
        let Some(section) = written.value else { continue };
        if let Some(caller) = caller(check, node, &written.key, section, routes, &mut seen) {
            if checked.iter().any(|other| other.name == caller.name) {
                let span = node.get("name").map_or(written.key, |name| name.span.clone());
                check
                    .notes
                    .mistake(span, "Another caller has this name; to change a key, list both in `keys`");
            }
            checked.push(caller);
        }
    }
    let admin = admin.value.map(Option::unwrap_or_default).and_then(|section| {
        let keys = keys(check, &section.key, &section.keys, &mut seen);
        let listen = section.listen.value.as_ref().and_then(Option::as_deref);
        let listen = listen.and_then(|text| address(check, &section.listen.span, text));
        if !section.key.written && !section.keys.written && !section.listen.written {
            let note = Note::mistake(admin.key.clone(), "'admin' has neither a key nor an address");
            check.notes.add(
                note.hint("`key` is the hash of a key, `listen` a second address such as 127.0.0.1:5001"),
            );
            return None;
        }
        let allow_private_addresses = section.allow_private_addresses.value.flatten().unwrap_or_default();
        Some(Admin { keys, listen, allow_private_addresses })
    });
    (checked, admin)
}

/// Where a key was seen first, so that no two open different things.
type Seen = HashMap<KeyHash, Span>;

fn caller(
    check: &Check<'_>,
    node: &Node,
    key: &Span,
    section: written::Caller,
    routes: &[Route],
    seen: &mut Seen,
) -> Option<Caller> {
    let name = name(check, node, &section.name);
    if !section.key.written && !section.keys.written {
        let note = Note::missing(node, Some(key), "key");
        check.notes.add(note.hint(HINT));
    }
    let keys = keys(check, &section.key, &section.keys, seen);
    let patterns =
        section.routes.value.flatten().and_then(|list| patterns(check, &section.routes.key, &list));
    let expires = section.expires.value.flatten().and_then(|text| {
        let expires = moment(&text);
        if expires.is_none() {
            let message = "Input should be a date such as 2027-06-30 or a time such as 2027-06-30T18:00:00Z";
            check.notes.wrong(section.expires.span.clone(), message);
        }
        expires
    });
    let limits = allowance::check(check, node);
    let caller = Caller { name: name?, keys, routes: patterns, expires, limits };
    if caller.routes.is_some() && !routes.iter().any(|route| caller.may_call(&route.name)) {
        check.notes.warning(
            section.routes.key,
            format!("The caller '{}' may call no route of this file", caller.name),
        );
    }
    Some(caller)
}

fn name(check: &Check<'_>, node: &Node, written: &At<String>) -> Option<String> {
    if !written.written {
        check.notes.missing(node, None, "name", &[]);
    }
    let name = written.value.as_ref()?;
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '@' | '+');
    if name.is_empty() || name.chars().count() > LONGEST_NAME || !name.chars().all(allowed) {
        let message = "Input should be letters, digits, `_`, `-`, `.`, `@` or `+`, and at most 64 of them";
        check.notes.wrong(written.span.clone(), message);
        return None;
    }
    if name == ADMIN {
        check.notes.mistake(written.span.clone(), "This name is what logs call whoever has an admin's key");
        return None;
    }
    Some(name.clone())
}

/// The hashes of `key` and `keys`.
fn keys(
    check: &Check<'_>,
    one: &At<Option<String>>,
    more: &At<Option<Vec<At<String>>>>,
    seen: &mut Seen,
) -> Vec<KeyHash> {
    if more.value.as_ref().is_some_and(|list| list.as_ref().is_none_or(Vec::is_empty))
        || one.value.as_ref().is_some_and(Option::is_none)
    {
        let at = if more.written { &more.key } else { &one.key };
        check.notes.add(Note::mistake(at.clone(), "The hash of a key is missing here").hint(HINT));
    }
    let one = one.value.iter().flatten().map(|text| (text, &one.span));
    let more = more.value.iter().flatten().flatten();
    let more = more.filter_map(|element| Some((element.value.as_ref()?, &element.span)));
    one.chain(more).filter_map(|(text, span)| key(check, text, span, seen)).collect()
}

fn key(check: &Check<'_>, text: &str, span: &Span, seen: &mut Seen) -> Option<KeyHash> {
    let Some(hash) = KeyHash::parse(text) else {
        let message = "This is not the hash of a key; a config never holds a caller's key itself";
        check.notes.add(Note::mistake(span.clone(), message).hint(HINT));
        return None;
    };
    if seen.insert(hash, span.clone()).is_some() {
        check.notes.mistake(span.clone(), "The same key stands twice in this file");
        return None;
    }
    Some(hash)
}

fn patterns(check: &Check<'_>, key: &Span, list: &[At<String>]) -> Option<GlobSet> {
    if list.is_empty() {
        let note = Note::mistake(key.clone(), "An empty list opens no route");
        check.notes.add(note.hint("leave `routes` away to open all"));
    }
    let mut set = GlobSetBuilder::new();
    for pattern in list {
        match pattern.value.as_deref().map(Glob::new) {
            Some(Ok(glob)) => drop(set.add(glob)),
            Some(Err(error)) => {
                let message =
                    format!("Input should be a name or a pattern such as `team-*`: {}", error.kind());
                check.notes.wrong(pattern.span.clone(), message);
            }
            None => {}
        }
    }
    let built = set.build();
    if let Err(error) = &built {
        check.notes.wrong(key.clone(), format!("Input should be shorter patterns: {}", error.kind()));
    }
    built.ok()
}

/// Unix seconds of a time, or of the end of a day in UTC.
fn moment(text: &str) -> Option<i64> {
    if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(time.unix_timestamp());
    }
    // The parser takes a day and leaves what follows.
    let day = (text.len() == 10).then(|| Date::parse(text, &Iso8601::DATE).ok())??;
    Some(day.midnight().assume_utc().unix_timestamp() + DAY)
}

fn address(check: &Check<'_>, span: &Span, text: &str) -> Option<Listen> {
    let split = text.rsplit_once(':').and_then(|(host, port)| {
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bracketed.or_else(|| (!host.contains(':')).then_some(host))?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
        let good = !host.is_empty() && host.len() <= 255 && host.bytes().all(allowed);
        good.then_some(Listen { host: host.to_owned(), port: port.parse().ok()? })
    });
    if split.is_none() {
        check.notes.wrong(span.clone(), "Input should be an address and a port, such as 127.0.0.1:5001");
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = KeyHash::of(b"lg-a");
        assert_eq!(KeyHash::parse(&hash.to_string()), Some(hash));
        assert_eq!(KeyHash::parse(&hash.to_string().replace("sha256:", "")), None);
        assert_eq!(KeyHash::parse("sha256:00"), None);
        assert_eq!(KeyHash::parse(&format!("sha256:{}", "é".repeat(32))), None);
    }

    #[test]
    fn a_day_ends_with_its_last_second_and_a_time_is_exact() {
        assert_eq!(moment("1970-01-01"), Some(86_400));
        assert_eq!(moment("1970-01-01T00:01:00Z"), Some(60));
        assert_eq!(moment("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(moment("9999-12-31"), Some(253_402_300_800));
        for wrong in ["", "tomorrow", "1970-02-30", "1970-01-01T00:01:00", "1970-01-01 00:01", "99999-01-01"]
        {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }
}
