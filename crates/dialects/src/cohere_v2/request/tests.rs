use super::*;
use crate::canonical::{
    ChatRequest, Content, Losses, MaxTokens, Message, Part, Reasoning, Role, Sampling, Signature, Tool,
    ToolChoice,
};
use crate::dialect::ModelTraits;
use serde_json::{Value, json};

fn read(body: &Value) -> ChatRequest {
    decode(body.to_string().as_bytes()).expect("a request")
}

fn sent(request: &ChatRequest) -> (Value, Vec<String>) {
    let traits = ModelTraits { model: request.model.clone(), ..ModelTraits::default() };
    let mut losses = Losses::default();
    let body = encode(request, &traits, &mut losses);
    let lost = losses.iter().map(|loss| loss.path.clone()).collect();
    (serde_json::from_slice(&body).expect("JSON"), lost)
}

fn asking() -> ChatRequest {
    ChatRequest {
        model: Some("m".to_owned()),
        messages: vec![Message::text(Role::User, "hi")],
        ..ChatRequest::default()
    }
}

fn tool(name: &str, strict: Option<bool>) -> Tool {
    Tool::Function { name: name.to_owned(), description: None, parameters: None, strict, extras: Vec::new() }
}

#[test]
fn a_request_of_this_api_comes_back_as_it_was() {
    let function = json!({"name": "t", "description": "d", "parameters": {"type": "object"}});
    let call =
        json!({"id": "t_1", "type": "function", "function": {"name": "t", "arguments": "{\"a\":1.0}"}});
    let document = json!({"id": "d", "data": {"text": "x"}});
    let body = json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "q"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}}]},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "t_1", "content": [{"type": "document", "document": document}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}]},
            {"role": "user", "content": "again"},
        ],
        "tools": [{"type": "function", "function": function}],
        "strict_tools": true,
        "tool_choice": "REQUIRED",
        "response_format": {"type": "json_object", "json_schema": {"type": "object", "required": ["x"]}},
        "thinking": {"type": "enabled", "token_budget": 7},
        "temperature": 0.5, "p": 0.9, "k": 4, "stop_sequences": ["x"], "max_tokens": 9,
        "frequency_penalty": 0.1, "presence_penalty": 0.2, "seed": 3,
        "stream": false,
        "documents": [{"id": "d", "data": "text"}],
        "citation_options": {"mode": "OFF"},
        "safety_mode": "STRICT",
    });
    assert_eq!(sent(&read(&body)), (body, Vec::new()));
}

#[test]
fn a_tools_document_is_text_for_every_other_api() {
    let data = json!({"title": "t", "text": "x"});
    let part = json!({"type": "document", "document": {"id": "d", "data": data}});
    let message = json!({"role": "tool", "tool_call_id": "c", "content": [part]});
    let request = read(&json!({"messages": [message]}));
    assert_eq!(request.messages[0].content.joined_text(), data.to_string());
}

#[test]
fn choices_and_formats_have_their_own_words() {
    let choice = |choice| {
        let tools = vec![tool("a", None), tool("b", None)];
        let (body, lost) = sent(&ChatRequest { tools, tool_choice: Some(choice), ..asking() });
        let names = body["tools"].as_array().expect("tools").iter();
        let names: Vec<_> = names.map(|tool| tool["function"]["name"].clone()).collect();
        (body.get("tool_choice").cloned(), names.len(), lost.len())
    };
    assert_eq!(choice(ToolChoice::Auto), (None, 2, 0));
    assert_eq!(choice(ToolChoice::None), (Some(json!("NONE")), 2, 0));
    assert_eq!(choice(ToolChoice::Required), (Some(json!("REQUIRED")), 2, 0));
    assert_eq!(choice(ToolChoice::Function("b".to_owned())), (Some(json!("REQUIRED")), 1, 0));
    assert_eq!(choice(ToolChoice::Function("c".to_owned())), (Some(json!("REQUIRED")), 2, 1));
    let mixed = vec![tool("a", Some(true)), tool("b", None)];
    let (body, lost) = sent(&ChatRequest { tools: mixed, ..asking() });
    assert_eq!((body.get("strict_tools"), lost), (None, vec!["tools[0].function.strict".to_owned()]));
}

#[test]
fn levels_of_effort_become_budgets_and_the_highest_none() {
    let thinking = |reasoning| {
        let (body, lost) = sent(&ChatRequest { reasoning: Some(reasoning), ..asking() });
        (body["thinking"].clone(), lost.len())
    };
    let level = |level: &str| thinking(Reasoning::Effort(level.to_owned()));
    assert_eq!(level("none"), (json!({"type": "disabled"}), 0));
    assert_eq!(level("low"), (json!({"type": "enabled", "token_budget": 2048}), 1));
    assert_eq!(level("high"), (json!({"type": "enabled"}), 0));
    assert_eq!(thinking(Reasoning::Budget(5)), (json!({"type": "enabled", "token_budget": 5}), 0));
    assert_eq!(thinking(Reasoning::Off), (json!({"type": "disabled"}), 0));
    let open =
        read(&json!({"messages": [{"role": "user", "content": "x"}], "thinking": {"type": "enabled"}}));
    assert_eq!(open.reasoning, Some(Reasoning::Effort("high".to_owned())));
}

#[test]
fn numbers_outside_the_ranges_are_moved_and_recorded() {
    let sampling = Sampling {
        top_p: Some(1.0),
        top_k: Some(1000),
        frequency_penalty: Some(-0.5),
        presence_penalty: Some(0.5),
        n: Some(2),
        max_tokens: Some(MaxTokens { value: 5, completion: true }),
        stop: Some((0..6).map(|number| number.to_string()).collect()),
        ..Sampling::default()
    };
    let (body, lost) = sent(&ChatRequest { sampling, ..asking() });
    assert_eq!(lost, ["top_p", "frequency_penalty", "top_k", "stop", "n"]);
    assert_eq!(
        (&body["p"], &body["k"], &body["frequency_penalty"]),
        (&json!(0.99), &json!(500), &json!(0.0))
    );
    assert_eq!((&body["max_tokens"], body["stop_sequences"].as_array().map(Vec::len)), (&json!(5), Some(5)));
}

#[test]
fn what_no_message_of_this_api_can_hold_is_recorded_with_its_place() {
    let signed = Part::Thinking { text: "hm".to_owned(), signature: Some(Signature::made_by("x", "s")) };
    let hidden = Part::RedactedThinking(Signature::made_by("x", "s"));
    let mut turn = Message::text(Role::Assistant, "");
    turn.content = Content::Parts(vec![signed, hidden]);
    let lonely = Message::text(Role::Tool, "result");
    let empty = Message { content: Content::None, ..Message::text(Role::Assistant, "") };
    let (body, lost) = sent(&ChatRequest { messages: vec![turn, lonely, empty], ..asking() });
    assert_eq!(
        lost,
        ["messages[0].content[0].signature", "messages[0].content[1]", "messages[1]", "messages[2]",]
    );
    let thinking = json!([{"type": "thinking", "thinking": "hm"}]);
    assert_eq!(body["messages"], json!([{"role": "assistant", "content": thinking}]));
}

#[test]
fn a_wrong_field_is_named() {
    let wrong = |body: &Value| decode(body.to_string().as_bytes()).expect_err("wrong").param;
    assert_eq!(wrong(&json!({})).as_deref(), Some("messages"));
    assert_eq!(wrong(&json!({"messages": [{"content": "x"}]})).as_deref(), Some("messages[0].role"));
    let part = json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]});
    assert_eq!(wrong(&part).as_deref(), Some("messages[0].content[0].text"));
    let message = json!([{"role": "user", "content": "x"}]);
    let choice = json!({"messages": message, "tool_choice": {"type": "auto"}});
    assert_eq!(wrong(&choice).as_deref(), Some("tool_choice"));
}
