//! How many tokens a call will use, before anybody has counted: cheap, and corrected once the provider has.

/// Bytes of a body that make a token: about right for English in JSON, and near enough for other languages until the
/// provider has counted.
const BYTES_PER_TOKEN: u64 = 4;
/// What an image or a file in the body counts, whatever its size: their tokens do not follow from their bytes.
const TOKENS_PER_ATTACHMENT: u64 = 1_000;
/// A run of so many letters and digits is no text but base64.
const LEAST_ATTACHMENT: usize = 512;
/// What is reserved for an answer whose length the body does not limit, and the part of the limit that it is at most.
const USUAL_ANSWER: u64 = 1_024;
const MOST_OF_LIMIT: u64 = 10;

/// What a call will use at most, as far as its body tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Estimate {
    pub(super) prompt: u64,
    /// What the body allows the answer; `None` where it does not say.
    most: Option<u64>,
}

/// The estimate of a body whose answer may have `most` tokens.
pub(super) fn of(body: &[u8], most: Option<u64>) -> Estimate {
    let (attachments, bytes) = attached(body);
    let text = (body.len() - bytes) as u64;
    Estimate { prompt: text.div_ceil(BYTES_PER_TOKEN) + attachments * TOKENS_PER_ATTACHMENT, most }
}

/// The estimate of a prompt alone.
pub(crate) fn prompt(body: &[u8]) -> u64 {
    of(body, None).prompt
}

impl Estimate {
    /// Of the answer, on a limit.
    pub(super) fn completion(self, limit: u64) -> u64 {
        self.most.unwrap_or_else(|| USUAL_ANSWER.min((limit / MOST_OF_LIMIT).max(1)))
    }

    /// Of both, on a limit. An answer that is merely usual must not make a prompt that fits hopeless.
    pub(super) fn both(self, limit: u64) -> u64 {
        let usual = || self.completion(limit).min(limit.saturating_sub(self.prompt));
        self.prompt.saturating_add(self.most.unwrap_or_else(usual))
    }
}

/// How many runs of base64 a body has, and their bytes. Looks at every 256th byte and around those that could be in
/// one, so that text costs next to nothing.
fn attached(body: &[u8]) -> (u64, usize) {
    let is_base64 =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_');
    let (mut count, mut bytes, mut after) = (0, 0, 0);
    let mut at = 0;
    while at < body.len() {
        let start = at - body[after..at].iter().rev().take_while(|byte| is_base64(byte)).count();
        let run = (at - start) + body[at..].iter().take_while(|byte| is_base64(byte)).count();
        if run >= LEAST_ATTACHMENT {
            count += 1;
            bytes += run;
        }
        after = start + run;
        at = after.max(at) + LEAST_ATTACHMENT / 2;
    }
    (count, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_a_token_for_four_bytes_and_an_image_counts_as_one() {
        assert_eq!(of(b"", None).prompt, 0);
        assert_eq!(of(b"{\"a\":1}", None).prompt, 2);
        let text = "Der Hund und die Katze. ".repeat(1_000);
        assert_eq!(of(text.as_bytes(), None).prompt, 6_000);
        for (before, image) in [(0, 512), (1, 520), (255, 2_000), (1_000, 1_000_000), (300, 700)] {
            let body = format!("{} {} {}", "x y ".repeat(before), "iVBORw0K".repeat(image / 8), text);
            let wanted = 1_000 + (before as u64 * 4 + 2 + 24_000).div_ceil(4);
            let got = of(body.as_bytes(), None).prompt;
            assert_eq!(got, wanted, "{before} {image}");
        }
    }

    #[test]
    fn two_images_count_twice_and_no_byte_is_taken_for_two() {
        let image = "A".repeat(600);
        for gap in ["\",\"", " ", &" a ".repeat(400)] {
            let body = format!("{image}{gap}{image}");
            assert_eq!(attached(body.as_bytes()), (2, 1_200), "{}", gap.len());
        }
    }

    #[test]
    fn an_answer_is_as_long_as_the_body_allows_else_a_share_of_the_limit() {
        let named = of(b"", Some(77));
        assert_eq!((named.completion(10), named.both(10)), (77, 77));
        let unnamed = of(&[b' '; 400], None);
        assert_eq!([1, 100, 5_000, 100_000].map(|limit| unnamed.completion(limit)), [1, 10, 500, 1_024]);
        assert_eq!([105, 1_000, 100_000].map(|limit| unnamed.both(limit)), [105, 200, 1_124]);
        assert_eq!(unnamed.both(50), 100);
    }
}
