//! Until a provider's stream has said something, its client is told an error as what it is; one that waits for long is
//! kept waiting.

use lockgate_testkit::{Answer, End, Gateway, Hold, Piece, Provider, Said, said};
use serde_json::{Value, json};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");
const EVENTS: &str = "text/event-stream";

fn gateway(provider: &Provider, first_event: &str) -> Gateway {
    let base = provider.url();
    let route = |name: &str, model: &str| {
        format!(
            "  - name: {name}
    endpoint_type: llm/v1/chat
    timeouts: {{first_event: {first_event}, idle: 60s}}
    model: {{provider: {name}, name: {model}, config: {{{name}_api_key: k, {name}_api_base: \"{base}/v1\"}}}}
"
        )
    };
    let routes = [route("openai", "gpt-4"), route("anthropic", "claude-3")];
    Gateway::start(BINARY, Some(&format!("endpoints:\n{}", routes.concat())))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    OpenAi,
    Anthropic,
    Mlflow,
}

const CLIENTS: [Client; 3] = [Client::OpenAi, Client::Anthropic, Client::Mlflow];

impl Client {
    /// Where it asks for a stream of a route, and what.
    fn request(self, route: &str) -> (String, Value) {
        let messages = json!([{"role": "user", "content": "x"}]);
        match self {
            Self::OpenAi => (
                "/v1/chat/completions".to_owned(),
                json!({"model": route, "stream": true, "messages": messages}),
            ),
            Self::Anthropic => (
                "/anthropic/v1/messages".to_owned(),
                json!({"model": route, "stream": true, "max_tokens": 9, "messages": messages}),
            ),
            Self::Mlflow => {
                (format!("/endpoints/{route}/invocations"), json!({"stream": true, "messages": messages}))
            }
        }
    }

    fn ask(self, gateway: &Gateway, route: &str) -> Answer {
        let (path, body) = self.request(route);
        gateway.post(&path, &body).header("x-request-id", "asked").send()
    }

    /// What an error says, where this API's clients look for it.
    #[track_caller]
    fn message(self, answer: &Answer) -> String {
        let body = answer.json();
        let said = if self == Self::Mlflow { &body["detail"] } else { &body["error"]["message"] };
        said.as_str().unwrap_or_else(|| panic!("{self:?}: no message in {body}")).to_owned()
    }
}

/// The beginning of a stream without content, its content, and its end.
fn parts(route: &str) -> [&'static str; 3] {
    match route {
        "openai" => [
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hallo\"},\"finish_reason\":null}]}\n\n",
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        ],
        _ => [
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-3\",\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n\
             event: ping\ndata: {\"type\":\"ping\"}\n\n",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
             event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hallo\"}}\n\n",
            "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
             event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n\
             event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ],
    }
}

/// A stream in these pieces.
fn stream(pieces: &[&str]) -> Said {
    let piece = |text: &&str| Piece { after: Duration::from_millis(2), bytes: (*text).to_owned().into() };
    Said { pieces: pieces.iter().map(piece).collect(), ..said(200, EVENTS, "") }
}

/// An error in a provider's words, the status of it for clients of OpenAI's API, and that for Anthropic's.
fn errors(route: &str) -> Vec<(&'static str, u16, u16)> {
    match route {
        "openai" => vec![
            (
                r#"{"error":{"message":"boom","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
                429,
                429,
            ),
            (r#"{"error":{"message":"boom","type":"server_error","param":null,"code":null}}"#, 502, 502),
            (r#"{"error":{"message":"boom","code":503}}"#, 503, 529),
            (
                r#"{"error":{"message":"boom","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
                400,
                400,
            ),
            (r#"{"object":"error","message":"boom","type":"invalid_request_error","code":40001}"#, 400, 400),
        ],
        _ => vec![
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"boom"}}"#, 503, 529),
            (r#"{"type":"error","error":{"type":"rate_limit_error","message":"boom"}}"#, 429, 429),
            (r#"{"type":"error","error":{"type":"invalid_request_error","message":"boom"}}"#, 400, 400),
        ],
    }
}

#[test]
fn an_error_in_place_of_a_stream_is_an_error() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "60s");
    for route in ["openai", "anthropic"] {
        let [begin, ..] = parts(route);
        for (error, status, for_anthropic) in errors(route) {
            let event = format!("event: error\ndata: {error}\n\n");
            let forms = [
                stream(&[&event]),
                stream(&[": processing\n\n", &event]),
                stream(&[begin, &event]),
                stream(&[&format!("{begin}{event}")]),
                stream(&[&event[..20], &event[20..event.len() - 2]]), // and no blank line after it
                said(200, EVENTS, error),
                said(200, "application/json", error),
                said(200, "text/html", error),
            ];
            for (form, told) in forms.into_iter().enumerate() {
                let told = std::sync::Arc::new(told);
                provider.script(move |_| Said::clone(&told));
                for client in CLIENTS {
                    let answer = client.ask(&gateway, route);
                    let wanted = if client == Client::Anthropic { for_anthropic } else { status };
                    let what = format!("{client:?} {route} {form} {error}: {}", answer.text());
                    assert_eq!(answer.status, wanted, "{what}");
                    assert_eq!(client.message(&answer), "boom", "{what}");
                }
            }
        }
    }
}

#[test]
fn a_key_that_the_provider_repeats_in_its_first_event_is_not_told() {
    let provider = Provider::start();
    let config = format!(
        "endpoints:
  - name: openai
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: a-very-secret-key, openai_api_base: \"{}/v1\"}}}}
",
        provider.url()
    );
    let gateway = Gateway::start(BINARY, Some(&config));
    let error = r#"{"error":{"message":"no a-very-secret-key here","type":"server_error"}}"#;
    for told in [said(200, EVENTS, format!("data: {error}\n\n")), said(200, "application/json", error)] {
        provider.script(move |_| told.clone());
        for client in CLIENTS {
            let answer = client.ask(&gateway, "openai");
            assert_eq!(answer.status, 502, "{}", answer.text());
            assert!(!answer.text().contains("a-very-secret-key"), "{}", answer.text());
        }
    }
}

#[test]
fn a_stream_that_ends_before_it_has_said_anything_is_an_error() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "60s");
    for route in ["openai", "anthropic"] {
        let [begin, ..] = parts(route);
        for pieces in [vec![], vec![": nothing\n\n"], vec![begin]] {
            for end in [End::Clean, End::Cut] {
                let told = Said { end, ..stream(&pieces) };
                provider.script(move |_| told.clone());
                for client in CLIENTS {
                    let answer = client.ask(&gateway, route);
                    assert_eq!(
                        answer.status,
                        502,
                        "{client:?} {route} {pieces:?} {end:?}: {}",
                        answer.text()
                    );
                }
            }
        }
    }
}

#[test]
fn an_error_after_content_is_an_event_of_the_stream() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "60s");
    for route in ["openai", "anthropic"] {
        let [begin, content, _] = parts(route);
        let event = format!("event: error\ndata: {}\n\n", errors(route)[0].0);
        let told = stream(&[&format!("{begin}{content}{event}")]);
        provider.script(move |_| told.clone());
        for client in CLIENTS {
            let answer = client.ask(&gateway, route);
            assert_eq!(answer.status, 200, "{}", answer.text());
            let events = answer.events();
            assert!(events.iter().any(|event| event.contains("Hallo")), "{events:?}");
            assert!(events.last().is_some_and(|last| last.contains("boom")), "{events:?}");
        }
    }
}

#[test]
fn a_client_that_waits_for_the_first_event_gets_comments_and_then_the_stream() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "50ms");
    for route in ["openai", "anthropic"] {
        for client in CLIENTS {
            let [begin, content, end] = parts(route);
            let told = stream(&[begin, content, end]);
            provider.script(move |_| told.clone());
            provider.hold(Hold::Body);
            let mut wire = gateway.wire();
            let (path, body) = client.request(route);
            wire.post(&path, "connection: close\r\n", &body.to_string());
            let mut head = wire.until(": keep-alive\n\n");
            head += &wire.until(": keep-alive\n\n");
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            assert!(!head.contains("Hallo"), "{head}");
            provider.hold(Hold::Nothing);
            let rest = wire.rest();
            assert!(rest.contains("Hallo"), "{client:?} {route}: {rest}");
            let last = if client == Client::Anthropic { "message_stop" } else { "[DONE]" };
            let whole = rest.contains(last) || (client == Client::Mlflow && rest.contains("\"stop\""));
            assert!(whole, "{client:?} {route}: {rest}");
        }
    }
}

#[test]
fn bytes_that_pass_after_a_wait_are_the_providers_own() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "50ms");
    let parts = parts("openai");
    provider.script(move |_| stream(&parts));
    provider.hold(Hold::Body);
    let mut wire = gateway.wire();
    let (path, body) = Client::OpenAi.request("openai");
    wire.post(&path, "connection: close\r\n", &body.to_string());
    let begun = wire.until(": keep-alive\n\n");
    provider.hold(Hold::Nothing);
    let whole = begun + &wire.rest();
    let mut lines = whole.lines().filter(|line| line.starts_with("data: "));
    let sent = parts.concat();
    let wanted = sent.lines().filter(|line| line.starts_with("data: "));
    assert!(wanted.eq(lines.by_ref()), "{whole}");
}

#[test]
fn a_failure_after_comments_is_an_event_and_no_content_was_told() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "50ms");
    for route in ["openai", "anthropic"] {
        let [begin, ..] = parts(route);
        for client in CLIENTS {
            let error = format!("event: error\ndata: {}\n\n", errors(route)[0].0);
            let told = stream(&[begin, &error]);
            provider.script(move |_| told.clone());
            provider.hold(Hold::Body);
            let id = format!("late-{route}-{client:?}");
            let mut wire = gateway.wire();
            let (path, body) = client.request(route);
            let headers = format!("x-request-id: {id}\r\nconnection: close\r\n");
            wire.post(&path, &headers, &body.to_string());
            wire.until(": keep-alive\n\n");
            provider.hold(Hold::Nothing);
            let rest = wire.rest();
            assert!(rest.contains("boom") && !rest.contains("[DONE]"), "{client:?} {route}: {rest}");
            let record = &gateway.accessed(&id)[0];
            assert_eq!(
                (&record["outcome"], &record["ttft_ms"]),
                (&json!("failed"), &Value::Null),
                "{record}"
            );
        }
    }
}

#[test]
fn a_client_that_hangs_up_before_the_first_event_cancels_the_call() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "60s");
    let [begin, content, end] = parts("openai");
    provider.script(move |_| stream(&[begin, content, end]));
    provider.hold(Hold::Body);
    let (path, body) = Client::OpenAi.request("openai");
    let mut wire = gateway.wire();
    wire.post(&path, "", &body.to_string());
    lockgate_testkit::until("the provider is asked", || (provider.counts().in_flight == 1).then_some(()));
    drop(wire);
    lockgate_testkit::until("the call is cancelled", || (provider.counts().abandoned == 1).then_some(()));
}

#[test]
fn comments_pass_or_are_absorbed() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "60s");
    let [begin, content, end] = parts("openai");
    let sent = format!(": one\n\n{begin}: two\n\n{content}: three\n\n{end}");
    let told = stream(&[&sent]);
    provider.script(move |_| told.clone());
    assert_eq!(Client::OpenAi.ask(&gateway, "openai").text(), sent);
    for client in [Client::Anthropic, Client::Mlflow] {
        let answer = client.ask(&gateway, "openai").text();
        assert!(answer.contains("Hallo") && !answer.contains("two"), "{answer}");
    }
}
