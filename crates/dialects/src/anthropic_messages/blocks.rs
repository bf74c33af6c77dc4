//! Content blocks: the pieces of a turn, read and written.

use super::FAMILY;
use super::parameters::NO_SUCH_FIELD;
use crate::canonical::{Losses, Media, MediaKind, MediaSource, Part, RawJson, Signature, ToolCall};
use crate::raw::{Draft, Mismatch, Object, Read, to_raw};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The kinds of citations that the API has.
pub(super) const CITATIONS: [&str; 5] = [
    "char_location",
    "page_location",
    "content_block_location",
    "search_result_location",
    "web_search_result_location",
];

/// A block as the canonical model has it.
pub(super) enum Block<'a> {
    /// A part of the message.
    Part(Part),
    /// A call of a tool.
    Call(ToolCall),
    /// A tool's answer, with its fields unread.
    Result(Object<'a>),
}

/// Reads a block; of a tool's answer only the type.
pub(super) fn read(value: &RawValue) -> Read<Block<'_>> {
    let mut block = Object::of(value)?;
    Ok(match block.need_string("type")?.as_str() {
        "text" => {
            Block::Part(Part::Text { text: block.need_string("text")?, extras: block.rest_without_nulls() })
        }
        "thinking" => Block::Part(Part::Thinking {
            text: block.need_string("thinking")?,
            signature: block.string("signature")?.filter(|text| !text.is_empty()).map(read_signature),
        }),
        "redacted_thinking" => {
            Block::Part(Part::RedactedThinking(read_signature(block.need_string("data")?)))
        }
        "tool_use" => Block::Call(ToolCall {
            id: block.need_string("id")?,
            name: block.need_string("name")?,
            arguments: block.take("input").map_or("{}", RawValue::get).to_owned(),
            signature: None,
            extras: block.rest_without_nulls(),
        }),
        "tool_result" => Block::Result(block),
        "image" => Block::Part(read_media(MediaKind::Image, block, value)?),
        "document" => Block::Part(read_media(MediaKind::Document, block, value)?),
        _ => Block::Part(Part::Unknown(value.to_owned())),
    })
}

/// Reads an image or document; one whose source is of another kind stays as it is.
fn read_media(kind: MediaKind, mut block: Object<'_>, value: &RawValue) -> Read<Part> {
    let mut source = block.need_object("source")?;
    let mut need = |name| source.need_string(name).map_err(|wrong: Mismatch| wrong.within("source"));
    let source = match need("type")?.as_str() {
        "base64" => MediaSource::Base64 { media_type: need("media_type")?, data: need("data")? },
        "url" => MediaSource::Url(need("url")?),
        "file" => MediaSource::FileId(need("file_id")?),
        _ => return Ok(Part::Unknown(value.to_owned())),
    };
    let name = if kind == MediaKind::Document { block.string("title")? } else { None };
    Ok(Part::Media(Media { kind, source, name, detail: None, extras: block.rest_without_nulls() }))
}

/// A block of plain text; `None` for an empty one, which the API refuses and with which nothing is lost.
pub(super) fn text(text: &str) -> Option<Draft> {
    let mut block = Draft::default();
    block.set("type", "text");
    block.set("text", text);
    (!text.is_empty()).then_some(block)
}

fn read_signature(text: String) -> Signature {
    Signature::read(FAMILY, text)
}

/// For whom a block is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Takes back what it signed itself, and nothing else.
    Provider,
    /// Keeps every signature for the next turn.
    Client,
}

impl Reader {
    fn signature(self, signature: &Signature) -> Option<Cow<'_, str>> {
        match self {
            Self::Provider => signature.for_provider(FAMILY).map(Cow::Borrowed),
            Self::Client => Some(signature.for_client(FAMILY)),
        }
    }
}

/// Writes a part that stands at `path`; `None` when Anthropic's API has nothing like it.
pub(super) fn write(part: &Part, reader: Reader, path: &str, losses: &mut Losses) -> Option<Draft> {
    let mut block = Draft::default();
    match part {
        Part::Text { text, extras } => {
            block = self::text(text)?;
            add_native(&mut block, extras, &["cache_control", "citations"], path, losses);
        }
        Part::Media(media) => return write_media(media, path, losses),
        Part::Thinking { text, signature: None } if reader == Reader::Client => {
            return Some(thinking(text, ""));
        }
        Part::Thinking { text, signature } => {
            let Some(signature) = signature.as_ref().and_then(|signature| reader.signature(signature)) else {
                losses.add(path, "Anthropic's API takes only reasoning that it signed");
                return None;
            };
            block = thinking(text, &signature);
        }
        Part::RedactedThinking(data) => {
            let Some(data) = reader.signature(data) else {
                losses.add(path, "Anthropic's API takes only reasoning that it encrypted");
                return None;
            };
            block.set("type", "redacted_thinking");
            block.set("data", data);
        }
        Part::Unknown(raw) if is_native(raw) => return serde_json::from_str(raw.get()).ok(),
        Part::Unknown(_) => {
            losses.add(path, "Anthropic's API has no such part");
            return None;
        }
    }
    Some(block)
}

/// A block of reasoning. One without a signature is for the eye of the person.
pub(super) fn thinking(text: &str, signature: &str) -> Draft {
    let mut block = Draft::default();
    block.set("type", "thinking");
    block.set("thinking", text);
    block.set("signature", signature);
    block
}

/// Whether raw JSON is a block that this API knows and the canonical model does not name.
fn is_native(raw: &RawJson) -> bool {
    const KNOWN: [&str; 7] = [
        "image",
        "document",
        "search_result",
        "server_tool_use",
        "mcp_tool_use",
        "container_upload",
        "tool_reference",
    ];
    let kind = Object::of(raw).and_then(|mut object| object.need_string("type"));
    kind.is_ok_and(|kind| KNOWN.contains(&kind.as_str()) || kind.ends_with("_tool_result"))
}

fn write_media(media: &Media, path: &str, losses: &mut Losses) -> Option<Draft> {
    let kind = match media.kind {
        MediaKind::Image => "image",
        MediaKind::Document => "document",
        MediaKind::Audio => {
            losses.add(path, "Anthropic's API takes no audio");
            return None;
        }
    };
    let detailed = media.detail.is_some();
    losses.add_if(detailed, format!("{path}.detail"), "Anthropic's API has no detail of images");
    let mut block = Draft::default();
    block.set("type", kind);
    block.set("source", write_source(&media.source));
    match (&media.name, media.kind) {
        (Some(name), MediaKind::Document) => block.set("title", name),
        (Some(_), _) => losses.add(format!("{path}.filename"), "Anthropic's API names no images"),
        (None, _) => {}
    }
    add_native(&mut block, &media.extras, &["cache_control", "citations", "context"], path, losses);
    Some(block)
}

fn write_source(source: &MediaSource) -> Draft {
    let mut written = Draft::default();
    let mut base64 = |media_type: &str, data: &str| {
        written.set("type", "base64");
        written.set("media_type", media_type);
        written.set("data", data);
    };
    match source {
        MediaSource::Base64 { media_type, data } => base64(media_type, data),
        MediaSource::Url(url) => match MediaSource::of_url(url.clone()) {
            MediaSource::Base64 { media_type, data } => base64(&media_type, &data),
            _ => {
                written.set("type", "url");
                written.set("url", url);
            }
        },
        MediaSource::FileId(id) => {
            written.set("type", "file");
            written.set("file_id", id);
        }
    }
    written
}

/// Writes a call of a tool. Arguments that are no JSON object are wrapped in one.
pub(super) fn write_call(call: &ToolCall, path: &str, losses: &mut Losses) -> Draft {
    let mut block = Draft::default();
    block.set("type", "tool_use");
    block.set("id", valid_id(&call.id));
    block.set("name", &call.name);
    block.set_raw(
        "input",
        input_of(&call.arguments).unwrap_or_else(|| {
            losses
                .add(format!("{path}.function.arguments"), "no JSON object; sent inside one as `arguments`");
            to_raw(&serde_json::json!({ "arguments": call.arguments }))
        }),
    );
    add_native(&mut block, &call.extras, &["cache_control", "caller"], path, losses);
    block
}

/// What keeps the signature of a call that another provider signed: the API has a place for it on reasoning alone.
pub(super) fn keep_signature(signature: &Signature) -> Draft {
    thinking("", &signature.for_client(FAMILY))
}

/// Arguments as they were written, if they are an object. No arguments are an empty object.
fn input_of(arguments: &str) -> Option<RawJson> {
    let arguments = arguments.trim();
    let arguments = if arguments.is_empty() { "{}" } else { arguments };
    let raw = RawValue::from_string(arguments.to_owned()).ok()?;
    raw.get().starts_with('{').then_some(raw)
}

/// An id with the letters that the API accepts; other providers' ids hold dots and colons.
pub(super) fn valid_id(id: &str) -> String {
    let valid = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    id.chars().map(|letter| if valid(letter) { letter } else { '_' }).collect()
}

/// Adds the extra fields that the API knows; the rest is recorded under `path`.
pub(super) fn add_native(
    block: &mut Draft,
    extras: &[(String, RawJson)],
    native: &[&str],
    path: &str,
    losses: &mut Losses,
) {
    for (name, value) in extras {
        if native.contains(&name.as_str()) {
            block.set_raw(name, value.clone());
        } else {
            losses.add(format!("{path}.{name}"), NO_SUCH_FIELD);
        }
    }
}
