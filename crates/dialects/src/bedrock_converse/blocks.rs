//! Content blocks, the pieces of a turn: each is an object whose one field says what it is.

use super::{cache, media};
use crate::anthropic_messages::FAMILY as CLAUDE;
use crate::canonical::{Losses, MediaKind, Part, RawJson, Signature, ToolCall};
use crate::raw::{Draft, Mismatch, Object, Read, to_raw};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Whose encrypted reasoning it is that does not look like Claude's.
const BEDROCK: &str = "bedrock";
/// The field of a text part that holds the whole block which cites sources for it.
const CITATIONS: &str = "citationsContent";

/// A block as the canonical model has it.
pub(super) enum Block<'a> {
    /// A part of the message.
    Part(Part),
    /// A call of a tool of the client's.
    Call(ToolCall),
    /// The answer of a tool of the client's, with its fields unread.
    Result(Object<'a>),
    /// What stands before it may be cached.
    Mark(RawJson),
}

/// Reads a block; of a tool's answer only what it is.
pub(super) fn read(value: &RawValue) -> Read<Block<'_>> {
    let mut block = Object::of(value)?;
    let unknown = || Block::Part(Part::Unknown(value.to_owned()));
    if let Some(text) = block.string("text")? {
        return Ok(Block::Part(Part::Text { text, extras: Vec::new() }));
    }
    for (name, kind) in
        [("image", MediaKind::Image), ("document", MediaKind::Document), ("audio", MediaKind::Audio)]
    {
        if let Some(inner) = block.object(name)? {
            return media::read(kind, inner, value).map(Block::Part).map_err(|wrong| wrong.within(name));
        }
    }
    if let Some(call) = block.object("toolUse")? {
        return Ok(read_call(call)
            .map_err(|wrong| wrong.within("toolUse"))?
            .map_or_else(unknown, Block::Call));
    }
    if let Some(mut result) = block.object("toolResult")? {
        // That of a tool which runs at the provider has a type of its own.
        let own = result.string("type")?.is_some_and(|kind| kind != "tool_result");
        return Ok(if own { unknown() } else { Block::Result(result) });
    }
    if let Some(reasoning) = block.object("reasoningContent")? {
        let read = read_reasoning(reasoning).map_err(|wrong| wrong.within("reasoningContent"))?;
        return Ok(read.map_or_else(unknown, Block::Part));
    }
    if let Some(raw) = block.take(CITATIONS) {
        let text = cited_text(raw).filter(|text| !text.is_empty());
        let extras = || vec![(CITATIONS.to_owned(), raw.to_owned())];
        return Ok(text.map_or_else(unknown, |text| Block::Part(Part::Text { text, extras: extras() })));
    }
    let mark = block.take("cachePoint").and_then(cache::read);
    Ok(mark.map_or_else(unknown, Block::Mark))
}

/// Reads a call; `None` for one of a tool that runs at the provider.
fn read_call(mut call: Object<'_>) -> Read<Option<ToolCall>> {
    if call.string("type")?.is_some_and(|kind| kind != "tool_use") {
        return Ok(None);
    }
    Ok(Some(ToolCall {
        id: call.need_string("toolUseId")?,
        name: call.need_string("name")?,
        arguments: call.take("input").map_or("{}", RawValue::get).to_owned(),
        signature: None,
        extras: call.rest_without_nulls(),
    }))
}

fn read_reasoning(mut reasoning: Object<'_>) -> Read<Option<Part>> {
    if let Some(mut text) = reasoning.object("reasoningText")? {
        let inside = |wrong: Mismatch| wrong.within("reasoningText");
        let signature = text.string("signature").map_err(inside)?.filter(|signature| !signature.is_empty());
        return Ok(Some(Part::Thinking {
            text: text.string("text").map_err(inside)?.unwrap_or_default(),
            signature: signature.map(|signature| Signature::read(CLAUDE, signature)),
        }));
    }
    let redacted = reasoning.string("redactedContent")?;
    Ok(redacted.map(|redacted| Part::RedactedThinking(read_redacted(redacted))))
}

/// Encrypted reasoning. The API has bytes here, in base64; Claude's are the text that Anthropic's API gives.
pub(super) fn read_redacted(base64: String) -> Signature {
    let text = BASE64.decode(&base64).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match text {
        Some(text) => Signature::read(CLAUDE, text),
        None => Signature::made_by(BEDROCK, base64),
    }
}

/// The text for which sources are cited.
fn cited_text(raw: &RawValue) -> Option<String> {
    let texts = Object::of(raw).ok()?.each("content", |text| Object::of(text)?.string("text")).ok()??;
    Some(texts.into_iter().flatten().collect())
}

/// Where blocks stand, which decides what may stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a turn of a request.
    Turn,
    /// Before all turns.
    System,
    /// In a tool's answer.
    Result,
    /// In an answer for a client, which keeps every signature for the next turn.
    Answer,
}

impl Place {
    /// Blocks that the canonical model does not name.
    fn native(self) -> &'static [&'static str] {
        match self {
            Self::Turn | Self::Answer => &[
                "image",
                "document",
                "audio",
                "video",
                "guardContent",
                CITATIONS,
                "searchResult",
                "cachePoint",
                "toolUse",
                "toolResult",
                "reasoningContent",
            ],
            Self::System => &["guardContent", "cachePoint"],
            Self::Result => &["image", "document", "video", "searchResult"],
        }
    }

    fn signature(self, signature: &Signature) -> Option<Cow<'_, str>> {
        match self {
            Self::Answer => Some(signature.for_client(CLAUDE)),
            _ => signature.for_provider(CLAUDE).map(Cow::Borrowed),
        }
    }
}

/// Writes blocks in their order.
pub(super) struct Writer<'a> {
    pub(super) blocks: Vec<Draft>,
    pub(super) place: Place,
    /// The names of the documents so far.
    pub(super) names: &'a mut Vec<String>,
    /// A mark of the prompt cache that cannot stand here.
    pub(super) mark: Option<RawJson>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(place: Place, names: &'a mut Vec<String>) -> Self {
        Self { blocks: Vec::new(), place, names, mark: None }
    }

    /// Writes a part that stands at `path`, and after it the cache's mark that it bears.
    pub(super) fn part(&mut self, part: &Part, path: &str, losses: &mut Losses) {
        let extras: &[(String, RawJson)] = match part {
            Part::Text { extras, .. } => extras,
            Part::Media(media) => &media.extras,
            Part::Thinking { .. } | Part::RedactedThinking(_) | Part::Unknown(_) => &[],
        };
        if let Some(block) = self.block(part, path, losses) {
            self.blocks.push(block);
        }
        if let Some(mark) = cache::mark(extras) {
            self.marked(mark, path, losses);
        }
    }

    /// Writes a mark of the prompt cache; within a tool's answer it goes behind the answer.
    pub(super) fn marked(&mut self, mark: &RawJson, path: &str, losses: &mut Losses) {
        if self.place == Place::Result {
            self.mark = Some(mark.clone());
        } else if self.blocks.is_empty() {
            losses.add(format!("{path}.{}", cache::MARK), "there is nothing before it to cache");
        } else {
            self.blocks.extend(cache::write(mark, path, losses));
        }
    }

    /// Writes plain text. The API refuses text of white space alone, though its models may say it.
    pub(super) fn text(&mut self, text: &str, path: &str, losses: &mut Losses) {
        if text.is_empty() {
            return;
        }
        if self.place != Place::Answer && text.trim().is_empty() {
            return losses.add(path, "Bedrock's API takes no text of white space alone");
        }
        self.blocks.push(Draft::of("text", text));
    }

    fn block(&mut self, part: &Part, path: &str, losses: &mut Losses) -> Option<Draft> {
        let place = self.place;
        match part {
            Part::Text { text, extras } => {
                if let Some((_, raw)) = extras.iter().find(|(name, _)| name == CITATIONS)
                    && matches!(place, Place::Turn | Place::Answer)
                {
                    return Some(Draft::of(CITATIONS, raw));
                }
                for (name, _) in extras.iter().filter(|(name, _)| name != cache::MARK) {
                    losses.add(format!("{path}.{name}"), super::NO_SUCH_FIELD);
                }
                self.text(text, path, losses);
                None
            }
            Part::Media(media)
                if place == Place::System || (place, media.kind) == (Place::Result, MediaKind::Audio) =>
            {
                losses.add(path, "Bedrock's API takes none of this here");
                None
            }
            Part::Media(media) => media::write(media, path, self.names, losses),
            Part::Thinking { .. } | Part::RedactedThinking(_)
                if matches!(place, Place::System | Place::Result) =>
            {
                losses.add(path, "only the assistant reasons");
                None
            }
            Part::Thinking { text, signature: None } if place == Place::Answer => Some(thinking(text, None)),
            Part::Thinking { text, signature } => {
                let Some(signature) = signature.as_ref().and_then(|signature| place.signature(signature))
                else {
                    losses.add(path, "Bedrock's API takes only reasoning that its model signed");
                    return None;
                };
                Some(thinking(text, Some(&signature)))
            }
            Part::RedactedThinking(data) => write_redacted(data, place, path, losses),
            Part::Unknown(raw) if media::is_native(raw, place.native()) => {
                serde_json::from_str(raw.get()).ok()
            }
            Part::Unknown(_) => {
                losses.add(path, "Bedrock's Converse API has no such part here");
                None
            }
        }
    }
}

/// A block of reasoning.
pub(super) fn thinking(text: &str, signature: Option<&str>) -> Draft {
    let mut reasoning = Draft::of("text", text);
    reasoning.set_some("signature", signature);
    Draft::of("reasoningContent", Draft::of("reasoningText", reasoning))
}

fn write_redacted(data: &Signature, place: Place, path: &str, losses: &mut Losses) -> Option<Draft> {
    let redacted = match data.for_provider(BEDROCK) {
        Some(base64) => base64.to_owned(),
        None => match place.signature(data) {
            Some(text) => BASE64.encode(&*text),
            None => {
                losses.add(path, "Bedrock's API takes only reasoning that its model encrypted");
                return None;
            }
        },
    };
    Some(Draft::of("reasoningContent", Draft::of("redactedContent", redacted)))
}

/// Encrypted reasoning as a stream tells it.
pub(super) fn redacted(data: &Signature) -> String {
    data.for_provider(BEDROCK).map_or_else(|| BASE64.encode(&*data.for_client(CLAUDE)), str::to_owned)
}

/// Writes a call of a tool. Arguments that are no JSON object are wrapped in one.
pub(super) fn write_call(call: &ToolCall, path: &str, losses: &mut Losses) -> Draft {
    let mut block = Draft::default();
    block.set("toolUseId", valid_id(&call.id));
    block.set("name", &call.name);
    block.set_raw(
        "input",
        input_of(&call.arguments).unwrap_or_else(|| {
            losses
                .add(format!("{path}.function.arguments"), "no JSON object; sent inside one as `arguments`");
            to_raw(&serde_json::json!({ "arguments": call.arguments }))
        }),
    );
    for (name, _) in call.extras.iter().filter(|(name, _)| name != cache::MARK) {
        losses.add(format!("{path}.{name}"), super::NO_SUCH_FIELD);
    }
    Draft::of("toolUse", block)
}

/// Arguments as they were written, if they are an object. No arguments are an empty object.
fn input_of(arguments: &str) -> Option<RawJson> {
    let arguments = arguments.trim();
    let arguments = if arguments.is_empty() { "{}" } else { arguments };
    let raw = RawValue::from_string(arguments.to_owned()).ok()?;
    raw.get().starts_with('{').then_some(raw)
}

/// An id with the letters and the length that the API accepts; other providers' hold dots and colons.
pub(super) fn valid_id(id: &str) -> String {
    const LONGEST: usize = 64;
    let valid = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let id: String = id.chars().map(|letter| if valid(letter) { letter } else { '_' }).collect();
    // What ids differ in stands at their end.
    id[id.len().saturating_sub(LONGEST)..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn part_of(block: &Value) -> Part {
        match read(&to_raw(block)) {
            Ok(Block::Part(part)) => part,
            _ => panic!("{block} is no part"),
        }
    }

    fn written(part: &Part, place: Place) -> (Vec<Value>, usize) {
        let (mut names, mut losses) = (Vec::new(), Losses::default());
        let mut writer = Writer::new(place, &mut names);
        writer.part(part, "p", &mut losses);
        let blocks =
            writer.blocks.iter().map(|block| serde_json::from_str(to_raw(block).get()).expect("JSON"));
        (blocks.collect(), losses.count())
    }

    #[test]
    fn blocks_of_this_api_come_back_as_they_were() {
        for block in [
            json!({"text": "a"}),
            json!({"image": {"format": "png", "source": {"bytes": "QQ=="}}}),
            json!({"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k", "bucketOwner": "1"}}}}),
            json!({"video": {"format": "mp4", "source": {"bytes": "QQ=="}}}),
            json!({"guardContent": {"text": {"text": "a", "qualifiers": ["query"]}}}),
            json!({"reasoningContent": {"reasoningText": {"text": "hm", "signature": "Eq"}}}),
            json!({"reasoningContent": {"redactedContent": "RXRr"}}),
            json!({"citationsContent": {"content": [{"text": "a"}], "citations": [{"title": "t"}]}}),
            json!({"citationsContent": {"citations": [{"location": {"web": {}}}]}}),
            json!({"toolUse": {"toolUseId": "t", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}}),
        ] {
            assert_eq!(written(&part_of(&block), Place::Turn), (vec![block], 0));
        }
    }

    #[test]
    fn claudes_encrypted_reasoning_is_the_same_here_and_at_anthropic() {
        let block = json!({"reasoningContent": {"redactedContent": "RXRrRUNrZ0k="}});
        let Part::RedactedThinking(data) = part_of(&block) else { panic!("encrypted reasoning") };
        assert_eq!(data.for_provider(CLAUDE), Some("EtkECkgI"));
        let strange = json!({"reasoningContent": {"redactedContent": "/////w=="}});
        assert_eq!(written(&part_of(&strange), Place::Turn), (vec![strange], 0));
    }

    #[test]
    fn the_reasoning_of_others_is_kept_for_clients_and_sent_to_no_provider() {
        let signed =
            Part::Thinking { text: "hm".to_owned(), signature: Some(Signature::made_by("gemini", "s")) };
        assert_eq!(written(&signed, Place::Turn), (Vec::new(), 1));
        let (blocks, lost) = written(&signed, Place::Answer);
        assert_eq!(lost, 0);
        let Part::Thinking { signature: Some(signature), .. } = part_of(&blocks[0]) else {
            panic!("{blocks:?}")
        };
        assert_eq!(signature, Signature::made_by("gemini", "s"));
    }

    #[test]
    fn a_cited_text_is_a_text_for_everybody_else() {
        let block = json!({"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": []}});
        assert!(matches!(part_of(&block), Part::Text { text, .. } if text == "ab"));
    }

    #[test]
    fn ids_of_other_apis_become_ones_that_bedrock_takes() {
        assert_eq!(valid_id("call.1:é"), "call_1__");
        assert_eq!(valid_id(&format!("{}x", "y".repeat(70))).len(), 64);
    }

    #[test]
    fn blank_text_is_left_out_and_recorded_unless_it_is_empty() {
        let text = |text: &str| Part::Text { text: text.to_owned(), extras: Vec::new() };
        assert_eq!(written(&text(" \n"), Place::Turn), (Vec::new(), 1));
        assert_eq!(written(&text(""), Place::Turn), (Vec::new(), 0));
    }
}
