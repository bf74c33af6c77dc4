//! An HTTP answer, whole.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// An HTTP answer, whole.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {} {}", self.status, self.text()))
    }

    /// The data of the body's server-sent events.
    pub fn events(&self) -> Vec<String> {
        let text = self.text();
        text.lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| data.trim().to_owned())
            .collect()
    }

    /// Status line and headers as one text, for searches.
    pub fn head(&self) -> String {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))
        };
        self.headers.iter().map(line).collect()
    }

    /// The first answer in `bytes` and how many of them it takes; `None` while it is not whole.
    pub(crate) fn first(bytes: &[u8]) -> Option<(Self, usize)> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let mut answer = Self { status, ..Self::default() };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let name = HeaderName::try_from(name).ok()?;
            answer.headers.append(name, HeaderValue::try_from(value.trim()).ok()?);
        }
        let rest = &bytes[end + 4..];
        let (body, taken) = match answer.header("content-length") {
            Some(length) => (rest.get(..length.parse().ok()?)?.to_vec(), length.parse().ok()?),
            None if answer.header("transfer-encoding") == Some("chunked") => dechunked(rest)?,
            None => (rest.to_vec(), rest.len()),
        };
        answer.body = body;
        Some((answer, end + 4 + taken))
    }
}

/// A chunked body and its length on the wire; `None` when it does not end.
fn dechunked(mut bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let whole = bytes.len();
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).ok()?.trim(), 16).ok()?;
        body.extend_from_slice(bytes.get(line + 2..line + 2 + size)?);
        bytes = bytes.get(line + 2 + size + 2..)?;
        if size == 0 {
            return Some((body, whole - bytes.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_answer_is_whole_only_with_its_last_chunk() {
        let bytes =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nHTTP";
        let (answer, taken) = Answer::first(bytes).expect("it is whole");
        assert_eq!((answer.status, answer.text().as_str()), (200, "abcde"));
        assert_eq!(&bytes[taken..], b"HTTP");
        assert!(Answer::first(&bytes[..bytes.len() - 8]).is_none());
    }
}
