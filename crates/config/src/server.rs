//! The `server` section.

use std::time::Duration;

use crate::check::{Check, total_timeout};
use crate::listener;
use crate::model::{Drain, Egress, Limits, ListenTimeouts, Proxy, Server, Timeouts};
use crate::read::At;
use crate::secret::Secret;
use crate::values::{self, Whole};
use crate::written;

/// Checks the section; what it does not say has its default.
pub(crate) fn check(check: &Check<'_>, written: Option<written::Server>) -> Server {
    let written = written.unwrap_or_default();
    let default = Timeouts::default();
    let inherited = Timeouts { total: total_timeout(check).unwrap_or(default.total), ..default };
    Server {
        tls: listener::tls(check, &written.tls),
        origins: listener::origins(check, &written.cors),
        allow: listener::allow(check, &written.allow),
        trusted_proxies: listener::networks(check, &written.trusted_proxies),
        limits: limits(check, &written.limits.value.flatten().unwrap_or_default()),
        timeouts: listen(check, &written.timeouts.value.flatten().unwrap_or_default()),
        drain: drain(&written.drain.value.flatten().unwrap_or_default()),
        egress: egress(check, &written.egress.value.flatten().unwrap_or_default()),
        upstream: timeouts(check, written.upstream.value.flatten().as_ref(), inherited),
    }
}

/// Timeouts as written over those that hold otherwise.
pub(crate) fn timeouts(
    check: &Check<'_>,
    written: Option<&written::Timeouts>,
    inherited: Timeouts,
) -> Timeouts {
    let Some(written) = written else { return inherited };
    Timeouts {
        connect: positive(check, &written.connect, inherited.connect),
        first_byte: positive(check, &written.first_byte, inherited.first_byte),
        first_event: positive(check, &written.first_event, inherited.first_event),
        idle: positive(check, &written.idle, inherited.idle),
        total: positive(check, &written.total, inherited.total),
    }
}

fn limits(check: &Check<'_>, written: &written::Limits) -> Limits {
    let default = Limits::default();
    Limits {
        max_body_bytes: size(check, &written.max_body, 1 << 10, default.max_body_bytes),
        max_header_bytes: size(check, &written.max_header, 1 << 10, default.max_header_bytes),
        max_headers: count(check, &written.max_headers, 10_000, default.max_headers),
        // What reads JSON here goes no deeper.
        max_depth: count(check, &written.max_depth, 128, default.max_depth),
    }
}

fn listen(check: &Check<'_>, written: &written::ListenTimeouts) -> ListenTimeouts {
    let default = ListenTimeouts::default();
    ListenTimeouts {
        header: positive(check, &written.header, default.header),
        body: positive(check, &written.body, default.body),
        keep_alive: positive(check, &written.keep_alive, default.keep_alive),
    }
}

fn drain(written: &written::Drain) -> Drain {
    let default = Drain::default();
    Drain {
        delay: written.delay.value.map_or(default.delay, |delay| delay.0),
        deadline: written.deadline.value.map_or(default.deadline, |deadline| deadline.0),
    }
}

fn egress(check: &Check<'_>, written: &written::Egress) -> Egress {
    let ca_bundle = written.ca_bundle.value.as_ref().and_then(Option::as_deref).and_then(|path| {
        let content = check.file(path);
        let reason = match content {
            Ok(Some(content)) if content.windows(27).any(|line| line == b"-----BEGIN CERTIFICATE-----") => {
                return Some(content);
            }
            Ok(Some(_)) => "holds no PEM certificate".to_owned(),
            Ok(None) => "does not exist".to_owned(),
            Err(error) => format!("cannot be read: {}", error.kind()),
        };
        check
            .notes
            .mistake(written.ca_bundle.span.clone(), format!("The certificate file '{path}' {reason}"));
        None
    });
    let proxy = match written.proxy.value.as_ref().and_then(Option::as_deref) {
        None | Some("environment") => Proxy::FromEnvironment,
        Some("none") => Proxy::None,
        Some(url) if url.starts_with("http://") || url.starts_with("https://") => {
            Proxy::Url(Secret::new(url))
        }
        Some(_) => {
            let message = "Input should be 'environment', 'none' or a proxy's http:// URL";
            check.notes.wrong(written.proxy.span.clone(), message);
            Proxy::None
        }
    };
    Egress { ca_bundle, proxy }
}

fn positive(check: &Check<'_>, written: &At<values::Duration>, otherwise: Duration) -> Duration {
    match written.value {
        Some(values::Duration(Duration::ZERO)) => {
            check.notes.wrong(written.span.clone(), "Input should be longer than nothing");
            otherwise
        }
        Some(values::Duration(time)) => time,
        None => otherwise,
    }
}

fn size(check: &Check<'_>, written: &At<values::Size>, least: u64, otherwise: usize) -> usize {
    let Some(values::Size(bytes)) = written.value else { return otherwise };
    if bytes < least {
        check.notes.wrong(written.span.clone(), format!("Input should be at least {least} bytes"));
    }
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn count(check: &Check<'_>, written: &At<Whole>, most: usize, otherwise: usize) -> usize {
    let Some(Whole(count)) = written.value else { return otherwise };
    match usize::try_from(count) {
        Ok(count) if (1..=most).contains(&count) => count,
        _ => {
            check.notes.wrong(written.span.clone(), format!("Input should be from 1 to {most}"));
            otherwise
        }
    }
}
