//! Limits: nobody gets more than the config allows, whatever comes at the same time, and everybody is told what is left.

use lockgate_config::KeyHash;
use lockgate_testkit::{Answer, Ask, Client, Gateway, Hold, Launch, Provider, said, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");
const ALICE: &str = "lg-alice-0123456789";
const BOB: &str = "lg-bob-0123456789";

/// Endpoints of the demo provider, each with these lines of its own.
fn demo(endpoints: &[(&str, &str)]) -> String {
    let endpoint = |(name, more): &(&str, &str)| {
        format!(
            "  - {{name: {name}, endpoint_type: llm/v1/chat, model: {{provider: demo, name: demo}}, {more}}}\n"
        )
    };
    format!("endpoints:\n{}", endpoints.iter().map(endpoint).collect::<String>())
}

/// One endpoint, `chat`, of a provider over HTTP.
fn remote(provider: &Provider, limits: &str) -> String {
    let base = provider.url();
    format!(
        "endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: k, openai_api_base: \"{base}/v1\"}}}}
    limits: {limits}
"
    )
}

/// Alice and Bob with these limits.
fn callers(alice: &str, bob: &str) -> String {
    let hash = |key: &str| KeyHash::of(key.as_bytes());
    format!(
        "callers:\n  - {{name: alice, key: {}, {alice}}}\n  - {{name: bob, key: {}, {bob}}}\n",
        hash(ALICE),
        hash(BOB)
    )
}

fn chat(route: &str) -> Value {
    json!({"model": route, "messages": [{"role": "user", "content": "Hallo"}]})
}

fn openai<'a>(client: &'a Client, route: &str) -> Ask<'a> {
    client.post("/v1/chat/completions").json(&chat(route))
}

fn mlflow<'a>(client: &'a Client, route: &str) -> Ask<'a> {
    let body = json!({"messages": [{"role": "user", "content": "Hallo"}]});
    client.post(&format!("/endpoints/{route}/invocations")).json(&body)
}

fn anthropic<'a>(client: &'a Client, route: &str) -> Ask<'a> {
    let body = json!({"model": route, "max_tokens": 50, "messages": [{"role": "user", "content": "Hallo"}]});
    client.post("/anthropic/v1/messages").json(&body)
}

fn with_key<'a>(ask: Ask<'a>, key: &str) -> Ask<'a> {
    if key.is_empty() { ask } else { ask.header("x-api-key", key) }
}

/// A thousand calls at the same time, over both workers and both kinds of path, with these keys and routes in turn:
/// how many of each key were let through.
fn storm(gateway: &Gateway, keys: &[&'static str], routes: &[&str]) -> BTreeMap<&'static str, usize> {
    const CLIENTS: usize = 50;
    let mut through = BTreeMap::new();
    std::thread::scope(|scope| {
        let call = |number: usize| {
            let client = Client::new(gateway.address);
            let mut through = Vec::new();
            for call in 0..1_000 / CLIENTS {
                let key = keys[(number + call) % keys.len()];
                let route = routes[call / 2 % routes.len()];
                let ask = if call % 2 == 0 { openai(&client, route) } else { mlflow(&client, route) };
                let answer = with_key(ask, key).send();
                match answer.status {
                    200 => through.push(key),
                    429 => assert!(answer.header("retry-after").is_some(), "{}", answer.head()),
                    _ => panic!("{} {}", answer.status, answer.text()),
                }
            }
            through
        };
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || call(number))).collect();
        for client in clients {
            for key in client.join().expect("no client panics") {
                *through.entry(key).or_default() += 1;
            }
        }
    });
    through
}

#[test]
fn a_thousand_parallel_calls_get_exactly_what_the_route_allows_each_address() {
    let config = demo(&[("chat", "limits: {requests: 100 per hour}")]);
    let gateway = Gateway::start(BINARY, Some(&config));
    assert_eq!(storm(&gateway, &[""], &["chat"]), BTreeMap::from([("", 100)]));
}

#[test]
fn a_thousand_parallel_calls_get_exactly_what_mlflows_limit_allows() {
    let config = demo(&[("chat", "limit: {calls: 100, renewal_period: hour}")]);
    let gateway = Gateway::start(BINARY, Some(&config));
    assert_eq!(storm(&gateway, &[""], &["chat"]), BTreeMap::from([("", 100)]));
}

#[test]
fn a_thousand_parallel_calls_get_exactly_what_route_and_caller_allow_together() {
    let routes =
        demo(&[("a", "limits: {requests: 100 per hour}"), ("b", "limits: {requests: 100 per hour}")]);
    let config =
        format!("{routes}{}", callers("limits: {requests: 150 per hour}", "limits: {concurrent: 1000}"));
    let gateway = Gateway::start(BINARY, Some(&config));
    // Each has a count of its own on each route; Alice one over both routes besides.
    assert_eq!(storm(&gateway, &[ALICE, BOB], &["a", "b"]), BTreeMap::from([(ALICE, 150), (BOB, 200)]));
}

/// Answers that say they used so many tokens.
fn uses(provider: &Provider, prompt: u64, completion: u64) {
    let usage = json!({"prompt_tokens": prompt, "completion_tokens": completion,
        "total_tokens": prompt + completion});
    let message = json!({"role": "assistant", "content": "Hallo"});
    let body = json!({"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4", "usage": usage,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}]});
    provider.script(move |_| said(200, "application/json", body.to_string()));
}

fn left(answer: &Answer, kind: &str) -> u64 {
    let header = answer.header(&format!("x-ratelimit-remaining-{kind}"));
    header.and_then(|left| left.parse().ok()).unwrap_or_else(|| panic!("{}", answer.head()))
}

#[test]
fn tokens_are_reserved_and_then_count_as_the_provider_counted_them() {
    let provider = Provider::start();
    let gateway = Gateway::start(BINARY, Some(&remote(&provider, "{tokens: 1000 per hour}")));
    let mut body = chat("chat");
    body["max_tokens"] = json!(500);
    let reserved = 500 + body.to_string().len().div_ceil(4) as u64;
    let ask = || gateway.post("/v1/chat/completions", &body).send();

    uses(&provider, 10, 20);
    assert_eq!(left(&ask(), "tokens"), 1000 - reserved);
    uses(&provider, 7, 30);
    assert_eq!(left(&ask(), "tokens"), 970 - reserved, "what was not used was given back");
    provider.script(|_| said(500, "application/json", "{}"));
    let failed = ask();
    assert_eq!((failed.status, left(&failed, "tokens")), (502, 933 - reserved), "{}", failed.text());
    uses(&provider, 10, 900);
    assert_eq!(left(&ask(), "tokens"), 933 - reserved, "a call that failed cost nothing");
    let refused = ask();
    assert_eq!((refused.status, left(&refused, "tokens")), (429, 23), "what was used beyond counts");
    assert_eq!(refused.header("x-ratelimit-limit-tokens"), Some("1000"));
}

#[test]
fn prompt_and_completion_tokens_are_limited_apart() {
    let provider = Provider::start();
    let limits = "{prompt_tokens: 1000 per hour, completion_tokens: 100 per hour}";
    let gateway = Gateway::start(BINARY, Some(&remote(&provider, limits)));
    uses(&provider, 100, 60);
    let first = openai(&gateway.client, "chat").send();
    assert_eq!((first.status, left(&first, "tokens")), (200, 90), "a tenth is reserved for an answer");
    uses(&provider, 100, 35);
    assert_eq!(left(&openai(&gateway.client, "chat").send(), "tokens"), 30);
    let refused = openai(&gateway.client, "chat").header("x-request-id", "refused").send();
    assert_eq!(refused.status, 429);
    let message = refused.json()["error"]["message"].clone();
    let wanted = "Rate limit exceeded: 100 completion tokens per 1 hour (10 wanted, 5 left)";
    assert_eq!(message, json!(wanted));
    assert_eq!(gateway.accessed("refused")[0]["limit"], "route.completion_tokens");
}

#[test]
fn a_request_that_no_waiting_lets_through_is_refused_for_good() {
    let gateway = Gateway::start(BINARY, Some(&demo(&[("chat", "limits: {tokens: 1000 per minute}")])));
    let mut body = chat("chat");
    body["max_tokens"] = json!(1_000);
    let answer = gateway.post("/v1/chat/completions", &body).header("x-request-id", "hopeless").send();
    assert_eq!((answer.status, answer.header("retry-after")), (413, None), "{}", answer.text());
    let error = answer.json()["error"].clone();
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("invalid_request_error"), &json!("request_too_large"))
    );
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("more than the whole limit of 1000 tokens per 1 minute"), "{message}");
    assert_eq!(gateway.accessed("hopeless")[0]["limit"], "route.tokens");
    body.as_object_mut().expect("an object").remove("model");
    let answer = gateway.post("/endpoints/chat/invocations", &body).send();
    assert_eq!(answer.status, 413);
    assert!(answer.json()["detail"].as_str().is_some_and(|text| text.contains("the whole limit")));
}

#[test]
fn a_stream_is_settled_before_its_reader_can_call_again() {
    let limits = "limits: {concurrent: 1, tokens: 300 per hour}";
    let gateway = Gateway::start(BINARY, Some(&demo(&[("chat", limits)])));
    let mut body = chat("chat");
    body["stream"] = json!(true);
    body["max_tokens"] = json!(100);
    // Several would not fit if they counted as they were reserved, or were still held while the next one comes.
    let mut open = Vec::new();
    for call in 0..10 {
        let client = Client::new(gateway.address);
        let mut stream = client.post("/v1/chat/completions").json(&body).stream();
        assert_eq!(stream.status, 200, "call {call}");
        while stream.event().expect("the stream ends in its own way") != "[DONE]" {}
        open.push(stream);
    }
}

#[test]
fn a_client_that_hangs_up_in_a_stream_makes_room_for_the_next() {
    let provider = Provider::start();
    let gateway = Gateway::start(BINARY, Some(&remote(&provider, "{concurrent: 1, tokens: 1000 per hour}")));
    provider.hold(Hold::Body);
    let mut body = chat("chat");
    body["stream"] = json!(true);
    let mut wire = gateway.wire();
    wire.post("/v1/chat/completions", "", &body.to_string());
    wire.until("data: ");
    let refused = openai(&gateway.client, "chat").header("x-request-id", "refused").send();
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{}", refused.text());
    assert_eq!(refused.json()["error"]["message"], "Rate limit exceeded: 1 at the same time");
    assert_eq!(gateway.accessed("refused")[0]["limit"], "route.concurrent");
    drop(wire);
    let next = until("there is room again", || {
        let answer = openai(&gateway.client, "chat").send();
        (answer.status == 200).then_some(answer)
    });
    let estimate = |body: &Value| 100 + body.to_string().len().div_ceil(4) as u64;
    let cost = estimate(&body) + estimate(&chat("chat"));
    assert_eq!(left(&next, "tokens"), 1000 - cost, "without a count the estimate stands");
}

#[test]
fn a_call_that_one_limit_refuses_costs_nothing_of_the_others() {
    let provider = Provider::start();
    let routes = remote(&provider, "{requests: 2 per hour}");
    let config = format!("{routes}{}", callers("limits: {concurrent: 1}", "routes: [chat]"));
    let gateway = Gateway::start(BINARY, Some(&config));
    provider.hold(Hold::Head);
    let mut wire = gateway.wire();
    wire.post("/v1/chat/completions", &format!("x-api-key: {ALICE}\r\n"), &chat("chat").to_string());
    until("the provider is asked", || (provider.counts().calls == 1).then_some(()));
    for _ in 0..3 {
        let refused = with_key(openai(&gateway.client, "chat"), ALICE).send();
        assert_eq!((refused.status, left(&refused, "requests")), (429, 1), "{}", refused.text());
        let message = refused.json()["error"]["message"].clone();
        assert_eq!(message, "Rate limit exceeded: 1 at the same time over all routes");
    }
    provider.hold(Hold::Nothing);
    assert_eq!(wire.answer().expect("an answer").status, 200);
    let statuses =
        [ALICE, ALICE, BOB].map(|key| with_key(openai(&gateway.client, "chat"), key).send().status);
    assert_eq!(statuses, [200, 429, 200]);
}

#[test]
fn every_answer_tells_the_tightest_limit_of_each_kind() {
    let provider = Provider::start();
    let routes = remote(&provider, "{requests: 3 per hour, tokens: 100000 per minute}");
    let config = format!(
        "{routes}{}{}",
        &demo(&[("free", "")])["endpoints:\n".len()..],
        callers("limits: {requests: 2 per 3 hours, prompt_tokens: 90000 per day}", "routes: [free]")
    );
    let gateway = Gateway::start(BINARY, Some(&config));
    // What the provider tells of its own limits is about the gateway's key, and stays here.
    provider.script(|request| {
        let mut answer = lockgate_testkit::demo(
            "openai_chat",
            lockgate_testkit::Operation::Chat,
            &request.body,
            &json!({}),
        );
        answer.headers.push(("x-ratelimit-limit-requests", "9999".to_owned()));
        answer.headers.push(("x-ratelimit-remaining-images", "9999".to_owned()));
        answer
    });
    let mut streamed = chat("chat");
    streamed["stream"] = json!(true);
    for (body, status, remaining, retry) in
        [(chat("chat"), 200, "1", false), (streamed, 200, "0", false), (chat("chat"), 429, "0", true)]
    {
        let answer = with_key(gateway.post("/v1/chat/completions", &body), ALICE).send();
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("2"));
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some(remaining));
        let reset = answer.header("x-ratelimit-reset-requests").expect("a reset");
        assert!(reset.starts_with("2h59m") || reset == "3h0m0s", "{reset}");
        assert_eq!(answer.header("x-ratelimit-limit-tokens"), Some("90000"));
        assert!((80_000..90_000).contains(&left(&answer, "tokens")));
        assert!(answer.header("x-ratelimit-reset-tokens").is_some_and(|reset| reset.ends_with('s')));
        assert_eq!(answer.header("x-ratelimit-remaining-images"), None);
        let wait = answer.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
        assert_eq!(wait.is_some(), retry, "{}", answer.head());
        assert!(wait.is_none_or(|wait| (10_700..=10_800).contains(&wait)), "{wait:?}");
    }
    let free = with_key(openai(&gateway.client, "free"), BOB).send();
    assert_eq!(free.status, 200);
    assert!(!free.head().contains("ratelimit"), "{}", free.head());
}

#[test]
fn each_surface_is_refused_in_its_own_words_and_operators_see_which_limit_it_was() {
    let gateway = Gateway::start(BINARY, Some(&demo(&[("chat", "limits: {requests: 1 per hour}")])));
    assert_eq!(mlflow(&gateway.client, "chat").send().status, 200);
    let told = "Rate limit exceeded: 1 per 1 hour";
    let refused = mlflow(&gateway.client, "chat").header("x-request-id", "refused").send();
    assert_eq!((refused.status, refused.json()), (429, json!({"error": told})));
    let refused = openai(&gateway.client, "chat").send();
    assert_eq!(refused.status, 429);
    let error = &refused.json()["error"];
    assert_eq!((&error["message"], &error["type"]), (&json!(told), &json!("rate_limit_error")));
    assert_eq!(error["code"], "rate_limit_exceeded");
    let refused = anthropic(&gateway.client, "chat").send();
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["error"], json!({"type": "rate_limit_error", "message": told}));
    assert_eq!(gateway.accessed("refused")[0]["limit"], "route.requests");
    let metrics = gateway.metrics();
    let refusals = r#"lockgate_limit_refusals_total{route="chat",kind="requests"}"#;
    assert_eq!(metrics.value(refusals), Some(3.0), "{}", metrics.0);
}

#[test]
fn every_api_counts_the_same_calls_and_says_so_in_its_own_words() {
    let gateway = Gateway::start(BINARY, Some(&demo(&[("chat", "limits: {requests: 1 per hour}")])));
    assert_eq!(openai(&gateway.client, "chat").send().status, 200);
    let messages = json!([{"role": "user", "content": "Hallo"}]);
    let plain = json!({"model": "chat", "messages": messages});
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": "Hallo"}]}]});
    let bedrock = json!({"messages": [{"role": "user", "content": [{"text": "Hallo"}]}]});
    for (path, body, place, word) in [
        ("/v1/responses", json!({"model": "chat", "input": "Hallo"}), "/error/code", "rate_limit_exceeded"),
        ("/v1beta/models/chat:generateContent", gemini.clone(), "/error/status", "RESOURCE_EXHAUSTED"),
        ("/v1beta/models/chat:streamGenerateContent", gemini, "", "RESOURCE_EXHAUSTED"),
        ("/v2/chat", plain.clone(), "/message", "Rate limit exceeded: 1 per 1 hour"),
        ("/api/chat", plain, "/error", "Rate limit exceeded: 1 per 1 hour"),
        ("/bedrock/model/chat/converse", bedrock, "/message", "Rate limit exceeded: 1 per 1 hour"),
    ] {
        let answer = gateway.post(path, &body).send();
        assert_eq!(answer.status, 429, "{path}: {}", answer.text());
        assert!(answer.header("retry-after").is_some(), "{path}: {}", answer.head());
        assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("0"), "{path}");
        let told = answer.json();
        let told = told.pointer(place).expect(path).to_string();
        assert!(told.contains(word), "{path}: {told}");
    }
}

#[test]
fn a_route_that_was_made_at_run_time_is_limited_like_any_other() {
    let state = tempfile::tempdir().expect("a directory");
    let config = format!("{}admin: {{key: {}}}\n", demo(&[("filed", "")]), KeyHash::of(ALICE.as_bytes()));
    let launch = Launch::new(BINARY).config(config).argument("--state-dir");
    let gateway = launch.argument(&state.path().display().to_string()).start();
    let make = |limits: &Value| {
        let route = json!({"name": "made", "endpoint_type": "llm/v1/chat", "limits": limits,
            "model": {"provider": "demo", "name": "demo"}});
        gateway.post("/api/2.0/endpoints/", &route).header("x-api-key", ALICE).send()
    };
    let wrong = make(&json!({"requests": "1 per fortnight"}));
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("limits.requests"), "{}", wrong.text());
    assert_eq!(make(&json!({"requests": "1 per hour"})).status, 200);
    let call = || with_key(mlflow(&gateway.client, "made"), ALICE).send().status;
    assert_eq!([call(), call()], [200, 429]);
}

#[test]
fn anthropics_clients_read_what_is_left_where_they_look_for_it() {
    let limits =
        "limits: {requests: 9 per minute, prompt_tokens: 1000 per minute, completion_tokens: 60 per hour}";
    let gateway = Gateway::start(BINARY, Some(&demo(&[("chat", limits)])));
    let answer = anthropic(&gateway.client, "chat").send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let header = |name: &str| answer.header(&format!("anthropic-ratelimit-{name}"));
    assert_eq!((header("requests-limit"), header("requests-remaining")), (Some("9"), Some("8")));
    assert_eq!((header("tokens-limit"), header("tokens-remaining")), (Some("60"), Some("10")));
    assert_eq!((header("output-tokens-limit"), header("output-tokens-remaining")), (Some("60"), Some("10")));
    assert_eq!(header("input-tokens-limit"), Some("1000"));
    let reset = header("output-tokens-reset").expect("a reset");
    assert!(reset.starts_with("20") && reset.ends_with('Z') && reset.len() == 20, "{reset}");
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("8"));
    let other = openai(&gateway.client, "chat").send();
    assert!(!other.head().contains("anthropic-ratelimit"), "{}", other.head());
}

#[test]
fn counts_survive_a_reload_and_a_changed_limit_holds_at_once() {
    let config = |limit: u32| demo(&[("chat", &format!("limits: {{requests: {limit} per hour}}"))]);
    let gateway = Gateway::start(BINARY, Some(&config(2)));
    let status = || openai(&gateway.client, "chat").send().status;
    assert_eq!([status(), status(), status()], [200, 200, 429]);
    gateway.reloads(|files| files.write(&config(3)));
    assert_eq!([status(), status()], [200, 429]);
    gateway.reloads(|files| files.write(&config(1)));
    assert_eq!(status(), 429);
}

#[test]
fn clients_behind_a_trusted_proxy_are_limited_apart() {
    let config = format!(
        "server: {{trusted_proxies: [127.0.0.1]}}\n{}",
        demo(&[("chat", "limits: {requests: 1 per hour}")])
    );
    let gateway = Gateway::start(BINARY, Some(&config));
    let status = |from: &str| openai(&gateway.client, "chat").header("x-forwarded-for", from).send().status;
    assert_eq!([status("10.0.0.1"), status("10.0.0.2"), status("10.0.0.1")], [200, 200, 429]);
}
