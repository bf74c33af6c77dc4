//! One log line per request. It names what was asked and how it ended; never a query, a body or a key.

use super::{Outcome, Record};
use std::time::Duration;

/// Paths are cut after so many bytes: clients choose them.
const LONGEST_PATH: usize = 256;

/// Paths that machines ask every few seconds: told at level debug only.
const PROBES: [&str; 3] = ["/health", "/ready", "/metrics"];

/// Tells a request that ended, `took` after it came. The message reads alone; its fields can be queried.
pub(super) fn write(record: &Record, took: Duration) {
    if PROBES.contains(&record.path.as_str()) {
        tracing::debug!(target: "access", "{} {} {}", record.method, record.path, record.status);
        return;
    }
    let path = shown(&record.path);
    let target = record.target.as_deref();
    tracing::info!(
        target: "access",
        request_id = record.request_id,
        client = %record.client,
        method = record.method.as_str(),
        path,
        caller = record.caller.as_ref().map(|caller| caller.name.as_str()),
        route = record.route.as_ref().map(|route| route.name.as_str()),
        provider = target.map(|target| target.provider.as_str()),
        model = target.and_then(|target| target.model.as_deref()),
        status = record.status,
        streamed = record.streamed,
        prompt_tokens = record.usage.prompt_tokens,
        completion_tokens = record.usage.completion_tokens,
        ttft_ms = record.ttft.map(millis),
        duration_ms = millis(took),
        outcome = outcome(record.outcome),
        losses = record.losses,
        failure = record.failure,
        limit = record.limit.map(|(_, name)| name),
        "{} {path} {} in {} ms",
        record.method,
        record.status,
        took.as_millis()
    );
}

/// Tells a refused key, also for paths whose requests are told at level debug only.
pub(super) fn refused_key(record: &Record, reason: &str) {
    let path = shown(&record.path);
    tracing::warn!(
        target: "access",
        request_id = record.request_id,
        client = %record.client,
        method = record.method.as_str(),
        path,
        caller = record.caller.as_ref().map(|caller| caller.name.as_str()),
        reason,
        "refused a key of {} for {} {path}: {reason}",
        record.client,
        record.method
    );
}

fn shown(path: &str) -> &str {
    &path[..path.floor_char_boundary(LONGEST_PATH)]
}

/// To the microsecond.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Failed => "failed",
        Outcome::HungUp => "hung_up",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::sample;
    use lockgate_config::Style;
    use lockgate_dialects::canonical::{Operation, Usage};
    use serde_json::Value;
    use std::io;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn told(record: &Record) -> Value {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone());
        tracing::subscriber::with_default(subscriber.finish(), || {
            write(record, Duration::from_micros(12_500));
        });
        let line = lines.0.lock().expect("not poisoned").clone();
        serde_json::from_slice(&line).expect("one line of JSON")
    }

    fn record() -> Record {
        Record {
            request_id: "id-1".to_owned(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            method: http::Method::POST,
            path: "/gateway/chat/invocations".to_owned(),
            caller: None,
            route: None,
            target: None,
            status: 404,
            streamed: false,
            usage: Usage::default(),
            started: Instant::now(),
            ttft: None,
            outcome: Outcome::Done,
            losses: 0,
            failure: None,
            limit: None,
        }
    }

    #[test]
    fn a_call_tells_who_answered_and_what_it_took() {
        let snapshot = sample::snapshot(1, vec![sample::route("chat", Style::Classic, Operation::Chat)]);
        let route = snapshot.routes[0].clone();
        let line = told(&Record {
            target: Some(route.first_target().clone()),
            route: Some(route),
            status: 200,
            usage: Usage { prompt_tokens: Some(3), completion_tokens: Some(4), ..Usage::default() },
            ttft: Some(Duration::from_millis(7)),
            ..record()
        });
        assert_eq!(line["message"], "POST /gateway/chat/invocations 200 in 12 ms");
        assert_eq!((&line["target"], &line["level"]), (&"access".into(), &"INFO".into()));
        assert_eq!(
            (&line["route"], &line["provider"], &line["model"]),
            (&"chat".into(), &"openai".into(), &"gpt-4".into())
        );
        assert_eq!((&line["prompt_tokens"], &line["completion_tokens"]), (&3.into(), &4.into()));
        assert_eq!((&line["ttft_ms"], &line["duration_ms"]), (&7.0.into(), &12.5.into()));
        assert_eq!((&line["request_id"], &line["outcome"]), (&"id-1".into(), &"done".into()));
    }

    #[test]
    fn what_is_not_known_is_left_out_and_long_paths_are_cut() {
        let line = told(&Record { path: format!("/{}", "ü".repeat(500)), ..record() });
        assert_eq!(line.get("route"), None);
        assert_eq!(line.get("ttft_ms"), None);
        assert!(line["path"].as_str().is_some_and(|path| path.len() <= LONGEST_PATH));
    }
}
