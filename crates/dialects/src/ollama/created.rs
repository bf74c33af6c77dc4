//! When an answer was made: RFC 3339 at Ollama, seconds since 1970 in the canonical model.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The seconds of a time.
pub(super) fn read(text: &str) -> Option<u64> {
    u64::try_from(OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp()).ok()
}

/// The time of seconds; 1970 where there are none, since clients take the field for granted.
pub(super) fn write(seconds: Option<u64>) -> String {
    let seconds = seconds.and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(0);
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_zone_are_read_and_written_as_utc() {
        assert_eq!(read("2025-08-20T13:48:23.241046Z"), Some(1_755_697_703));
        assert_eq!(read("2023-08-04T08:52:19.385406455-07:00"), Some(1_691_164_339));
        assert_eq!(read("yesterday"), None);
        assert_eq!(write(Some(1_755_697_703)), "2025-08-20T13:48:23Z");
        assert_eq!(write(Some(u64::MAX)), write(None));
    }
}
