//! Streams as clients see them: whole, with nothing that was not asked for, and never ended as if whole when cut.

use lockgate_testkit::{Answer, End, Gateway, Piece, Provider, Said, said};
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

/// A small stream, event by event, with how many of its events make it whole although the last ones are missing.
const OPENAI: [&str; 5] = [
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"eins\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"zwei\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
];
const TEXT: [&str; 4] = [
    "data: {\"id\":\"c\",\"object\":\"text_completion\",\"choices\":[{\"text\":\"eins\",\"index\":0,\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"object\":\"text_completion\",\"choices\":[{\"text\":\"zwei\",\"index\":0,\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c\",\"object\":\"text_completion\",\"choices\":[{\"text\":\"\",\"index\":0,\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
];
const ANTHROPIC: [&str; 7] = [
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-3\",\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"eins\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"zwei\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];

/// Asks for a stream in one of the client's APIs.
fn ask_in(gateway: &Gateway, api: &str, route: &str) -> Answer {
    let mut body = json!({"model": route, "stream": true});
    if route == "text" {
        body["prompt"] = json!("x");
    } else {
        body["messages"] = json!([{"role": "user", "content": "x"}]);
    }
    let path = match api {
        "anthropic" => {
            body["max_tokens"] = json!(9);
            "/anthropic/v1/messages".to_owned()
        }
        "mlflow" => {
            body.as_object_mut().expect("an object").remove("model");
            format!("/endpoints/{route}/invocations")
        }
        _ if route == "text" => "/v1/completions".to_owned(),
        _ => "/v1/chat/completions".to_owned(),
    };
    gateway.post(&path, &body).send()
}

#[test]
fn a_stream_that_is_cut_after_any_event_ends_in_an_error_and_never_in_a_stop() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    let streams: [(&str, &[&str], usize); 3] =
        [("openai", &OPENAI, 4), ("text", &TEXT, 3), ("anthropic", &ANTHROPIC, usize::MAX)];
    for (route, events, ends_at) in streams {
        for kept in 0..events.len() {
            for end in [End::Clean, End::Cut] {
                let pieces: Vec<_> = events[..kept].iter().map(|event| event.as_bytes()).collect();
                let told = Said { end, ..stream(&pieces) };
                provider.script(move |_| told.clone());
                for api in ["openai", "anthropic", "mlflow"] {
                    if (api, route) == ("anthropic", "text") {
                        continue; // its API has no completions
                    }
                    let answer = ask_in(&gateway, api, route);
                    let what = format!("{api} {route} {kept} {end:?}: {} {}", answer.status, answer.text());
                    if kept >= ends_at && end == End::Clean {
                        assert_whole(api, &answer, &what);
                    } else {
                        // The provider's own word for its end may have come, but nothing after it.
                        assert_broken(&answer, kept < ends_at.min(6), &what);
                    }
                }
            }
        }
    }
}

#[track_caller]
fn assert_whole(api: &str, answer: &Answer, what: &str) {
    assert_eq!(answer.status, 200, "{what}");
    assert!(answer.text().contains("eins") && !answer.text().contains("\"error\""), "{what}");
    let stop = if api == "anthropic" { "message_stop" } else { r#""finish_reason":"stop""# };
    assert!(answer.text().contains(stop), "{what}");
}

#[track_caller]
fn assert_broken(answer: &Answer, without_stop: bool, what: &str) {
    if answer.status != 200 {
        return assert_eq!(answer.status, 502, "{what}");
    }
    let events = answer.events();
    assert!(events.last().is_some_and(|last| last.contains("\"error\"")), "{what}");
    for end in ["[DONE]", "message_stop\""] {
        assert!(!answer.text().contains(end), "{what}");
    }
    if without_stop {
        let stops = [r#""finish_reason":"stop""#, r#""stop_reason":"end_turn""#];
        assert!(!stops.iter().any(|stop| answer.text().contains(stop)), "{what}");
    }
}

#[test]
fn a_stream_of_a_server_that_says_no_done_passes_whole_and_is_translated_with_one() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    let events = &OPENAI[..4];
    let pieces: Vec<_> = events.iter().map(|event| event.as_bytes()).collect();
    let told = stream(&pieces);
    provider.script(move |_| told.clone());
    assert_eq!(ask_in(&gateway, "openai", "openai").text(), events.concat());
    // A completion that a chat model answers.
    let config = format!(
        "routes: [{{name: bridged, route_type: llm/v1/completions, model: {{provider: openai, name: gpt-4, config: \
         {{openai_api_key: k, openai_api_base: \"{}/v1\"}}}}}}]",
        provider.url()
    );
    let bridging = Gateway::start(BINARY, Some(&config));
    let body = json!({"model": "bridged", "prompt": "x", "stream": true});
    let answer = bridging.post("/v1/completions", &body).send();
    assert_eq!(answer.events().last().map(String::as_str), Some("[DONE]"), "{}", answer.text());
}

#[test]
fn one_of_two_choices_without_its_reason_makes_a_stream_that_broke_off() {
    let provider = Provider::start();
    let gateway = gateway(&provider, "");
    let other = OPENAI[1].replace("\"index\":0", "\"index\":1");
    let pieces: Vec<_> =
        [OPENAI[1], &other, OPENAI[3]].iter().map(|event| event.as_bytes().to_vec()).collect();
    provider.script(move |_| stream(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    for api in ["openai", "mlflow", "anthropic"] {
        let answer = ask_in(&gateway, api, "openai");
        assert!(answer.events().last().is_some_and(|last| last.contains("\"error\"")), "{}", answer.text());
    }
}
