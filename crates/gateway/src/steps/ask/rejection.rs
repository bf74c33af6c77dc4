//! A provider's error answer, classified once for every dialect.

use super::content_type;
use crate::steps::Redactor;
use crate::upstream::Answer;
use http::HeaderMap;
use http::header::RETRY_AFTER;
use lockgate_dialects::Dialect;
use lockgate_dialects::canonical::Failure;
use std::time::{Duration, SystemTime};

/// The most bytes of an error answer that are read.
pub(super) const MOST_ERROR: usize = 1 << 20;
/// The longest wait that a provider may ask clients for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The failure that a provider's error answer tells, without anything key-shaped.
pub(crate) async fn rejected(dialect: &dyn Dialect, answer: Answer, redactor: &Redactor) -> Failure {
    let Answer { status, headers, body } = answer;
    let bytes = body.whole(MOST_ERROR).await.unwrap_or_default();
    let mut error = dialect.decode_error(status.as_u16(), content_type(&headers), &bytes);
    let kind = dialect.error_kind_header().and_then(|name| headers.get(name)?.to_str().ok());
    if let Some(kind) = kind.filter(|_| error.kind.is_none()) {
        // AWS puts an address behind it.
        error.kind = kind.split(':').next().map(str::to_owned);
    }
    let retry_after = retry_after(&headers).or(error.retry_after).map(|wait| wait.min(LONGEST_WAIT));
    let failure = Failure { retry_after, ..Failure::upstream(error.class(), error) };
    redactor.failure(failure)
}

/// `retry-after-ms` (Azure, OpenAI), else `retry-after` in seconds or as a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let header = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let millis = header("retry-after-ms").and_then(|text| text.parse().ok()).map(Duration::from_millis);
    let seconds = || {
        let text = header(RETRY_AFTER.as_str())?;
        let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        seconds.or_else(|| httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok())
    };
    millis.or_else(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(name: &'static str, value: &'static str) -> Option<Duration> {
        let name = http::HeaderName::from_static(name);
        retry_after(&HeaderMap::from_iter([(name, http::HeaderValue::from_static(value))]))
    }

    #[test]
    fn every_spelling_of_retry_after_is_read() {
        assert_eq!(waits("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(waits("retry-after", "1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(waits("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(waits("retry-after", "-1"), None);
        assert_eq!(waits("retry-after", "soon"), None);
        assert_eq!(waits("retry-after", "1e300"), None);
        assert_eq!(waits("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), None);
        assert!(waits("retry-after", "Wed, 21 Oct 2099 07:28:00 GMT") > Some(LONGEST_WAIT));
    }
}
