//! What requests become, and what is recorded.

use super::{decode, encode};
use crate::canonical::{
    ChatRequest, Content, Losses, Media, MediaKind, MediaSource, Message, Part, Reasoning, ResponseFormat,
    Role, Tool, ToolCall, ToolChoice,
};
use crate::dialect::ModelTraits;
use crate::raw::to_raw;
use serde_json::{Value, json};

fn read(body: &Value) -> ChatRequest {
    decode(body.to_string().as_bytes()).expect("a request")
}

fn written_for(model: Option<&str>, request: &ChatRequest) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    let model = ModelTraits { model: model.map(str::to_owned), ..ModelTraits::default() };
    let body = encode(request, &model, &mut losses);
    let lost = losses.iter().map(|loss| loss.path.clone()).collect();
    (serde_json::from_slice(&body).expect("JSON"), lost)
}

fn written(request: &ChatRequest) -> (Value, Vec<String>) {
    written_for(Some("us.anthropic.claude-sonnet-4-5-20250929-v1:0"), request)
}

fn asked(messages: Vec<Message>) -> ChatRequest {
    ChatRequest { messages, ..ChatRequest::default() }
}

fn function(name: &str) -> Tool {
    Tool::Function {
        name: name.to_owned(),
        description: Some(String::new()),
        parameters: Some(to_raw(&json!({"properties": {}}))),
        strict: None,
        extras: vec![("cache_control".to_owned(), to_raw(&json!({"type": "ephemeral"})))],
    }
}

fn called(name: &str) -> Message {
    let call = ToolCall {
        id: "c.1".to_owned(),
        name: name.to_owned(),
        arguments: r#"{"q":1.50}"#.to_owned(),
        signature: None,
        extras: Vec::new(),
    };
    Message { tool_calls: vec![call], content: Content::None, ..Message::text(Role::Assistant, "") }
}

fn reported(text: &str) -> Message {
    Message { tool_call_id: Some("c.1".to_owned()), ..Message::text(Role::Tool, text) }
}

#[test]
fn a_request_of_this_api_comes_back_as_it_was() {
    let body = json!({
        "messages": [
            {"role": "user", "content": [{"text": "a"}, {"cachePoint": {"type": "default"}},
                {"document": {"format": "pdf", "name": "d", "source": {"bytes": "QQ=="}, "citations": {"enabled": true}}},
                {"guardContent": {"text": {"text": "g"}}}]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
                {"toolUse": {"toolUseId": "t", "name": "look", "input": {"a": [1.5, null]}}},
                {"cachePoint": {"type": "default", "ttl": "1h"}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "t", "content": [{"text": "r"},
                    {"image": {"format": "png", "source": {"bytes": "QQ=="}}}], "status": "error"}},
                {"cachePoint": {"type": "default"}}, {"text": "so?"}]}],
        "system": [{"text": "s"}, {"cachePoint": {"type": "default"}}],
        "inferenceConfig": {"maxTokens": 5000, "temperature": 1.0, "stopSequences": ["X"]},
        "toolConfig": {"tools": [
            {"toolSpec": {"name": "look", "description": "d", "inputSchema": {"json": {"type": "object"}}, "strict": true}},
            {"cachePoint": {"type": "default"}}, {"systemTool": {"name": "nova_grounding"}}],
            "toolChoice": {"auto": {}}},
        "outputConfig": {"textFormat": {"type": "json_schema",
            "structure": {"jsonSchema": {"schema": "{\"type\": \"object\"}", "name": "n"}}}},
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2000}, "other": 1}});
    assert_eq!(written(&read(&body)), (body, Vec::new()));
}

#[test]
fn tools_answers_stand_in_one_turn_before_what_the_user_says() {
    let request = asked(vec![
        Message::text(Role::System, "s"),
        Message::text(Role::User, "a"),
        Message::text(Role::User, "b"),
        called("look"),
        reported("r"),
        Message::text(Role::User, "so?"),
    ]);
    let (body, lost) = written(&ChatRequest { tools: vec![function("look")], ..request });
    assert_eq!(lost, [""; 0]);
    assert_eq!(body["system"], json!([{"text": "s"}]));
    assert_eq!(
        body["messages"],
        json!([
        {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c_1", "name": "look", "input": {"q": 1.5}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "c_1", "content": [{"text": "r"}], "status": "success"}}, {"text": "so?"}]}])
    );
    let schema = json!({"json": {"type": "object", "properties": {}}});
    assert_eq!(
        body["toolConfig"],
        json!({"tools": [{"toolSpec": {"name": "look", "inputSchema": schema}},
        {"cachePoint": {"type": "default"}}]})
    );
}

#[test]
fn tools_that_were_called_are_declared_even_where_the_client_does_not() {
    let (body, lost) = written(&asked(vec![Message::text(Role::User, "a"), called("look"), reported("r")]));
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "look");
    assert_eq!(lost, ["tools"]);
    let none = |messages| ChatRequest {
        tools: vec![function("look")],
        tool_choice: Some(ToolChoice::None),
        ..asked(messages)
    };
    let (body, lost) = written(&none(vec![Message::text(Role::User, "a")]));
    assert_eq!(body.get("toolConfig"), None, "a model without tools calls none");
    assert_eq!(lost, ["tools", "tool_choice"]);
    let (body, lost) = written(&none(vec![Message::text(Role::User, "a"), called("look"), reported("r")]));
    assert!(body["toolConfig"].get("toolChoice").is_none());
    assert_eq!(lost, ["tool_choice"]);
}

#[test]
fn claude_is_held_to_one_call_in_its_own_words_and_others_cannot_be() {
    let request = ChatRequest {
        tools: vec![function("look")],
        tool_choice: Some(ToolChoice::Function("look".to_owned())),
        parallel_tool_calls: Some(false),
        ..asked(vec![Message::text(Role::User, "a")])
    };
    let (body, lost) = written(&request);
    let own = json!({"type": "tool", "name": "look", "disable_parallel_tool_use": true});
    assert_eq!((&body["additionalModelRequestFields"]["tool_choice"], lost.len()), (&own, 0));
    assert!(body["toolConfig"].get("toolChoice").is_none());
    let (body, lost) = written_for(Some("amazon.nova-pro-v1:0"), &request);
    assert_eq!(body["toolConfig"]["toolChoice"], json!({"tool": {"name": "look"}}));
    assert_eq!(lost, ["parallel_tool_calls"]);
}

#[test]
fn wishes_are_said_in_the_words_of_the_models_maker() {
    let mut request = asked(vec![Message::text(Role::User, "a")]);
    request.sampling.top_k = Some(5);
    request.reasoning = Some(Reasoning::Effort("high".to_owned()));
    for (model, fields, lost) in [
        (
            "anthropic.claude-opus-4-6",
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
            vec!["top_k"],
        ),
        (
            "us.amazon.nova-2-lite-v1:0",
            json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}, "inferenceConfig": {"topK": 5}}),
            vec![],
        ),
        ("openai.gpt-oss-120b-1:0", json!({"reasoning_effort": "high"}), vec!["top_k"]),
        ("cohere.command-r-v1:0", json!({"k": 5}), vec!["reasoning"]),
        ("mistral.mistral-large-2402-v1:0", json!({"top_k": 5}), vec!["reasoning"]),
        ("meta.llama3-70b-instruct-v1:0", Value::Null, vec!["reasoning", "top_k"]),
    ] {
        let (body, losses) = written_for(Some(model), &request);
        assert_eq!(
            (&body["additionalModelRequestFields"], losses),
            (&fields, lost.into_iter().map(str::to_owned).collect())
        );
    }
}

#[test]
fn parameters_for_the_model_stand_among_its_own_and_those_of_another_api_are_recorded() {
    let mut request = asked(vec![Message::text(Role::User, "a")]);
    request.extras.fields =
        [("service_tier", json!("flex")), ("guardrailConfig", json!({"a": 1})), ("logit_bias", json!({}))]
            .map(|(name, value)| (name.to_owned(), to_raw(&value)))
            .to_vec();
    let (body, lost) = written(&request);
    assert_eq!(
        (&body["serviceTier"], lost.as_slice()),
        (&json!({"type": "flex"}), ["logit_bias".to_owned()].as_slice())
    );
    assert_eq!(body["guardrailConfig"], json!({"a": 1}));
    request.extras.for_provider = true;
    let (body, lost) = written(&request);
    assert_eq!((&body["additionalModelRequestFields"], lost.len()), (&json!({"logit_bias": {}}), 0));
}

#[test]
fn what_bedrock_cannot_be_told_is_recorded_by_its_path() {
    let image = Part::Media(Media {
        kind: MediaKind::Image,
        source: MediaSource::Url("https://h/x.png".to_owned()),
        name: None,
        detail: None,
        extras: Vec::new(),
    });
    let asks = Message { content: Content::Parts(vec![image]), ..Message::text(Role::User, "") };
    let mut request = asked(vec![asks, Message::text(Role::Function, "f"), Message::text(Role::User, "b")]);
    request.sampling.seed = Some(1);
    request.sampling.n = Some(2);
    request.sampling.temperature = Some(crate::canonical::Temperature::given(1.5));
    request.user = Some("u".to_owned());
    request.response_format = Some(ResponseFormat::JsonObject);
    let (body, lost) = written(&request);
    assert_eq!(body["messages"], json!([{"role": "user", "content": [{"text": "b"}]}]));
    assert_eq!(body["inferenceConfig"], json!({"temperature": 1.0}));
    let wanted = [
        "messages[0].content[0]",
        "messages[0]",
        "messages[1]",
        "temperature",
        "n",
        "seed",
        "user",
        "response_format",
    ];
    assert_eq!(lost, wanted);
}

#[test]
fn a_wrong_field_is_named_by_its_path() {
    for (body, path) in [
        (json!({}), "messages"),
        (json!({"messages": [{"content": []}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (json!({"messages": [{"role": "user", "content": [{"text": 1}]}]}), "messages[0].content[0].text"),
        (
            json!({"messages": [{"role": "user", "content": [{"toolResult": {"content": []}}]}]}),
            "messages[0].content[0].toolResult.toolUseId",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"image": {"format": "png"}}]}]}),
            "messages[0].content[0].image.source",
        ),
        (json!({"messages": [], "inferenceConfig": {"maxTokens": -1}}), "inferenceConfig.maxTokens"),
        (
            json!({"messages": [], "toolConfig": {"tools": [{"toolSpec": {}}]}}),
            "toolConfig.tools[0].toolSpec.name",
        ),
    ] {
        let failure = decode(body.to_string().as_bytes()).expect_err("a wrong field");
        assert_eq!(failure.param.as_deref(), Some(path));
    }
}
