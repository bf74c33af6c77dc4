//! Requests, read from a client.

use super::blocks::{self, Block};
use super::tools;
use crate::anthropic;
use crate::canonical::{
    ChatRequest, Content, Extras, MaxTokens, Message, Part, RawJson, Reasoning, ResponseFormat, Role,
    Sampling, Scale, Temperature,
};
use crate::object::{Fields, Misread, objects};
use serde_json::value::RawValue;

/// Reads a request.
pub(super) fn decode(body: &[u8]) -> Result<ChatRequest, Misread> {
    let mut fields = Fields::of_body(body)?;
    let mut messages = Vec::new();
    if let Some(system) = fields.raw("system") {
        let content = read_content(system, &fields.path("system"))?;
        messages.push(Message { content, ..Message::text(Role::System, "") });
    }
    if !fields.has("messages") {
        return Err(Misread { path: "messages".to_owned(), expected: "must be a list" });
    }
    for (mut turn, _) in fields.objects("messages")? {
        read_turn(&mut turn, &mut messages)?;
    }
    let mut extras = Vec::new();
    let user = anthropic::take_user(&mut fields, &mut extras)?;
    let (tool_choice, parallel_tool_calls) = tools::read_choice(&mut fields)?;
    let mut reasoning = read_thinking(&mut fields, &mut extras)?;
    let response_format = read_output(&mut fields, &mut reasoning, &mut extras)?;
    let sampling = read_sampling(&mut fields)?;
    let request = ChatRequest {
        model: fields.take("model")?,
        messages,
        sampling,
        tools: tools::read(&mut fields)?,
        tool_choice,
        parallel_tool_calls,
        response_format,
        reasoning,
        stream: fields.take("stream")?,
        stream_usage: true,
        user,
        extras: Extras::default(),
    };
    extras.extend(fields.rest());
    Ok(ChatRequest { extras: Extras { fields: extras, for_provider: false }, ..request })
}

fn read_sampling(fields: &mut Fields<'_>) -> Result<Sampling, Misread> {
    let temperature: Option<f64> = fields.take("temperature")?;
    let max_tokens: Option<u64> = fields.take("max_tokens")?;
    Ok(Sampling {
        temperature: temperature.map(|value| Temperature { value, scale: Scale::Absolute, given: true }),
        top_p: fields.take("top_p")?,
        top_k: fields.take("top_k")?,
        stop: fields.take::<Vec<String>>("stop_sequences")?.filter(|stop| !stop.is_empty()),
        max_tokens: max_tokens.map(|value| MaxTokens { value, completion: false }),
        ..Sampling::default()
    })
}

/// Reads a turn: tools' answers become messages of their own before what else the user says.
fn read_turn(turn: &mut Fields<'_>, messages: &mut Vec<Message>) -> Result<(), Misread> {
    let role = match turn.need::<String>("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => Role::Other(other.to_owned()),
    };
    let path = turn.path("content");
    let Some(content) = turn.raw("content") else {
        return Err(Misread { path, expected: "must be a string or a list" });
    };
    let mut message = Message { extras: turn.rest(), ..Message::text(role, "") };
    if let Ok(text) = serde_json::from_str(content.get()) {
        message.content = Content::Text(text);
        messages.push(message);
        return Ok(());
    }
    let mut parts = Vec::new();
    let mut reports = 0;
    for (mut block, raw) in objects(content, &path)? {
        match blocks::read(&mut block, raw)? {
            Block::Part(part) => parts.push(part),
            Block::Call(call) => message.tool_calls.push(call),
            Block::Result => {
                messages.push(read_result(&mut block)?);
                reports += 1;
            }
        }
    }
    if !parts.is_empty() {
        message.content = Content::Parts(parts);
    } else {
        message.content = Content::None;
    }
    if !matches!(message.content, Content::None) || !message.tool_calls.is_empty() || reports == 0 {
        messages.push(message);
    }
    Ok(())
}

fn read_result(block: &mut Fields<'_>) -> Result<Message, Misread> {
    let content = match block.raw("content") {
        None => Content::None,
        Some(raw) => read_content(raw, &block.path("content"))?,
    };
    Ok(Message {
        content,
        tool_call_id: Some(block.need("tool_use_id")?),
        is_error: block.take("is_error")?.unwrap_or(false),
        extras: block.rest(),
        ..Message::text(Role::Tool, "")
    })
}

/// Reads a string or a list of blocks without calls.
fn read_content(raw: &RawValue, path: &str) -> Result<Content, Misread> {
    if let Ok(text) = serde_json::from_str(raw.get()) {
        return Ok(Content::Text(text));
    }
    let mut parts = Vec::new();
    for (mut block, raw) in objects(raw, path)? {
        parts.push(match blocks::read(&mut block, raw)? {
            Block::Part(part) => part,
            Block::Call(_) | Block::Result => Part::Unknown(raw.to_owned()),
        });
    }
    Ok(Content::Parts(parts))
}

/// Reads `thinking`. What is more than a budget or an end of it stays as an extra field, too.
fn read_thinking(
    fields: &mut Fields<'_>,
    extras: &mut Vec<(String, RawJson)>,
) -> Result<Option<Reasoning>, Misread> {
    let Some(raw) = fields.raw("thinking") else { return Ok(None) };
    let mut thinking = Fields::of(raw, fields.path("thinking"))?;
    let reasoning = match thinking.need::<String>("type")?.as_str() {
        "enabled" => thinking.take("budget_tokens")?.map(Reasoning::Budget),
        "disabled" => Some(Reasoning::Off),
        _ => None,
    };
    if reasoning.is_none() || !thinking.rest().is_empty() {
        extras.push(("thinking".to_owned(), raw.to_owned()));
    }
    Ok(reasoning)
}

/// Reads `output_config`: the form of the answer, and the effort where `thinking` gives no budget.
fn read_output(
    fields: &mut Fields<'_>,
    reasoning: &mut Option<Reasoning>,
    extras: &mut Vec<(String, RawJson)>,
) -> Result<Option<ResponseFormat>, Misread> {
    let Some(raw) = fields.raw("output_config") else { return Ok(None) };
    let mut output = Fields::of(raw, fields.path("output_config"))?;
    let effort: Option<String> = output.take("effort")?;
    let taken = effort.is_none() || reasoning.is_none();
    if reasoning.is_none() {
        *reasoning = effort.map(Reasoning::Effort);
    }
    let format = match output.raw("format") {
        None => None,
        Some(raw) => Some(read_format(raw, output.path("format"))?),
    };
    if !taken || !output.rest().is_empty() {
        extras.push(("output_config".to_owned(), raw.to_owned()));
    }
    Ok(format)
}

fn read_format(raw: &RawValue, path: String) -> Result<ResponseFormat, Misread> {
    let mut format = Fields::of(raw, path)?;
    if format.need::<String>("type")? != "json_schema" {
        return Ok(ResponseFormat::Unknown(raw.to_owned()));
    }
    Ok(ResponseFormat::JsonSchema {
        name: None,
        description: None,
        schema: format.raw("schema").map(RawValue::to_owned),
        strict: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Tool, ToolChoice};
    use serde_json::{Value, json};

    fn read(body: &Value) -> ChatRequest {
        decode(body.to_string().as_bytes()).expect("a request")
    }

    fn names(request: &ChatRequest) -> Vec<&str> {
        request.extras.fields.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn tools_answers_become_messages_before_what_the_user_says() {
        let request = read(&json!({"model": "m", "max_tokens": 9, "system": "s", "messages": [
            {"role": "assistant", "content": [{"type": "text", "text": "see"},
                {"type": "tool_use", "id": "a", "name": "look", "input": {"q": 1}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "found", "is_error": true},
                {"type": "text", "text": "so?"}]}]}));
        let roles: Vec<_> = request.messages.iter().map(|message| message.role.clone()).collect();
        assert_eq!(roles, [Role::System, Role::Assistant, Role::Tool, Role::User]);
        assert_eq!(request.messages[1].tool_calls[0].arguments, r#"{"q":1}"#);
        assert_eq!(request.messages[2].tool_call_id.as_deref(), Some("a"));
        assert!(request.messages[2].is_error);
        assert_eq!(request.messages[3].content.joined_text(), "so?");
        assert!(request.stream_usage, "clients of this API always get usage");
    }

    #[test]
    fn wishes_are_read_into_their_places_and_the_rest_is_kept() {
        let request = read(&json!({"messages": [], "temperature": 0.5, "stop_sequences": ["X"],
            "metadata": {"user_id": "u"}, "thinking": {"type": "enabled", "budget_tokens": 2000},
            "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
            "tools": [{"name": "look", "input_schema": {}, "cache_control": {"type": "ephemeral"}},
                {"type": "web_search_20250305", "name": "web_search"}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": true}, "container": "c"}));
        assert_eq!(request.sampling.stop.as_deref(), Some(["X".to_owned()].as_slice()));
        assert_eq!(
            (request.user.as_deref(), &request.reasoning),
            (Some("u"), &Some(Reasoning::Budget(2000)))
        );
        assert!(matches!(request.response_format, Some(ResponseFormat::JsonSchema { schema: Some(_), .. })));
        assert!(matches!(&request.tools[0], Tool::Function { extras, .. } if extras.len() == 1));
        assert!(matches!(&request.tools[1], Tool::Unknown(_)));
        assert!(matches!(request.tool_choice, Some(ToolChoice::Required)));
        assert_eq!(request.parallel_tool_calls, Some(false));
        assert_eq!(names(&request), ["container"]);
        assert!(!request.extras.for_provider);
    }

    #[test]
    fn thinking_that_says_more_than_a_budget_is_also_kept_whole() {
        let with = |thinking: Value| read(&json!({ "messages": [], "thinking": thinking }));
        assert_eq!(names(&with(json!({"type": "adaptive"}))), ["thinking"]);
        assert_eq!(
            names(&with(json!({"type": "enabled", "budget_tokens": 9, "display": "x"}))),
            ["thinking"]
        );
        let off = with(json!({"type": "disabled"}));
        assert_eq!((off.reasoning.as_ref(), names(&off).len()), (Some(&Reasoning::Off), 0));
    }

    #[test]
    fn a_wrong_field_is_named_by_its_path() {
        for (body, path) in [
            (json!({}), "messages"),
            (json!({"messages": [{"content": "x"}]}), "messages[0].role"),
            (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
                "messages[0].content[0].text",
            ),
            (json!({"messages": [], "max_tokens": -1}), "max_tokens"),
            (json!({"messages": [], "tools": [{"input_schema": {}}]}), "tools[0].name"),
            (json!({"messages": [], "system": 1}), "system"),
        ] {
            let misread = decode(body.to_string().as_bytes()).expect_err("a wrong field");
            assert_eq!(misread.path, path);
        }
    }
}
