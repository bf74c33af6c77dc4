//! Each API's clients find their own paths, listings and errors, whatever the provider speaks.

use lockgate_dialects::canonical::Signature;
use lockgate_testkit::{Gateway, Launch, Provider, said};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");

const DEMO: &str = "
endpoints:
  - {name: chat, endpoint_type: llm/v1/chat, model: {provider: demo, name: demo-chat}}
  - {name: words, endpoint_type: llm/v1/completions, model: {provider: demo, name: demo-text}}
  - {name: vectors, endpoint_type: llm/v1/embeddings, model: {provider: demo, name: demo-embeddings}}
";

fn demo() -> Gateway {
    Launch::new(BINARY).config(DEMO).start()
}

fn turn() -> Value {
    json!([{"role": "user", "content": "Hello"}])
}

#[test]
fn an_anthropic_client_talks_to_a_model_that_is_not_claude() {
    let gateway = demo();
    for prefix in ["/v1", "/anthropic/v1", "/gateway/anthropic/v1"] {
        let body = json!({"model": "chat", "max_tokens": 100, "messages": turn()});
        let answer = gateway.post(&format!("{prefix}/messages"), &body).send();
        assert_eq!((answer.status, &answer.json()["type"]), (200, &json!("message")), "{prefix}");
        let body = json!({"model": "chat", "max_tokens": 100, "messages": turn(), "stream": true});
        let streamed = gateway.post(&format!("{prefix}/messages"), &body).send().text();
        assert!(streamed.starts_with("event: message_start\n"), "{streamed}");
        assert!(streamed.contains("event: message_stop\n"), "{streamed}");
    }
}

#[test]
fn openais_paths_stand_under_every_prefix_that_its_clients_are_given() {
    let gateway = demo();
    for prefix in ["/v1", "/openai/v1", "/gateway/openai/v1", "/gateway/mlflow/v1"] {
        let body = json!({"model": "chat", "messages": turn()});
        let answer = gateway.post(&format!("{prefix}/chat/completions"), &body).send().json();
        assert_eq!(answer["object"], "chat.completion", "{prefix}");
        let models = gateway.get(&format!("{prefix}/models")).send().json();
        assert_eq!(models["data"][0]["id"], "chat", "{prefix}");
    }
}

#[test]
fn mlflow_3_names_the_route_in_the_path_and_speaks_openais_bodies() {
    let gateway = demo();
    let ask = |route: &str, body: &Value| {
        gateway.post(&format!("/gateway/{route}/mlflow/invocations"), body).send().json()
    };
    assert_eq!(ask("chat", &json!({"messages": turn()}))["object"], "chat.completion");
    assert_eq!(ask("words", &json!({"prompt": "Hello"}))["object"], "text_completion");
    assert_eq!(ask("vectors", &json!({"input": "Hello"}))["object"], "list");
    assert_eq!(ask("nobody", &json!({}))["detail"], "Not Found");
}

#[test]
fn each_api_lists_the_routes_in_its_own_form() {
    let gateway = demo();
    let listed = |path: &str| gateway.get(path).send().json();
    let anthropic = gateway.get("/v1/models").header("anthropic-version", "2023-06-01").send().json();
    assert_eq!((&anthropic["data"][0]["type"], &anthropic["has_more"]), (&json!("model"), &json!(false)));
    assert_eq!(anthropic, listed("/anthropic/v1/models"));
    assert_eq!(listed("/gemini/v1beta/models")["models"][0]["name"], "models/chat");
    assert_eq!(listed("/gemini/v1beta/models/vectors")["supportedGenerationMethods"][0], "embedContent");
    assert_eq!(listed("/cohere/v1/models")["models"][2]["endpoints"], json!(["embed"]));
    assert_eq!(listed("/api/tags")["models"][1]["model"], "words");
}

#[test]
fn an_unknown_model_or_path_is_an_error_in_the_words_of_the_api_that_was_asked() {
    let gateway = demo();
    let body = json!({"model": "nobody", "max_tokens": 1, "messages": turn()});
    let answer = gateway.post("/anthropic/v1/messages", &body).send();
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (404, &json!("not_found_error")));
    let answer = gateway.post("/anthropic/v1/nothing", &body).send();
    assert_eq!((answer.status, &answer.json()["type"]), (404, &json!("error")));
    let answer = gateway.get("/anthropic/v1/models/nobody").send();
    assert_eq!((answer.status, &answer.json()["type"]), (404, &json!("error")));
    let answer = gateway.post("/openai/v1/nothing", &body).send();
    assert!(answer.json()["error"]["message"].is_string());
}

#[test]
fn a_beta_that_the_client_asks_for_reaches_a_provider_of_the_same_api_and_no_other() {
    let provider = Provider::start();
    let base = provider.url();
    let gateway = Launch::new(BINARY)
        .config(format!(
            "endpoints:
  - name: claude
    endpoint_type: llm/v1/chat
    model: {{provider: anthropic, name: c, config: {{anthropic_api_key: k, anthropic_api_base: \"{base}/v1\"}}}}
  - name: gpt
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: g, config: {{openai_api_key: k, openai_api_base: \"{base}/v1\"}}}}
"
        ))
        .start();
    for (route, sent) in [("claude", Some("a,b")), ("gpt", None)] {
        let body = json!({"model": route, "max_tokens": 1, "messages": turn()});
        let answer = gateway.post("/v1/messages", &body).header("anthropic-beta", "a,b").send();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(provider.last().header("anthropic-beta"), sent, "{route}");
    }
}

#[test]
fn errors_on_mlflows_paths_stay_mlflows_though_ollama_has_the_same_prefix() {
    let gateway = demo();
    for path in
        ["/api/2.0/gateway/routes/chat", "/api/2.0/endpoints/", "/api/2.0/nothing", "/api/3.0/nothing"]
    {
        let answer = gateway.client.ask("DELETE", path).send();
        assert!(answer.json()["detail"].is_string(), "{path}: {}", answer.text());
    }
    let answer = gateway.post("/api/2.0/gateway/limits/", &json!({"route": 5, "limits": 5})).send();
    assert!(answer.json()["detail"].is_array(), "{}", answer.text());
}

#[test]
fn documents_are_ranked_by_providers_of_every_api_for_clients_of_every_api() {
    let provider = Provider::start();
    let base = provider.url();
    let gateway = Launch::new(BINARY)
        .config(format!(
            "endpoints:
  - name: jina
    endpoint_type: llm/v1/rerank
    model: {{provider: jina, name: j, config: {{jina_api_key: k, jina_api_base: \"{base}/v1\"}}}}
  - name: cohere
    endpoint_type: llm/v1/rerank
    model: {{provider: cohere, name: c, config: {{cohere_api_key: k, cohere_api_base: \"{base}/v1\"}}}}
  - {{name: demo, endpoint_type: llm/v1/rerank, model: {{provider: demo, name: d}}}}
"
        ))
        .start();
    for route in ["jina", "cohere", "demo"] {
        for path in ["/v1/rerank", "/v2/rerank", "/cohere/v2/rerank", "/cohere/v1/rerank"] {
            let body = json!({"model": route, "query": "red panda", "documents": ["a bear", "a red panda"], "top_n": 1});
            let answer = gateway.post(path, &body).send();
            let results = &answer.json()["results"];
            assert_eq!(answer.status, 200, "{route} at {path}: {}", answer.text());
            assert_eq!(results, &json!([{"index": 1, "relevance_score": 1.0}]), "{route} at {path}");
        }
    }
    let asked = gateway.post("/endpoints/jina/invocations", &json!({"input": "x"})).send();
    assert_eq!(asked.status, 400, "{}", asked.text());
}

#[test]
fn a_route_to_ollama_serves_openais_clients_with_chat_streams_tools_and_vectors() {
    let provider = Provider::start();
    let base = provider.url();
    let gateway = Launch::new(BINARY)
        .config(format!(
            "endpoints:
  - name: llama
    endpoint_type: llm/v1/chat
    model: {{provider: ollama, name: llama3, config: {{ollama_api_base: \"{base}\"}}}}
  - name: vectors
    endpoint_type: llm/v1/embeddings
    model: {{provider: ollama, name: nomic, config: {{ollama_api_base: \"{base}\"}}}}
"
        ))
        .start();
    let body = json!({"model": "llama", "messages": turn(), "max_tokens": 9});
    let answer = gateway.post("/v1/chat/completions", &body).send().json();
    assert!(
        answer["choices"][0]["message"]["content"].as_str().is_some_and(|text| !text.is_empty()),
        "{answer}"
    );
    let sent: Value = serde_json::from_slice(&provider.last().body).expect("JSON");
    assert_eq!((&sent["stream"], &sent["options"]["num_predict"]), (&json!(false), &json!(9)));
    let body = json!({"model": "llama", "messages": turn(), "stream": true});
    let streamed = gateway.post("/v1/chat/completions", &body).send().text();
    assert!(
        streamed.contains("chat.completion.chunk") && streamed.ends_with("data: [DONE]\n\n"),
        "{streamed}"
    );
    provider.demo(&json!({"tool_call": {"name": "look", "arguments": {"at": "it"}}}));
    let tools = json!([{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]);
    let body = json!({"model": "llama", "messages": turn(), "tools": tools});
    let answer = gateway.post("/v1/chat/completions", &body).send().json();
    let call = &answer["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!((&call["name"], &call["arguments"]), (&json!("look"), &json!("{\"at\":\"it\"}")), "{answer}");
    let vectors = gateway.post("/v1/embeddings", &json!({"model": "vectors", "input": "x"})).send().json();
    assert!(vectors["data"][0]["embedding"].is_array(), "{vectors}");
}

#[test]
fn a_route_to_cohere_is_asked_over_its_newer_api_except_by_mlflows_clients() {
    let provider = Provider::start();
    let gateway = Launch::new(BINARY)
        .config(format!(
            "endpoints:
  - name: command
    endpoint_type: llm/v1/chat
    model: {{provider: cohere, name: c, config: {{cohere_api_key: k, cohere_api_base: \"{}/a/v1\"}}}}
",
            provider.url()
        ))
        .start();
    provider.demo(&json!({"tool_call": {"name": "look", "arguments": {"at": "it"}}}));
    let tools = json!([{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]);
    let body = json!({"model": "command", "messages": turn(), "tools": tools});
    let answer = gateway.post("/v1/chat/completions", &body).send().json();
    assert_eq!(answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "look", "{answer}");
    assert_eq!(provider.last().path, "/a/v2/chat");
    let streamed = json!({"model": "command", "messages": turn(), "tools": tools, "stream": true});
    let streamed = gateway.post("/v1/chat/completions", &streamed).send().text();
    assert!(streamed.contains(r#""finish_reason":"tool_calls""#), "{streamed}");
    provider.demo(&json!({}));
    let answer = gateway.post("/endpoints/command/invocations", &json!({"messages": turn()})).send();
    assert_eq!((answer.status, provider.last().path.as_str()), (200, "/a/v1/chat"), "{}", answer.text());
}

#[test]
fn tokens_are_counted_by_a_provider_of_the_same_api_and_else_estimated_and_said_so() {
    let provider = Provider::start();
    provider.script(|call| match &*call.path {
        "/v1/messages/count_tokens" => said(200, "application/json", r#"{"input_tokens":42}"#),
        other => said(500, "text/plain", format!("{other} was not meant")),
    });
    let base = provider.url();
    let config = format!(
        "{DEMO}
  - name: claude
    endpoint_type: llm/v1/chat
    model: {{provider: anthropic, name: claude-x, config: {{anthropic_api_key: k, anthropic_api_base: \"{base}/v1\"}}}}
"
    );
    let gateway = Launch::new(BINARY).config(config).start();
    let ask = |route: &str| {
        let body = json!({"model": route, "messages": turn()});
        gateway.post("/v1/messages/count_tokens?beta=true", &body).send()
    };
    let counted = ask("claude");
    assert_eq!(counted.json(), json!({"input_tokens": 42}));
    assert_eq!(counted.header("x-lockgate-loss"), None);
    assert_eq!(provider.last().json()["model"], "claude-x");
    let estimated = ask("chat");
    assert!(
        estimated.json()["input_tokens"].as_u64().is_some_and(|tokens| tokens > 5),
        "{}",
        estimated.text()
    );
    assert_eq!(estimated.header("x-lockgate-loss"), Some("1; tokens"));
    let contents = json!({"contents": [{"parts": [{"text": "Hello"}]}]});
    let gemini = gateway.post("/v1beta/models/claude:countTokens", &contents).send();
    assert!(gemini.json()["totalTokens"].as_u64().is_some_and(|tokens| tokens > 5), "{}", gemini.text());
}

#[test]
fn what_another_provider_signed_in_an_earlier_turn_does_not_reach_one_that_would_refuse_it() {
    let provider = Provider::start();
    let base = provider.url();
    let config = format!(
        "endpoints:
  - name: claude
    endpoint_type: llm/v1/chat
    model: {{provider: anthropic, name: c, config: {{anthropic_api_key: k, anthropic_api_base: \"{base}/v1\"}}}}
"
    );
    let gateway = Launch::new(BINARY).config(config).start();
    let ask = |signature: &str| {
        let thought = json!({"type": "thinking", "thinking": "hm", "signature": signature});
        let said = json!([thought, {"type": "text", "text": "Hi"}]);
        let turns = json!([
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": said},
            {"role": "user", "content": "Bye"}
        ]);
        gateway.post("/v1/messages", &json!({"model": "claude", "max_tokens": 9, "messages": turns})).send()
    };
    let own = ask("EqQBown");
    assert_eq!((own.status, own.header("x-lockgate-loss")), (200, None), "{}", own.text());
    assert_eq!(provider.last().json()["messages"][1]["content"][0]["signature"], "EqQBown");
    let foreign = ask(&Signature::made_by("gemini", "thought").for_client("anthropic"));
    assert_eq!(
        (foreign.status, foreign.header("x-lockgate-loss").is_some()),
        (200, true),
        "{}",
        foreign.text()
    );
    assert!(!provider.last().text().contains("thinking"), "{}", provider.last().text());
    assert!(provider.last().text().contains("Hi"));
}
