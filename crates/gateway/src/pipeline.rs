//! The life of a request, from top to bottom.

use crate::admin;
use crate::server::surfaces::{self, Listing, Page, Place, Surface};
use crate::server::{Came, Cors, Door, Reply, ReplyBody, Worker, client, discard, is_in, read_body, say};
use crate::snapshot::Snapshot;
use crate::steps::{Account, Answered, admit, ask, authenticate, check_address, identify};
use crate::view::View;
use bytes::Bytes;
use http::header::{ALLOW, HOST, LOCATION, ORIGIN};
use http::uri::Authority;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use lockgate_dialects::Dialect;
use lockgate_dialects::canonical::{Class, Failure};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::time::Instant;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request as it came, and who sent it.
pub(crate) struct Incoming {
    pub(crate) parts: http::request::Parts,
    pub(crate) body: hyper::body::Incoming,
    /// Who sent it: the peer, until proxies that are trusted say who is behind them.
    pub(crate) client: IpAddr,
    pub(crate) peer: IpAddr,
    pub(crate) door: Door,
    pub(crate) tls: bool,
    pub(crate) id: String,
    pub(crate) arrived: Instant,
}

impl Incoming {
    pub(crate) fn new(request: Request<hyper::body::Incoming>, came: Came) -> Self {
        let (mut parts, body) = request.into_parts();
        if let (None, Some(host)) = (parts.headers.get(HOST), parts.uri.authority()) {
            // HTTP/2 says it in the URL (RFC 9113, section 8.3.1).
            parts.headers.extend(HeaderValue::try_from(host.as_str()).ok().map(|host| (HOST, host)));
        }
        let Came { peer, door, tls } = came;
        let id = request_id(&parts.headers);
        Self { parts, body, client: peer, peer, door, tls, id, arrived: Instant::now() }
    }
}

/// Answers a request, whatever it is. Every answer names its request.
pub(crate) async fn answer(worker: &Worker, mut incoming: Incoming) -> Reply {
    let now = worker.gateway.snapshot(); // one config for this request's whole life
    incoming.client = client(incoming.peer, &incoming.parts.headers, &now.server.trusted_proxies);
    let account = Account::open(worker.gateway.clone(), &incoming);
    let id = HeaderValue::try_from(incoming.id.as_str());
    let cors = Cors::of(&incoming.parts.headers, incoming.door, &now.server.origins);
    let mut reply = match enter(&incoming, &cors, &now, worker, account) {
        Ok((view, account)) => lead(worker, incoming, view, account).await,
        Err(reply) => {
            discard(&incoming.parts.headers, incoming.body, &now.server).await;
            *reply
        }
    };
    if let Ok(id) = id {
        reply.headers_mut().insert(REQUEST_ID, id);
    }
    cors.grant(reply.headers_mut());
    reply
}

/// Lets a request in, to what exists for whoever sent it; or what it is told instead.
fn enter(
    incoming: &Incoming,
    cors: &Cors,
    now: &Arc<Snapshot>,
    worker: &Worker,
    mut account: Account,
) -> Result<(View, Account), Box<Reply>> {
    let entered = match check_address(incoming, now) {
        Ok(()) if cors.is_preflight(&incoming.parts) => {
            return Err(Box::new(closed(account, cors.preflight(&incoming.parts))));
        }
        Ok(()) => authenticate(incoming, now, &worker.gateway, &mut account),
        Err(failure) => Err(failure),
    };
    match entered {
        Ok(view) => Ok((view, account)),
        Err(failure) => {
            let dialect = surfaces::dialect_of(incoming.parts.uri.path());
            Err(Box::new(refuse(&failure, dialect, &incoming.id, account)))
        }
    }
}

/// Leads a request to what stands at its path.
async fn lead(worker: &Worker, incoming: Incoming, view: View, account: Account) -> Reply {
    let find = match incoming.door {
        Door::Everyone => surfaces::find,
        Door::Operators => surfaces::find_for_operators,
    };
    match find(&incoming.parts.method, &incoming.parts.uri, &view) {
        Place::Call(surface) => call(worker, incoming, surface, &view, account).await,
        Place::Page(page) => closed(account, show(worker, incoming, &page, &view).await),
        elsewhere => {
            let reply = direct(&incoming, &elsewhere, &view.snapshot);
            discard(&incoming.parts.headers, incoming.body, &view.snapshot.server).await;
            closed(account, reply)
        }
    }
}

/// Closes the account with a reply that is no call's.
fn closed(mut account: Account, reply: Reply) -> Reply {
    account.close(reply.status());
    reply
}

/// A call of a model: the answer, or why there is none in the client's own dialect.
async fn call(
    worker: &Worker,
    incoming: Incoming,
    surface: Surface,
    view: &View,
    mut account: Account,
) -> Reply {
    let (dialect, id) = (surface.dialect, incoming.id.clone());
    let served = serve(worker, incoming, surface, view, &mut account).await;
    let standing = account.standing();
    let mut reply = match served {
        Ok(answered) => answered.settle(account),
        Err(failure) => refuse(&failure, dialect, &id, account),
    };
    standing.tell(dialect.limit_headers(), reply.headers_mut());
    reply
}

/// The story.
async fn serve(
    worker: &Worker,
    incoming: Incoming,
    surface: Surface,
    view: &View,
    account: &mut Account,
) -> Result<Answered, Failure> {
    let call = identify(incoming, surface, view, account).await?; // which route and operation; a body that can be read
    let permit = admit(&call, &worker.gateway, account).await?; // how much: counted and reserved
    ask(worker, call, permit).await // pass, patch or translate; usage and losses go to the account
}

/// Tells a failure, and closes the account with it.
fn refuse(failure: &Failure, dialect: &dyn Dialect, id: &str, mut account: Account) -> Reply {
    let reply = say(failure, dialect, id);
    account.fail(failure);
    account.close(reply.status());
    reply
}

/// What the gateway answers itself.
async fn show(worker: &Worker, incoming: Incoming, page: &Page, view: &View) -> Reply {
    let parts = &incoming.parts;
    let body = read_body(&parts.headers, incoming.body, &view.snapshot.server).await;
    let header = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let ask = admin::Ask {
        gateway: &worker.gateway,
        view,
        query: parts.uri.query(),
        tls: incoming.tls,
        host: header(HOST),
        content_type: header(http::header::CONTENT_TYPE),
        listing: Listing::asked_by(&parts.headers),
        body: body.as_deref().unwrap_or_default(),
        request_id: &incoming.id,
        client: incoming.client,
        door: incoming.door,
        origin: header(ORIGIN),
    };
    if let Err(failure) = &body {
        let reply = say(failure, surfaces::dialect_of(parts.uri.path()), &incoming.id);
        admin::tell_unread(&ask, page, reply.status());
        return reply;
    }
    admin::answer(&ask, page).await.map(ReplyBody::from)
}

/// Paths that are elsewhere, nowhere, or not for this method (MLflow contract, section 4.1).
fn direct(incoming: &Incoming, place: &Place, now: &Snapshot) -> Reply {
    let dialect = surfaces::dialect_of(incoming.parts.uri.path());
    match place {
        Place::Elsewhere(path) => redirect(incoming, path, now),
        Place::WrongMethod(allowed) => {
            let failure = Failure::new(Class::MethodNotAllowed, "Method Not Allowed");
            let mut reply = say(&failure, dialect, &incoming.id);
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            reply
        }
        Place::Call(_) | Place::Page(_) | Place::Nowhere => {
            say(&Failure::new(Class::PathNotFound, "Not Found"), dialect, &incoming.id)
        }
    }
}

/// An absolute URL from the `host` header, as Starlette builds it; a relative one where there is none. A proxy on the
/// same machine, or one that is trusted, may say that its client came over TLS, as MLflow's server believes it.
fn redirect(incoming: &Incoming, path: &str, now: &Snapshot) -> Reply {
    let host = incoming.parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.filter(|host| host.parse::<Authority>().is_ok());
    let encoded = percent_encoding::utf8_percent_encode(path, PATH);
    let query = incoming.parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let proxied = incoming.peer.is_loopback() || is_in(incoming.peer, &now.server.trusted_proxies);
    let behind_tls =
        proxied && incoming.parts.headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let scheme = if incoming.tls || behind_tls { "https" } else { "http" };
    let to = match host {
        Some(host) => format!("{scheme}://{host}{encoded}{query}"),
        None => format!("{encoded}{query}"),
    };
    let mut reply = Response::new(ReplyBody::from(Bytes::new()));
    *reply.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(to) = HeaderValue::try_from(to) {
        reply.headers_mut().insert(LOCATION, to);
    }
    reply
}

/// What must be encoded in a path (RFC 3986, section 3.3).
const PATH: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The client's own id where it is short and printable, else a new one that sorts by time.
fn request_id(headers: &http::HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()))
        .map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}
