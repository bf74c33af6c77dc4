//! Chat: `/v1/chat`, where the last message stands apart from those before it.

use super::shared;
use crate::canonical::{
    ChatRequest, ChatResponse, Choice, Class, Content, Extras, Failure, Losses, Message, Part, Role,
};
use crate::dialect::ModelTraits;
use crate::object::{Fields, Misread, Object};

/// Writes a request for the provider.
pub(super) fn encode_request(
    request: &ChatRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    lose_parameters(request, losses);
    let Some((last, earlier)) = request.messages.split_last() else {
        return Err(Failure::invalid("messages", "there must be at least one message"));
    };
    if last.role != Role::User {
        let message = format!("Last message must be from user, got {}.", role_word(&last.role));
        let refused = Failure::new(Class::RefusedParameter(422), message);
        return Err(Failure { param: Some(format!("messages[{}].role", earlier.len())), ..refused });
    }
    let mut body = Object::default();
    shared::set_sampling(&mut body, &request.sampling, model);
    let mut preamble: Vec<String> = Vec::new();
    let mut history = Vec::new();
    for (index, message) in earlier.iter().enumerate() {
        let text = text_of(message, index, losses);
        match message.role {
            Role::System | Role::Developer => preamble.push(text),
            Role::User => history.push(turn("USER", text)),
            Role::Assistant => history.push(turn("CHATBOT", text)),
            _ => losses.add(format!("messages[{index}]"), "Cohere's first API has no such role"),
        }
    }
    if !preamble.is_empty() {
        body.set("preamble_override", preamble.join("\n"));
    }
    if !history.is_empty() {
        body.set("chat_history", history);
    }
    body.set("message", text_of(last, earlier.len(), losses));
    body.set_some("stream", request.stream);
    shared::set_extras(&mut body, &request.extras, losses);
    Ok(body.into_body())
}

/// Records the parameters that the API lacks.
fn lose_parameters(request: &ChatRequest, losses: &mut Losses) {
    for (lost, path) in [
        (request.sampling.n.is_some_and(|n| n > 1), "n"),
        (!request.tools.is_empty(), "tools"),
        (request.tool_choice.is_some(), "tool_choice"),
        (request.parallel_tool_calls.is_some(), "parallel_tool_calls"),
        (request.response_format.is_some(), "response_format"),
        (request.reasoning.is_some(), "reasoning_effort"),
        (request.user.is_some(), "user"),
    ] {
        if lost {
            losses.add(path, shared::NO_SUCH_FIELD);
        }
    }
}

/// A message's text; whatever else it holds is recorded.
fn text_of(message: &Message, index: usize, losses: &mut Losses) -> String {
    let mut lose = |lost: bool, place: &str| {
        if lost {
            losses.add(format!("messages[{index}].{place}"), "a message of Cohere's first API is one text");
        }
    };
    lose(message.name.is_some(), "name");
    lose(!message.tool_calls.is_empty(), "tool_calls");
    for (name, _) in &message.extras {
        lose(true, name);
    }
    if let Content::Parts(parts) = &message.content {
        for (place, part) in parts.iter().enumerate() {
            let plain = matches!(part, Part::Text { extras, .. } if extras.is_empty());
            lose(!plain, &format!("content[{place}]"));
        }
    }
    match (&message.content, &message.refusal) {
        (Content::None, Some(refusal)) => refusal.clone(),
        (content, refusal) => {
            lose(refusal.is_some(), "refusal");
            content.joined_text()
        }
    }
}

fn turn(role: &str, text: String) -> Object {
    let mut turn = Object::default();
    turn.set("role", role);
    turn.set("message", text);
    turn
}

fn role_word(role: &Role) -> &str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
        Role::Function => "function",
        Role::Other(word) => word,
    }
}

/// Reads a client's request.
pub(super) fn decode_request(body: &[u8]) -> Result<ChatRequest, Misread> {
    let mut fields = Fields::of_body(body)?;
    let mut messages = Vec::new();
    let older: Option<String> = fields.take("preamble_override")?;
    let preamble = fields.take::<String>("preamble")?.or(older);
    messages.extend(preamble.map(|text| Message::text(Role::System, text)));
    for (mut turn, _) in fields.objects("chat_history")? {
        let role = match turn.need::<String>("role")?.as_str() {
            "USER" => Role::User,
            "CHATBOT" => Role::Assistant,
            "SYSTEM" => Role::System,
            other => Role::Other(other.to_owned()),
        };
        messages.push(Message::text(role, turn.need::<String>("message")?));
    }
    messages.push(Message::text(Role::User, fields.need::<String>("message")?));
    Ok(ChatRequest {
        model: fields.take("model")?,
        messages,
        sampling: shared::take_sampling(&mut fields)?,
        stream: fields.take("stream")?,
        stream_usage: true,
        extras: Extras { fields: fields.rest(), for_provider: false },
        ..ChatRequest::default()
    })
}

/// Reads a provider's answer.
pub(super) fn decode_response(body: &[u8]) -> Result<ChatResponse, Misread> {
    let mut fields = Fields::of_body(body)?;
    let word: Option<String> = fields.take("finish_reason")?;
    let choice = Choice {
        index: 0,
        message: Message::text(Role::Assistant, fields.need::<String>("text")?),
        finish_reason: word.as_deref().map(shared::finish_reason),
        logprobs: None,
    };
    let id: Option<String> = fields.take("response_id")?;
    let generation: Option<String> = fields.take("generation_id")?;
    let usage = shared::take_usage(&mut fields)?;
    let told = ["citations", "documents", "search_queries", "search_results"];
    let extras = told.iter().filter_map(|name| Some(((*name).to_owned(), fields.raw(name)?.to_owned())));
    Ok(ChatResponse {
        id: id.or(generation),
        choices: vec![choice],
        usage,
        extras: extras.collect(),
        ..ChatResponse::default()
    })
}

/// Writes an answer for a client.
pub(super) fn encode_response(response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
    for choice in response.choices.iter().skip(1) {
        losses.add(format!("choices[{}]", choice.index), "Cohere's chat gives one answer");
    }
    for (name, _) in &response.extras {
        losses.add(name.as_str(), shared::NO_SUCH_FIELD);
    }
    let choice = response.choices.first();
    if choice.is_some_and(|choice| !choice.message.tool_calls.is_empty()) {
        losses.add("choices[0].message.tool_calls", "written otherwise by Cohere's API");
    }
    let text = choice.map(|choice| match &choice.message.content {
        Content::None => choice.message.refusal.clone().unwrap_or_default(),
        content => content.joined_text(),
    });
    let reason = choice.and_then(|choice| choice.finish_reason.as_ref());
    let mut body = Object::default();
    body.set("response_id", response.id.as_deref().unwrap_or("response"));
    body.set("generation_id", response.id.as_deref().unwrap_or("response"));
    body.set("text", text.unwrap_or_default());
    body.set_some("finish_reason", reason.map(shared::word_of));
    shared::set_usage(&mut body, response.usage.as_ref());
    body.into_body()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{FinishReason, Usage};
    use serde_json::{Value, json};

    fn sent(messages: Vec<Message>) -> Result<(Value, usize), Failure> {
        let mut losses = Losses::default();
        let chat = ChatRequest { messages, ..ChatRequest::default() };
        let traits = ModelTraits { model_in_url: true, ..ModelTraits::default() };
        let body = encode_request(&chat, &traits, &mut losses)?;
        Ok((serde_json::from_slice(&body).expect("JSON"), losses.count()))
    }

    #[test]
    fn the_last_message_stands_apart_and_system_messages_become_the_preamble() {
        let messages = vec![
            Message::text(Role::System, "s"),
            Message::text(Role::User, "q"),
            Message::text(Role::Assistant, "a"),
            Message::text(Role::Developer, "t"),
            Message::text(Role::User, "last"),
        ];
        let wanted = json!({"preamble_override": "s\nt", "message": "last", "chat_history": [
            {"role": "USER", "message": "q"}, {"role": "CHATBOT", "message": "a"}]});
        assert_eq!(sent(messages).expect("a user's question"), (wanted, 0));
        let one = sent(vec![Message::text(Role::User, "only")]).expect("a user's question");
        assert_eq!(one.0, json!({"message": "only"}));
    }

    #[test]
    fn a_chat_that_does_not_end_with_the_user_is_refused_in_mlflows_words() {
        let failure = sent(vec![Message::text(Role::Assistant, "a")]).expect_err("no question");
        assert_eq!(failure.message, "Last message must be from user, got assistant.");
        assert_eq!(failure.class.status(), 422);
    }

    #[test]
    fn a_tools_answer_is_recorded_as_lost() {
        let messages = vec![Message::text(Role::Tool, "t"), Message::text(Role::User, "q")];
        assert_eq!(sent(messages).expect("a user's question"), (json!({"message": "q"}), 1));
    }

    #[test]
    fn usage_is_read_in_the_older_and_the_newer_form() {
        let older = decode_response(br#"{"text":"x","response_id":"r","generation_id":"g","token_count":{"prompt_tokens":3,"response_tokens":4,"total_tokens":7,"billed_tokens":5}}"#).expect("an answer");
        let usage = Usage {
            prompt_tokens: Some(3),
            completion_tokens: Some(4),
            total_tokens: Some(7),
            ..Usage::default()
        };
        assert_eq!((older.usage, older.id.as_deref()), (Some(usage), Some("r")));
        assert_eq!(older.choices[0].finish_reason, None);
        let newer = decode_response(br#"{"text":"x","generation_id":"g","finish_reason":"COMPLETE","meta":{"billed_units":{"input_tokens":1},"tokens":{"input_tokens":3,"output_tokens":4}}}"#).expect("an answer");
        assert_eq!(newer.usage, Some(Usage { total_tokens: None, ..usage }));
        assert_eq!(
            (newer.id.as_deref(), &newer.choices[0].finish_reason),
            (Some("g"), &Some(FinishReason::Stop))
        );
    }

    #[test]
    fn a_request_survives_the_way_in_and_out() {
        let body = json!({"model": "m", "temperature": 0.5, "preamble_override": "s", "message": "q",
            "chat_history": [{"role": "USER", "message": "a"}, {"role": "CHATBOT", "message": "b"}], "stream": false});
        let chat = decode_request(body.to_string().as_bytes()).expect("a request");
        let traits = ModelTraits { model: chat.model.clone(), ..ModelTraits::default() };
        let sent = encode_request(&chat, &traits, &mut Losses::default()).expect("a question");
        assert_eq!(serde_json::from_slice::<Value>(&sent).expect("JSON"), body);
    }
}
