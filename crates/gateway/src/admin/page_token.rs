//! MLflow's page tokens: the base64 of `{"index": N}`.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;
use serde_json::Value;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The query's token is none of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadToken;

/// Where the page starts that `query` asks for: 0 where it has no `page_token`.
pub(super) fn start(query: Option<&str>) -> Result<usize, BadToken> {
    let mut pairs = query.unwrap_or_default().rsplit('&');
    let token = pairs.find_map(|pair| {
        let (name, token) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name) == "page_token").then(|| decoded(token))
    });
    token.map_or(Ok(0), |token| index(&token).ok_or(BadToken))
}

/// A name or a value of a query.
fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The token of the page that starts at `index`.
pub(super) fn token(index: usize) -> String {
    BASE64.encode(format!("{{\"index\": {index}}}"))
}

/// The index in a token, read as Python reads it: what is not of base64's alphabet is skipped, numbers are cut, numeric
/// strings count.
fn index(token: &str) -> Option<usize> {
    let of_alphabet = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    let letters: String = token.chars().take_while(|c| *c != '=').filter(of_alphabet).collect();
    let json = BASE64.decode(letters).ok()?;
    let index = match serde_json::from_slice::<Value>(&json).ok()?.get("index")? {
        Value::Number(number) => number.as_f64()?,
        Value::String(digits) => whole(digits)? as f64,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        _ => return None,
    };
    // Past the end is an empty page, not an error: what does not fit is cut.
    (index > -1.0).then_some(index as usize)
}

/// A string that Python's `int` takes; single underscores may stand between digits.
fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    let misplaced = text.starts_with('_') || text.ends_with('_') || text.contains("__");
    if misplaced { None } else { text.replace('_', "").parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(json: &str) -> Result<usize, BadToken> {
        start(Some(&format!("x=1&page_token={}", BASE64.encode(json).replace('=', "%3D"))))
    }

    #[test]
    fn a_token_leads_to_where_it_was_written_for() {
        assert_eq!(token(3000), "eyJpbmRleCI6IDMwMDB9");
        assert_eq!(start(Some("page_token=eyJpbmRleCI6IDMwMDB9")), Ok(3000));
        assert_eq!(start(Some("foo=bar")), Ok(0));
        assert_eq!(start(None), Ok(0));
    }

    #[test]
    fn an_index_is_read_as_python_reads_it() {
        assert_eq!(at(r#"{"index": "7"}"#), Ok(7));
        assert_eq!(at(r#"{"index": 2.9}"#), Ok(2));
        assert_eq!(at(r#"{"index": 1e300}"#), Ok(usize::MAX));
        assert_eq!(at(r#"{"index": " 1_0 "}"#), Ok(10));
        assert_eq!(start(Some("page_token=eyJpbmRleCI6IDk5OTk5fQ")), Ok(99_999));
        assert_eq!(start(Some("page%5Ftoken=eyJpbm-Rl+eCI6IDV9%20")), Ok(5));
    }

    #[test]
    fn what_is_no_token_is_told_so() {
        for json in
            [r#"{"index": -1}"#, r#"{"x": 1}"#, "[1]", "7", r#"{"index": null}"#, r#"{"index": "x"}"#, ""]
        {
            assert_eq!(at(json), Err(BadToken), "{json}");
        }
        for token in ["=", "=%21%21%21", "=abcd", "=%ff", ""] {
            assert_eq!(start(Some(&format!("page_token{token}"))), Err(BadToken), "{token}");
        }
    }
}
