//! What requests become for the provider.

use super::encode;
use crate::anthropic_messages::FAMILY;
use crate::canonical::{
    ChatRequest, Content, Extras, Losses, MaxTokens, Media, MediaKind, MediaSource, Message, Part, Reasoning,
    ResponseFormat, Role, Sampling, Scale, Signature, Temperature, Tool, ToolCall, ToolChoice,
};
use crate::dialect::ModelTraits;
use crate::raw::to_raw;
use serde_json::{Value, json};

fn sent(request: &ChatRequest) -> (Value, Vec<String>) {
    let traits = ModelTraits { model: Some("claude-x".to_owned()), ..ModelTraits::default() };
    let mut losses = Losses::default();
    let body = encode(request, &traits, &mut losses);
    let losses = losses.iter().map(|loss| loss.path.clone()).collect();
    (serde_json::from_slice(&body).expect("JSON"), losses)
}

fn chat(messages: Vec<Message>) -> ChatRequest {
    ChatRequest { messages, ..ChatRequest::default() }
}

fn call(id: &str, arguments: &str) -> ToolCall {
    let (name, arguments) = ("look".to_owned(), arguments.to_owned());
    ToolCall { id: id.to_owned(), name, arguments, signature: None, extras: Vec::new() }
}

fn reported(id: &str, text: &str) -> Message {
    Message { tool_call_id: Some(id.to_owned()), ..Message::text(Role::Tool, text) }
}

fn tool(schema: &Value) -> Tool {
    Tool::Function {
        name: "look".to_owned(),
        description: None,
        parameters: Some(to_raw(schema)),
        strict: None,
        extras: Vec::new(),
    }
}

#[test]
fn system_texts_are_joined_by_lines_and_the_conversation_stays_as_it_was() {
    let request = chat(vec![
        Message::text(Role::System, "a"),
        Message::text(Role::Developer, "b"),
        Message::text(Role::User, "hi"),
        Message::text(Role::Assistant, "yes"),
        Message::text(Role::User, "go on"),
    ]);
    let wanted = json!({"model": "claude-x", "max_tokens": 4096, "system": "a\nb", "messages": [
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "go on"}]});
    assert_eq!(sent(&request), (wanted, Vec::new()));
}

#[test]
fn a_cache_mark_on_a_system_part_survives() {
    let mark = vec![("cache_control".to_owned(), to_raw(&json!({"type": "ephemeral"})))];
    let part = Part::Text { text: "long".to_owned(), extras: mark };
    let system = Message { content: Content::Parts(vec![part]), ..Message::text(Role::System, "") };
    let (body, losses) = sent(&chat(vec![Message::text(Role::System, "a"), system]));
    assert_eq!(
        body["system"],
        json!([{"type": "text", "text": "a"},
            {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}])
    );
    assert!(losses.is_empty());
}

#[test]
fn tools_answers_come_first_in_one_turn_of_the_user() {
    let calls = vec![call("a.1", r#"{"q": 1.0}"#), call("b", "")];
    let asked = Message { tool_calls: calls, ..Message::text(Role::Assistant, "let me see") };
    let failed = Message { is_error: true, ..reported("b", "none") };
    let request = chat(vec![asked, reported("a.1", "found"), failed, Message::text(Role::User, "so?")]);
    let (body, losses) = sent(&request);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "assistant", "content": [{"type": "text", "text": "let me see"},
                {"type": "tool_use", "id": "a_1", "name": "look", "input": {"q": 1.0}},
                {"type": "tool_use", "id": "b", "name": "look", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a_1", "content": "found"},
                {"type": "tool_result", "tool_use_id": "b", "content": "none", "is_error": true},
                {"type": "text", "text": "so?"}]},
        ])
    );
    assert!(losses.is_empty());
}

#[test]
fn a_tools_answer_that_comes_late_still_stands_first() {
    let asked = Message { tool_calls: vec![call("a", "{}")], ..Message::text(Role::Assistant, "") };
    let (body, _) = sent(&chat(vec![asked, Message::text(Role::User, "so?"), reported("a", "found")]));
    assert_eq!(body["messages"][1]["content"][0]["type"], "tool_result");
    assert_eq!(body["messages"][1]["content"][1]["text"], "so?");
    assert_eq!(body["messages"].as_array().map(Vec::len), Some(2));
}

#[test]
fn arguments_that_are_no_object_are_wrapped_and_recorded() {
    for broken in ["{\"a\":", "[1]", "null"] {
        let asked = Message { tool_calls: vec![call("a", broken)], ..Message::text(Role::Assistant, "") };
        let (body, losses) = sent(&chat(vec![asked, reported("a", "")]));
        assert_eq!(body["messages"][0]["content"][0]["input"], json!({ "arguments": broken }));
        assert_eq!(losses, ["messages[0].tool_calls[0].function.arguments"]);
    }
}

#[test]
fn arguments_and_schemas_keep_their_numbers_and_order() {
    let asked = Message {
        tool_calls: vec![call("a", r#"{"z":1.50,"a":12345678901234567890123}"#)],
        ..Message::text(Role::Assistant, "")
    };
    let mut request = chat(vec![asked, reported("a", "")]);
    let schema = serde_json::value::RawValue::from_string(r#"{"type":"object","x":1e2}"#.to_owned());
    request.tools = vec![Tool::Function {
        name: "t".to_owned(),
        description: None,
        parameters: schema.ok(),
        strict: None,
        extras: Vec::new(),
    }];
    let body = encode(&request, &ModelTraits::default(), &mut Losses::default());
    let body = String::from_utf8(body).expect("JSON");
    assert!(body.contains(r#""input":{"z":1.50,"a":12345678901234567890123}"#), "{body}");
    assert!(body.contains(r#""input_schema":{"type":"object","x":1e2}"#), "{body}");
}

#[test]
fn tools_and_choices_are_said_in_anthropics_words() {
    let mut request = chat(vec![Message::text(Role::User, "hi")]);
    request.tools =
        vec![tool(&json!({"properties": {"a": {"anyOf": [{"type": "null"}]}}})), tool(&json!({}))];
    request.parallel_tool_calls = Some(false);
    let (body, _) = sent(&request);
    assert_eq!(body["tools"][0]["input_schema"]["type"], "object");
    assert_eq!(body["tools"][0]["input_schema"]["properties"]["a"]["anyOf"][0]["type"], "null");
    assert_eq!(body["tools"][1]["input_schema"], json!({"type": "object", "properties": {}}));
    assert_eq!(body["tool_choice"], json!({"type": "auto", "disable_parallel_tool_use": true}));
    request.parallel_tool_calls = None;
    for (choice, said) in [
        (ToolChoice::Auto, json!({"type": "auto"})),
        (ToolChoice::None, json!({"type": "none"})),
        (ToolChoice::Required, json!({"type": "any"})),
        (ToolChoice::Function("look".to_owned()), json!({"type": "tool", "name": "look"})),
    ] {
        request.tool_choice = Some(choice);
        assert_eq!(sent(&request).0["tool_choice"], said);
    }
}

#[test]
fn images_and_documents_find_their_sources() {
    let media = |kind, source| {
        let name = (kind == MediaKind::Document).then(|| "d.pdf".to_owned());
        Part::Media(Media { kind, source, name, detail: None, extras: Vec::new() })
    };
    let parts = vec![
        media(MediaKind::Image, MediaSource::Url("https://x/y.png".to_owned())),
        media(MediaKind::Image, MediaSource::Url("data:image/png;base64,AAAA".to_owned())),
        media(
            MediaKind::Document,
            MediaSource::Base64 { media_type: "application/pdf".to_owned(), data: "BBBB".to_owned() },
        ),
        media(MediaKind::Audio, MediaSource::FileId("f".to_owned())),
    ];
    let message = Message { content: Content::Parts(parts), ..Message::text(Role::User, "") };
    let (body, losses) = sent(&chat(vec![message]));
    assert_eq!(
        body["messages"][0]["content"],
        json!([
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"},
                "title": "d.pdf"},
        ])
    );
    assert_eq!(losses, ["messages[0].content[3]"]);
}

#[test]
fn reasoning_goes_back_signed_or_is_recorded() {
    let parts = vec![
        Part::Thinking { text: "hm".to_owned(), signature: Some(Signature::made_by(FAMILY, "sig")) },
        Part::Thinking { text: "unsigned".to_owned(), signature: None },
        Part::RedactedThinking(Signature::made_by(FAMILY, "opaque")),
    ];
    let message = Message { content: Content::Parts(parts), ..Message::text(Role::Assistant, "") };
    let (body, losses) = sent(&chat(vec![message]));
    assert_eq!(
        body["messages"][0]["content"],
        json!([{"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "redacted_thinking", "data": "opaque"}])
    );
    assert_eq!(losses, ["messages[0].content[1]"]);
}

#[test]
fn a_limit_is_always_sent() {
    let mut request = chat(Vec::new());
    let traits = ModelTraits { max_output_tokens: Some(64_000), ..ModelTraits::default() };
    let limit = |request: &ChatRequest| {
        let body = encode(request, &traits, &mut Losses::default());
        serde_json::from_slice::<Value>(&body).expect("JSON")["max_tokens"].clone()
    };
    assert_eq!(limit(&request), 64_000);
    request.sampling.max_tokens = Some(MaxTokens { value: 5, completion: true });
    assert_eq!(limit(&request), 5);
    assert_eq!(sent(&chat(Vec::new())).0["max_tokens"], 4096);
}

#[test]
fn temperatures_are_stretched_and_clamped_and_defaults_yield_to_reasoning_models() {
    let warm = |value, scale, given| Sampling {
        temperature: Some(Temperature { value, scale, given }),
        ..Sampling::default()
    };
    let asked = |sampling| ChatRequest { sampling, ..chat(Vec::new()) };
    let traits = ModelTraits { temperature_max: Some(1.0), ..ModelTraits::default() };
    let sent_with = |request: &ChatRequest, traits: &ModelTraits| {
        let mut losses = Losses::default();
        let body: Value = serde_json::from_slice(&encode(request, traits, &mut losses)).expect("JSON");
        (body.get("temperature").and_then(Value::as_f64), losses.count())
    };
    assert_eq!(sent_with(&asked(warm(1.5, Scale::OfRange(2.0), true)), &traits), (Some(0.75), 0));
    assert_eq!(sent_with(&asked(warm(1.5, Scale::Absolute, true)), &traits), (Some(1.0), 1));
    assert_eq!(sent_with(&asked(warm(0.0, Scale::OfRange(2.0), false)), &traits), (Some(0.0), 0));
    let reasoning = ModelTraits { reasoning: true, ..traits };
    assert_eq!(sent_with(&asked(warm(0.0, Scale::OfRange(2.0), false)), &reasoning), (None, 0));
    let thinking =
        ChatRequest { reasoning: Some(Reasoning::Budget(2000)), ..asked(warm(0.5, Scale::Absolute, true)) };
    assert_eq!(sent_with(&thinking, &reasoning), (None, 1));
}

#[test]
fn reasoning_is_said_as_a_budget_or_an_effort_within_the_apis_bounds() {
    let asked = |reasoning| ChatRequest { reasoning: Some(reasoning), ..chat(Vec::new()) };
    let (body, losses) = sent(&asked(Reasoning::Effort("high".to_owned())));
    assert_eq!(
        (&body["thinking"]["type"], &body["output_config"]["effort"]),
        (&json!("adaptive"), &json!("high"))
    );
    assert!(losses.is_empty());
    let (body, losses) = sent(&asked(Reasoning::Budget(100)));
    assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": 1024}));
    assert_eq!(losses, ["reasoning"]);
    assert_eq!(sent(&asked(Reasoning::Budget(90_000))).0["thinking"]["budget_tokens"], 4095);
    assert_eq!(sent(&asked(Reasoning::Off)).0["thinking"]["type"], "disabled");
    assert_eq!(sent(&asked(Reasoning::Effort("none".to_owned()))).0["thinking"]["type"], "disabled");
    assert_eq!(sent(&asked(Reasoning::Effort("minimal".to_owned()))).1, ["reasoning_effort"]);
}

#[test]
fn a_forced_tool_ends_thinking() {
    let mut request = chat(Vec::new());
    request.tools = vec![tool(&json!({}))];
    request.tool_choice = Some(ToolChoice::Required);
    request.reasoning = Some(Reasoning::Budget(2000));
    let (body, losses) = sent(&request);
    assert_eq!(body.get("thinking"), None);
    assert_eq!(losses, ["reasoning_effort"]);
}

#[test]
fn what_the_api_lacks_is_recorded_and_nothing_else() {
    let mut request = chat(vec![Message { name: Some("n".to_owned()), ..Message::text(Role::User, "hi") }]);
    request.sampling = Sampling {
        n: Some(2),
        seed: Some(1),
        frequency_penalty: Some(0.0),
        presence_penalty: Some(1.0),
        top_p: Some(0.5),
        top_k: Some(4),
        stop: Some(vec!["X".to_owned()]),
        ..Sampling::default()
    };
    request.user = Some("u".to_owned());
    request.response_format = Some(ResponseFormat::JsonObject);
    request.extras.fields = vec![
        ("logit_bias".to_owned(), to_raw(&json!({}))),
        ("service_tier".to_owned(), to_raw("auto")),
        ("thinking".to_owned(), to_raw(&json!({"type": "adaptive"}))),
    ];
    let (body, losses) = sent(&request);
    assert_eq!(
        (&body["top_p"], &body["top_k"], &body["stop_sequences"]),
        (&json!(0.5), &json!(4), &json!(["X"]))
    );
    assert_eq!((&body["metadata"]["user_id"], &body["service_tier"]), (&json!("u"), &json!("auto")));
    let wanted = ["messages[0].name", "n", "presence_penalty", "seed", "response_format", "logit_bias"];
    assert_eq!(losses, wanted);
}

#[test]
fn fields_meant_for_the_provider_pass_and_win() {
    let mut request = chat(Vec::new());
    request.sampling.stop = Some(vec!["A".to_owned()]);
    request.extras = Extras {
        fields: vec![
            ("stop_sequences".to_owned(), to_raw(&["B"])),
            ("anything".to_owned(), to_raw(&json!({"at": ["all"]}))),
        ],
        for_provider: true,
    };
    let (body, losses) = sent(&request);
    assert_eq!((&body["stop_sequences"], &body["anything"]), (&json!(["B"]), &json!({"at": ["all"]})));
    assert!(losses.is_empty());
}

#[test]
fn an_answer_that_was_begun_ends_without_space() {
    let (body, losses) = sent(&chat(vec![Message::text(Role::Assistant, "Sure: \n")]));
    assert_eq!(body["messages"][0]["content"], "Sure:");
    assert_eq!(losses, ["messages[0].content"]);
}
