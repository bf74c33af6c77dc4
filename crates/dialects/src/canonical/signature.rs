//! Opaque proofs, and whose they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::borrow::Cow;

/// `lockgate/` in base64: nine bytes are twelve digits, so that what follows starts on a border.
const MARK: &str = "bG9ja2dhdGUv";

/// Something opaque that a provider makes and must get back unchanged: the signature of reasoning, encrypted reasoning,
/// Gemini's thought signature.
///
/// Only the family of APIs that made it can read it. A client of another family keeps it in the place that its own
/// API has for such things, marked with its family's name, so that the next turn takes it back to whoever made it and
/// to nobody else. A marked one is base64, because some APIs take nothing else in that place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    text: String,
    family: Cow<'static, str>,
}

impl Signature {
    /// One that a provider of `family` made.
    pub fn made_by(family: &'static str, text: impl Into<String>) -> Self {
        Self { text: text.into(), family: Cow::Borrowed(family) }
    }

    /// One as a client of `family` sends it back: its own family's, unless it is marked.
    pub fn read(family: &'static str, text: String) -> Self {
        unmarked(&text).unwrap_or(Self { text, family: Cow::Borrowed(family) })
    }

    /// Whether a body may hold one that is marked, and so one that no provider of the client's own family made.
    pub fn is_marked_in(body: &[u8]) -> bool {
        memchr::memmem::find(body, MARK.as_bytes()).is_some()
    }

    /// The text for a client of `family`: as it is, or marked.
    pub fn for_client(&self, family: &str) -> Cow<'_, str> {
        match self.for_provider(family) {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(format!("{MARK}{}", BASE64.encode(format!("{}/{}", self.family, self.text)))),
        }
    }

    /// The text for a provider of `family`; `None` where another family made it, which this one would refuse.
    pub fn for_provider(&self, family: &str) -> Option<&str> {
        (self.family == family).then_some(&*self.text)
    }
}

fn unmarked(text: &str) -> Option<Signature> {
    // Google's Python SDK writes bytes in the alphabet for URLs, whichever it read.
    let digits = text.strip_prefix(MARK)?.replace('-', "+").replace('_', "/");
    let bytes = BASE64.decode(digits).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (family, text) = text.split_once('/')?;
    Some(Signature { text: text.to_owned(), family: Cow::Owned(family.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_goes_back_to_its_maker_through_a_client_of_another_family() {
        let made = Signature::made_by("gemini", "AbC+/=");
        let kept = made.for_client("anthropic").into_owned();
        assert!(BASE64.decode(&kept).is_ok(), "{kept}");
        let back = Signature::read("anthropic", kept);
        assert_eq!(back, made);
        assert_eq!(back.for_provider("gemini"), Some("AbC+/="));
        assert_eq!(back.for_provider("anthropic"), None);
        let kept = Signature::made_by("openai", "~~~???>>>").for_client("gemini").replace('/', "_");
        assert!(kept.contains('_'), "{kept}");
        assert_eq!(Signature::read("gemini", kept).for_provider("openai"), Some("~~~???>>>"));
    }

    #[test]
    fn a_body_shows_whether_another_familys_signature_is_in_it() {
        let marked = Signature::made_by("gemini", "s").for_client("anthropic").into_owned();
        assert!(Signature::is_marked_in(format!("{{\"signature\":\"{marked}\"}}").as_bytes()));
        assert!(!Signature::is_marked_in(br#"{"signature":"s"}"#));
    }

    #[test]
    fn a_familys_own_signature_stays_as_it_is() {
        let own = Signature::read("anthropic", "EqQB/".to_owned());
        assert_eq!(own.for_client("anthropic"), "EqQB/");
        assert_eq!(own.for_provider("anthropic"), Some("EqQB/"));
        let broken = Signature::read("anthropic", format!("{MARK}?"));
        assert_eq!(broken.for_provider("anthropic"), Some("bG9ja2dhdGUv?"));
    }
}
