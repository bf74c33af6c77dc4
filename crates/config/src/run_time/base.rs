//! Where run-time routes may send what: private addresses are closed to them, and a credential of the config goes to
//! no server to which the config does not send it.

use std::collections::HashSet;

use crate::catalogue::Provider;
use crate::check::Check;
use crate::node::Span;
use crate::notes::Note;
use crate::public::{self, Unfit};
use crate::settings::Settings;
use crate::template::join;

/// Base URLs to which the config sends its credentials, each beside the credential's name.
pub(crate) type Bases = HashSet<(String, String)>;

/// Stands for the credential that callers bring; no credential has this name.
const BROUGHT: &str = "";

/// Whether a run-time route may ask the server of a URL; what is wrong is noted.
pub(crate) fn check_url(check: &Check<'_>, name: &str, span: &Span, url: &str) -> bool {
    let Some(guard) = check.guard else { return true };
    let note = match public::check_url(url) {
        Ok(()) => return true,
        Err(Unfit::Closed) if guard.private_addresses => return true,
        Err(Unfit::Closed) => {
            let message = format!(
                "'{name}' leads to an address that is not public, and a route that is made at run time may ask no other"
            );
            Note::mistake(span.clone(), message).hint(
                "the operator can allow it in the config file: `admin: {allow_private_addresses: true}`",
            )
        }
        Err(Unfit::Url(expected)) => Note::mistake(span.clone(), format!("'{name}' should be {expected}")),
    };
    check.notes.add(note);
    false
}

/// Notes a base URL that the target's credentials must not be sent to. For a route of the config, remembers it.
pub(crate) fn check(
    check: &Check<'_>,
    span: &Span,
    provider: &Provider,
    settings: &Settings<'_>,
    mut used: Vec<String>,
) {
    let Some(template) = &provider.base else { return };
    let Some(base) = settings.fill(template) else { return };
    if settings.brought {
        used.push(BROUGHT.to_owned());
    }
    let plain = plain(&base);
    if check.guard.is_none() {
        check.bases.borrow_mut().extend(used.into_iter().map(|name| (name, plain.clone())));
        return;
    }
    // Keys that are no URLs may be part of the base, too.
    if !check_url(check, "the base URL", span, &base) {
        return;
    }
    let default = settings.default_base(provider).map(|base| self::plain(&base));
    let bases = check.bases.borrow();
    for name in used {
        if default.as_ref() == Some(&plain) || bases.contains(&(name.clone(), plain.clone())) {
            continue;
        }
        let whose = if name == BROUGHT {
            "A caller's own credential".to_owned()
        } else {
            format!("The credential '{name}'")
        };
        let message = format!(
            "{whose} can go to the provider's own server, or to one to which the config file sends it, and nowhere else"
        );
        let hint = "leave the base URL away, send the route's own key, or have the operator define the route in the config file";
        check.notes.add(Note::mistake(span.clone(), message).hint(hint));
    }
}

/// A base as it compares: scheme and host in lower case, without a slash at its end.
fn plain(base: &str) -> String {
    let base = join(base, &[], None);
    let authority = base.find("://").map_or(0, |at| at + 3);
    let end = base[authority..].find(['/', '?']).map_or(base.len(), |at| authority + at);
    format!("{}{}", base[..end].to_ascii_lowercase(), &base[end..])
}
