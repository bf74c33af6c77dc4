//! What the gateway answers itself: listings, health, status, metrics and the documentation page.

mod changes;
mod docs;
mod health;
mod mlflow_lists;
mod models;
mod openapi;
mod page_token;
mod reply;
mod status;

#[cfg(test)]
pub(crate) mod sample;

use crate::gateway::Gateway;
use crate::server::Door;
use crate::server::surfaces::{Listing, Page};
use crate::view::View;
use bytes::Bytes;
use http::{Response, StatusCode};
use std::net::IpAddr;

/// What a page may need to know.
pub(crate) struct Ask<'a> {
    pub(crate) gateway: &'a Gateway,
    /// What the caller may see of the generation that the request keeps.
    pub(crate) view: &'a View,
    /// Still percent-encoded.
    pub(crate) query: Option<&'a str>,
    /// Whether the client came over TLS.
    pub(crate) tls: bool,
    /// As the client wrote it; not to be trusted.
    pub(crate) host: Option<&'a str>,
    pub(crate) content_type: Option<&'a str>,
    /// How the client's own API lists models, where its headers say which API that is.
    pub(crate) listing: Option<Listing>,
    pub(crate) body: &'a [u8],
    pub(crate) request_id: &'a str,
    pub(crate) client: IpAddr,
    pub(crate) door: Door,
    /// The web page that asks, as a browser tells it.
    pub(crate) origin: Option<&'a str>,
}

/// Tells the log of a change whose body could not be read.
pub(crate) fn tell_unread(ask: &Ask<'_>, page: &Page, status: StatusCode) {
    if let Page::Change(_, asked) = page {
        changes::tell_unread(ask, asked, status);
    }
}

/// The answer of `page`, once what it asks to be changed is changed.
pub(crate) async fn answer(ask: &Ask<'_>, page: &Page) -> Response<Bytes> {
    let view = ask.view;
    match page {
        Page::Root | Page::Redoc => reply::redirect("/docs"),
        Page::Health => health::health(),
        Page::Ready => health::ready(ask.gateway.draining()),
        Page::Metrics => health::metrics(&ask.gateway.metrics),
        Page::Status => status::answer(ask),
        Page::Docs => docs::page(openapi::title(view)),
        Page::DocsFile(name) => docs::file(name),
        Page::Favicon => docs::icon(),
        Page::OpenApi => openapi::answer(view),
        Page::Models(listing) => models::list(ask, *listing),
        Page::Model(listing, name) => models::one(ask, *listing, name),
        Page::Routes => mlflow_lists::routes(view, ask.query),
        Page::Route(name) => mlflow_lists::route(view, name),
        Page::Endpoints => mlflow_lists::endpoints(view, ask.query),
        Page::Endpoint(name) | Page::Endpoint3(name) => mlflow_lists::endpoint(view, name),
        Page::Route3(name) => mlflow_lists::traffic_route(view, name),
        Page::RouteLimits => mlflow_lists::get_limits(view.is_classic()),
        Page::EndpointLimits => mlflow_lists::get_limits(false),
        Page::SetRouteLimits => mlflow_lists::set_limits(ask, view.is_classic()),
        Page::SetEndpointLimits => mlflow_lists::set_limits(ask, false),
        Page::Limits(family, name) => mlflow_lists::limits_of(view, *family, name),
        Page::Change(family, asked) => changes::answer(ask, *family, asked).await,
    }
}
