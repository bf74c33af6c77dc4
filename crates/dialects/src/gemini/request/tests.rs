//! Requests in both directions.

use super::{decode, encode};
use crate::canonical::{
    ChatRequest, Content, Losses, Media, MediaKind, MediaSource, Message, Part, Reasoning, ResponseFormat,
    Role, Sampling, Signature, Tool, ToolCall, ToolChoice,
};
use crate::dialect::ModelTraits;
use crate::raw::to_raw;
use serde_json::{Value, json};

fn read(body: &Value) -> ChatRequest {
    decode(body.to_string().as_bytes()).expect("a request")
}

fn sent_to(request: &ChatRequest, budgets: bool) -> (Value, Losses) {
    let traits =
        ModelTraits { model_in_url: true, budgets, temperature_max: Some(2.0), ..ModelTraits::default() };
    let mut losses = Losses::default();
    let body = encode(request, &traits, &mut losses);
    (serde_json::from_slice(&body).expect("JSON"), losses)
}

fn sent(request: &ChatRequest) -> (Value, Vec<String>) {
    let (body, losses) = sent_to(request, true);
    (body, losses.iter().map(|loss| loss.path.clone()).collect())
}

fn call(id: &str, name: &str) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments: "{}".into(), signature: None, extras: vec![] }
}

fn answer(id: &str, text: &str) -> Message {
    Message { tool_call_id: Some(id.to_owned()), ..Message::text(Role::Tool, text) }
}

fn function(name: &str, parameters: Value, strict: Option<bool>) -> Tool {
    let parameters = Some(to_raw(&parameters));
    Tool::Function { name: name.into(), description: None, parameters, strict, extras: vec![] }
}

#[test]
fn a_request_comes_back_as_it_was() {
    let body = json!({
        "contents": [
            {"role": "user", "parts": [{"text": "a"}, {"text": "b"},
                {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
            {"role": "model", "parts": [{"text": "hm", "thought": true, "thoughtSignature": "cw=="},
                {"functionCall": {"name": "look", "args": {"q": 1.5}}, "thoughtSignature": "eA=="},
                {"functionCall": {"name": "look", "args": {}}}, {"functionCall": {"id": "7", "name": "find", "args": {}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"output": "x"}}},
                {"functionResponse": {"name": "look", "response": {"error": "gone"}}},
                {"functionResponse": {"id": "7", "name": "find", "response": {"a": 1.50},
                    "parts": [{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]}},
                {"text": "so?"}]}],
        "systemInstruction": {"parts": [{"text": "be kind"}]},
        "tools": [{"functionDeclarations": [
                {"name": "look", "description": "d", "parameters": {"type": "object", "properties": {"q": {"type": "number"}}}},
                {"name": "find", "parametersJsonSchema": {"type": "object", "properties": {"$ref": {"$ref": "#/$defs/x"}}}}]},
            {"googleSearch": {}}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look", "find"]},
            "retrievalConfig": {"languageCode": "de"}},
        "generationConfig": {"temperature": 0.5, "topP": 0.9, "topK": 40, "candidateCount": 2, "maxOutputTokens": 99,
            "stopSequences": ["X"], "presencePenalty": 0.1, "frequencyPenalty": 0.2, "seed": 7,
            "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"},
            "responseLogprobs": true, "thinkingConfig": {"thinkingBudget": 512, "includeThoughts": true}},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/1"});
    let (again, lost) = sent(&read(&body));
    assert_eq!(again, body);
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn snake_case_single_objects_and_nulls_are_the_same() {
    let request =
        read(&json!({"system_instruction": {"parts": {"text": "s"}}, "contents": {"parts": {"text": "hi"}},
        "tools": {"function_declarations": [{"name": "f", "parameters": {"type": "OBJECT", "properties":
            {"a": {"type": "STRING"}}}}]}, "safetySettings": null,
        "tool_config": {"function_calling_config": {"mode": 2}},
        "generation_config": {"max_output_tokens": 5, "top_k": 40.0, "response_modalities": ["TEXT"],
            "thinking_config": {"thinking_level": "LOW", "include_thoughts": true}}}));
    let roles: Vec<_> = request.messages.iter().map(|message| message.role.clone()).collect();
    assert_eq!(roles, [Role::System, Role::User]);
    assert!(matches!(request.tool_choice, Some(ToolChoice::Required)));
    assert_eq!(
        (request.sampling.top_k, request.sampling.max_tokens.map(|most| most.value)),
        (Some(40), Some(5))
    );
    assert_eq!(request.reasoning, Some(Reasoning::Effort("low".to_owned())));
    assert!(request.extras.fields.is_empty(), "{:?}", request.extras);
    let Tool::Function { parameters: Some(schema), .. } = &request.tools[0] else { panic!("a function") };
    assert_eq!(schema.get(), r#"{"type":"object","properties":{"a":{"type":"string"}}}"#);
}

#[test]
fn answers_find_their_calls_by_id_or_by_name_in_order() {
    let request = read(&json!({"contents": [
        {"role": "model", "parts": [{"functionCall": {"name": "a"}}, {"functionCall": {"name": "b", "id": "B"}},
            {"functionCall": {"name": "a"}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "b", "id": "B", "response": {}}},
            {"functionResponse": {"name": "a", "response": {"n": 1}}}, {"functionResponse": {"name": "a", "response": {"n": 2}}},
            {"functionResponse": {"name": "c", "response": {"error": "no"}}}]}]}));
    let calls = &request.messages[0].tool_calls;
    let ids: Vec<_> =
        request.messages[1..].iter().map(|message| message.tool_call_id.clone().expect("an id")).collect();
    assert_eq!(ids[..3], [calls[1].id.clone(), calls[0].id.clone(), calls[2].id.clone()]);
    assert_ne!(calls[0].id, calls[2].id);
    assert_eq!((request.messages[1].name.as_deref(), request.messages[4].name.as_deref()), (None, Some("c")));
    assert!(request.messages[4].is_error);
}

#[test]
fn the_pieces_of_a_streamed_answer_that_a_client_keeps_as_turns_are_one_answer() {
    let piece = |part: Value| json!({"role": "model", "parts": [part]});
    let request = read(&json!({"contents": [
        piece(json!({"text": "I ", "thought": true})), piece(json!({"text": "see", "thought": true})),
        piece(json!({"text": "", "thought": true, "thoughtSignature": "cw=="})),
        piece(json!({"text": "Hel"})), piece(json!({"text": "lo"})),
        piece(json!({"functionCall": {"name": "look"}})), piece(json!({"functionCall": {"name": "look"}})),
        piece(json!({"text": ""})),
        {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {}}},
            {"functionResponse": {"name": "look", "response": {}}}]}]}));
    let [said, first, second] = request.messages.as_slice() else { panic!("{:?}", request.messages) };
    let Content::Parts(parts) = &said.content else { panic!("parts") };
    assert!(matches!(&parts[0], Part::Thinking { text, signature: Some(_) } if text == "I see"));
    assert!(matches!(&parts[1], Part::Text { text, .. } if text == "Hello"));
    let ids: Vec<_> = said.tool_calls.iter().map(|call| Some(call.id.clone())).collect();
    assert_eq!(ids, [first.tool_call_id.clone(), second.tool_call_id.clone()]);
}

#[test]
fn answers_of_other_apis_get_their_names_and_the_order_of_their_calls() {
    let calls = vec![call("1", "look"), call("2", "find")];
    let mut failed = answer("1", "boom");
    failed.is_error = true;
    let request = ChatRequest {
        messages: vec![
            Message { content: Content::None, tool_calls: calls, ..Message::text(Role::Assistant, "") },
            answer("2", r#"{"found":1.0}"#),
            failed,
            Message::text(Role::User, "so?"),
            answer("9", "nobody asked"),
        ],
        ..ChatRequest::default()
    };
    let (body, lost) = sent(&request);
    let parts = &body["contents"][1]["parts"];
    assert_eq!(
        parts[0],
        json!({"functionResponse": {"id": "1", "name": "look", "response": {"error": "boom"}}})
    );
    assert_eq!(
        parts[1],
        json!({"functionResponse": {"id": "2", "name": "find", "response": {"found": 1.0}}})
    );
    assert_eq!(parts[2]["text"], "so?");
    assert_eq!(lost, ["messages[4]"]);
}

#[test]
fn calls_that_nobody_signed_bear_the_word_that_models_which_check_it_take() {
    let asked = |signature| {
        let mut first = call("1", "look");
        first.signature = signature;
        let made = Message {
            content: Content::None,
            tool_calls: vec![first, call("2", "look")],
            ..Message::text(Role::Assistant, "")
        };
        let messages = vec![made.clone(), Message::text(Role::User, "q"), made];
        ChatRequest { messages, ..ChatRequest::default() }
    };
    let signature = |request: &ChatRequest, budgets, turn: usize, part: usize| {
        let (body, losses) = sent_to(request, budgets);
        (body["contents"][turn]["parts"][part]["thoughtSignature"].clone(), losses.count())
    };
    let unsigned = asked(None);
    assert_eq!(signature(&unsigned, false, 2, 0), (json!("skip_thought_signature_validator"), 0));
    assert_eq!(signature(&unsigned, false, 2, 1).0, Value::Null);
    assert_eq!(signature(&unsigned, false, 0, 0).0, Value::Null, "past turns are not checked");
    assert_eq!(signature(&unsigned, true, 2, 0).0, Value::Null);
    let own = asked(Some(Signature::made_by("gemini", "eA==")));
    assert_eq!(signature(&own, false, 2, 0), (json!("eA=="), 0));
    let foreign = asked(Some(Signature::made_by("anthropic", "s")));
    assert_eq!(signature(&foreign, false, 2, 0), (json!("skip_thought_signature_validator"), 2));
}

#[test]
fn reasoning_is_a_budget_or_a_level_as_the_model_has_it() {
    let with = |reasoning, budgets| {
        let request = ChatRequest { reasoning: Some(reasoning), ..ChatRequest::default() };
        let (body, losses) = sent_to(&request, budgets);
        (body["generationConfig"]["thinkingConfig"].clone(), losses.count())
    };
    let effort = |level: &str| Reasoning::Effort(level.to_owned());
    assert_eq!(with(effort("high"), true), (json!({"thinkingBudget": 24576, "includeThoughts": true}), 0));
    assert_eq!(with(effort("high"), false), (json!({"thinkingLevel": "HIGH", "includeThoughts": true}), 0));
    assert_eq!(with(effort("max"), false), (json!({"thinkingLevel": "HIGH", "includeThoughts": true}), 1));
    assert_eq!(
        with(Reasoning::Budget(2000), false),
        (json!({"thinkingBudget": 2000, "includeThoughts": true}), 0)
    );
    assert_eq!(with(Reasoning::Off, true), (json!({"thinkingBudget": 0}), 0));
    assert_eq!(with(effort("none"), false), (json!({"thinkingLevel": "LOW"}), 1));
    assert_eq!(with(effort("immense"), true), (Value::Null, 1));
}

#[test]
fn thinking_that_others_cannot_say_is_kept_under_its_path() {
    let extras = |config: Value| {
        let request = read(&json!({"contents": [], "generationConfig": {"thinkingConfig": config}}));
        let (body, lost) = sent(&request);
        assert!(lost.is_empty());
        assert_eq!(body["generationConfig"]["thinkingConfig"], config);
        request.extras.fields.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let path = |name: &str| vec![format!("generationConfig.thinkingConfig.{name}")];
    assert_eq!(extras(json!({"thinkingBudget": -1})), path("thinkingBudget"));
    assert_eq!(extras(json!({"thinkingBudget": 9, "includeThoughts": false})), path("includeThoughts"));
    assert_eq!(extras(json!({"includeThoughts": true})), path("includeThoughts"));
    assert_eq!(extras(json!({"thinkingBudget": 0})), Vec::<String>::new());
}

#[test]
fn wishes_of_other_apis_arrive_or_are_recorded() {
    let image = Media {
        kind: MediaKind::Image,
        source: MediaSource::Url("https://x/a.png".to_owned()),
        name: None,
        detail: None,
        extras: vec![],
    };
    let request = ChatRequest {
        messages: vec![
            Message::text(Role::Developer, "rules"),
            Message { content: Content::Parts(vec![Part::Media(image)]), ..Message::text(Role::User, "") },
            Message::text(Role::Function, "old"),
        ],
        sampling: Sampling {
            stop: Some(["1", "2", "3", "4", "5", "6"].map(str::to_owned).to_vec()),
            seed: Some(1 << 40),
            ..Sampling::default()
        },
        tools: vec![
            function("a", json!({"type": "object", "properties": {}}), Some(true)),
            function("b", json!({"$ref": "#/$defs/b", "$defs": {"b": {"type": "object"}}}), None),
            Tool::Unknown(to_raw(&json!({"type": "web_search"}))),
        ],
        parallel_tool_calls: Some(false),
        response_format: Some(ResponseFormat::JsonObject),
        user: Some("u".to_owned()),
        ..ChatRequest::default()
    };
    let (body, lost) = sent(&request);
    assert_eq!(body["systemInstruction"], json!({"parts": [{"text": "rules"}]}));
    assert_eq!(
        body["contents"][0]["parts"][0],
        json!({"fileData": {"mimeType": "image/png", "fileUri": "https://x/a.png"}})
    );
    let functions = &body["tools"][0]["functionDeclarations"];
    assert_eq!(functions[0], json!({"name": "a", "parameters": {"type": "object", "properties": {}}}));
    assert!(functions[1]["parametersJsonSchema"].is_object());
    assert_eq!(body["toolConfig"], json!({"functionCallingConfig": {"mode": "VALIDATED"}}));
    assert_eq!(body["generationConfig"]["stopSequences"].as_array().map(Vec::len), Some(5));
    assert_eq!(body["generationConfig"]["responseMimeType"], "application/json");
    assert_eq!(lost, ["messages[2]", "tools[2]", "parallel_tool_calls", "stop", "seed", "user"]);
}

#[test]
fn instructions_alone_are_a_turn_of_the_user() {
    let messages = vec![Message::text(Role::System, "s")];
    let (body, lost) = sent(&ChatRequest { messages, ..ChatRequest::default() });
    assert_eq!(body, json!({"contents": [{"role": "user", "parts": [{"text": "s"}]}]}));
    assert_eq!(lost, ["messages[0].role"]);
}

#[test]
fn a_wrong_field_is_named_by_its_path() {
    for (body, path) in [
        (json!({}), "contents"),
        (json!({"contents": "hi"}), "contents"),
        (json!({"contents": [{"parts": [{"text": 1}]}]}), "contents[0].parts[0].text"),
        (
            json!({"contents": [{"role": "model", "parts": [{"functionCall": {}}]}]}),
            "contents[0].parts[0].functionCall.name",
        ),
        (json!({"contents": [], "generationConfig": {"topK": -1}}), "generationConfig.topK"),
        (
            json!({"contents": [], "tools": [{"functionDeclarations": [{}]}]}),
            "tools[0].functionDeclarations[0].name",
        ),
        (
            json!({"contents": [], "toolConfig": {"functionCallingConfig": {"mode": []}}}),
            "toolConfig.functionCallingConfig.mode",
        ),
        (json!({"contents": [], "systemInstruction": 1}), "systemInstruction"),
    ] {
        let failure = decode(body.to_string().as_bytes()).expect_err("a wrong field");
        assert_eq!(failure.param.as_deref(), Some(path));
    }
}
