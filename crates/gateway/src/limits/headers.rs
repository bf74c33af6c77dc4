//! What is left of the limits, as APIs tell it: `x-ratelimit-*` as OpenAI's has it, and Anthropic's own where that is
//! spoken. Of several limits of a kind it is the tightest.

use super::{Claim, Kind, Measure};
use http::{HeaderMap, HeaderName, HeaderValue};
use lockgate_dialects::LimitHeaders;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How the limits of a call stood when it was let in or refused.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    requests: Option<Room>,
    /// Of any tokens.
    tokens: Option<Room>,
    prompt: Option<Room>,
    completion: Option<Room>,
}

#[derive(Debug, Clone, Copy)]
struct Room {
    limit: u64,
    remaining: u64,
    renews: Duration,
}

/// Limit, remaining, reset.
type Names = [HeaderName; 3];

const fn names(limit: &'static str, remaining: &'static str, reset: &'static str) -> Names {
    [HeaderName::from_static(limit), HeaderName::from_static(remaining), HeaderName::from_static(reset)]
}

static REQUESTS: Names =
    names("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests");
static TOKENS: Names =
    names("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens");
static ANTHROPIC_REQUESTS: Names = names(
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
);
static ANTHROPIC_TOKENS: Names = names(
    "anthropic-ratelimit-tokens-limit",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
);
static ANTHROPIC_PROMPT: Names = names(
    "anthropic-ratelimit-input-tokens-limit",
    "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-input-tokens-reset",
);
static ANTHROPIC_COMPLETION: Names = names(
    "anthropic-ratelimit-output-tokens-limit",
    "anthropic-ratelimit-output-tokens-remaining",
    "anthropic-ratelimit-output-tokens-reset",
);

impl Standing {
    /// Of claims that were asked for.
    pub(crate) fn of(claims: &[Claim]) -> Self {
        let tightest = |counts: &dyn Fn(Measure) -> bool| {
            let rooms = claims.iter().filter(|claim| counts(claim.measure)).map(|claim| Room {
                limit: claim.limit,
                remaining: claim.grant.remaining,
                renews: claim.grant.renews,
            });
            // Of two that leave as much, the one that keeps a client waiting longer.
            rooms.min_by_key(|room| (room.remaining, std::cmp::Reverse(room.renews)))
        };
        Self {
            requests: tightest(&|measure| measure.kind() == Kind::Requests),
            tokens: tightest(&|measure| measure.kind() == Kind::Tokens),
            prompt: tightest(&|measure| measure == Measure::PromptTokens),
            completion: tightest(&|measure| measure == Measure::CompletionTokens),
        }
    }

    /// Tells it, besides with the headers that the client's API has of its own; nothing of what is not limited.
    pub(crate) fn tell(&self, own: Option<LimitHeaders>, headers: &mut HeaderMap) {
        for (names, room) in [(&REQUESTS, self.requests), (&TOKENS, self.tokens)] {
            tell(names, room, duration, headers);
        }
        if own == Some(LimitHeaders::Anthropic) {
            for (names, room) in [
                (&ANTHROPIC_REQUESTS, self.requests),
                (&ANTHROPIC_TOKENS, self.tokens),
                (&ANTHROPIC_PROMPT, self.prompt),
                (&ANTHROPIC_COMPLETION, self.completion),
            ] {
                tell(names, room, |renews| moment(SystemTime::now(), renews), headers);
            }
        }
    }
}

fn tell(names: &Names, room: Option<Room>, reset: impl Fn(Duration) -> String, headers: &mut HeaderMap) {
    let Some(Room { limit, remaining, renews }) = room else { return };
    let [limits, remains, resets] = names;
    headers.insert(limits, limit.into());
    headers.insert(remains, remaining.into());
    if let Ok(reset) = HeaderValue::try_from(reset(renews)) {
        headers.insert(resets, reset);
    }
}

/// The second after which a limit is renewed (RFC 3339).
fn moment(now: SystemTime, renews: Duration) -> String {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().saturating_add(renews);
    let seconds = since.as_secs().saturating_add(u64::from(since.subsec_nanos() > 0));
    // Years with more than four digits are beyond the format.
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX).min(253_402_300_799);
    let moment = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    moment.format(&Rfc3339).unwrap_or_default()
}

/// A time as Go writes it, to the millisecond above: `250ms`, `59.5s`, `6m0s`, `1h0m0.1s`.
fn duration(time: Duration) -> String {
    let millis = time.as_nanos().div_ceil(1_000_000);
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let (minutes, millis) = (millis / 60_000, millis % 60_000);
    let fraction = match millis % 1_000 {
        0 => String::new(),
        part => format!(".{part:03}").trim_end_matches('0').to_owned(),
    };
    let seconds = format!("{}{fraction}s", millis / 1_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => seconds,
        (0, minutes) => format!("{minutes}m{seconds}"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_written_as_openai_writes_it_and_never_too_early() {
        for (nanos, text) in [
            (0, "0ms"),
            (1, "1ms"),
            (4_000_000, "4ms"),
            (999_000_001, "1s"),
            (59_500_000_000, "59.5s"),
            (59_999_999_999, "1m0s"),
            (360_000_000_000, "6m0s"),
            (3_600_100_000_000, "1h0m0.1s"),
            (86_400_000_000_000, "24h0m0s"),
        ] {
            assert_eq!(duration(Duration::from_nanos(nanos)), text);
        }
    }

    #[test]
    fn a_moment_is_rounded_up_to_the_second_and_has_four_digits_for_the_year() {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!(moment(at(500), Duration::from_millis(500)), "1970-01-01T00:00:01Z");
        assert_eq!(moment(at(500), Duration::from_millis(501)), "1970-01-01T00:00:02Z");
        assert_eq!(moment(at(0), Duration::MAX), "9999-12-31T23:59:59Z");
    }
}
