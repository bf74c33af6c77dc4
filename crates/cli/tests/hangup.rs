//! A client that hangs up costs no more: its call of the provider ends, and the log tells it once.

use lockgate_testkit::storm::{Extent, storm};
use lockgate_testkit::{Gateway, Hold, Piece, Provider, Said, said, until};
use serde_json::json;
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");

/// One route whose bytes pass, and one that is translated.
fn gateway(provider: &Provider) -> Gateway {
    provider.demo(&json!({"text": "eins zwei drei"}));
    let base = provider.url();
    let config = format!(
        "routes:
  - name: passed
    route_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: k, openai_api_base: \"{base}/v1\"}}}}
  - name: translated
    route_type: llm/v1/chat
    model: {{provider: anthropic, name: claude-3, config: {{anthropic_api_key: k, anthropic_api_base: \"{base}/v1\"}}}}
"
    );
    Gateway::start(BINARY, Some(&config))
}

fn body(route: &str, streamed: bool) -> String {
    format!(
        r#"{{"model": "{route}", "stream": {streamed}, "messages": [{{"role": "user", "content": "Hallo"}}]}}"#
    )
}

/// The provider's call ends and the log has one record of it, with status 499.
#[track_caller]
fn assert_told(gateway: &Gateway, provider: &Provider, id: &str) {
    until("the provider's client has gone", || {
        let counts = provider.counts();
        (counts.abandoned == 1 && counts.in_flight == 0 && counts.open == 0).then_some(())
    });
    gateway.accessed(id);
    // Whatever would tell it a second time has done so before a later request is told.
    gateway.get("/nowhere").header("x-request-id", "later").send();
    gateway.accessed("later");
    let told = gateway.accessed(id);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((&told[0]["status"], &told[0]["outcome"]), (&499.into(), &"hung_up".into()), "{}", told[0]);
    let metrics = gateway.metrics();
    assert_eq!(metrics.sum("lockgate_client_hangups_total"), 1.0, "{}", metrics.0);
    until("nothing else is in flight", || {
        (gateway.metrics().value("lockgate_requests_in_flight")? <= 1.0).then_some(())
    });
}

#[test]
fn a_client_that_hangs_up_before_the_answer_cancels_the_providers_call() {
    for (route, streamed) in
        [("passed", false), ("passed", true), ("translated", false), ("translated", true)]
    {
        let provider = Provider::start();
        provider.hold(Hold::Head);
        let gateway = gateway(&provider);
        let mut wire = gateway.wire();
        wire.post("/v1/chat/completions", "x-request-id: gone\r\n", &body(route, streamed));
        until("the provider is asked", || (provider.counts().calls == 1).then_some(()));
        drop(wire);
        assert_told(&gateway, &provider, "gone");
    }
}

#[test]
fn a_client_that_hangs_up_in_the_middle_of_a_stream_cancels_the_providers_call() {
    for route in ["passed", "translated"] {
        let provider = Provider::start();
        provider.hold(Hold::Body);
        let gateway = gateway(&provider);
        let mut wire = gateway.wire();
        wire.post("/v1/chat/completions", "x-request-id: gone\r\n", &body(route, true));
        wire.until("eins");
        drop(wire);
        assert_told(&gateway, &provider, "gone");
    }
}

#[test]
fn a_client_that_never_sends_its_body_to_the_end_asks_nothing_of_the_provider() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let mut wire = gateway.wire();
    wire.send(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nx-request-id: gone\r\ncontent-length: 1000\r\n\r\n{\"mo",
    );
    until("its request has begun", || {
        // The reading itself is in flight, too.
        (gateway.metrics().value("lockgate_requests_in_flight")? >= 2.0).then_some(())
    });
    drop(wire);
    let told = gateway.accessed("gone");
    assert_eq!(provider.counts().calls, 0);
    assert!(told[0]["status"] == 499 || told[0]["status"] == 400, "{}", told[0]);
}

#[test]
fn a_client_that_does_not_take_its_answer_is_hung_up_on() {
    let provider = Provider::start();
    // A quarter of a GiB, far more than sockets hold.
    let line = bytes::Bytes::from(format!("data: {}\n\n", "x".repeat(64 * 1024)));
    provider.script(move |_| {
        let piece = Piece { after: Duration::ZERO, bytes: line.clone() };
        Said { pieces: vec![piece; 4096], ..said(200, "text/event-stream", "") }
    });
    let base = provider.url();
    let config = format!(
        "server: {{timeouts: {{keep_alive: 500ms}}}}
routes:
  - name: passed
    route_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: k, openai_api_base: \"{base}/v1\"}}}}
"
    );
    let gateway = Gateway::start(BINARY, Some(&config));
    let before = gateway.consumption().memory_kib;
    let mut wire = gateway.wire();
    wire.post("/v1/chat/completions", "x-request-id: gone\r\n", &body("passed", true));
    wire.until("data: ");
    until("the provider's client has gone", || (provider.counts().abandoned == 1).then_some(()));
    let after = gateway.consumption().memory_kib;
    assert!(after < before + 32 * 1024, "from {before} to {after} KiB");
    assert_eq!(gateway.accessed("gone")[0]["outcome"], "hung_up");
}

#[test]
fn a_storm_of_hang_ups_leaves_nothing_behind() {
    let figures = storm(BINARY, Extent { calls: 600 });
    assert!(figures.abandoned > 100, "{figures}");
    assert_eq!(figures.complaints(), Vec::<String>::new(), "{figures}");
}
