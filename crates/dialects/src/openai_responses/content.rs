//! The parts of messages and of tools' answers, read and written.

use super::NO_SUCH_FIELD;
use crate::canonical::{Content, Losses, Media, MediaKind, MediaSource, Part, RawJson};
use crate::raw::{Draft, Mismatch, Object, Read, each, text};
use serde_json::value::RawValue;

/// What a message says.
#[derive(Debug)]
pub(super) struct Said {
    /// Its parts, refusals left out.
    pub(super) content: Content,
    /// The texts of its refusals, joined.
    pub(super) refusal: Option<String>,
}

/// Reads a string or a list of parts.
pub(super) fn read(value: &RawValue) -> Read<Said> {
    if let Ok(text) = text(value) {
        return Ok(Said { content: Content::Text(text), refusal: None });
    }
    if !value.get().starts_with('[') {
        return Err(Mismatch::of(value, "a string or a list of parts"));
    }
    let (mut parts, mut refusal) = (Vec::new(), None);
    each(value, |part| {
        match read_part(part)? {
            Piece::Part(part) => parts.push(part),
            Piece::Refusal(text) => refusal.get_or_insert_with(String::new).push_str(&text),
        }
        Ok(())
    })?;
    let content = if parts.is_empty() && refusal.is_some() { Content::None } else { Content::Parts(parts) };
    Ok(Said { content, refusal })
}

/// A part as the canonical model has it.
pub(super) enum Piece {
    /// A part of the content.
    Part(Part),
    /// The model's refusal.
    Refusal(String),
}

/// Reads one part.
pub(super) fn read_part(value: &RawValue) -> Read<Piece> {
    let mut part = Object::of(value)?;
    Ok(Piece::Part(match part.need_string("type")?.as_str() {
        "input_text" | "output_text" | "text" => {
            Part::Text { text: part.need_string("text")?, extras: told(part) }
        }
        "refusal" => return Ok(Piece::Refusal(part.need_string("refusal")?)),
        "input_image" => read_image(part)?.map_or_else(|| Part::Unknown(value.to_owned()), Part::Media),
        "input_file" => read_file(part)?.map_or_else(|| Part::Unknown(value.to_owned()), Part::Media),
        _ => Part::Unknown(value.to_owned()),
    }))
}

/// The other fields of a part that say anything: empty lists do not.
fn told(part: Object<'_>) -> Vec<(String, RawJson)> {
    let mut fields = part.rest_without_nulls();
    fields.retain(|(_, value)| value.get() != "[]");
    fields
}

fn read_image(mut part: Object<'_>) -> Read<Option<Media>> {
    let source = match (part.string("image_url")?, part.string("file_id")?) {
        (Some(url), None) => MediaSource::of_url(url),
        (None, Some(id)) => MediaSource::FileId(id),
        _ => return Ok(None),
    };
    // `auto` is what the API does anyway.
    let detail = part.string("detail")?.filter(|detail| detail != "auto");
    Ok(Some(Media { kind: MediaKind::Image, source, name: None, detail, extras: told(part) }))
}

fn read_file(mut part: Object<'_>) -> Read<Option<Media>> {
    let name = part.string("filename")?;
    let given = (part.string("file_data")?, part.string("file_url")?, part.string("file_id")?);
    let source = match given {
        (Some(data), None, None) => match MediaSource::of_url(data) {
            MediaSource::Url(data) => {
                let media_type = media_type_of(name.as_deref()).to_owned();
                MediaSource::Base64 { media_type, data }
            }
            source => source,
        },
        (None, Some(url), None) => MediaSource::Url(url),
        (None, None, Some(id)) => MediaSource::FileId(id),
        _ => return Ok(None),
    };
    Ok(Some(Media { kind: MediaKind::Document, source, name, detail: None, extras: told(part) }))
}

/// The type of a file whose data came without: PDF, unless its name says that it is text.
fn media_type_of(name: Option<&str>) -> &'static str {
    match name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending) {
        Some("txt" | "md") => "text/plain",
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("html" | "htm") => "text/html",
        _ => "application/pdf",
    }
}

/// Writes the content of a message that is not the assistant's, or of a tool's answer.
pub(super) fn write(content: &Content, path: &str, losses: &mut Losses) -> Option<RawJson> {
    match content {
        Content::None => None,
        Content::Text(text) => Some(crate::raw::to_raw(text)),
        Content::Parts(parts) => {
            let mut written = Vec::with_capacity(parts.len());
            for (index, part) in parts.iter().enumerate() {
                written.extend(write_part(part, "input_text", &format!("{path}.content[{index}]"), losses));
            }
            (!written.is_empty()).then(|| crate::raw::to_raw(&written))
        }
    }
}

/// Writes a part; text as `text_type`. `None` when the API has nothing like it.
pub(super) fn write_part(
    part: &Part,
    text_type: &'static str,
    path: &str,
    losses: &mut Losses,
) -> Option<Draft> {
    match part {
        Part::Text { text, extras } => {
            let mut written = Draft::default();
            written.set("type", text_type);
            written.set("text", text);
            add_native(&mut written, extras, path, losses);
            Some(written)
        }
        Part::Media(media) => write_media(media, path, losses),
        Part::Unknown(raw) if is_native(raw) => serde_json::from_str(raw.get()).ok(),
        Part::Unknown(_) | Part::Thinking { .. } | Part::RedactedThinking(_) => {
            losses.add(path, "OpenAI's Responses API has no such part here");
            None
        }
    }
}

/// Whether raw JSON is a part that this API knows and the canonical model does not name.
fn is_native(raw: &RawJson) -> bool {
    let kind = Object::of(raw).and_then(|mut part| part.need_string("type"));
    kind.is_ok_and(|kind| matches!(kind.as_str(), "input_image" | "input_file" | "input_audio"))
}

fn add_native(written: &mut Draft, extras: &[(String, RawJson)], path: &str, losses: &mut Losses) {
    for (name, value) in extras {
        if matches!(name.as_str(), "annotations" | "logprobs" | "prompt_cache_breakpoint") {
            written.set_raw(name, value.clone());
        } else {
            losses.add(format!("{path}.{name}"), NO_SUCH_FIELD);
        }
    }
}

fn write_media(media: &Media, path: &str, losses: &mut Losses) -> Option<Draft> {
    let mut written = Draft::default();
    match media.kind {
        MediaKind::Image => {
            written.set("type", "input_image");
            written.set("detail", media.detail.as_deref().unwrap_or("auto"));
            match &media.source {
                MediaSource::FileId(id) => written.set("file_id", id),
                MediaSource::Url(url) => written.set("image_url", url),
                MediaSource::Base64 { media_type, data } => {
                    written.set("image_url", data_url(media_type, data));
                }
            }
            let named = media.name.is_some();
            losses.add_if(named, format!("{path}.filename"), "OpenAI's Responses API names no images");
        }
        MediaKind::Document => {
            written.set("type", "input_file");
            match &media.source {
                MediaSource::FileId(id) => written.set("file_id", id),
                MediaSource::Url(url) => written.set("file_url", url),
                MediaSource::Base64 { media_type, data } => {
                    // The API wants a name beside the data.
                    written.set("filename", media.name.as_deref().unwrap_or("document.pdf"));
                    written.set("file_data", data_url(media_type, data));
                }
            }
            if let (Some(name), MediaSource::Url(_) | MediaSource::FileId(_)) = (&media.name, &media.source) {
                written.set("filename", name);
            }
        }
        MediaKind::Audio => {
            losses.add(path, "OpenAI's Responses API takes no audio");
            return None;
        }
    }
    add_native(&mut written, &media.extras, path, losses);
    Some(written)
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}
