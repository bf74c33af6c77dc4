//! Reading the API's objects: names in either case, and one element in place of a list.
//!
//! Google's servers read ProtoJSON, which takes `systemInstruction` and `system_instruction` alike, and they take one
//! object where a list of them is meant.

use crate::raw::{self, Object, Read};
use serde_json::value::RawValue;

/// Reads an object of the API, whose names may be written in either case.
///
/// # Errors
/// A [`raw::Mismatch`] when it is none.
pub(crate) fn object(value: &RawValue) -> Read<Object<'_>> {
    Object::of(value).map(Object::in_camel_case)
}

/// Takes out an object.
///
/// # Errors
/// A [`raw::Mismatch`] when something else stands there.
pub(crate) fn take_object<'a>(fields: &mut Object<'a>, name: &str) -> Read<Option<Object<'a>>> {
    fields.take(name).map(|value| object(value).map_err(|wrong| wrong.within(name))).transpose()
}

/// Takes out a list, or its only element, and reads each.
///
/// # Errors
/// The [`raw::Mismatch`] of the first element that cannot be read.
pub(crate) fn each<'a, T>(
    fields: &mut Object<'a>,
    name: &str,
    mut read: impl FnMut(&'a RawValue) -> Read<T>,
) -> Read<Option<Vec<T>>> {
    match fields.get(name) {
        Some(one) if one.get().starts_with('{') => {
            fields.take(name);
            read(one).map(|read| Some(vec![read])).map_err(|wrong| wrong.within(name))
        }
        _ => fields.each(name, read),
    }
}

/// Takes out a count, which some clients write as a fraction or as a string, as ProtoJSON has 64-bit numbers.
///
/// # Errors
/// A [`raw::Mismatch`] when something else stands there.
pub(crate) fn count(fields: &mut Object<'_>, name: &str) -> Read<Option<u64>> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    let number = value.get().trim_matches('"').parse::<f64>().ok();
    match number.filter(|number| number.fract() == 0.0 && (0.0..=MOST).contains(number)) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within range")]
        Some(number) => {
            fields.take(name);
            Ok(Some(number as u64))
        }
        None => fields.count(name),
    }
}

/// The largest whole number up to which every one is a float, 2^53.
const MOST: f64 = 9_007_199_254_740_992.0;

/// The word of an enumeration; some clients write its number (`enum-encoding=int`), which is looked up in `words`.
pub(crate) fn word(value: &RawValue, words: &[&str]) -> Read<String> {
    let number = value.get().parse::<usize>().ok();
    match number.and_then(|number| words.get(number)) {
        Some(word) => Ok((*word).to_owned()),
        None => raw::text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_element_stands_for_a_list_of_one() {
        let parsed = |body: &str| {
            let raw = RawValue::from_string(body.to_owned()).expect("JSON");
            let mut fields = object(&raw).expect("an object");
            each(&mut fields, "toolList", |tool| object(tool)?.need_string("n")).map_err(|wrong| wrong.path)
        };
        assert_eq!(parsed(r#"{"tool_list":{"n":"a"}}"#), Ok(Some(vec!["a".to_owned()])));
        assert_eq!(parsed(r#"{"toolList":[{"n":"a"}]}"#), Ok(Some(vec!["a".to_owned()])));
        assert_eq!(parsed("{}"), Ok(None));
        assert_eq!(parsed(r#"{"toolList":{}}"#), Err("toolList.n".to_owned()));
    }

    #[test]
    fn counts_may_be_fractions_or_strings() {
        let read = |value: &str| {
            let raw = RawValue::from_string(format!("{{\"n\":{value}}}")).expect("JSON");
            count(&mut object(&raw).expect("an object"), "n").ok().flatten()
        };
        assert_eq!((read("40.0"), read("\"7\""), read("3")), (Some(40), Some(7), Some(3)));
        assert_eq!((read("0.5"), read("-1"), read("\"x\""), read("null")), (None, None, None, None));
    }
}
