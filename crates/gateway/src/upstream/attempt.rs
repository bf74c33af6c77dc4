//! One try to get an answer from a target.

use super::body::{Deadlines, UpstreamBody};
use super::pool::{Connection, Pool};
use super::{Origin, Segments};
use crate::snapshot::HttpService;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HOST, PROXY_AUTHORIZATION, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use lockgate_config::Timeouts;
use lockgate_dialects::canonical::{Class, Failure};
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep_until, timeout_at};

/// What is asked of a provider.
pub(crate) struct Ask<'a> {
    pub(crate) service: &'a HttpService,
    pub(crate) path: &'a PathAndQuery,
    /// The headers of the service with the key whose turn it is.
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Segments,
    /// Headers of the caller that go on, such as `traceparent`.
    pub(crate) onward: &'a HeaderMap,
    pub(crate) timeouts: &'a Timeouts,
    /// When the call arrived: the total timeout counts from here.
    pub(crate) arrived: Instant,
}

/// A provider's answer: its head, and its body as it comes.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: UpstreamBody,
}

/// Asks once. A rested connection that turns out to be closed before the request left is replaced by a fresh one.
///
/// # Errors
/// [`Class::UpstreamUnreachable`] or [`Class::UpstreamTimeout`], naming the phase; [`Class::Internal`] when the request
/// cannot be signed.
pub(crate) async fn attempt(pool: &Rc<Pool>, ask: Ask<'_>) -> Result<Answer, Failure> {
    let deadlines = deadlines(ask.timeouts, ask.arrived);
    let origin = &ask.service.origin;
    let mut request = request(&ask)?;
    if let Some(connection) = pool.rested(origin).await {
        match send(pool, origin, connection, request, ask.timeouts, deadlines).await {
            Err(Unsent::Returned(unsent)) => request = *unsent,
            Err(Unsent::Failed(failure)) => return Err(failure),
            Ok(answer) => return Ok(answer),
        }
    }
    let connection = fresh(pool, origin, ask.timeouts, deadlines).await?;
    send(pool, origin, connection, request, ask.timeouts, deadlines).await.map_err(|unsent| match unsent {
        Unsent::Failed(failure) => failure,
        Unsent::Returned(_) => unreachable("the provider closed the connection at once"),
    })
}

/// The scripted provider's answer, with its waits.
///
/// # Errors
/// [`Class::UpstreamTimeout`] when the script waits longer than the call may.
pub(crate) async fn rehearse(
    script: lockgate_demo::Answer,
    timeouts: &Timeouts,
    arrived: Instant,
) -> Result<Answer, Failure> {
    let deadlines = deadlines(timeouts, arrived);
    let first_byte = Instant::now() + timeouts.first_byte;
    if !script.wait.is_zero() {
        let ready = Instant::now() + script.wait;
        sleep_until(ready.min(first_byte).min(deadlines.over_at)).await;
        if ready > first_byte.min(deadlines.over_at) {
            return Err(too_slow(timeouts, deadlines));
        }
    }
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(script.content_type));
    for (name, value) in script.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let status = StatusCode::from_u16(script.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(Answer { status, headers, body: UpstreamBody::demo(script.pieces, script.end, deadlines) })
}

fn deadlines(timeouts: &Timeouts, arrived: Instant) -> Deadlines {
    Deadlines { idle: timeouts.idle, total: timeouts.total, over_at: arrived + timeouts.total }
}

fn request(ask: &Ask<'_>) -> Result<Request<Segments>, Failure> {
    let mut request = Request::new(ask.body.clone());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from(ask.path.clone());
    let headers = request.headers_mut();
    *headers = ask.onward.clone();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("lockgate/", env!("CARGO_PKG_VERSION"))));
    headers.extend(ask.headers.clone());
    headers.insert(HOST, ask.service.host.clone());
    if let Some(signer) = &ask.service.signer {
        signer.sign(&mut request, &ask.service.origin.url(), SystemTime::now())?;
    }
    Ok(request)
}

/// A plain HTTP proxy reads the whole URL and wants its own credentials.
fn for_proxy(request: &mut Request<Segments>, connection: &Connection, origin: &Origin) {
    let Some(credentials) = connection.plain_proxy() else { return };
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    if let Ok(whole) = format!("http://{}{path}", origin.authority()).parse() {
        *request.uri_mut() = whole;
    }
    if let Some(credentials) = credentials {
        request.headers_mut().insert(PROXY_AUTHORIZATION, credentials.clone());
    }
}

async fn fresh(
    pool: &Pool,
    origin: &Origin,
    timeouts: &Timeouts,
    deadlines: Deadlines,
) -> Result<Connection, Failure> {
    let deadline = (Instant::now() + timeouts.connect).min(deadlines.over_at);
    match timeout_at(deadline, pool.fresh(origin)).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(unreachable(&error.to_string())),
        Err(_) => Err(timed_out("connect", timeouts.connect, "could not be connected to")),
    }
}

enum Unsent {
    /// Not a byte left: the request can go elsewhere.
    Returned(Box<Request<Segments>>),
    Failed(Failure),
}

async fn send(
    pool: &Rc<Pool>,
    origin: &Origin,
    mut connection: Connection,
    mut request: Request<Segments>,
    timeouts: &Timeouts,
    deadlines: Deadlines,
) -> Result<Answer, Unsent> {
    for_proxy(&mut request, &connection, origin);
    let first_byte = (Instant::now() + timeouts.first_byte).min(deadlines.over_at);
    let Ok(sent) = timeout_at(first_byte, connection.send(request)).await else {
        return Err(Unsent::Failed(too_slow(timeouts, deadlines)));
    };
    match sent {
        Ok(head) => Ok(answer(head, connection, pool.clone(), origin.clone(), deadlines)),
        Err(mut failed) => match failed.take_message() {
            Some(request) => Err(Unsent::Returned(Box::new(request))),
            None => Err(Unsent::Failed(unreachable(&failed.into_error().to_string()))),
        },
    }
}

fn answer(
    head: Response<Incoming>,
    connection: Connection,
    pool: Rc<Pool>,
    origin: Origin,
    deadlines: Deadlines,
) -> Answer {
    let (parts, body) = head.into_parts();
    let body = UpstreamBody::http(connection, body, pool, origin, deadlines);
    Answer { status: parts.status, headers: parts.headers, body }
}

fn unreachable(why: &str) -> Failure {
    Failure::new(Class::UpstreamUnreachable, format!("The provider could not be reached: {why}"))
}

/// The head did not come in time: by the first-byte timeout, unless the call's total ended earlier.
fn too_slow(timeouts: &Timeouts, deadlines: Deadlines) -> Failure {
    if Instant::now() >= deadlines.over_at {
        return timed_out("total", timeouts.total, "did not finish its answer");
    }
    timed_out("first_byte", timeouts.first_byte, "did not begin its answer")
}

/// A timeout, with the phase's key in the config as its parameter.
pub(crate) fn timed_out(phase: &str, after: Duration, what: &str) -> Failure {
    let message = format!("The provider {what} within {} s (timeout '{phase}')", after.as_secs_f64());
    Failure::new(Class::UpstreamTimeout, message)
}
