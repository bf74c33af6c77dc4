//! Whatever a client sends: it is told what is wrong with it or is hung up on, and nobody else notices.

use lockgate_testkit::{Answer, Gateway, Provider};
use serde_json::Value;
use std::io::Write;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");

/// Small limits, so that tests reach them; `section` is `routes` (MLflow 2.5 to 2.8) or `endpoints` (2.9 and later).
fn config(section: &str, provider: &Provider) -> String {
    let kind = if section == "routes" { "route_type" } else { "endpoint_type" };
    let base = provider.url();
    format!(
        "server:
  limits: {{max_body: 64KiB, max_header: 16KiB, max_headers: 40, max_depth: 20}}
  timeouts: {{header: 500ms, body: 500ms, keep_alive: 30s}}
{section}:
  - {{name: chat, {kind}: llm/v1/chat, model: {{provider: demo, name: demo}}}}
  - {{name: completions, {kind}: llm/v1/completions, model: {{provider: demo, name: demo}}}}
  - {{name: embeddings, {kind}: llm/v1/embeddings, model: {{provider: demo, name: demo}}}}
  - {{name: openai, {kind}: llm/v1/chat, model: {{provider: openai, name: gpt-4, config: {{openai_api_key: k, openai_api_base: \"{base}/v1\"}}}}}}
  - {{name: anthropic, {kind}: llm/v1/chat, model: {{provider: anthropic, name: claude-3, config: {{anthropic_api_key: k, anthropic_api_base: \"{base}/v1\"}}}}}}
  - {{name: cohere, {kind}: llm/v1/chat, model: {{provider: cohere, name: command, config: {{cohere_api_key: k, cohere_api_base: \"{base}/v1\"}}}}}}
"
    )
}

struct Setting {
    gateway: Gateway,
    _provider: Provider,
}

fn setting(section: &str) -> Setting {
    let provider = Provider::start();
    Setting { gateway: Gateway::start(BINARY, Some(&config(section, &provider))), _provider: provider }
}

impl Setting {
    /// Every answer to these bytes until the gateway hangs up or has told an error; never one of 500 and above.
    #[track_caller]
    fn told(&mut self, what: &str, bytes: &[u8]) -> Vec<Answer> {
        let mut wire = self.gateway.wire();
        wire.send(bytes);
        let answers: Vec<_> = std::iter::from_fn(|| wire.answer()).collect();
        for (place, answer) in answers.iter().enumerate() {
            // What follows the end of a request may look like another one that cannot be read.
            if place == 0 || answer.status != 400 || !answer.body.is_empty() {
                assert_sound(what, answer);
            }
        }
        answers
    }

    /// The one answer to these bytes, an error; then the connection is closed.
    #[track_caller]
    fn refused(&mut self, what: &str, bytes: &[u8]) -> Answer {
        let mut answers = self.told(what, bytes);
        assert_eq!(answers.len(), 1, "{what}: {answers:?}");
        let answer = answers.remove(0);
        assert!((400..500).contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
        answer
    }

    /// The answer to a POST of `body` with further `headers`.
    #[track_caller]
    fn posted(&mut self, path: &str, headers: &str, body: &[u8]) -> Answer {
        let bytes = request(path, headers, body);
        self.refused(path, &bytes)
    }
}

/// No 5xx, and what is wrong in JSON.
#[track_caller]
fn assert_sound(what: &str, answer: &Answer) {
    let text = answer.text();
    assert!(answer.status < 500, "{what}: {} {text}", answer.status);
    if answer.status >= 400 {
        assert!(serde_json::from_slice::<Value>(&answer.body).is_ok(), "{what}: {} '{text}'", answer.status);
    }
}

fn request(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "POST {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

const CHAT: &str = r#"{"model": "chat", "messages": [{"role": "user", "content": "Hallo"}]}"#;
/// A surface of each kind, with a body that it takes.
const CLASSIC: [(&str, &str); 4] = [
    (
        "/gateway/chat/invocations",
        r#"{"messages": [{"role": "user", "content": "Hallo"}], "temperature": 0.5}"#,
    ),
    ("/gateway/completions/invocations", r#"{"prompt": "Hallo", "max_tokens": 10, "stop": ["x"]}"#),
    ("/gateway/embeddings/invocations", r#"{"text": ["Hallo", "du"]}"#),
    (
        "/gateway/anthropic/invocations",
        r#"{"messages": [{"role": "user", "content": "Hallo"}], "temperature": 0.5}"#,
    ),
];
const NEWER: [(&str, &str); 9] = [
    (
        "/endpoints/chat/invocations",
        r#"{"messages": [{"role": "user", "content": "Hallo"}], "stream": true}"#,
    ),
    ("/endpoints/completions/invocations", r#"{"prompt": "Hallo", "max_tokens": 10, "n": 2}"#),
    ("/endpoints/embeddings/invocations", r#"{"input": "Hallo"}"#),
    (
        "/gateway/cohere/invocations",
        r#"{"messages": [{"role": "user", "content": "Hallo"}], "stream": true}"#,
    ),
    ("/v1/chat/completions", CHAT),
    (
        "/v1/chat/completions",
        r#"{"model": "anthropic", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hallo"}]}], "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}], "stream": true}"#,
    ),
    (
        "/v1/chat/completions",
        r#"{"model": "openai", "messages": [{"role": "user", "content": "Hallo"}], "stream": true, "stream_options": {"include_usage": true}}"#,
    ),
    ("/v1/completions", r#"{"model": "completions", "prompt": ["Hallo", "du"], "logprobs": 1}"#),
    ("/v1/embeddings", r#"{"model": "embeddings", "input": ["Hallo"], "encoding_format": "base64"}"#),
];

#[test]
fn a_body_past_the_limit_is_refused_whether_its_length_is_told_or_not() {
    let mut setting = setting("endpoints");
    for path in ["/v1/chat/completions", "/endpoints/chat/invocations"] {
        let told = format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 65537\r\n\r\n");
        assert_eq!(setting.refused("announced", told.as_bytes()).status, 413);
        let absurd =
            format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 18446744073709551615\r\n\r\n");
        assert!(matches!(setting.refused("absurd", absurd.as_bytes()).status, 400 | 413 | 431));
        let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000));
        let chunked = format!(
            "POST {path} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n{}",
            chunk.repeat(5)
        );
        assert_eq!(setting.refused("chunked", chunked.as_bytes()).status, 413);
    }
    setting.gateway.assert_well();
}

#[test]
fn a_bomb_does_not_take_the_memory_it_says() {
    let mut setting = setting("endpoints");
    let plain = vec![b' '; 64 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&plain).expect("writing to memory");
    let gzip = gzip.finish().expect("writing to memory");
    let zstd = zstd::encode_all(&plain[..], 3).expect("encoding memory");
    assert!(gzip.len() < 1 << 17 && zstd.len() < 1 << 17);
    let before = setting.gateway.consumption().memory_kib;
    for path in ["/v1/chat/completions", "/endpoints/chat/invocations"] {
        for (encoding, bomb) in [("gzip", &gzip), ("zstd", &zstd)] {
            let header = format!("content-encoding: {encoding}\r\n");
            assert_eq!(setting.posted(path, &header, bomb).status, 413);
            let half = &bomb[..bomb.len() / 2];
            assert!(matches!(setting.posted(path, &header, half).status, 400 | 413));
            assert_eq!(setting.posted(path, &header, CHAT.as_bytes()).status, 400);
        }
        assert_eq!(setting.posted(path, "content-encoding: br\r\n", CHAT.as_bytes()).status, 415);
        assert_eq!(setting.posted(path, "content-encoding: gzip, gzip\r\n", &gzip).status, 415);
    }
    let after = setting.gateway.consumption().memory_kib;
    // Half of what one bomb says; the decoders' own windows are some of it.
    assert!(after < before + 32 * 1024, "from {before} to {after} KiB");
    setting.gateway.assert_well();
}

#[test]
fn compressed_bodies_within_the_limit_are_read() {
    let setting = setting("endpoints");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(CHAT.as_bytes()).expect("writing to memory");
    let gzip = gzip.finish().expect("writing to memory");
    let zstd = zstd::encode_all(CHAT.as_bytes(), 3).expect("encoding memory");
    for (encoding, body) in [("gzip", gzip), ("zstd", zstd)] {
        let ask =
            setting.gateway.client.post("/v1/chat/completions").header("content-type", "application/json");
        let answer = ask.header("content-encoding", encoding).body(body).send();
        assert_eq!(answer.status, 200, "{encoding}: {}", answer.text());
    }
}

#[test]
fn too_many_or_too_long_headers_are_told_so() {
    let mut setting = setting("endpoints");
    let many = "x-header: 1\r\n".repeat(60);
    assert_eq!(setting.posted("/v1/chat/completions", &many, CHAT.as_bytes()).status, 431);
    let long = format!("x-header: {}\r\n", "a".repeat(20_000));
    assert_eq!(setting.posted("/v1/chat/completions", &long, CHAT.as_bytes()).status, 431);
    let target = format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "a".repeat(20_000));
    assert!(matches!(setting.refused("a long path", target.as_bytes()).status, 414 | 431));
    setting.gateway.assert_well();
}

#[test]
fn a_client_that_sends_too_slowly_is_told_so_and_hung_up_on() {
    let mut setting = setting("endpoints");
    for head in ["P", "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nx-slow: "] {
        assert_eq!(setting.refused("a slow head", head.as_bytes()).status, 408);
    }
    for path in ["/v1/chat/completions", "/endpoints/chat/invocations"] {
        let slow = format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\n{{");
        assert_eq!(setting.refused("a slow body", slow.as_bytes()).status, 408);
        let slow = format!("POST {path} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{{");
        assert_eq!(setting.refused("a slow chunk", slow.as_bytes()).status, 408);
    }
    setting.gateway.assert_well();
}

#[test]
fn a_second_request_that_comes_too_slowly_is_told_so() {
    let setting = setting("endpoints");
    let mut wire = setting.gateway.wire();
    wire.send("GET /health HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!(wire.answer().map(|answer| answer.status), Some(200));
    wire.send("GET /hea");
    assert_eq!(wire.answer().map(|answer| answer.status), Some(408));
    assert!(wire.to_end().is_empty());
}

#[test]
fn nesting_past_the_limit_is_refused_on_every_surface() {
    let mut setting = setting("endpoints");
    for depth in [25, 1_000, 30_000] {
        for (path, body) in NEWER {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let inner = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                let body = body.replacen('{', &format!("{{\"extra\": {inner}, "), 1);
                if body.len() < 65_536 {
                    let answer = setting.posted(path, "", body.as_bytes());
                    assert!(matches!(answer.status, 400 | 422), "{path}, {depth}: {}", answer.status);
                }
            }
        }
    }
    setting.gateway.assert_well();
}

#[test]
fn text_that_is_no_text_is_refused() {
    let mut setting = setting("endpoints");
    for (path, body) in NEWER {
        let at = body.find("Hallo").expect("every body says hello");
        for bytes in [&b"\xff\xfe"[..], b"\xc3", b"\xed\xa0\x80", b"\0", b"\\ud800", b"\\x", b"\x1f"] {
            let mut body = body.as_bytes().to_vec();
            body.splice(at..at + 5, bytes.iter().copied());
            let answers = setting.told(path, &request(path, "", &body));
            assert_eq!(answers.len(), 1, "{path} {bytes:?}");
            // A lone surrogate is JSON, and its meaning is the reader's.
            if bytes != b"\\ud800" {
                assert!((400..500).contains(&answers[0].status), "{path} {bytes:?}: {}", answers[0].status);
            }
        }
        for body in
            [&b""[..], b"null", b"[]", b"{", b"{}", b"\xef\xbb\xbf{}", b"\"\"", b"1e999", b"{\"model\": 1}"]
        {
            assert!(matches!(setting.posted(path, "", body).status, 400 | 404 | 422), "{path} {body:?}");
        }
    }
    setting.gateway.assert_well();
}

#[test]
fn a_body_that_names_two_models_is_refused() {
    let mut setting = setting("endpoints");
    for twice in [
        r#"{"model": "chat", "model": "openai", "messages": [{"role": "user", "content": "a"}]}"#,
        r#"{"model": "chat", "messages": [{"role": "user", "content": "a"}], "mod\u0065l": "openai"}"#,
    ] {
        let answer = setting.posted("/v1/chat/completions", "", twice.as_bytes());
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("twice"), "{}", answer.text());
    }
}

#[test]
fn broken_chunks_are_refused_or_hung_up_on() {
    let mut setting = setting("endpoints");
    for chunks in [
        "zz\r\n",
        "-1\r\n",
        "\r\n",
        "ffffffffffffffffff\r\n",
        "5\r\nabcdefgh\r\n0\r\n\r\n",
        "5;ext=\"\r\n",
        "1\r\na\r\n0\r\nbad trailer\r\n\r\n",
        "1 \0\r\na\r\n0\r\n\r\n",
    ] {
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
        for answer in setting.told(chunks, format!("{head}{chunks}").as_bytes()) {
            assert!((400..500).contains(&answer.status), "{chunks:?}: {}", answer.status);
        }
    }
    setting.gateway.assert_well();
}

#[test]
fn no_request_can_be_hidden_in_the_body_of_another() {
    let mut setting = setting("endpoints");
    let hidden = "GET /v1/models HTTP/1.1\r\nhost: h\r\nx-request-id: hidden\r\n\r\n";
    let with = |headers: &str, body: &str| {
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\n{headers}\r\n{body}")
    };
    let ended = format!("0\r\n\r\n{hidden}");
    let length = ended.len();
    for request in [
        with(&format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"), &ended),
        with(&format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"), &ended),
        with(&format!("content-length: 0\r\ncontent-length: {length}\r\n"), hidden),
        with(&format!("content-length: {length}\r\ncontent-length: 0\r\n"), hidden),
        with("content-length: 0, 5\r\n", hidden),
        with("content-length: +0\r\n", hidden),
        with("content-length: 0x0\r\n", hidden),
        with("content-length : 0\r\n", hidden),
        with("content-length:\r\n", hidden),
        with("transfer-encoding: chunked, identity\r\n", &ended),
        with("transfer-encoding: identity\r\n", hidden),
        with("transfer-encoding: xchunked\r\n", &ended),
        with("transfer-encoding : chunked\r\n", &ended),
        with("transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", &ended),
        with("x: y\r\n content-length: 0\r\n", hidden),
        with("x: y\nz\r\n", hidden),
    ] {
        let mut wire = setting.gateway.wire();
        wire.send(&request);
        let answers: Vec<_> = std::iter::from_fn(|| wire.answer()).collect();
        assert!(answers.len() <= 1, "{request}\n{answers:?}");
        for answer in answers {
            assert!((400..500).contains(&answer.status), "{request}\n{answer:?}");
            assert_ne!(answer.header("x-request-id"), Some("hidden"), "{request}");
        }
    }
    setting.gateway.assert_well();
}

#[test]
fn line_breaks_between_requests_hold_no_answer_up() {
    let setting = setting("endpoints");
    let mut wire = setting.gateway.wire();
    for _ in 0..2 {
        wire.post("/v1/chat/completions", "", CHAT).send("\r\n");
        assert_eq!(wire.answer().map(|answer| answer.status), Some(200));
    }
    // Half of the next request is no reason to wait with the answer to this one.
    wire.post("/v1/chat/completions", "", CHAT).send("GET /health HT");
    assert_eq!(wire.answer().map(|answer| answer.status), Some(200));
    wire.send("TP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!(wire.answer().map(|answer| answer.status), Some(200));
}

#[test]
fn bytes_that_are_no_request_are_refused_or_hung_up_on() {
    let mut setting = setting("endpoints");
    for bytes in [
        &b"\0"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\0b\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nhost: h\r\n\r\n",
        b"G\xffT / HTTP/1.1\r\nhost: h\r\n\r\n",
        b"GET\t/\tHTTP/1.1\r\nhost: h\r\n\r\n",
        b"GET  HTTP/1.1\r\nhost: h\r\n\r\n",
        b"\r\n\r\n\r\n\r\n\r\n\0\0\0\0",
        b"GET / HTTP/1.1\r\n: nameless\r\n\r\n",
        b"GET / HTTP/1.1\nhost: h\nconnection: close\n\n",
        b"CONNECT h:1 HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
        b"GET http://elsewhere/health HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ] {
        setting.told(&String::from_utf8_lossy(bytes), bytes);
    }
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..50 {
        let bytes: Vec<u8> = (0..random.usize(1..2_000)).map(|_| random.u8(..)).collect();
        setting.told("random bytes", &bytes);
    }
    setting.gateway.assert_well();
}

#[test]
fn paths_that_lead_nowhere_are_told_so() {
    let mut setting = setting("endpoints");
    for path in [
        "/gateway/%00/invocations",
        "/gateway/%ff%fe/invocations",
        "/gateway/..%2f..%2fetc%2fpasswd/invocations",
        "/gateway//invocations",
        "/gateway/chat/invocations/",
        "/v1/models/%f0%9f%92%a9",
        "/v1/models/../../etc/passwd",
        "/docs/..%2f..%2f..%2fetc%2fpasswd",
        "/docs/../../../etc/passwd",
        "/%",
        "/%zz",
        "//evil.example/health",
        "/api/2.0/endpoints/%3Cscript%3E",
        "/?a=%ff&b[]=1&page_token=%00",
        "/api/2.0/endpoints/?page_token=bm9uc2Vuc2U%3D",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let bytes = format!("{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
            let answers = setting.told(path, bytes.as_bytes());
            assert_eq!(answers.len(), 1, "{method} {path}");
            assert!(!answers[0].text().contains("root:"), "{method} {path}");
        }
    }
    setting.gateway.assert_well();
}

/// Changes a few bytes of `body`, or cuts it, or says something twice.
fn mutated(body: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    const PIECES: [&[u8]; 16] = [
        b"\"",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"null",
        b"-1",
        b"1e400",
        b"\"stream\":true,",
        b"\\u0000",
        b"\xff",
        b"\0",
        b"18446744073709551616",
        b"{\"a\":[{}]}",
    ];
    let mut body = body.to_vec();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(0..=body.len());
        let to = random.usize(at..=body.len().min(at + 12));
        match random.u8(0..5) {
            0 => drop(body.splice(at..to, PIECES[random.usize(0..PIECES.len())].iter().copied())),
            1 => body.truncate(at),
            2 => drop(body.drain(at..to)),
            3 => {
                let copied = body[at..to].to_vec();
                drop(body.splice(at..at, copied));
            }
            _ if at < body.len() => body[at] = random.u8(..),
            _ => {}
        }
    }
    body
}

#[test]
fn a_few_hundred_damaged_requests_never_look_like_the_gateways_fault() {
    let mut random = fastrand::Rng::with_seed(20);
    let mut count = 0;
    for (section, surfaces) in [("routes", &CLASSIC[..]), ("endpoints", &NEWER[..])] {
        let mut setting = setting(section);
        for (path, body) in surfaces {
            let sound = setting.told(path, &request(path, "", body.as_bytes()));
            assert_eq!(sound[0].status, 200, "{path}: {}", sound[0].text());
            for _ in 0..40 {
                let body = mutated(body.as_bytes(), &mut random);
                let what = format!("{path} {}", String::from_utf8_lossy(&body));
                let answers = setting.told(&what, &request(path, "", &body));
                assert_eq!(answers.len(), 1, "{what}");
                count += 1;
            }
            for _ in 0..10 {
                let mut bytes = request(path, "", b"");
                bytes.truncate(bytes.len() - 4);
                let mut bytes = mutated(&bytes, &mut random);
                bytes.extend_from_slice(b"\r\n\r\n");
                bytes.extend_from_slice(body.as_bytes());
                setting.told(&format!("{:?}", String::from_utf8_lossy(&bytes)), &bytes);
                count += 1;
            }
        }
        setting.gateway.assert_well();
    }
    assert_eq!(count, 13 * 50);
}
