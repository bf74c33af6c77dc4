use super::MlflowRoutes;
use crate::canonical::{
    ChatResponse, Choice, CompletionChoice, CompletionResponse, Content, EmbeddingInput, EmbeddingResponse,
    Failure, FinishReason, Losses, Message, Part, Prompt, Role, Scale, ToolCall, Usage, Vector,
};
use crate::dialect::{ChatCodec, CompletionCodec, Dialect, EmbeddingCodec, ModelTraits};
use crate::mlflow_contract::tests::any_json;
use proptest::prelude::*;
use serde_json::{Value, json};

fn chat(body: &Value) -> Result<crate::canonical::ChatRequest, Failure> {
    ChatCodec::decode_request(&MlflowRoutes, body.to_string().as_bytes())
}

fn completion(body: &Value) -> Result<crate::canonical::CompletionRequest, Failure> {
    CompletionCodec::decode_request(&MlflowRoutes, body.to_string().as_bytes())
}

fn embedding(body: &Value) -> Result<crate::canonical::EmbeddingRequest, Failure> {
    EmbeddingCodec::decode_request(&MlflowRoutes, body.to_string().as_bytes())
}

/// Where the errors of a refused body are.
fn places(failure: &Failure) -> Vec<Value> {
    let reply = MlflowRoutes.encode_error(failure, "id");
    assert_eq!(reply.status, 422);
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    body["detail"].as_array().expect("a list").iter().map(|error| error["loc"].clone()).collect()
}

fn said(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

fn hello() -> Value {
    json!([{"role": "user", "content": "hello"}])
}

#[test]
fn the_two_defaults_are_there_and_known_as_defaults() {
    let request = chat(&json!({"messages": hello()})).expect("a chat");
    let temperature = request.sampling.temperature.expect("always sent");
    assert_eq!((temperature.value, temperature.given), (0.0, false));
    assert_eq!(temperature.scale, Scale::OfRange(1.0));
    assert_eq!(request.sampling.n, Some(1));
    assert_eq!(request.stream, None);
}

#[test]
fn parameters_are_converted_and_the_rest_goes_to_the_provider_as_it_is() {
    let body = r#"{"messages": [{"role": "user", "content": "x", "name": "ann", "weight": null, "function_call": {}}],
        "temperature": "0.5", "candidate_count": 2.0, "stop": ["END"], "max_tokens": "64", "model": null,
        "seed": 12345678901234567890123, "f": 1.0, "g": 1e3, "stream": false,
        "nested": {"a": null, "b": [null, {"c": null, "d": 1}]}, "gone": null}"#;
    let request = ChatCodec::decode_request(&MlflowRoutes, body.as_bytes()).expect("a chat");
    let sampling = &request.sampling;
    assert_eq!(sampling.temperature.expect("given").value, 0.5);
    assert_eq!((sampling.n, sampling.max_tokens.expect("given").value), (Some(2), 64));
    assert_eq!(sampling.stop.as_deref(), Some(&["END".to_owned()][..]));
    assert_eq!(request.model, None);
    assert_eq!(request.messages[0].name.as_deref(), Some("ann"));
    let extras: Vec<_> =
        request.messages[0].extras.iter().map(|(name, value)| (name.as_str(), value.get())).collect();
    assert_eq!(extras, [("function_call", "{}")]);
    assert!(request.extras.for_provider);
    let extras: Vec<_> =
        request.extras.fields.iter().map(|(name, value)| (name.as_str(), value.get())).collect();
    let wanted = [
        ("seed", "12345678901234567890123"),
        ("f", "1.0"),
        ("g", "1e3"),
        ("stream", "false"),
        ("nested", r#"{"b":[null,{"d":1}]}"#),
    ];
    assert_eq!(extras, wanted);
}

#[test]
fn every_mistake_is_listed_in_the_order_of_the_contract() {
    let body = json!({"messages": [{"role": 1}, "x"], "max_tokens": 0, "stop": [1, "a", null],
        "candidate_count": 6, "temperature": 1.1});
    let wanted = [
        json!(["body", "temperature"]),
        json!(["body", "candidate_count"]),
        json!(["body", "stop", 0]),
        json!(["body", "stop", 2]),
        json!(["body", "max_tokens"]),
        json!(["body", "messages", 0, "role"]),
        json!(["body", "messages", 0, "content"]),
        json!(["body", "messages", 1]),
    ];
    assert_eq!(places(&chat(&body).expect_err("eight mistakes")), wanted);
    let empty = chat(&json!({"messages": []})).expect_err("no message");
    assert_eq!(empty.fields[0].kind, "too_short");
    assert_eq!(
        places(&completion(&json!({"prompt": ["a"]})).expect_err("a list")),
        [json!(["body", "prompt"])]
    );
}

#[test]
fn a_number_that_json_cannot_say_is_the_callers_mistake() {
    for (body, place) in [
        (r#"{"prompt": "x", "temperature": NaN}"#, json!(["body", "temperature"])),
        (r#"{"prompt": "x", "top_k": Infinity}"#, json!(["body", "top_k"])),
        (r#"{"prompt": "x", "deep": {"a": [NaN]}}"#, json!(["body", "deep"])),
        (r#"{"prompt": "x", "model": NaN}"#, json!(["body", "model"])),
    ] {
        let failure = CompletionCodec::decode_request(&MlflowRoutes, body.as_bytes()).expect_err(body);
        assert_eq!(places(&failure), [place]);
    }
}

#[test]
fn a_wish_for_a_stream_is_left_to_who_knows_the_provider() {
    let request = chat(&json!({"messages": hello(), "stream": true})).expect("a chat");
    assert_eq!(request.stream, None);
    assert_eq!(request.extras.get("stream").map(|wish| wish.get()), Some("true"));
}

#[test]
fn embeddings_take_a_text_or_texts_and_list_the_errors_of_both_forms() {
    let one = embedding(&json!({"text": "a", "user": "u"})).expect("a text");
    assert!(matches!(one.input, EmbeddingInput::Text(text) if text == "a"));
    assert_eq!(one.extras.fields[0].0, "user");
    let none = embedding(&json!({"text": []})).expect("an empty list passes");
    assert!(matches!(none.input, EmbeddingInput::Texts(texts) if texts.is_empty()));
    let mixed = embedding(&json!({"text": ["a", 1]})).expect_err("a number");
    assert_eq!(places(&mixed), [json!(["body", "text", "str"]), json!(["body", "text", "list[str]", 1])]);
    let object = embedding(&json!({"text": {}})).expect_err("an object");
    assert_eq!(places(&object), [json!(["body", "text", "str"]), json!(["body", "text", "list[str]"])]);
}

fn choice(content: Content, finish_reason: Option<FinishReason>) -> Choice {
    let message = Message { content, ..Message::text(Role::Assistant, "") };
    Choice::of(0, message, finish_reason)
}

#[test]
fn an_answer_has_all_keys_of_the_contract() {
    let response = ChatResponse {
        model: Some("m".to_owned()),
        choices: vec![
            choice(Content::Text("hi".to_owned()), Some(FinishReason::Length)),
            choice(Content::None, None),
        ],
        ..ChatResponse::default()
    };
    let mut losses = Losses::default();
    let wanted = json!({
        "candidates": [
            {"message": {"role": "assistant", "content": "hi"}, "metadata": {"finish_reason": "length"}},
            {"message": {"role": "assistant", "content": ""}, "metadata": {"finish_reason": null}},
        ],
        "metadata": {"input_tokens": null, "output_tokens": null, "total_tokens": null, "model": "m",
            "route_type": "llm/v1/chat"},
    });
    assert_eq!(said(&ChatCodec::encode_response(&MlflowRoutes, &response, &mut losses)), wanted);
    assert!(losses.is_empty());
}

#[test]
fn what_an_answer_cannot_say_is_recorded() {
    let text = Part::Text { text: "a".to_owned(), extras: Vec::new() };
    let thought = Part::Thinking { text: "hm".to_owned(), signature: None };
    let mut answer = choice(Content::Parts(vec![thought, text.clone(), text]), Some(FinishReason::ToolCalls));
    let arguments = "{}".to_owned();
    answer.message.tool_calls = vec![ToolCall {
        id: "c".to_owned(),
        name: "f".to_owned(),
        arguments,
        signature: None,
        extras: Vec::new(),
    }];
    let response = ChatResponse { choices: vec![answer], ..ChatResponse::default() };
    let mut losses = Losses::default();
    let body = said(&ChatCodec::encode_response(&MlflowRoutes, &response, &mut losses));
    assert_eq!(body["candidates"][0]["message"]["content"], "aa");
    assert_eq!(body["candidates"][0]["metadata"]["finish_reason"], "tool_calls");
    let paths: Vec<_> = losses.iter().map(|loss| loss.path.as_str()).collect();
    assert_eq!(paths, ["choices[0].message.content[0]", "choices[0].message.tool_calls"]);
}

#[test]
fn a_completions_metadata_names_a_reason_only_if_there_is_one() {
    let choice = |finish_reason| CompletionChoice::of(0, "t", finish_reason);
    let choices = vec![choice(Some(FinishReason::Stop)), choice(None)];
    let usage = Some(Usage { prompt_tokens: Some(3), completion_tokens: Some(4), ..Usage::default() });
    let response = CompletionResponse { choices, usage, ..CompletionResponse::default() };
    let body = said(&CompletionCodec::encode_response(&MlflowRoutes, &response, &mut Losses::default()));
    assert_eq!(body["candidates"][0]["metadata"], json!({"finish_reason": "stop"}));
    assert_eq!(body["candidates"][1]["metadata"], json!({}));
    assert_eq!(body["metadata"]["total_tokens"], 7);
    assert_eq!(body["metadata"]["route_type"], "llm/v1/completions");
}

#[test]
fn vectors_are_always_numbers() {
    let raw = serde_json::value::to_raw_value(&[1.5, -2.0]).expect("numbers");
    let base64 = Vector::Base64("AACAPwAAAMDNzMw9".to_owned());
    let vectors = vec![Vector::Numbers(raw), base64, Vector::Base64("?".to_owned())];
    let usage = Some(Usage { prompt_tokens: Some(2), total_tokens: Some(2), ..Usage::default() });
    let response = EmbeddingResponse { vectors, usage, ..EmbeddingResponse::default() };
    let mut losses = Losses::default();
    let body = said(&EmbeddingCodec::encode_response(&MlflowRoutes, &response, &mut losses));
    assert_eq!(body["embeddings"], json!([[1.5, -2.0], [1.0, -2.0, 0.1], []]));
    assert_eq!(body["metadata"]["output_tokens"], 0);
    assert_eq!(losses.count(), 1);
}

#[test]
fn a_gateway_behind_reads_what_this_one_writes() {
    let body = json!({"temperature": 0.25, "candidate_count": 2, "stop": ["a"], "max_tokens": 3,
        "messages": [{"role": "user", "content": "x", "name": "n", "more": [1]}], "extra": {"a": 1.0}});
    let request = chat(&body).expect("a chat");
    let mut losses = Losses::default();
    let traits = ModelTraits::default();
    let written =
        ChatCodec::encode_request(&MlflowRoutes, &request, &traits, &mut losses).expect("it can be said");
    assert_eq!((said(&written), losses.count()), (body, 0));
    let answer = json!({
        "candidates": [{"message": {"role": "assistant", "content": "hi"}, "metadata": {"finish_reason": "stop"}}],
        "metadata": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "model": "m",
            "route_type": "llm/v1/chat"},
    });
    let read = ChatCodec::decode_response(&MlflowRoutes, answer.to_string().as_bytes()).expect("an answer");
    assert_eq!(said(&ChatCodec::encode_response(&MlflowRoutes, &read, &mut losses)), answer);
    let mut meter = ChatCodec::meter(&MlflowRoutes, false);
    meter.feed(answer.to_string().as_bytes());
    assert_eq!(meter.usage().and_then(|usage| usage.total()), Some(3));
}

#[test]
fn the_other_operations_survive_a_gateway_behind_too() {
    let mut losses = Losses::default();
    let traits = ModelTraits::default();
    let body = json!({"temperature": 1.0, "candidate_count": 1, "prompt": "p", "suffix": "s"});
    let request = completion(&body).expect("a completion");
    let written =
        CompletionCodec::encode_request(&MlflowRoutes, &request, &traits, &mut losses).expect("sayable");
    assert_eq!(said(&written), body);
    let answer = json!({"candidates": [{"text": "t", "metadata": {}}], "metadata": {"input_tokens": null,
        "output_tokens": null, "total_tokens": null, "model": "m", "route_type": "llm/v1/completions"}});
    let read =
        CompletionCodec::decode_response(&MlflowRoutes, answer.to_string().as_bytes()).expect("an answer");
    assert_eq!(said(&CompletionCodec::encode_response(&MlflowRoutes, &read, &mut losses)), answer);
    let body = json!({"text": ["a", "b"], "truncate": "END"});
    let request = embedding(&body).expect("texts");
    let written =
        EmbeddingCodec::encode_request(&MlflowRoutes, &request, &traits, &mut losses).expect("sayable");
    assert_eq!(said(&written), body);
    let answer = json!({"embeddings": [[0.5], [1.0]], "metadata": {"input_tokens": 1, "output_tokens": 0,
        "total_tokens": 1, "model": "m", "route_type": "llm/v1/embeddings"}});
    let read =
        EmbeddingCodec::decode_response(&MlflowRoutes, answer.to_string().as_bytes()).expect("an answer");
    assert_eq!(said(&EmbeddingCodec::encode_response(&MlflowRoutes, &read, &mut losses)), answer);
    assert!(losses.is_empty());
    assert!(matches!(request.input, EmbeddingInput::Texts(_)));
    assert!(
        matches!(completion(&json!({"prompt": ""})).expect("empty").prompt, Prompt::Text(text) if text.is_empty())
    );
}

/// Every refusal can be said; every request can be written for a gateway behind.
fn check(bytes: &[u8], json: bool) -> Result<(), TestCaseError> {
    let failures = [
        ChatCodec::decode_request(&MlflowRoutes, bytes).err(),
        CompletionCodec::decode_request(&MlflowRoutes, bytes).err(),
        EmbeddingCodec::decode_request(&MlflowRoutes, bytes).err(),
    ];
    for failure in failures.into_iter().flatten() {
        let reply = MlflowRoutes.encode_error(&failure, "id");
        prop_assert!((400..500).contains(&reply.status), "{failure:?}");
        prop_assert!(serde_json::from_slice::<Value>(&reply.body).is_ok());
        prop_assert!(
            !json || !failure.fields.is_empty() || failure.message.starts_with("Streaming"),
            "{failure:?}"
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        check(&bytes, false)?;
        let _unread = ChatCodec::decode_response(&MlflowRoutes, &bytes);
    }

    #[test]
    fn any_json_is_read_or_refused_field_by_field(value in any_json()) {
        check(value.to_string().as_bytes(), true)?;
        let text = value.to_string();
        let _unread = ChatCodec::decode_response(&MlflowRoutes, text.as_bytes());
        let _unread = EmbeddingCodec::decode_response(&MlflowRoutes, text.as_bytes());
    }
}
