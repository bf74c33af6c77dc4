//! What the gateway answers itself: listings, health, status, metrics and the documentation page.

mod docs;
mod health;
mod mlflow_lists;
mod openai_models;
mod openapi;
mod page_token;
mod reply;
mod status;

#[cfg(test)]
pub(crate) mod sample;

use crate::gateway::Gateway;
use crate::server::surfaces::Page;
use crate::snapshot::Snapshot;
use bytes::Bytes;
use http::Response;
use lockgate_config::Style;
use std::sync::Arc;

/// What a page may need to know.
pub(crate) struct Ask<'a> {
    pub(crate) gateway: &'a Gateway,
    /// The generation that the request keeps.
    pub(crate) snapshot: &'a Arc<Snapshot>,
    /// Still percent-encoded.
    pub(crate) query: Option<&'a str>,
    /// As the client wrote it; not to be trusted.
    pub(crate) host: Option<&'a str>,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) body: &'a [u8],
    pub(crate) request_id: &'a str,
}

/// The answer of `page`.
pub(crate) fn answer(ask: &Ask<'_>, page: &Page) -> Response<Bytes> {
    let snapshot = ask.snapshot.as_ref();
    match page {
        Page::Root | Page::Redoc => reply::redirect("/docs"),
        Page::Health => health::health(),
        Page::Ready => health::ready(ask.gateway.draining()),
        Page::Metrics => health::metrics(&ask.gateway.metrics),
        Page::Status => status::answer(ask),
        Page::Docs => docs::page(openapi::title(snapshot)),
        Page::DocsFile(name) => docs::file(name),
        Page::Favicon => docs::icon(),
        Page::OpenApi => openapi::answer(snapshot),
        Page::Models => openai_models::list(ask),
        Page::Model(name) => openai_models::one(ask, name),
        Page::Routes => mlflow_lists::routes(snapshot, ask.query),
        Page::Route(name) => mlflow_lists::route(snapshot, name),
        Page::Endpoints => mlflow_lists::endpoints(snapshot, ask.query),
        Page::Endpoint(name) | Page::Endpoint3(name) => mlflow_lists::endpoint(snapshot, name),
        Page::Route3(name) => mlflow_lists::traffic_route(snapshot, name),
        Page::RouteLimits => mlflow_lists::get_limits(is_classic(snapshot)),
        Page::EndpointLimits => mlflow_lists::get_limits(false),
        Page::SetRouteLimits => mlflow_lists::set_limits(ask, is_classic(snapshot)),
        Page::SetEndpointLimits => mlflow_lists::set_limits(ask, false),
    }
}

/// Whether the file is one of MLflow 2.5 to 2.8: nothing in it is newer.
fn is_classic(snapshot: &Snapshot) -> bool {
    snapshot.routes.iter().all(|route| route.style == Style::Classic)
}
