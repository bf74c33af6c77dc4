//! The parts of the `server` section that say who reaches the listener, and how.

use std::net::IpAddr;

use ipnet::IpNet;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::check::Check;
use crate::node::Span;
use crate::notes::Note;
use crate::read::At;
use crate::secret::Secret;
use crate::written;

/// What the listener proves itself with. Both are PEM, and each holds at least one item of its kind; whether they
/// belong together is for whoever serves with them.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The certificate and what leads to its authority.
    pub certificate: Vec<u8>,
    /// The certificate's private key.
    pub key: Secret,
}

/// Checks `tls`; what is wrong is noted.
pub(crate) fn tls(check: &Check<'_>, section: &At<Option<written::Tls>>) -> Option<Tls> {
    let empty = written::Tls::default();
    let written = section.value.as_ref()?.as_ref().unwrap_or(&empty);
    let file = |field: &At<String>, name: &str| {
        if !field.written {
            check
                .notes
                .mistake(section.key.clone(), format!("'tls' has no '{name}': the path of a PEM file"));
        }
        content(check, field)
    };
    let (certificate, key) = (file(&written.certificate, "certificate"), file(&written.key, "key"));
    let certificate = certificate.filter(|pem| {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        good(check, &written.certificate.span, all.is_ok_and(|all| !all.is_empty()), "certificate")
    });
    let key = key.filter(|pem| {
        good(check, &written.key.span, PrivateKeyDer::from_pem_slice(pem).is_ok(), "private key")
    });
    Some(Tls { certificate: certificate?, key: Secret::new(String::from_utf8(key?).ok()?) })
}

fn content(check: &Check<'_>, field: &At<String>) -> Option<Vec<u8>> {
    let path = field.value.as_deref()?;
    let reason = match check.file(path) {
        Ok(Some(content)) => return Some(content),
        Ok(None) => "does not exist".to_owned(),
        Err(error) => format!("cannot be read: {}", error.kind()),
    };
    check.notes.mistake(field.span.clone(), format!("The file '{path}' {reason}"));
    None
}

fn good(check: &Check<'_>, span: &Span, good: bool, what: &str) -> bool {
    if !good {
        check.notes.mistake(span.clone(), format!("The file holds no {what} in PEM"));
    }
    good
}

/// Checks `cors`: the origins whose pages may read answers; `*` is any.
pub(crate) fn origins(check: &Check<'_>, section: &At<Option<written::Cors>>) -> Vec<String> {
    let Some(written) = section.value.as_ref().and_then(Option::as_ref) else { return Vec::new() };
    if !written.origins.written {
        check.notes.mistake(section.key.clone(), "'cors' has no 'origins'");
    }
    let is_origin = |text: &str| {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        text == "*" || host.is_some_and(|host| !host.is_empty() && host.bytes().all(is_of_authority))
    };
    let mut origins = Vec::new();
    for origin in written.origins.value.iter().flatten() {
        match origin.value.as_deref() {
            Some(text) if is_origin(text) => origins.push(text.to_ascii_lowercase()),
            Some(_) => {
                let message =
                    "Input should be an origin such as https://app.example.com, without a path, or `*`";
                check.notes.wrong(origin.span.clone(), message);
            }
            None => {}
        }
    }
    origins
}

fn is_of_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte)
}

/// Checks `allow`: an empty list would let in nobody, or everybody, and neither is meant.
pub(crate) fn allow(check: &Check<'_>, list: &At<Option<Vec<At<String>>>>) -> Vec<IpNet> {
    if list.value.as_ref().is_some_and(|list| list.as_ref().is_none_or(Vec::is_empty)) {
        let note = Note::mistake(list.key.clone(), "'allow' lets nobody in");
        check.notes.add(note.hint("leave the key away to let everybody in"));
    }
    networks(check, list)
}

/// Checks a list of networks; a bare address is a network of one.
pub(crate) fn networks(check: &Check<'_>, list: &At<Option<Vec<At<String>>>>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for element in list.value.iter().flatten().flatten() {
        let Some(text) = element.value.as_deref() else { continue };
        match text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) => networks.push(network),
            Err(_) => {
                let message = "Input should be an address or a network such as 10.0.0.0/8 or fd00::/8";
                check.notes.wrong(element.span.clone(), message);
            }
        }
    }
    networks
}
