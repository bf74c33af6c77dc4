//! The wrong fields of a body, gathered while it is read: FastAPI lists all of them, not only the first.

use super::json::Json;
use crate::canonical::{Class, Failure, FieldError, Step};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt::Write;

/// What was found wrong so far, and where the reading stands.
#[derive(Debug, Default)]
pub(crate) struct Report {
    place: Vec<Step>,
    errors: Vec<FieldError>,
    /// A value that is right by the contract's rules and that JSON cannot carry on.
    unsayable: Option<FieldError>,
    echoed: usize,
}

/// The most errors that are listed.
const MOST_ERRORS: usize = 1000;

/// How much of the caller's own values the list may repeat, in characters and values.
const MOST_ECHO: usize = 64 * 1024;

impl Report {
    /// Reads something that stands at `step`.
    pub(crate) fn at<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        self.place.push(step);
        let value = read(self);
        self.place.pop();
        value
    }

    /// Records that the value here is wrong.
    pub(crate) fn add(
        &mut self,
        kind: &'static str,
        message: impl Into<Cow<'static, str>>,
        input: &Json<'_>,
    ) {
        self.push(kind, message.into(), input, None);
    }

    /// Records that the value here is wrong, with the rule's own facts.
    pub(crate) fn add_with(
        &mut self,
        kind: &'static str,
        message: impl Into<Cow<'static, str>>,
        input: &Json<'_>,
        context: Value,
    ) {
        self.push(kind, message.into(), input, Some(context));
    }

    /// Records that the value here is `NaN` or infinite where the contract allows anything. MLflow fails on it only
    /// after its checks, so that it counts only when nothing else is wrong.
    pub(crate) fn add_unsayable(&mut self) {
        self.unsayable = Some(FieldError {
            kind: "finite_number",
            location: self.place.clone(),
            message: "Input should be a finite number".into(),
            input: Value::Null,
            context: None,
        });
    }

    /// How many errors there are, for [`Report::forget`].
    pub(crate) fn mark(&self) -> usize {
        self.errors.len()
    }

    /// Forgets the errors since `mark`: a form of a union that was tried in vain.
    pub(crate) fn forget(&mut self, mark: usize) {
        self.errors.truncate(mark);
    }

    /// The failure that lists the errors.
    ///
    /// # Errors
    /// That failure, when there is any error.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        if self.errors.is_empty() {
            self.errors.extend(self.unsayable);
        }
        if self.errors.is_empty() { Ok(()) } else { Err(failure(self.errors)) }
    }

    fn push(
        &mut self,
        kind: &'static str,
        message: Cow<'static, str>,
        input: &Json<'_>,
        context: Option<Value>,
    ) {
        if self.errors.len() == MOST_ERRORS {
            return;
        }
        let size = size(input, MOST_ECHO - self.echoed);
        let input = if self.echoed + size < MOST_ECHO {
            self.echoed += size;
            echo(input)
        } else {
            Value::Null
        };
        self.errors.push(FieldError { kind, location: self.place.clone(), message, input, context });
    }
}

/// The failure that lists `fields`, of which there is at least one.
pub(crate) fn failure(fields: Vec<FieldError>) -> Failure {
    let param = fields.first().map(|field| dotted(&field.location)).filter(|path| !path.is_empty());
    let mut message = fields.first().map(|field| field.message.to_string()).unwrap_or_default();
    if let Some(path) = &param {
        message = format!("{path}: {message}");
    }
    if fields.len() > 1 {
        let _ = write!(message, " (and {} more)", fields.len() - 1);
    }
    Failure { param, fields, ..Failure::new(Class::InvalidRequest, message) }
}

/// A location as a path, such as `messages[0].role`.
fn dotted(location: &[Step]) -> String {
    let mut path = String::new();
    for step in location {
        let _ = match step {
            Step::Field(name) if path.is_empty() => write!(path, "{name}"),
            Step::Field(name) => write!(path, ".{name}"),
            Step::Index(index) => write!(path, "[{index}]"),
        };
    }
    path
}

/// How much of the echo `value` takes; anything above `most` when it is too much.
fn size(value: &Json<'_>, most: usize) -> usize {
    let mut sum = 1;
    let children: &mut dyn Iterator<Item = (usize, &Json<'_>)> = match value {
        Json::Text(text) => return sum + text.len(),
        Json::Number(text) => return sum + text.len(),
        Json::List(items) => &mut items.iter().map(|item| (0, item)),
        Json::Object(fields) => &mut fields.iter().map(|(name, value)| (name.len(), value)),
        Json::Null | Json::Bool(_) | Json::NotFinite(_) => return sum,
    };
    for (name, child) in children {
        if sum > most {
            break;
        }
        sum += name + size(child, most - sum);
    }
    sum
}

fn echo(value: &Json<'_>) -> Value {
    match value {
        Json::Null | Json::NotFinite(_) => Value::Null,
        Json::Bool(value) => json!(value),
        Json::Number(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        Json::Text(text) => json!(text),
        Json::List(items) => items.iter().map(echo).collect(),
        Json::Object(fields) => fields.iter().map(|(name, value)| (name.to_string(), echo(value))).collect(),
    }
}
