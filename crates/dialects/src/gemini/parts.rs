//! Parts: the pieces of a turn, read and written.

use super::{FAMILY, fields, media};
use crate::canonical::{Content, Losses, Media, Message, Part, RawJson, Signature, ToolCall};
use crate::raw::{Draft, Mismatch, Object, Read, to_raw};
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Why a field of another API is lost.
pub(super) const NO_SUCH_FIELD: &str = "Gemini's API has no such field";

/// A part as it was read.
pub(super) struct Piece<'a> {
    pub(super) kind: Kind<'a>,
    /// The thought signature; it may stand on a part of any kind.
    pub(super) signature: Option<String>,
}

/// What a part holds.
pub(super) enum Kind<'a> {
    Text {
        text: String,
        extras: Vec<(String, RawJson)>,
    },
    /// A summary of thoughts; without text only its signature is there.
    Thought(Option<String>),
    Call(Call<'a>),
    /// A tool's answer, with its fields unread.
    Result(Object<'a>),
    Media(Media),
    /// A part that the canonical model does not name.
    Other,
}

/// A function call, perhaps one of which only a piece is there.
pub(super) struct Call<'a> {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) args: Option<&'a RawValue>,
    /// Pieces of arguments, with `streamFunctionCallArguments` of Vertex AI.
    pub(super) partial: Vec<&'a RawValue>,
    pub(super) continues: bool,
    pub(super) extras: Vec<(String, RawJson)>,
}

/// Reads a part.
pub(super) fn read(value: &RawValue) -> Read<Piece<'_>> {
    let mut part = fields::object(value)?;
    let signature = part.string("thoughtSignature")?.filter(|text| !text.is_empty());
    let thought = part.boolean("thought")?.unwrap_or(false);
    let kind = if let Some(call) = fields::take_object(&mut part, "functionCall")? {
        Kind::Call(read_call(call, part).map_err(|wrong| wrong.within("functionCall"))?)
    } else if let Some(result) = fields::take_object(&mut part, "functionResponse")? {
        Kind::Result(result)
    } else if let Some(text) = part.string("text")? {
        match thought {
            true => Kind::Thought(Some(text)),
            false => Kind::Text { text, extras: part.rest_without_nulls() },
        }
    } else if !thought && let Some(media) = media::read(&mut part)? {
        Kind::Media(media)
    } else if signature.is_some() && part.is_empty() {
        if thought { Kind::Thought(None) } else { Kind::Text { text: String::new(), extras: Vec::new() } }
    } else {
        Kind::Other
    };
    Ok(Piece { kind, signature })
}

fn read_call<'a>(mut call: Object<'a>, part: Object<'a>) -> Read<Call<'a>> {
    let read = Call {
        id: call.string("id")?.filter(|id| !id.is_empty()),
        name: call.string("name")?.filter(|name| !name.is_empty()),
        args: call.take("args"),
        partial: call.list("partialArgs")?.unwrap_or_default(),
        continues: call.boolean("willContinue")?.unwrap_or(false),
        extras: Vec::new(),
    };
    let rest = call.rest_without_nulls().into_iter().chain(part.rest_without_nulls());
    Ok(Call { extras: rest.collect(), ..read })
}

/// What a turn says, gathered from its parts.
#[derive(Default)]
pub(super) struct Said {
    pub(super) parts: Vec<Part>,
    pub(super) calls: Vec<ToolCall>,
    joins: bool,
}

impl Said {
    /// For a turn of the model. There what stands in neighbouring parts of one kind is one text: streams cut it
    /// anywhere, and clients send the pieces back as they came.
    pub(super) fn of_model() -> Self {
        Self { joins: true, ..Self::default() }
    }

    /// The content and the calls. One plain text is a string; no content beside calls is none.
    pub(super) fn into_content(self) -> (Content, Vec<ToolCall>) {
        let Self { mut parts, calls, .. } = self;
        let content = match parts.as_mut_slice() {
            [] if !calls.is_empty() => Content::None,
            [] => Content::Text(String::new()),
            [Part::Text { text, extras }] if extras.is_empty() => Content::Text(std::mem::take(text)),
            _ => Content::Parts(parts),
        };
        (content, calls)
    }

    /// Adds a part.
    ///
    /// `raw` is the part as it came; `sign` reads its signature; `id` gives a call without an id one.
    pub(super) fn add(
        &mut self,
        raw: &RawValue,
        piece: Piece<'_>,
        sign: fn(String) -> Signature,
        id: impl FnOnce(&str, &str) -> String,
    ) -> Read<()> {
        let signature = piece.signature.map(sign);
        match piece.kind {
            Kind::Text { text, extras } => {
                self.text(text, extras);
                // A signature on a text stands beside it, where other APIs can keep it.
                if signature.is_some() {
                    self.parts.push(Part::Thinking { text: String::new(), signature });
                }
            }
            Kind::Thought(Some(text)) => self.thought(text, signature),
            Kind::Thought(None) => self.parts.extend(signature.map(Part::RedactedThinking)),
            Kind::Call(call) => {
                let name =
                    call.name.ok_or_else(|| Mismatch::missing("name", "a string").within("functionCall"))?;
                let arguments = call.args.map_or("{}", RawValue::get).to_owned();
                let id = call.id.unwrap_or_else(|| id(&name, &arguments));
                self.calls.push(ToolCall { id, name, arguments, signature, extras: call.extras });
            }
            Kind::Media(mut media) => {
                let kept = signature.as_ref().and_then(|signature| signature.for_provider(FAMILY));
                media.extras.extend(kept.map(|text| ("thoughtSignature".to_owned(), to_raw(text))));
                self.parts.push(Part::Media(media));
            }
            Kind::Result(_) | Kind::Other => self.parts.push(Part::Unknown(raw.to_owned())),
        }
        Ok(())
    }

    fn text(&mut self, text: String, extras: Vec<(String, RawJson)>) {
        match self.parts.last_mut() {
            Some(Part::Text { text: before, extras: others })
                if self.joins && extras.is_empty() && others.is_empty() =>
            {
                before.push_str(&text);
            }
            _ if text.is_empty() && extras.is_empty() => {}
            _ => self.parts.push(Part::Text { text, extras }),
        }
    }

    fn thought(&mut self, text: String, signature: Option<Signature>) {
        match self.parts.last_mut() {
            Some(Part::Thinking { text: before, signature: none @ None }) => {
                before.push_str(&text);
                *none = signature;
            }
            _ if text.is_empty() && signature.is_none() => {}
            _ => self.parts.push(Part::Thinking { text, signature }),
        }
    }
}

/// An id for a call that its provider gave none, the same whenever the same call is read.
pub(super) fn made_up_id(seed: &str, number: usize, name: &str, arguments: &str) -> String {
    // FNV-1a: short, and the same on every machine.
    let bytes = [seed, name, arguments].into_iter().flat_map(|text| text.bytes().chain([0xff]));
    let hash = bytes.chain(number.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{MADE_UP}{hash:016x}")
}

const MADE_UP: &str = "call_gm_";

/// Whether an id is one of ours, which the provider need not see.
fn is_made_up(id: &str) -> bool {
    id.strip_prefix(MADE_UP).is_some_and(|hash| hash.len() == 16)
}

/// The id as the provider hears it; none where it gave none.
pub(super) fn own_id(id: &str) -> Option<&str> {
    (!id.is_empty() && !is_made_up(id)).then_some(id)
}

/// For whom parts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Takes back what it signed itself, and nothing else.
    Provider,
    /// Keeps every signature for the next turn.
    Client,
}

impl Reader {
    pub(super) fn signature(self, signature: &Signature) -> Option<Cow<'_, str>> {
        match self {
            Self::Provider => signature.for_provider(FAMILY).map(Cow::Borrowed),
            Self::Client => Some(signature.for_client(FAMILY)),
        }
    }
}

/// Writes the content of the message at `path`, without its calls.
pub(super) fn write_content(
    message: &Message,
    reader: Reader,
    path: &str,
    losses: &mut Losses,
) -> Vec<Draft> {
    let mut written = Vec::new();
    match &message.content {
        Content::None => {}
        Content::Text(text) => written.extend(text_part(text)),
        Content::Parts(parts) => {
            for (place, part) in parts.iter().enumerate() {
                write(part, reader, &format!("{path}.content[{place}]"), losses, &mut written);
            }
        }
    }
    written.extend(message.refusal.as_deref().and_then(text_part));
    written
}

/// A part of plain text; `None` for an empty one, with which nothing is lost.
fn text_part(text: &str) -> Option<Draft> {
    (!text.is_empty()).then(|| plain(text))
}

pub(super) fn plain(text: &str) -> Draft {
    let mut part = Draft::default();
    part.set("text", text);
    part
}

/// A summary of thoughts.
pub(super) fn thought(text: &str) -> Draft {
    let mut part = plain(text);
    part.set("thought", true);
    part
}

/// Thoughts of which there is only what its maker can read.
pub(super) fn hidden(signature: &str) -> Draft {
    let mut part = Draft::default();
    part.set("thought", true);
    part.set("thoughtSignature", signature);
    part
}

fn write(part: &Part, reader: Reader, path: &str, losses: &mut Losses, written: &mut Vec<Draft>) {
    match part {
        Part::Text { text, extras } => {
            let mut said = text_part(text);
            if let Some(said) = &mut said {
                add_native(said, extras, &["partMetadata", "videoMetadata"], path, losses);
            }
            written.extend(said);
        }
        Part::Thinking { text, signature } => {
            let told = signature.as_ref().map(|signature| reader.signature(signature));
            match told {
                Some(None) => losses.add(path, "Gemini's API takes only thoughts that it signed"),
                told => write_thought(text, told.flatten().as_deref(), written),
            }
        }
        Part::RedactedThinking(signature) => match reader.signature(signature) {
            Some(signature) => written.push(hidden(&signature)),
            None => losses.add(path, "Gemini's API takes only thoughts that it signed"),
        },
        Part::Media(media) => written.extend(media::write(media, path, losses)),
        Part::Unknown(raw) if is_native(raw) => written.extend(serde_json::from_str::<Draft>(raw.get()).ok()),
        Part::Unknown(_) => losses.add(path, "Gemini's API has no such part"),
    }
}

/// Writes thoughts. A signature without thoughts goes back to the text before it.
fn write_thought(text: &str, signature: Option<&str>, written: &mut Vec<Draft>) {
    let Some(signature) = signature else { return written.extend((!text.is_empty()).then(|| thought(text))) };
    if text.is_empty()
        && let Some(last) = written.last_mut()
        && last.has("text")
        && !last.has("thought")
        && !last.has("thoughtSignature")
    {
        return last.set("thoughtSignature", signature);
    }
    let mut part = if text.is_empty() { plain("") } else { thought(text) };
    part.set("thoughtSignature", signature);
    written.push(part);
}

/// Whether raw JSON is a part that this API knows and the canonical model does not name. No part of it has a `type`.
fn is_native(raw: &RawJson) -> bool {
    const KNOWN: [&str; 7] = [
        "executableCode",
        "codeExecutionResult",
        "toolCall",
        "toolResponse",
        "inlineData",
        "fileData",
        "functionResponse",
    ];
    fields::object(raw)
        .is_ok_and(|part| part.get("type").is_none() && KNOWN.iter().any(|name| part.get(name).is_some()))
}

/// Writes a call. Arguments that are no JSON object are wrapped in one.
pub(super) fn write_call(call: &ToolCall, reader: Reader, path: &str, losses: &mut Losses) -> Draft {
    let signature = call.signature.as_ref().map(|signature| reader.signature(signature));
    if let Some(None) = signature {
        losses.add(format!("{path}.signature"), "another provider signed the call");
    }
    if as_object(&call.arguments).is_none() {
        losses.add(format!("{path}.function.arguments"), "no JSON object; sent inside one as `arguments`");
    }
    losses.add_fields(path, &call.extras, NO_SUCH_FIELD);
    let id = if reader == Reader::Client { Some(&*call.id) } else { own_id(&call.id) };
    call_part(id, &call.name, &call.arguments, signature.flatten().as_deref())
}

/// A function call as a part.
pub(super) fn call_part(id: Option<&str>, name: &str, arguments: &str, signature: Option<&str>) -> Draft {
    let mut call = Draft::default();
    call.set_some("id", id.filter(|id| !id.is_empty()));
    call.set("name", name);
    call.set_raw("args", as_object(arguments).unwrap_or_else(|| to_raw(&json!({ "arguments": arguments }))));
    let mut part = Draft::default();
    part.set("functionCall", call);
    part.set_some("thoughtSignature", signature);
    part
}

/// JSON text as it was written, if it is an object. Nothing is an empty object.
pub(super) fn as_object(text: &str) -> Option<RawJson> {
    let text = text.trim();
    let text = if text.is_empty() { "{}" } else { text };
    let raw = RawValue::from_string(text.to_owned()).ok()?;
    raw.get().starts_with('{').then_some(raw)
}

/// Adds the extra fields that the API knows; the rest is recorded under `path`.
pub(super) fn add_native(
    draft: &mut Draft,
    extras: &[(String, RawJson)],
    native: &[&str],
    path: &str,
    losses: &mut Losses,
) {
    for (name, value) in extras {
        if native.contains(&name.as_str()) {
            draft.set_raw(name, value.clone());
        } else {
            losses.add(format!("{path}.{name}"), NO_SUCH_FIELD);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn said(parts: &Value) -> Said {
        let mut said = Said::of_model();
        for part in parts.as_array().expect("a list") {
            let raw = to_raw(part);
            let piece = read(&raw).expect("a part");
            said.add(&raw, piece, super::super::signature, |name, arguments| {
                made_up_id("", 0, name, arguments)
            })
            .expect("a part");
        }
        said
    }

    /// What comes out again, for the client or the provider alike.
    fn again(parts: &Value) -> Value {
        let Said { parts, calls, .. } = said(parts);
        let message = Message {
            content: Content::Parts(parts),
            ..Message::text(crate::canonical::Role::Assistant, "")
        };
        let mut losses = Losses::default();
        let mut written = write_content(&message, Reader::Provider, "m", &mut losses);
        written.extend(calls.iter().map(|call| write_call(call, Reader::Provider, "c", &mut losses)));
        assert!(losses.is_empty(), "{losses:?}");
        serde_json::to_value(written).expect("JSON")
    }

    #[test]
    fn parts_come_out_as_they_went_in() {
        let parts = json!([
            {"text": "hm", "thought": true, "thoughtSignature": "c2ln"},
            {"text": "answer", "thoughtSignature": "b25l"},
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "dHdv"},
            {"thought": true, "thoughtSignature": "aGlkZGVu"},
            {"functionCall": {"id": "7", "name": "f", "args": {"b": 1.50, "a": []}}, "thoughtSignature": "eA=="},
            {"functionCall": {"name": "g", "args": {}}}]);
        assert_eq!(again(&parts), parts);
    }

    #[test]
    fn pieces_of_one_text_are_one_text() {
        let parts = json!([{"text": "a", "thought": true}, {"text": "b", "thought": true},
            {"text": "", "thought": true, "thoughtSignature": "cw=="}, {"text": "c"}, {"text": "d", "thought": false},
            {"text": "", "thoughtSignature": "dA=="}]);
        let wanted = json!([{"text": "ab", "thought": true, "thoughtSignature": "cw=="},
            {"text": "cd", "thoughtSignature": "dA=="}]);
        assert_eq!(again(&parts), wanted);
    }

    #[test]
    fn a_call_without_an_id_or_arguments_gets_them_and_the_id_stays_ours() {
        let calls = said(&json!([{"function_call": {"name": "f"}, "thought_signature": "cw=="}])).calls;
        assert_eq!(calls[0].arguments, "{}");
        assert!(is_made_up(&calls[0].id) && own_id(&calls[0].id).is_none(), "{}", calls[0].id);
        assert_ne!(made_up_id("a", 0, "f", "{}"), made_up_id("b", 0, "f", "{}"));
        assert_ne!(made_up_id("a", 0, "f", "{}"), made_up_id("a", 1, "f", "{}"));
    }

    #[test]
    fn what_another_provider_signed_goes_to_clients_only() {
        let part =
            Part::Thinking { text: "hm".into(), signature: Some(Signature::made_by("anthropic", "s")) };
        let mut losses = Losses::default();
        let mut written = Vec::new();
        write(&part, Reader::Provider, "p", &mut losses, &mut written);
        assert_eq!((written.len(), losses.count()), (0, 1));
        write(&part, Reader::Client, "p", &mut losses, &mut written);
        assert_eq!((written.len(), losses.count()), (1, 1));
    }
}
