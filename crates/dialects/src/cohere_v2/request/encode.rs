//! Requests, written for the provider.

use super::wishes;
use crate::canonical::{ChatRequest, Content, Losses, Message, Role, Sampling};
use crate::cohere_v1;
use crate::cohere_v2::{NO_SUCH_FIELD, content};
use crate::dialect::ModelTraits;
use crate::raw::Draft;

/// Fields that are Cohere's own, so that they may pass when another dialect's client writes them.
const NATIVE: [&str; 5] = ["documents", "citation_options", "safety_mode", "priority", "strict_tools"];

/// Writes a request.
pub(crate) fn encode(request: &ChatRequest, model: &ModelTraits, losses: &mut Losses) -> Vec<u8> {
    let mut body = cohere_v1::request::body_for(model);
    let messages = request.messages.iter().enumerate();
    let write = |(place, message)| write_message(message, &format!("messages[{place}]"), losses);
    body.set("messages", messages.filter_map(write).collect::<Vec<_>>());
    wishes::set_tools(&mut body, request, losses);
    wishes::set_format(&mut body, request.response_format.as_ref(), losses);
    wishes::set_thinking(&mut body, request.reasoning.as_ref(), losses);
    let sampling = within_ranges(&request.sampling, losses);
    cohere_v1::request::set_sampling(&mut body, &sampling, model, losses);
    body.set_some("stream", request.stream);
    losses.add_if(request.sampling.n.is_some_and(|n| n > 1), "n", "Cohere's API gives one answer");
    losses.add_if(request.user.is_some(), "user", NO_SUCH_FIELD);
    let parallel = request.parallel_tool_calls == Some(false);
    losses.add_if(parallel, "parallel_tool_calls", "Cohere's API cannot forbid several calls at once");
    body.set_extras(&request.extras, |name, _| NATIVE.contains(&name), NO_SUCH_FIELD, losses);
    body.into_body()
}

/// Sampling within the ranges of the API's reference: `p` from 0.01 to 0.99, `k` to 500, penalties from 0 to 1 and five
/// stop sequences.
fn within_ranges(wanted: &Sampling, losses: &mut Losses) -> Sampling {
    let mut within = |value: Option<f64>, least: f64, most: f64, path: &str| {
        let moved = value.map(|value| value.clamp(least, most));
        losses.add_if(moved != value, path, "outside Cohere's range; its nearest was sent");
        moved
    };
    let top_p = within(wanted.top_p, 0.01, 0.99, "top_p");
    let frequency_penalty = within(wanted.frequency_penalty, 0.0, 1.0, "frequency_penalty");
    let presence_penalty = within(wanted.presence_penalty, 0.0, 1.0, "presence_penalty");
    let top_k = wanted.top_k.map(|top_k| top_k.min(500));
    losses.add_if(top_k != wanted.top_k, "top_k", "outside Cohere's range; its nearest was sent");
    let mut stop = wanted.stop.clone();
    if let Some(stop) = stop.as_mut().filter(|stop| stop.len() > 5) {
        losses.add("stop", "Cohere's API takes five stop sequences; the first five were sent");
        stop.truncate(5);
    }
    Sampling { top_p, top_k, stop, frequency_penalty, presence_penalty, ..wanted.clone() }
}

fn write_message(message: &Message, at: &str, losses: &mut Losses) -> Option<Draft> {
    let role = match &message.role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => return write_turn(message, at, losses),
        Role::Tool if message.tool_call_id.is_some() => "tool",
        Role::Tool | Role::Function => {
            losses.add(at, "a tool's answer without the id of its call");
            return None;
        }
        Role::Other(_) => {
            losses.add(at, "Cohere's API has no such role");
            return None;
        }
    };
    lose_fields(message, at, losses);
    let mut written = Draft::default();
    written.set("role", role);
    written.set_some("tool_call_id", message.tool_call_id.as_ref());
    match &message.content {
        Content::None => written.set("content", ""),
        Content::Text(text) => written.set("content", text),
        Content::Parts(_) => match content::parts_of(message, at, losses) {
            // Every part was lost, and the API refuses an empty list.
            parts if parts.is_empty() => written.set("content", ""),
            parts => written.set("content", parts),
        },
    }
    Some(written)
}

/// The assistant's turn; the API wants content or calls in it.
fn write_turn(message: &Message, at: &str, losses: &mut Losses) -> Option<Draft> {
    let plain = message.tool_calls.is_empty() && message.refusal.is_none();
    let mut written = content::write_answer(message, at, losses);
    match &message.content {
        Content::Text(text) if plain => written.set("content", text),
        _ if !written.has("content") && !written.has("tool_calls") => {
            losses.add(at, "Cohere's API takes no empty turn");
            return None;
        }
        _ => {}
    }
    Some(written)
}

fn lose_fields(message: &Message, at: &str, losses: &mut Losses) {
    losses.add_if(message.name.is_some(), format!("{at}.name"), NO_SUCH_FIELD);
    let strange = !message.tool_calls.is_empty();
    losses.add_if(strange, format!("{at}.tool_calls"), "only the assistant calls tools");
    losses.add_if(message.is_error, format!("{at}.is_error"), "Cohere's API has no mark of a failed tool");
    losses.add_if(message.refusal.is_some(), format!("{at}.refusal"), NO_SUCH_FIELD);
    losses.add_fields(at, &message.extras, NO_SUCH_FIELD);
}
