//! A request's body: whole, decompressed, within its limits of size and time.

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use lockgate_config::Server;
use lockgate_dialects::canonical::{Class, Failure};
use lockgate_dialects::raw::MAX_DEPTH;
use std::io::Read;
use std::time::Duration;
use tokio::time::timeout;

/// How long a body is taken off the wire that nobody reads.
const LONGEST_DISCARD: Duration = Duration::from_secs(2);

/// Reads a body.
///
/// # Errors
/// [`Class::TooLarge`], [`Class::RequestTimeout`], [`Class::UnsupportedMedia`] or [`Class::InvalidRequest`], each with
/// the limit that was met.
pub(crate) async fn read(headers: &HeaderMap, body: Incoming, server: &Server) -> Result<Bytes, Failure> {
    let most = server.limits.max_body_bytes;
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(too_large(most, ""));
    }
    let body = timeout(server.timeouts.body, collect(body, most)).await.map_err(|_| {
        let seconds = server.timeouts.body.as_secs_f64();
        Failure::new(Class::RequestTimeout, format!("The request's body did not arrive within {seconds} s"))
    })??;
    let body = decompress(headers, body, most)?;
    let depth = server.limits.max_depth;
    // Deeper than this no reader of JSON here goes anyway.
    if depth < MAX_DEPTH as usize && nested_deeper(&body, depth) {
        let message = format!("The request's body is nested deeper than the limit of {depth} levels");
        return Err(Failure::new(Class::InvalidRequest, message));
    }
    Ok(body)
}

/// Whether brackets outside of strings are open more than `most` times at once.
fn nested_deeper(json: &[u8], most: usize) -> bool {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    json.iter().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > most
    })
}

/// Takes a body off the wire and forgets it, for a moment and within its limit: on a connection that is closed while a
/// body arrives, many clients never see the answer. One that is not on its way yet, since
/// the client asks first (RFC 9110, section 10.1.1), is not asked for.
pub(crate) async fn discard(headers: &HeaderMap, mut body: Incoming, server: &Server) {
    if headers.contains_key(EXPECT) {
        return;
    }
    let whole = async {
        let mut left = server.limits.max_body_bytes;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(length) {
                Some(less) => left = less,
                None => return,
            }
        }
    };
    // Whoever sends longer is not waited for.
    let _ = timeout(LONGEST_DISCARD.min(server.timeouts.body), whole).await;
}

async fn collect(mut body: Incoming, most: usize) -> Result<Bytes, Failure> {
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::new(Class::InvalidRequest, "The request's body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        let held = first.as_ref().map_or(0, Bytes::len) + rest.len();
        if held + data.len() > most {
            return Err(too_large(most, ""));
        }
        match &first {
            None => first = Some(data),
            Some(_) => {
                rest.reserve(body.size_hint().lower().min(most as u64) as usize + data.len());
                rest.extend_from_slice(&data);
            }
        }
    }
    let Some(first) = first else { return Ok(Bytes::new()) };
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

fn decompress(headers: &HeaderMap, body: Bytes, most: usize) -> Result<Bytes, Failure> {
    let Some(encoding) = headers.get(CONTENT_ENCODING) else { return Ok(body) };
    match encoding.to_str().unwrap_or("").trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(body),
        "gzip" | "x-gzip" => inflate(MultiGzDecoder::new(&body[..]), "gzip", most),
        "zstd" => {
            let decoder = zstd::Decoder::new(&body[..]).map_err(|_| broken("zstd"))?;
            inflate(decoder, "zstd", most)
        }
        other => Err(Failure::new(
            Class::UnsupportedMedia,
            format!("The content-encoding '{other}' is not supported; use gzip, zstd or identity"),
        )),
    }
}

fn inflate(decoder: impl Read, encoding: &str, most: usize) -> Result<Bytes, Failure> {
    let mut plain = Vec::new();
    decoder.take(most as u64 + 1).read_to_end(&mut plain).map_err(|_| broken(encoding))?;
    if plain.len() > most {
        return Err(too_large(most, " after decompression"));
    }
    Ok(plain.into())
}

fn broken(encoding: &str) -> Failure {
    Failure::new(Class::InvalidRequest, format!("The request's body is not valid {encoding}"))
}

fn too_large(most: usize, after: &str) -> Failure {
    let message = format!("The request's body is larger than the limit of {most} bytes{after}");
    Failure::new(Class::TooLarge, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::io::Write;

    fn encoded(encoding: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(encoding))])
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        bomb.write_all(&vec![b' '; 4 << 20]).expect("writing to memory");
        let bomb = Bytes::from(bomb.finish().expect("writing to memory"));
        let refused = decompress(&encoded("gzip"), bomb, 1 << 20).expect_err("4 MiB is more than 1 MiB");
        assert_eq!(refused.class, Class::TooLarge);
    }

    #[test]
    fn only_brackets_that_are_open_count_as_depth() {
        assert!(nested_deeper(br#"{"a":[[]]}"#, 2));
        for body in
            [&br#"{"a":[],"b":[{}]}"#[..], br#"{"a":[["[[[["]]}"#, br#"{"a":"\"[[[[["}"#, b"]]]]{[{}]}"]
        {
            assert!(!nested_deeper(body, 3), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn gzip_and_zstd_bodies_are_read() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"{}").expect("writing to memory");
        let gzip = gzip.finish().expect("writing to memory");
        let zstd = zstd::encode_all(&b"{}"[..], 1).expect("encoding memory");
        for (encoding, body) in [("gzip", gzip), ("zstd", zstd), ("identity", b"{}".to_vec())] {
            let plain = decompress(&encoded(encoding), body.into(), 16).expect("a valid body");
            assert_eq!(&plain[..], b"{}", "{encoding}");
        }
        let refused = decompress(&encoded("br"), Bytes::new(), 16).expect_err("br is not supported");
        assert_eq!(refused.class, Class::UnsupportedMedia);
    }
}
