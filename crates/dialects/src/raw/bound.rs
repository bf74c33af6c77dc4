//! How long an answer may become, as far as a body says so.

use super::scan::{Field, Scanner};
use crate::canonical::Failure;

/// Where a dialect's bodies limit their answers.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// The names of the object that holds the fields; without any, the body itself does.
    pub within: &'static [&'static str],
    /// The most tokens of an answer. The largest counts where a body has several, so that none hides another.
    pub tokens: &'static [&'static str],
    /// The number of answers, those included that are made and not told.
    pub answers: &'static [&'static str],
}

impl Bound {
    /// As OpenAI's APIs and most others have it.
    pub const COMMON: Self = Self {
        within: &[],
        tokens: &["max_tokens", "max_completion_tokens", "max_output_tokens"],
        answers: &["n", "best_of"],
    };

    /// The most tokens that all answers together may have; `None` where the body does not say. Reads nothing but the
    /// fields.
    pub fn read(&self, body: &[u8]) -> Option<u64> {
        let (mut within, mut tokens, mut answers) = (None, None, 1);
        let read = |field: &Field, names: &[&str]| {
            names.iter().any(|name| field.is(body, name)).then(|| number_at(&body[field.value.clone()]))
        };
        let walked = fields(body, |field| {
            if !self.within.is_empty() {
                if self.within.iter().any(|name| field.is(body, name)) {
                    within = Some(field.value.clone());
                }
            } else if let Some(number) = read(field, self.tokens) {
                tokens = tokens.max(number);
            } else if let Some(number) = read(field, self.answers) {
                answers = answers.max(number.unwrap_or(1));
            }
        });
        walked.ok()?;
        match within {
            Some(value) => Self { within: &[], ..*self }.read(&body[value]),
            None => Some(tokens?.saturating_mul(answers)),
        }
    }
}

fn fields(body: &[u8], mut see: impl FnMut(&Field)) -> Result<(), Failure> {
    let mut scanner = Scanner::new(body);
    let mut more = scanner.open_object()?;
    while more {
        see(&scanner.field()?);
        more = scanner.another()?;
    }
    Ok(())
}

/// The number that stands there, without its fraction; `None` when it is no number or below 0.
fn number_at(value: &[u8]) -> Option<u64> {
    let number: f64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    (number >= 0.0).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_tokens_are_found_under_every_name_and_for_all_answers_together() {
        for (body, most) in [
            (r#"{"max_tokens":7}"#, Some(7)),
            (r#"{"max_completion_tokens":7,"max_tokens":9}"#, Some(9)),
            (r#"{"max_tokens":9,"max_tok\u0065ns":1}"#, Some(9)),
            (r#"{"n":3,"max_tokens":7.0}"#, Some(21)),
            (r#"{"n":null,"best_of":2,"max_tokens":1e2}"#, Some(200)),
            (r#"{"n":1e30,"max_tokens":1e30}"#, Some(u64::MAX)),
            (r#"{"n":3}"#, None),
            (r#"{"max_tokens":null}"#, None),
            (r#"{"max_tokens":"7"}"#, None),
            (r#"{"max_tokens":-7}"#, None),
            (r#"{"a":{"max_tokens":7}}"#, None),
            ("[7]", None),
            ("{", None),
        ] {
            assert_eq!(Bound::COMMON.read(body.as_bytes()), most, "{body}");
        }
    }

    #[test]
    fn a_bound_within_an_object_is_read_there_and_nowhere_else() {
        let bound = Bound { within: &["config", "cfg"], tokens: &["most"], answers: &["count"] };
        for (body, most) in [
            (r#"{"most":1,"config":{"count":2,"most":7}}"#, Some(14)),
            (r#"{"most":1,"config":{"config":{"most":7}}}"#, None),
            (r#"{"most":1,"config":7}"#, None),
            (r#"{"cfg":{"most":7}}"#, Some(7)),
            (r#"{"most":1}"#, None),
        ] {
            assert_eq!(bound.read(body.as_bytes()), most, "{body}");
        }
    }
}
