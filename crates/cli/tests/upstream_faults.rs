//! Providers fail in many ways; callers are told which, in their own API's words, and streams never end as if whole.

use lockgate_testkit::{Answer, End, Gateway, Launch, Piece, Provider, Recorded, Said, said, until};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");

/// A route whose bytes pass on `/v1`, and one that is always translated; impatient both.
fn config(base: &str) -> String {
    format!(
        "endpoints:
  - name: openai
    endpoint_type: llm/v1/chat
    timeouts: {{connect: 5s, first_byte: 400ms, idle: 400ms, total: 20s}}
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: k, openai_api_base: \"{base}/v1\"}}}}
  - name: anthropic
    endpoint_type: llm/v1/chat
    timeouts: {{connect: 5s, first_byte: 400ms, idle: 400ms, total: 20s}}
    model: {{provider: anthropic, name: claude-3, config: {{anthropic_api_key: k, anthropic_api_base: \"{base}/v1\"}}}}
  - name: embeddings
    endpoint_type: llm/v1/embeddings
    model: {{provider: openai, name: e, config: {{openai_api_key: k, openai_api_base: \"{base}/v1\"}}}}
"
    )
}

/// As [`config`], with time enough for a busy machine.
fn patient(base: &str) -> String {
    config(base).replace("400ms", "30s").replace("total: 20s", "total: 60s")
}

/// Every way to ask: an API and a route.
const WAYS: [(Api, &str); 4] = [
    (Api::OpenAi, "openai"),
    (Api::OpenAi, "anthropic"),
    (Api::Mlflow, "openai"),
    (Api::Mlflow, "anthropic"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    OpenAi,
    Mlflow,
}

impl Api {
    fn ask(self, gateway: &Gateway, route: &str, streamed: bool) -> Answer {
        let mut body = json!({"messages": [{"role": "user", "content": "Hallo"}], "stream": streamed});
        match self {
            Self::OpenAi => {
                body["model"] = json!(route);
                gateway.post("/v1/chat/completions", &body).send()
            }
            Self::Mlflow => gateway.post(&format!("/endpoints/{route}/invocations"), &body).send(),
        }
    }

    /// What an error says, where this API's clients look for it.
    #[track_caller]
    fn message(self, answer: &Answer) -> String {
        let body = answer.json();
        let said = match self {
            Self::OpenAi => &body["error"]["message"],
            Self::Mlflow => &body["detail"],
        };
        said.as_str().unwrap_or_else(|| panic!("no message in {body}")).to_owned()
    }

    /// The error at the end of a stream, where this API's clients look for it; nothing may follow it.
    #[track_caller]
    fn stream_error(self, answer: &Answer) -> String {
        let events = answer.events();
        let last: Value = serde_json::from_str(events.last().expect("an event")).unwrap_or_default();
        let message = last["error"]["message"].as_str();
        assert!(!answer.text().contains("[DONE]"), "{self:?}: {events:?}");
        let whole = r#""finish_reason":"stop""#;
        assert!(!answer.text().contains(whole), "{self:?}: {events:?}");
        message.unwrap_or_else(|| panic!("{self:?}: no error at the end of {events:?}")).to_owned()
    }
}

#[test]
fn a_provider_that_is_not_there_is_a_bad_gateway() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let gateway = Gateway::start(BINARY, Some(&patient(&format!("http://{address}"))));
    for (api, route) in WAYS {
        for streamed in [false, true] {
            let answer = api.ask(&gateway, route, streamed);
            assert_eq!(answer.status, 502, "{api:?} {route}: {}", answer.text());
            assert!(api.message(&answer).contains("could not be reached"), "{}", answer.text());
        }
    }
}

#[test]
fn a_name_that_does_not_exist_is_a_bad_gateway() {
    let gateway = Gateway::start(BINARY, Some(&patient("http://no-such-host.invalid")));
    let answer = Api::OpenAi.ask(&gateway, "openai", false);
    assert_eq!(answer.status, 502, "{}", answer.text());
}

#[test]
fn a_provider_that_does_not_begin_its_answer_is_a_gateway_timeout() {
    let provider = Provider::start();
    provider.demo(&json!({"latency_ms": 600_000}));
    let gateway = Gateway::start(BINARY, Some(&config(&provider.url())));
    for (api, route) in WAYS {
        for streamed in [false, true] {
            let answer = api.ask(&gateway, route, streamed);
            assert_eq!(answer.status, 504, "{api:?} {route}: {}", answer.text());
            assert!(api.message(&answer).contains("first_byte"), "{}", answer.text());
        }
    }
    until("the calls are given up", || (provider.counts().in_flight == 0).then_some(()));
}

#[test]
fn a_whole_answer_that_stops_in_the_middle_is_a_gateway_timeout() {
    let provider = Provider::start();
    provider.script(|_| Said { end: End::Hang, ..said(200, "application/json", "{\"id\": ") });
    let gateway = Gateway::start(BINARY, Some(&config(&provider.url())));
    for (api, route) in WAYS {
        let answer = api.ask(&gateway, route, false);
        assert_eq!(answer.status, 504, "{api:?} {route}: {}", answer.text());
        assert!(api.message(&answer).contains("idle"), "{}", answer.text());
    }
}

#[test]
fn a_stream_that_falls_silent_ends_in_an_error() {
    let provider = Provider::start();
    provider.demo(&json!({"text": "eins zwei drei", "pace_ms": 60_000}));
    let gateway = Gateway::start(BINARY, Some(&config(&provider.url())));
    for (api, route) in WAYS {
        let answer = api.ask(&gateway, route, true);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().contains("eins"), "{}", answer.text());
        assert!(api.stream_error(&answer).contains("idle"), "{}", answer.text());
    }
    until("the calls are given up", || (provider.counts().in_flight == 0).then_some(()));
}

#[test]
fn a_stream_that_breaks_off_ends_in_an_error() {
    let provider = Provider::start();
    provider.demo(&json!({"text": "eins zwei drei vier fünf sechs", "fault": "cut"}));
    let gateway = Gateway::start(BINARY, Some(&patient(&provider.url())));
    for (api, route) in WAYS {
        let answer = api.ask(&gateway, route, true);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().contains("eins"), "{}", answer.text());
        api.stream_error(&answer);
    }
}

#[test]
fn a_stream_that_ends_without_its_own_end_is_no_whole_answer() {
    let provider = Provider::start();
    let gateway = Gateway::start(BINARY, Some(&patient(&provider.url())));
    for (api, route) in WAYS {
        // The connection closes as it should, but the last piece of the stream never came.
        provider.script(|request| {
            let mut answer = demo(request, &json!({"text": "eins zwei drei"}));
            answer.pieces.pop();
            answer
        });
        let answer = api.ask(&gateway, route, true);
        assert_eq!(answer.status, 200, "{}", answer.text());
        api.stream_error(&answer);
    }
}

/// What the demo provider answers to `request`.
fn demo(request: &Recorded, options: &Value) -> Said {
    let (dialect, operation) = match request.path.as_str() {
        path if path.ends_with("/messages") => ("anthropic_messages", lockgate_testkit::Operation::Chat),
        _ => ("openai_chat", lockgate_testkit::Operation::Chat),
    };
    lockgate_testkit::demo(dialect, operation, &request.body, options)
}

#[test]
fn a_whole_answer_that_breaks_off_is_a_bad_gateway() {
    let provider = Provider::start();
    provider.demo(&json!({"fault": "cut"}));
    let gateway = Gateway::start(BINARY, Some(&patient(&provider.url())));
    for (api, route) in WAYS {
        let answer = api.ask(&gateway, route, false);
        assert_eq!(answer.status, 502, "{api:?} {route}: {}", answer.text());
        api.message(&answer);
    }
}

#[test]
fn what_is_no_answer_of_an_api_is_a_bad_gateway() {
    let provider = Provider::start();
    let gateway = Gateway::start(BINARY, Some(&patient(&provider.url())));
    for streamed in [false, true] {
        for fault in ["html", "empty", "malformed"] {
            provider.demo(&json!({"fault": fault}));
            for (api, route) in WAYS {
                let answer = api.ask(&gateway, route, streamed);
                let what = format!("{fault} {streamed} {api:?} {route}: {} {}", answer.status, answer.text());
                // A stream's events pass as they are where both sides speak alike, but its end is looked for.
                if (api, route, fault, streamed) == (Api::OpenAi, "openai", "malformed", true) {
                    assert_eq!(answer.status, 200, "{what}");
                    continue;
                }
                match answer.status {
                    200 if streamed && fault != "html" => _ = api.stream_error(&answer),
                    502 => _ = api.message(&answer),
                    _ => panic!("{what}"),
                }
            }
        }
    }
}

#[test]
fn a_providers_own_limit_is_told_with_its_wait() {
    let provider = Provider::start();
    provider.demo(&json!({"fault": "status:429", "retry_after_s": 7}));
    let gateway = Gateway::start(BINARY, Some(&patient(&provider.url())));
    for (api, route) in WAYS {
        for streamed in [false, true] {
            let answer = api.ask(&gateway, route, streamed);
            assert_eq!(answer.status, 429, "{api:?} {route}: {}", answer.text());
            assert_eq!(answer.header("retry-after"), Some("7"), "{api:?} {route}: {}", answer.head());
            api.message(&answer);
        }
    }
}

#[test]
fn a_key_that_the_provider_refuses_is_the_operators_matter() {
    let provider = Provider::start();
    provider.demo(&json!({"fault": "status:401"}));
    let gateway = Gateway::start(BINARY, Some(&patient(&provider.url())));
    for (api, route) in WAYS {
        let answer = api.ask(&gateway, route, false);
        match api {
            Api::OpenAi => {
                assert_eq!(answer.status, 502, "{}", answer.text());
                assert_eq!(answer.json()["error"]["code"], "upstream_credentials");
            }
            // MLflow passes it on.
            Api::Mlflow => assert_eq!(answer.status, 401, "{}", answer.text()),
        }
    }
}

#[test]
fn a_providers_errors_keep_their_kind() {
    let provider = Provider::start();
    let gateway = Gateway::start(BINARY, Some(&patient(&provider.url())));
    for (status, on_v1) in
        [(400, 400), (404, 404), (422, 400), (500, 502), (503, 503), (529, 503), (599, 502)]
    {
        provider.demo(&json!({"fault": format!("status:{status}")}));
        for (api, route) in WAYS {
            let answer = api.ask(&gateway, route, false);
            let wanted = if api == Api::OpenAi { on_v1 } else { status };
            assert_eq!(answer.status, wanted, "{status} {api:?} {route}: {}", answer.text());
            assert!(api.message(&answer).contains(&status.to_string()), "{}", answer.text());
        }
    }
}

/// So many times a megabyte.
fn megabytes(count: usize, status: u16) -> Said {
    let megabyte = bytes::Bytes::from(vec![b'x'; 1 << 20]);
    let pieces = vec![Piece { after: Duration::ZERO, bytes: megabyte }; count];
    Said { pieces, ..said(status, "application/json", "") }
}

#[test]
fn an_error_answer_without_end_is_not_read_to_its_end() {
    let provider = Provider::start();
    provider.script(|_| megabytes(256, 500));
    let mut gateway = Gateway::start(BINARY, Some(&patient(&provider.url())));
    let before = gateway.consumption().memory_kib;
    for (api, route) in WAYS {
        let answer = api.ask(&gateway, route, false);
        assert!(matches!(answer.status, 500 | 502), "{}", answer.status);
        assert!(answer.body.len() < 2 << 20, "{} bytes", answer.body.len());
    }
    let after = gateway.consumption().memory_kib;
    assert!(after < before + 96 * 1024, "from {before} to {after} KiB");
    gateway.assert_well();
}

#[test]
fn an_answer_past_the_limit_is_a_bad_gateway() {
    let provider = Provider::start();
    provider.script(|_| megabytes(80, 200));
    let mut gateway = Gateway::start(BINARY, Some(&patient(&provider.url())));
    let answer = Api::OpenAi.ask(&gateway, "openai", false);
    assert_eq!(answer.status, 502, "{}", answer.text());
    gateway.assert_well();
}

#[test]
fn a_connection_that_the_provider_closed_between_calls_is_replaced() {
    let provider = Provider::start();
    let gateway = Launch::new(BINARY).config(patient(&provider.url())).workers(1).start();
    assert_eq!(Api::OpenAi.ask(&gateway, "openai", false).status, 200);
    assert_eq!(Api::OpenAi.ask(&gateway, "openai", true).status, 200);
    assert_eq!(provider.counts().connections, 1, "connections are kept alive");
    for calls in 2..12 {
        provider.close_resting();
        until("the provider has closed it", || (provider.counts().open == 0).then_some(()));
        let answer = Api::OpenAi.ask(&gateway, "openai", calls % 2 == 0);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(provider.counts().connections, calls);
    }
}

#[test]
fn a_call_that_follows_a_failed_one_is_answered() {
    let provider = Provider::start();
    let gateway = Launch::new(BINARY).config(patient(&provider.url())).workers(1).start();
    for fault in ["status:500", "cut", "malformed", "html", "empty"] {
        for streamed in [false, true] {
            provider.demo(&json!({"fault": fault}));
            Api::Mlflow.ask(&gateway, "openai", streamed);
            provider.demo(&json!({"text": "alles gut"}));
            let answer = Api::Mlflow.ask(&gateway, "openai", streamed);
            assert_eq!(answer.status, 200, "{fault}: {}", answer.text());
            assert!(answer.text().contains("gut"), "{fault}: {}", answer.text());
        }
    }
}
