//! SIGTERM: load balancers are told first, then nothing new is taken, and what is in flight ends whole.

use lockgate_testkit::{Gateway, Hold, Provider, Signal, Wire, until};
use serde_json::json;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");

fn gateway(provider: &Provider, delay: &str, deadline: &str) -> Gateway {
    provider.demo(&json!({"text": "eins zwei drei"}));
    let base = provider.url();
    let config = format!(
        "server:
  drain: {{delay: {delay}, deadline: {deadline}}}
routes:
  - name: chat
    route_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: k, openai_api_base: \"{base}/v1\"}}}}
"
    );
    Gateway::start(BINARY, Some(&config))
}

const BODY: &str = r#"{"model": "chat", "stream": true, "messages": [{"role": "user", "content": "Hallo"}]}"#;

#[test]
fn a_drain_tells_load_balancers_first_and_lets_streams_end_whole() {
    let provider = Provider::start();
    let mut gateway = gateway(&provider, "3s", "60s");
    provider.hold(Hold::Body);
    let mut stream = gateway.wire();
    stream.post("/v1/chat/completions", "", BODY);
    stream.until("eins");
    assert_eq!(gateway.get("/ready").send().status, 200);
    gateway.signal(Signal::SIGTERM);
    // Each look is a new connection, so it is still accepted.
    until("/ready says that it drains", || {
        let answer =
            gateway.wire().send("GET /ready HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").answer()?;
        (answer.status == 503).then_some(())
    });
    assert_eq!(gateway.get("/health").send().status, 200);
    until("new connections are refused", || Wire::open(gateway.address).is_err().then_some(()));
    assert!(gateway.runs(), "a stream is open");
    provider.hold(Hold::Nothing);
    let rest = stream.rest();
    assert!(rest.contains("drei") && rest.contains("[DONE]"), "{rest}");
    assert_eq!(gateway.ended().code(), Some(0));
    assert_eq!(provider.counts().abandoned, 0);
}

#[test]
fn a_call_that_waits_for_its_answer_gets_it_during_a_drain() {
    let provider = Provider::start();
    let mut gateway = gateway(&provider, "0s", "60s");
    provider.hold(Hold::Head);
    let mut waiting = gateway.wire();
    waiting.post("/v1/chat/completions", "", &BODY.replace("true", "false"));
    until("the provider is asked", || (provider.counts().calls == 1).then_some(()));
    gateway.signal(Signal::SIGTERM);
    until("new connections are refused", || Wire::open(gateway.address).is_err().then_some(()));
    provider.hold(Hold::Nothing);
    let answer = waiting.answer().expect("it is answered");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(gateway.ended().code(), Some(0));
}

#[test]
fn a_stream_longer_than_the_deadline_is_cut_and_the_process_ends() {
    let provider = Provider::start();
    let mut gateway = gateway(&provider, "0s", "300ms");
    provider.hold(Hold::Body);
    let mut stream = gateway.wire();
    stream.post("/v1/chat/completions", "x-request-id: cut\r\n", BODY);
    stream.until("eins");
    gateway.signal(Signal::SIGTERM);
    let rest = stream.rest();
    assert!(!rest.contains("[DONE]"), "{rest}");
    assert_eq!(gateway.ended().code(), Some(0));
    gateway.log.wait_end();
    let told = gateway.log.records(|record| record["request_id"] == "cut");
    assert_eq!(told.len(), 1, "{}", gateway.log.text());
    until("the provider's client has gone", || (provider.counts().abandoned == 1).then_some(()));
}

#[test]
fn an_idle_keep_alive_connection_does_not_hold_up_the_end() {
    let provider = Provider::start();
    let mut gateway = gateway(&provider, "0s", "60s");
    let mut idle = gateway.wire();
    idle.send("GET /health HTTP/1.1\r\nhost: h\r\n\r\n");
    assert_eq!(idle.answer().map(|answer| answer.status), Some(200));
    let untouched = gateway.wire();
    gateway.signal(Signal::SIGTERM);
    assert_eq!(idle.to_end(), b"");
    assert_eq!(gateway.ended().code(), Some(0));
    drop(untouched);
}

#[test]
fn an_interrupt_from_the_keyboard_ends_it_just_so() {
    let provider = Provider::start();
    let mut gateway = gateway(&provider, "0s", "60s");
    gateway.signal(Signal::SIGINT);
    assert_eq!(gateway.ended().code(), Some(0));
    gateway.log.wait_end();
    assert!(gateway.log.panics().is_empty());
}
