//! What operators see of a call: one line in the log, the metrics, and one id from end to end.

use lockgate_testkit::{Answer, Gateway, Provider, Recorded};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");

fn gateway(provider: &Provider) -> Gateway {
    let base = provider.url();
    Gateway::start(
        BINARY,
        Some(&format!(
            "endpoints:
  - name: openai
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: k, openai_api_base: \"{base}/v1\"}}}}
  - name: anthropic
    endpoint_type: llm/v1/chat
    model: {{provider: anthropic, name: claude-3, config: {{anthropic_api_key: k, anthropic_api_base: \"{base}/v1\"}}}}
  - name: embeddings
    endpoint_type: llm/v1/embeddings
    model: {{provider: openai, name: e, config: {{openai_api_key: k, openai_api_base: \"{base}/v1\"}}}}
"
        )),
    )
}

/// A chat call with an id of its own.
#[track_caller]
fn chat(gateway: &Gateway, route: &str, id: &str, streamed: bool) -> Answer {
    let mut body = json!({"model": route, "stream": streamed, "messages": [{"role": "user", "content": "eins zwei drei"}]});
    if streamed {
        body["stream_options"] = json!({"include_usage": true});
    }
    let answer = gateway.post("/v1/chat/completions", &body).header("x-request-id", id).send();
    assert_eq!(answer.header("x-request-id"), Some(id));
    answer
}

/// The one line that the log has of a request.
#[track_caller]
fn told(gateway: &Gateway, id: &str) -> Value {
    // Whatever would tell it a second time has done so before a later request is told.
    gateway.accessed(id);
    let later = format!("after-{id}");
    gateway.get("/nowhere").header("x-request-id", &later).send();
    gateway.accessed(&later);
    let told = gateway.accessed(id);
    assert_eq!(told.len(), 1, "{told:#?}");
    told.into_iter().next().expect("there is one")
}

#[test]
fn a_call_is_told_once_with_all_that_an_operator_asks_for() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    for (route, owner, model) in [("openai", "openai", "gpt-4"), ("anthropic", "anthropic", "claude-3")] {
        for streamed in [false, true] {
            let id = format!("{route}-{streamed}");
            let answer = chat(&gateway, route, &id, streamed);
            assert_eq!(answer.status, 200, "{}", answer.text());
            let told = told(&gateway, &id);
            for (field, value) in [
                ("method", json!("POST")),
                ("path", json!("/v1/chat/completions")),
                ("client", json!("127.0.0.1")),
                ("route", json!(route)),
                ("provider", json!(owner)),
                ("model", json!(model)),
                ("status", json!(200)),
                ("streamed", json!(streamed)),
                ("outcome", json!("done")),
                ("failure", Value::Null),
            ] {
                assert_eq!(told[field], value, "{field} in {told}");
            }
            assert!(told["duration_ms"].is_number() && told["ttft_ms"].is_number(), "{told}");
        }
    }
}

#[test]
fn a_failed_call_is_told_with_its_reason() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    provider.demo(&json!({"fault": "status:500"}));
    assert_eq!(chat(&gateway, "openai", "failed", false).status, 502);
    let line = told(&gateway, "failed");
    assert_eq!((&line["status"], &line["outcome"]), (&json!(502), &json!("failed")), "{line}");
    assert!(line["failure"].as_str().is_some_and(|why| why.contains("500")), "{line}");
    provider.demo(&json!({"fault": "cut", "text": "eins zwei drei vier"}));
    assert_eq!(chat(&gateway, "openai", "broken", true).status, 200);
    let line = told(&gateway, "broken");
    assert_eq!((&line["status"], &line["outcome"]), (&json!(200), &json!("failed")), "{line}");
    assert!(line["failure"].is_string(), "{line}");
    assert_eq!(chat(&gateway, "nowhere", "no-route", false).status, 404);
    assert_eq!((&told(&gateway, "no-route")["status"]), &json!(404));
    // The query may hold secrets.
    gateway.get("/nowhere?key=kanarie").header("x-request-id", "query").send();
    assert!(!told(&gateway, "query").to_string().contains("kanarie"));
}

#[test]
fn tokens_are_counted_from_whole_and_streamed_answers_alike() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    for (route, owner, model) in [("openai", "openai", "gpt-4"), ("anthropic", "anthropic", "claude-3")] {
        let whole = chat(&gateway, route, &format!("{route}-whole"), false).json();
        let (prompt, completion) = (&whole["usage"]["prompt_tokens"], &whole["usage"]["completion_tokens"]);
        assert!(prompt.as_u64() > Some(0) && completion.as_u64() > Some(0), "{whole}");
        assert_eq!(chat(&gateway, route, &format!("{route}-streamed"), true).status, 200);
        for id in [format!("{route}-whole"), format!("{route}-streamed")] {
            let told = told(&gateway, &id);
            assert_eq!((&told["prompt_tokens"], &told["completion_tokens"]), (prompt, completion), "{told}");
        }
        let metrics = gateway.metrics();
        for (direction, tokens) in [("prompt", prompt), ("completion", completion)] {
            let sample = format!(
                r#"lockgate_tokens_total{{route="{route}",provider="{owner}",model="{model}",direction="{direction}"}}"#
            );
            let twice = tokens.as_f64().map(|tokens| 2.0 * tokens);
            assert_eq!(metrics.value(&sample), twice, "{}", metrics.0);
        }
    }
    let body = json!({"input": ["Hallo", "du"]});
    let ask = gateway.post("/endpoints/embeddings/invocations", &body).header("x-request-id", "embedded");
    assert_eq!(ask.send().status, 200);
    assert!(told(&gateway, "embedded")["prompt_tokens"].as_u64() > Some(0));
}

#[test]
fn metrics_count_every_call_by_route_provider_model_and_status() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    chat(&gateway, "openai", "a", false);
    chat(&gateway, "openai", "b", true);
    provider.demo(&json!({"fault": "status:429"}));
    chat(&gateway, "openai", "c", false);
    chat(&gateway, "nowhere", "d", false);
    for id in ["a", "b", "c", "d"] {
        told(&gateway, id);
    }
    let metrics = gateway.metrics();
    for (sample, value) in [
        (r#"lockgate_requests_total{route="openai",provider="openai",model="gpt-4",status="200"}"#, 2.0),
        (r#"lockgate_requests_total{route="openai",provider="openai",model="gpt-4",status="429"}"#, 1.0),
        (r#"lockgate_request_duration_seconds_count{route="openai",provider="openai"}"#, 3.0),
        (r#"lockgate_time_to_first_token_seconds_count{route="openai",provider="openai"}"#, 2.0),
        ("lockgate_config_generation", 1.0),
        ("lockgate_config_refused", 0.0),
    ] {
        assert_eq!(metrics.value(sample), Some(value), "{sample} in\n{}", metrics.0);
    }
}

#[test]
fn labels_stay_bounded_whatever_callers_write() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    chat(&gateway, "openai", "first", false);
    gateway.get("/nowhere-0").send();
    let before = gateway.metrics().0.lines().count();
    for number in 0..200 {
        chat(&gateway, &format!("model-{number}"), &format!("id-{number}"), false);
        gateway.get(&format!("/nowhere-{number}")).send();
        gateway.post(&format!("/gateway/route-{number}/invocations"), &json!({})).send();
    }
    let after = gateway.metrics().0.lines().count();
    // Statuses may be new, and nothing else.
    assert!(after <= before + 4, "from {before} to {after} lines");
}

#[test]
fn a_request_without_an_id_gets_one_and_a_bad_one_is_replaced() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let ids: Vec<_> = (0..3)
        .map(|_| {
            gateway.get("/health").send().header("x-request-id").expect("every answer has one").to_owned()
        })
        .collect();
    assert!(ids.iter().all(|id| id.len() >= 16) && ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
    for bad in ["a b", "", &"x".repeat(1_000)] {
        let answer = gateway.get("/health").header("x-request-id", bad).send();
        assert!(answer.header("x-request-id").is_some_and(|id| id != bad && id.len() <= 128));
    }
    let answer = chat(&gateway, "nowhere", "in-the-error", false);
    assert!(answer.text().contains("in-the-error"), "{}", answer.text());
}

#[test]
fn tracing_context_reaches_the_provider_and_nothing_else_of_the_caller_does() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for route in ["openai", "anthropic"] {
        let body = json!({"model": route, "messages": [{"role": "user", "content": "Hallo"}]});
        let answer = gateway
            .post("/v1/chat/completions", &body)
            .header("traceparent", parent)
            .header("tracestate", "a=b")
            .header("x-forwarded-for", "10.1.2.3")
            .header("referer", "http://elsewhere.example/")
            .header("x-own", "own")
            .send();
        assert_eq!(answer.status, 200, "{}", answer.text());
        let sent: Recorded = provider.last();
        assert_eq!(sent.header("traceparent"), Some(parent));
        assert_eq!(sent.header("tracestate"), Some("a=b"));
        assert_eq!(sent.header("accept-encoding"), Some("identity"));
        for name in ["x-forwarded-for", "referer", "x-own", "cookie"] {
            assert_eq!(sent.header(name), None, "{name}");
        }
    }
}

#[test]
fn what_a_translation_could_not_carry_is_counted_and_logged() {
    let gateway = Gateway::start(BINARY, None);
    let body = json!({"messages": [{"role": "user", "content": "x"}], "demo": {"tool_call": {"name": "f", "arguments": {}}}});
    let answer = gateway.post("/gateway/chat/invocations", &body).header("x-request-id", "lossy").send();
    assert_eq!(answer.header("x-lockgate-loss"), Some("1; choices[0].message.tool_calls"));
    assert_eq!(told(&gateway, "lossy")["losses"], 1);
    let metrics = gateway.get("/metrics").send();
    assert!(metrics.text().contains("lockgate_losses_total{route=\"chat\"} 1\n"), "{}", metrics.text());
}
