//! `/docs`: Swagger UI from the binary. Nothing is loaded from elsewhere, and no script stands in the page.

use super::reply;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING};
use http::{Response, StatusCode};

/// Swagger UI sets styles from scripts and has its pictures in data URLs; "Try it out" calls this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

/// Packed by the build script: every browser takes gzip.
static BUNDLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui-bundle.js.gz"));
static STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/swagger-ui.css.gz"));
static START: &[u8] = include_bytes!("start.js");
static ICON: &[u8] = include_bytes!("favicon.ico");

/// The page. Its files carry the version of what runs, so that caches never mix two.
pub(super) fn page(title: &str) -> Response<Bytes> {
    let version = env!("CARGO_PKG_VERSION");
    let page = format!(
        r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="/favicon.ico">
<link rel="service-desc" type="application/json" href="/openapi.json">
<link rel="stylesheet" href="/docs/swagger-ui.css?v={version}">
</head><body>
<div id="swagger-ui"></div>
<noscript>This page needs JavaScript; the API is described in <a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="/docs/swagger-ui-bundle.js?v={version}"></script>
<script src="/docs/start.js?v={version}"></script>
</body></html>
"#
    );
    reply::html(page, POLICY)
}

/// A file of the page.
pub(super) fn file(name: &str) -> Response<Bytes> {
    let (content_type, body, packed) = match name {
        "swagger-ui-bundle.js" => ("text/javascript; charset=utf-8", BUNDLE, true),
        "swagger-ui.css" => ("text/css; charset=utf-8", STYLE, true),
        "start.js" => ("text/javascript; charset=utf-8", START, false),
        _ => return reply::detail(StatusCode::NOT_FOUND, "Not Found"),
    };
    let mut reply = reply::of(StatusCode::OK, content_type, Bytes::from_static(body));
    reply::set(&mut reply, CACHE_CONTROL, "public, max-age=86400");
    if packed {
        reply::set(&mut reply, CONTENT_ENCODING, "gzip");
    }
    reply
}

/// `/favicon.ico`
pub(super) fn icon() -> Response<Bytes> {
    reply::of(StatusCode::OK, "image/vnd.microsoft.icon", Bytes::from_static(ICON))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn unpacked(name: &str) -> String {
        let reply = file(name);
        assert_eq!(
            (reply.status().as_u16(), &reply.headers()["content-encoding"]),
            (200, &"gzip".parse().expect("a value"))
        );
        let mut text = String::new();
        flate2::read::GzDecoder::new(&reply.body()[..])
            .read_to_string(&mut text)
            .expect("whole, with its checksum");
        text
    }

    #[test]
    fn the_page_comes_with_every_file_that_it_names() {
        let page = page("MLflow Gateway API");
        let text = std::str::from_utf8(page.body()).expect("UTF-8");
        assert!(text.contains("<title>MLflow Gateway API</title>") && text.contains("/openapi.json"));
        for part in text.split("\"/docs/").skip(1) {
            let name = part.split(['?', '"']).next().expect("split gives a first part");
            assert_eq!(file(name).status(), 200, "{name}");
        }
        assert!(!text.contains("://"), "the page loads nothing from elsewhere");
        assert!(unpacked("swagger-ui-bundle.js").contains("SwaggerUIBundle"));
        assert!(unpacked("swagger-ui.css").contains(".swagger-ui"));
        assert_eq!(file("../Cargo.toml").status(), 404);
    }

    #[test]
    fn the_icon_is_one() {
        let reply = icon();
        assert_eq!(reply.headers()["content-type"], "image/vnd.microsoft.icon");
        assert_eq!(&reply.body()[..4], [0, 0, 1, 0]);
    }
}
