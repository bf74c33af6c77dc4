//! `x-ratelimit-*`, as OpenAI's API has them: of each kind the limit that is tightest.

use super::{Claim, Kind};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// How the limits of a call stood when it was let in or refused.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Standing {
    requests: Option<Room>,
    tokens: Option<Room>,
}

#[derive(Debug, Clone, Copy)]
struct Room {
    limit: u64,
    remaining: u64,
    renews: Duration,
}

/// Limit, remaining, reset.
type Names = [HeaderName; 3];

static REQUESTS: Names = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
static TOKENS: Names = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

impl Standing {
    /// Of claims that were asked for.
    pub(crate) fn of(claims: &[Claim]) -> Self {
        let tightest = |kind| {
            let rooms = claims.iter().filter(|claim| claim.measure.kind() == kind).map(|claim| Room {
                limit: claim.limit,
                remaining: claim.grant.remaining,
                renews: claim.grant.renews,
            });
            // Of two that leave as much, the one that keeps a client waiting longer.
            rooms.min_by_key(|room| (room.remaining, std::cmp::Reverse(room.renews)))
        };
        Self { requests: tightest(Kind::Requests), tokens: tightest(Kind::Tokens) }
    }

    /// Tells it; nothing of a kind that is not limited.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        for (names, room) in [(&REQUESTS, self.requests), (&TOKENS, self.tokens)] {
            let Some(Room { limit, remaining, renews }) = room else { continue };
            let [limits, remains, resets] = names;
            headers.insert(limits, limit.into());
            headers.insert(remains, remaining.into());
            if let Ok(renews) = HeaderValue::try_from(written(renews)) {
                headers.insert(resets, renews);
            }
        }
    }
}

/// A time as Go writes it, to the millisecond above: `250ms`, `59.5s`, `6m0s`, `1h0m0.1s`.
fn written(time: Duration) -> String {
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
            assert_eq!(written(Duration::from_nanos(nanos)), text);
        }
    }
}
