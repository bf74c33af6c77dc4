//! Who asks. The one step that reads keys: whoever it lets in sees only what they may call.

use super::Account;
use crate::callers::Caller;
use crate::gateway::Gateway;
use crate::limits::Subject;
use crate::pipeline::Incoming;
use crate::server::surfaces::{self, Need};
use crate::server::{Door, is_in};
use crate::snapshot::Snapshot;
use crate::view::View;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use lockgate_dialects::canonical::{Class, Failure};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The gateway's own header. Where it is sent, the others belong to the provider (`credentials: caller`).
static OWN: HeaderName = HeaderName::from_static("x-lockgate-key");
/// Where SDKs put a key: OpenAI's and MLflow's, Anthropic's, Azure's, Google's.
static PLACES: [HeaderName; 4] = [
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];
/// No key is longer; what is longer is not even hashed.
const LONGEST: usize = 1024;

/// Refused keys per client address; one whose key is good is never held up by them.
const MOST_TRIES: u64 = 20;
const TRIES_PERIOD: Duration = Duration::from_secs(60);

/// Whether the config lets the client's address in at all.
///
/// # Errors
/// [`Class::Permission`] when it does not.
pub(crate) fn check_address(incoming: &Incoming, now: &Snapshot) -> Result<(), Failure> {
    let allow = &now.server.allow;
    if allow.is_empty() || is_in(incoming.client, allow) {
        return Ok(());
    }
    Err(Failure::new(Class::Permission, "This address is not let in"))
}

/// Lets a request in, and says what exists for whoever sent it.
///
/// # Errors
/// [`Class::Permission`] for an operators' page and for a signed request; [`Class::Authentication`] for
/// a key that is missing or refused; [`Class::RateLimited`] for one too many of those.
pub(crate) fn authenticate(
    incoming: &Incoming,
    now: &Arc<Snapshot>,
    gateway: &Gateway,
    account: &mut Account,
) -> Result<View, Failure> {
    let need = match incoming.door {
        Door::Operators => Need::Nothing,
        Door::Everyone => surfaces::need(&incoming.parts.method, incoming.parts.uri.path()),
    };
    refuse_signature(&incoming.parts.headers)?;
    let (guarded, admin) = match need {
        Need::Nothing => (false, false),
        Need::Change if now.callers.admin_keys => (true, true),
        Need::Caller | Need::Change => (now.callers.guard_routes, false),
        Need::Admin => (now.callers.guard_operators, true),
    };
    if incoming.door == Door::Operators {
        return Ok(View::of_operators(now.clone()));
    }
    if !guarded {
        return Ok(View::whole(now.clone()));
    }
    let caller = identity(incoming, now).map_err(|refused| {
        if need == Need::Change && matches!(refused, Refused::Missing) {
            account.refused_key("no key was sent");
        }
        tell(refused, incoming, gateway, account)
    })?;
    account.caller(caller.clone());
    if admin && !caller.admin {
        account.refused_key("it is no admin's key");
        let what = if need == Need::Change { "Changing routes" } else { "This page" };
        return Err(Failure::new(Class::Permission, format!("{what} needs an admin's key")));
    }
    Ok(View::of(now.clone(), caller.clone()))
}

/// A request that AWS's SDKs signed names no caller: only AWS can tell whose signature it is.
fn refuse_signature(headers: &HeaderMap) -> Result<(), Failure> {
    let signed = |value: &HeaderValue| value.as_bytes().trim_ascii().starts_with(b"AWS4-");
    if headers.get_all(AUTHORIZATION).into_iter().any(signed) {
        let text = "AWS signatures are not read here; set AWS_BEARER_TOKEN_BEDROCK to a key of the gateway";
        return Err(Failure::new(Class::Permission, text));
    }
    Ok(())
}

/// Why nobody is let in.
enum Refused {
    Missing,
    Unknown,
    Contradictory,
    Expired(Arc<Caller>),
}

fn identity<'a>(incoming: &Incoming, now: &'a Snapshot) -> Result<&'a Arc<Caller>, Refused> {
    let presented = presented(&incoming.parts.headers, incoming.parts.uri.query())?;
    let presented = presented.ok_or(Refused::Missing)?;
    if presented.len() > LONGEST {
        return Err(Refused::Unknown);
    }
    let caller = now.callers.holder(&presented).ok_or(Refused::Unknown)?;
    if caller.is_expired() {
        return Err(Refused::Expired(caller.clone()));
    }
    Ok(caller)
}

/// Tells a refusal to the log and, in the words of a failure, to the client. Only refused keys count as tries: a
/// browser asks without one first.
fn tell(refused: Refused, incoming: &Incoming, gateway: &Gateway, account: &mut Account) -> Failure {
    let reason = match refused {
        Refused::Missing => {
            let text = "A key is missing; send it as 'Authorization: Bearer KEY', as a Basic password or as 'x-api-key'";
            return Failure::new(Class::Authentication, text);
        }
        Refused::Unknown => "The key is not valid",
        Refused::Contradictory => "Two different keys were sent; send one",
        Refused::Expired(caller) => {
            account.caller(caller);
            "The key has expired"
        }
    };
    account.refused_key(reason);
    let client = Subject::Tries(incoming.client);
    match gateway.tries.count(&client, MOST_TRIES, TRIES_PERIOD, Instant::now()) {
        Ok(()) => Failure::new(Class::Authentication, reason),
        Err(renews) => Failure {
            retry_after: Some(renews),
            ..Failure::new(Class::RateLimited, format!("Too many refused keys: {MOST_TRIES} per 1 minute"))
        },
    }
}

/// The one key in a request. The same key in several places is one.
fn presented<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Result<Option<Cow<'a, [u8]>>, Refused> {
    if headers.contains_key(&OWN) {
        return one(keys_in(headers, &OWN));
    }
    let headers = PLACES.iter().flat_map(|name| keys_in(headers, name));
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.filter(|(name, _)| *name == "key").map(|(_, key)| percent_decode_str(key).into());
    one(headers.chain(query))
}

fn one<'a>(keys: impl Iterator<Item = Cow<'a, [u8]>>) -> Result<Option<Cow<'a, [u8]>>, Refused> {
    let mut keys = keys.filter(|key| !key.is_empty());
    let Some(first) = keys.next() else { return Ok(None) };
    if keys.any(|key| key != first) { Err(Refused::Contradictory) } else { Ok(Some(first)) }
}

fn keys_in<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = Cow<'a, [u8]>> {
    headers.get_all(name).into_iter().map(move |value| key_in(name, value))
}

/// The key in one header of those that carry keys.
pub(super) fn key_in<'a>(name: &HeaderName, value: &'a HeaderValue) -> Cow<'a, [u8]> {
    if name == AUTHORIZATION {
        return in_authorization(value.as_bytes());
    }
    value.as_bytes().trim_ascii().into()
}

/// The key in an `authorization` header: a bearer's token, or a Basic password, which is where MLflow's clients have
/// one. What has another form opens nothing, but is a key that was sent.
fn in_authorization(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    let (scheme, rest) = match value.iter().position(|byte| *byte == b' ') {
        Some(space) => (&value[..space], value[space..].trim_ascii()),
        None => (value, &b""[..]),
    };
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return rest.into();
    }
    if scheme.eq_ignore_ascii_case(b"basic") && rest.len() <= 2 * LONGEST {
        let decoded = STANDARD.decode(rest).unwrap_or_default();
        if let Some(colon) = decoded.iter().position(|byte| *byte == b':') {
            return decoded[colon + 1..].to_vec().into();
        }
    }
    value.into()
}
