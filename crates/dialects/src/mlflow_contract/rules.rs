//! The rules of pydantic 2 for the types that MLflow's bodies use, with its lax conversions.

use super::json::{Json, Object, get};
use super::report::Report;
use crate::canonical::Step;
use serde_json::json;

/// A field by its name in the contract.
pub(crate) fn field(name: &'static str) -> Step {
    Step::Field(name.into())
}

impl Report {
    /// Reads the field `name` if it is there.
    pub(crate) fn optional<'o, 'a, T>(
        &mut self,
        object: &'o Object<'a>,
        name: &'static str,
        read: impl FnOnce(&mut Self, &'o Json<'a>) -> Option<T>,
    ) -> Option<T> {
        let value = get(object, name)?;
        self.at(field(name), |report| read(report, value))
    }

    /// Reads the field `name` if it is there and not `null`.
    pub(crate) fn nullable<'o, 'a, T>(
        &mut self,
        object: &'o Object<'a>,
        name: &'static str,
        read: impl FnOnce(&mut Self, &'o Json<'a>) -> Option<T>,
    ) -> Option<T> {
        let value = get(object, name).filter(|value| **value != Json::Null)?;
        self.at(field(name), |report| read(report, value))
    }

    /// Reads the field `name`, which must be there.
    pub(crate) fn required<'o, 'a, T>(
        &mut self,
        object: &'o Object<'a>,
        name: &'static str,
        read: impl FnOnce(&mut Self, &'o Json<'a>) -> Option<T>,
    ) -> Option<T> {
        let value = get(object, name);
        self.at(field(name), |report| match value {
            Some(value) => read(report, value),
            None => {
                report.add("missing", "Field required", &Json::Object(object.clone()));
                None
            }
        })
    }

    /// A string.
    pub(crate) fn text<'o>(&mut self, value: &'o Json<'_>) -> Option<&'o str> {
        let Json::Text(text) = value else {
            self.add("string_type", "Input should be a valid string", value);
            return None;
        };
        Some(text)
    }

    /// An object that FastAPI reads into a model.
    pub(crate) fn model<'o, 'a>(&mut self, value: &'o Json<'a>) -> Option<&'o Object<'a>> {
        let Json::Object(object) = value else {
            self.add(
                "model_attributes_type",
                "Input should be a valid dictionary or object to extract fields from",
                value,
            );
            return None;
        };
        Some(object)
    }

    /// An object of any fields.
    pub(crate) fn dictionary<'o, 'a>(&mut self, value: &'o Json<'a>) -> Option<&'o Object<'a>> {
        let Json::Object(object) = value else {
            self.add("dict_type", "Input should be a valid dictionary", value);
            return None;
        };
        Some(object)
    }

    /// A list whose elements are all of one kind. `None` when it or any element is wrong.
    pub(crate) fn list<'o, 'a, T>(
        &mut self,
        value: &'o Json<'a>,
        mut read: impl FnMut(&mut Self, &'o Json<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Json::List(items) = value else {
            self.add("list_type", "Input should be a valid list", value);
            return None;
        };
        let mut whole = Some(Vec::new());
        for (index, item) in items.iter().enumerate() {
            match self.at(Step::Index(index), |report| read(report, item)) {
                None => whole = None,
                Some(item) => {
                    if let Some(list) = &mut whole {
                        list.push(item);
                    }
                }
            }
        }
        whole
    }

    /// A list with at least one element.
    pub(crate) fn filled_list<'o, 'a, T>(
        &mut self,
        value: &'o Json<'a>,
        read: impl FnMut(&mut Self, &'o Json<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let list = self.list(value, read)?;
        if list.is_empty() {
            self.add_with(
                "too_short",
                "List should have at least 1 item after validation, not 0",
                value,
                json!({"field_type": "List", "min_length": 1, "actual_length": 0}),
            );
            return None;
        }
        Some(list)
    }

    /// A number from 0 to `most`.
    pub(crate) fn number_up_to(&mut self, value: &Json<'_>, most: f64) -> Option<f64> {
        let number = match value {
            Json::Bool(value) => f64::from(u8::from(*value)),
            Json::NotFinite(number) => *number,
            Json::Number(text) => match text.parse::<f64>() {
                // Python's float() of an integer too large for it is an error, not infinity.
                Ok(number) if number.is_finite() || !is_whole(text) => number,
                _ => {
                    self.add("float_type", "Input should be a valid number", value);
                    return None;
                }
            },
            Json::Text(text) => match float_of_text(text) {
                Some(number) => number,
                None => {
                    self.add(
                        "float_parsing",
                        "Input should be a valid number, unable to parse string as a number",
                        value,
                    );
                    return None;
                }
            },
            Json::Null | Json::List(_) | Json::Object(_) => {
                self.add("float_type", "Input should be a valid number", value);
                return None;
            }
        };
        if number <= most && number >= 0.0 {
            return Some(number);
        }
        if number < 0.0 {
            self.add_with(
                "greater_than_equal",
                "Input should be greater than or equal to 0",
                value,
                json!({"ge": 0.0}),
            );
        } else {
            let message = format!("Input should be less than or equal to {most}");
            self.add_with("less_than_equal", message, value, json!({"le": most}));
        }
        None
    }

    /// A whole number from 1 to `most`.
    pub(crate) fn count(&mut self, value: &Json<'_>, most: Option<u64>) -> Option<u64> {
        let whole = self.integer(value)?;
        let number = match whole.strip_prefix('-') {
            Some(_) => 0,
            // More than 64 bits: no provider takes it, so that its exact value no longer matters.
            None => whole.parse::<u64>().unwrap_or(u64::MAX),
        };
        if number < 1 {
            self.add_with(
                "greater_than_equal",
                "Input should be greater than or equal to 1",
                value,
                json!({"ge": 1}),
            );
            return None;
        }
        if let Some(most) = most.filter(|most| number > *most) {
            let message = format!("Input should be less than or equal to {most}");
            self.add_with("less_than_equal", message, value, json!({"le": most}));
            return None;
        }
        Some(number)
    }

    /// A whole number of any size, as plain digits.
    pub(crate) fn integer(&mut self, value: &Json<'_>) -> Option<String> {
        match value {
            Json::Bool(value) => Some(u8::from(*value).to_string()),
            Json::Number(text) if is_whole(text) => Some((*text).to_owned()),
            Json::Number(text) => self.integer_of_float(text.parse().unwrap_or(f64::NAN), value),
            Json::NotFinite(number) => self.integer_of_float(*number, value),
            Json::Text(text) => {
                let whole = integer_of_text(text);
                if whole.is_none() {
                    self.add(
                        "int_parsing",
                        "Input should be a valid integer, unable to parse string as an integer",
                        value,
                    );
                }
                whole
            }
            Json::Null | Json::List(_) | Json::Object(_) => {
                self.add("int_type", "Input should be a valid integer", value);
                None
            }
        }
    }

    fn integer_of_float(&mut self, number: f64, value: &Json<'_>) -> Option<String> {
        /// The least float beyond 64-bit integers: 2 to the power of 63.
        const BEYOND: f64 = 9_223_372_036_854_775_808.0;
        if !number.is_finite() {
            self.add("finite_number", "Input should be a finite number", value);
        } else if number.fract() != 0.0 {
            self.add(
                "int_from_float",
                "Input should be a valid integer, got a number with a fractional part",
                value,
            );
        } else if number.abs() >= BEYOND {
            self.add(
                "int_parsing_size",
                "Unable to parse input string as an integer, exceeded maximum size",
                value,
            );
        } else {
            return Some(format!("{}", number as i64));
        }
        None
    }

    /// A truth value.
    pub(crate) fn boolean(&mut self, value: &Json<'_>) -> Option<bool> {
        const YES: [&str; 6] = ["1", "on", "t", "true", "y", "yes"];
        const NO: [&str; 6] = ["0", "off", "f", "false", "n", "no"];
        let read = match value {
            Json::Bool(value) => return Some(*value),
            Json::Text(text) => {
                let is = |word: &&str| text.eq_ignore_ascii_case(word);
                if YES.iter().any(is) { Some(true) } else { NO.iter().any(is).then_some(false) }
            }
            Json::Number(text) => match text.parse::<f64>() {
                Ok(0.0) => Some(false),
                Ok(1.0) => Some(true),
                Ok(number) if number.is_finite() && number.fract() == 0.0 => None,
                _ => return self.not_boolean(value),
            },
            Json::Null | Json::NotFinite(_) | Json::List(_) | Json::Object(_) => {
                return self.not_boolean(value);
            }
        };
        if read.is_none() {
            self.add("bool_parsing", "Input should be a valid boolean, unable to interpret input", value);
        }
        read
    }

    fn not_boolean(&mut self, value: &Json<'_>) -> Option<bool> {
        self.add("bool_type", "Input should be a valid boolean", value);
        None
    }

    /// One of these words.
    pub(crate) fn word(&mut self, value: &Json<'_>, words: &[&'static str]) -> Option<()> {
        if matches!(value, Json::Text(text) if words.contains(&text.as_ref())) {
            return Some(());
        }
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let expected = match quoted.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
            None => String::new(),
        };
        self.add_with(
            "literal_error",
            format!("Input should be {expected}"),
            value,
            json!({"expected": expected}),
        );
        None
    }
}

/// Whether a number is written without fraction and exponent.
fn is_whole(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
}

/// A number in a string, as pydantic reads it: trimmed, single underscores between characters allowed.
fn float_of_text(text: &str) -> Option<f64> {
    without_underscores(text.trim())?.parse().ok()
}

/// A whole number in a string, as pydantic reads it; `2.0` is one.
fn integer_of_text(text: &str) -> Option<String> {
    let text = text.trim();
    let whole = match text.split_once('.') {
        Some((whole, zeros)) => {
            let plain = !zeros.is_empty() && zeros.bytes().all(|b| b == b'0');
            if plain { whole } else { return None }
        }
        None => text,
    };
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole.strip_prefix('+').unwrap_or(whole)),
    };
    let digits = without_underscores(digits)?;
    if digits.is_empty() || digits.len() > 4300 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    Some(if digits.is_empty() { "0".to_owned() } else { format!("{sign}{digits}") })
}

fn without_underscores(text: &str) -> Option<String> {
    let misplaced = text.starts_with('_') || text.ends_with('_') || text.contains("__");
    (!misplaced).then(|| text.replace('_', ""))
}
