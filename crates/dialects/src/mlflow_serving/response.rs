//! Answers of the scoring server: `predictions`, read by the rules of MLflow's gateway.

use crate::canonical::{
    ChatResponse, Choice, Class, CompletionChoice, CompletionResponse, Content, EmbeddingResponse, Failure,
    FinishReason, Losses, Message, Part, RawJson, Role, Vector,
};
use crate::raw::{Draft, Object, to_raw};
use indexmap::IndexMap;
use serde_json::Number;
use serde_json::value::RawValue;

/// Reads the answer to a chat: one choice per prediction.
pub(super) fn decode_chat(body: &[u8]) -> Result<ChatResponse, Failure> {
    let choice = |(index, text)| Choice::of(index, Message::text(Role::Assistant, text), None);
    let choices = (0..).zip(texts(body)?).map(choice).collect();
    Ok(ChatResponse { choices, ..ChatResponse::default() })
}

/// Reads the answer to a completion: one choice per prediction.
pub(super) fn decode_completion(body: &[u8]) -> Result<CompletionResponse, Failure> {
    let choice = |(index, text)| CompletionChoice::of(index, text, None);
    let choices = (0..).zip(texts(body)?).map(choice).collect();
    Ok(CompletionResponse { choices, ..CompletionResponse::default() })
}

/// Reads the answer to a request for embeddings: a vector per prediction, or one flat vector.
pub(super) fn decode_embedding(body: &[u8]) -> Result<EmbeddingResponse, Failure> {
    const MODEL: &str = "EmbeddingsResponse";
    let predictions = predictions(body, MODEL)?;
    let wrong = |place: &str, problem| refusal(MODEL, place, problem);
    let Ok(rows) = serde_json::from_str::<Vec<&RawValue>>(predictions.get()) else {
        return Err(wrong("predictions", "Input should be a valid list"));
    };
    if rows.is_empty() {
        return Err(wrong("predictions", EMPTY));
    }
    if let Ok(flat) = serde_json::from_str::<Vec<Number>>(predictions.get())
        && flat.iter().all(Number::is_f64)
    {
        let vectors = vec![Vector::Numbers(predictions.to_owned())];
        return Ok(EmbeddingResponse { vectors, ..EmbeddingResponse::default() });
    }
    let vectors = rows.into_iter().enumerate().map(|(index, row)| {
        let Ok(numbers) = serde_json::from_str::<Vec<Number>>(row.get()) else {
            return Err(wrong(&format!("predictions.{index}"), "Input should be a valid list of numbers"));
        };
        if numbers.is_empty() {
            let problem = "Value error, One or more lists in the returned prediction response are empty";
            return Err(wrong("predictions", problem));
        }
        Ok(Vector::Numbers(floats(row, &numbers)))
    });
    Ok(EmbeddingResponse { vectors: vectors.collect::<Result<_, _>>()?, ..EmbeddingResponse::default() })
}

const EMPTY: &str = "Value error, The input list is empty";

/// A row with every number as a float, as it came where it was one.
fn floats(row: &RawValue, numbers: &[Number]) -> RawJson {
    if numbers.iter().all(Number::is_f64) {
        return row.to_owned();
    }
    to_raw(&numbers.iter().filter_map(Number::as_f64).collect::<Vec<_>>())
}

/// The predicted texts: a list, or an object with one list in it, or an object with `candidates` or `choices`.
fn texts(body: &[u8]) -> Result<Vec<String>, Failure> {
    const MODEL: &str = "ServingTextResponse";
    let predictions = predictions(body, MODEL)?;
    let list = match serde_json::from_str::<IndexMap<String, &RawValue>>(predictions.get()) {
        Err(_) => predictions,
        Ok(object) => named_list(&object).map_err(|problem| refusal(MODEL, "predictions", problem))?,
    };
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(list.get()) else {
        return Err(refusal(MODEL, "predictions", "Input should be a valid list"));
    };
    if items.is_empty() {
        return Err(refusal(MODEL, "predictions", EMPTY));
    }
    let text = |(index, item): (usize, &RawValue)| {
        serde_json::from_str(item.get())
            .map_err(|_| refusal(MODEL, &format!("predictions.{index}"), "Input should be a valid string"))
    };
    items.into_iter().enumerate().map(text).collect()
}

fn named_list<'a>(object: &IndexMap<String, &'a RawValue>) -> Result<&'a RawValue, &'static str> {
    if let [only] = object.values().copied().collect::<Vec<_>>()[..] {
        return Ok(only);
    }
    let named = ["candidates", "choices"].iter().find_map(|name| object.get(*name));
    match named {
        Some(list) => Ok(list),
        None if object.is_empty() => Err(EMPTY),
        None => Err(
            "Value error, The dict format is invalid for this route type. Ensure the served model returns \
                     a dict key containing 'candidates' or 'choices'",
        ),
    }
}

fn predictions<'a>(body: &'a [u8], model: &str) -> Result<&'a RawValue, Failure> {
    let mut object = Object::of_response(body)?;
    object.take("predictions").ok_or_else(|| refusal(model, "predictions", "Field required"))
}

/// An answer that cannot be used, in the frame of MLflow's own validation.
fn refusal(model: &str, place: &str, problem: &str) -> Failure {
    Failure::new(Class::UpstreamError, format!("1 validation error for {model}\n{place}\n  {problem}"))
}

const NO_PLACE: &str = "an answer holds predictions alone";
const ONE_TEXT: &str = "a prediction is one text";

/// Writes an answer to a chat.
pub(super) fn encode_chat(response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
    losses.add_fields("", &response.extras, NO_PLACE);
    losses.add_if(response.usage.is_some(), "usage", NO_PLACE);
    let mut texts = Vec::new();
    for choice in &response.choices {
        let at = format!("choices[{}]", choice.index);
        losses.add_if(choice.logprobs.is_some(), format!("{at}.logprobs"), ONE_TEXT);
        losses.add_fields(&at, &choice.extras, ONE_TEXT);
        let reason = choice.finish_reason.as_ref().filter(|reason| **reason != FinishReason::Stop);
        losses.add_if(reason.is_some(), format!("{at}.finish_reason"), ONE_TEXT);
        let at = format!("{at}.message");
        losses.add_if(!choice.message.tool_calls.is_empty(), format!("{at}.tool_calls"), ONE_TEXT);
        losses.add_fields(&at, &choice.message.extras, ONE_TEXT);
        if let Content::Parts(parts) = &choice.message.content {
            for (place, part) in parts.iter().enumerate() {
                let at = format!("{at}.content[{place}]");
                match part {
                    Part::Text { extras, .. } => losses.add_fields(&at, extras, ONE_TEXT),
                    _ => losses.add(at, ONE_TEXT),
                }
            }
        }
        let text = choice.message.content.joined_text();
        let refusal = choice.message.refusal.clone().filter(|_| text.is_empty());
        texts.push(refusal.unwrap_or(text));
    }
    encode(&texts)
}

/// Writes an answer to a completion.
pub(super) fn encode_completion(response: &CompletionResponse, losses: &mut Losses) -> Vec<u8> {
    losses.add_fields("", &response.extras, NO_PLACE);
    losses.add_if(response.usage.is_some(), "usage", NO_PLACE);
    for choice in &response.choices {
        let at = format!("choices[{}]", choice.index);
        losses.add_if(choice.logprobs.is_some(), format!("{at}.logprobs"), ONE_TEXT);
        losses.add_fields(&at, &choice.extras, ONE_TEXT);
        let reason = choice.finish_reason.as_ref().filter(|reason| **reason != FinishReason::Stop);
        losses.add_if(reason.is_some(), format!("{at}.finish_reason"), ONE_TEXT);
    }
    encode(&response.choices.iter().map(|choice| choice.text.as_str()).collect::<Vec<_>>())
}

/// Writes an answer of embeddings.
pub(super) fn encode_embedding(response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
    losses.add_fields("", &response.extras, NO_PLACE);
    losses.add_if(response.usage.is_some(), "usage", NO_PLACE);
    encode(&response.rows(losses))
}

fn encode(predictions: &impl serde::Serialize) -> Vec<u8> {
    let mut body = Draft::default();
    body.set("predictions", predictions);
    body.into_body()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Vec<String>, String> {
        texts(body.as_bytes()).map_err(|failure| failure.message)
    }

    fn vectors(body: &str) -> Result<Vec<String>, String> {
        let response = decode_embedding(body.as_bytes()).map_err(|failure| failure.message)?;
        let text = |vector: &Vector| match vector {
            Vector::Numbers(raw) => raw.get().to_owned(),
            Vector::Base64(text) => text.clone(),
        };
        Ok(response.vectors.iter().map(text).collect())
    }

    #[test]
    fn texts_are_found_in_a_list_and_in_objects_as_mlflow_finds_them() {
        let two = Ok(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(read(r#"{"predictions":["a","b"]}"#), two);
        assert_eq!(read(r#"{"predictions":{"anything":["a","b"]}}"#), two);
        assert_eq!(read(r#"{"predictions":{"x":1,"candidates":["a","b"]}}"#), two);
        assert_eq!(read(r#"{"predictions":{"x":1,"choices":["a","b"]}}"#), two);
    }

    #[test]
    fn unusable_predictions_are_refused_in_the_frame_of_mlflows_validation() {
        for (body, problem) in [
            (r#"{"predictions":[]}"#, "The input list is empty"),
            (r#"{"predictions":{}}"#, "The input list is empty"),
            (r#"{"predictions":{"a":["1"],"b":["2"]}}"#, "The dict format is invalid"),
            (r#"{"predictions":"text"}"#, "should be a valid list"),
            (r#"{"predictions":[["a"]]}"#, "should be a valid string"),
            (r#"{"predictions":[1]}"#, "should be a valid string"),
            (r#"{"outputs":["a"]}"#, "Field required"),
        ] {
            let message = read(body).expect_err("unusable");
            assert!(
                message.starts_with("1 validation error for ServingTextResponse\npredictions"),
                "{message}"
            );
            assert!(message.contains(problem), "{body}: {message}");
        }
    }

    #[test]
    fn vectors_keep_their_digits_and_whole_numbers_become_floats() {
        assert_eq!(vectors(r#"{"predictions":[[0.10,2.5e-3]]}"#), Ok(vec!["[0.10,2.5e-3]".to_owned()]));
        assert_eq!(
            vectors(r#"{"predictions":[[1,2.5],[3]]}"#),
            Ok(vec!["[1.0,2.5]".to_owned(), "[3.0]".to_owned()])
        );
        assert_eq!(vectors(r#"{"predictions":[0.5,0.25]}"#), Ok(vec!["[0.5,0.25]".to_owned()]));
    }

    #[test]
    fn empty_vectors_and_words_are_refused() {
        for body in [r#"{"predictions":[]}"#, r#"{"predictions":[[],[]]}"#, r#"{"predictions":"x"}"#] {
            assert!(
                vectors(body).expect_err("unusable").starts_with("1 validation error for EmbeddingsResponse")
            );
        }
        assert!(vectors(r#"{"predictions":[["a"]]}"#).is_err());
        assert!(vectors(r#"{"predictions":[true]}"#).is_err());
    }
}
