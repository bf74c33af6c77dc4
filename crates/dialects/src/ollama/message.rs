//! Messages: one text, reasoning, images and calls, each in a field of its own.

use super::{NO_SUCH_FIELD, calls};
use crate::canonical::{Content, Losses, Media, MediaKind, MediaSource, Message, Part, Role};
use crate::raw::{Draft, Object, Read};
use serde_json::value::RawValue;

/// Reads a message of a request or an answer.
pub(super) fn read(value: &RawValue) -> Read<Message> {
    let mut object = Object::of(value)?;
    let role = Role::of_openai_word(&object.need_string("role")?);
    let text = object.string("content")?.unwrap_or_default();
    let thinking = object.string("thinking")?.filter(|text| !text.is_empty());
    let images = object.strings("images")?.unwrap_or_default();
    let tool_calls = object.each("tool_calls", calls::read)?.unwrap_or_default();
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Message {
        content: content_of(text, thinking, images, !tool_calls.is_empty()),
        name: given(object.string("tool_name")?),
        tool_call_id: given(object.string("tool_call_id")?),
        tool_calls,
        extras: object.rest_without_nulls(),
        ..Message::text(role, "")
    })
}

fn content_of(text: String, thinking: Option<String>, images: Vec<String>, calls: bool) -> Content {
    if thinking.is_none() && images.is_empty() {
        return if calls && text.is_empty() { Content::None } else { Content::Text(text) };
    }
    let mut parts: Vec<_> =
        thinking.into_iter().map(|text| Part::Thinking { text, signature: None }).collect();
    if !text.is_empty() {
        parts.push(Part::Text { text, extras: Vec::new() });
    }
    parts.extend(images.into_iter().map(|data| Part::Media(image(data))));
    Content::Parts(parts)
}

/// An image of which only the bytes are given: they say of which type they are.
fn image(data: String) -> Media {
    let media_type = match data.as_bytes() {
        [b'/', b'9', b'j', b'/', ..] => "image/jpeg",
        [b'R', b'0', b'l', b'G', b'O', b'D', ..] => "image/gif",
        [b'U', b'k', b'l', b'G', b'R', ..] => "image/webp",
        _ => "image/png",
    };
    Media {
        kind: MediaKind::Image,
        source: MediaSource::Base64 { media_type: media_type.to_owned(), data },
        name: None,
        detail: None,
        extras: Vec::new(),
    }
}

/// Writes a message in the role of Ollama's word `role`. `at` is its path.
pub(super) fn write(message: &Message, role: &str, at: &str, losses: &mut Losses) -> Draft {
    let mut said = Said::default();
    match &message.content {
        Content::None => {}
        Content::Text(text) => said.text.push_str(text),
        Content::Parts(parts) => {
            for (place, part) in parts.iter().enumerate() {
                said.take(part, &format!("{at}.content[{place}]"), losses);
            }
        }
    }
    said.text.push_str(message.refusal.as_deref().unwrap_or_default());
    let mut written = Draft::default();
    written.set("role", role);
    written.set("content", said.text);
    written.set_some("thinking", Some(said.thinking).filter(|text| !text.is_empty()));
    written.set_some("images", Some(said.images).filter(|images| !images.is_empty()));
    if !message.tool_calls.is_empty() {
        let all = message.tool_calls.iter().enumerate();
        let write = |(place, call)| calls::write(call, place, &format!("{at}.tool_calls[{place}]"), losses);
        written.set("tool_calls", all.map(write).collect::<Vec<_>>());
    }
    losses.add_fields(at, &message.extras, NO_SUCH_FIELD);
    written
}

/// What a message says, by the fields in which Ollama says it.
#[derive(Default)]
struct Said<'a> {
    text: String,
    thinking: String,
    images: Vec<&'a str>,
}

impl<'a> Said<'a> {
    fn take(&mut self, part: &'a Part, at: &str, losses: &mut Losses) {
        match part {
            Part::Text { text, extras } => {
                self.text.push_str(text);
                losses.add_fields(at, extras, NO_SUCH_FIELD);
            }
            Part::Thinking { text, signature } => {
                self.thinking.push_str(text);
                let signed = signature.is_some();
                losses.add_if(signed, format!("{at}.signature"), "Ollama's API has no signatures");
            }
            Part::Media(Media {
                kind: MediaKind::Image,
                source: MediaSource::Base64 { data, .. },
                detail,
                extras,
                ..
            }) => {
                self.images.push(data);
                losses.add_if(detail.is_some(), format!("{at}.detail"), NO_SUCH_FIELD);
                losses.add_fields(at, extras, NO_SUCH_FIELD);
            }
            Part::Media(_) => losses.add(at, "Ollama's API takes images as data, and no other media"),
            Part::RedactedThinking(_) | Part::Unknown(_) => losses.add(at, "Ollama's API has no such part"),
        }
    }
}
