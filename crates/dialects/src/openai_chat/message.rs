//! Messages and their parts.

use super::reasoning::{self, Reader};
use super::{kept_here, made_here, media, tools};
use crate::canonical::{Content, Losses, Message, Part, Role, Signature, ToolCall};
use crate::raw::{ArrayWriter, Mismatch, Object, ObjectWriter, Read, each, text};
use serde_json::value::RawValue;
use std::fmt::Display;

/// Reads a message of a request.
///
/// # Errors
/// A [`Mismatch`] that names the first wrong field.
pub(crate) fn read(value: &RawValue) -> Read<Message> {
    let object = Object::of(value)?;
    if object.get("role").is_none_or(|role| role.get() == "null") {
        return Err(Mismatch::missing("role", "a string"));
    }
    read_object(object, kept_here, read_content)
}

/// Reads the message of an answer, where a role may be missing and several names of reasoning are in use.
///
/// # Errors
/// A [`Mismatch`] that names the first wrong field.
pub(crate) fn read_answer(value: &RawValue) -> Read<Message> {
    let mut message = read_object(Object::of(value)?, made_here, read_answer_content)?;
    for call in &mut message.tool_calls {
        // Its place in the list, which some servers repeat.
        call.extras
            .retain(|(name, value)| name != "index" || serde_json::from_str::<u32>(value.get()).is_err());
    }
    take_function_call(&mut message);
    Ok(message)
}

/// OpenAI's form before there were tools; some servers write an empty one in every answer.
fn take_function_call(message: &mut Message) {
    let Some(at) = message.extras.iter().position(|(name, _)| name == "function_call") else { return };
    let Ok(mut function) = Object::of(&message.extras[at].1) else { return };
    let name = function.string("name").ok().flatten().unwrap_or_default();
    let arguments = function.take("arguments").map(tools::arguments_text).unwrap_or_default();
    if !name.is_empty() {
        let (id, extras) = (String::new(), function.rest());
        message.tool_calls.push(ToolCall { id, name, arguments, signature: None, extras });
    }
    message.extras.remove(at);
}

fn read_object(
    mut object: Object<'_>,
    mark: fn(String) -> Signature,
    read_content: fn(&RawValue) -> Read<Content>,
) -> Read<Message> {
    let role = object.string("role")?.map_or(Role::Assistant, |word| Role::of_openai_word(&word));
    let content = object.take("content").map_or(Ok(Content::None), read_content)?;
    let thoughts = reasoning::take(&mut object, mark);
    let calls = object.each("tool_calls", |call| tools::read_call(call, mark))?;
    Ok(Message {
        role,
        content: with_thoughts(thoughts, content),
        name: object.string("name")?,
        tool_calls: calls.unwrap_or_default(),
        tool_call_id: object.string("tool_call_id")?,
        is_error: false,
        refusal: object.string("refusal")?,
        extras: object.rest(),
    })
}

fn with_thoughts(mut parts: Vec<Part>, content: Content) -> Content {
    if parts.is_empty() {
        return content;
    }
    match content {
        Content::None => {}
        Content::Text(text) => parts.push(Part::Text { text, extras: Vec::new() }),
        Content::Parts(more) => parts.extend(more),
    }
    Content::Parts(parts)
}

fn read_content(value: &RawValue) -> Read<Content> {
    if let Ok(text) = text(value) {
        return Ok(Content::Text(text));
    }
    if !value.get().starts_with('[') {
        return Err(Mismatch::of(value, "a string or a list of parts").within("content"));
    }
    each(value, read_part).map(Content::Parts).map_err(|wrong| wrong.within("content"))
}

/// Content of an answer may also be a parsed object, as Cloudflare sends structured output.
fn read_answer_content(value: &RawValue) -> Read<Content> {
    if value.get().starts_with('{') {
        return Ok(Content::Text(value.get().to_owned()));
    }
    read_content(value)
}

fn read_part(value: &RawValue) -> Read<Part> {
    if let Ok(text) = text(value) {
        return Ok(Part::Text { text, extras: Vec::new() });
    }
    let mut object = Object::of(value)?;
    let unknown = || Part::Unknown(value.to_owned());
    Ok(match object.string("type")?.as_deref() {
        Some("text") => Part::Text { text: object.need_string("text")?, extras: object.rest() },
        Some("thinking") => read_thinking(value).unwrap_or_else(unknown),
        Some(kind) => media::read(kind, object).map_or_else(unknown, Part::Media),
        None => unknown(),
    })
}

/// Mistral's reasoning: a list of text parts, or text alone.
fn read_thinking(value: &RawValue) -> Option<Part> {
    let mut object = Object::of(value).ok()?;
    let kind = object.string("type").ok()?;
    let thinking = object.take("thinking")?;
    let signature = object.string("signature").ok()?;
    if kind.as_deref() != Some("thinking") || !object.is_empty() {
        return None;
    }
    let signature = signature.map(kept_here);
    Some(Part::Thinking { text: parts_text(thinking)?, signature })
}

/// The text of a string or of a list of text parts; `None` when there is anything else.
pub(crate) fn parts_text(value: &RawValue) -> Option<String> {
    if let Ok(text) = text(value) {
        return Some(text);
    }
    let list: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
    list.into_iter().map(|part| Object::of(part).ok()?.string("text").ok()?).collect()
}

/// Writes a message of a request. `own`: it was written in a dialect of this family or for its readers, so that fields
/// and parts that the canonical model does not name, and reasoning, go along; else they are losses. `at` is its path.
/// Content that is missing stays missing.
/// `in_loop`: nobody spoke after it but tools.
pub(crate) fn write(
    message: &Message,
    at: &dyn Display,
    (own, in_loop): (bool, bool),
    losses: &mut Losses,
    out: &mut Vec<u8>,
) {
    let mut object = ObjectWriter::new(out);
    object.field("role", message.role.openai_word());
    if !matches!(message.content, Content::None) {
        write_content(message, at, own, losses, object.key("content"));
    }
    write_rest(message, at, own, Reader::Provider { own, in_loop }, losses, object);
}

/// Writes a message of an answer, whose content is `null` where there is none.
pub(crate) fn write_answer(message: &Message, at: &dyn Display, losses: &mut Losses, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::new(out);
    object.field("role", message.role.openai_word());
    write_spoken(&message.content, at, losses, object.key("content"));
    write_rest(message, at, true, Reader::Client, losses, object);
}

/// Writes the content of an answer, which is one text for OpenAI's clients, whatever it was made of.
fn write_spoken(content: &Content, at: &dyn Display, losses: &mut Losses, out: &mut Vec<u8>) {
    const ONE_TEXT: &str = "answers of OpenAI's chat API hold one text";
    if let Content::Parts(parts) = content {
        let mut spoke = parts.is_empty();
        for (place, part) in parts.iter().enumerate() {
            match part {
                Part::Text { extras, .. } => {
                    spoke = true;
                    losses.add_fields(&format!("{at}.content[{place}]"), extras, ONE_TEXT);
                }
                Part::Media(_) | Part::Unknown(_) => losses.add(format!("{at}.content[{place}]"), ONE_TEXT),
                Part::Thinking { .. } | Part::RedactedThinking(_) => {}
            }
        }
        if !spoke {
            return out.extend_from_slice(b"null");
        }
    }
    match content {
        Content::None => out.extend_from_slice(b"null"),
        content => crate::raw::write_json(&content.joined_text(), out),
    }
}

fn write_rest(
    message: &Message,
    at: &dyn Display,
    own: bool,
    reader: Reader,
    losses: &mut Losses,
    mut object: ObjectWriter<'_>,
) {
    object.some("name", message.name.as_ref());
    object.some("refusal", message.refusal.as_ref());
    if let Content::Parts(parts) = &message.content {
        reasoning::write(parts, reader, &mut object, |place| {
            losses.add(format!("{at}.content[{place}]"), "reasoning that this API does not take back");
        });
    }
    if !message.tool_calls.is_empty() {
        let mut list = ArrayWriter::new(object.key("tool_calls"));
        for (place, call) in message.tool_calls.iter().enumerate() {
            let at = format_args!("{at}.tool_calls[{place}]");
            tools::write_call(call, &at, (own, reader == Reader::Client), losses, list.element());
        }
        list.end();
    }
    object.some("tool_call_id", message.tool_call_id.as_ref());
    losses.add_if(message.is_error, format!("{at}.is_error"), "OpenAI's API has no mark of a failed tool");
    tools::write_outer(&message.extras, "", at, own, losses, &mut object);
    object.end();
}

fn write_content(message: &Message, at: &dyn Display, own: bool, losses: &mut Losses, out: &mut Vec<u8>) {
    let parts = match &message.content {
        Content::None => return out.extend_from_slice(b"null"),
        Content::Text(text) => return crate::raw::write_json(text, out),
        Content::Parts(parts) => parts,
    };
    let is_thought = |part: &Part| matches!(part, Part::Thinking { .. } | Part::RedactedThinking(_));
    let mut spoken = parts.iter().filter(|part| !is_thought(part));
    let one = (spoken.next(), spoken.next());
    let thought = parts.iter().any(is_thought);
    if let (Some(Part::Text { text, extras }), None) = one
        && (thought || !own && message.role == Role::Assistant)
        && extras.is_empty()
    {
        // The text stood beside the reasoning, not in a list; and of an answer that came in another API's list, many
        // providers of this one read a string alone.
        return crate::raw::write_json(text, out);
    }
    if one.0.is_none() && (thought || message.role == Role::Assistant) {
        return out.extend_from_slice(b"null");
    }
    let (start, mut written) = (out.len(), parts.is_empty());
    let mut list = ArrayWriter::new(out);
    for (place, part) in parts.iter().enumerate().filter(|(_, part)| !is_thought(part)) {
        let at = format_args!("{at}.content[{place}]");
        if is_sayable(part, &message.role, own) {
            write_part(part, &at, own, losses, list.element());
            written = true;
        } else {
            losses.add(at.to_string(), "OpenAI's chat API has no such part here");
        }
    }
    list.end();
    if !written {
        // Every part was lost; providers refuse an empty list.
        out.truncate(start);
        out.extend_from_slice(b"\"\"");
    }
}

fn is_sayable(part: &Part, role: &Role, own: bool) -> bool {
    match part {
        Part::Text { .. } => true,
        Part::Media(media) => (own || *role != Role::Tool) && media::is_sayable(media),
        Part::Unknown(_) => own,
        Part::Thinking { .. } | Part::RedactedThinking(_) => false,
    }
}

fn write_part(part: &Part, at: &dyn Display, own: bool, losses: &mut Losses, out: &mut Vec<u8>) {
    match part {
        Part::Text { text, extras } => {
            let mut object = ObjectWriter::new(out);
            object.field("type", "text").field("text", text);
            tools::write_outer(extras, "", at, own, losses, &mut object);
            object.end();
        }
        Part::Media(media) => media::write(media, at, own, losses, out),
        Part::Unknown(raw) => out.extend_from_slice(raw.get().as_bytes()),
        Part::Thinking { .. } | Part::RedactedThinking(_) => {}
    }
}
