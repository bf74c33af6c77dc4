//! What the words of an error inside a stream mean, which has no status of its own.

use super::UpstreamError;

/// The status that the provider would have answered with, by its error's code or type; 0 where neither tells.
pub(super) fn told_status(error: &UpstreamError) -> u16 {
    let words = [&error.code, &error.kind].into_iter().flatten();
    words.map(|word| status_of(word)).find(|status| *status != 0).unwrap_or(0)
}

/// The status that a word stands for: a status itself, as OpenRouter and Google write it, or a word of OpenAI's,
/// Anthropic's, Google's (google.rpc.Code) or Amazon's APIs.
fn status_of(word: &str) -> u16 {
    if let Ok(status) = word.parse() {
        return if (400..600).contains(&status) { status } else { 0 };
    }
    match word.to_ascii_lowercase().as_str() {
        "context_length_exceeded" | "content_filter" | "content_policy_violation" => 400,
        "invalid_request_error" | "invalid_argument" | "failed_precondition" | "validationexception" => 400,
        "authentication_error" | "unauthenticated" | "invalid_api_key" => 401,
        "billing_error" => 402,
        "permission_error" | "permission_denied" | "accessdeniedexception" => 403,
        "not_found_error" | "not_found" | "model_not_found" | "resourcenotfoundexception" => 404,
        "timeout_error" | "deadline_exceeded" | "modeltimeoutexception" => 408,
        "request_too_large" => 413,
        "rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota" | "tokens" | "requests" => 429,
        "resource_exhausted" | "throttlingexception" | "too_many_requests" => 429,
        "overloaded_error" | "overloaded" | "unavailable" | "serviceunavailableexception" => 503,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Class;

    #[test]
    fn an_error_inside_a_stream_is_what_its_words_say() {
        let of = |code: Option<&str>, kind: Option<&str>| {
            let word = |word: Option<&str>| word.map(str::to_owned);
            UpstreamError { code: word(code), kind: word(kind), ..UpstreamError::default() }.class()
        };
        assert_eq!(of(None, Some("overloaded_error")), Class::UpstreamOverloaded);
        assert_eq!(of(Some("rate_limit_exceeded"), Some("requests")), Class::UpstreamRateLimited);
        assert_eq!(of(Some("429"), None), Class::UpstreamRateLimited);
        assert_eq!(of(Some("400"), Some("INVALID_ARGUMENT")), Class::UpstreamRefused);
        assert_eq!(of(None, Some("RESOURCE_EXHAUSTED")), Class::UpstreamRateLimited);
        assert_eq!(of(Some("context_length_exceeded"), Some("invalid_request_error")), Class::ContextWindow);
        assert_eq!(of(Some("tool_use_failed"), Some("invalid_request_error")), Class::UpstreamRefused);
        assert_eq!(of(None, Some("authentication_error")), Class::UpstreamCredentials);
        assert_eq!(of(None, Some("deadline_exceeded")), Class::UpstreamTimeout);
        assert_eq!(of(Some("1500"), Some("server_error")), Class::UpstreamError);
        assert_eq!(of(None, Some("stream_truncated")), Class::StreamTruncated);
        assert_eq!(of(None, None), Class::UpstreamError);
    }
}
