//! Checked values as JSON to carry on.

use super::json::{Json, Object};
use super::report::Report;
use crate::canonical::{RawJson, Step};
use serde_json::value::RawValue;

/// A value as JSON without its `null` fields, which MLflow drops at every depth; `null` in a list stays. Numbers
/// stay as they were written. `None`, and a word in `report`, for `NaN` and the infinities.
pub(crate) fn raw(value: &Json<'_>, report: &mut Report) -> Option<RawJson> {
    without(value, &|_| true, report)
}

/// The same of a value that holds JSON schemas, where `null` means something: it is dropped from `keywords` alone.
pub(crate) fn raw_schema(value: &Json<'_>, keywords: &[&str], report: &mut Report) -> Option<RawJson> {
    without(value, &|name| keywords.contains(&name), report)
}

fn without(value: &Json<'_>, nullable: &dyn Fn(&str) -> bool, report: &mut Report) -> Option<RawJson> {
    let mut text = String::new();
    if write(value, nullable, &mut text) {
        // Only a number too long for serde_json to skip could fail here, and there is none.
        return RawValue::from_string(text).ok();
    }
    report.add_unsayable();
    None
}

/// The fields of `object` that are not `null` and not among `named`, as JSON.
pub(crate) fn rest(object: &Object<'_>, named: &[&str], report: &mut Report) -> Vec<(String, RawJson)> {
    let mut rest = Vec::new();
    for (name, value) in object {
        if *value == Json::Null || named.contains(&name.as_ref()) {
            continue;
        }
        let step = Step::Field(name.to_string().into());
        if let Some(value) = report.at(step, |report| raw(value, report)) {
            rest.push((name.to_string(), value));
        }
    }
    rest
}

/// Appends a value without the `nullable` fields that are `null`; `false` when it cannot be said in JSON.
fn write(value: &Json<'_>, nullable: &dyn Fn(&str) -> bool, out: &mut String) -> bool {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(text) => out.push_str(text),
        Json::NotFinite(_) => return false,
        Json::Text(text) => write_text(text, out),
        Json::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                if !write(item, nullable, out) {
                    return false;
                }
            }
            out.push(']');
        }
        Json::Object(fields) => {
            out.push('{');
            let kept = fields.iter().filter(|(name, value)| *value != Json::Null || !nullable(name));
            for (index, (name, value)) in kept.enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                if !write(value, nullable, out) {
                    return false;
                }
            }
            out.push('}');
        }
    }
    true
}

fn write_text(text: &str, out: &mut String) {
    let quoted = serde_json::to_string(text).expect("a string always serialises");
    out.push_str(&quoted);
}
