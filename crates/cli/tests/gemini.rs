//! Routes to Gemini: where it is asked, in which words, and what of its answers arrives.

use lockgate_testkit::{Gateway, Provider, Recorded, Said, said};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");
const SIGNATURE: &str = "c2lnbmVk";

fn gateway(provider: &Provider) -> Gateway {
    let model = format!(
        "provider: gemini, config: {{gemini_api_key: g-key, gemini_api_base: \"{}/some/v1beta\"}}",
        provider.url()
    );
    Gateway::start(
        BINARY,
        Some(&format!(
            "endpoints:
  - {{name: chat, endpoint_type: llm/v1/chat, model: {{name: gemini-3-pro, {model}}}}}
  - {{name: older, endpoint_type: llm/v1/chat, model: {{name: gemini-2.5-flash, {model}}}}}
  - {{name: vectors, endpoint_type: llm/v1/embeddings, model: {{name: gemini-embedding-001, {model}}}}}
"
        )),
    )
}

fn answer(parts: &Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 4, "totalTokenCount": 11},
        "modelVersion": "gemini-3-pro", "responseId": "r1"})
}

fn json_of(request: &Recorded) -> Value {
    serde_json::from_slice(&request.body).expect("JSON")
}

/// Answers a question with a call, and a tool's answer with a text.
fn calling(request: &Recorded) -> Said {
    let answered = String::from_utf8_lossy(&request.body).contains("functionResponse");
    let parts = if answered {
        json!([{"text": "Sunny."}])
    } else {
        json!([{"text": "Let me see.", "thought": true},
            {"functionCall": {"name": "weather", "args": {"city": "Bern"}}, "thoughtSignature": SIGNATURE}])
    };
    if request.path.ends_with(":streamGenerateContent") {
        let mut first = answer(&parts);
        first["candidates"][0].as_object_mut().expect("an object").remove("finishReason");
        let body = format!("data: {first}\r\n\r\ndata: {}\r\n\r\n", answer(&json!([{"text": ""}])));
        return said(200, "text/event-stream", body);
    }
    said(200, "application/json; charset=UTF-8", answer(&parts).to_string())
}

fn question(route: &str, streamed: bool) -> Value {
    let weather = json!({"type": "function", "function": {"name": "weather", "parameters":
        {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": false}}});
    json!({"model": route, "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather?"}],
        "tools": [weather], "tool_choice": "required", "reasoning_effort": "low", "max_tokens": 99, "stream": streamed})
}

#[test]
fn the_path_names_the_model_and_streams_have_a_path_of_their_own() {
    let provider = Provider::start();
    provider.script(calling);
    let gateway = gateway(&provider);
    let whole = gateway.post("/v1/chat/completions", &question("chat", false)).send();
    assert_eq!(whole.status, 200, "{}", whole.text());
    let asked = provider.last();
    assert_eq!(
        (asked.path.as_str(), asked.query.as_deref()),
        ("/some/v1beta/models/gemini-3-pro:generateContent", None)
    );
    assert_eq!(asked.header("x-goog-api-key"), Some("g-key"));
    let streamed = gateway.post("/v1/chat/completions", &question("chat", true)).send();
    assert_eq!(streamed.events().last().map(String::as_str), Some("[DONE]"), "{}", streamed.text());
    let asked = provider.last();
    assert_eq!(asked.path, "/some/v1beta/models/gemini-3-pro:streamGenerateContent");
    assert_eq!(asked.query.as_deref(), Some("alt=sse"));
    assert!(json_of(&asked).get("model").is_none());
}

#[test]
fn a_request_arrives_in_geminis_words_and_its_answer_in_openais() {
    let provider = Provider::start();
    provider.script(calling);
    let gateway = gateway(&provider);
    for (route, thinking) in [
        ("chat", json!({"thinkingLevel": "LOW", "includeThoughts": true})),
        ("older", json!({"thinkingBudget": 1024, "includeThoughts": true})),
    ] {
        let told = gateway.post("/v1/chat/completions", &question(route, false)).send().json();
        let asked = json_of(&provider.last());
        assert_eq!(asked["systemInstruction"], json!({"parts": [{"text": "Be brief."}]}));
        assert_eq!(asked["contents"], json!([{"role": "user", "parts": [{"text": "Weather?"}]}]));
        assert_eq!(asked["toolConfig"], json!({"functionCallingConfig": {"mode": "ANY"}}));
        assert_eq!(asked["generationConfig"], json!({"maxOutputTokens": 99, "thinkingConfig": thinking}));
        let function = &asked["tools"][0]["functionDeclarations"][0];
        assert_eq!(function["parametersJsonSchema"]["additionalProperties"], false);
        let choice = &told["choices"][0];
        assert_eq!(choice["finish_reason"], "tool_calls");
        assert_eq!(choice["message"]["reasoning_content"], "Let me see.");
        assert_eq!(
            choice["message"]["tool_calls"][0]["function"],
            json!({"name": "weather", "arguments": "{\"city\":\"Bern\"}"})
        );
        assert_eq!(told["usage"]["completion_tokens"], 6);
        assert_eq!(told["usage"]["completion_tokens_details"]["reasoning_tokens"], 4);
    }
}

#[test]
fn a_signature_goes_back_with_its_call_through_an_anthropic_client() {
    let provider = Provider::start();
    provider.script(calling);
    let gateway = gateway(&provider);
    let tools = json!([{"name": "weather", "input_schema": {"type": "object"}}]);
    let mut messages = vec![json!({"role": "user", "content": "Weather?"})];
    let body =
        |messages: &[Value]| json!({"model": "chat", "max_tokens": 99, "tools": tools, "messages": messages});
    let told = gateway.post("/v1/messages", &body(&messages)).send().json();
    assert_eq!(told["stop_reason"], "tool_use", "{told}");
    let call = told["content"].as_array().expect("blocks").iter().find(|block| block["type"] == "tool_use");
    let id = call.expect("a call")["id"].clone();
    messages.push(json!({"role": "assistant", "content": told["content"]}));
    let result = json!({"type": "tool_result", "tool_use_id": id, "content": "sunny"});
    messages.push(json!({"role": "user", "content": [result]}));
    let told = gateway.post("/v1/messages", &body(&messages)).send().json();
    assert_eq!(told["content"][0]["text"], "Sunny.", "{told}");
    let asked = json_of(&provider.last());
    let calls = asked["contents"][1]["parts"].as_array().expect("parts");
    let call = calls.iter().find(|part| part.get("functionCall").is_some()).expect("the call");
    assert_eq!(call["thoughtSignature"], SIGNATURE);
    let answer = &asked["contents"][2]["parts"][0]["functionResponse"];
    assert_eq!((&answer["name"], &answer["response"]), (&json!("weather"), &json!({"output": "sunny"})));
}

#[test]
fn texts_are_embedded_together_and_the_models_name_stands_beside_each() {
    let provider = Provider::start();
    provider
        .script(|_| said(200, "application/json", r#"{"embeddings":[{"values":[0.5]},{"values":[1.5]}]}"#));
    let gateway = gateway(&provider);
    let body = json!({"model": "vectors", "input": ["a", "b"], "dimensions": 1, "encoding_format": "float"});
    let told = gateway.post("/v1/embeddings", &body).send().json();
    assert_eq!(told["data"][1]["embedding"], json!([1.5]), "{told}");
    let asked = provider.last();
    assert_eq!(asked.path, "/some/v1beta/models/gemini-embedding-001:batchEmbedContents");
    let wish = |text: &str| json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]}, "outputDimensionality": 1});
    let wished = json!({"requests": [wish("a"), wish("b")]});
    assert_eq!(json_of(&asked), wished);
    // A client of Gemini's own names the route, also within the body.
    let own = wished.to_string().replace("gemini-embedding-001", "vectors");
    let own = serde_json::from_str(&own).expect("JSON");
    let told = gateway.post("/gemini/v1beta/models/vectors:batchEmbedContents", &own).send().json();
    assert_eq!(told["embeddings"][0]["values"], json!([0.5]), "{told}");
    assert_eq!(json_of(&provider.last()), wished);
}

#[test]
fn a_key_that_gemini_refuses_is_the_gateways_matter_and_a_wait_in_the_body_is_told() {
    let provider = Provider::start();
    let gateway = gateway(&provider);
    let asked = || gateway.post("/v1/chat/completions", &question("chat", false)).send();
    let error = |code: u16, status: &str, detail: Value| {
        json!({"error": {"code": code, "message": "no", "status": status, "details": [detail]}}).to_string()
    };
    let body = error(400, "INVALID_ARGUMENT", json!({"reason": "API_KEY_INVALID"}));
    provider.script(move |_| said(400, "application/json", body.clone()));
    assert_eq!(asked().status, 502);
    let body = error(429, "RESOURCE_EXHAUSTED", json!({"retryDelay": "33.2s"}));
    provider.script(move |_| said(429, "application/json", body.clone()));
    let limited = asked();
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("34")));
}

#[test]
fn a_stream_that_breaks_off_before_its_reason_is_told_as_broken() {
    let provider = Provider::start();
    provider.script(|_| {
        said(
            200,
            "text/event-stream",
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\n",
        )
    });
    let gateway = gateway(&provider);
    let told = gateway.post("/v1/chat/completions", &question("chat", true)).send().text();
    assert!(told.contains("\"error\"") && !told.contains("[DONE]"), "{told}");
}
