//! The table of contents: every path, what stands there and what it speaks.

mod apis;

use super::changes::{self, Asked, Family};
use crate::view::View;
use http::{HeaderMap, Method, Uri};
use lockgate_config::Style;
use lockgate_dialects::Dialect;
use lockgate_dialects::canonical::Operation;
use percent_encoding::percent_decode_str;

/// What stands at a path.
pub(crate) enum Place {
    /// A call of a model.
    Call(Surface),
    /// Something that the gateway answers itself.
    Page(Page),
    /// The path with or without its last slash exists: the path to go to.
    Elsewhere(String),
    /// The path exists, the method does not; the text is the `allow` header.
    WrongMethod(&'static str),
    /// Nothing.
    Nowhere,
}

/// A path through which models are called.
pub(crate) struct Surface {
    /// What the client speaks.
    pub(crate) dialect: &'static dyn Dialect,
    /// What the path asks for, where it says so; else the route's own operation.
    pub(crate) operation: Option<Operation>,
    /// The route, where the path names it; else the body's `model` does.
    pub(crate) route: Option<String>,
    /// Whether the answer is a stream, where the path says so; else the body's `stream` does.
    pub(crate) streamed: Option<bool>,
    /// Whether only the request's tokens are asked for: nothing is generated.
    pub(crate) counts: bool,
    /// MLflow's contract holds here: unified scales, always-sent defaults, its parameter rules.
    pub(crate) mlflow: bool,
}

/// What the gateway answers itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Page {
    Root,
    Health,
    Ready,
    Metrics,
    Status,
    Docs,
    /// A file of the documentation page, by name.
    DocsFile(String),
    Redoc,
    OpenApi,
    Favicon,
    /// Routes as an API lists models.
    Models(Listing),
    Model(Listing, String),
    /// MLflow 2.5–2.8: `/api/2.0/gateway/routes/`.
    Routes,
    Route(String),
    RouteLimits,
    SetRouteLimits,
    /// MLflow 2.9–2.22: `/api/2.0/endpoints/`.
    Endpoints,
    Endpoint(String),
    EndpointLimits,
    SetEndpointLimits,
    /// MLflow 3: `/api/3.0/gateway/{endpoint,route}/{name}`.
    Endpoint3(String),
    Route3(String),
    /// A change of a route, by an admin.
    Change(Family, Asked),
    /// The limits of a route, for an admin.
    Limits(Family, String),
}

/// The form in which an API lists models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    OpenAi,
    Anthropic,
    Gemini,
    Cohere,
    Ollama,
}

impl Listing {
    /// The API whose SDKs send these headers, where they tell.
    pub(crate) fn asked_by(headers: &HeaderMap) -> Option<Self> {
        if headers.contains_key("anthropic-version") {
            return Some(Self::Anthropic);
        }
        headers.contains_key("x-goog-api-key").then_some(Self::Gemini)
    }

    /// A path of the API that lists so.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::OpenAi => "/openai/v1/models",
            Self::Anthropic => "/anthropic/v1/models",
            Self::Gemini => "/gemini/v1beta/models",
            Self::Cohere => "/cohere/v1/models",
            Self::Ollama => "/ollama/api/tags",
        }
    }
}

impl Page {
    fn is_for_operators(&self) -> bool {
        let reads = matches!(self, Self::Health | Self::Ready | Self::Metrics | Self::Status | Self::Favicon);
        reads || matches!(self, Self::Change(..) | Self::Limits(..))
    }
}

/// What opens a path, once keys are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    Caller,
    Admin,
    /// An admin's key, where there is one; else what a caller needs, and then nothing changes.
    Change,
}

/// What opens `path` (still percent-encoded). What does not exist needs a caller, too: nobody else learns that.
pub(crate) fn need(method: &Method, path: &str) -> Need {
    match &*percent_decode_str(path).decode_utf8_lossy() {
        "/health" | "/ready" => Need::Nothing,
        "/metrics" | "/status" => Need::Admin,
        path if changes::at(method, path).is_some() => Need::Change,
        _ => Need::Caller,
    }
}

/// What stands at `path` behind the operators' own door: their pages, and nothing else.
pub(crate) fn find_for_operators(method: &Method, uri: &Uri, view: &View) -> Place {
    match find(method, uri, view) {
        Place::Page(page) if page.is_for_operators() => Place::Page(page),
        _ => Place::Nowhere,
    }
}

/// What stands at the URI's path for `method`.
pub(crate) fn find(method: &Method, uri: &Uri, view: &View) -> Place {
    let (path, query) = (percent_decode_str(uri.path()).decode_utf8_lossy(), uri.query().unwrap_or_default());
    if view.admin().is_some()
        && let Some(page) = changes::at(method, &path)
    {
        return Place::Page(page);
    }
    match at(&path, query, view) {
        Some(Entry::Get(page)) if method == Method::GET => Place::Page(page),
        // Of FastAPI's paths this one knows HEAD too.
        Some(Entry::Get(Page::OpenApi)) if method == Method::HEAD => Place::Page(Page::OpenApi),
        Some(Entry::Post(page)) if method == Method::POST => Place::Page(page),
        Some(Entry::Call(surface)) if method == Method::POST => Place::Call(surface),
        Some(Entry::Get(Page::OpenApi)) => Place::WrongMethod("GET, HEAD"),
        Some(Entry::Get(page)) => Place::WrongMethod(changes::allowed(&page, view)),
        Some(Entry::Post(_) | Entry::Call(_)) => Place::WrongMethod("POST"),
        None => other_slash(&path, view).map_or(Place::Nowhere, Place::Elsewhere),
    }
}

/// The API that a path belongs to, for errors of paths that do not exist.
pub(crate) fn dialect_of(path: &str) -> &'static dyn Dialect {
    let is_mlflows = ["/api/2.0/", "/api/3.0/"].iter().any(|prefix| path.starts_with(prefix)); // not Ollama's
    let other = apis::dialect(path).filter(|_| !is_mlflows).and_then(lockgate_dialects::by_name);
    other.unwrap_or_else(|| named("mlflow_endpoints"))
}

enum Entry {
    Get(Page),
    Post(Page),
    Call(Surface),
}

fn at(path: &str, query: &str, view: &View) -> Option<Entry> {
    let page = match path {
        "/" => Page::Root,
        "/health" => Page::Health,
        "/ready" => Page::Ready,
        "/metrics" => Page::Metrics,
        "/status" => Page::Status,
        "/docs" => Page::Docs,
        "/redoc" => Page::Redoc,
        "/openapi.json" => Page::OpenApi,
        "/favicon.ico" => Page::Favicon,
        "/api/2.0/gateway/routes/" => Page::Routes,
        "/api/2.0/endpoints/" => Page::Endpoints,
        "/api/2.0/gateway/limits/" => return Some(Entry::Post(Page::SetRouteLimits)),
        "/api/2.0/endpoints/limits/" => return Some(Entry::Post(Page::SetEndpointLimits)),
        _ => {
            return apis::entry(path, query)
                .or_else(|| named_page(path).map(Entry::Get))
                .or_else(|| invocations(path, view));
        }
    };
    Some(Entry::Get(page))
}

/// Pages whose last step is a name.
fn named_page(path: &str) -> Option<Page> {
    let of = |prefix: &str| {
        let name = path.strip_prefix(prefix)?;
        (!name.is_empty() && !name.contains('/')).then(|| name.to_owned())
    };
    of("/api/2.0/gateway/limits/")
        .map(|_| Page::RouteLimits)
        .or_else(|| of("/api/2.0/endpoints/limits/").map(|_| Page::EndpointLimits))
        .or_else(|| of("/api/2.0/gateway/routes/").map(Page::Route))
        .or_else(|| of("/api/2.0/endpoints/").map(Page::Endpoint))
        .or_else(|| of("/api/3.0/gateway/endpoint/").map(Page::Endpoint3))
        .or_else(|| of("/api/3.0/gateway/route/").map(Page::Route3))
        .or_else(|| of("/docs/").map(Page::DocsFile))
}

/// `/gateway/{name}/invocations` speaks what the file's section spoke; `/endpoints/{name}/invocations` always 2.9's
/// bodies. A path exists only while its route does.
fn invocations(path: &str, view: &View) -> Option<Entry> {
    if let Some(entry) = apis::mlflow3(path, view) {
        return Some(entry);
    }
    let (prefix, name) = path.strip_suffix("/invocations")?.strip_prefix('/')?.split_once('/')?;
    let route = view.route(name)?;
    let dialect = match (prefix, route.style) {
        ("gateway", Style::Classic) => "mlflow_routes",
        ("gateway" | "endpoints", _) => "mlflow_endpoints",
        _ => return None,
    };
    Some(Entry::Call(Surface {
        dialect: named(dialect),
        operation: None,
        route: Some(name.to_owned()),
        streamed: None,
        counts: false,
        mlflow: true,
    }))
}

/// The path with a last slash, or without any, when that exists (as Starlette redirects).
fn other_slash(path: &str, view: &View) -> Option<String> {
    let other = if path.ends_with('/') { path.trim_end_matches('/').to_owned() } else { format!("{path}/") };
    (!path.starts_with("//") && at(&other, "", view).is_some()).then_some(other)
}

fn named(dialect: &str) -> &'static dyn Dialect {
    lockgate_dialects::by_name(dialect).expect("the surfaces name dialects that exist")
}
