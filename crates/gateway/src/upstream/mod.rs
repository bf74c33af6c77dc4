//! The way to a provider: connections, one attempt, and the answer's bytes as they come.

mod attempt;
mod body;
mod connect;
mod keys;
mod pool;
mod request;
mod sign;
mod trust;

pub(crate) use attempt::{Answer, Ask, attempt, rehearse, timed_out};
pub(crate) use body::{Broken, UpstreamBody};
pub(crate) use connect::Connector;
pub(crate) use keys::{Keys, Turn, Verdict, refuses};
pub(crate) use pool::Pool;
pub(crate) use request::Segments;
pub(crate) use sign::Signer;
pub(crate) use trust::trust;

use http::Uri;

/// Where a connection leads: equal origins share connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) tls: bool,
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whatever the name leads to, only public addresses are connected to.
    pub(crate) public_only: bool,
}

impl Origin {
    /// The origin of an absolute `http` or `https` URL.
    pub(crate) fn of(uri: &Uri, public_only: bool) -> Option<Self> {
        let tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let host = uri.host().filter(|host| !host.is_empty())?;
        // A port that is no number from 0 to 65535 must not become the scheme's own.
        let has_port = !uri.authority()?.as_str().ends_with(host);
        let port = match uri.port_u16() {
            None if has_port => return None,
            port => port.unwrap_or(if tls { 443 } else { 80 }),
        };
        Some(Self { tls, host: host.trim_matches(['[', ']']).to_owned(), port, public_only })
    }

    /// Scheme, host and port.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }

    /// The `host` header: the port is left out where it is the scheme's own (RFC 9110, section 7.2).
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Option<Origin> {
        Origin::of(&url.parse().expect("the test's URL parses"), false)
    }

    #[test]
    fn the_host_header_names_a_port_only_where_it_is_unusual() {
        for (url, authority) in [
            ("https://api.openai.com/v1", "api.openai.com"),
            ("http://localhost:8080/v1", "localhost:8080"),
            ("http://[::1]:8080/", "[::1]:8080"),
            ("https://h:443/", "h"),
            ("http://h:443/", "h:443"),
        ] {
            assert_eq!(origin(url).map(|origin| origin.authority()).as_deref(), Some(authority), "{url}");
        }
        assert_eq!(origin("ftp://h/"), None);
        assert_eq!(origin("http://h:99999/"), None);
        assert_eq!(origin("http://u:p@h/").map(|origin| origin.port), Some(80));
    }
}
