//! "Did you mean": the closest of the words that would have been right.

/// The word that `written` was most likely meant to be.
pub(crate) fn closest<'a>(written: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A longer input is not a misspelling, and comparing it would cost its square.
    if written.len() > 64 {
        return None;
    }
    let plain = plain(written);
    words
        .map(|word| (strsim::damerau_levenshtein(&plain, &self::plain(word)), word))
        .filter(|(distance, word)| *distance <= (word.len().max(3) / 3).min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Case and the choice between hyphen and underscore do not tell words apart.
fn plain(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_is_recognised_and_a_foreign_one_is_not() {
        let words = ["openai", "openai_api_key", "openai_api_base", "anthropic"];
        assert_eq!(closest("opneai", words.into_iter()), Some("openai"));
        assert_eq!(closest("openai_api_bas", words.into_iter()), Some("openai_api_base"));
        assert_eq!(closest("OpenAI-API-Key", words.into_iter()), Some("openai_api_key"));
        assert_eq!(closest("kubernetes", words.into_iter()), None);
        assert_eq!(closest(&"x".repeat(100_000), words.into_iter()), None);
    }
}
