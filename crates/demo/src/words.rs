//! Texts by the word: counted, shortened, lengthened and split. A word stands for a token.

/// How many words `text` has.
pub(crate) fn count(text: &str) -> usize {
    text.split_whitespace().count()
}

/// The first words of `text` on one line, with an ellipsis when that is not all.
pub(crate) fn excerpt(text: &str) -> String {
    const WORDS: usize = 24;
    const CHARS: usize = 160;
    let end = text.char_indices().nth(CHARS).map_or(text.len(), |(end, _)| end);
    let mut words = text[..end].split_whitespace();
    let mut excerpt: Vec<&str> = words.by_ref().take(WORDS).collect();
    if end < text.len() || words.next().is_some() {
        excerpt.push("…");
    }
    excerpt.join(" ")
}

/// `text` up to the end of its `most`-th word, and whether that left a word out.
pub(crate) fn shorten(text: &str, most: usize) -> (&str, bool) {
    let mut starts = text.split_whitespace().map(|word| word.as_ptr() as usize - text.as_ptr() as usize);
    match starts.nth(most) {
        None => (text, false),
        Some(next) => (text[..next].trim_end(), true),
    }
}

/// `text` over and over until it has at least `least` words; a text without words stays as it is.
pub(crate) fn lengthen(text: String, least: usize) -> String {
    let words = count(&text);
    if words == 0 || words >= least {
        return text;
    }
    text.split_whitespace().cycle().take(least).collect::<Vec<_>>().join(" ")
}

/// `text` up to the first place where one of `stops` begins.
pub(crate) fn stop_at<'a>(text: &'a str, stops: &[String]) -> &'a str {
    let found = stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop.as_str()));
    found.min().map_or(text, |end| &text[..end])
}

/// Splits `text` into `pieces` of nearly the same number of words, else characters when it has too few words; into
/// fewer when it has too few of both. Joined they are `text`.
pub(crate) fn split(text: &str, pieces: usize) -> Vec<&str> {
    let mut starts = word_starts(text);
    if starts.len() < pieces {
        starts = text.char_indices().map(|(start, _)| start).collect();
    }
    let pieces = pieces.min(starts.len());
    let start =
        |piece: usize| if piece == pieces { text.len() } else { starts[piece * starts.len() / pieces] };
    (0..pieces).map(|piece| &text[start(piece)..start(piece + 1)]).collect()
}

/// Where the pieces of one word each start: the first at 0, the others at the space before their word.
fn word_starts(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut in_word = false;
    let mut space = 0;
    for (at, letter) in text.char_indices() {
        if letter.is_whitespace() {
            if in_word {
                space = at;
            }
            in_word = false;
        } else {
            if !in_word {
                starts.push(if starts.is_empty() { 0 } else { space });
            }
            in_word = true;
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_excerpt_is_one_short_line_and_says_when_there_was_more() {
        assert_eq!(excerpt(" two\n lines "), "two lines");
        assert_eq!(excerpt(&"word ".repeat(30)), format!("{}…", "word ".repeat(24)));
        assert_eq!(excerpt(&"ä".repeat(1000)), format!("{} …", "ä".repeat(160)));
    }

    #[test]
    fn a_limit_keeps_whole_words_and_says_whether_it_cut() {
        assert_eq!(shorten("one  two three", 2), ("one  two", true));
        assert_eq!(shorten("one two ", 2), ("one two ", false));
        assert_eq!(shorten("one", 0), ("", true));
        assert_eq!(shorten("", 0), ("", false));
    }

    #[test]
    fn an_answer_ends_before_the_first_stop_text() {
        let stops = ["".to_owned(), "three".to_owned(), "two".to_owned()];
        assert_eq!(stop_at("one two three", &stops), "one ");
        assert_eq!(stop_at("four", &stops), "four");
    }

    #[test]
    fn a_short_text_grows_to_the_pieces_asked_for() {
        assert_eq!(lengthen("a b".to_owned(), 5), "a b a b a");
        assert_eq!(lengthen("a b c".to_owned(), 2), "a b c");
        assert_eq!(lengthen(" ".to_owned(), 2), " ");
    }

    #[test]
    fn pieces_are_words_with_the_space_before_them() {
        assert_eq!(split(" one two  three", 3), [" one", " two", "  three"]);
        assert_eq!(split("äöü", 2), ["ä", "öü"]);
        assert_eq!(split("", 3), Vec::<&str>::new());
    }

    proptest! {
        #[test]
        fn no_text_is_lost_or_split_into_more_or_empty_pieces(text in "[ a-cä\n]{0,60}", pieces in 1_usize..80) {
            let split = split(&text, pieces);
            prop_assert_eq!(split.concat(), text.clone());
            prop_assert_eq!(split.len(), pieces.min(text.chars().count()));
            prop_assert!(split.iter().all(|piece| !piece.is_empty()));
        }
    }
}
