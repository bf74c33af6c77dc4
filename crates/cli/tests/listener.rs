//! How clients reach the listener: over TLS, from which addresses, behind which proxies, from which pages.

use lockgate_testkit::{Ask, Certificate, Gateway, Launch, Secure, post_over_http2, until};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");
const ROUTES: &str = "routes:
  - {name: chat, route_type: llm/v1/chat, model: {provider: demo, name: demo}}
  - name: once
    route_type: llm/v1/chat
    model: {provider: demo, name: demo}
    limit: {calls: 1, renewal_period: hour}
";
const GET: &str = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn secure(certificate: &Certificate) -> Gateway {
    let tls = "server:
  tls: {certificate: \"@dir@/certificate.pem\", key: \"@dir@/key.pem\"}
  timeouts: {header: 500ms}
";
    Launch::new(BINARY)
        .config(format!("{tls}{ROUTES}"))
        .file("certificate.pem", &certificate.certificate)
        .file("key.pem", &certificate.key)
        .start()
}

fn with(server: &str) -> Gateway {
    Gateway::start(BINARY, Some(&format!("server: {server}\n{ROUTES}")))
}

#[test]
fn clients_speak_https_where_a_certificate_is_given() {
    let certificate = Certificate::new();
    let gateway = secure(&certificate);
    let mut client =
        Secure::open(gateway.address, &certificate.authority).expect("the certificate is trusted");
    assert_eq!(client.protocol().as_deref(), Some("http/1.1"));
    assert_eq!(client.ask(GET).expect("an answer").status, 200);
    let redirected = client.ask("GET /v1/models/ HTTP/1.1\r\nhost: gate.example\r\n\r\n").expect("an answer");
    assert_eq!(redirected.header("location"), Some("https://gate.example/v1/models"));
    let stranger = Certificate::new();
    assert!(Secure::open(gateway.address, &stranger.authority).is_err());
    assert!(!gateway.log.text().contains("PRIVATE KEY"));
}

#[test]
fn plain_and_slow_clients_of_a_secure_listener_are_hung_up_on() {
    let certificate = Certificate::new();
    let gateway = secure(&certificate);
    for bytes in [GET.as_bytes(), b"", b"\x16\x03\x01\x02\x00\x01\x00", &[0; 100]] {
        let mut tcp = TcpStream::connect(gateway.address).expect("it listens");
        tcp.set_read_timeout(Some(lockgate_testkit::PATIENCE)).expect("a time");
        tcp.write_all(bytes).expect("it is open");
        let mut answer = Vec::new();
        // A reset is an end, too.
        _ = tcp.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"), "{answer:?}");
    }
    let mut client = Secure::open(gateway.address, &certificate.authority).expect("it still serves");
    assert_eq!(client.ask(GET).expect("an answer").status, 200);
}

#[test]
fn a_new_certificate_serves_new_connections_and_old_ones_go_on() {
    let (old, new) = (Certificate::new(), Certificate::new());
    let gateway = secure(&old);
    let mut open = Secure::open(gateway.address, &old.authority).expect("the old certificate");
    assert_eq!(open.ask(GET).expect("an answer").status, 200);
    gateway.files.replace("certificate.pem", &new.certificate);
    let refused = gateway.log.wait("that the certificate does not fit", |record| {
        record["message"].as_str().is_some_and(|text| text.contains("does not belong to the certificate"))
    });
    assert!(!refused.to_string().contains("PRIVATE"), "{refused}");
    assert!(Secure::open(gateway.address, &old.authority).is_ok(), "what served before goes on");
    gateway.files.replace("key.pem", &new.key);
    until("the new certificate serves", || Secure::open(gateway.address, &new.authority).ok());
    assert!(Secure::open(gateway.address, &old.authority).is_err());
    assert_eq!(open.ask(GET).expect("the old connection goes on").status, 200);
}

#[test]
fn a_key_of_another_certificate_is_found_by_check() {
    let directory = TempDir::new().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("c.pem"), Certificate::new().certificate).expect("a file");
    std::fs::write(path("k.pem"), Certificate::new().key).expect("a file");
    let tls = format!("server: {{tls: {{certificate: {}, key: {}}}}}\n", path("c.pem"), path("k.pem"));
    std::fs::write(path("config.yaml"), format!("{tls}{ROUTES}")).expect("a file");
    let told = Command::new(BINARY).args(["check", &path("config.yaml")]).output().expect("it runs");
    assert_eq!(told.status.code(), Some(2));
    let text = String::from_utf8_lossy(&told.stderr);
    assert!(text.contains("server.tls: the key does not belong to the certificate"), "{text}");
}

#[test]
fn only_clients_of_listed_networks_are_let_in() {
    let gateway = with("{allow: [10.0.0.0/8]}");
    for path in ["/health", "/v1/models", "/status"] {
        let answer = gateway.get(path).send();
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.text().contains("This address is not let in"), "{}", answer.text());
    }
    assert_eq!(with("{allow: [127.0.0.0/8, \"::1\"]}").get("/v1/models").send().status, 200);
}

#[test]
fn a_client_is_known_by_its_own_address_behind_a_proxy_that_is_trusted_only() {
    let chat = json!({"messages": [{"role": "user", "content": "Hallo"}]});
    let once = |gateway: &Gateway, from: &str| {
        let ask = gateway.post("/gateway/once/invocations", &chat).header("x-forwarded-for", from);
        ask.header("x-request-id", from).send().status
    };
    let open = with("{}");
    assert_eq!((once(&open, "198.51.100.1"), once(&open, "198.51.100.2")), (200, 429));
    assert_eq!(open.accessed("198.51.100.2")[0]["client"], "127.0.0.1");
    let proxied = with("{trusted_proxies: [127.0.0.1], allow: [127.0.0.1, 198.51.100.0/24]}");
    assert_eq!((once(&proxied, "198.51.100.1"), once(&proxied, "198.51.100.2")), (200, 200));
    assert_eq!(once(&proxied, "198.51.100.1"), 429);
    assert_eq!(proxied.accessed("198.51.100.2")[0]["client"], "198.51.100.2");
    assert_eq!(once(&proxied, "203.0.113.1"), 403);
    assert_eq!(
        once(&proxied, "198.51.100.1, 203.0.113.1"),
        403,
        "what a client claims itself is not believed"
    );
}

#[test]
fn pages_of_listed_origins_may_call_and_read() {
    let gateway = with("{cors: {origins: [\"https://app.example\"]}}");
    let from = |ask: Ask<'_>, origin: &str| ask.header("origin", origin).send();
    let preflight = |origin: &str| {
        let ask = gateway.client.ask("OPTIONS", "/v1/chat/completions");
        let ask = ask.header("access-control-request-method", "POST");
        from(ask.header("access-control-request-headers", "authorization,content-type"), origin)
    };
    let allowed = preflight("https://app.example");
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(allowed.header("access-control-allow-headers"), Some("authorization,content-type"));
    assert_eq!(allowed.header("access-control-allow-methods"), Some("GET, POST"));
    assert_eq!(allowed.header("vary"), Some("origin"));
    let other = preflight("https://evil.example");
    assert_eq!(other.status, 405);
    assert_eq!(other.header("access-control-allow-origin"), None);
    for path in ["/v1/models", "/nowhere"] {
        let answer = from(gateway.get(path), "https://app.example");
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"), "{path}");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        let answer = from(gateway.get(path), "https://evil.example");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
    let silent = with("{}").get("/v1/models").header("origin", "https://app.example").send();
    assert_eq!((silent.header("access-control-allow-origin"), silent.header("vary")), (None, None));
}

#[test]
fn pages_for_people_load_nothing_from_elsewhere_and_stand_in_no_frame() {
    let gateway = with("{}");
    for path in ["/docs", "/status"] {
        let answer = gateway.get(path).send();
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(
            !policy.contains("unsafe-eval") && !policy.contains("script-src 'unsafe-inline'"),
            "{policy}"
        );
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
}

#[test]
fn clients_that_insist_on_http2_are_answered_all_at_once_and_to_the_end() {
    let config = "endpoints:
  - {name: chat, endpoint_type: llm/v1/chat, model: {provider: demo, name: demo, config: {pace_ms: 5}}}
";
    let gateway = Launch::new(BINARY).config(config).start();
    let body = |stream: bool| json!({"model": "chat", "messages": [{"role": "user", "content": "Hi"}], "stream": stream});
    let calls: Vec<_> = (0..40).map(|call| ("/v1/chat/completions", body(call % 2 == 0))).collect();
    let answers = post_over_http2(gateway.address, &calls);
    assert_eq!(answers.len(), 40);
    for (number, (status, text)) in answers.iter().enumerate() {
        assert_eq!(status.as_u16(), 200, "{text}");
        let whole =
            if number % 2 == 0 { text.ends_with("data: [DONE]\n\n") } else { text.contains("\"usage\"") };
        assert!(whole, "{text}");
    }
    let refused = post_over_http2(gateway.address, &[("/v1/nothing", json!({}))]);
    assert_eq!(refused[0].0.as_u16(), 404);
}
