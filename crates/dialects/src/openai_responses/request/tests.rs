//! Requests read, written, and taken to another API.

use super::{decode, encode};
use crate::canonical::{
    ChatRequest, Class, Content, Losses, Message, Part, Reasoning, ResponseFormat, Role, Signature, Tool,
    ToolCall, ToolChoice,
};
use crate::dialect::{Dialect, ModelTraits};
use crate::openai_chat::OpenAiChat;
use serde_json::{Value, json};

fn read(body: &Value) -> ChatRequest {
    decode(body.to_string().as_bytes()).expect("a request")
}

fn traits() -> ModelTraits {
    ModelTraits { model: Some("m".to_owned()), ..ModelTraits::default() }
}

fn written(request: &ChatRequest) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    let body = encode(request, &traits(), &mut losses);
    let lost = losses.iter().map(|loss| loss.path.clone()).collect();
    (serde_json::from_slice(&body).expect("JSON"), lost)
}

/// The request as a provider of OpenAI's chat API gets it.
fn as_chat(body: &Value) -> (Value, Vec<String>) {
    let mut losses = Losses::default();
    let codec = OpenAiChat.chat().expect("it chats");
    let sent = codec.encode_request(&read(body), &traits(), &mut losses).expect("it can be said");
    let lost = losses.iter().map(|loss| loss.path.clone()).collect();
    (serde_json::from_slice(&sent).expect("JSON"), lost)
}

#[test]
fn a_tool_loop_becomes_turns_with_reasoning_before_text_before_calls() {
    let request = read(&json!({"model": "m", "instructions": "be", "input": [
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"},
            {"type": "summary_text", "text": "so"}], "encrypted_content": "enc"},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look", "arguments": "{}", "status": "completed"},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
            "content": [{"type": "output_text", "text": "see", "annotations": [], "logprobs": []}]},
        {"type": "function_call", "call_id": "c2", "name": "look", "arguments": "{\"q\":1}"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2",
            "output": [{"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "auto"}]}]}));
    let roles: Vec<_> = request.messages.iter().map(|message| message.role.clone()).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::Tool]);
    let turn = &request.messages[2];
    let Content::Parts(parts) = &turn.content else { panic!("parts") };
    assert!(matches!(&parts[0], Part::Thinking { text, signature: Some(_) } if text == "hm\n\nso"));
    assert!(matches!(&parts[1], Part::Text { text, extras } if text == "see" && extras.is_empty()));
    let ids: Vec<_> = turn.tool_calls.iter().map(|call| call.id.as_str()).collect();
    assert_eq!(ids, ["c1", "c2"]);
    assert!(
        matches!(&request.messages[4].content, Content::Parts(parts) if matches!(parts[0], Part::Media(_)))
    );
}

#[test]
fn what_only_a_server_that_keeps_responses_can_do_is_refused_by_name() {
    for (field, value) in [
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!({"id": "conv_1"})),
        ("prompt", json!({"id": "pmpt_1"})),
        ("background", json!(true)),
    ] {
        let failure =
            decode(json!({"input": "hi", field: value}).to_string().as_bytes()).expect_err("refused");
        assert_eq!((failure.class, failure.param.as_deref()), (Class::InvalidRequest, Some(field)));
    }
    let fine = json!({"input": "hi", "background": false, "previous_response_id": null, "store": true});
    assert_eq!(read(&fine).messages.len(), 1);
    for reference in [json!({"type": "item_reference", "id": "rs_1"}), json!({"id": "rs_1"})] {
        let failure = decode(json!({"input": [reference]}).to_string().as_bytes()).expect_err("refused");
        assert_eq!(failure.param.as_deref(), Some("input[0]"));
    }
}

#[test]
fn a_wrong_field_is_named_by_its_path() {
    for (body, path) in [
        (json!({}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": 1}), "input"),
        (json!({"input": [{}]}), "input[0].type"),
        (json!({"input": [{"role": "user"}]}), "input[0].content"),
        (json!({"input": [{"role": "boss", "content": ""}]}), "input[0].role"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}),
            "input[0].content[0].text",
        ),
        (json!({"input": [{"type": "function_call", "name": "n"}]}), "input[0].call_id"),
        (json!({"input": [{"type": "function_call_output", "call_id": "c"}]}), "input[0].output"),
        (json!({"input": "x", "tools": [{"type": "function"}]}), "tools[0].name"),
        (json!({"input": "x", "text": {"format": {}}}), "text.format.type"),
        (json!({"input": "x", "max_output_tokens": -1}), "max_output_tokens"),
        (json!({"input": "x", "reasoning": {"effort": 1}}), "reasoning.effort"),
        (json!({"input": "x", "tool_choice": {"type": "function"}}), "tool_choice.name"),
    ] {
        let failure = decode(body.to_string().as_bytes()).expect_err("a wrong field");
        assert_eq!(failure.param.as_deref(), Some(path), "{body}");
    }
}

#[test]
fn what_the_terminals_coding_client_sends_reaches_a_chat_model() {
    let (body, lost) = as_chat(&json!({"model": "r", "instructions": "be", "stream": true, "store": false,
        "input": [{"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "d"}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "go"}]}],
        "tools": [{"type": "function", "name": "shell", "description": "runs", "strict": false,
                "parameters": {"type": "object", "properties": {}}},
            {"type": "web_search"}],
        "tool_choice": "auto", "parallel_tool_calls": false, "reasoning": {"effort": "low", "summary": "auto"},
        "include": ["reasoning.encrypted_content"], "prompt_cache_key": "k",
        "text": {"verbosity": "low"}}));
    assert_eq!(body["messages"][0], json!({"role": "system", "content": "be"}));
    assert_eq!(body["tools"][0]["function"]["name"], "shell");
    assert_eq!(body["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!((&body["stream"], &body["parallel_tool_calls"]), (&json!(true), &json!(false)));
    assert_eq!(body["stream_options"], json!({"include_usage": true}));
    assert_eq!(lost, ["tools[1]", "text.verbosity", "reasoning.summary", "prompt_cache_key"]);
}

#[test]
fn a_custom_tool_is_a_function_of_one_text_elsewhere_and_itself_again_here() {
    let grammar = json!({"type": "grammar", "syntax": "lark", "definition": "start: A"});
    let body = json!({"model": "m", "input": [
            {"role": "user", "content": "go"},
            {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "patch", "input": "a\n\"b\""},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "done"}],
        "tools": [{"type": "custom", "name": "patch", "description": "d", "format": grammar},
            {"type": "custom", "name": "note", "format": {"type": "text"}}],
        "tool_choice": {"type": "custom", "name": "patch"}});
    let (chat, lost) = as_chat(&body);
    let schema = &chat["tools"][0]["function"]["parameters"];
    assert_eq!(schema["required"].as_array().map(Vec::len), Some(1));
    let arguments = chat["messages"][1]["tool_calls"][0]["function"]["arguments"].as_str().expect("text");
    let arguments: Value = serde_json::from_str(arguments).expect("JSON");
    assert_eq!(arguments.as_object().and_then(|fields| fields.values().next()), Some(&json!("a\n\"b\"")));
    assert_eq!(chat["messages"][2], json!({"role": "tool", "content": "done", "tool_call_id": "c"}));
    assert_eq!(chat["tool_choice"], json!({"type": "function", "function": {"name": "patch"}}));
    assert_eq!(lost, ["tools[0].format"], "no other API holds a model to a grammar");

    let (again, lost) = written(&read(&body));
    assert_eq!(
        again["tools"],
        json!([{"type": "custom", "name": "patch", "description": "d", "format": grammar},
        {"type": "custom", "name": "note"}])
    );
    assert_eq!(again["input"][1]["input"], "a\n\"b\"");
    assert_eq!(again["input"][2]["type"], "custom_tool_call_output");
    assert_eq!(again["tool_choice"], json!({"type": "custom", "name": "patch"}));
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn every_choice_of_tools_is_understood() {
    let tools = json!([{"type": "function", "name": "a"}, {"type": "function", "name": "b"}, {"type": "mcp", "server_label": "s"}]);
    let choose = |choice: Value| read(&json!({"input": "x", "tools": tools, "tool_choice": choice}));
    assert!(matches!(choose(json!("auto")).tool_choice, Some(ToolChoice::Auto)));
    assert!(matches!(choose(json!("none")).tool_choice, Some(ToolChoice::None)));
    assert!(matches!(choose(json!("required")).tool_choice, Some(ToolChoice::Required)));
    let one = choose(json!({"type": "function", "name": "b"}));
    assert!(matches!(one.tool_choice, Some(ToolChoice::Function(name)) if name == "b"));
    let some = json!([{"type": "function", "name": "b"}, {"type": "mcp", "server_label": "s"}]);
    let some = choose(json!({"type": "allowed_tools", "mode": "required", "tools": some}));
    assert!(matches!(some.tool_choice, Some(ToolChoice::Required)));
    assert!(matches!(&some.tools[..], [Tool::Function { name, .. }, Tool::Unknown(_)] if name == "b"));
    for other in [json!({"type": "web_search"}), json!({"type": "allowed_tools", "tools": [{"name": "zz"}]})]
    {
        let other = choose(other);
        assert!(matches!(other.tool_choice, Some(ToolChoice::Unknown(_))));
        assert_eq!(other.tools.len(), 3);
    }
}

#[test]
fn the_form_of_the_answer_and_files_are_read() {
    let request = read(&json!({"input": [{"role": "user", "content": [
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
            {"type": "input_file", "file_url": "https://x/y.pdf"}, {"type": "input_image", "file_id": "f"},
            {"type": "input_audio", "input_audio": {}}]}],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}}}));
    assert!(matches!(request.response_format, Some(ResponseFormat::JsonSchema { strict: Some(true), .. })));
    let Content::Parts(parts) = &request.messages[0].content else { panic!("parts") };
    assert!(parts[..3].iter().all(|part| matches!(part, Part::Media(_))));
    assert!(matches!(parts[3], Part::Unknown(_)));
}

#[test]
fn reasoning_goes_back_to_its_maker_alone() {
    let said = |signature: Signature| {
        let part = Part::Thinking { text: "hm".to_owned(), signature: Some(signature) };
        let message = Message { content: Content::Parts(vec![part]), ..Message::text(Role::Assistant, "") };
        ChatRequest { messages: vec![Message::text(Role::User, "x"), message], ..ChatRequest::default() }
    };
    let (own, lost) = written(&said(Signature::made_by("openai", "enc")));
    let item = json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "enc"});
    assert_eq!((&own["input"][1], lost.len()), (&item, 0));
    let (other, lost) = written(&said(Signature::made_by("anthropic", "sig")));
    assert_eq!(
        (other["input"].as_array().map(Vec::len), lost),
        (Some(1), vec!["messages[1].content[0]".to_owned()])
    );
    // An item that only names what its server keeps is no reasoning that could be told.
    let named = read(
        &json!({"input": [{"role": "user", "content": "x"}, {"type": "reasoning", "id": "rs_1", "summary": []}]}),
    );
    assert!(
        matches!(&named.messages[1].content, Content::Parts(parts) if matches!(parts[0], Part::Unknown(_)))
    );
}

#[test]
fn a_chat_becomes_items_that_are_not_stored() {
    let call = ToolCall {
        id: "c".to_owned(),
        name: "look".to_owned(),
        arguments: String::new(),
        signature: None,
        extras: Vec::new(),
    };
    let answer = Message { tool_calls: vec![call], ..Message::text(Role::Assistant, "see") };
    let result =
        Message { tool_call_id: Some("c".to_owned()), is_error: true, ..Message::text(Role::Tool, "no") };
    let function = Tool::Function {
        name: "look".to_owned(),
        description: None,
        parameters: None,
        strict: None,
        extras: Vec::new(),
    };
    let request = ChatRequest {
        messages: vec![Message::text(Role::System, "be"), Message::text(Role::User, "hi"), answer, result],
        tools: vec![function],
        reasoning: Some(Reasoning::Effort("low".to_owned())),
        ..ChatRequest::default()
    };
    let (body, lost) = written(&request);
    let wanted = json!({"model": "m", "instructions": "be", "input": [
            {"type": "message", "role": "user", "content": "hi"},
            {"type": "message", "role": "assistant", "content": "see"},
            {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "no"}],
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}, "strict": false}],
        "reasoning": {"effort": "low"}, "store": false});
    assert_eq!(body, wanted);
    assert_eq!(lost, ["messages[3].is_error"]);
    let model = ModelTraits { reasoning: true, ..traits() };
    let body: Value =
        serde_json::from_slice(&encode(&request, &model, &mut Losses::default())).expect("JSON");
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
}

#[test]
fn the_chat_apis_own_wishes_are_said_in_this_apis_words() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "logprobs": true, "top_logprobs": 2,
        "verbosity": "low", "service_tier": "flex", "prompt_cache_key": "k", "metadata": {"a": "b"}, "max_tokens": 3,
        "stop": ["X"], "modalities": ["text"]});
    let request =
        OpenAiChat.chat().expect("it chats").decode_request(body.to_string().as_bytes()).expect("a request");
    let (body, mut lost) = written(&request);
    assert_eq!(body["include"], json!(["message.output_text.logprobs"]));
    assert_eq!((&body["top_logprobs"], &body["text"]), (&json!(2), &json!({"verbosity": "low"})));
    assert_eq!((&body["service_tier"], &body["metadata"]), (&json!("flex"), &json!({"a": "b"})));
    assert_eq!(body["max_output_tokens"], 16);
    lost.sort();
    assert_eq!(lost, ["max_tokens", "modalities", "stop"]);
}
