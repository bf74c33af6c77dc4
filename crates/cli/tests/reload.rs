//! The config changes while the gateway runs: callers notice nothing but what they were meant to.

use lockgate_testkit::churn::{Extent, churn};
use lockgate_testkit::{Gateway, Hold, Launch, Layout, Provider, Signal, until};
use serde_json::{Value, json};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");

/// A config with one route to OpenAI at `url`.
fn to_openai(name: &str, url: &str, key: &str) -> String {
    format!(
        "routes:\n  - name: {name}\n    route_type: llm/v1/chat\n    model:\n      provider: openai\n      \
         name: gpt-4\n      config:\n        openai_api_key: {key}\n        openai_api_base: {url}/v1\n"
    )
}

/// A config with one demo route.
fn demo(name: &str) -> String {
    format!(
        "routes:\n  - name: {name}\n    route_type: llm/v1/chat\n    \
         model: {{provider: demo, name: demo}}\n"
    )
}

fn chat(words: &str) -> Value {
    json!({"messages": [{"role": "user", "content": words}]})
}

/// The status of a call of the route `name`.
fn asked(gateway: &Gateway, name: &str) -> u16 {
    gateway.post(&format!("/gateway/{name}/invocations"), &chat("Hallo")).send().status
}

fn refused_metric(gateway: &Gateway) -> Option<f64> {
    gateway.metrics().value("lockgate_config_refused")
}

fn refused_message(gateway: &Gateway) -> Value {
    gateway.get("/status?format=json").send().json()["refused"]["message"].clone()
}

#[test]
fn a_hundred_reloads_under_load_fail_no_call_and_leave_nothing_behind() {
    let figures = churn(BINARY, Extent { reloads: 100, least: Duration::ZERO });
    assert_eq!(figures.accepted + figures.refused, 100);
    assert!(figures.refused >= 10 && figures.calls > 500, "{figures}");
    assert_eq!(figures.complaints(), Vec::<String>::new(), "{figures}");
}

#[test]
fn a_stream_in_flight_ends_whole_although_its_route_is_gone() {
    let provider = Provider::start();
    provider.hold(Hold::Body);
    let gateway = Gateway::start(BINARY, Some(&to_openai("old", &provider.url(), "k")));
    let body =
        json!({"model": "old", "stream": true, "messages": [{"role": "user", "content": "eins zwei drei"}]});
    let mut stream = gateway.post("/v1/chat/completions", &body).stream();
    assert_eq!(stream.status, 200);
    let first = stream.event().expect("the stream has begun");
    gateway.reloads(|files| files.rename(&demo("new")));
    assert_eq!((asked(&gateway, "old"), asked(&gateway, "new")), (404, 200));
    provider.hold(Hold::Nothing);
    let rest = stream.rest();
    assert_eq!(rest.last().map(String::as_str), Some("[DONE]"), "{first} {rest:?}");
    assert!(rest.concat().contains("drei"), "{rest:?}");
    assert_eq!(provider.counts().abandoned, 0);
}

#[test]
fn a_call_that_waits_for_its_answer_gets_it_from_the_provider_that_it_asked() {
    let (old, new) = (Provider::start(), Provider::start());
    old.demo(&json!({"text": "from the old one"}));
    new.demo(&json!({"text": "from the new one"}));
    old.hold(Hold::Head);
    let gateway = Gateway::start(BINARY, Some(&to_openai("chat", &old.url(), "k")));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| gateway.post("/gateway/chat/invocations", &chat("Hallo")).send());
        until("the old provider is asked", || (old.counts().calls == 1).then_some(()));
        gateway.reloads(|files| files.rename(&to_openai("chat", &new.url(), "k")));
        let answer = gateway.post("/gateway/chat/invocations", &chat("Hallo")).send();
        assert!(answer.text().contains("from the new one"), "{}", answer.text());
        old.hold(Hold::Nothing);
        let answer = waiting.join().expect("it is answered");
        assert!(answer.text().contains("from the old one"), "{}", answer.text());
    });
}

#[test]
fn a_reload_does_not_give_callers_their_limit_back() {
    let limited =
        |text: &str| format!("# {text}\n{}    limit: {{calls: 3, renewal_period: hour}}\n", demo("chat"));
    let gateway = Gateway::start(BINARY, Some(&limited("first")));
    assert_eq!([asked(&gateway, "chat"), asked(&gateway, "chat")], [200, 200]);
    gateway.reloads(|files| files.rename(&limited("second")));
    assert_eq!([asked(&gateway, "chat"), asked(&gateway, "chat")], [200, 429]);
    gateway.reloads(|files| files.rename(&limited("third")));
    assert_eq!(asked(&gateway, "chat"), 429);
}

#[test]
fn a_file_that_is_written_or_renamed_is_taken() {
    let gateway = Gateway::start(BINARY, Some(&demo("first")));
    gateway.reloads(|files| files.write(&demo("written")));
    assert_eq!([asked(&gateway, "first"), asked(&gateway, "written")], [404, 200]);
    gateway.reloads(|files| files.rename(&demo("renamed")));
    assert_eq!([asked(&gateway, "written"), asked(&gateway, "renamed")], [404, 200]);
    gateway.reloads(|files| files.write(&demo("again")));
    assert_eq!(asked(&gateway, "again"), 200);
    assert_eq!(gateway.generation(), 4);
}

#[test]
fn a_config_map_that_kubernetes_swaps_is_taken() {
    let gateway = Launch::new(BINARY).config(demo("first")).layout(Layout::Kubernetes).start();
    for name in ["second", "third"] {
        gateway.reloads(|files| files.swap(&demo(name)));
        assert_eq!(asked(&gateway, name), 200);
    }
    assert_eq!(asked(&gateway, "first"), 404);
}

#[test]
fn a_hangup_signal_reads_a_file_whose_changes_are_not_seen() {
    // A link out of the directory: what happens at its other end is told to nobody.
    let elsewhere = Launch::new(BINARY).config(demo("elsewhere")).start();
    let gateway = Launch::new(BINARY).config(demo("first")).start();
    let target = elsewhere.files.path("target.yaml");
    elsewhere.files.put("target.yaml", &demo("second"));
    gateway.reloads(|files| {
        files.remove();
        std::os::unix::fs::symlink(&target, files.config()).expect("a link");
    });
    assert_eq!(asked(&gateway, "second"), 200);
    gateway.reloads(|_| {
        elsewhere.files.put("target.yaml", &demo("third"));
        gateway.signal(Signal::SIGHUP);
    });
    gateway.log.wait("the signal", |record| {
        record["message"].as_str().is_some_and(|message| message.starts_with("SIGHUP"))
    });
    assert_eq!([asked(&gateway, "second"), asked(&gateway, "third")], [404, 200]);
}

#[test]
fn a_rotated_key_file_reaches_the_provider() {
    let provider = Provider::start();
    let config = to_openai("chat", &provider.url(), "{file: \"@dir@/keys/key\"}");
    let launch = Launch::new(BINARY).config(demo("first"));
    let gateway = launch.start();
    std::fs::create_dir(gateway.files.path("keys")).expect("a directory");
    gateway.files.put("keys/key", "first-key\n");
    gateway.reloads(|files| files.rename(&config));
    assert_eq!(asked(&gateway, "chat"), 200);
    assert_eq!(provider.last().header("authorization"), Some("Bearer first-key"));
    gateway.reloads(|files| files.replace("keys/key", "second-key\n"));
    assert_eq!(asked(&gateway, "chat"), 200);
    assert_eq!(provider.last().header("authorization"), Some("Bearer second-key"));
    gateway.reloads(|files| files.put("keys/key", "third-key\n"));
    assert_eq!(asked(&gateway, "chat"), 200);
    assert_eq!(provider.last().header("authorization"), Some("Bearer third-key"));
}

#[test]
fn a_bad_file_changes_nothing_and_is_told_until_it_is_mended() {
    let gateway = Gateway::start(BINARY, Some(&demo("chat")));
    assert_eq!((refused_metric(&gateway), refused_message(&gateway)), (Some(0.0), Value::Null));
    let logged = gateway.refuses(|files| files.rename(&demo("other").replace("llm/v1/chat", "llm/v1/chatt")));
    assert!(logged.contains("llm/v1/chatt") && logged.contains("config.yaml"), "{logged}");
    assert_eq!([asked(&gateway, "chat"), asked(&gateway, "other")], [200, 404]);
    assert_eq!([gateway.get("/health").send().status, gateway.get("/ready").send().status], [200, 200]);
    assert_eq!((refused_metric(&gateway), gateway.generation()), (Some(1.0), 1));
    let told = refused_message(&gateway);
    assert!(told.as_str().is_some_and(|told| told.contains("llm/v1/chatt")), "{told}");
    let page = gateway.get("/status").send().text();
    assert!(page.contains("llm/v1/chatt"), "{page}");
    gateway.reloads(|files| files.rename(&demo("other")));
    assert_eq!([asked(&gateway, "chat"), asked(&gateway, "other")], [404, 200]);
    assert_eq!((refused_metric(&gateway), refused_message(&gateway)), (Some(0.0), Value::Null));
}

#[test]
fn a_bad_file_is_forgotten_when_the_old_one_is_put_back() {
    let gateway = Gateway::start(BINARY, Some(&demo("chat")));
    gateway.refuses(|files| files.write("routes: ["));
    assert_eq!(refused_metric(&gateway), Some(1.0));
    gateway.files.rename(&demo("chat"));
    until("the file is what serves", || (refused_metric(&gateway) == Some(0.0)).then_some(()));
    assert_eq!((refused_message(&gateway), gateway.generation()), (Value::Null, 1));
    assert_eq!(asked(&gateway, "chat"), 200);
}

#[test]
fn a_deleted_file_changes_nothing_and_is_taken_when_it_comes_back() {
    let gateway = Gateway::start(BINARY, Some(&demo("chat")));
    let logged = gateway.refuses(|files| files.remove());
    assert!(logged.contains("does not exist"), "{logged}");
    assert_eq!((asked(&gateway, "chat"), refused_metric(&gateway)), (200, Some(1.0)));
    gateway.reloads(|files| files.write(&demo("back")));
    assert_eq!((asked(&gateway, "back"), refused_metric(&gateway)), (200, Some(0.0)));
}

#[test]
fn a_file_whose_key_is_missing_is_taken_once_the_key_is_there() {
    let provider = Provider::start();
    let gateway = Gateway::start(BINARY, Some(&demo("chat")));
    let config = to_openai("chat", &provider.url(), "{file: \"@dir@/key\"}");
    let logged = gateway.refuses(|files| files.rename(&config));
    assert!(logged.contains("key file"), "{logged}");
    assert_eq!((asked(&gateway, "chat"), provider.counts().calls), (200, 0));
    gateway.reloads(|files| files.replace("key", "late-key\n"));
    assert_eq!((asked(&gateway, "chat"), provider.counts().calls), (200, 1));
}
