//! Metrics for Prometheus, in the OpenMetrics text format.

use super::Record;
use super::series::Series;
use crate::snapshot::Snapshot;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The content type of [`Metrics::text`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Reloads = Family<[(&'static str, &'static str); 1], Counter>;

/// Everything that is counted in this process.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    series: Arc<Series>,
    config: Arc<ConfigInfo>,
    generation: Gauge,
    refused: Gauge,
    stale: Gauge,
    reloads: Reloads,
    connections: Gauge,
    in_flight: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            series: Arc::default(),
            config: Arc::default(),
            generation: Gauge::default(),
            refused: Gauge::default(),
            stale: Gauge::default(),
            reloads: Family::default(),
            connections: Gauge::default(),
            in_flight: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        let registry = &mut self.registry;
        registry.register("lockgate_build", "What runs", build);
        registry.register_collector(Box::new(self.config.clone()));
        let help = "Configs accepted since the start, the first one included";
        registry.register("lockgate_config_generation", help, self.generation.clone());
        let help = "1 while the config on disk is refused and the one before it serves";
        registry.register("lockgate_config_refused", help, self.refused.clone());
        let help = "Sources of credentials that are away, so that their last good value is used";
        registry.register("lockgate_credentials_stale", help, self.stale.clone());
        let help = "Times that the config was read again, by result";
        registry.register("lockgate_config_reloads", help, self.reloads.clone());
        registry.register(
            "lockgate_connections",
            "Client connections that are open",
            self.connections.clone(),
        );
        let help = "Requests that are being answered";
        registry.register("lockgate_requests_in_flight", help, self.in_flight.clone());
        registry.register_collector(Box::new(self.series.clone()));
    }

    /// A request ended, `took` after it came.
    pub(crate) fn called(&self, record: &Record, took: Duration) {
        self.series.count(record, took);
    }

    /// `snapshot` serves from now on.
    pub(crate) fn config_accepted(&self, snapshot: &Snapshot) {
        self.series.keep(snapshot);
        self.config.set(&snapshot.hash);
        self.generation.set(i64::try_from(snapshot.generation).unwrap_or(i64::MAX));
        self.refused.set(0);
        if snapshot.generation > 1 {
            self.reloaded("accepted");
        }
    }

    /// The file on disk is refused.
    pub(crate) fn config_refused(&self) {
        self.refused.set(1);
        self.reloaded("refused");
    }

    /// The file on disk is what serves. Not counted: it is looked at every few seconds.
    pub(crate) fn config_confirmed(&self) {
        self.refused.set(0);
    }

    /// So many sources of credentials are away.
    pub(crate) fn credentials_stale(&self, count: usize) {
        self.stale.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn reloaded(&self, result: &'static str) {
        self.reloads.get_or_create(&[("result", result)]).inc();
    }

    /// A client connected.
    pub(crate) fn connection_opened(&self) {
        self.connections.inc();
    }

    /// A client's connection is closed.
    pub(crate) fn connection_closed(&self) {
        self.connections.dec();
    }

    /// Counts a request as in flight while the guard lives.
    pub(crate) fn in_flight(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// All metrics as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string does not fail");
        text
    }
}

/// A request in flight, until dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// `lockgate_config_info`: which config serves, the same on every replica.
#[derive(Debug, Default)]
struct ConfigInfo(Mutex<String>);

impl ConfigInfo {
    fn set(&self, hash: &str) {
        hash.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Collector for ConfigInfo {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let hash = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let metric =
            encoder.encode_descriptor("lockgate_config", "Which config serves.", None, MetricType::Info)?;
        Info::new([("hash", hash)]).encode(metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::sample;
    use crate::limits::Kind;
    use crate::telemetry::Outcome;
    use lockgate_config::Style;
    use lockgate_dialects::canonical::{Operation, Usage};
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Instant;

    fn record(snapshot: &Snapshot, route: &str) -> Record {
        let route = snapshot.route(route).map(|(_, route)| route.clone());
        Record {
            request_id: "id".to_owned(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            method: http::Method::POST,
            path: "/".to_owned(),
            caller: None,
            target: route.as_ref().map(|route| route.first_target().clone()),
            route,
            status: 200,
            streamed: false,
            usage: Usage { prompt_tokens: Some(3), completion_tokens: Some(4), ..Usage::default() },
            started: Instant::now(),
            ttft: Some(Duration::from_millis(3)),
            outcome: Outcome::Done,
            losses: 0,
            failure: None,
            limit: None,
        }
    }

    fn routes(generation: u64, names: &[&str]) -> Snapshot {
        let route = |name: &&str| sample::route(name, Style::Endpoints, Operation::Chat);
        sample::snapshot(generation, names.iter().map(route).collect())
    }

    #[test]
    fn a_call_shows_under_its_route_provider_model_and_status() {
        let (metrics, snapshot) = (Metrics::new(), routes(1, &["chat"]));
        metrics.config_accepted(&snapshot);
        metrics.called(&record(&snapshot, "chat"), Duration::from_millis(20));
        let hung_up =
            Record { status: 499, outcome: Outcome::HungUp, losses: 2, ..record(&snapshot, "chat") };
        metrics.called(&hung_up, Duration::from_millis(20));
        metrics.called(&record(&snapshot, "nowhere"), Duration::from_millis(1));
        let limited = Record { limit: Some((Kind::Tokens, "route.tokens")), ..record(&snapshot, "chat") };
        metrics.called(&Record { status: 429, ..limited }, Duration::ZERO);
        let text = metrics.text();
        for line in [
            r#"lockgate_requests_total{route="chat",provider="openai",model="gpt-4",status="200"} 1"#,
            r#"lockgate_requests_total{route="chat",provider="openai",model="gpt-4",status="499"} 1"#,
            r#"lockgate_requests_total{route="",provider="",model="",status="200"} 1"#,
            r#"lockgate_request_duration_seconds_count{route="chat",provider="openai"} 3"#,
            r#"lockgate_time_to_first_token_seconds_count{route="chat",provider="openai"} 3"#,
            r#"lockgate_tokens_total{route="chat",provider="openai",model="gpt-4",direction="prompt"} 9"#,
            r#"lockgate_tokens_total{route="chat",provider="openai",model="gpt-4",direction="completion"} 12"#,
            r#"lockgate_losses_total{route="chat"} 2"#,
            r#"lockgate_limit_refusals_total{route="chat",kind="tokens"} 1"#,
            r#"lockgate_client_hangups_total{route="chat"} 1"#,
            r#"lockgate_config_info{hash="hash1"} 1"#,
            "lockgate_config_generation 1",
            "lockgate_config_refused 0",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
        }
        assert!(text.contains("lockgate_build_info{version="), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn a_thousand_reloads_with_changing_routes_leave_no_series_behind() {
        let metrics = Metrics::new();
        let mut after_first = 0;
        let mut late: Option<Snapshot> = None;
        for generation in 1..=1000 {
            let name = format!("route-{generation:04}");
            let snapshot = routes(generation, &["stays", &name]);
            metrics.config_accepted(&snapshot);
            metrics.called(&record(&snapshot, &name), Duration::from_millis(1));
            metrics.called(&record(&snapshot, "stays"), Duration::from_millis(1));
            if let Some(late) = late.replace(snapshot) {
                // A call that began under the generation before ends now.
                metrics.called(
                    &record(&late, &format!("route-{:04}", generation - 1)),
                    Duration::from_millis(1),
                );
            }
            if generation == 2 {
                after_first = metrics.text().lines().count();
            }
        }
        let text = metrics.text();
        assert_eq!(text.lines().count(), after_first, "{text}");
        assert!(!text.contains("route-0999"), "{text}");
        let kept =
            r#"lockgate_requests_total{route="stays",provider="openai",model="gpt-4",status="200"} 1000"#;
        assert!(text.contains(kept), "{text}");
    }

    #[test]
    fn a_route_whose_model_changed_keeps_its_own_counts_and_drops_the_models() {
        let metrics = Metrics::new();
        let with = |generation, provider, model| {
            let target = sample::target(provider, model);
            sample::snapshot(generation, vec![sample::to("chat", Style::Endpoints, Operation::Chat, &target)])
        };
        let (old, new) = (with(1, "openai", Some("gpt-4")), with(2, "openai", Some("gpt-5")));
        metrics.config_accepted(&old);
        metrics.called(&Record { losses: 1, ..record(&old, "chat") }, Duration::ZERO);
        metrics.config_accepted(&new);
        metrics.called(&Record { losses: 1, ..record(&new, "chat") }, Duration::ZERO);
        let text = metrics.text();
        assert!(!text.contains("gpt-4"), "{text}");
        assert!(
            text.contains(r#"lockgate_request_duration_seconds_count{route="chat",provider="openai"} 2"#),
            "{text}"
        );
        metrics.config_accepted(&with(3, "cohere", None));
        let text = metrics.text();
        assert!(!text.contains("openai"), "{text}");
        assert!(text.contains(r#"lockgate_losses_total{route="chat"} 2"#), "{text}");
    }

    #[test]
    fn a_refused_file_shows_until_a_good_one_comes() {
        let metrics = Metrics::new();
        metrics.config_accepted(&routes(1, &["a"]));
        metrics.config_refused();
        assert!(metrics.text().contains("lockgate_config_refused 1"));
        metrics.config_accepted(&routes(2, &["a"]));
        let text = metrics.text();
        assert!(text.contains("lockgate_config_refused 0"), "{text}");
        assert!(text.contains(r#"lockgate_config_reloads_total{result="accepted"} 1"#), "{text}");
        assert!(text.contains(r#"lockgate_config_reloads_total{result="refused"} 1"#), "{text}");
    }

    #[test]
    fn what_is_in_flight_goes_back_to_nothing() {
        let metrics = Metrics::new();
        metrics.connection_opened();
        let guards = [metrics.in_flight(), metrics.in_flight()];
        let text = metrics.text();
        assert!(text.contains("lockgate_requests_in_flight 2"), "{text}");
        drop(guards);
        metrics.connection_closed();
        let text = metrics.text();
        assert!(
            text.contains("lockgate_requests_in_flight 0") && text.contains("lockgate_connections 0"),
            "{text}"
        );
    }
}
