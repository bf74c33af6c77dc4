//! The items of a conversation, read into messages.

use super::decode::say;
use crate::canonical::{Content, Message, Part, Role, Signature, ToolCall};
use crate::openai_chat::FAMILY;
use crate::openai_responses::{content, custom};
use crate::raw::{Mismatch, Object, Read, each, text};
use serde_json::value::RawValue;

/// Reads `input`: a text of the user, or items. What the model said in several items one after the other is one turn.
pub(super) fn read(value: &RawValue, messages: &mut Vec<Message>) -> Read<()> {
    if let Ok(text) = text(value) {
        messages.push(Message::text(Role::User, text));
        return Ok(());
    }
    if !value.get().starts_with('[') {
        return Err(Mismatch::of(value, "a string or a list of items"));
    }
    each(value, |item| read_item(item, messages)).map(|_| ())
}

fn read_item(value: &RawValue, messages: &mut Vec<Message>) -> Read<()> {
    let mut item = Object::of(value)?;
    // Names of items and their states belong to whoever made them; nothing refers to them here.
    let id = item.take("id");
    item.take("status");
    let kind = item.string("type")?;
    match kind.as_deref() {
        Some("message") => read_message(item, messages),
        None if item.get("role").is_some() => read_message(item, messages),
        Some("function_call") => {
            let arguments = item.string("arguments")?.unwrap_or_default();
            read_call(item, arguments, messages)
        }
        Some("custom_tool_call") => {
            let input = item.need_string("input")?;
            read_call(item, custom::arguments(&input), messages)
        }
        Some("function_call_output" | "custom_tool_call_output") => read_output(item, messages),
        Some("reasoning") => {
            let parts = read_reasoning(item, |text| Signature::read(FAMILY, text))?;
            let parts = if parts.is_empty() { vec![Part::Unknown(value.to_owned())] } else { parts };
            say(&mut turn(messages).content, Content::Parts(parts));
            Ok(())
        }
        Some("item_reference") => Err(reference()),
        None if id.is_some() => Err(reference()),
        None => Err(Mismatch::missing("type", "a string")),
        Some(_) => {
            say(&mut turn(messages).content, Content::Parts(vec![Part::Unknown(value.to_owned())]));
            Ok(())
        }
    }
}

fn reference() -> Mismatch {
    let expected = "a whole item, since nothing is kept here that an id could refer to";
    Mismatch { path: String::new(), expected, found: "a reference" }
}

/// The model's turn that goes on, else a new one.
fn turn(messages: &mut Vec<Message>) -> &mut Message {
    if messages.last().is_none_or(|message| message.role != Role::Assistant) {
        messages.push(Message { content: Content::None, ..Message::text(Role::Assistant, "") });
    }
    let last = messages.len() - 1;
    &mut messages[last]
}

fn read_message(mut item: Object<'_>, messages: &mut Vec<Message>) -> Read<()> {
    let role = match item.need_string("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        "developer" => Role::Developer,
        _ => {
            let expected = "`user`, `assistant`, `system` or `developer`";
            return Err(Mismatch { path: "role".to_owned(), expected, found: "another word" });
        }
    };
    let said =
        item.take("content").ok_or_else(|| Mismatch::missing("content", "a string or a list of parts"))?;
    let said = content::read(said).map_err(|wrong| wrong.within("content"))?;
    let extras = item.rest_without_nulls();
    if role != Role::Assistant {
        let refusal = said.refusal;
        messages.push(Message { content: said.content, refusal, extras, ..Message::text(role, "") });
        return Ok(());
    }
    let message = turn(messages);
    say(&mut message.content, said.content);
    if let Some(refusal) = said.refusal {
        message.refusal.get_or_insert_default().push_str(&refusal);
    }
    message.extras.retain(|(name, _)| extras.iter().all(|(newer, _)| newer != name));
    message.extras.extend(extras);
    Ok(())
}

fn read_call(mut item: Object<'_>, arguments: String, messages: &mut Vec<Message>) -> Read<()> {
    let call = ToolCall {
        id: item.need_string("call_id")?,
        name: item.need_string("name")?,
        arguments,
        signature: None,
        extras: item.rest_without_nulls(),
    };
    turn(messages).tool_calls.push(call);
    Ok(())
}

fn read_output(mut item: Object<'_>, messages: &mut Vec<Message>) -> Read<()> {
    let tool_call_id = Some(item.need_string("call_id")?);
    let output =
        item.take("output").ok_or_else(|| Mismatch::missing("output", "a string or a list of parts"))?;
    let said = content::read(output).map_err(|wrong| wrong.within("output"))?;
    messages.push(Message {
        content: said.content,
        tool_call_id,
        refusal: said.refusal,
        extras: item.rest_without_nulls(),
        ..Message::text(Role::Tool, "")
    });
    Ok(())
}

/// Reads reasoning: what the model thought, else its summary, with what proves it. An item without text is one part of
/// encrypted reasoning; one that has nothing at all only names what its server keeps.
pub(in crate::openai_responses) fn read_reasoning(
    mut item: Object<'_>,
    sign: impl Fn(String) -> Signature,
) -> Read<Vec<Part>> {
    let mut texts = |name| {
        let texts = item.each(name, |part| Object::of(part)?.need_string("text"))?;
        let joined = |mut texts: Vec<String>| {
            let any = !texts.is_empty();
            texts.retain(|text| !text.is_empty());
            any.then(|| texts.join(BETWEEN_SUMMARIES))
        };
        Read::Ok(texts.and_then(joined))
    };
    let (summary, thought) = (texts("summary")?, texts("content")?);
    let encrypted = item.string("encrypted_content")?.filter(|text| !text.is_empty());
    let signature = encrypted.map(sign);
    let thinking = |text, signature| Part::Thinking { text, signature };
    Ok(match (summary, thought, signature) {
        (Some(summary), Some(thought), signature) => {
            vec![thinking(summary, None), thinking(thought, signature)]
        }
        (Some(text), None, signature) | (None, Some(text), signature) => vec![thinking(text, signature)],
        (None, None, Some(signature)) => vec![Part::RedactedThinking(signature)],
        (None, None, None) => Vec::new(),
    })
}

/// What stands between the parts of a summary.
pub(in crate::openai_responses) const BETWEEN_SUMMARIES: &str = "\n\n";
