//! Keys stay where they were put: a word that stands in every slot where a secret can stand is seen nowhere else.

use lockgate_testkit::{Answer, Ask, End, Gateway, Launch, Piece, Provider, Proxy, Recorded, Said, said};
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");
/// Every secret begins with this word, in no form that tells a key.
const CANARY: &str = "kanarie";
/// How it looks in the credentials of `ab:kanarie…` (RFC 7617).
const ENCODED: &str = "a2FuYXJp";

/// One route per slot of a key.
fn config(base: &str) -> String {
    let host = base.trim_start_matches("http://");
    format!(
        "endpoints:
  - name: literal
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: kanarie-literal-01, openai_api_base: \"{base}/v1\"}}}}
    headers: {{x-static: kanarie-header-02, x-from-env: {{env: CANARY_HEADER}}, x-from-file: {{file: \"@dir@/header\"}}}}
  - name: variable
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: $CANARY, openai_api_base: \"{base}/v1\"}}}}
  - name: path
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: \"@dir@/key\", openai_api_base: \"{base}/v1\"}}}}
  - name: env
    endpoint_type: llm/v1/chat
    model: {{provider: anthropic, name: claude-3, config: {{anthropic_api_key: {{env: CANARY}}, anthropic_api_base: \"{base}/v1\"}}}}
  - name: file
    endpoint_type: llm/v1/chat
    model: {{provider: cohere, name: command, config: {{cohere_api_key: {{file: \"@dir@/key\"}}, cohere_api_base: \"{base}/v1\"}}}}
  - name: azure
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_type: azure, openai_api_key: kanarie-azure-07, openai_api_base: \"{base}\", openai_deployment_name: d, openai_api_version: \"1\"}}}}
  - name: address
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: kanarie-key-08, openai_api_base: \"http://ab:kanarie-user-09@{host}/v1?subscription-key=kanarie-query-10\"}}}}
  - name: unreachable
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: kanarie-key-11, openai_api_base: \"http://ab:kanarie-user-12@127.0.0.1:1/v1?key=kanarie-query-13\"}}}}
  - name: tls
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: kanarie-key-14, openai_api_base: \"https://ab:kanarie-user-15@{host}/v1\"}}}}
  - name: embeddings
    endpoint_type: llm/v1/embeddings
    model: {{provider: openai, name: e, config: {{openai_api_key: kanarie-literal-16, openai_api_base: \"{base}/v1\"}}}}
  - name: completions
    endpoint_type: llm/v1/completions
    model: {{provider: mlflow-model-serving, name: m, config: {{model_server_url: \"http://ab:kanarie-user-17@{host}\"}}}}
    headers: {{authorization: Bearer kanarie-served-18}}
"
    )
}

const ROUTES: [&str; 9] =
    ["literal", "variable", "path", "env", "file", "azure", "address", "unreachable", "tls"];

fn gateway(provider: &Provider) -> Gateway {
    Launch::new(BINARY)
        .config(config(&provider.url()))
        .file("key", "kanarie-file-19\n")
        .file("header", "kanarie-file-20")
        .variable("CANARY", "kanarie-env-21")
        .variable("CANARY_HEADER", "kanarie-env-22")
        .variable("LOCKGATE_LOG", "trace")
        .start()
}

/// Everything that was told, to be searched at the end.
#[derive(Default)]
struct Told {
    text: String,
    answers: usize,
}

impl Told {
    fn add(&mut self, what: &str, answer: &Answer) {
        self.answers += 1;
        writeln!(self.text, "{what}: {} {}\n{}\n", answer.status, answer.head(), answer.text())
            .expect("writing to a string");
    }

    fn add_text(&mut self, what: &str, text: &str) {
        writeln!(self.text, "{what}: {text}\n").expect("writing to a string");
    }

    #[track_caller]
    fn assert_clean(&self) {
        assert_clean(&self.text);
    }
}

#[track_caller]
fn assert_clean(text: &str) {
    let small = text.to_ascii_lowercase();
    for wanted in [CANARY, &ENCODED.to_ascii_lowercase()] {
        if let Some(at) = small.find(wanted) {
            let start = text.floor_char_boundary(at.saturating_sub(300));
            let end = text.floor_char_boundary(at + 60);
            panic!("a secret is told: …{}…", &text[start..end]);
        }
    }
}

/// With the caller's own credentials wherever callers put them.
fn with_credentials(ask: Ask<'_>) -> Ask<'_> {
    ask.header("authorization", "Bearer kanarie-caller-30")
        .header("x-api-key", "kanarie-caller-31")
        .header("api-key", "kanarie-caller-32")
        .header("x-goog-api-key", "kanarie-caller-33")
        .header("proxy-authorization", "Basic YWI6a2FuYXJpZQ==")
        .header("cookie", "session=kanarie-caller-34")
        .header("openai-organization", "kanarie-caller-35")
}

/// Everything that the provider was sent, in every place where providers repeat it.
fn echoes(request: &Recorded) -> Vec<Said> {
    let sent: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
        .collect();
    let key = request
        .header("authorization")
        .or(request.header("x-api-key"))
        .or(request.header("api-key"))
        .unwrap_or_default();
    let bare = key.trim_start_matches("Bearer ");
    let masked = format!("{}*****{}", &bare[..bare.len().min(9)], &bare[bare.len().saturating_sub(3)..]);
    let url = format!("http://ab:{bare}@h{}?{}", request.path, request.query.as_deref().unwrap_or("key=x"));
    let all = format!("Incorrect API key provided: {bare}. {sent:?} {url}");
    let mut by_name = serde_json::Map::new();
    by_name.insert(bare.to_owned(), json!({"nested": [key, {"deeper": all}]}));
    let bodies = [
        json!({"error": {"message": all, "type": bare, "code": bare, "param": key}}),
        json!({"error": {"message": format!("Incorrect API key provided: {masked}."), "type": "x"}}),
        json!({"error": all}),
        json!({"message": all, "detail": by_name.clone(), "sent": sent}),
        json!({"type": "error", "error": {"type": bare, "message": all}}),
        json!({"error_code": bare, "message": all, "stack_trace": all}),
        Value::Object(by_name),
        json!([all, key]),
        json!(all),
    ];
    let mut said_all: Vec<_> =
        bodies.iter().map(|body| said(400, "application/json", body.to_string())).collect();
    said_all.push(said(400, "text/plain", all.clone()));
    said_all.push(said(400, "text/html", format!("<pre>{all}</pre>")));
    said_all.push(said(400, "application/json", all.clone()));
    let event = json!({"error": {"message": all, "type": bare, "code": bare}});
    let piece = |text: String| Piece { after: Duration::ZERO, bytes: text.into() };
    for end in [End::Clean, End::Cut] {
        let pieces = vec![
            piece(format!("event: error\ndata: {event}\n\n")),
            piece(format!("data: {{\"error\": {{\"message\": \"{bare}\n\n")),
        ];
        said_all.push(Said { pieces, end, ..said(200, "text/event-stream", "") });
    }
    said_all.push(said(200, "application/json", format!("{{\"error\": {{\"message\": \"{bare}")));
    said_all.push(said(200, "text/html", all));
    said_all
}

#[test]
fn keys_that_providers_repeat_in_their_errors_reach_nobody() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let mut told = Told::default();
    let kinds = 16;
    for number in 0..kinds {
        for status in [400, 401, 403, 429, 500] {
            provider.script(move |request| {
                let mut said = echoes(request).swap_remove(number);
                if said.status >= 400 {
                    said.status = status;
                }
                said
            });
            for route in ROUTES {
                for streamed in [false, true] {
                    let mut body =
                        json!({"messages": [{"role": "user", "content": "Hallo"}], "stream": streamed});
                    let what = format!("{number} {status} {route} {streamed}");
                    let ask = gateway.post(&format!("/endpoints/{route}/invocations"), &body);
                    told.add(&what, &with_credentials(ask).send());
                    body["model"] = json!(route);
                    let ask = gateway.post("/v1/chat/completions?key=kanarie-caller-36", &body);
                    told.add(&what, &with_credentials(ask).send());
                }
            }
            let body = json!({"input": "Hallo"});
            told.add("embeddings", &gateway.post("/endpoints/embeddings/invocations", &body).send());
            let body = json!({"prompt": "Hallo"});
            told.add("completions", &gateway.post("/gateway/completions/invocations", &body).send());
            if number >= 12 {
                break; // those bring their own status
            }
        }
    }
    told.add_text("log", &gateway.log.text());
    told.add("metrics", &gateway.get("/metrics").send());
    assert!(told.answers > 1_500, "{}", told.answers);
    told.assert_clean();
    assert_sent(&provider);
}

/// Every key reached the provider, so there was something to repeat; of the caller's own nothing did.
#[track_caller]
fn assert_sent(provider: &Provider) {
    let sent: String = provider.recorded().iter().map(Recorded::text).collect();
    for number in ["-01", "-02", "-07", "-08", "-10", "-16", "-18", "-19", "-20", "-21", "-22"] {
        assert!(sent.contains(number), "no key {number} was sent");
    }
    assert!(!sent.contains("kanarie-caller"), "a caller's credentials reached the provider");
    assert!(!sent.contains(ENCODED), "a caller's credentials reached the provider");
}

#[test]
fn no_page_and_no_refusal_shows_a_key() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let mut told = Told::default();
    for path in [
        "/",
        "/docs",
        "/docs/swagger-initializer.js",
        "/redoc",
        "/openapi.json",
        "/status",
        "/status?format=json",
        "/metrics",
        "/health",
        "/ready",
        "/v1/models",
        "/v1/models/address",
        "/v1/models/none",
        "/api/2.0/endpoints/",
        "/api/2.0/endpoints/address",
        "/api/2.0/endpoints/none",
        "/api/2.0/gateway/routes/",
        "/api/2.0/gateway/routes/address",
        "/api/2.0/gateway/limits/address",
        "/api/3.0/gateway/endpoint/address",
        "/nowhere",
        "/v1/nowhere",
        "/endpoints/address/invocations",
        "/gateway/none/invocations",
        "/v1/chat/completions",
    ] {
        let with_key = format!("{path}{}key=kanarie-caller-37", if path.contains('?') { '&' } else { '?' });
        for method in ["GET", "POST", "DELETE", "PUT"] {
            for path in [path, &with_key] {
                told.add(
                    &format!("{method} {path}"),
                    &with_credentials(gateway.client.ask(method, path)).send(),
                );
            }
        }
    }
    // The line that says what was asked here is the test's own.
    told.text = told.text.replace("key=kanarie-caller-37", "");
    for body in ["", "{", "[]", "{}", r#"{"model": "none"}"#, r#"{"model": "address", "messages": 1}"#] {
        for path in ["/v1/chat/completions", "/endpoints/address/invocations", "/v1/embeddings"] {
            let ask = gateway.client.post(path).header("content-type", "application/json").body(body);
            told.add(path, &with_credentials(ask).send());
        }
    }
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", gateway.id())).expect("it runs");
    told.add_text("arguments", &line);
    told.add_text("log", &gateway.log.text());
    told.assert_clean();
}

#[test]
fn a_proxys_password_is_told_to_the_proxy_alone() {
    let provider = Provider::start();
    let proxy = Proxy::start();
    let address = proxy.address;
    let with = |url: &str, base: &str| {
        format!(
            "server: {{egress: {{proxy: \"{url}\"}}}}
routes:
  - name: chat
    route_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: kanarie-key-40, openai_api_base: \"{base}/v1\"}}}}
"
        )
    };
    let mut told = Told::default();
    let body = json!({"messages": [{"role": "user", "content": "Hallo"}]});
    for (url, base, status) in [
        (format!("http://ab:kanarie-proxy-41@{address}"), provider.url(), 200),
        (format!("http://ab:kanarie-proxy-41@{address}"), provider.url().replace("http", "https"), 502),
        ("http://ab:kanarie-proxy-42@127.0.0.1:1".to_owned(), provider.url(), 502),
        ("http://ab:kanarie-proxy-43@no-such-host.invalid".to_owned(), provider.url(), 502),
        ("https://ab:kanarie-proxy-44@127.0.0.1:1".to_owned(), provider.url(), 502),
    ] {
        let gateway = Launch::new(BINARY).config(with(&url, &base)).variable("LOCKGATE_LOG", "trace").start();
        let answer = gateway.post("/gateway/chat/invocations", &body).send();
        assert_eq!(answer.status, status, "{}", answer.text());
        told.add("call", &answer);
        for page in ["/status", "/metrics", "/openapi.json"] {
            told.add(page, &gateway.get(page).send());
        }
        told.add_text("log", &gateway.log.text());
    }
    for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        let gateway = Launch::new(BINARY)
            .config(with("environment", &provider.url()))
            .variable(variable, &format!("http://ab:kanarie-proxy-45@{address}"))
            .variable("LOCKGATE_LOG", "trace")
            .start();
        told.add(variable, &gateway.post("/gateway/chat/invocations", &body).send());
        told.add_text("log", &gateway.log.text());
    }
    told.assert_clean();
    let credentials: Vec<_> = proxy.passed().into_iter().filter_map(|passed| passed.credentials).collect();
    assert!(credentials.iter().any(|told| told.contains(ENCODED)), "{credentials:?}");
    let sent: String = provider.recorded().iter().map(Recorded::text).collect();
    assert!(
        !sent.contains(ENCODED) && !sent.contains("kanarie-proxy"),
        "the provider saw the proxy's password"
    );
}

/// Broken configs with a secret where the mistake is, or near it.
fn broken() -> Vec<String> {
    let route = |model: &str, rest: &str| {
        format!("routes:\n  - name: chat\n    route_type: llm/v1/chat\n    model:\n{model}\n{rest}")
    };
    let openai = |config: &str| {
        let config = config.replace('\n', "\n        ");
        route(&format!("      provider: openai\n      name: gpt-4\n      config:\n        {config}"), "")
    };
    let good = openai("openai_api_key: kanarie-50");
    let mut all: Vec<String> = [
        "openai_apikey: kanarie-51",
        "openai_api_key: kanarie-52\nopenai_api_key: kanarie-53",
        "openai_api_key: [kanarie-54]",
        "openai_api_key: {kanarie-55: x}",
        "openai_api_key: {env: A, file: B, key: kanarie-56}",
        "openai_api_key: {command: kanarie-58}",
        "openai_api_key: $kanarie-59-with-a-very-long-tail-that-no-variable-has-0123456789",
        "openai_api_key: \"kanarie-60\\nx\"",
        "openai_api_key: \"kanarie-61\\0\"",
        "openai_api_key: \"kanarie-é-62\"",
        "openai_api_key: \"kanarie-63",
        "openai_api_key: kanarie-64: x",
        "openai_api_key: kanarie-65\n\topenai_api_base: x",
        "openai_api_key: *kanarie-66",
        "openai_api_key: !kanarie-67 x",
        "openai_api_key: k\nopenai_api_base: kanarie-68",
        "openai_api_key: k\nopenai_api_base: \"ftp://ab:kanarie-69@h\"",
        "openai_api_key: k\nopenai_api_base: \"http://ab:kanarie-70@\"",
        "openai_api_key: k\nopenai_api_base: \"http://ab:kanarie-71@h:99999\"",
        "openai_api_key: k\nopenai_api_base: \"http://ab:kanarie-72@[::1/v1?key=kanarie-73\"",
        "openai_api_key: k\nopenai_api_base: [\"http://ab:kanarie-74@h\"]",
        "openai_api_key: k\nkanarie-76",
        "openai_api_key: {file: \"@dir@/binary\"}",
        "openai_api_key: {file: \"@dir@/long\"}",
        "openai_api_key: {file: \"@dir@/lines\"}",
    ]
    .iter()
    .map(|config| openai(config))
    .collect();
    all.extend([
        format!("{good}    api_key: kanarie-80\n"),
        format!("{good}    headers: {{x-key: [kanarie-81]}}\n"),
        format!("{good}    headers: {{\"x key\": kanarie-82}}\n"),
        format!("{good}    headers: {{host: kanarie-83}}\n"),
        format!("{good}    headers: {{x-key: \"kanarie-84\\n\"}}\n"),
        format!("{good}    headers: kanarie-85\n"),
        format!("{good}    timeouts: kanarie-86\n"),
        format!("{good}api_key: kanarie-87\n"),
        format!("{good}server: {{egress: {{proxy: \"socks5://ab:kanarie-88@h:1\"}}}}\n"),
        format!("{good}server: {{egress: {{proxy: \"http://ab:kanarie-89@h:99999\"}}}}\n"),
        format!("{good}server: {{egress: {{proxy: [kanarie-90]}}}}\n"),
        format!("{good}server: {{egress: {{ca_bundle: \"@dir@/long\"}}}}\n"),
        format!("{good}server: {{egress: kanarie-91}}\n"),
        format!("{good}  - {{name: chat, key: kanarie-92}}\n"),
        format!("{good}  - [\n"),
        format!("{good}x: \"\n"),
        route("      kanarie-93", ""),
        route("      provider: opennai\n      name: x\n      config: {opennai_api_key: kanarie-94}", ""),
        route("      provider: bedrock\n      name: x\n      config: {aws_config: {aws_secret_access_key: kanarie-95}}", ""),
        route("      provider: anthropic\n      config: {openai_api_key: kanarie-96}", ""),
        "kanarie-97".to_owned(),
        "- kanarie-98\n- [".to_owned(),
        "{kanarie-99".to_owned(),
    ]);
    all
}

#[test]
fn no_mistake_in_a_config_shows_a_key() {
    let mut told = Told::default();
    let long = format!("kanarie-{}", "x".repeat(70_000));
    // What the running gateway says of a bad file.
    let gateway = Launch::new(BINARY)
        .file("long", &long)
        .file("lines", "kanarie-47\nkanarie-48\n")
        .config("routes:\n  - {name: first, route_type: llm/v1/chat, model: {provider: demo, name: demo}}\n")
        .variable("LOCKGATE_LOG", "trace")
        .start();
    std::fs::write(gateway.files.path("binary"), b"kanarie-\xff\xfe").expect("a file");
    let all = broken();
    for config in &all {
        gateway.files.write(config);
        // What `check` says of it.
        let checked = Command::new(BINARY)
            .arg("check")
            .arg(gateway.files.config())
            .env_clear()
            .stdin(Stdio::null())
            .output()
            .expect("the built command starts");
        told.add_text("check", &String::from_utf8_lossy(&checked.stderr));
        told.add_text("stdout", &String::from_utf8_lossy(&checked.stdout));
        assert!(checked.status.code().is_some_and(|code| code == 0 || code == 2), "check of {config:?}");
    }
    told.assert_clean();
    // Some are only warned of when the gateway runs; either is told.
    for (number, config) in all.iter().enumerate() {
        let start = gateway.log.next_line();
        gateway.files.rename(&format!("# {number}\n{config}"));
        gateway.log.wait_after(start, "the new file", |record| {
            let message = record["message"].as_str().unwrap_or_default();
            message == "configuration updated" || message.starts_with("Invalid configuration")
        });
        told.add("/status", &gateway.get("/status").send());
        told.add("/status", &gateway.get("/status?format=json").send());
        // What the route says that came of it, if it was taken.
        let body = json!({"messages": [{"role": "user", "content": "Hallo"}]});
        told.add("call", &gateway.post("/gateway/chat/invocations", &body).send());
    }
    told.add_text("log", &gateway.log.text());
    told.assert_clean();
}
