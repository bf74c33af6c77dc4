//! What a plain scalar means in YAML 1.1, as Python's reader has it.

use crate::node::Content;

/// The value of a scalar that is neither quoted nor tagged. Dates stay texts.
pub(crate) fn resolve(text: &str) -> Content {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Content::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Content::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Content::Bool(false),
        _ => int(text)
            .or_else(|| float(text).map(Content::Float))
            .unwrap_or_else(|| Content::Text(text.to_owned())),
    }
}

/// A whole number; one that is too large becomes a float.
fn int(text: &str) -> Option<Content> {
    let (negative, digits) = unsigned(text);
    let first = digits.chars().next().filter(char::is_ascii_digit)?;
    let (radix, digits) = if let Some(binary) = digits.strip_prefix("0b") {
        (2, binary)
    } else if let Some(hex) = digits.strip_prefix("0x") {
        (16, hex)
    } else if first == '0' && digits.len() > 1 {
        (8, &digits[1..])
    } else if digits.contains(':') {
        return sexagesimal(digits).map(|value| Content::Int(if negative { -value } else { value }));
    } else {
        (10, digits)
    };
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = i128::from_str_radix(&digits, radix);
    Some(match value {
        Ok(value) => Content::Int(if negative { -value } else { value }),
        Err(_) => Content::Float(if negative { f64::MIN } else { f64::MAX }),
    })
}

/// `12:30:45`, which YAML 1.1 reads to the base of sixty.
fn sexagesimal(digits: &str) -> Option<i128> {
    let mut value: i128 = 0;
    for (index, part) in digits.split(':').enumerate() {
        let small = part.len() <= 2 && part.parse::<u8>().is_ok_and(|part| part < 60);
        let whole = index == 0 && part.bytes().all(|b| b.is_ascii_digit());
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) || !(small || whole) {
            return None;
        }
        value = value.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    Some(value)
}

/// A number with a point; an exponent needs its sign.
fn float(text: &str) -> Option<f64> {
    let (negative, rest) = unsigned(text);
    let sign = if negative { -1.0 } else { 1.0 };
    match rest {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if rest.len() == text.len() => return Some(f64::NAN),
        _ => {}
    }
    let (number, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let signed = |exponent: &str| {
        exponent
            .strip_prefix(['+', '-'])
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    let (whole, fraction) = number.split_once('.')?;
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let starts = whole.starts_with(|c: char| c.is_ascii_digit())
        || (whole.is_empty() && fraction.starts_with(|c: char| c.is_ascii_digit()));
    if !starts || !digits(whole) || !digits(fraction) || !exponent.is_none_or(signed) {
        return None;
    }
    let clean: String = rest.chars().filter(|c| *c != '_').collect();
    clean.parse::<f64>().ok().map(|value| sign * value)
}

fn unsigned(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> String {
        match resolve(text) {
            Content::Null => "null".to_owned(),
            Content::Bool(value) => format!("bool {value}"),
            Content::Int(value) => format!("int {value}"),
            Content::Float(value) => format!("float {value}"),
            Content::Text(text) => format!("text {text}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn scalars_mean_what_they_mean_to_mlflow() {
        for (text, meaning) in [
            ("", "null"),
            ("~", "null"),
            ("yes", "bool true"),
            ("Off", "bool false"),
            ("y", "text y"),
            ("123", "int 123"),
            ("1_000", "int 1000"),
            ("-7", "int -7"),
            ("012", "int 10"),
            ("018", "text 018"),
            ("0x1F", "int 31"),
            ("0b101", "int 5"),
            ("12:30", "int 750"),
            ("12:75", "text 12:75"),
            ("1.5", "float 1.5"),
            ("1.", "float 1"),
            (".5", "float 0.5"),
            ("1e3", "text 1e3"),
            ("1.0e3", "text 1.0e3"),
            ("1.0e+3", "float 1000"),
            ("-.inf", "float -inf"),
            ("2023-05-15", "text 2023-05-15"),
            ("1.2.3", "text 1.2.3"),
            ("gpt-4", "text gpt-4"),
            ("-", "text -"),
            ("+", "text +"),
            (".", "text ."),
            ("0", "int 0"),
            ("é", "text é"),
        ] {
            assert_eq!(label(text), meaning, "{text:?}");
        }
    }
}
