//! What a provider cannot be told: named to the client, or reason enough to ask nobody.

use lockgate_testkit::{Gateway, Provider};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");

fn gateway(provider: &Provider, more: &str) -> Gateway {
    let base = provider.url();
    let model = format!(
        "{{provider: anthropic, name: claude-3, config: {{anthropic_api_key: k, anthropic_api_base: \"{base}/v1\"}}}}"
    );
    Gateway::start(
        BINARY,
        Some(&format!(
            "{more}
endpoints:
  - {{name: report, endpoint_type: llm/v1/chat, on_loss: report, model: {model}}}
  - {{name: reject, endpoint_type: llm/v1/chat, on_loss: reject, model: {model}}}
  - {{name: common, endpoint_type: llm/v1/chat, model: {model}}}
"
        )),
    )
}

fn request(route: &str) -> Value {
    json!({"model": route, "messages": [{"role": "user", "content": "x"}], "max_tokens": 5})
}

/// The request with two things that Anthropic's API has no place for.
fn lossy(route: &str) -> Value {
    let mut body = request(route);
    body["seed"] = json!(7);
    body["logit_bias"] = json!({"5": 1});
    body
}

#[test]
fn a_route_that_rejects_losses_names_them_and_asks_nobody() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    for streamed in [false, true] {
        let mut body = lossy("reject");
        body["stream"] = json!(streamed);
        let answer = gateway.post("/v1/chat/completions", &body).send();
        assert_eq!(answer.status, 400, "{}", answer.text());
        let error = answer.json()["error"].clone();
        assert_eq!((&error["type"], &error["param"]), (&json!("invalid_request_error"), &json!("seed")));
        let message = error["message"].as_str().expect("a text");
        assert!(message.contains("seed (") && message.contains("logit_bias ("), "{message}");

        body.as_object_mut().expect("an object").remove("model");
        let answer = gateway.post("/endpoints/reject/invocations", &body).send();
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.json()["detail"].as_str().is_some_and(|detail| detail.contains("seed (")));
    }
    assert_eq!(provider.counts().calls, 0);
}

#[test]
fn a_route_that_rejects_losses_answers_what_loses_nothing() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    let answer = gateway.post("/v1/chat/completions", &request("reject")).send();
    assert_eq!((answer.status, answer.header("x-lockgate-loss")), (200, None), "{}", answer.text());
}

#[test]
fn losses_are_named_in_a_header_where_the_route_reports_them() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    for route in ["report", "common"] {
        let answer = gateway.post("/v1/chat/completions", &lossy(route)).send();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-lockgate-loss"), Some("2; seed, logit_bias"));
    }
}

#[test]
fn routes_that_say_nothing_do_what_the_defaults_say() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "defaults: {on_loss: reject}");
    let status = |route| gateway.post("/v1/chat/completions", &lossy(route)).send().status;
    assert_eq!([status("common"), status("reject"), status("report")], [400, 400, 200]);
}

#[test]
fn a_temperature_outside_the_providers_range_is_moved_into_it_and_named_or_rejected() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    let hot = |route| {
        let mut body = request(route);
        body["temperature"] = json!(1.7);
        gateway.post("/v1/chat/completions", &body).send()
    };
    assert_eq!(hot("report").header("x-lockgate-loss"), Some("1; temperature"));
    assert_eq!(provider.last().json()["temperature"], json!(1.0));
    assert_eq!(hot("reject").status, 400);
    assert_eq!(provider.counts().calls, 1);
}
