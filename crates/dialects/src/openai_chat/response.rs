//! Answers of chat.

use super::{message, usage};
use crate::canonical::{
    ChatResponse, Choice, Class, Content, Failure, FinishReason, Losses, Message, RawJson, Role,
    UpstreamError, Usage,
};
use crate::raw::{ArrayWriter, Mismatch, Object, ObjectWriter, Read, element, text};
use serde_json::value::RawValue;

/// Reads a provider's answer. Lenient: what is missing is none, and choices may be those of text completion.
///
/// # Errors
/// A [`Failure`] that blames the upstream.
pub(crate) fn decode(body: &[u8]) -> Result<ChatResponse, Failure> {
    let mut object = open(body)?;
    let choices = read_choices(&mut object, read_choice)?;
    object.take("object");
    let id = take_text(&mut object, "id");
    let mut choices = choices;
    let calls = choices.iter_mut().flat_map(|choice| &mut choice.message.tool_calls);
    for (place, call) in calls.enumerate().filter(|(_, call)| call.id.is_empty()) {
        call.id = made_up_id(id.as_deref(), place);
    }
    Ok(ChatResponse {
        id,
        created: take_created(&mut object),
        model: take_text(&mut object, "model"),
        choices,
        usage: object.take("usage").and_then(usage::read),
        extras: object.rest(),
    })
}

/// An id for a call whose provider gave none: clients must be able to name it when they answer.
pub(crate) fn made_up_id(response: Option<&str>, place: usize) -> String {
    const MOST: usize = 24;
    let letters: String = response.unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect();
    format!("call_{}{place}", &letters[letters.len().saturating_sub(MOST)..])
}

/// Opens an answer that is not an error.
pub(crate) fn open(body: &[u8]) -> Result<Object<'_>, Failure> {
    open_of(body, "choices")
}

/// Opens an answer whose matter stands under `name`. Some providers send errors under status 200.
pub(crate) fn open_of<'a>(body: &'a [u8], name: &str) -> Result<Object<'a>, Failure> {
    let object = Object::of_response(body)?;
    let is_error = |error: &RawValue| !matches!(error.get(), "null" | "false");
    if object.get("error").is_some_and(is_error) && object.get(name).is_none() {
        return Err(Failure::upstream(
            Class::UpstreamError,
            UpstreamError::read(200, Some("application/json"), body),
        ));
    }
    Ok(object)
}

/// Reads the list of choices, which must be there.
pub(crate) fn read_choices<'a, T>(
    object: &mut Object<'a>,
    read: impl Fn(u32, &'a RawValue) -> Read<T>,
) -> Result<Vec<T>, Failure> {
    let list = object.list("choices").map_err(Mismatch::blame_upstream)?;
    let list = list.ok_or_else(|| Mismatch::missing("choices", "a list").blame_upstream())?;
    let choices = list.into_iter().zip(0..).map(|(choice, place)| {
        read(place, choice).map_err(|wrong| wrong.within(element("choices", place as usize)).blame_upstream())
    });
    choices.collect()
}

/// A string field that some providers leave out, send empty or in another type.
pub(crate) fn take_text(object: &mut Object<'_>, name: &str) -> Option<String> {
    text(object.take(name)?).ok().filter(|text| !text.is_empty())
}

/// Unix seconds; some servers write a fraction.
pub(crate) fn take_created(object: &mut Object<'_>) -> Option<u64> {
    let seconds = serde_json::from_str::<f64>(object.take("created")?.get()).ok()?;
    (seconds >= 1.0).then_some(seconds as u64)
}

/// The choice's own number, else its place.
pub(crate) fn take_index(object: &mut Object<'_>, place: u32) -> u32 {
    let index = object.take("index").and_then(|index| serde_json::from_str(index.get()).ok());
    index.unwrap_or(place)
}

pub(crate) fn take_finish_reason(object: &mut Object<'_>) -> Option<FinishReason> {
    take_text(object, "finish_reason").map(|word| FinishReason::of_openai_word(&word))
}

fn read_choice(place: u32, value: &RawValue) -> Read<Choice> {
    let mut object = Object::of(value)?;
    let message = match object.take("message") {
        Some(message) => message::read_answer(message).map_err(|wrong| wrong.within("message"))?,
        None => {
            let content = object.string("text")?.map_or(Content::None, Content::Text);
            Message { content, ..Message::text(Role::Assistant, "") }
        }
    };
    Ok(Choice {
        index: take_index(&mut object, place),
        message,
        finish_reason: take_finish_reason(&mut object),
        logprobs: object.take("logprobs").map(ToOwned::to_owned),
        extras: object.rest(),
    })
}

/// Writes an answer for a client.
pub(crate) fn encode(response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let mut object = ObjectWriter::new(&mut out);
    write_head(
        &mut object,
        "chat.completion",
        response.id.as_ref(),
        response.created,
        response.model.as_ref(),
    );
    let mut list = ArrayWriter::new(object.key("choices"));
    for choice in &response.choices {
        write_choice(choice, losses, list.element());
    }
    list.end();
    write_tail(&mut object, response.usage.as_ref(), &response.extras);
    object.end();
    out
}

/// The fields before the choices. OpenAI's clients take an id, a time and a model for granted.
pub(crate) fn write_head(
    object: &mut ObjectWriter<'_>,
    kind: &str,
    id: Option<&String>,
    created: Option<u64>,
    model: Option<&String>,
) {
    object.field("id", id.map_or("", String::as_str)).field("object", kind);
    object.field("created", &created.unwrap_or(0)).field("model", model.map_or("", String::as_str));
}

/// The fields after the choices. Extras of another API go along, since clients skip what they do not know.
pub(crate) fn write_tail(object: &mut ObjectWriter<'_>, usage: Option<&Usage>, extras: &[(String, RawJson)]) {
    if let Some(usage) = usage {
        usage::write(usage, object.key("usage"));
    }
    object.raws(foreign(extras, &["id", "object", "created", "model", "choices", "usage"]));
}

/// The fields of a choice, of chat or text completion.
pub(crate) const OF_CHOICES: [&str; 5] = ["index", "message", "text", "logprobs", "finish_reason"];

/// The extras that bear no name of `own`, the fields that are written anyway.
pub(crate) fn foreign<'a>(
    extras: &'a [(String, RawJson)],
    own: &[&str],
) -> impl Iterator<Item = &'a (String, RawJson)> {
    extras.iter().filter(move |(name, _)| !own.contains(&name.as_str()))
}

/// Writes a choice.
pub(crate) fn write_choice(choice: &Choice, losses: &mut Losses, out: &mut Vec<u8>) {
    let mut object = ObjectWriter::new(out);
    object.field("index", &choice.index);
    let at = format_args!("choices[{}].message", choice.index);
    message::write_answer(&choice.message, &at, losses, object.key("message"));
    object.field("logprobs", &choice.logprobs);
    object.field("finish_reason", &choice.finish_reason.as_ref().map(FinishReason::openai_word));
    object.raws(foreign(&choice.extras, &OF_CHOICES));
    object.end();
}
