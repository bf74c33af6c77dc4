//! Images, sounds and files in messages.

use super::tools::{rest_with, write_inner, write_outer};
use crate::canonical::{Losses, Media, MediaKind, MediaSource};
use crate::raw::{Object, ObjectWriter, text};
use std::fmt::Display;

/// Reads a part of type `kind`; `None` when it is of no form that the canonical model has.
pub(crate) fn read(kind: &str, object: Object<'_>) -> Option<Media> {
    match kind {
        "image_url" => read_image(object),
        "input_audio" => read_audio(object),
        "file" => read_file(object),
        _ => None,
    }
}

fn read_image(mut object: Object<'_>) -> Option<Media> {
    // Mistral takes the URL alone.
    if let Some(url) = object.get("image_url").and_then(|url| text(url).ok()) {
        object.take("image_url");
        return Some(media(
            MediaKind::Image,
            MediaSource::of_url(url),
            object,
            Object::default(),
            "image_url",
        ));
    }
    let mut image = object.object("image_url").ok()??;
    let url = image.string("url").ok()??;
    let detail = image.string("detail").ok()?;
    Some(Media { detail, ..media(MediaKind::Image, MediaSource::of_url(url), object, image, "image_url") })
}

fn read_audio(mut object: Object<'_>) -> Option<Media> {
    let mut audio = object.object("input_audio").ok()??;
    let data = audio.string("data").ok()??;
    let media_type = match audio.string("format").ok()??.as_str() {
        "mp3" => "audio/mpeg".to_owned(),
        format => format!("audio/{format}"),
    };
    Some(media(MediaKind::Audio, MediaSource::Base64 { media_type, data }, object, audio, "input_audio"))
}

fn read_file(mut object: Object<'_>) -> Option<Media> {
    let mut file = object.object("file").ok()??;
    let source = match (file.string("file_id").ok()?, file.string("file_data").ok()?) {
        (Some(id), None) => MediaSource::FileId(id),
        (None, Some(data)) => match MediaSource::of_url(data) {
            source @ MediaSource::Base64 { .. } => source,
            _ => return None,
        },
        _ => return None,
    };
    let name = file.string("filename").ok()?;
    Some(Media { name, ..media(MediaKind::Document, source, object, file, "file") })
}

fn media(
    kind: MediaKind,
    source: MediaSource,
    outer: Object<'_>,
    inner: Object<'_>,
    inner_name: &str,
) -> Media {
    Media { kind, source, name: None, detail: None, extras: rest_with(outer, inner_name, inner) }
}

/// Whether the API has a form for it.
pub(super) fn is_sayable(media: &Media) -> bool {
    matches!(
        (media.kind, &media.source),
        (MediaKind::Image, MediaSource::Url(_) | MediaSource::Base64 { .. })
            | (MediaKind::Audio, MediaSource::Base64 { .. })
            | (MediaKind::Document, MediaSource::Base64 { .. } | MediaSource::FileId(_))
    )
}

/// Writes a part that [`is_sayable`].
pub(super) fn write(media: &Media, at: &dyn Display, own: bool, losses: &mut Losses, out: &mut Vec<u8>) {
    let name = match media.kind {
        MediaKind::Image => "image_url",
        MediaKind::Audio => "input_audio",
        MediaKind::Document => "file",
    };
    let mut object = ObjectWriter::new(out);
    object.field("type", name);
    let mut inner = ObjectWriter::new(object.key(name));
    match (media.kind, &media.source) {
        (MediaKind::Image, MediaSource::Url(url) | MediaSource::FileId(url)) => {
            inner.field("url", url);
        }
        (MediaKind::Image, MediaSource::Base64 { media_type, data }) => {
            inner.field("url", &data_url(media_type, data));
        }
        (MediaKind::Audio, MediaSource::Base64 { media_type, data }) => {
            inner.field("data", data).field("format", audio_format(media_type));
        }
        (MediaKind::Document, MediaSource::Base64 { media_type, data }) => {
            // OpenAI wants a name beside the data.
            let default = (!own).then_some("document.pdf");
            inner.some("filename", media.name.as_deref().or(default));
            inner.field("file_data", &data_url(media_type, data));
        }
        (_, MediaSource::Url(id) | MediaSource::FileId(id)) => {
            inner.field("file_id", id).some("filename", media.name.as_ref());
        }
    }
    inner.some("detail", media.detail.as_ref().filter(|_| media.kind == MediaKind::Image));
    write_inner(&media.extras, name, own, &mut inner);
    inner.end();
    write_outer(&media.extras, name, at, own, losses, &mut object);
    object.end();
}

fn data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

fn audio_format(media_type: &str) -> &str {
    match media_type {
        "audio/mpeg" => "mp3",
        "audio/x-wav" | "audio/wave" => "wav",
        other => other.strip_prefix("audio/").unwrap_or(other),
    }
}
