//! The single values of a file that are more than a string or a number.

use std::fmt;
use std::time;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::written::Command;

/// Any value, kept as what MLflow's message would quote.
#[derive(Debug, Clone)]
pub(crate) enum Plain {
    /// A string.
    Text(String),
    /// Anything else, as Python would print it.
    Other(String),
}

/// A whole number, also one written as MLflow's reader accepts it: `"5"`, `5.0`, `true`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) i64);

/// A time: a number of seconds, or a number with `ms`, `s`, `m` or `h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Duration(pub(crate) time::Duration);

/// A size: a number of bytes, or a number with `KiB`, `MiB`, `GiB`, `KB`, `MB` or `GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// A price: US dollars, kept in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dollars(pub(crate) u64);

/// One credential, or several to be used in turn.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read from the tree; the schema needs the choice")]
pub(crate) enum KeyForms {
    /// One.
    One(KeyForm),
    /// Several, none of them as a string.
    Several(Vec<KeyForm>),
}

/// A credential: MLflow's string (`$NAME`, a file's path, or the credential itself), or a form that says what it is.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read from the tree; the schema needs the choice")]
pub(crate) enum KeyForm {
    /// `$NAME` for an environment variable, the path of a file, or the value itself.
    Text(String),
    /// An environment variable.
    Env {
        /// Its name.
        env: String,
    },
    /// A file.
    File {
        /// Its path; a trailing line break is not part of the credential.
        file: String,
    },
    /// What a command prints.
    Command(Command),
    /// A secret of the store that `lockgate secrets` keeps.
    Secret {
        /// Its name.
        secret: String,
    },
    /// A credential that `credentials` defines.
    Credential {
        /// Its name.
        credential: String,
    },
}

impl<'a> Deserialize<'a> for Plain {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct Taker;

        impl<'a> Visitor<'a> for Taker {
            type Value = Plain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a valid string")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Plain, E> {
                Ok(Plain::Text(text.to_owned()))
            }

            fn visit_unit<E: Error>(self) -> Result<Plain, E> {
                Ok(Plain::Other("None".to_owned()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Plain, E> {
                Ok(Plain::Other(if value { "True" } else { "False" }.to_owned()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Plain, E> {
                Ok(Plain::Other(value.to_string()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Plain, E> {
                Ok(Plain::Other(value.to_string()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Plain, E> {
                Ok(Plain::Other(value.to_string()))
            }

            fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Plain, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Plain::Other("a list".to_owned()))
            }

            fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Plain, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Plain::Other("a mapping".to_owned()))
            }
        }

        deserializer.deserialize_any(Taker)
    }
}

impl JsonSchema for Plain {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

/// A value that is read from a number or from a text, with its schema.
macro_rules! read_from_number_or_text {
    ($type:ident, $expecting:literal, $bool:expr, $number:expr, $text:expr, $schema:tt) => {
        impl<'a> Deserialize<'a> for $type {
            fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
                struct Taker;

                impl Visitor<'_> for Taker {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expecting)
                    }

                    fn visit_bool<E: Error>(self, value: bool) -> Result<$type, E> {
                        let read: fn(bool) -> Option<$type> = $bool;
                        read(value).ok_or_else(|| E::custom(concat!("Input should be ", $expecting)))
                    }

                    fn visit_i64<E: Error>(self, number: i64) -> Result<$type, E> {
                        self.visit_f64(number as f64)
                    }

                    fn visit_u64<E: Error>(self, number: u64) -> Result<$type, E> {
                        self.visit_f64(number as f64)
                    }

                    fn visit_f64<E: Error>(self, number: f64) -> Result<$type, E> {
                        let read: fn(f64) -> Option<$type> = $number;
                        read(number).ok_or_else(|| E::custom(concat!("Input should be ", $expecting)))
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        let read: fn(&str) -> Option<$type> = $text;
                        read(text.trim()).ok_or_else(|| E::custom(concat!("Input should be ", $expecting)))
                    }
                }

                deserializer.deserialize_any(Taker)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

read_from_number_or_text!(
    Whole,
    "a valid integer",
    |value| Some(Whole(value.into())),
    |number| (number.fract() == 0.0).then_some(Whole(number as i64)),
    |text| text.split_once('.').map_or(text, |(whole, zeros)| if zeros.trim_matches('0').is_empty() { whole } else { text })
        .parse()
        .ok()
        .map(Whole),
    {"description": "A whole number.", "type": "integer"}
);

read_from_number_or_text!(
    Duration,
    "a time such as 10s, 500ms, 5m or 1h, of at most 7 days",
    |_| None,
    seconds,
    |text| with_unit(text, &[("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)]).and_then(seconds),
    {
        "description": "A number of seconds, or a number with a unit: 500ms, 10s, 5m, 1h.",
        "type": ["number", "string"],
        "minimum": 0,
        "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|m|h)?\s*$"
    }
);

read_from_number_or_text!(
    Size,
    "a size such as 32MiB, 64KiB or a number of bytes, of at most 4 GiB",
    |_| None,
    bytes,
    |text| with_unit(
        text,
        &[
            ("KiB", 1024.0),
            ("MiB", 1_048_576.0),
            ("GiB", 1_073_741_824.0),
            ("KB", 1e3),
            ("MB", 1e6),
            ("GB", 1e9),
            ("B", 1.0),
            ("", 1.0),
        ]
    )
    .and_then(bytes),
    {
        "description": "A number of bytes, or a number with a unit: 64KiB, 32MiB, 1GB.",
        "type": ["integer", "string"],
        "minimum": 0,
        "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(KiB|MiB|GiB|KB|MB|GB|B)?\s*$"
    }
);

read_from_number_or_text!(
    Dollars,
    "a price in US dollars per million tokens, such as 0.25, with at most 6 digits after the point",
    |_| None,
    dollars,
    |_| None,
    {"description": "US dollars per million tokens, with at most 6 digits after the point.", "type": "number", "minimum": 0}
);

/// Highest price: a dollar per token. A double holds six digits after the point of all below.
fn dollars(number: f64) -> Option<Dollars> {
    let millionths = number * 1e6;
    let exact = (0.0..=1e6).contains(&number) && (millionths - millionths.round()).abs() < 1e-3;
    exact.then_some(Dollars(millionths.round() as u64))
}

/// Longest time: seven days; a timer of any length below does not overflow.
fn seconds(number: f64) -> Option<Duration> {
    (0.0..=604_800.0).contains(&number).then(|| Duration(time::Duration::from_secs_f64(number)))
}

fn bytes(number: f64) -> Option<Size> {
    ((0.0..=4_294_967_296.0).contains(&number) && number.fract() == 0.0).then_some(Size(number as u64))
}

fn with_unit(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.trim();
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.parse::<f64>().ok().map(|number| number * factor)
}
