//! Messages and their parts.

use super::{FAMILY, media, tools};
use crate::canonical::{Content, Losses, Message, Part, Role, Signature};
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
    read_object(object, &["reasoning_content"], read_content)
}

/// Reads the message of an answer, where a role may be missing and several names of reasoning are in use.
///
/// # Errors
/// A [`Mismatch`] that names the first wrong field.
pub(crate) fn read_answer(value: &RawValue) -> Read<Message> {
    read_object(Object::of(value)?, &["reasoning_content", "reasoning"], read_answer_content)
}

fn read_object(
    mut object: Object<'_>,
    reasoning_names: &[&str],
    read_content: fn(&RawValue) -> Read<Content>,
) -> Read<Message> {
    let role = object.string("role")?.map_or(Role::Assistant, |word| Role::of_openai_word(&word));
    let content = object.take("content").map_or(Ok(Content::None), read_content)?;
    let reasoning = read_reasoning(&mut object, reasoning_names);
    Ok(Message {
        role,
        content: with_reasoning(reasoning, content),
        name: object.string("name")?,
        tool_calls: object.each("tool_calls", tools::read_call)?.unwrap_or_default(),
        tool_call_id: object.string("tool_call_id")?,
        is_error: false,
        refusal: object.string("refusal")?,
        extras: object.rest(),
    })
}

/// The reasoning that a provider of this family shows beside the content. What is not text stays where it is.
fn read_reasoning(object: &mut Object<'_>, names: &[&str]) -> Option<String> {
    let (name, reasoning) = names
        .iter()
        .find_map(|name| Some((name, text(object.get(name)?).ok().filter(|text| !text.is_empty())?)))?;
    object.take(name);
    for other in names {
        // Some servers send the same text under both names.
        if object.get(other).is_some_and(|value| text(value).is_ok_and(|text| text == reasoning)) {
            object.take(other);
        }
    }
    Some(reasoning)
}

fn with_reasoning(reasoning: Option<String>, content: Content) -> Content {
    let Some(text) = reasoning else { return content };
    let mut parts = vec![Part::Thinking { text, signature: None }];
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

/// Content of an answer may also be a parsed object, as Cloudflare sends structured output; and Mistral's reasoning,
/// which in requests stays as it is, becomes what every other dialect can say.
fn read_answer_content(value: &RawValue) -> Read<Content> {
    if value.get().starts_with('{') {
        return Ok(Content::Text(value.get().to_owned()));
    }
    let mut content = read_content(value)?;
    if let Content::Parts(parts) = &mut content {
        for part in parts {
            if let Part::Unknown(raw) = part
                && let Some(thinking) = read_thinking(raw)
            {
                *part = thinking;
            }
        }
    }
    Ok(content)
}

fn read_part(value: &RawValue) -> Read<Part> {
    if let Ok(text) = text(value) {
        return Ok(Part::Text { text, extras: Vec::new() });
    }
    let mut object = Object::of(value)?;
    let unknown = || Part::Unknown(value.to_owned());
    Ok(match object.string("type")?.as_deref() {
        Some("text") => Part::Text { text: object.need_string("text")?, extras: object.rest() },
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
    let signature = signature.map(|text| Signature::made_by(FAMILY, text));
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
pub(crate) fn write(message: &Message, at: &dyn Display, own: bool, losses: &mut Losses, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::new(out);
    object.field("role", message.role.openai_word());
    if !matches!(message.content, Content::None) {
        write_content(message, at, own, losses, object.key("content"));
    }
    write_rest(message, at, own, losses, object);
}

/// Writes a message of an answer, whose content is `null` where there is none.
pub(crate) fn write_answer(message: &Message, at: &dyn Display, losses: &mut Losses, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::new(out);
    object.field("role", message.role.openai_word());
    write_content(message, at, true, losses, object.key("content"));
    write_rest(message, at, true, losses, object);
}

fn write_rest(
    message: &Message,
    at: &dyn Display,
    own: bool,
    losses: &mut Losses,
    mut object: ObjectWriter<'_>,
) {
    object.some("name", message.name.as_ref());
    object.some("refusal", message.refusal.as_ref());
    if own {
        object.some("reasoning_content", reasoning(&message.content));
    }
    if !message.tool_calls.is_empty() {
        let mut list = ArrayWriter::new(object.key("tool_calls"));
        for (place, call) in message.tool_calls.iter().enumerate() {
            tools::write_call(call, &format_args!("{at}.tool_calls[{place}]"), own, losses, list.element());
        }
        list.end();
    }
    object.some("tool_call_id", message.tool_call_id.as_ref());
    losses.add_if(message.is_error, format!("{at}.is_error"), "OpenAI's API has no mark of a failed tool");
    tools::write_outer(&message.extras, "", at, own, losses, &mut object);
    object.end();
}

/// The reasoning of a message, joined.
fn reasoning(content: &Content) -> Option<String> {
    let Content::Parts(parts) = content else { return None };
    let texts = parts.iter().filter_map(|part| match part {
        Part::Thinking { text, .. } => Some(text.as_str()),
        _ => None,
    });
    Some(texts.collect()).filter(|text: &String| !text.is_empty())
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
    if thought {
        lose_thoughts(parts, at, own, losses);
        if let (Some(Part::Text { text, extras }), None) = one {
            // The text stood beside the reasoning, not in a list.
            if extras.is_empty() {
                return crate::raw::write_json(text, out);
            }
        }
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

/// OpenAI's family shows reasoning as text alone, and its own API takes none back.
fn lose_thoughts(parts: &[Part], at: &dyn Display, own: bool, losses: &mut Losses) {
    for (place, part) in parts.iter().enumerate() {
        match part {
            Part::Thinking { .. } if !own => {
                losses.add(format!("{at}.content[{place}]"), "OpenAI's chat API takes no reasoning back");
            }
            Part::Thinking { signature: Some(_), .. } => {
                losses.add(format!("{at}.content[{place}].signature"), "OpenAI's chat API has no signatures");
            }
            Part::RedactedThinking(_) => {
                losses.add(format!("{at}.content[{place}]"), "OpenAI's chat API has no hidden reasoning");
            }
            _ => {}
        }
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
