//! What a request asks for: its route, its operation, and a body that can be read.

use super::translate::Asked;
use super::{Account, brought};
use crate::callers::Caller;
use crate::pipeline::Incoming;
use crate::server::read_body;
use crate::server::surfaces::Surface;
use crate::snapshot::Route;
use crate::upstream::Segments;
use crate::view::View;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName};
use lockgate_dialects::Dialect;
use lockgate_dialects::canonical::{Class, Failure, Operation};
use lockgate_dialects::mlflow_contract::body::unreadable_content_type;
use lockgate_dialects::raw::{Edit, Peek, patch};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::Instant;

/// A caller's request, identified.
pub(crate) struct Call {
    pub(crate) surface: Surface,
    pub(crate) route: Arc<Route>,
    /// What the client asks for.
    pub(crate) operation: Operation,
    /// The body, with the route's own parameters set in it.
    pub(crate) body: Bytes,
    /// What was seen in the body, on surfaces that peek at it.
    pub(crate) peek: Peek,
    /// What the body asks, where it had to be understood already.
    pub(crate) asked: Option<Asked>,
    pub(crate) streamed: bool,
    pub(crate) client: IpAddr,
    /// Whose key was sent, where keys are asked for.
    pub(crate) caller: Option<Arc<Caller>>,
    pub(crate) request_id: String,
    /// Headers that go on to the provider.
    pub(crate) onward: HeaderMap,
    /// The caller's own credentials, where the route passes them on.
    pub(crate) brought: HeaderMap,
    pub(crate) arrived: Instant,
}

/// Headers of a caller that every provider may see: tracing context.
const ONWARD: [HeaderName; 2] =
    [HeaderName::from_static("traceparent"), HeaderName::from_static("tracestate")];

/// Reads the body and finds the route.
///
/// # Errors
/// A [`Failure`] that blames the caller and names the field or the limit.
pub(crate) async fn identify(
    incoming: Incoming,
    surface: Surface,
    view: &View,
    account: &mut Account,
) -> Result<Call, Failure> {
    let Incoming { parts, body, client, id, arrived, .. } = incoming;
    if let Some(route) = surface.route.as_deref().and_then(|name| view.route(name)) {
        account.route(route.clone()); // so that a body that cannot be read counts for its route
    }
    let body = read_body(&parts.headers, body, &view.snapshot.server).await?;
    let (route, peek) = if surface.mlflow {
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        unreadable_content_type(content_type).map_or(Ok(()), Err)?;
        (named_by_path(&surface, view)?, Peek::default())
    } else {
        let peek = surface.dialect.peek(&body)?;
        (named_anywhere(&surface, &peek, view)?, peek)
    };
    account.route(route.clone());
    let operation = surface.operation.unwrap_or(route.operation);
    check_operation(&route, operation)?;
    let brought = brought::bring(&route, &parts.headers, &view.snapshot.callers)?;
    let (body, peek) = with_parameters(&route, &surface, body, peek)?;
    // MLflow validates a body before it counts the call; other surfaces pass bytes on and let the provider judge.
    let asked = surface.mlflow.then(|| Asked::decode(surface.dialect, operation, &body)).transpose()?;
    let streamed = surface.streamed.unwrap_or_else(|| asked.as_ref().map_or(peek.stream, Asked::streamed));
    let onward = onward(surface.dialect, &parts.headers);
    Ok(Call {
        surface,
        route,
        operation,
        body,
        peek,
        asked,
        streamed,
        client,
        caller: view.caller().cloned(),
        request_id: id,
        onward,
        brought,
        arrived,
    })
}

fn onward(dialect: &dyn Dialect, headers: &HeaderMap) -> HeaderMap {
    let mut onward = HeaderMap::new();
    let own = dialect.headers().iter().map(|name| HeaderName::from_static(name));
    for name in ONWARD.into_iter().chain(own) {
        headers.get_all(&name).into_iter().for_each(|value| {
            onward.append(name.clone(), value.clone());
        });
    }
    onward
}

fn named_by_path(surface: &Surface, view: &View) -> Result<Arc<Route>, Failure> {
    let route = surface.route.as_deref().and_then(|name| view.route(name));
    route.cloned().ok_or_else(|| Failure::new(Class::PathNotFound, "Not Found"))
}

/// The route that the path names, else the body's `model`.
fn named_anywhere(surface: &Surface, peek: &Peek, view: &View) -> Result<Arc<Route>, Failure> {
    let Some(name) = surface.route.as_ref().or(peek.model.as_ref()) else {
        return Err(Failure::invalid(
            "model",
            "'model' is missing: it names the route; GET /v1/models lists them",
        ));
    };
    view.route(name).cloned().ok_or_else(|| Failure {
        param: Some("model".to_owned()),
        ..Failure::new(
            Class::RouteNotFound,
            format!("No route is called '{}'; GET /v1/models lists them", shortened(name)),
        )
    })
}

fn check_operation(route: &Route, operation: Operation) -> Result<(), Failure> {
    if route.operation == operation {
        return Ok(());
    }
    let message = format!(
        "Route '{}' serves {}, not {}",
        route.name,
        route.operation.route_type(),
        operation.route_type()
    );
    Err(Failure { param: Some("model".to_owned()), ..Failure::new(Class::WrongOperation, message) })
}

/// The route's own parameters count as if the client had written them, in the client's own words.
fn with_parameters(
    route: &Route,
    surface: &Surface,
    body: Bytes,
    peek: Peek,
) -> Result<(Bytes, Peek), Failure> {
    if route.defaults.is_empty() && route.forced.is_empty() {
        return Ok((body, peek));
    }
    let forced = route.forced.iter().map(|(name, value)| Edit::Set(name, value.clone()));
    let defaults = route.defaults.iter().map(|(name, value)| Edit::Default(name, value.clone()));
    let edits: Vec<_> = forced.chain(defaults).collect();
    let body = Segments::from(patch(&body, &edits)?).joined();
    let peek = surface.dialect.peek(&body)?;
    Ok((body, peek))
}

/// A name from outside, short enough for a message.
fn shortened(name: &str) -> &str {
    name.char_indices().nth(100).map_or(name, |(end, _)| &name[..end])
}
