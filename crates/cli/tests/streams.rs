//! Streams as clients see them: whole, with nothing that was not asked for, and never ended as if whole when cut.

use lockgate_testkit::{Answer, Gateway, Piece, Provider, Said, said};
use serde_json::json;
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");
const EVENTS: &str = "text/event-stream";

fn gateway(provider: &Provider, more: &str) -> Gateway {
    let base = provider.url();
    let route = |name: &str, kind: &str, owner: &str, model: &str| {
        format!(
            "  - name: {name}
    endpoint_type: llm/v1/{kind}
    model: {{provider: {owner}, name: {model}, config: {{{owner}_api_key: k, {owner}_api_base: \"{base}/v1\"}}}}
{more}"
        )
    };
    let routes = [
        route("openai", "chat", "openai", "gpt-4"),
        route("text", "completions", "openai", "davinci-002"),
        route("anthropic", "chat", "anthropic", "claude-3"),
    ];
    Gateway::start(BINARY, Some(&format!("endpoints:\n{}", routes.concat())))
}

/// A stream in these pieces, each after a breath.
fn stream(pieces: &[&[u8]]) -> Said {
    let piece = |bytes: &&[u8]| Piece { after: Duration::from_millis(1), bytes: bytes.to_vec().into() };
    Said { pieces: pieces.iter().map(piece).collect(), ..said(200, EVENTS, "") }
}

/// What OpenAI sends to who asks for usage.
const WITH_USAGE: &str = concat!(
    r#"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-4","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"aB3"}"#,
    "\n\n: a comment\n\n",
    r#"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-4","choices":[{"index":0,"delta":{"content":"\"usage\":null"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
    "\n\n",
    r#"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-4","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
    "\n\n",
    r#"data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt-4","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#,
    "\n\ndata: [DONE]\n\n",
);

/// What it sends to who does not.
fn without_usage() -> String {
    let events = WITH_USAGE.split_inclusive("\n\n").filter(|event| !event.contains(r#""choices":[]"#));
    let bare = |event: &str| event.replace(r#"],"usage":null"#, "]");
    events.map(bare).collect()
}

#[track_caller]
fn ask(gateway: &Gateway, route: &str, options: &str) -> Answer {
    let path = if route == "text" { "/v1/completions" } else { "/v1/chat/completions" };
    let prompt =
        if route == "text" { r#""prompt":"x""# } else { r#""messages":[{"role":"user","content":"x"}]"# };
    let body = format!(r#"{{"model": "{route}" ,{prompt}, "stream":true{options}}}"#);
    let answer = gateway.wire().post(path, "connection: close\r\n", &body).answer().expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

#[test]
fn usage_is_asked_for_and_what_comes_of_it_is_cut_out_again_wherever_the_bytes_break() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    let wanted = without_usage();
    for at in 1..WITH_USAGE.len() {
        let (first, second) = WITH_USAGE.as_bytes().split_at(at);
        provider.script(move |_| stream(&[first, second]));
        assert_eq!(ask(&gateway, "openai", "").text(), wanted, "broken at {at}");
    }
    let calls = WITH_USAGE.len() as f64 - 1.0;
    let counted = gateway.metrics().sum("lockgate_tokens_total{route=\"openai\"");
    assert_eq!(counted, 5.0 * calls, "{}", gateway.metrics().0);
}

#[test]
fn a_request_for_a_stream_changes_in_nothing_but_the_model_and_the_wish_for_usage() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    provider.script(|_| stream(&[WITH_USAGE.as_bytes()]));
    for (route, model, prompt) in [
        ("openai", "gpt-4", r#""messages":[{"role":"user","content":"x"}]"#),
        ("text", "davinci-002", r#""prompt":"x""#),
    ] {
        for (options, sent) in [
            ("", r#","stream_options":{"include_usage":true}"#),
            (r#", "stream_options":null"#, r#", "stream_options":{"include_usage":true}"#),
            (
                r#", "stream_options":{ "include_obfuscation":false }"#,
                r#", "stream_options":{ "include_obfuscation":false,"include_usage":true }"#,
            ),
            (r#", "stream_options":{"include_usage":false}"#, r#", "stream_options":{"include_usage":true}"#),
            (
                r#", "stream_options": {"include_usage": true}"#,
                r#", "stream_options": {"include_usage": true}"#,
            ),
        ] {
            let answer = ask(&gateway, route, options);
            let wanted = format!(r#"{{"model": "{model}" ,{prompt}, "stream":true{sent}}}"#);
            assert_eq!(String::from_utf8_lossy(&provider.last().body), wanted);
            let asked = options.contains(r#""include_usage": true"#);
            let seen = if asked { WITH_USAGE.to_owned() } else { without_usage() };
            assert_eq!(answer.text(), seen, "{options}");
        }
    }
}

#[test]
fn a_route_may_leave_the_wish_for_usage_to_the_client() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "    usage: as_asked\n");
    provider.script(|_| stream(&[WITH_USAGE.as_bytes()]));
    assert_eq!(ask(&gateway, "openai", "").text(), WITH_USAGE);
    assert!(!provider.last().text().contains("stream_options"), "{}", provider.last().text());
    provider.demo(&json!({}));
    let body = json!({"messages": [{"role": "user", "content": "x"}], "stream": true});
    gateway.post("/endpoints/openai/invocations", &body).send();
    assert!(!provider.last().text().contains("stream_options"), "{}", provider.last().text());
}

#[test]
fn usage_is_asked_for_where_a_stream_is_translated_too() {
    let provider = Provider::start();
    provider.demo(&json!({"text": "eins zwei"}));
    let gateway = gateway(&provider, "");
    let body = json!({"messages": [{"role": "user", "content": "x"}], "stream": true});
    gateway.post("/endpoints/openai/invocations", &body).send();
    assert_eq!(provider.last().json()["stream_options"], json!({"include_usage": true}));
    assert_eq!(
        gateway.metrics().sum("lockgate_tokens_total{route=\"openai\""),
        3.0,
        "{}",
        gateway.metrics().0
    );
}

#[test]
fn an_answer_that_is_no_stream_is_not_asked_for_a_streams_usage() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    let body = json!({"model": "openai", "messages": [{"role": "user", "content": "x"}]});
    gateway.post("/v1/chat/completions", &body).send();
    assert!(!provider.last().text().contains("stream_options"));
}
