//! Calls of tools: their arguments are objects, and older servers and most clients give them no ids.

use super::NO_SUCH_FIELD;
use crate::canonical::{Losses, Message, RawJson, Role, ToolCall};
use crate::raw::{Object, Read, to_raw};
use serde::Serialize;
use serde_json::value::RawValue;

/// A call as it is written.
#[derive(Serialize)]
pub(super) struct Written<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    index: usize,
    name: &'a str,
    arguments: RawJson,
}

/// Reads a call; its id is empty where it has none.
pub(super) fn read(value: &RawValue) -> Read<ToolCall> {
    let mut call = Object::of(value)?;
    let mut function = call.need_object("function")?;
    let name = function.need_string("name").map_err(|wrong| wrong.within("function"))?;
    let arguments = function.take("arguments").map_or("{}", RawValue::get).to_owned();
    let id = call.string("id")?.unwrap_or_default();
    call.take("type");
    Ok(ToolCall { id, name, arguments, signature: None, extras: call.rest_without_nulls() })
}

/// An id for a call of an answer that has none. The same answer gives the same ids, another gives others: clients join
/// calls and answers of a whole conversation by them.
pub(super) fn id_for(call: &ToolCall, place: usize, answer: &str) -> String {
    // FNV-1a, whose numbers stay the same whatever compiles it.
    let place = place.to_string();
    let parts = [answer, place.as_str(), call.name.as_str(), call.arguments.as_str()];
    let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([0xff]));
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    format!("call_{hash:016x}")
}

/// Writes the call in `place` of its turn. Arguments that are no object are wrapped in one.
pub(super) fn write<'a>(call: &'a ToolCall, place: usize, at: &str, losses: &mut Losses) -> Written<'a> {
    losses.add_if(call.signature.is_some(), format!("{at}.signature"), "Ollama's API has no signatures");
    losses.add_fields(at, &call.extras, NO_SUCH_FIELD);
    let arguments = arguments_of(&call.arguments).unwrap_or_else(|| {
        losses.add(format!("{at}.function.arguments"), "no JSON object; sent inside one as `arguments`");
        to_raw(&serde_json::json!({ "arguments": call.arguments }))
    });
    Written { id: &call.id, function: Function { index: place, name: &call.name, arguments } }
}

/// Arguments as they were written, if they are an object. No arguments are an empty object.
fn arguments_of(text: &str) -> Option<RawJson> {
    let text = text.trim();
    let raw = RawValue::from_string(if text.is_empty() { "{}" } else { text }.to_owned()).ok()?;
    raw.get().starts_with('{').then_some(raw)
}

/// Gives every call of a conversation an id, and every tool's answer that of the call that it answers: the first of its
/// name that has no answer yet, or the first at all where it bears no name.
pub(super) fn join(messages: &mut [Message]) {
    let mut open: Vec<(String, String)> = Vec::new();
    for (turn, message) in messages.iter_mut().enumerate() {
        for (place, call) in message.tool_calls.iter_mut().enumerate() {
            if call.id.is_empty() {
                call.id = id_for(call, place, &turn.to_string());
            }
            open.push((call.id.clone(), call.name.clone()));
        }
        if message.role == Role::Tool {
            answer(message, &mut open);
        }
    }
}

fn answer(message: &mut Message, open: &mut Vec<(String, String)>) {
    let fits = |(id, name): &(String, String)| match (&message.tool_call_id, &message.name) {
        (Some(wanted), _) => id == wanted,
        (None, Some(wanted)) => name == wanted,
        (None, None) => true,
    };
    if let Some(place) = open.iter().position(fits) {
        let (id, name) = open.remove(place);
        message.tool_call_id = Some(id);
        // The call says the name already.
        message.name.take_if(|given| *given == name);
    }
}

/// The name of the tool whose call a message answers.
pub(super) fn name_of<'a>(messages: &'a [Message], id: &str) -> Option<&'a str> {
    let calls = messages.iter().rev().flat_map(|message| &message.tool_calls);
    calls.into_iter().find(|call| call.id == id).map(|call| call.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(names: &[&str]) -> Message {
        let call = |name: &&str| ToolCall {
            id: String::new(),
            name: (*name).to_owned(),
            arguments: "{}".to_owned(),
            signature: None,
            extras: Vec::new(),
        };
        let tool_calls = names.iter().map(call).collect();
        Message { tool_calls, ..Message::text(Role::Assistant, "") }
    }

    fn result(name: Option<&str>) -> Message {
        Message { name: name.map(str::to_owned), ..Message::text(Role::Tool, "r") }
    }

    #[test]
    fn answers_without_ids_find_their_calls_by_name_and_order() {
        let mut messages = vec![
            turn(&["a", "b", "a"]),
            result(Some("b")),
            result(Some("a")),
            result(None),
            turn(&["a"]),
            result(Some("a")),
            result(Some("z")),
        ];
        join(&mut messages);
        let ids = |turn: usize| -> Vec<_> {
            messages[turn].tool_calls.iter().map(|call| Some(call.id.clone())).collect()
        };
        let (first, second) = (ids(0), ids(4));
        let answered: Vec<_> = messages.iter().map(|message| message.tool_call_id.clone()).collect();
        assert_eq!(answered[1..4], [first[1].clone(), first[0].clone(), first[2].clone()]);
        assert_eq!(answered[5..], [second[0].clone(), None]);
        let mut all = [first, second].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4, "ids must differ");
        assert_eq!(messages[1].name, None);
        assert_eq!(messages[6].name.as_deref(), Some("z"));
    }

    #[test]
    fn arguments_that_are_no_object_are_wrapped_and_recorded() {
        let mut losses = Losses::default();
        let call = ToolCall { arguments: "[1".to_owned(), ..turn(&["a"]).tool_calls.remove(0) };
        let written = to_raw(&write(&call, 0, "messages[0].tool_calls[0]", &mut losses));
        assert_eq!(written.get(), r#"{"function":{"index":0,"name":"a","arguments":{"arguments":"[1"}}}"#);
        let lost: Vec<_> = losses.iter().map(|loss| loss.path.as_str()).collect();
        assert_eq!(lost, ["messages[0].tool_calls[0].function.arguments"]);
    }
}
