//! Takes everything key-shaped out of a text before it reaches a client or a log.
//!
//! Providers echo keys in their errors, whole or partly masked. What is removed: the exact secrets that are given,
//! well-known key forms, credentials in URLs and headers, and whatever follows a key's name and looks like one.
//! Words, model names and the ids of requests and answers stay. Time is linear in the text.

use regex::{Captures, Regex};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::LazyLock;

/// What stands in a secret's place.
pub(crate) const GONE: &str = "[redacted]";

/// Secrets that are shorter would shred a text more than they protect.
pub(crate) const SHORTEST_SECRET: usize = 4;

/// `text` without secrets: neither one of `secrets` nor anything that looks like one.
pub(crate) fn redact<'a>(text: &'a str, secrets: &[&str]) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST_SECRET) {
        if text.contains(secret) {
            text = Cow::Owned(text.replace(secret, GONE));
        }
    }
    for (pattern, rule) in PATTERNS.iter() {
        if let Cow::Owned(changed) = pattern.replace_all(&text, rule) {
            text = Cow::Owned(changed);
        }
    }
    text
}

/// [`redact`] for every string in `value`, names of fields included; what stands under a secret's name goes whole.
pub(crate) fn redact_json(value: &mut Value, secrets: &[&str]) {
    match value {
        Value::String(text) => clean(text, secrets),
        Value::Array(items) => items.iter_mut().for_each(|item| redact_json(item, secrets)),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match field {
                    Value::String(text) if !text.is_empty() && SECRET_FIELD.is_match(name) => {
                        GONE.clone_into(text);
                    }
                    _ => redact_json(field, secrets),
                }
            }
            if fields.keys().any(|name| matches!(redact(name, secrets), Cow::Owned(_))) {
                let named = std::mem::take(fields).into_iter();
                *fields = named
                    .map(|(name, field)| (redact(&name, secrets).into_owned(), field))
                    .collect::<Map<_, _>>();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn clean(text: &mut String, secrets: &[&str]) {
    if let Cow::Owned(changed) = redact(text, secrets) {
        *text = changed;
    }
}

/// What takes the place of a match.
type Rule = fn(&Captures<'_>) -> String;

static PATTERNS: LazyLock<Vec<(Regex, Rule)>> = LazyLock::new(|| {
    let assignment = assigned_pattern();
    let patterns: [(&str, Rule); 7] = [
        (PRIVATE_KEY, |_| GONE.to_owned()),
        (URL_USER, after_prefix),
        (URL_PARAMETER, after_prefix),
        (KNOWN_FORM, after_prefix),
        (SCHEME, scheme),
        (&assignment, assigned),
        (SPOKEN, spoken),
    ];
    patterns.into_iter().map(|(pattern, rule)| (constant(pattern), rule)).collect()
});

static SECRET_FIELD: LazyLock<Regex> =
    LazyLock::new(|| constant(&format!("(?x)^(?i-u:[a-z0-9_-]*){SECRET_NAME}$")));

fn constant(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern, compiled by the tests")
}

/// Names whose value is always a secret.
const SECRET_NAME: &str = r"(?i-u:
    api[-_\ ]?key | access[-_]?key(?:[-_]id)? | (?:secret|private|subscription)[-_](?:access[-_])?key
  | (?:access|auth|refresh|id|session|security|bearer)[-_]token | client[-_]secret
  | authorization | password | passwd | secret | credentials?)";

const PRIVATE_KEY: &str = r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)";

/// `https://user:password@host`
const URL_USER: &str = r#"(://)[^/?#\x00-\x20"'<>]+@"#;

/// `?key=…`, as Google's API and signed URLs have it.
const URL_PARAMETER: &str = r#"(?x)
    ([?&](?i-u:[a-z0-9_-]*(?:key|token|sig|signature|credential|password|secret|auth|code))=)[^&\#\x00-\x20"'<>]+"#;

/// Keys that tell by their form what they are. The first group holds what stands before.
const KNOWN_FORM: &str = r"(?x)((?-u:\b)|_)(?:
    sk-[A-Za-z0-9_-]{6,}
  | lg-[A-Za-z0-9_-]{24,}
  | sk-[A-Za-z0-9_-]*(?:[*•]+|…|\.{2,})[A-Za-z0-9_-]*
  | AIza[A-Za-z0-9_-]{10,}
  | A(?:KI|SI|BI|CC)A[A-Z0-9]{12,}
  | (?:gsk_|csk-|nvapi-|glpat-|github_pat_|tgp_v1_|[rs]k_(?:live|test)_)[A-Za-z0-9_-]{8,}
  | xai-[A-Za-z0-9]{16,}
  | gh[oprsu]_[A-Za-z0-9]{12,}
  | (?:hf_|fw_|r8_|npm_)[A-Za-z0-9]{16,}
  | xox[a-z]-[A-Za-z0-9-]{8,}
  | pplx-[A-Za-z0-9]{32,}
  | dapi[0-9a-f]{24,}
  | ya29\.[A-Za-z0-9_-]{8,}
  | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?
  | [A-Za-z0-9_-]+\*{3,}[A-Za-z0-9_-]+
  | [A-Za-z0-9_-]+[*•]{4,}
) | ()[*•]{4,}[A-Za-z0-9_-]+";

/// `Bearer …`, `Basic …`
const SCHEME: &str = r"(?x)(?i-u:\b(bearer|basic)\b)([\ \t]+)([A-Za-z0-9._~+/=*-]{6,})";

/// `api_key=…`, `"api_key": "…"`, `Authorization: …`
fn assigned_pattern() -> String {
    let value = r#"[^\x00-\x20"'\\,;&)}\]<>]+"#;
    let separator = r#"["'\\]*[\ \t]*([:=])[\ \t]*(["'\\]*)"#;
    format!(r"(?x)({SECRET_NAME}{separator}(?i-u:(?:bearer|basic|token)[\ \t]+)?)({value})")
}

/// `API key provided: …`, `invalid subscription key …`: a key's name, a few words, then something that looks like one.
const SPOKEN: &str = r"(?x)(
    (?i-u:\b(?:keys?|tokens?|secrets?|passwords?|credentials?|apikey)\b)
    [^A-Za-z0-9\n]{1,6}
    (?:(?i-u:provided|given|supplied|received|found|is|was|value|used|with|of)[^A-Za-z0-9\n]{1,4}){0,3}
  )([A-Za-z0-9+/_=.~-]{16,})";

fn after_prefix(found: &Captures<'_>) -> String {
    let end = if found[0].ends_with('@') { "@" } else { "" };
    format!("{}{GONE}{end}", found.get(1).or_else(|| found.get(2)).map_or("", |prefix| prefix.as_str()))
}

fn scheme(found: &Captures<'_>) -> String {
    let value = found[3].trim_end_matches('.').to_ascii_lowercase();
    let bearer_word =
        ["authentication", "authorization", "token", "tokens", "scheme", "header", "format", "credentials"];
    // "basic" is an everyday word: only what cannot be another one goes.
    let word = match found[1].eq_ignore_ascii_case("bearer") {
        true => bearer_word.contains(&value.as_str()),
        false => is_word(found[3].trim_end_matches('.')),
    };
    if word { found[0].to_owned() } else { format!("{}{}{GONE}", &found[1], &found[2]) }
}

fn assigned(found: &Captures<'_>) -> String {
    let (separator, quote, value) = (&found[2], &found[3], found[4].trim_end_matches('.'));
    let empty = ["null", "none", "true", "false", "undefined", "missing", "required", "empty"];
    let prose = separator == ":" && quote.is_empty() && (is_word(value) || value.len() < 6);
    let keep = prose
        || value.starts_with(GONE.trim_end_matches(']'))
        || empty.contains(&value.to_ascii_lowercase().as_str());
    if keep { found[0].to_owned() } else { format!("{}{GONE}", &found[1]) }
}

fn spoken(found: &Captures<'_>) -> String {
    if looks_random(&found[2]) { format!("{}{GONE}", &found[1]) } else { found[0].to_owned() }
}

/// Letters alone, in the case of a word.
fn is_word(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_lowercase())
}

/// Whether some part is too long and too mixed for a name, a date or a UUID. Ids say by their start what they are.
fn looks_random(text: &str) -> bool {
    const IDS: [&str; 12] = [
        "chatcmpl-",
        "cmpl-",
        "req_",
        "resp_",
        "msg_",
        "org-",
        "proj_",
        "call_",
        "toolu_",
        "file-",
        "batch_",
        "run_",
    ];
    !IDS.iter().any(|id| text.starts_with(id))
        && text.split(['-', '_', '.', '~', '/']).any(|part| {
            part.len() >= 16
                && part.bytes().any(|byte| byte.is_ascii_digit())
                && part.bytes().any(|byte| byte.is_ascii_alphabetic())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_form_of_key_survives() {
        let cases = [
            ("Incorrect API key provided: sk-ab***xy. See the page.", "sk-ab"),
            ("Incorrect API key provided: sk-proj-****************abcd.", "abcd"),
            ("Incorrect API key provided: mykey12************wxyz.", "wxyz"),
            ("key ending in ****wxyz is disabled", "wxyz"),
            ("key sk-proj-abc…xyz is disabled", "abc…xyz"),
            ("key sk-abc...xyz is disabled", "xyz"),
            ("sk-ant-api03-AbCd_efGh-1234", "AbCd"),
            ("bad key 'sk-canaryletters'", "canary"),
            ("authorization: Bearer canaryletters", "canary"),
            ("Authorization: \"Bearer eyJhbGciOi.x.y\"", "eyJ"),
            ("Bearer abc123def456", "abc123"),
            ("Basic dXNlcjpwYXNz", "dXNl"),
            ("api_key=canaryletters", "canary"),
            ("openai_api_key: canary1", "canary1"),
            ("{\"x-api-key\": \"canaryletters\"}", "canary"),
            ("{\\\"api-key\\\": \\\"canaryletters\\\"}", "canary"),
            ("password=hunter", "hunter"),
            ("API key not valid: AIzaSyA1234567890abcdefg", "AIza"),
            ("user AKIAIOSFODNN7EXAMPLE is unknown", "AKIA"),
            ("gsk_abcdefgh12345678", "gsk_"),
            ("no such path /v1/lg-0123456789abcdefghijKLMNOPQRSTUVWXYZabcdefg", "0123"),
            ("xai-abcdefgh12345678ABC", "xai-"),
            ("hf_abcdefghijklmnopqrst", "hf_"),
            ("ghp_abcdefghijklmnop", "ghp_"),
            ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln is expired", "eyJ"),
            ("POST https://g.example/v1:generate?alt=sse&key=canaryletters failed", "canary"),
            ("https://me:canary@host.example/x is down", "canary"),
            ("https://me:can@ry@host.example/x is down", "can"),
            ("invalid subscription key 0123456789abcdef0123456789abcdef", "0123456789abcdef"),
            ("The API key provided was 'AbCdEfGh1234567890AbCdEfGh'", "AbCd"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
            ("-----BEGIN PRIVATE KEY-----\nMIIE cut off", "MIIE"),
            ("aws_secret_access_key = wJalrXUtnFEMI", "wJalr"),
        ];
        for (text, secret) in cases {
            let clean = redact(text, &[]);
            assert!(!clean.contains(secret), "{text:?} became {clean:?}");
            assert!(clean.contains(GONE), "{text:?} became {clean:?}");
        }
    }

    #[test]
    fn what_helps_to_understand_an_error_stays() {
        let cases = [
            "The model `gpt-4o-2024-05-13` does not exist or you do not have access to it.",
            "This model's maximum context length is 4097 tokens. However, you requested 5000 tokens (4990 in the messages).",
            "max tokens claude-3-5-sonnet-20241022 allows: 8192",
            "No such response: chatcmpl-9abcDEFghi1234567890jklmnopqr (request req_011CSHoEeqs5C35K2UUqR7Fy)",
            "Unknown token id chatcmpl-9abcDEFghi1234567890jklmnopqr",
            "Include the request ID 7f3f2f2e-9d3f-4d0b-8f3b-0a1b2c3d4e5f in your message",
            "trace 0af7651916cd43dd8448eb211c80319c in organization org-AbCdEfGhIjKlMnOpQrStUvWx",
            "Missing Authorization: header with a Bearer token",
            "Missing bearer authentication in header",
            "You didn't provide an API key. You need to provide your API key in an Authorization header",
            "api_key: field required",
            "api_key=None",
            "password: required",
            "Invalid token: unexpected end of input at line 1 column 12",
            "a basic understanding, a Basic authentication scheme",
            "You can find docs at https://platform.example.com/account/api-keys.",
            "**bold** and ***bold italics***, then *** a rule ***",
            "risk-adjusted returns of a task-force; scikit sk-learn",
            "xai-org and hf_hub_download are fine",
            "mistralai/Mixtral-8x7B-Instruct-v0.1 on meta-llama/Llama-3.3-70B-Instruct-Turbo",
            "next page eyJpbmRleCI6IDMwMDB9",
            "mail me@example.com",
            "Grüße, 你好",
        ];
        for text in cases {
            assert_eq!(redact(text, &[]), text);
        }
    }

    #[test]
    fn given_secrets_go_whatever_they_look_like() {
        assert_eq!(redact("the plain word leaks", &["plain", ""]), "the [redacted] word leaks");
        assert_eq!(redact("of or to", &["or"]), "of or to");
    }

    #[test]
    fn strings_anywhere_in_json_are_cleaned() {
        let mut value = json!({
            "message": "bad key sk-canary-123456",
            "nested": [{"api_key": "letters", "api_key_count": 2, "token_count": "12"}],
            "sk-canary-123456": null,
        });
        redact_json(&mut value, &[]);
        assert_eq!(
            value,
            json!({
                "message": "bad key [redacted]",
                "nested": [{"api_key": "[redacted]", "api_key_count": 2, "token_count": "12"}],
                "[redacted]": null,
            })
        );
    }

    #[test]
    fn a_text_without_secrets_is_not_copied() {
        assert!(matches!(redact("nothing here", &["secret"]), Cow::Borrowed(_)));
    }
}
