//! A request's body as FastAPI reads it.

use super::json::{self, Json, Mistake, Object};
use super::report::{Report, failure};
use super::text;
use crate::canonical::{Class, Failure, FieldError, Step};
use crate::raw::Peek;
use serde_json::{Value, json};
use std::borrow::Cow;

/// The failure of a body whose content type is not JSON, which FastAPI takes for plain text.
///
/// JSON is `application/json` and `application/*+json` in any case, with any parameters. A missing content type
/// counts as JSON too: FastAPI before 0.132 read it so, and clients rely on it.
pub fn unreadable_content_type(content_type: Option<&str>) -> Option<Failure> {
    let essence = content_type?.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/");
    let readable = subtype
        .is_some_and(|subtype| !subtype.contains('/') && (subtype == "json" || subtype.ends_with("+json")));
    if readable || essence.is_empty() {
        return None;
    }
    Some(failure(vec![FieldError {
        kind: "model_attributes_type",
        location: Vec::new(),
        message: "Input should be a valid dictionary or object to extract fields from".into(),
        input: Value::Null,
        context: None,
    }]))
}

/// What routing needs of a body, read by the contract's rules: of two equal keys the last wins, and `stream` may be
/// any word for true.
///
/// # Errors
/// A [`Failure`] for a body that is not a JSON object.
pub(crate) fn peek(body: &[u8]) -> Result<Peek, Failure> {
    let text = text(body)?;
    let object = object(&text)?;
    let model = match json::get(&object, "model") {
        Some(Json::Text(model)) => Some(model.to_string()),
        _ => None,
    };
    let stream = Report::default().nullable(&object, "stream", Report::boolean);
    Ok(Peek { model, stream: stream == Some(true), ..Peek::default() })
}

/// The text of a body.
///
/// # Errors
/// A [`Failure`] for a body that is empty, or that is not text.
pub(crate) fn text(body: &[u8]) -> Result<Cow<'_, str>, Failure> {
    if body.is_empty() {
        return Err(failure(vec![FieldError {
            kind: "missing",
            location: Vec::new(),
            message: "Field required".into(),
            input: Value::Null,
            context: None,
        }]));
    }
    text::decode(body).ok_or_else(unparsable)
}

/// The object that a body's text is.
///
/// # Errors
/// A [`Failure`] for text that is not JSON, or not an object.
pub(crate) fn object(text: &str) -> Result<Object<'_>, Failure> {
    match json::parse(text) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(other) => {
            let mut report = Report::default();
            report.model(&other);
            report.finish().map(|()| Object::new())
        }
        Err(Mistake::TooManyDigits) => Err(unparsable()),
        Err(Mistake::At(what, place)) => Err(failure(vec![FieldError {
            kind: "json_invalid",
            location: vec![Step::Index(place)],
            message: "JSON decode error".into(),
            input: json!({}),
            context: Some(json!({ "error": what })),
        }])),
    }
}

/// FastAPI's answer to a body that fails in any other way than as JSON.
fn unparsable() -> Failure {
    Failure::new(Class::InvalidRequest, "There was an error parsing the body")
}
