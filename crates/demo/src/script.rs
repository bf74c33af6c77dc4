//! The script's options, from a route's config and from a request.

use crate::fault::Fault;
use lockgate_dialects::canonical::Failure;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::Duration;

/// What to answer, how fast, and what goes wrong.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Before the status line.
    pub(crate) latency: Duration,
    /// Before a stream's first piece.
    pub(crate) first_token: Duration,
    /// Between a stream's pieces.
    pub(crate) pace: Duration,
    /// How many pieces a stream has, and the least words of an answer. Else one piece for each word.
    pub(crate) chunks: Option<usize>,
    /// The whole answer.
    pub(crate) text: Option<String>,
    /// The tool to call, and the JSON text of its arguments.
    pub(crate) tool_call: Option<(String, String)>,
    /// What goes wrong.
    pub(crate) fault: Option<Fault>,
    /// How often, 0 to 1.
    pub(crate) fault_rate: f64,
    /// Seconds, for the statuses 429 and 503.
    pub(crate) retry_after_s: u64,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            first_token: Duration::ZERO,
            pace: Duration::ZERO,
            chunks: None,
            text: None,
            tool_call: None,
            fault: None,
            fault_rate: 1.0,
            retry_after_s: 1,
        }
    }
}

/// Checks the options of a route.
///
/// # Errors
/// The name of the first wrong option and what it takes.
pub fn check(options: &Map<String, Value>) -> Result<(), String> {
    Script::default().take(options).map_err(|(_, message)| message)
}

impl Script {
    /// The script of a route's `options` and of the body's own.
    ///
    /// # Errors
    /// A [`Failure`] that names the wrong option.
    pub(crate) fn of(options: &Map<String, Value>, body: &[u8]) -> Result<Self, Failure> {
        let mut script = Self::default();
        script.take(options).map_err(|(name, message)| Failure::invalid(name, message))?;
        let own = own_options(body)?;
        script.take(&own).map_err(|(name, message)| Failure::invalid(format!("demo.{name}"), message))?;
        Ok(script)
    }

    /// Takes over `options`.
    ///
    /// # Errors
    /// The first wrong option's name and what it takes.
    fn take(&mut self, options: &Map<String, Value>) -> Result<(), (String, String)> {
        for (name, value) in options {
            let Some(known) = OPTIONS.iter().find(|known| known.name == name) else {
                let names: Vec<_> = OPTIONS.iter().map(|known| known.name).collect();
                let message =
                    format!("unknown option '{name}'; the demo provider takes {}", names.join(", "));
                return Err((name.clone(), message));
            };
            if (known.set)(self, value).is_none() {
                return Err((name.clone(), format!("'{name}' takes {}", known.takes)));
            }
        }
        Ok(())
    }
}

/// The top-level object `demo` of a body; empty when there is none or the body cannot be read, which the dialect's
/// codec then reports.
fn own_options(body: &[u8]) -> Result<Map<String, Value>, Failure> {
    #[derive(Deserialize)]
    struct Envelope {
        demo: Option<Value>,
    }
    match serde_json::from_slice::<Envelope>(body) {
        Ok(Envelope { demo: Some(Value::Object(options)) }) => Ok(options),
        Ok(Envelope { demo: Some(_) }) => {
            Err(Failure::invalid("demo", "'demo' takes an object with options of the demo provider"))
        }
        Ok(Envelope { demo: None }) | Err(_) => Ok(Map::new()),
    }
}

/// One option.
struct Known {
    name: &'static str,
    takes: &'static str,
    set: fn(&mut Script, &Value) -> Option<()>,
}

/// Every option. The bounds keep one request from holding much memory or a connection for long.
static OPTIONS: &[Known] = &[
    Known {
        name: "latency_ms",
        takes: "a whole number of milliseconds from 0 to 600000",
        set: |script, value| within(value, 0, 600_000).map(|ms| script.latency = Duration::from_millis(ms)),
    },
    Known {
        name: "first_token_ms",
        takes: "a whole number of milliseconds from 0 to 600000",
        set: |script, value| {
            within(value, 0, 600_000).map(|ms| script.first_token = Duration::from_millis(ms))
        },
    },
    Known {
        name: "pace_ms",
        takes: "a whole number of milliseconds from 0 to 60000",
        set: |script, value| within(value, 0, 60_000).map(|ms| script.pace = Duration::from_millis(ms)),
    },
    Known {
        name: "chunks",
        takes: "a whole number from 1 to 10000",
        set: |script, value| within(value, 1, 10_000).map(|chunks| script.chunks = Some(chunks as usize)),
    },
    Known {
        name: "text",
        takes: "a text of at most 65536 bytes",
        set: |script, value| text(value, 65_536).map(|text| script.text = Some(text)),
    },
    Known {
        name: "tool_call",
        takes: "an object with the tool's 'name' (at most 64 bytes) and its 'arguments' (an object, or its JSON as a text, of at most 65536 bytes)",
        set: |script, value| tool_call(value).map(|call| script.tool_call = Some(call)),
    },
    Known {
        name: "fault",
        takes: Fault::TAKES,
        set: |script, value| Fault::read(value.as_str()?).map(|fault| script.fault = fault),
    },
    Known {
        name: "fault_rate",
        takes: "a number from 0 to 1",
        set: |script, value| {
            let rate = value.as_f64().filter(|rate| (0.0..=1.0).contains(rate))?;
            script.fault_rate = rate;
            Some(())
        },
    },
    Known {
        name: "retry_after_s",
        takes: "a whole number of seconds from 0 to 86400",
        set: |script, value| within(value, 0, 86_400).map(|seconds| script.retry_after_s = seconds),
    },
];

/// A whole number from `least` to `most`.
fn within(value: &Value, least: u64, most: u64) -> Option<u64> {
    value.as_u64().filter(|number| (least..=most).contains(number))
}

/// A text of at most `most` bytes.
fn text(value: &Value, most: usize) -> Option<String> {
    value.as_str().filter(|text| text.len() <= most).map(str::to_owned)
}

/// A tool's name and the JSON text of its arguments.
fn tool_call(value: &Value) -> Option<(String, String)> {
    let call = value.as_object()?;
    if call.keys().any(|key| key != "name" && key != "arguments") {
        return None;
    }
    let name = text(call.get("name")?, 64).filter(|name| !name.is_empty())?;
    let arguments = match call.get("arguments") {
        None => "{}".to_owned(),
        Some(Value::Object(arguments)) => Value::from(arguments.clone()).to_string(),
        Some(written) => text(written, 65_536)?,
    };
    (arguments.len() <= 65_536).then_some((name, arguments))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(options: Value) -> String {
        check(options.as_object().expect("the test writes an object")).expect_err("the test writes a mistake")
    }

    #[test]
    fn a_mistake_is_named_with_what_the_option_takes() {
        assert_eq!(refused(json!({"chunks": 0})), "'chunks' takes a whole number from 1 to 10000");
        assert_eq!(refused(json!({"fault_rate": 1.5})), "'fault_rate' takes a number from 0 to 1");
        assert!(refused(json!({"latency_ms": "50"})).starts_with("'latency_ms' takes a whole number"));
        assert!(
            refused(json!({"latency": 50})).starts_with("unknown option 'latency'; the demo provider takes")
        );
        assert!(refused(json!({"tool_call": {"name": "f", "args": {}}})).starts_with("'tool_call' takes"));
        assert!(refused(json!({"fault": "status:200"})).starts_with("'fault' takes"));
        assert!(refused(json!({"text": "x".repeat(65_537)})).starts_with("'text' takes"));
    }

    #[test]
    fn a_request_overrides_its_route() {
        let route = json!({"latency_ms": 5, "pace_ms": 7, "fault": "cut"});
        let body = br#"{"demo": {"latency_ms": 9, "fault": "none"}}"#;
        let script = Script::of(route.as_object().expect("an object"), body).expect("good options");
        assert_eq!(script.latency, Duration::from_millis(9));
        assert_eq!(script.pace, Duration::from_millis(7));
        assert_eq!(script.fault, None);
    }

    #[test]
    fn a_wrong_option_in_a_request_is_named_by_its_path() {
        let failure = |body: &[u8]| Script::of(&Map::new(), body).expect_err("the test writes a mistake");
        assert_eq!(failure(br#"{"demo": {"chunks": 10001}}"#).param.as_deref(), Some("demo.chunks"));
        assert_eq!(failure(br#"{"demo": 1}"#).param.as_deref(), Some("demo"));
    }
}
