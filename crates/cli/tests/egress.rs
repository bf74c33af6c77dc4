//! The way out: certificates of one's own, proxies, and where they are not asked.

use lockgate_testkit::{Certificate, Gateway, Launch, Passed, Provider, Proxy};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");

fn route(base: &str) -> String {
    format!(
        "routes:
  - name: chat
    route_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: k, openai_api_base: \"{base}/v1\"}}}}
"
    )
}

/// Status and text of a call.
#[track_caller]
fn asked(gateway: &Gateway) -> (u16, String) {
    let body = json!({"messages": [{"role": "user", "content": "Hallo"}]});
    let answer = gateway.post("/gateway/chat/invocations", &body).send();
    (answer.status, answer.text())
}

#[test]
fn a_provider_with_a_certificate_of_ones_own_is_reached_once_it_is_trusted() {
    let certificate = Certificate::new();
    let provider = Provider::secure(&certificate);
    let base = format!("https://localhost:{}", provider.address.port());
    let gateway = Gateway::start(BINARY, Some(&route(&base)));
    let (status, text) = asked(&gateway);
    assert_eq!(status, 502, "{text}");
    assert!(text.contains("certificate"), "{text}");
    let trusting = format!("server: {{egress: {{ca_bundle: \"@dir@/ca.pem\"}}}}\n{}", route(&base));
    gateway.files.put("ca.pem", &certificate.authority);
    gateway.reloads(|files| files.rename(&trusting));
    // Workers take the new way out on their own; no call may keep to the old one for long.
    lockgate_testkit::until("the certificate is trusted", || (asked(&gateway).0 == 200).then_some(()));
    assert_eq!((0..8).map(|_| asked(&gateway).0).collect::<Vec<_>>(), [200; 8]);
}

#[test]
fn a_bundle_that_is_none_is_refused_and_the_old_one_serves() {
    let certificate = Certificate::new();
    let provider = Provider::secure(&certificate);
    let base = format!("https://localhost:{}", provider.address.port());
    let config = format!("server: {{egress: {{ca_bundle: \"@dir@/ca.pem\"}}}}\n{}", route(&base));
    let gateway = Launch::new(BINARY).config(config).file("ca.pem", &certificate.authority).start();
    assert_eq!(asked(&gateway).0, 200);
    gateway.refuses(|files| files.replace("ca.pem", "nonsense"));
    assert_eq!(asked(&gateway).0, 200);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    gateway.refuses(|files| files.replace("ca.pem", broken));
    assert_eq!(asked(&gateway).0, 200);
}

#[test]
fn a_name_that_the_certificate_does_not_have_is_not_trusted() {
    let certificate = Certificate::new();
    let provider = Provider::secure(&certificate);
    let proxy = Proxy::start();
    let config = format!(
        "server: {{egress: {{ca_bundle: \"@dir@/ca.pem\", proxy: \"http://{}\"}}}}\n{}",
        proxy.address,
        route(&format!("https://elsewhere.example:{}", provider.address.port()))
    );
    let gateway = Launch::new(BINARY).config(config).file("ca.pem", &certificate.authority).start();
    let (status, text) = asked(&gateway);
    assert_eq!((status, provider.counts().calls), (502, 0), "{text}");
}

#[test]
fn an_https_provider_is_reached_through_a_tunnel() {
    let certificate = Certificate::new();
    let provider = Provider::secure(&certificate);
    let proxy = Proxy::start();
    let port = provider.address.port();
    let config = format!(
        "server: {{egress: {{ca_bundle: \"@dir@/ca.pem\"}}}}\n{}",
        route(&format!("https://localhost:{port}"))
    );
    let gateway = Launch::new(BINARY)
        .config(config)
        .file("ca.pem", &certificate.authority)
        .variable("HTTPS_PROXY", &format!("http://user:pass@{}", proxy.address))
        .start();
    let (status, text) = asked(&gateway);
    assert_eq!(status, 200, "{text}");
    let passed = Passed {
        line: format!("CONNECT localhost:{port} HTTP/1.1"),
        credentials: Some("Basic dXNlcjpwYXNz".to_owned()),
    };
    assert_eq!(proxy.passed(), [passed]);
    assert_eq!(provider.last().header("proxy-authorization"), None);
}

#[test]
fn an_http_provider_is_asked_of_the_proxy() {
    let provider = Provider::start();
    let proxy = Proxy::start();
    let base = format!("http://provider.example:{}", provider.address.port());
    let config = format!("server: {{egress: {{proxy: \"http://{}\"}}}}\n{}", proxy.address, route(&base));
    let gateway = Gateway::start(BINARY, Some(&config));
    let (status, text) = asked(&gateway);
    assert_eq!(status, 200, "{text}");
    let line = format!("POST {base}/v1/chat/completions HTTP/1.1");
    assert_eq!(proxy.passed(), [Passed { line, credentials: None }]);
    assert_eq!(provider.last().path, "/v1/chat/completions");
    let host = base.trim_start_matches("http://");
    assert_eq!(provider.last().header("host"), Some(host));
}

#[test]
fn no_proxy_and_a_config_without_proxies_are_kept() {
    let provider = Provider::start();
    let proxy = Proxy::start();
    let variables = |launch: Launch, except: &str| {
        let url = format!("http://{}", proxy.address);
        launch.variable("HTTP_PROXY", &url).variable("HTTPS_PROXY", &url).variable("NO_PROXY", except)
    };
    let plain = Launch::new(BINARY).config(route(&provider.url()));
    let gateway = variables(plain, "other.example, 127.0.0.1").start();
    assert_eq!(asked(&gateway).0, 200);
    let none = format!("server: {{egress: {{proxy: none}}}}\n{}", route(&provider.url()));
    let gateway = variables(Launch::new(BINARY).config(none), "").start();
    assert_eq!(asked(&gateway).0, 200);
    assert_eq!(proxy.passed(), []);
}

#[test]
fn a_proxy_that_is_not_there_is_a_bad_gateway() {
    let provider = Provider::start();
    let config = format!("server: {{egress: {{proxy: \"http://127.0.0.1:1\"}}}}\n{}", route(&provider.url()));
    let gateway = Gateway::start(BINARY, Some(&config));
    let (status, text) = asked(&gateway);
    assert_eq!((status, provider.counts().calls), (502, 0), "{text}");
}
