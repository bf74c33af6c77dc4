use super::MlflowEndpoints;
use crate::canonical::{
    ChatRequest, ChatResponse, Choice, CompletionChoice, CompletionRequest, CompletionResponse, Content,
    EmbeddingInput, EmbeddingRequest, EmbeddingResponse, Encoding, Failure, FinishReason, Losses, Message,
    Part, Prompt, Role, Scale, Tool, ToolCall, ToolChoice, Usage, Vector,
};
use crate::dialect::{ChatCodec, CompletionCodec, Dialect, EmbeddingCodec, ModelTraits};
use crate::mlflow_contract::tests::any_json;
use crate::openai_chat::OpenAiChat;
use proptest::prelude::*;
use serde_json::{Value, json};

fn chat(body: &Value) -> Result<ChatRequest, Failure> {
    ChatCodec::decode_request(&MlflowEndpoints, body.to_string().as_bytes())
}

fn completion(body: &Value) -> Result<CompletionRequest, Failure> {
    CompletionCodec::decode_request(&MlflowEndpoints, body.to_string().as_bytes())
}

fn embedding(body: &Value) -> Result<EmbeddingRequest, Failure> {
    EmbeddingCodec::decode_request(&MlflowEndpoints, body.to_string().as_bytes())
}

/// Where the errors of a refused body are.
fn places(failure: &Failure) -> Vec<Value> {
    let reply = MlflowEndpoints.encode_error(failure, "id");
    assert_eq!(reply.status, 422);
    let body = said(&reply.body);
    body["detail"].as_array().expect("a list").iter().map(|error| error["loc"].clone()).collect()
}

fn said(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

fn hello() -> Value {
    json!([{"role": "user", "content": "hello"}])
}

/// What OpenAI's own API would be sent.
fn to_openai(request: &ChatRequest) -> Value {
    let traits = ModelTraits { model: Some("m".to_owned()), ..ModelTraits::default() };
    let body =
        OpenAiChat.encode_request(request, &traits, &mut Losses::default()).expect("a chat can be said");
    said(&body)
}

#[test]
fn the_two_defaults_are_there_and_known_as_defaults() {
    let request = chat(&json!({"messages": hello(), "stream": null, "model": null})).expect("a chat");
    let temperature = request.sampling.temperature.expect("always sent");
    assert_eq!((temperature.value, temperature.given), (0.0, false));
    assert_eq!(temperature.scale, Scale::OfRange(2.0));
    assert_eq!((request.sampling.n, request.stream, request.model), (Some(1), None, None));
}

#[test]
fn openais_fields_are_understood_and_unknown_ones_go_along() {
    let body = json!({"messages": [{"role": "user", "content": "x", "name": "ann"}], "temperature": true, "n": "3",
        "top_p": 0.5, "seed": 7, "user": "u", "tool_choice": "auto", "stream": "yes", "logit_bias": {"5": -1},
        "candidate_count": 2, "gone": null, "max_tokens": 9.0, "stop": ["a"]});
    let request = chat(&body).expect("a chat");
    let sampling = &request.sampling;
    assert_eq!((sampling.temperature.expect("given").value, sampling.n), (1.0, Some(3)));
    assert_eq!((sampling.top_p, sampling.seed), (Some(0.5), Some(7)));
    assert_eq!(request.user.as_deref(), Some("u"));
    assert!(matches!(request.tool_choice, Some(ToolChoice::Auto)));
    assert_eq!(request.stream, Some(true));
    assert_eq!(request.messages[0].name.as_deref(), Some("ann"));
    let names: Vec<_> = request.extras.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["logit_bias", "candidate_count"]);
    let wanted = json!({"model": "m", "messages": [{"role": "user", "content": "x", "name": "ann"}],
        "temperature": 1.0, "n": 3, "top_p": 0.5, "seed": 7, "user": "u", "tool_choice": "auto", "stream": true,
        "logit_bias": {"5": -1}, "candidate_count": 2, "max_tokens": 9, "stop": ["a"]});
    assert_eq!(to_openai(&request), wanted);
}

#[test]
fn a_field_of_another_shape_than_openais_is_the_providers_to_judge() {
    let body = json!({"messages": hello(), "seed": 1e30, "top_p": "high", "response_format": "json", "x": 1});
    let request = chat(&body).expect("MLflow checks none of these");
    let sent = to_openai(&request);
    for name in ["seed", "top_p", "response_format", "x"] {
        assert_eq!(sent[name], body[name], "{name}");
    }
    let body = json!({"prompt": "p", "user": 5, "presence_penalty": [1]});
    let names = completion(&body).expect("nor of these").extras.fields;
    assert_eq!(names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["presence_penalty", "user"]);
}

#[test]
fn every_mistake_is_listed_in_the_order_of_the_contract() {
    let parts = "list[tagged-union[TextContentPart,ImageContentPart,AudioContentPart]]";
    let body = json!({
        "tools": [{"type": "x"}, {"type": "function", "function": {"parameters": {"properties": {"a": 1}}}}],
        "messages": [
            {"role": "user", "content": [{"type": "text"}, {"type": "video"}, 5,
                {"type": "image_url", "image_url": {"detail": "huge"}}, {"type": "input_audio"}, {}]},
            {"content": 5, "tool_calls": [{"function": {"name": "f"}}]},
        ],
        "model": 5, "stream": "maybe", "n": 0, "temperature": 2.1,
    });
    let content = |message: usize, rest: &[Value]| {
        let mut place = vec![json!("body"), json!("messages"), json!(message), json!("content")];
        place.extend_from_slice(rest);
        Value::from(place)
    };
    let wanted = [
        json!(["body", "temperature"]),
        json!(["body", "n"]),
        json!(["body", "stream"]),
        json!(["body", "model"]),
        content(0, &[json!("str")]),
        content(0, &[json!(parts), json!(0), json!("text"), json!("text")]),
        content(0, &[json!(parts), json!(1)]),
        content(0, &[json!(parts), json!(2)]),
        content(0, &[json!(parts), json!(3), json!("image_url"), json!("image_url"), json!("url")]),
        content(0, &[json!(parts), json!(3), json!("image_url"), json!("image_url"), json!("detail")]),
        content(0, &[json!(parts), json!(4), json!("input_audio"), json!("input_audio")]),
        content(0, &[json!(parts), json!(5)]),
        json!(["body", "messages", 1, "role"]),
        content(1, &[json!("str")]),
        content(1, &[json!(parts)]),
        json!(["body", "messages", 1, "tool_calls", 0, "id"]),
        json!(["body", "messages", 1, "tool_calls", 0, "function", "arguments"]),
        json!(["body", "tools", 0, "type"]),
        json!(["body", "tools", 1, "function", "name"]),
        json!(["body", "tools", 1, "function", "parameters", "properties", "a"]),
    ];
    assert_eq!(places(&chat(&body).expect_err("many mistakes")), wanted);
}

#[test]
fn a_tools_schema_keeps_what_mlflow_drops() {
    let parameters = json!({"type": "object", "title": "T", "$defs": {"d": {"type": "string"}},
    "additionalProperties": {"type": "string"},
    "properties": {
        "a": {"type": ["string", "null"], "default": null, "format": "date", "description": null},
        "b": {"anyOf": [{"$ref": "#/$defs/d"}], "enum": [1, "x", null]},
        "c": {"type": "object", "properties": {"d": {"type": "integer"}}},
    }});
    let mut kept = parameters.clone();
    kept["properties"]["a"].as_object_mut().expect("an object").remove("description");
    let tool = |parameters: &Value| json!({"type": "function", "function": {"name": "f", "strict": null, "parameters": parameters}});
    let untyped = json!({"properties": {}});
    let body = json!({"messages": hello(), "tools": [tool(&parameters), tool(&untyped)]});
    let request = chat(&body).expect("good JSON Schema");
    let sent = to_openai(&request);
    assert_eq!(sent["tools"][0]["function"]["parameters"], kept);
    assert_eq!(sent["tools"][1]["function"]["parameters"], json!({"properties": {}, "type": "object"}));
    assert!(matches!(&request.tools[0], Tool::Function { name, strict: None, .. } if name == "f"));
    let own = json!([{"type": "uc_function", "uc_function": {"name": "c.s.f"}}]);
    let body = json!({"messages": hello(), "tools": own});
    assert_eq!(to_openai(&chat(&body).expect("MLflow's own kind"))["tools"], own);
}

#[test]
fn messages_of_every_kind_reach_openai_unchanged() {
    let messages = json!([
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "see"},
            {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]},
        {"role": "assistant", "content": "c", "tool_calls": [{"id": "1", "type": "function",
            "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "content": "t", "tool_call_id": "1"},
        {"role": "assistant", "tool_calls": [{"id": "2", "type": "function",
            "function": {"name": "f", "arguments": ""}}]},
        {"role": "wizard", "content": ""},
    ]);
    let request = chat(&json!({"messages": messages})).expect("a chat");
    assert_eq!(to_openai(&request)["messages"], messages);
}

#[test]
fn embeddings_take_four_forms_and_list_the_errors_of_all() {
    let input = |value: Value| embedding(&json!({"input": value})).map(|request| request.input);
    assert!(matches!(input(json!("a")), Ok(EmbeddingInput::Text(_))));
    assert!(matches!(input(json!(["1", "2"])), Ok(EmbeddingInput::Texts(_))));
    assert!(matches!(input(json!([])), Ok(EmbeddingInput::Texts(_))));
    let tokens = |value| match input(value) {
        Ok(EmbeddingInput::Tokens(tokens)) => tokens.get().to_owned(),
        other => panic!("tokens, not {other:?}"),
    };
    assert_eq!(tokens(json!([1, "2", 3.0, true])), "[1,2,3,1]");
    assert_eq!(tokens(json!([[1, 2], [], ["3"]])), "[[1,2],[],[3]]");
    let wanted = [
        json!(["body", "input", "str"]),
        json!(["body", "input", "list[str]", 1]),
        json!(["body", "input", "list[int]", 0]),
        json!(["body", "input", "list[list[int]]", 0]),
        json!(["body", "input", "list[list[int]]", 1]),
    ];
    assert_eq!(places(&input(json!(["a", 1])).expect_err("neither")), wanted);
    let body = json!({"input": "a", "dimensions": 8, "user": "u", "encoding_format": "base64", "x": [null]});
    let request = embedding(&body).expect("a text");
    assert_eq!((request.dimensions, request.encoding), (Some(8), Some(Encoding::Base64)));
    assert_eq!(request.extras.fields[0].1.get(), "[null]");
}

fn call(id: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: "f".to_owned(),
        arguments: arguments.to_owned(),
        signature: None,
        extras: Vec::new(),
    }
}

#[test]
fn an_answer_has_all_keys_of_the_contract_and_no_other() {
    let raw = serde_json::value::to_raw_value("fp").expect("a string");
    let text = |text: &str| Part::Text { text: text.to_owned(), extras: Vec::new() };
    let choice = |index, content, tool_calls| {
        let message = Message { content, tool_calls, ..Message::text(Role::Assistant, "") };
        Choice::of(index, message, Some(FinishReason::ToolCalls))
    };
    let response = ChatResponse {
        id: None,
        created: Some(17),
        model: Some("m".to_owned()),
        choices: vec![
            choice(0, Content::None, vec![call("1", "{}")]),
            choice(1, Content::Parts(vec![text("a"), text("b")]), Vec::new()),
        ],
        usage: None,
        extras: vec![("system_fingerprint".to_owned(), raw)],
    };
    let mut losses = Losses::default();
    let calls = json!([{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    let wanted = json!({"id": null, "object": "chat.completion", "created": 17, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": null, "tool_calls": calls, "refusal": null},
            "finish_reason": "tool_calls"},
        {"index": 1, "message": {"role": "assistant", "content": "ab", "tool_calls": null, "refusal": null},
            "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": null, "completion_tokens": null, "total_tokens": null}});
    assert_eq!(said(&ChatCodec::encode_response(&MlflowEndpoints, &response, &mut losses)), wanted);
    assert_eq!(losses.iter().map(|loss| loss.path.as_str()).collect::<Vec<_>>(), ["system_fingerprint"]);
}

#[test]
fn completions_and_embeddings_have_all_keys_too() {
    let mut losses = Losses::default();
    let choice = CompletionChoice::of(0, "t", None);
    let response = CompletionResponse { choices: vec![choice], ..CompletionResponse::default() };
    let wanted = json!({"id": null, "object": "text_completion", "created": 0, "model": null,
        "choices": [{"index": 0, "text": "t", "finish_reason": null}],
        "usage": {"prompt_tokens": null, "completion_tokens": null, "total_tokens": null}});
    assert_eq!(said(&CompletionCodec::encode_response(&MlflowEndpoints, &response, &mut losses)), wanted);
    let numbers = serde_json::value::to_raw_value(&[0.5]).expect("numbers");
    let response = EmbeddingResponse {
        vectors: vec![Vector::Numbers(numbers), Vector::Base64("AAAAPw==".to_owned())],
        usage: Some(Usage { prompt_tokens: Some(2), total_tokens: Some(2), ..Usage::default() }),
        ..EmbeddingResponse::default()
    };
    let wanted = json!({"object": "list", "data": [
        {"object": "embedding", "embedding": [0.5], "index": 0},
        {"object": "embedding", "embedding": "AAAAPw==", "index": 1}],
        "model": null, "usage": {"prompt_tokens": 2, "total_tokens": 2}});
    assert_eq!(said(&EmbeddingCodec::encode_response(&MlflowEndpoints, &response, &mut losses)), wanted);
    assert!(losses.is_empty());
}

#[test]
fn a_gateway_behind_reads_what_this_one_writes() {
    let traits = ModelTraits { model: Some("never sent".to_owned()), ..ModelTraits::default() };
    let mut losses = Losses::default();
    let body =
        json!({"messages": hello(), "temperature": 1.5, "n": 1, "max_tokens": 5, "stop": ["a"], "k": 1});
    let request = chat(&body).expect("a chat");
    let written =
        ChatCodec::encode_request(&MlflowEndpoints, &request, &traits, &mut losses).expect("sayable");
    assert_eq!(said(&written), body);
    let body =
        json!({"prompt": "p", "temperature": 1.5, "n": 1, "top_p": 0.5, "stream": false, "suffix": "s"});
    let request = completion(&body).expect("a completion");
    let written =
        CompletionCodec::encode_request(&MlflowEndpoints, &request, &traits, &mut losses).expect("sayable");
    assert_eq!(said(&written), body);
    let body = json!({"input": [[1, 2]], "dimensions": 3, "encoding_format": "float", "truncate": "END"});
    let request = embedding(&body).expect("tokens");
    let written =
        EmbeddingCodec::encode_request(&MlflowEndpoints, &request, &traits, &mut losses).expect("sayable");
    assert_eq!(said(&written), body);
    assert!(losses.is_empty(), "{losses:?}");
    let answer = json!({"id": "1", "object": "text_completion", "created": 5, "model": "m",
        "choices": [{"index": 0, "text": "t", "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}});
    let read =
        CompletionCodec::decode_response(&MlflowEndpoints, answer.to_string().as_bytes()).expect("an answer");
    assert_eq!(said(&CompletionCodec::encode_response(&MlflowEndpoints, &read, &mut losses)), answer);
    let answer = json!({"object": "list", "data": [{"object": "embedding", "embedding": [1, 2.5], "index": 0}],
        "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}});
    let read =
        EmbeddingCodec::decode_response(&MlflowEndpoints, answer.to_string().as_bytes()).expect("an answer");
    assert_eq!(said(&EmbeddingCodec::encode_response(&MlflowEndpoints, &read, &mut losses)), answer);
    assert!(matches!(completion(&json!({"prompt": "p"})).expect("a text").prompt, Prompt::Text(_)));
}

/// Every refusal can be said, and what is read can be written for OpenAI and for a gateway behind.
fn check(bytes: &[u8], json: bool) -> Result<(), TestCaseError> {
    let chat = ChatCodec::decode_request(&MlflowEndpoints, bytes);
    if let Ok(request) = &chat {
        let mut losses = Losses::default();
        let traits = ModelTraits::default();
        let body = OpenAiChat.encode_request(request, &traits, &mut losses).expect("a chat can be said");
        prop_assert!(serde_json::from_slice::<Value>(&body).is_ok());
        prop_assert!(ChatCodec::encode_request(&MlflowEndpoints, request, &traits, &mut losses).is_ok());
    }
    let failures = [
        chat.err(),
        CompletionCodec::decode_request(&MlflowEndpoints, bytes).err(),
        EmbeddingCodec::decode_request(&MlflowEndpoints, bytes).err(),
    ];
    for failure in failures.into_iter().flatten() {
        let reply = MlflowEndpoints.encode_error(&failure, "id");
        prop_assert!((400..500).contains(&reply.status), "{failure:?}");
        prop_assert!(serde_json::from_slice::<Value>(&reply.body).is_ok());
        prop_assert!(!json || !failure.fields.is_empty(), "{failure:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        check(&bytes, false)?;
    }

    #[test]
    fn any_json_is_read_or_refused_field_by_field(value in any_json()) {
        check(value.to_string().as_bytes(), true)?;
        let with_messages = json!({"messages": [{"role": "user", "content": "x", "x": value}], "tools": [value],
            "prompt": "p", "input": value, "response_format": value, "stop": value});
        check(with_messages.to_string().as_bytes(), true)?;
    }
}
