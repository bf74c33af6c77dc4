//! Images, sounds and documents: bytes, or objects of S3.

use super::NO_SUCH_FIELD;
use crate::canonical::{Losses, Media, MediaKind, MediaSource, Part, RawJson};
use crate::raw::{Draft, Object, Read};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::value::RawValue;

/// The API's words for formats, and their media types (IANA). Of two words for a type the first is written.
const FORMATS: [(MediaKind, &str, &str); 20] = [
    (MediaKind::Image, "png", "image/png"),
    (MediaKind::Image, "jpeg", "image/jpeg"),
    (MediaKind::Image, "jpeg", "image/jpg"),
    (MediaKind::Image, "gif", "image/gif"),
    (MediaKind::Image, "webp", "image/webp"),
    (MediaKind::Document, "pdf", "application/pdf"),
    (MediaKind::Document, "csv", "text/csv"),
    (MediaKind::Document, "doc", "application/msword"),
    (MediaKind::Document, "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (MediaKind::Document, "xls", "application/vnd.ms-excel"),
    (MediaKind::Document, "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (MediaKind::Document, "html", "text/html"),
    (MediaKind::Document, "txt", "text/plain"),
    (MediaKind::Document, "md", "text/markdown"),
    (MediaKind::Audio, "mp3", "audio/mpeg"),
    (MediaKind::Audio, "mp3", "audio/mp3"),
    (MediaKind::Audio, "wav", "audio/wav"),
    (MediaKind::Audio, "flac", "audio/flac"),
    (MediaKind::Audio, "ogg", "audio/ogg"),
    (MediaKind::Audio, "aac", "audio/aac"),
];

/// The fields of a document that other APIs have by the same name.
const OF_DOCUMENTS: [&str; 2] = ["citations", "context"];

/// The API's word for a kind.
fn word(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Audio => "audio",
        MediaKind::Document => "document",
    }
}

/// Reads an image, sound or document; one whose source only this API has stays as it is, which is `whole`.
pub(super) fn read(kind: MediaKind, mut block: Object<'_>, whole: &RawValue) -> Read<Part> {
    let format = block.string("format")?;
    let name = if kind == MediaKind::Document { block.string("name")? } else { None };
    let mut source = block.need_object("source")?;
    let inside = |wrong: crate::raw::Mismatch| wrong.within("source");
    let data = match (source.string("bytes").map_err(inside)?, source.string("text")) {
        (Some(bytes), _) => bytes,
        (None, Ok(Some(text))) => BASE64.encode(text),
        (None, _) => return Ok(Part::Unknown(whole.to_owned())),
    };
    let format = format.unwrap_or_else(|| "txt".to_owned());
    let media_type = FORMATS.iter().find(|(of, word, _)| *of == kind && *word == format);
    let media_type =
        media_type.map_or_else(|| format!("{}/{format}", word(kind)), |(.., mime)| (*mime).to_owned());
    let source = MediaSource::Base64 { media_type, data };
    Ok(Part::Media(Media { kind, source, name, detail: None, extras: block.rest_without_nulls() }))
}

/// Writes what stands at `path`; `None` where the API takes nothing like it. `names` are those of the documents before
/// it, which may not be repeated.
pub(super) fn write(
    media: &Media,
    path: &str,
    names: &mut Vec<String>,
    losses: &mut Losses,
) -> Option<Draft> {
    let (format, source) = write_source(media, path, losses)?;
    let mut block = Draft::default();
    block.set("format", format);
    if media.kind == MediaKind::Document {
        block.set("name", name_of(media, path, names, losses));
    } else {
        losses.add_if(
            media.name.is_some(),
            format!("{path}.filename"),
            "Bedrock's API names documents alone",
        );
    }
    block.set("source", source);
    losses.add_if(media.detail.is_some(), format!("{path}.detail"), "Bedrock's API has no detail of images");
    for (name, value) in media.extras.iter().filter(|(name, _)| name != super::cache::MARK) {
        if media.kind == MediaKind::Document && OF_DOCUMENTS.contains(&name.as_str()) {
            block.set_raw(name, value.clone());
        } else {
            losses.add(format!("{path}.{name}"), NO_SUCH_FIELD);
        }
    }
    Some(Draft::of(word(media.kind), block))
}

/// The format and the source.
fn write_source(media: &Media, path: &str, losses: &mut Losses) -> Option<(&'static str, Draft)> {
    let owned;
    let source = match &media.source {
        MediaSource::Url(url) => {
            owned = MediaSource::of_url(url.clone());
            &owned
        }
        source => source,
    };
    let fitting = |fits: &dyn Fn(&(MediaKind, &str, &str)) -> bool| {
        FORMATS.iter().find(|format| format.0 == media.kind && fits(format)).map(|(_, word, _)| *word)
    };
    match source {
        MediaSource::Base64 { media_type, data } => {
            let essence = media_type.split(';').next().unwrap_or_default().trim();
            let Some(format) = fitting(&|(.., mime)| mime.eq_ignore_ascii_case(essence)) else {
                losses.add(path, "Bedrock's API takes no such media type");
                return None;
            };
            let cited = media.extras.iter().any(|(name, _)| name == "citations");
            let text = BASE64.decode(data).ok().filter(|_| cited && format == "txt");
            // Sources are cited by their characters in text alone.
            Some(match text.and_then(|bytes| String::from_utf8(bytes).ok()) {
                Some(text) => (format, Draft::of("text", text)),
                None => (format, Draft::of("bytes", data)),
            })
        }
        MediaSource::Url(url) if url.starts_with("s3://") => {
            let ending = url.rsplit_once('.').map_or("", |(_, ending)| ending);
            let ending = if ending == "jpg" { "jpeg" } else { ending };
            let Some(format) = fitting(&|(_, word, _)| *word == ending) else {
                losses.add(path, "the object's name does not end in a format that Bedrock's API takes");
                return None;
            };
            Some((format, Draft::of("s3Location", Draft::of("uri", url))))
        }
        MediaSource::Url(_) => {
            losses.add(path, "Bedrock's API takes bytes and objects of S3, no other URLs");
            None
        }
        MediaSource::FileId(_) => {
            losses.add(path, "a file of another API");
            None
        }
    }
}

/// A document's name: required, not repeated, and of letters, digits, hyphens, brackets and single spaces.
fn name_of(media: &Media, path: &str, names: &mut Vec<String>, losses: &mut Losses) -> String {
    let wanted = media.name.as_deref().unwrap_or("document");
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-()[] ".contains(c);
    let mut name: String = wanted.chars().map(|c| if allowed(c) { c } else { '-' }).take(180).collect();
    while name.contains("  ") {
        name = name.replace("  ", " ");
    }
    if name.trim().is_empty() {
        "document".clone_into(&mut name);
    }
    let first = name.clone();
    let mut number = 2_u32;
    while names.contains(&name) {
        name = format!("{first} {number}");
        number = number.saturating_add(1);
    }
    let changed = media.name.as_ref().is_some_and(|given| *given != name);
    losses.add_if(changed, format!("{path}.filename"), "changed into a name that Bedrock's API takes");
    names.push(name.clone());
    name
}

/// Whether raw JSON is an object with one of these fields, such as a block of this API that the canonical model does
/// not name.
pub(super) fn is_native(raw: &RawJson, known: &[&str]) -> bool {
    Object::of(raw).is_ok_and(|object| known.iter().any(|name| object.get(name).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::to_raw;
    use serde_json::{Value, json};

    fn document(media_type: &str, name: Option<&str>) -> Media {
        let source = MediaSource::Base64 { media_type: media_type.to_owned(), data: "QQ==".to_owned() };
        let name = name.map(str::to_owned);
        Media { kind: MediaKind::Document, source, name, detail: None, extras: Vec::new() }
    }

    fn written(media: &Media, names: &mut Vec<String>) -> (Option<Value>, Vec<String>) {
        let mut losses = Losses::default();
        let block = write(media, "p", names, &mut losses);
        let block = block.map(|block| serde_json::from_str(to_raw(&block).get()).expect("JSON"));
        (block, losses.iter().map(|loss| loss.path.clone()).collect())
    }

    #[test]
    fn documents_get_names_that_the_api_takes_once() {
        let names = &mut Vec::new();
        for (given, name, lost) in [
            (Some("A (1)"), "A (1)", 0),
            (None, "document", 0),
            (None, "document 2", 0),
            (Some("report_v1.pdf"), "report-v1-pdf", 1),
            (Some("A (1)"), "A (1) 2", 1),
            (Some("a   b"), "a b", 1),
        ] {
            let (block, losses) = written(&document("application/pdf", given), names);
            assert_eq!(block.expect("a block")["document"]["name"], name);
            assert_eq!(losses.len(), lost, "{given:?}");
        }
    }

    #[test]
    fn what_the_api_does_not_take_is_recorded() {
        let (block, losses) = written(&document("application/zip", None), &mut Vec::new());
        assert_eq!((block, losses.as_slice()), (None, ["p".to_owned()].as_slice()));
        let image = |url: &str| Media {
            kind: MediaKind::Image,
            source: MediaSource::Url(url.to_owned()),
            name: None,
            detail: None,
            extras: Vec::new(),
        };
        assert_eq!(written(&image("https://h/x.png"), &mut Vec::new()).1, ["p"]);
        let (block, losses) = written(&image("s3://b/x.jpg"), &mut Vec::new());
        let wanted = json!({"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://b/x.jpg"}}}});
        assert_eq!((block, losses.len()), (Some(wanted), 0));
        let (block, _) = written(&image("data:image/jpg;base64,QQ=="), &mut Vec::new());
        assert_eq!(block, Some(json!({"image": {"format": "jpeg", "source": {"bytes": "QQ=="}}})));
    }

    #[test]
    fn a_document_of_text_is_read_as_bytes_that_other_apis_take() {
        let raw = to_raw(&json!({"format": "txt", "name": "n", "source": {"text": "hé"}, "context": "c"}));
        let part = read(MediaKind::Document, Object::of(&raw).expect("an object"), &raw).expect("a part");
        let Part::Media(media) = part else { panic!("{part:?}") };
        assert!(matches!(&media.source, MediaSource::Base64 { media_type, data }
            if media_type == "text/plain" && data == "aMOp"));
        assert_eq!(media.extras.len(), 1);
        let mut cited = media;
        cited.extras.push(("citations".to_owned(), to_raw(&json!({"enabled": true}))));
        let (block, _) = written(&cited, &mut Vec::new());
        assert_eq!(block.expect("a block")["document"]["source"], json!({"text": "hé"}));
    }
}
