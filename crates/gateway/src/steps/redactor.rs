//! Keeps a target's secrets out of what its provider says: a provider may echo the key that it was sent.

use crate::redact::{GONE, SHORTEST_SECRET, redact, redact_json};
use crate::snapshot::{Service, Target};
use crate::upstream::Signer;
use bytes::Bytes;
use http::HeaderMap;
use lockgate_dialects::canonical::Failure;
use lockgate_dialects::framing::eventstream::MessageReader;
use lockgate_dialects::stream::Framing;
use memchr::memmem;
use std::borrow::Cow;
use std::sync::Arc;

/// How JSON names an error, in every dialect; within a text its quotes would be escaped.
const ERROR: &str = "\"error\"";

/// How AWS's event streams name an error.
const EXCEPTION: &str = "exception";

/// The secrets of one call of a target; looked up only when something failed.
pub(crate) struct Redactor {
    pub(crate) target: Arc<Target>,
    /// What the caller brought for it.
    pub(crate) brought: HeaderMap,
}

impl Redactor {
    /// The failure without secrets, wherever the provider's words stand in it.
    pub(crate) fn failure(&self, mut failure: Failure) -> Failure {
        let secrets = self.secrets();
        let clean = |text: &mut String| {
            if let Cow::Owned(changed) = redact(text, &secrets) {
                *text = changed;
            }
        };
        clean(&mut failure.message);
        failure.param.as_mut().map(clean);
        if let Some(error) = &mut failure.upstream {
            clean(&mut error.message);
            for word in [&mut error.kind, &mut error.code, &mut error.param, &mut error.content_type] {
                word.as_mut().map(clean);
            }
            if let Some(detail) = &mut error.detail {
                redact_json(detail, &secrets);
            }
        }
        failure
    }

    /// Whole lines or messages of a stream that pass, cleaned where they tell an error, and whether one does. All others
    /// are the model's own.
    pub(crate) fn stream(&self, framing: Framing, whole: Bytes) -> (Bytes, bool) {
        match framing {
            Framing::Lines => self.lines(whole),
            Framing::Messages => self.messages(whole),
        }
    }

    pub(crate) fn lines(&self, lines: Bytes) -> (Bytes, bool) {
        if memmem::find(&lines, ERROR.as_bytes()).is_none() {
            return (lines, false);
        }
        let (text, secrets) = (String::from_utf8_lossy(&lines), self.secrets());
        let cleaned = text.split_inclusive('\n').map(|line| match line.contains(ERROR) {
            true => redact(line, &secrets),
            false => Cow::Borrowed(line),
        });
        (cleaned.collect::<String>().into(), text.lines().any(tells_error))
    }

    fn messages(&self, messages: Bytes) -> (Bytes, bool) {
        if memmem::find(&messages, EXCEPTION.as_bytes()).is_none() {
            return (messages, false);
        }
        let (mut cleaned, mut told, secrets) = (Vec::with_capacity(messages.len()), false, self.secrets());
        let read = MessageReader::new().feed(&messages, |message| {
            if message.text(":message-type") != Some(EXCEPTION) {
                return message.write_with(message.payload, &mut cleaned);
            }
            told = true;
            let payload = String::from_utf8_lossy(message.payload);
            message.write_with(redact(&payload, &secrets).as_bytes(), &mut cleaned);
        });
        if read.is_ok() { (cleaned.into(), told) } else { (messages, told) }
    }

    /// A whole answer that passes; of one that tells an error with a good status, the target's own secrets go.
    pub(crate) fn whole(&self, answer: Bytes) -> Bytes {
        let told = |secret: &&str| {
            secret.len() >= SHORTEST_SECRET && memmem::find(&answer, secret.as_bytes()).is_some()
        };
        if memmem::find(&answer, ERROR.as_bytes()).is_none() || !self.secrets().iter().any(told) {
            return answer;
        }
        let mut text = String::from_utf8_lossy(&answer).into_owned();
        for secret in self.secrets().into_iter().filter(told) {
            text = text.replace(secret, GONE);
        }
        text.into()
    }

    /// Each credential as its header holds it, and the part after its scheme.
    fn secrets(&self) -> Vec<&str> {
        let Service::Http(service) = &self.target.service else { return Vec::new() };
        let values = service
            .keys
            .headers()
            .chain([&self.brought])
            .flat_map(HeaderMap::values)
            .filter(|value| value.is_sensitive());
        let values = values.filter_map(|value| value.to_str().ok());
        let sent = values.flat_map(|value| [value, value.rsplit(' ').next().unwrap_or(value)]);
        sent.chain(service.signer.iter().flat_map(Signer::secrets)).collect()
    }
}

/// Whether a line of a stream is an error of the provider: an object with a field `error` that holds something, there or
/// in the response that it holds, or an event of that type.
fn tells_error(line: &str) -> bool {
    let data = line.strip_prefix("data:").unwrap_or(line);
    serde_json::from_str(data).is_ok_and(|data: serde_json::Value| {
        !data["error"].is_null() || !data["response"]["error"].is_null() || data["type"] == "error"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_object_ends_a_stream_as_failed() {
        assert!(tells_error(r#"data: {"error": {"message": "overloaded"}}"#));
        assert!(tells_error(r#"{"error": "model not found"}"#));
        assert!(tells_error(
            r#"data: {"type": "response.failed", "response": {"error": {"code": "server_error"}}}"#
        ));
        assert!(tells_error(r#"data: {"type": "error", "code": "server_error", "message": "m"}"#));
        assert!(!tells_error(r#"data: {"id": "x", "error": null, "choices": []}"#));
        assert!(!tells_error(r#"data: {"type": "response.created", "response": {"error": null}}"#));
        assert!(!tells_error(r#"data: {"choices": [{"delta": {"content": "an \"error\""}}]}"#));
        assert!(!tells_error("data: [DONE]"));
    }
}
