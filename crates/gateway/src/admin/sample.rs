//! Small snapshots for unit tests.

use super::Ask;
use crate::gateway::Gateway;
use crate::server::Door;
use crate::snapshot::Snapshot;
use crate::view::View;
use lockgate_config::{
    Allowance, Config, Limit, ModelFacts, NotServed, OnLoss, Route, Server, Service, Share, StreamUsage,
    Style, Target, Timeouts,
};
use lockgate_dialects::canonical::Operation;
use serde_json::Map;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// A route to OpenAI's gpt-4.
pub(crate) fn route(name: &str, style: Style, operation: Operation) -> Route {
    to(name, style, operation, &target("openai", Some("gpt-4")))
}

/// A route to `target`.
pub(crate) fn to(name: &str, style: Style, operation: Operation, target: &Arc<Target>) -> Route {
    Route {
        name: name.to_owned(),
        run_time: false,
        line: 1,
        style,
        operation,
        targets: vec![Share { target: target.clone(), weight: 100 }],
        limit: None,
        limits: Allowance::default(),
        defaults: Map::new(),
        forced: Map::new(),
        timeouts: Timeouts::default(),
        on_loss: OnLoss::default(),
        usage: StreamUsage::default(),
    }
}

/// A target that cannot be called.
pub(crate) fn target(provider: &str, model: Option<&str>) -> Arc<Target> {
    Arc::new(Target {
        provider: provider.to_owned(),
        display: provider.to_owned(),
        model: model.map(str::to_owned),
        facts: ModelFacts::default(),
        service: Service::Unavailable { reason: "a sample".to_owned() },
    })
}

/// Two calls a minute.
pub(crate) fn limit() -> Limit {
    Limit {
        calls: 2,
        renewal_period: "minute".to_owned(),
        period: Duration::from_secs(60),
        key: None,
        text: "2 per 1 minute".to_owned(),
    }
}

/// The generation of these routes.
pub(crate) fn snapshot(generation: u64, routes: Vec<Route>) -> Snapshot {
    let config = Config {
        hash: format!("hash{generation}"),
        server: Server::default(),
        routes,
        callers: Vec::new(),
        admin: None,
        warnings: Vec::new(),
        not_served: NotServed::default(),
        watched: Vec::new(),
        refresh: None,
    };
    Snapshot::of(config, generation).expect("targets that cannot be called need nothing else")
}

/// All of these routes.
pub(crate) fn view(routes: Vec<Route>) -> View {
    View::whole(Arc::new(snapshot(1, routes)))
}

/// A request without anything in it.
pub(crate) fn ask<'a>(gateway: &'a Gateway, view: &'a View) -> Ask<'a> {
    Ask {
        gateway,
        view,
        query: None,
        tls: false,
        host: None,
        content_type: None,
        listing: None,
        body: b"",
        request_id: "id-1",
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        door: Door::Everyone,
        origin: None,
    }
}
