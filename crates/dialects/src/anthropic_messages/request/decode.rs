//! Requests, read from a client.

use crate::anthropic_messages::FAMILY;
use crate::anthropic_messages::blocks::{self, Block};
use crate::anthropic_messages::{parameters, tools};
use crate::canonical::{
    ChatRequest, Content, Extras, Failure, Message, Part, RawJson, Reasoning, ResponseFormat, Role, Signature,
};
use crate::raw::{Mismatch, Object, Read, each, text};
use serde_json::value::RawValue;

/// Reads a request.
pub(crate) fn decode(body: &[u8]) -> Result<ChatRequest, Failure> {
    read(Object::of_request(body)?).map_err(Mismatch::blame_caller)
}

fn read(mut object: Object<'_>) -> Read<ChatRequest> {
    let mut messages = Vec::new();
    if let Some(system) = object.take("system") {
        let content = read_content(system).map_err(|wrong| wrong.within("system"))?;
        messages.push(Message { content, ..Message::text(Role::System, "") });
    }
    let turns = object.each("messages", |turn| read_turn(turn, &mut messages))?;
    turns.ok_or_else(|| Mismatch::missing("messages", "a list"))?;
    let mut extras = Vec::new();
    let user = parameters::take_user(&mut object, &mut extras)?;
    let (tool_choice, parallel_tool_calls) = tools::read_choice(&mut object)?;
    let mut reasoning = read_thinking(&mut object, &mut extras)?;
    let response_format = read_output(&mut object, &mut reasoning, &mut extras)?;
    let request = ChatRequest {
        sampling: parameters::take_sampling(&mut object, "max_tokens")?,
        model: object.string("model")?,
        messages,
        tools: object.each("tools", tools::read)?.unwrap_or_default(),
        tool_choice,
        parallel_tool_calls,
        response_format,
        reasoning,
        stream: object.boolean("stream")?,
        stream_usage: true,
        user,
        extras: Extras::default(),
    };
    extras.extend(object.rest_without_nulls());
    Ok(ChatRequest { extras: Extras { fields: extras, for_provider: false }, ..request })
}

/// Reads a turn: tools' answers become messages of their own before what else the user says.
fn read_turn(value: &RawValue, messages: &mut Vec<Message>) -> Read<()> {
    let mut turn = Object::of(value)?;
    let role = match turn.need_string("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => Role::Other(other.to_owned()),
    };
    let content =
        turn.take("content").ok_or_else(|| Mismatch::missing("content", "a string or a list of blocks"))?;
    let mut message = Message { extras: turn.rest_without_nulls(), ..Message::text(role, "") };
    if let Ok(text) = text(content) {
        message.content = Content::Text(text);
        messages.push(message);
        return Ok(());
    }
    let before = messages.len();
    let mut parts = Vec::new();
    let read = each(content, |block| {
        match blocks::read(block)? {
            Block::Part(part) => parts.push(part),
            Block::Call(mut call) => {
                call.signature = take_kept_signature(&mut parts);
                message.tool_calls.push(call);
            }
            Block::Result(result) => messages.push(read_result(result)?),
        }
        Ok(())
    });
    read.map_err(|wrong| wrong.within("content"))?;
    message.content = if parts.is_empty() { Content::None } else { Content::Parts(parts) };
    let only_results =
        matches!(message.content, Content::None) && message.tool_calls.is_empty() && messages.len() > before;
    if !only_results {
        messages.push(message);
    }
    Ok(())
}

/// The signature of the call that follows, where another family made it: an answer keeps it in a block of reasoning
/// before the call (see [`blocks::keep_signature`]).
fn take_kept_signature(parts: &mut Vec<Part>) -> Option<Signature> {
    let kept = |part: &mut Part| {
        let Part::Thinking { text, signature: Some(signature) } = part else { return false };
        text.is_empty() && signature.for_provider(FAMILY).is_none()
    };
    match parts.pop_if(kept)? {
        Part::Thinking { signature, .. } => signature,
        _ => None,
    }
}

fn read_result(mut block: Object<'_>) -> Read<Message> {
    let content = block.take("content").map_or(Ok(Content::None), read_content);
    Ok(Message {
        content: content.map_err(|wrong| wrong.within("content"))?,
        tool_call_id: Some(block.need_string("tool_use_id")?),
        is_error: block.boolean("is_error")?.unwrap_or(false),
        extras: block.rest_without_nulls(),
        ..Message::text(Role::Tool, "")
    })
}

/// Reads a string or a list of blocks without calls.
fn read_content(value: &RawValue) -> Read<Content> {
    if let Ok(text) = text(value) {
        return Ok(Content::Text(text));
    }
    let part = |block| {
        Ok(match blocks::read(block)? {
            Block::Part(part) => part,
            Block::Call(_) | Block::Result(_) => Part::Unknown(block.to_owned()),
        })
    };
    each(value, part).map(Content::Parts)
}

/// Reads `thinking`. What is more than a budget or an end of it stays as an extra field, too.
fn read_thinking(object: &mut Object<'_>, extras: &mut Vec<(String, RawJson)>) -> Read<Option<Reasoning>> {
    let Some(raw) = object.take("thinking") else { return Ok(None) };
    let inside = |wrong: Mismatch| wrong.within("thinking");
    let mut thinking = Object::of(raw).map_err(inside)?;
    let reasoning = match thinking.need_string("type").map_err(inside)?.as_str() {
        "enabled" => thinking.count("budget_tokens").map_err(inside)?.map(Reasoning::Budget),
        "disabled" => Some(Reasoning::Off),
        _ => None,
    };
    if reasoning.is_none() || !thinking.rest_without_nulls().is_empty() {
        extras.push(("thinking".to_owned(), raw.to_owned()));
    }
    Ok(reasoning)
}

/// Reads `output_config`: the form of the answer, and the effort where `thinking` gives no budget.
fn read_output(
    object: &mut Object<'_>,
    reasoning: &mut Option<Reasoning>,
    extras: &mut Vec<(String, RawJson)>,
) -> Read<Option<ResponseFormat>> {
    let Some(raw) = object.take("output_config") else { return Ok(None) };
    let inside = |wrong: Mismatch| wrong.within("output_config");
    let mut output = Object::of(raw).map_err(inside)?;
    let effort = output.string("effort").map_err(inside)?;
    let taken = effort.is_none() || reasoning.is_none();
    if reasoning.is_none() {
        *reasoning = effort.map(Reasoning::Effort);
    }
    let format = output.take("format").map(read_format).transpose();
    let format = format.map_err(|wrong| inside(wrong.within("format")))?;
    if !taken || !output.rest_without_nulls().is_empty() {
        extras.push(("output_config".to_owned(), raw.to_owned()));
    }
    Ok(format)
}

fn read_format(value: &RawValue) -> Read<ResponseFormat> {
    let mut format = Object::of(value)?;
    if format.need_string("type")? != "json_schema" {
        return Ok(ResponseFormat::Unknown(value.to_owned()));
    }
    let schema = format.take("schema").map(RawValue::to_owned);
    Ok(ResponseFormat::JsonSchema { name: None, description: None, schema, strict: None })
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
    fn the_signature_that_another_api_made_of_a_call_is_the_calls_again() {
        let kept = Signature::made_by("gemini", "c2ln").for_client(FAMILY).into_owned();
        let thinking = |signature: &str| json!({"type": "thinking", "thinking": "", "signature": signature});
        let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "look", "input": {}});
        let content = json!([thinking("own"), thinking(&kept), call("a"), call("b")]);
        let request = read(&json!({"messages": [{"role": "assistant", "content": content}]}));
        let message = &request.messages[0];
        let signed = |place: usize| {
            message.tool_calls[place]
                .signature
                .as_ref()
                .and_then(|signature| signature.for_provider("gemini"))
        };
        assert_eq!((signed(0), signed(1)), (Some("c2ln"), None));
        assert!(matches!(&message.content, Content::Parts(parts) if parts.len() == 1));
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
            let failure = decode(body.to_string().as_bytes()).expect_err("a wrong field");
            assert_eq!(failure.param.as_deref(), Some(path));
        }
    }
}
