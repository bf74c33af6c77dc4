//! Images, sounds, films and files in parts.

use super::fields;
use super::parts::add_native;
use crate::canonical::{Losses, Media, MediaKind, MediaSource};
use crate::raw::{Draft, Mismatch, Object, Read, to_raw};

/// Takes the media that a part holds, if it holds any.
pub(super) fn read(part: &mut Object<'_>) -> Read<Option<Media>> {
    if let Some(blob) = fields::take_object(part, "inlineData")? {
        return inline(blob, part).map(Some).map_err(|wrong| wrong.within("inlineData"));
    }
    let Some(file) = fields::take_object(part, "fileData")? else { return Ok(None) };
    stored(file, part).map(Some).map_err(|wrong| wrong.within("fileData"))
}

fn inline(mut blob: Object<'_>, part: &mut Object<'_>) -> Read<Media> {
    let media_type = blob.string("mimeType")?.unwrap_or_else(|| "application/octet-stream".to_owned());
    let data = in_standard_alphabet(blob.need_string("data")?);
    let kind = kind_of(&media_type);
    media(kind, MediaSource::Base64 { media_type, data }, blob, part)
}

fn stored(mut file: Object<'_>, part: &mut Object<'_>) -> Read<Media> {
    let uri = file.need_string("fileUri")?;
    let given = file.string("mimeType")?;
    let guessed = guessed_type(&uri);
    let kind = kind_of(given.as_deref().or(guessed).unwrap_or_default());
    let mut media = media(kind, MediaSource::Url(uri), file, part)?;
    // Other APIs look at what they fetch; ours wants to be told.
    let told = given.filter(|given| Some(given.as_str()) != guessed);
    media.extras.extend(told.map(|told| ("mimeType".to_owned(), to_raw(&told))));
    Ok(media)
}

fn media(kind: MediaKind, source: MediaSource, mut data: Object<'_>, part: &mut Object<'_>) -> Read<Media> {
    let name = data.string("displayName")?;
    let rest = data.rest_without_nulls().into_iter().chain(std::mem::take(part).rest_without_nulls());
    Ok(Media { kind, source, name, detail: None, extras: rest.collect() })
}

fn kind_of(media_type: &str) -> MediaKind {
    match media_type.split('/').next() {
        Some("image") => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}

/// ProtoJSON takes bytes in either alphabet of base64 and without padding; other APIs take the standard one.
fn in_standard_alphabet(data: String) -> String {
    let padding = (4 - data.len() % 4) % 4;
    if padding == 0 && !data.contains(['-', '_']) {
        return data;
    }
    let mut standard = data.replace('-', "+").replace('_', "/");
    standard.extend(std::iter::repeat_n('=', padding));
    standard
}

/// Writes media as a part; `None` when the API cannot reach it.
pub(super) fn write(media: &Media, path: &str, losses: &mut Losses) -> Option<Draft> {
    let mut part = Draft::default();
    let mut data = Draft::default();
    let name = match &media.source {
        MediaSource::Base64 { media_type, data: bytes } => inline_data(&mut data, media_type, bytes),
        MediaSource::Url(url) => match MediaSource::of_url(url.clone()) {
            MediaSource::Base64 { media_type, data: bytes } => inline_data(&mut data, &media_type, &bytes),
            _ => file_data(&mut data, url, media),
        },
        // As the Files API names its files.
        MediaSource::FileId(id) if id.starts_with("files/") || id.starts_with("https://") => {
            file_data(&mut data, id, media)
        }
        MediaSource::FileId(_) => {
            losses.add(path, "a file at another provider");
            return None;
        }
    };
    data.set_some("displayName", media.name.as_ref().filter(|_| media.kind == MediaKind::Document));
    let lost_name = media.name.is_some() && media.kind != MediaKind::Document;
    losses.add_if(lost_name, format!("{path}.filename"), "Gemini's API names documents only");
    let detailed = media.detail.as_ref().is_some_and(|detail| detail != "auto");
    losses.add_if(detailed, format!("{path}.detail"), "Gemini's API sets the detail of all images at once");
    part.set(name, data);
    let extras: Vec<_> = media.extras.iter().filter(|(name, _)| name != "mimeType").cloned().collect();
    let native = ["thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata"];
    add_native(&mut part, &extras, &native, path, losses);
    Some(part)
}

fn inline_data(data: &mut Draft, media_type: &str, bytes: &str) -> &'static str {
    data.set("mimeType", media_type);
    data.set("data", bytes);
    "inlineData"
}

fn file_data(data: &mut Draft, uri: &str, media: &Media) -> &'static str {
    const FILES: &str = "https://generativelanguage.googleapis.com/v1beta/";
    let told = media.extras.iter().find(|(name, _)| name == "mimeType");
    match (told, guessed_type(uri)) {
        (Some((_, told)), _) => data.set_raw("mimeType", told.clone()),
        (None, Some(guessed)) => data.set("mimeType", guessed),
        (None, None) => {}
    }
    let prefix = if uri.starts_with("files/") { FILES } else { "" };
    data.set("fileUri", format!("{prefix}{uri}"));
    "fileData"
}

/// The media type that the end of a URL's path tells (IANA's registry of media types).
fn guessed_type(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "md" => "text/markdown",
        "json" => "application/json",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        _ => return None,
    })
}

/// Reads a list of media, such as those beside a tool's answer.
///
/// # Errors
/// A [`Mismatch`] when a part holds none.
pub(super) fn read_only(value: &serde_json::value::RawValue) -> Read<Media> {
    read(&mut fields::object(value)?)?.ok_or_else(|| Mismatch::missing("inlineData", "an object"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read_json(part: &Value) -> Media {
        read_only(&to_raw(part)).expect("media")
    }

    fn write_json(media: &Media) -> (Value, usize) {
        let mut losses = Losses::default();
        let part = write(media, "p", &mut losses);
        (serde_json::to_value(part).expect("JSON"), losses.count())
    }

    #[test]
    fn media_come_out_as_they_went_in() {
        for part in [
            json!({"inlineData": {"mimeType": "audio/mp3", "data": "AAA="}}),
            json!({"inlineData": {"mimeType": "application/pdf", "data": "AAAA", "displayName": "a.pdf"}}),
            json!({"fileData": {"mimeType": "image/png", "fileUri": "https://x/a.png?b"}}),
            json!({"fileData": {"mimeType": "video/mp4", "fileUri": "https://x/files/abc"},
                "videoMetadata": {"fps": 1}}),
            json!({"fileData": {"fileUri": "gs://bucket/thing"}}),
        ] {
            assert_eq!(write_json(&read_json(&part)), (part, 0));
        }
    }

    #[test]
    fn bytes_are_told_in_the_alphabet_that_every_api_takes() {
        let media = read_json(&json!({"inline_data": {"mime_type": "image/png", "data": "_-A"}}));
        let MediaSource::Base64 { data, .. } = &media.source else { panic!("bytes") };
        assert_eq!(data, "/+A=");
    }

    #[test]
    fn urls_of_other_apis_arrive_and_files_elsewhere_are_lost() {
        let media = |source| Media {
            kind: MediaKind::Image,
            source,
            name: None,
            detail: Some("high".to_owned()),
            extras: vec![],
        };
        let (part, lost) = write_json(&media(MediaSource::Url("data:image/gif;base64,AAAA".to_owned())));
        assert_eq!((part, lost), (json!({"inlineData": {"mimeType": "image/gif", "data": "AAAA"}}), 1));
        let (part, _) = write_json(&media(MediaSource::Url("https://x/a".to_owned())));
        assert_eq!(part, json!({"fileData": {"fileUri": "https://x/a"}}));
        assert_eq!(write_json(&media(MediaSource::FileId("file-1".to_owned()))), (Value::Null, 1));
    }
}
