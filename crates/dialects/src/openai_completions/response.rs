//! Answers of text completion.

use crate::canonical::{CompletionChoice, CompletionResponse, Failure, FinishReason};
use crate::openai_chat::message;
use crate::openai_chat::response::{
    OF_CHOICES, foreign, open, read_choices, take_created, take_finish_reason, take_index, take_text,
    write_head, write_tail,
};
use crate::raw::{ArrayWriter, Object, ObjectWriter, Read};
use serde_json::value::RawValue;

/// Reads a provider's answer; choices may be those of chat.
pub(crate) fn decode(body: &[u8]) -> Result<CompletionResponse, Failure> {
    let mut object = open(body)?;
    let choices = read_choices(&mut object, read_choice)?;
    object.take("object");
    Ok(CompletionResponse {
        id: take_text(&mut object, "id"),
        created: take_created(&mut object),
        model: take_text(&mut object, "model"),
        choices,
        usage: object.take("usage").and_then(crate::openai_chat::usage::read),
        extras: object.rest(),
    })
}

fn read_choice(place: u32, value: &RawValue) -> Read<CompletionChoice> {
    let mut object = Object::of(value)?;
    let text = match (object.string("text")?, object.take("message")) {
        (Some(text), _) => text,
        (None, Some(message)) => {
            let message = message::read_answer(message).map_err(|wrong| wrong.within("message"))?;
            message.content.joined_text()
        }
        (None, None) => String::new(),
    };
    Ok(CompletionChoice {
        index: take_index(&mut object, place),
        text,
        finish_reason: take_finish_reason(&mut object),
        logprobs: object.take("logprobs").map(ToOwned::to_owned),
        extras: object.rest(),
    })
}

/// Writes an answer for a client.
pub(crate) fn encode(response: &CompletionResponse) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let mut object = ObjectWriter::new(&mut out);
    write_head(
        &mut object,
        "text_completion",
        response.id.as_ref(),
        response.created,
        response.model.as_ref(),
    );
    let mut list = ArrayWriter::new(object.key("choices"));
    for choice in &response.choices {
        let mut object = ObjectWriter::new(list.element());
        object.field("text", &choice.text).field("index", &choice.index).field("logprobs", &choice.logprobs);
        object.field("finish_reason", &choice.finish_reason.as_ref().map(FinishReason::openai_word));
        object.raws(foreign(&choice.extras, &OF_CHOICES));
        object.end();
    }
    list.end();
    write_tail(&mut object, response.usage.as_ref(), &response.extras);
    object.end();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_the_same_after_reading_and_writing() {
        let body = concat!(
            r#"{"id":"cmpl-1","object":"text_completion","created":7,"model":"m","choices":[{"text":"a","index":0,"#,
            r#""logprobs":{"tokens":["a"]},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"#,
            r#""completion_tokens":2,"total_tokens":3},"system_fingerprint":"f"}"#,
        );
        assert_eq!(String::from_utf8(encode(&decode(body.as_bytes()).unwrap())).unwrap(), body);
    }

    #[test]
    fn an_answer_of_chat_is_accepted() {
        let body = br#"{"choices":[{"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}"#;
        assert_eq!(decode(body).unwrap().choices[0].text, "a");
    }
}
