use super::*;
use crate::canonical::{
    ChatRequest, Content, Losses, MaxTokens, Media, MediaKind, MediaSource, Message, Part, Reasoning,
    ResponseFormat, Role, Sampling, Tool, ToolChoice,
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

#[test]
fn a_request_of_this_api_comes_back_as_it_was() {
    let call =
        json!({"id": "call_1", "function": {"index": 0, "name": "t", "arguments": {"b": 1.50, "a": null}}});
    let function = json!({"name": "t", "description": "d", "parameters": {"type": "object"}});
    let body = json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "q", "images": ["iVBORw0KGgo="]},
            {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [call]},
            {"role": "tool", "content": "r", "tool_name": "t", "tool_call_id": "call_1"},
        ],
        "tools": [{"type": "function", "function": function}],
        "format": {"type": "object"},
        "think": "high",
        "options": {"num_ctx": 4096, "temperature": 0.5, "top_p": 0.9, "top_k": 4, "stop": ["x"], "num_predict": 9,
            "frequency_penalty": 0.1, "presence_penalty": 0.2, "seed": 3},
        "stream": false,
        "keep_alive": "5m",
    });
    assert_eq!(sent(&read(&body)), (body, Vec::new()));
}

#[test]
fn what_is_left_out_has_ollamas_meaning() {
    let request = read(&json!({"messages": [{"role": "user", "content": "x"}], "format": "", "think": true,
        "options": {"num_predict": -1}}));
    assert_eq!(request.stream, Some(true));
    assert!(request.response_format.is_none() && request.sampling.max_tokens.is_none());
    let (body, lost) = sent(&request);
    assert_eq!(
        (&body["think"], &body["options"], lost.len()),
        (&json!(true), &json!({"num_predict": -1}), 0)
    );
    let (body, _) = sent(&asking());
    assert_eq!(body["stream"], false, "a client that does not stream gets no stream");
}

#[test]
fn a_results_tool_is_named_by_the_call_that_it_answers() {
    let call = json!({"function": {"name": "add", "arguments": {"x": 2}}, "type": "function"});
    let request = read(&json!({"messages": [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "5", "tool_name": "add"},
    ]}));
    let id = &request.messages[0].tool_calls[0].id;
    assert!(!id.is_empty());
    assert_eq!(request.messages[1].tool_call_id.as_ref(), Some(id));
    let (body, lost) = sent(&request);
    assert_eq!((&body["messages"][1]["tool_name"], lost.len()), (&json!("add"), 0));
}

#[test]
fn only_images_in_the_request_itself_can_be_seen() {
    let media =
        |kind, source| Part::Media(Media { kind, source, name: None, detail: None, extras: Vec::new() });
    let data = || MediaSource::Base64 { media_type: "image/png".to_owned(), data: "AA".to_owned() };
    let parts = vec![
        Part::Text { text: "see".to_owned(), extras: Vec::new() },
        media(MediaKind::Image, data()),
        media(MediaKind::Image, MediaSource::Url("https://x".to_owned())),
        media(MediaKind::Document, data()),
    ];
    let message = Message { content: Content::Parts(parts), ..Message::text(Role::User, "") };
    let (body, lost) = sent(&ChatRequest { messages: vec![message], ..asking() });
    assert_eq!(body["messages"], json!([{"role": "user", "content": "see", "images": ["AA"]}]));
    assert_eq!(lost, ["messages[0].content[2]", "messages[0].content[3]"]);
}

#[test]
fn what_the_api_lacks_is_recorded() {
    let tool = || Tool::Function {
        name: "t".to_owned(),
        description: None,
        parameters: None,
        strict: None,
        extras: Vec::new(),
    };
    let sampling = Sampling {
        n: Some(2),
        max_tokens: Some(MaxTokens { value: 5, completion: true }),
        ..Sampling::default()
    };
    let request = ChatRequest {
        sampling,
        tools: vec![tool()],
        tool_choice: Some(ToolChoice::Required),
        parallel_tool_calls: Some(false),
        response_format: Some(ResponseFormat::JsonObject),
        reasoning: Some(Reasoning::Budget(5)),
        user: Some("u".to_owned()),
        ..asking()
    };
    let (body, lost) = sent(&request);
    assert_eq!(lost, ["tool_choice", "reasoning", "n", "user", "parallel_tool_calls"]);
    assert_eq!((&body["format"], &body["think"]), (&json!("json"), &json!(true)));
    assert_eq!(body["options"], json!({"num_predict": 5}));
    let none = ChatRequest { tools: vec![tool()], tool_choice: Some(ToolChoice::None), ..asking() };
    let (body, lost) = sent(&none);
    assert_eq!((body.get("tools"), lost), (None, vec!["tools".to_owned()]));
}

#[test]
fn a_wrong_field_is_named() {
    let wrong = |body: &Value| decode(body.to_string().as_bytes()).expect_err("wrong").param;
    assert_eq!(wrong(&json!({})).as_deref(), Some("messages"));
    let messages = json!([{"role": "user", "content": "x"}]);
    let options = json!({"messages": messages, "options": {"top_p": "x"}});
    assert_eq!(wrong(&options).as_deref(), Some("options.top_p"));
    assert_eq!(wrong(&json!({"messages": messages, "format": 5})).as_deref(), Some("format"));
    let call = json!({"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]});
    assert_eq!(wrong(&call).as_deref(), Some("messages[0].tool_calls[0].function.name"));
}
