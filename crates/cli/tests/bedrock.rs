//! Amazon Bedrock as a provider: requests are signed as they are sent, streams are told or pass message by message, and
//! no credential reaches anybody.

use lockgate_dialects::framing::eventstream::{self, MessageReader};
use lockgate_testkit::{Gateway, Launch, Provider, Recorded, said};
use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY";
const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLETOKEN";
const STREAM: &str = eventstream::CONTENT_TYPE;

/// A route `chat` to Bedrock at the provider, with these lines of its config.
fn gateway(provider: &Provider, config: &str) -> Gateway {
    Launch::new(BINARY)
        .config(format!(
            "endpoints:\n  - name: chat\n    endpoint_type: llm/v1/chat\n    model:\n      provider: bedrock\n      \
             name: 'us.anthropic.claude-x:0'\n      config:\n        bedrock_api_base: {}/proxy\n{config}",
            provider.url()
        ))
        .start()
}

fn signing(provider: &Provider) -> Gateway {
    gateway(
        provider,
        &format!(
            "        aws_config: {{aws_region: eu-west-1, aws_access_key_id: AKIDEXAMPLE, aws_secret_access_key: {SECRET}, \
             aws_session_token: {TOKEN}}}\n"
        ),
    )
}

fn answer() -> Value {
    json!({
        "output": {"message": {"role": "assistant", "content": [{"text": "Hallo"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7},
        "metrics": {"latencyMs": 1},
    })
}

fn message(kind: &str, payload: &Value) -> Vec<u8> {
    let mut message = Vec::new();
    let headers = [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")];
    eventstream::write(&headers, payload.to_string().as_bytes(), &mut message);
    message
}

/// The messages of a stream that says `Hallo`.
fn stream() -> Vec<Vec<u8>> {
    let delta = |text: &str| json!({"contentBlockIndex": 0, "delta": {"text": text}, "p": "abc\n"});
    vec![
        message("messageStart", &json!({"role": "assistant"})),
        message("contentBlockDelta", &delta("Hal")),
        message("contentBlockDelta", &delta("lo")),
        message("contentBlockStop", &json!({"contentBlockIndex": 0})),
        message("messageStop", &json!({"stopReason": "end_turn"})),
        message("metadata", &json!({"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}})),
    ]
}

fn asked(stream: bool) -> Value {
    json!({"model": "chat", "messages": [{"role": "user", "content": "hi"}], "stream": stream})
}

/// The messages of an answer: their kinds and payloads.
fn messages(bytes: &[u8]) -> Vec<(String, Value)> {
    let mut messages = Vec::new();
    let read = MessageReader::new().feed(bytes, |message| {
        let kind = message.text(":event-type").or_else(|| message.text(":exception-type"));
        let payload = serde_json::from_slice(message.payload).expect("JSON");
        messages.push((kind.expect("a kind").to_owned(), payload));
    });
    read.expect("whole messages");
    messages
}

#[test]
fn a_request_is_signed_and_names_its_model_in_the_path() {
    let provider = Provider::start();
    provider.script(|_| said(200, "application/json", answer().to_string()));
    let gateway = signing(&provider);
    let told = gateway.post("/v1/chat/completions", &asked(false)).send();
    assert_eq!(told.json()["choices"][0]["message"]["content"], "Hallo", "{}", told.text());
    let sent = provider.last();
    assert_eq!(sent.path, "/proxy/model/us.anthropic.claude-x%3A0/converse");
    let signature = sent.header("authorization").expect("it is signed");
    assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{signature}");
    assert!(signature.contains("/eu-west-1/bedrock/aws4_request"), "{signature}");
    assert_eq!(sent.header("x-amz-security-token"), Some(TOKEN));
    assert_eq!(sent.header("x-amz-content-sha256").map(str::len), Some(64));
    assert_eq!(sent.json(), json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]}));
    assert!(!sent.text().contains(SECRET), "the secret key signs and is never sent");
}

#[test]
fn a_bedrock_api_key_is_sent_as_it_is() {
    let provider = Provider::start();
    provider.script(|_| said(200, "application/json", answer().to_string()));
    let gateway = gateway(&provider, "        bedrock_api_key: ABSK-example\n");
    assert_eq!(gateway.post("/v1/chat/completions", &asked(false)).send().status, 200);
    let sent = provider.last();
    assert_eq!(sent.header("authorization"), Some("Bearer ABSK-example"));
    assert_eq!(sent.header("x-amz-date"), None);
}

#[test]
fn a_stream_is_told_to_clients_of_another_api() {
    let provider = Provider::start();
    provider.script(|_| said(200, STREAM, stream().concat()));
    let gateway = signing(&provider);
    let told = gateway.post("/v1/chat/completions", &asked(true)).send();
    assert_eq!(provider.last().path, "/proxy/model/us.anthropic.claude-x%3A0/converse-stream");
    let events = told.events();
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"), "{}", told.text());
    let text: String = events
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok())
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(text, "Hallo");
}

#[test]
fn a_stream_passes_to_clients_of_the_same_api_byte_for_byte() {
    let provider = Provider::start();
    provider.script(|request: &Recorded| match request.path.ends_with("-stream") {
        true => said(200, STREAM, stream().concat()),
        false => said(200, "application/json", answer().to_string()),
    });
    let gateway = signing(&provider);
    let body = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}], "unknown": 1.50});
    let whole = gateway.post("/bedrock/model/chat/converse", &body).send();
    assert_eq!((whole.status, whole.json()), (200, answer()));
    assert_eq!(provider.last().json(), body);
    let told = gateway.post("/bedrock/model/chat/converse-stream", &body).send();
    assert_eq!((told.header("content-type"), &told.body), (Some(STREAM), &stream().concat()));
}

#[test]
fn a_stream_that_breaks_off_ends_in_an_exception() {
    let provider = Provider::start();
    let whole = stream().concat();
    let cut = whole.len() - 20;
    provider.script(move |_| said(200, STREAM, whole[..cut].to_vec()));
    let gateway = signing(&provider);
    let body = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]});
    let told = gateway.post("/bedrock/model/chat/converse-stream", &body).send();
    let messages = messages(&told.body);
    assert_eq!(messages.len(), 6, "five whole messages and an exception");
    assert_eq!(messages[5].0, "modelStreamErrorException");
}

#[test]
fn an_error_keeps_its_kind_and_tells_no_credential() {
    let provider = Provider::start();
    provider.script(|_| {
        let mut refused =
            said(400, "application/json", json!({"message": format!("no: {TOKEN} {SECRET}")}).to_string());
        refused.headers.push(("x-amzn-errortype", "ValidationException:http://internal.example/".to_owned()));
        refused
    });
    let gateway = signing(&provider);
    let body = json!({"messages": [{"role": "user", "content": [{"text": "hi"}]}]});
    let told = gateway.post("/bedrock/model/chat/converse", &body).send();
    assert_eq!((told.status, told.header("x-amzn-errortype")), (400, Some("ValidationException")));
    let shown = [told.text(), gateway.log.text()].concat();
    assert!(!shown.contains(SECRET) && !shown.contains(TOKEN), "{shown}");

    // Before anything was said an exception is an error like any other; later it is one in the stream.
    for (said_before, status) in [(1, 429), (2, 200)] {
        provider.script(move |_| {
            said(200, STREAM, [&stream()[..said_before].concat()[..], &exception()].concat())
        });
        let told = gateway.post("/bedrock/model/chat/converse-stream", &body).send();
        assert_eq!(told.status, status, "{}", told.text());
        let kind = match status {
            200 => messages(&told.body).pop().map(|(kind, _)| kind),
            _ => told.header("x-amzn-errortype").map(str::to_owned),
        };
        assert!(kind.is_some_and(|kind| kind.eq_ignore_ascii_case("throttlingException")));
        assert!(!told.text().contains(TOKEN), "{}", told.text());
    }
}

/// A message with which Bedrock ends a stream that failed, and which repeats a credential.
fn exception() -> Vec<u8> {
    let mut exception = Vec::new();
    let headers = [(":exception-type", "throttlingException"), (":message-type", "exception")];
    let payload = json!({"message": format!("slow down {TOKEN}")}).to_string();
    eventstream::write(&headers, payload.as_bytes(), &mut exception);
    exception
}
