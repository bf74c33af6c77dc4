//! MLflow's `limit`, in the grammar of the Python package that reads it there (`limits`).

use std::time::Duration;

use crate::allowance::Rate;
use crate::model::Limit;

/// MLflow's text for a limit that cannot be read, missing spaces and all.
pub(crate) const UNREADABLE: &str = "Failed to parse the rate limit configuration.Please make sure limit.calls is a \
     positive number andlimit.renewal_period is a right granularity";

/// The periods with their seconds; a month has 30 days and a year twelve of them.
const PERIODS: [(&str, u64); 6] = [
    ("second", 1),
    ("minute", 60),
    ("hour", 3_600),
    ("day", 86_400),
    ("month", 2_592_000),
    ("year", 31_104_000),
];

/// A limit, and whether the text holds further ones, which do not count.
pub(crate) fn parse(calls: i64, renewal_period: &str, key: Option<String>) -> Option<(Limit, bool)> {
    let calls = u64::try_from(calls).ok()?;
    let mut parts = renewal_period.split([',', ';', '|']);
    let (multiple, name, seconds) = period(parts.next()?)?;
    let mut further = false;
    for part in parts {
        further = true;
        rate(part)?;
    }
    let limit = Limit {
        calls,
        renewal_period: renewal_period.to_owned(),
        period: Duration::from_secs(seconds.saturating_mul(multiple)),
        key,
        text: format!("{calls} per {multiple} {name}"),
    };
    Some((limit, further))
}

/// A limit complete with its own number: `100/hour`, `100 per hour`, `10 per 5 seconds`. It may be 0.
pub(crate) fn rate(text: &str) -> Option<Rate> {
    let text = text.trim_start();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let amount = text[..digits].parse().ok()?;
    let rest = text[digits..].trim_start();
    let rest = rest.strip_prefix('/').or_else(|| strip_word(rest, "per"))?;
    let (multiple, name, seconds) = period(rest)?;
    let period = Duration::from_secs(seconds.saturating_mul(multiple));
    Some(Rate { amount, period, text: format!("{amount} per {multiple} {name}") })
}

/// The names of the periods.
pub(crate) fn periods() -> impl Iterator<Item = &'static str> {
    PERIODS.iter().map(|(name, _)| *name)
}

/// `minute`, `5 minutes`, `2hours`: how many of what, and that in seconds.
fn period(text: &str) -> Option<(u64, &'static str, u64)> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    // Nought counts as one there.
    let multiple = if digits == 0 { 1 } else { text[..digits].parse::<u64>().ok()?.max(1) };
    let word = text[digits..].trim_start().to_ascii_lowercase();
    let singular = word.strip_suffix('s').unwrap_or(&word);
    let (name, seconds) = PERIODS.into_iter().find(|(name, _)| *name == singular)?;
    Some((multiple, name, seconds))
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)).map(|_| &text[word.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(calls: i64, period: &str) -> Option<(String, u64)> {
        parse(calls, period, None).map(|(limit, _)| (limit.text, limit.period.as_secs()))
    }

    #[test]
    fn periods_are_read_as_mlflow_reads_them() {
        for (calls, period, wanted) in [
            (2, "minute", Some(("2 per 1 minute", 60))),
            (5, "5 minutes", Some(("5 per 5 minute", 300))),
            (0, "second", Some(("0 per 1 second", 1))),
            (1, "HOURS", Some(("1 per 1 hour", 3_600))),
            (1, " 2days ", Some(("1 per 2 day", 172_800))),
            (1, "0 minutes", Some(("1 per 1 minute", 60))),
            (1, "month", Some(("1 per 1 month", 2_592_000))),
            (1, "year", Some(("1 per 1 year", 31_104_000))),
            (1, "minute; 100 per hour", Some(("1 per 1 minute", 60))),
            (-1, "minute", None),
            (5, "fortnight", None),
            (5, "week", None),
            (5, "", None),
            (5, "5", None),
            (5, "minutess", None),
            (5, "-5 minutes", None),
            (5, "minute;", None),
            (5, "minute hour", None),
            (5, "1.5 minutes", None),
        ] {
            assert_eq!(text(calls, period), wanted.map(|(text, s)| (text.to_owned(), s)), "{calls}/{period}");
        }
    }
}
