//! Chat: `/v1/chat`, where the last message stands apart from those before it.

use crate::canonical::{ChatRequest, Class, Content, Extras, Failure, Losses, Message, Part, Role};
use crate::cohere_v1::NO_SUCH_FIELD;
use crate::dialect::ModelTraits;
use crate::raw::{Draft, Mismatch, Object, Read};
use serde_json::value::RawValue;

/// Writes a request for the provider.
pub(crate) fn encode(
    request: &ChatRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    lose_parameters(request, losses);
    let Some((last, earlier)) = request.messages.split_last() else {
        return Err(Failure::invalid("messages", "there must be at least one message"));
    };
    if last.role != Role::User {
        let message = format!("Last message must be from user, got {}.", last.role.openai_word());
        let refused = Failure::new(Class::RefusedParameter(422), message);
        return Err(Failure { param: Some(format!("messages[{}].role", earlier.len())), ..refused });
    }
    let mut body = super::body_for(model);
    super::set_sampling(&mut body, &request.sampling, model, losses);
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
    super::set_extras(&mut body, &request.extras, losses);
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
        losses.add_if(lost, path, NO_SUCH_FIELD);
    }
}

/// A message's text; whatever else it holds is recorded.
fn text_of(message: &Message, index: usize, losses: &mut Losses) -> String {
    let mut lose = |lost: bool, place: &str| {
        const ONE_TEXT: &str = "a message of Cohere's first API is one text";
        losses.add_if(lost, format!("messages[{index}].{place}"), ONE_TEXT);
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

fn turn(role: &str, text: String) -> Draft {
    let mut turn = Draft::default();
    turn.set("role", role);
    turn.set("message", text);
    turn
}

/// Reads a client's request.
pub(crate) fn decode(body: &[u8]) -> Result<ChatRequest, Failure> {
    read(Object::of_request(body)?).map_err(Mismatch::blame_caller)
}

fn read(mut object: Object<'_>) -> Read<ChatRequest> {
    let older = object.string("preamble_override")?;
    let preamble = object.string("preamble")?.or(older);
    let mut messages: Vec<_> = preamble.into_iter().map(|text| Message::text(Role::System, text)).collect();
    messages.extend(object.each("chat_history", read_turn)?.unwrap_or_default());
    messages.push(Message::text(Role::User, object.need_string("message")?));
    Ok(ChatRequest {
        model: object.string("model")?,
        messages,
        sampling: super::take_sampling(&mut object)?,
        stream: object.boolean("stream")?,
        stream_usage: true,
        extras: Extras { fields: object.rest_without_nulls(), for_provider: false },
        ..ChatRequest::default()
    })
}

fn read_turn(value: &RawValue) -> Read<Message> {
    let mut turn = Object::of(value)?;
    let role = match turn.need_string("role")?.as_str() {
        "USER" => Role::User,
        "CHATBOT" => Role::Assistant,
        "SYSTEM" => Role::System,
        other => Role::Other(other.to_owned()),
    };
    Ok(Message::text(role, turn.need_string("message")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn sent(messages: Vec<Message>) -> Result<(Value, usize), Failure> {
        let mut losses = Losses::default();
        let chat = ChatRequest { messages, ..ChatRequest::default() };
        let traits = ModelTraits { model_in_url: true, ..ModelTraits::default() };
        let body = encode(&chat, &traits, &mut losses)?;
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
    fn a_request_survives_the_way_in_and_out() {
        let body = json!({"model": "m", "temperature": 0.5, "preamble_override": "s", "message": "q",
            "chat_history": [{"role": "USER", "message": "a"}, {"role": "CHATBOT", "message": "b"}], "stream": false});
        let chat = decode(body.to_string().as_bytes()).expect("a request");
        let traits = ModelTraits { model: chat.model.clone(), ..ModelTraits::default() };
        let sent = encode(&chat, &traits, &mut Losses::default()).expect("a question");
        assert_eq!(serde_json::from_slice::<Value>(&sent).expect("JSON"), body);
    }
}
