//! Answers of `/v1/chat`.

use super::{finish_reason, word_of};
use crate::canonical::{ChatResponse, Choice, Content, Failure, Losses, Message, Part, Role};
use crate::cohere_v1::{NO_SUCH_FIELD, usage};
use crate::raw::{Draft, Mismatch, Object, Read};

/// Reads a provider's answer.
pub(crate) fn decode(body: &[u8]) -> Result<ChatResponse, Failure> {
    read(Object::of_response(body)?).map_err(Mismatch::blame_upstream)
}

fn read(mut object: Object<'_>) -> Read<ChatResponse> {
    let reason = object.string("finish_reason")?.as_deref().map(finish_reason);
    let message = Message::text(Role::Assistant, object.need_string("text")?);
    let id = object.string("response_id")?;
    let generation = object.string("generation_id")?;
    let usage = usage::take(&mut object)?;
    let told = ["citations", "documents", "search_queries", "search_results"];
    let extras = told.iter().filter_map(|name| Some(((*name).to_owned(), object.take(name)?.to_owned())));
    Ok(ChatResponse {
        id: id.or(generation),
        choices: vec![Choice::of(0, message, reason)],
        usage,
        extras: extras.collect(),
        ..ChatResponse::default()
    })
}

/// Writes an answer for a client.
pub(crate) fn encode(response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
    for choice in response.choices.iter().skip(1) {
        losses.add(format!("choices[{}]", choice.index), "Cohere's chat gives one answer");
    }
    losses.add_fields("", &response.extras, NO_SUCH_FIELD);
    let choice = response.choices.first();
    if let Some(choice) = choice {
        const OTHERWISE: &str = "written otherwise by Cohere's API";
        losses.add_if(!choice.message.tool_calls.is_empty(), "choices[0].message.tool_calls", OTHERWISE);
        losses.add_if(choice.logprobs.is_some(), "choices[0].logprobs", NO_SUCH_FIELD);
        losses.add_fields("choices[0]", &choice.extras, NO_SUCH_FIELD);
        losses.add_fields("choices[0].message", &choice.message.extras, NO_SUCH_FIELD);
        if let Content::Parts(parts) = &choice.message.content {
            for (place, part) in parts.iter().enumerate() {
                let at = format!("choices[0].message.content[{place}]");
                match part {
                    Part::Text { extras, .. } => losses.add_fields(&at, extras, NO_SUCH_FIELD),
                    _ => losses.add(at, "Cohere's older API answers with one text"),
                }
            }
        }
    }
    let text = choice.map(|choice| match &choice.message.content {
        Content::None => choice.message.refusal.clone().unwrap_or_default(),
        content => content.joined_text(),
    });
    let reason = choice.and_then(|choice| choice.finish_reason.as_ref());
    let mut body = Draft::default();
    body.set("response_id", response.id.as_deref().unwrap_or("response"));
    body.set("generation_id", response.id.as_deref().unwrap_or("response"));
    body.set("text", text.unwrap_or_default());
    body.set_some("finish_reason", reason.map(word_of));
    usage::set(&mut body, response.usage.as_ref(), losses);
    body.into_body()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{FinishReason, Usage};

    #[test]
    fn usage_is_read_in_the_older_and_the_newer_form() {
        let older = decode(br#"{"text":"x","response_id":"r","generation_id":"g","token_count":{"prompt_tokens":3,"response_tokens":4,"total_tokens":7,"billed_tokens":5}}"#).expect("an answer");
        let usage = Usage {
            prompt_tokens: Some(3),
            completion_tokens: Some(4),
            total_tokens: Some(7),
            ..Usage::default()
        };
        assert_eq!((older.usage, older.id.as_deref()), (Some(usage), Some("r")));
        assert_eq!(older.choices[0].finish_reason, None);
        let newer = decode(br#"{"text":"x","generation_id":"g","finish_reason":"COMPLETE","meta":{"billed_units":{"input_tokens":1},"tokens":{"input_tokens":3,"output_tokens":4}}}"#).expect("an answer");
        assert_eq!(newer.usage, Some(Usage { total_tokens: None, ..usage }));
        assert_eq!(
            (newer.id.as_deref(), &newer.choices[0].finish_reason),
            (Some("g"), &Some(FinishReason::Stop))
        );
    }
}
