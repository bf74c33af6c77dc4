//! The headers of every request to a target.

use crate::catalogue::{Kind, Provider};
use crate::check::Check;
use crate::keys;
use crate::model::Header;
use crate::node::{Content, Node};
use crate::secret::Secret;
use crate::settings::Settings;
use crate::template;

/// Headers that the connection or the body decides.
const OURS: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A route's own headers; what is wrong is noted.
pub(crate) fn extra(check: &Check<'_>, node: Option<&Node>) -> Vec<Header> {
    let Some(node) = node.filter(|node| !matches!(node.content, Content::Null)) else { return Vec::new() };
    let Some(entries) = node.entries() else {
        check.notes.wrong_node(node, format!("Input should be a valid dictionary, not {}", node.kind()));
        return Vec::new();
    };
    let mut headers: Vec<Header> = Vec::new();
    for (key, value) in entries {
        let name = key.label().to_ascii_lowercase();
        let problem = if !is_token(&name) {
            Some("this is not the name of a header")
        } else if OURS.contains(&name.as_str()) {
            Some("this header is the gateway's own")
        } else {
            None
        };
        if let Some(problem) = problem {
            check.notes.mistake(key.span.clone(), problem);
            continue;
        }
        let Some(secret) = keys::literal(check, value) else { continue };
        if is_value(secret.expose()) {
            headers.push(Header { name, value: secret, credential: true });
        } else {
            check.notes.mistake(key.span.clone(), "the value holds a character that no header can carry");
        }
    }
    headers
}

/// The provider's headers with those of the route over them.
///
/// # Errors
/// Why the target cannot be called: a key holds what no header can carry, which MLflow finds out per call only.
pub(crate) fn all(
    provider: &Provider,
    settings: &Settings<'_>,
    extra: Vec<Header>,
) -> Result<Vec<Header>, String> {
    let variant = settings.variant.into_iter().flat_map(|variant| &variant.headers);
    let mut headers: Vec<Header> = Vec::new();
    for (name, template) in provider.headers.iter().chain(variant) {
        let Some(value) = settings.fill(template) else { continue };
        if !is_value(&value) {
            return Err(format!(
                "The configured '{name}' header holds a character that no header can carry."
            ));
        }
        let credential = carries_key(provider, template);
        headers.push(Header { name: name.to_ascii_lowercase(), value: Secret::new(value), credential });
    }
    headers.retain(|header| !extra.iter().any(|over| over.name == header.name));
    headers.extend(extra);
    Ok(headers)
}

/// The headers in which callers bring their own credentials: those that would carry a key, had the config one, and that
/// the route does not set itself.
pub(crate) fn brought(provider: &Provider, settings: &Settings<'_>, extra: &[Header]) -> Vec<String> {
    if !settings.brought {
        return Vec::new();
    }
    let variant = settings.variant.into_iter().flat_map(|variant| &variant.headers);
    let all = provider.headers.iter().chain(variant);
    let keys = all.filter(|(_, template)| carries_key(provider, template));
    let names = keys.map(|(name, _)| name.to_ascii_lowercase());
    names.filter(|name| !extra.iter().any(|over| over.name == *name)).collect()
}

fn carries_key(provider: &Provider, template: &str) -> bool {
    let names = template::keys(template).unwrap_or_default();
    names.iter().any(|name| provider.config.get(*name).is_some_and(|key| key.kind == Kind::Key))
}

/// RFC 9110, section 5.6.2.
pub(crate) fn is_token(name: &str) -> bool {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.len() <= 256 && name.bytes().all(token)
}

/// RFC 9110, section 5.5: no control characters but the tab.
fn is_value(value: &str) -> bool {
    value.bytes().all(|b| b == b'\t' || (b >= 0x20 && b != 0x7f))
}
