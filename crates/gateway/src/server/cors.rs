//! Which web pages may read answers (WHATWG Fetch, section 3.2). Keys stand in headers, so cookies and the like are
//! never allowed.

use super::{Door, Reply, ReplyBody};
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, request};

/// What a page of some origin is told.
pub(crate) struct Cors {
    /// The origin that may read the answer.
    origin: Option<HeaderValue>,
    /// Whether the answer to another origin would be another.
    varies: bool,
}

impl Cors {
    /// Whether the request comes from a page of one of `origins`.
    pub(crate) fn of(headers: &HeaderMap, door: Door, origins: &[String]) -> Self {
        // No page of another origin reads what is for operators, whose door asks for no key.
        let origins = if door == Door::Operators { &[] } else { origins };
        let any = origins.iter().any(|origin| origin == "*");
        let listed = |origin: &&HeaderValue| {
            origins.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
        };
        let origin = match headers.get(ORIGIN) {
            Some(_) if any => Some(HeaderValue::from_static("*")),
            Some(origin) => Some(origin).filter(listed).cloned(),
            None => None,
        };
        Self { origin, varies: !any && !origins.is_empty() }
    }

    /// Whether a browser only asks whether it may ask; then it sends no key.
    pub(crate) fn is_preflight(&self, parts: &request::Parts) -> bool {
        self.origin.is_some()
            && parts.method == Method::OPTIONS
            && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// What that browser is told.
    pub(crate) fn preflight(&self, parts: &request::Parts) -> Reply {
        let mut reply = Response::new(ReplyBody::from(Bytes::new()));
        *reply.status_mut() = StatusCode::NO_CONTENT;
        let headers = reply.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        if let Some(wanted) = parts.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        reply
    }

    /// Lets the page read the answer.
    pub(crate) fn grant(self, headers: &mut HeaderMap) {
        if self.varies {
            headers.append(VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(origin: &'static str, origins: &[&str]) -> Option<String> {
        let origins: Vec<String> = origins.iter().map(|&origin| origin.to_owned()).collect();
        let asked = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))]);
        let mut headers = HeaderMap::new();
        Cors::of(&asked, Door::Everyone, &origins).grant(&mut headers);
        headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().expect("text").to_owned())
    }

    #[test]
    fn only_pages_of_listed_origins_read_answers() {
        let listed = ["https://app.example", "http://localhost:3000"];
        assert_eq!(granted("https://app.example", &listed).as_deref(), Some("https://app.example"));
        for other in ["https://app.example.evil", "http://app.example", "https://app.example:8443", "null"] {
            assert_eq!(granted(other, &listed), None, "{other}");
        }
        assert_eq!(granted("https://anywhere.example", &["*"]).as_deref(), Some("*"));
        assert_eq!(granted("https://app.example", &[]), None);
    }
}
