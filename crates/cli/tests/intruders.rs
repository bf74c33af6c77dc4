//! Somebody without a key, or with somebody else's: gets nothing but 4xx, learns nothing, and leaves no key behind.

use lockgate_config::KeyHash;
use lockgate_testkit::{Answer, Gateway, Launch, Provider};
use serde_json::{Value, json};
use std::net::TcpListener;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");
const KEY: &str = "lg-mine-0123456789";
/// A word in every key that is presented and must not be found again.
const CANARY: &str = "kanarie";

struct Setting {
    gateway: Gateway,
    provider: Provider,
}

fn setting(more: &str) -> Setting {
    let provider = Provider::start();
    let (base, hash) = (provider.url(), KeyHash::of(KEY.as_bytes()));
    let model = format!(
        "{{provider: openai, name: gpt-4, config: {{openai_api_key: sk-configured, openai_api_base: \"{base}/v1\"}}}}"
    );
    let config = format!(
        "endpoints:
  - {{name: open, endpoint_type: llm/v1/chat, model: {model}}}
  - {{name: hidden, endpoint_type: llm/v1/chat, model: {model}}}
callers:
  - {{name: me, key: {hash}, routes: [open]}}
{more}"
    );
    let gateway = Launch::new(BINARY).config(config).variable("LOCKGATE_LOG", "trace").start();
    Setting { gateway, provider }
}

fn body(route: &str) -> String {
    json!({"model": route, "messages": [{"role": "user", "content": "Hallo"}]}).to_string()
}

impl Setting {
    /// Every answer to these bytes: all of them 4xx, none with a word of the hidden route.
    #[track_caller]
    fn refused(&self, what: &str, bytes: impl AsRef<[u8]>) -> Vec<Answer> {
        let mut wire = self.gateway.wire();
        wire.send(bytes);
        let answers: Vec<_> = std::iter::from_fn(|| wire.answer()).collect();
        for answer in &answers {
            assert!((400..500).contains(&answer.status), "{what}: {} {}", answer.status, answer.text());
            assert!(!answer.text().contains("gpt-4"), "{what}: {}", answer.text());
        }
        assert_eq!(self.provider.counts().calls, 0, "{what} reached the provider");
        answers
    }
}

fn request(line: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{headers}\r\n{body}"
    )
}

#[test]
fn no_spelling_of_a_path_leads_past_the_key() {
    let setting = setting("");
    for path in [
        "/endpoints/hidden/invocations",
        "/endpoints/%68idden/invocations",
        "/endpoints/hidden%2Finvocations",
        "//endpoints/hidden/invocations",
        "/health/../endpoints/hidden/invocations",
        "/health/..%2fendpoints/hidden/invocations",
        "/health/%2e%2e/status",
        "/ready/%2e%2e/metrics",
        "/health;/metrics",
        "/health%00",
        "/health%3f/../metrics",
        "/./status",
        "/status/.",
        "/STATUS",
        "/%2e/status",
        "/%73tatus",
        "/metrics/",
        "/metrics%20",
        "/metrics?key=",
        "/metrics#/health",
        "/health\\..\\metrics",
        "http://h/status",
        "http://h/health/../status",
        "/v1/models/hidden",
        "/v1/models/%68idden",
    ] {
        for method in ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE", "CONNECT"] {
            let what = format!("{method} {path}");
            let bytes = request(&what, "", &body("hidden"));
            let mut wire = setting.gateway.wire();
            wire.send(bytes);
            let rest = wire.rest();
            let status = rest.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
            assert!(status.is_some_and(|status| (400..500).contains(&status)), "{what}: {rest}");
            for secret in ["gpt-4", "lockgate_", "hidden"] {
                assert!(!rest.contains(secret), "{what}: {rest}");
            }
        }
    }
    assert_eq!(setting.provider.counts().calls, 0);
}

#[test]
fn a_caller_of_one_route_finds_no_other_by_any_spelling() {
    let setting = setting("");
    let key = format!("authorization: Bearer {KEY}\r\n");
    for path in [
        "/endpoints/hidden/invocations",
        "/endpoints/%68%69dden/invocations",
        "/endpoints/hidden/invocations/",
        "/endpoints/open/../hidden/invocations",
        "/endpoints/open%2f..%2fhidden/invocations",
        "/gateway/hidden/invocations",
        "/api/2.0/endpoints/hidden",
        "/api/3.0/gateway/endpoint/hidden",
        "/v1/models/hidden",
    ] {
        for method in ["GET", "POST"] {
            setting.refused(path, request(&format!("{method} {path}"), &key, &body("open")));
        }
    }
    for model in ["hidden", "hidden ", "open/../hidden", "\u{68}idden"] {
        setting.refused(model, request("POST /v1/chat/completions", &key, &body(model)));
    }
    // The last `model` counts, as it does for providers.
    let twice = r#"{"model": "open", "model": "hidden", "messages": [{"role": "user", "content": "x"}]}"#;
    setting.refused("two models", request("POST /v1/chat/completions", &key, twice));
}

#[test]
fn headers_that_contradict_or_hide_each_other_open_nothing() {
    let setting = setting("");
    let long = "x".repeat(40_000);
    let wrong = [
        "authorization: Bearer\r\n".to_owned(),
        "authorization: \r\n".to_owned(),
        format!("authorization: {KEY}x\r\n"),
        format!("authorization: Token {KEY}\r\n"),
        format!("authorization: Bearer {KEY} x\r\n"),
        format!("authorization: Bearer {KEY},Bearer x\r\n"),
        format!("authorization: Bearer x\r\nauthorization: Bearer {KEY}\r\n"),
        format!("authorization: Bearer {KEY}\r\nx-api-key: other\r\n"),
        format!("x-api-key: {KEY}, {KEY}\r\n"),
        format!("x-api-key: \u{fe0f}{KEY}\r\n"),
        format!("X-Api-Key: x\r\nx-api-key: {KEY}\r\n"),
        format!("x_api_key: {KEY}\r\n"),
        format!("x-lockgate-key: x\r\nauthorization: Bearer {KEY}\r\n"),
        format!("x-lockgate-key: \r\nauthorization: Bearer {KEY}\r\n"),
        "authorization: Basic !!!\r\n".to_owned(),
        "authorization: Basic Og==\r\n".to_owned(),
        format!("authorization: Bearer {long}\r\n"),
        format!("x-api-key: {long}\r\n"),
        format!("authorization: Basic {long}\r\n"),
        format!("cookie: key={KEY}\r\n"),
        format!("x-original-authorization: Bearer {KEY}\r\n"),
        "x-forwarded-for: 127.0.0.1\r\nx-forwarded-user: me\r\n".to_owned(),
        "x-original-url: /health\r\nx-rewrite-url: /health\r\n".to_owned(),
        "x-http-method-override: GET\r\n".to_owned(),
        format!(" authorization: Bearer {KEY}\r\n"),
        format!("authorization : Bearer {KEY}\r\n"),
        format!("x: y\r\n authorization: Bearer {KEY}\r\n"),
        format!("authorization:\r\n Bearer {KEY}\r\n"),
    ];
    for headers in wrong {
        let shown = &headers[..headers.len().min(80)];
        for line in ["POST /v1/chat/completions", "POST /endpoints/open/invocations", "GET /metrics"] {
            let answers = setting.refused(shown, request(line, &headers, &body("open")));
            assert_eq!(answers.len(), 1, "{shown}");
        }
    }
}

#[test]
fn a_request_hidden_in_another_is_not_let_in_by_its_key() {
    let setting = setting("");
    let inner = request("POST /v1/chat/completions", "", &body("open"));
    let length = inner.len();
    let outer = |headers: &str, body: &str| {
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\n{headers}\r\n{body}")
    };
    for (what, bytes) in [
        ("two lengths", outer(&format!("content-length: 0\r\ncontent-length: {length}\r\n"), &inner)),
        (
            "length and chunks",
            outer(
                &format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
                &format!("0\r\n\r\n{inner}"),
            ),
        ),
        ("a strange encoding", outer("transfer-encoding: xchunked\r\n", &format!("0\r\n\r\n{inner}"))),
        ("a length in a list", outer("content-length: 0, 5\r\n", &inner)),
        ("a negative length", outer("content-length: -1\r\n", &inner)),
        ("a line break in a header", outer(&format!("x: y\rauthorization: Bearer {KEY}\r\n"), "")),
    ] {
        setting.refused(what, bytes);
    }
    // The key of one request of a connection does not open the next.
    let mut wire = setting.gateway.wire();
    wire.send(format!("GET /v1/models HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {KEY}\r\n\r\n"));
    assert_eq!(wire.answer().map(|answer| answer.status), Some(200));
    wire.send("GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!(wire.answer().map(|answer| answer.status), Some(401));
}

#[test]
fn guessing_ends_after_some_tries_and_does_not_keep_anybody_else_out() {
    let setting = setting("");
    let guess = |number: usize| {
        let ask = setting.gateway.get("/v1/models").header("x-api-key", &format!("lg-guess-{number}"));
        ask.send()
    };
    let statuses: Vec<u16> = (0..25).map(|number| guess(number).status).collect();
    assert_eq!(statuses[..20], [401; 20]);
    assert_eq!(statuses[20..], [429; 5]);
    let told = guess(26);
    assert!(
        told.header("retry-after").is_some() && told.text().contains("Too many refused keys"),
        "{}",
        told.text()
    );
    assert_eq!(setting.gateway.get("/v1/models").header("x-api-key", KEY).send().status, 200);
    assert_eq!(setting.gateway.get("/v1/models").send().status, 401, "a browser that asks is no guess");
}

#[test]
fn urls_in_a_request_are_never_fetched_by_the_gateway() {
    let inside = TcpListener::bind("127.0.0.1:0").expect("a free port");
    inside.set_nonblocking(true).expect("a listener that does not wait");
    let url = format!("http://{}/latest/meta-data/", inside.local_addr().expect("it is bound"));
    let provider = Provider::start();
    let base = provider.url();
    let config = format!(
        "endpoints:
  - name: openai
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: m, config: {{openai_api_key: k, openai_api_base: \"{base}/v1\"}}}}
  - name: anthropic
    endpoint_type: llm/v1/chat
    model: {{provider: anthropic, name: m, config: {{anthropic_api_key: k, anthropic_api_base: \"{base}/v1\"}}}}
  - {{name: demo, endpoint_type: llm/v1/chat, model: {{provider: demo, name: m}}}}
"
    );
    let gateway = Launch::new(BINARY).config(config).start();
    for route in ["openai", "anthropic", "demo"] {
        let image = json!({"type": "image_url", "image_url": {"url": url}});
        let body = json!({"model": route, "messages": [{"role": "user", "content": [image]}]});
        gateway.post("/v1/chat/completions", &body).send();
        let body = json!({"messages": body["messages"]});
        gateway.post(&format!("/endpoints/{route}/invocations"), &body).send();
        let source = json!({"type": "url", "url": url});
        let parts = json!([{"type": "image", "source": source}, {"type": "document", "source": source}]);
        let body = json!({"model": route, "max_tokens": 1, "messages": [{"role": "user", "content": parts}]});
        let answer = gateway.post("/v1/messages", &body).send();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let fetched = inside.accept().map(|(_, from)| from);
    assert_eq!(fetched.map_err(|error| error.kind()), Err(std::io::ErrorKind::WouldBlock));
}

#[test]
fn a_refused_key_is_told_to_the_log_with_who_and_what_and_never_with_the_key() {
    let setting = setting("");
    for (number, path) in
        ["/v1/chat/completions", "/metrics", "/endpoints/open/invocations"].iter().enumerate()
    {
        let ask = setting.gateway.post(path, &json!({})).header("x-api-key", "lg-kanarie");
        ask.header("x-request-id", &format!("try-{number}")).send();
        let told = setting.gateway.log.wait("the refused key", |record: &Value| {
            record["request_id"] == format!("try-{number}") && record["reason"].is_string()
        });
        assert_eq!(told["level"], "WARN");
        assert_eq!((&told["client"], &told["path"]), (&json!("127.0.0.1"), &json!(path)));
        assert_eq!(told["reason"], "The key is not valid");
    }
}

#[test]
fn presented_keys_are_found_nowhere_again() {
    let setting = setting("admin: {listen: \"127.0.0.1:0\"}\n");
    let mut told = String::new();
    for path in
        ["/v1/chat/completions", "/endpoints/open/invocations", "/docs", "/metrics", "/status", "/nowhere"]
    {
        for (name, value) in [
            ("authorization", "Bearer lg-kanarie-1".to_owned()),
            ("authorization", "Basic a2FuYXJpZTprYW5hcmll".to_owned()),
            ("authorization", "kanarie".to_owned()),
            ("x-api-key", "kanarie".to_owned()),
            ("api-key", "kanarie".to_owned()),
            ("x-goog-api-key", "kanarie".to_owned()),
            ("x-lockgate-key", "kanarie".to_owned()),
            ("x-api-key", format!("{CANARY}{}", "x".repeat(4000))),
        ] {
            for method in ["GET", "POST"] {
                let ask = setting.gateway.client.ask(method, &format!("{path}?key=kanarie"));
                let answer = ask.header(name, &value).send();
                assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
                told.push_str(&answer.head());
                told.push_str(&answer.text());
            }
        }
    }
    for (name, value) in [("authorization", format!("Bearer {KEY}")), ("x-api-key", KEY.to_owned())] {
        for path in ["/v1/models", "/docs", "/openapi.json", "/status", "/nowhere"] {
            let answer = setting.gateway.get(&format!("{path}?key={KEY}")).header(name, &value).send();
            assert_ne!(answer.status, 401, "{path}");
            told.push_str(&answer.head());
            told.push_str(&answer.text());
        }
    }
    setting.gateway.get("/later").header("x-request-id", "later").send();
    setting.gateway.accessed("later");
    told.push_str(&setting.gateway.log.text());
    assert!(!told.contains(KEY) && !told.contains(&KeyHash::of(KEY.as_bytes()).to_string()));
    let at = told.to_ascii_lowercase();
    let found = at.find(CANARY).or_else(|| at.find("a2fuyxjp"));
    assert_eq!(found.map(|at| told[at.saturating_sub(200)..].chars().take(300).collect::<String>()), None);
}
