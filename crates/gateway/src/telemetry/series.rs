//! What is counted per route: only names that stand in the config, so that labels stay bounded, and gone with them.

use super::{Outcome, Record};
use crate::limits::Kind;
use crate::snapshot::{Route, Snapshot};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Unit;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

/// The label of calls that ended before they had a route, provider or model.
const NONE: &str = "";

/// Upper bounds in seconds: from what the gateway answers itself to the longest stream.
const BUCKETS: [f64; 17] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// The series of every route of the generation that serves, and one without a name for everything else.
#[derive(Debug)]
pub(super) struct Series {
    routes: RwLock<BTreeMap<String, RouteSeries>>,
}

impl Default for Series {
    fn default() -> Self {
        Self { routes: RwLock::new(BTreeMap::from([(NONE.to_owned(), RouteSeries::default())])) }
    }
}

impl Series {
    /// Takes up the routes of `snapshot` and drops all others. What stays keeps its counts.
    pub(super) fn keep(&self, snapshot: &Snapshot) {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let mut old = std::mem::take(&mut *routes);
        routes.insert(NONE.to_owned(), old.remove(NONE).unwrap_or_default());
        for route in &snapshot.routes {
            let series = old.remove(&route.name).unwrap_or_default().kept(route);
            routes.insert(route.name.clone(), series);
        }
    }

    /// Counts a call that ended. A route that a reload removed meanwhile counts as none.
    pub(super) fn count(&self, record: &Record, took: Duration) {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let name = record.route.as_ref().map_or(NONE, |route| &route.name);
        let Some(route) = routes.get(name).or_else(|| routes.get(NONE)) else { return };
        add(&route.losses, record.losses as u64);
        add(&route.hangups, u64::from(record.outcome == Outcome::HungUp));
        if let Some((kind, _)) = record.limit {
            add(&route.refusals[kind as usize], 1);
        }
        let target = record.target.as_deref();
        let (provider, model) = match target {
            Some(target) => route.find(&target.provider, target.model.as_deref().unwrap_or(NONE)),
            None => route.find(NONE, NONE),
        };
        provider.duration.get_or_init(histogram).observe(took.as_secs_f64());
        if let Some(ttft) = record.ttft.filter(|_| record.route.is_some()) {
            provider.ttft.get_or_init(histogram).observe(ttft.as_secs_f64());
        }
        add(&model.prompt, record.usage.prompt_tokens.unwrap_or(0));
        add(&model.completion, record.usage.completion_tokens.unwrap_or(0));
        model.answered(record.status);
    }
}

/// One route's counts.
#[derive(Debug)]
struct RouteSeries {
    losses: AtomicU64,
    hangups: AtomicU64,
    /// By the kind of limit.
    refusals: [AtomicU64; Kind::ALL.len()],
    /// The first one has no name.
    providers: Vec<ProviderSeries>,
}

/// One provider's counts within a route.
#[derive(Debug)]
struct ProviderSeries {
    provider: String,
    duration: OnceLock<Histogram>,
    ttft: OnceLock<Histogram>,
    /// The first one has no name.
    models: Vec<ModelSeries>,
}

/// One model's counts within a provider and route.
#[derive(Debug)]
struct ModelSeries {
    model: String,
    prompt: AtomicU64,
    completion: AtomicU64,
    /// Calls per status, a handful.
    statuses: Mutex<Vec<(u16, u64)>>,
}

impl Default for RouteSeries {
    fn default() -> Self {
        Self {
            losses: AtomicU64::new(0),
            hangups: AtomicU64::new(0),
            refusals: Default::default(),
            providers: vec![ProviderSeries::new(NONE)],
        }
    }
}

impl RouteSeries {
    /// The series of `route`'s targets, with the counts that they had.
    fn kept(mut self, route: &Route) -> Self {
        let mut old = std::mem::take(&mut self.providers);
        self.take_provider(&mut old, NONE);
        for target in route.targets() {
            let at = self.take_provider(&mut old, &target.provider);
            self.providers[at].take_model(target.model.as_deref().unwrap_or(NONE));
        }
        for provider in &mut self.providers {
            let wanted = |model: &ModelSeries| {
                let is = |target: &crate::snapshot::Target| {
                    target.provider == provider.provider && target.model.as_deref() == Some(&model.model)
                };
                model.model == NONE || route.targets().any(|target| is(target))
            };
            provider.models.retain(wanted);
        }
        self
    }

    /// Where `name` stands now, moved from `old` or made.
    fn take_provider(&mut self, old: &mut Vec<ProviderSeries>, name: &str) -> usize {
        if let Some(at) = self.providers.iter().position(|series| series.provider == name) {
            return at;
        }
        let known = old.iter().position(|series| series.provider == name).map(|at| old.swap_remove(at));
        self.providers.push(known.unwrap_or_else(|| ProviderSeries::new(name)));
        self.providers.len() - 1
    }

    fn find(&self, provider: &str, model: &str) -> (&ProviderSeries, &ModelSeries) {
        let provider = self.providers.iter().find(|series| series.provider == provider);
        let provider = provider.unwrap_or(&self.providers[0]);
        let model = provider.models.iter().find(|series| series.model == model);
        (provider, model.unwrap_or(&provider.models[0]))
    }
}

impl ProviderSeries {
    fn new(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            duration: OnceLock::new(),
            ttft: OnceLock::new(),
            models: vec![ModelSeries::new(NONE)],
        }
    }

    fn take_model(&mut self, name: &str) {
        if !self.models.iter().any(|series| series.model == name) {
            self.models.push(ModelSeries::new(name));
        }
    }
}

impl ModelSeries {
    fn new(model: &str) -> Self {
        Self {
            model: model.to_owned(),
            prompt: AtomicU64::new(0),
            completion: AtomicU64::new(0),
            statuses: Mutex::default(),
        }
    }

    fn answered(&self, status: u16) {
        let mut statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner);
        match statuses.iter_mut().find(|(known, _)| *known == status) {
            Some((_, count)) => *count += 1,
            None => statuses.push((status, 1)),
        }
    }
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

fn add(counter: &AtomicU64, count: u64) {
    if count > 0 {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

impl Collector for Series {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let routes: Vec<(&str, &RouteSeries)> =
            routes.iter().map(|(name, series)| (name.as_str(), series)).collect();
        requests(&mut encoder, &routes)?;
        let help = "Time from a request's arrival to the end of its answer.";
        histograms(&mut encoder, &routes, "lockgate_request_duration", help, |series| series.duration.get())?;
        let help = "Time from a request's arrival to the first byte of the answer's content.";
        histograms(&mut encoder, &routes, "lockgate_time_to_first_token", help, |series| series.ttft.get())?;
        tokens(&mut encoder, &routes)?;
        let help = "Things in requests and answers that a translation could not carry.";
        per_route(&mut encoder, &routes, "lockgate_losses", help, |series| &series.losses)?;
        let help = "Calls whose client went away before the answer's end.";
        per_route(&mut encoder, &routes, "lockgate_client_hangups", help, |series| &series.hangups)?;
        refusals(&mut encoder, &routes)
    }
}

type Routes<'a> = [(&'a str, &'a RouteSeries)];

fn requests(encoder: &mut DescriptorEncoder<'_>, routes: &Routes<'_>) -> fmt::Result {
    let help = "Requests answered; those that named no route have an empty one.";
    let mut family = encoder.encode_descriptor("lockgate_requests", help, None, MetricType::Counter)?;
    each_model(routes, |route, provider, model| {
        let mut statuses = model.statuses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        statuses.sort_unstable();
        for (status, count) in statuses {
            let status = status.to_string();
            let labels =
                [("route", route), ("provider", provider), ("model", &model.model), ("status", &status)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    })
}

fn tokens(encoder: &mut DescriptorEncoder<'_>, routes: &Routes<'_>) -> fmt::Result {
    let help = "Tokens as providers count them.";
    let mut family = encoder.encode_descriptor("lockgate_tokens", help, None, MetricType::Counter)?;
    each_model(routes, |route, provider, model| {
        for (direction, counter) in [("prompt", &model.prompt), ("completion", &model.completion)] {
            let count = counter.load(Ordering::Relaxed);
            if count > 0 {
                let labels = [
                    ("route", route),
                    ("provider", provider),
                    ("model", &model.model),
                    ("direction", direction),
                ];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    })
}

fn each_model(
    routes: &Routes<'_>,
    mut tell: impl FnMut(&str, &str, &ModelSeries) -> fmt::Result,
) -> fmt::Result {
    for (route, series) in routes {
        for provider in &series.providers {
            for model in &provider.models {
                tell(route, &provider.provider, model)?;
            }
        }
    }
    Ok(())
}

fn histograms(
    encoder: &mut DescriptorEncoder<'_>,
    routes: &Routes<'_>,
    name: &str,
    help: &str,
    of: fn(&ProviderSeries) -> Option<&Histogram>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), Histogram::TYPE)?;
    for (route, series) in routes {
        for provider in &series.providers {
            if let Some(histogram) = of(provider) {
                let labels = [("route", *route), ("provider", &provider.provider)];
                histogram.encode(family.encode_family(&labels)?)?;
            }
        }
    }
    Ok(())
}

fn refusals(encoder: &mut DescriptorEncoder<'_>, routes: &Routes<'_>) -> fmt::Result {
    let help = "Calls that a limit refused.";
    let mut family = encoder.encode_descriptor("lockgate_limit_refusals", help, None, MetricType::Counter)?;
    for (route, series) in routes {
        for (kind, counter) in Kind::ALL.iter().zip(&series.refusals) {
            let count = counter.load(Ordering::Relaxed);
            if count > 0 {
                let labels = [("route", *route), ("kind", kind.word())];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
    }
    Ok(())
}

fn per_route(
    encoder: &mut DescriptorEncoder<'_>,
    routes: &Routes<'_>,
    name: &str,
    help: &str,
    of: fn(&RouteSeries) -> &AtomicU64,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (route, series) in routes {
        let count = of(series).load(Ordering::Relaxed);
        if count > 0 {
            ConstCounter::new(count).encode(family.encode_family(&[("route", *route)])?)?;
        }
    }
    Ok(())
}
