//! Why a candidate ended, in both directions.

use crate::canonical::FinishReason;
use serde_json::value::RawValue;

use super::fields;

/// `FinishReason` of the API's protocol, by number.
const WORDS: [&str; 17] = [
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_OTHER",
    "IMAGE_RECITATION",
];

/// Reads `finishReason`.
pub(super) fn read(value: &RawValue) -> Option<String> {
    fields::word(value, &WORDS).ok().filter(|word| !word.is_empty())
}

/// The reason behind a word; `calls`: the candidate calls tools, of which the API's word says nothing.
pub(super) fn reason(word: &str, calls: bool) -> FinishReason {
    match word {
        "STOP" if calls => FinishReason::ToolCalls,
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_owned()),
    }
}

/// The API's word for a reason, and whether it says as much.
pub(super) fn word(reason: Option<&FinishReason>) -> (&str, bool) {
    match reason {
        None | Some(FinishReason::Stop | FinishReason::ToolCalls | FinishReason::FunctionCall) => {
            ("STOP", true)
        }
        Some(FinishReason::Length) => ("MAX_TOKENS", true),
        Some(FinishReason::ContentFilter) => ("SAFETY", true),
        Some(FinishReason::Other(word)) if is_ours(word) => (word, true),
        Some(FinishReason::Other(_)) => ("OTHER", false),
    }
}

/// Whether a word says more than the canonical reason that it stands for.
pub(super) fn is_finer(word: &str) -> bool {
    matches!(reason(word, false), FinishReason::ContentFilter) && word != "SAFETY"
}

/// Google's words are in capitals; those to come are too.
fn is_ours(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_the_way_out() {
        for told in ["STOP", "MAX_TOKENS", "SAFETY", "MALFORMED_FUNCTION_CALL", "A_NEW_WORD"] {
            assert_eq!(word(Some(&reason(told, false))), (told, true));
        }
        assert_eq!(reason("STOP", true), FinishReason::ToolCalls);
        assert_eq!(word(Some(&FinishReason::ToolCalls)), ("STOP", true));
        assert_eq!(word(Some(&FinishReason::Other("eos".to_owned()))), ("OTHER", false));
        assert!(is_finer("RECITATION") && !is_finer("SAFETY") && !is_finer("STOP"));
    }

    #[test]
    fn numbers_are_words_too() {
        let read = |text: &str| read(&RawValue::from_string(text.to_owned()).expect("JSON"));
        assert_eq!(read("2").as_deref(), Some("MAX_TOKENS"));
        assert_eq!(read("\"STOP\"").as_deref(), Some("STOP"));
        assert_eq!((read("99"), read("{}")), (None, None));
    }
}
