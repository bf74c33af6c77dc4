//! One generation of the config in the form that calls need: resolved once, read by every request.
//!
//! This is the only reader of what the operator wrote; past it, functions take the values that they need.

use crate::callers::Callers;
use crate::server;
use crate::upstream::{Keys, Origin, Signer};
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use lockgate_config::{
    Allowance, Config, Header, Limit, Listen, ModelFacts, OnLoss, Refusal, Server, StreamUsage, Style,
    Timeouts,
};
use lockgate_dialects::canonical::{Class, Failure, Operation};
use lockgate_dialects::{Dialect, ModelTraits};
use rustls::ServerConfig;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Everything that a request needs to know of the config, for its whole life.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Counts accepted configs of this process, from 1.
    pub(crate) generation: u64,
    /// Tells configs apart, the same on every replica.
    pub(crate) hash: String,
    /// Limits and times of the listener.
    pub(crate) server: Server,
    /// What the listener proves itself with, where it speaks TLS.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Where operators' pages have an address of their own.
    pub(crate) listen: Option<Listen>,
    /// Who may come in.
    pub(crate) callers: Callers,
    /// In the order of the file.
    pub(crate) routes: Vec<Arc<Route>>,
    by_name: HashMap<String, usize>,
    /// What `/openapi.json` answers, written when it is first asked for.
    pub(crate) openapi: OnceLock<Bytes>,
}

/// What a caller names.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: String,
    /// Made at run time, not in the config.
    pub(crate) run_time: bool,
    pub(crate) style: Style,
    pub(crate) operation: Operation,
    targets: Vec<(u32, Arc<Target>)>,
    pub(crate) limit: Option<Limit>,
    /// How much each caller may use of it; `None` where nothing is limited.
    pub(crate) limits: Option<Allowance>,
    /// Parameters set where the client sent none.
    pub(crate) defaults: Vec<(String, Bytes)>,
    /// Parameters set whatever the client sent.
    pub(crate) forced: Vec<(String, Bytes)>,
    pub(crate) timeouts: Timeouts,
    /// What becomes of a request that the provider cannot be told whole.
    pub(crate) on_loss: OnLoss,
    /// When providers are asked for a stream's usage.
    pub(crate) usage: StreamUsage,
}

/// One provider and model that may answer a route.
#[derive(Debug)]
pub(crate) struct Target {
    /// As the API lists it, such as `openai`.
    pub(crate) provider: String,
    /// As MLflow's messages say it, such as `OpenAI`.
    pub(crate) display: String,
    pub(crate) model: Option<String>,
    /// What is known of the model.
    pub(crate) facts: ModelFacts,
    pub(crate) service: Service,
}

/// How a target is reached.
#[derive(Debug)]
pub(crate) enum Service {
    Http(Box<HttpService>),
    /// The provider lacks the route's operation.
    Lacking,
    /// Known, but not callable; what a call is told.
    Uncallable(Failure),
}

/// A provider's API over HTTP.
#[derive(Debug)]
pub(crate) struct HttpService {
    /// What the provider is asked; chat, where a completion goes to a model that only chats.
    pub(crate) operation: Operation,
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) origin: Origin,
    /// The `host` header.
    pub(crate) host: HeaderValue,
    path: PathAndQuery,
    /// The path for streams, where it is another.
    stream_path: Option<PathAndQuery>,
    /// Where it counts tokens, if it does.
    pub(crate) count_path: Option<PathAndQuery>,
    /// Credentials and static headers, complete, a set for each key; credentials are marked sensitive.
    pub(crate) keys: Keys,
    /// Headers that are taken over from the caller's request: its own credential.
    pub(crate) brought: Vec<HeaderName>,
    /// Signs each request, where the provider wants that.
    pub(crate) signer: Option<Signer>,
    pub(crate) streams: bool,
    pub(crate) traits: ModelTraits,
    pub(crate) refuses: Vec<Refusal>,
    pub(crate) allows_model: bool,
    /// How the same server is asked for clients of other APIs than MLflow's, where that is another way.
    beyond_mlflow: Option<Box<Self>>,
    /// The scripted provider answers in this process, with these options; nothing is sent.
    pub(crate) demo: Option<Map<String, Value>>,
}

impl HttpService {
    /// The way to ask for a client of MLflow's API, or of another.
    pub(crate) fn asked_by(&self, mlflow: bool) -> &Self {
        self.beyond_mlflow.as_deref().filter(|_| !mlflow).unwrap_or(self)
    }

    /// Where the provider is asked.
    pub(crate) fn path(&self, streamed: bool) -> &PathAndQuery {
        self.stream_path.as_ref().filter(|_| streamed).unwrap_or(&self.path)
    }
}

/// Why a checked config cannot serve. Each text names the place and the fix.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unservable {
    #[error("route '{route}': {problem}")]
    Route { route: String, problem: String },
    #[error("{0}")]
    Tls(String),
}

impl Snapshot {
    /// The routes of `config`, ready to be called.
    pub(crate) fn of(config: Config, generation: u64) -> Result<Self, Unservable> {
        let mut built = Targets::default();
        let routes =
            config.routes.into_iter().map(|route| built.route(route)).collect::<Result<Vec<_>, _>>()?;
        let by_name = routes.iter().enumerate().map(|(at, route)| (route.name.clone(), at)).collect();
        let tls = config.server.tls.as_ref().map(server::tls).transpose().map_err(Unservable::Tls)?;
        Ok(Self {
            generation,
            hash: config.hash,
            tls,
            callers: Callers::of(config.callers, config.admin.as_ref(), &routes),
            listen: config.admin.and_then(|admin| admin.listen),
            server: config.server,
            routes,
            by_name,
            openapi: OnceLock::new(),
        })
    }

    /// The route called `name`, and its place in the file.
    pub(crate) fn route(&self, name: &str) -> Option<(usize, &Arc<Route>)> {
        self.by_name.get(name).map(|at| (*at, &self.routes[*at]))
    }
}

impl Route {
    /// The target for one call, drawn by weight; `draw` is uniform below the sum of the weights.
    pub(crate) fn target(&self, draw: impl FnOnce(u32) -> u32) -> &Arc<Target> {
        let (first, rest) =
            self.targets.split_first().expect("the config check refuses a route without targets");
        if rest.is_empty() {
            return &first.1;
        }
        let mut left = draw(self.targets.iter().map(|(weight, _)| weight).sum::<u32>().max(1));
        for (weight, target) in &self.targets {
            if left < *weight {
                return target;
            }
            left -= weight;
        }
        &first.1
    }

    /// The target that stands first, which listings show.
    pub(crate) fn first_target(&self) -> &Arc<Target> {
        &self.targets[0].1
    }

    /// All targets with their weights, which sum to 100.
    pub(crate) fn shares(&self) -> impl Iterator<Item = (u32, &Arc<Target>)> {
        self.targets.iter().map(|(weight, target)| (*weight, target))
    }

    /// All targets.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Arc<Target>> {
        self.targets.iter().map(|(_, target)| target)
    }
}

/// Targets by the address of their config, so that routes which share one in the file share one here.
#[derive(Default)]
struct Targets(HashMap<*const lockgate_config::Target, Arc<Target>>);

impl Targets {
    fn route(&mut self, route: lockgate_config::Route) -> Result<Arc<Route>, Unservable> {
        let unservable = |problem| Unservable::Route { route: route.name.clone(), problem };
        let mut targets = Vec::with_capacity(route.targets.len());
        for share in &route.targets {
            let target = match self.0.get(&Arc::as_ptr(&share.target)) {
                Some(known) => known.clone(),
                None => Arc::new(target(&share.target, route.operation).map_err(unservable)?),
            };
            self.0.insert(Arc::as_ptr(&share.target), target.clone());
            targets.push((share.weight, target));
        }
        Ok(Arc::new(Route {
            defaults: edits(&route.defaults),
            forced: edits(&route.forced),
            name: route.name,
            run_time: route.run_time,
            style: route.style,
            operation: route.operation,
            targets,
            limit: route.limit,
            limits: Some(route.limits).filter(|limits| *limits != Allowance::default()),
            timeouts: route.timeouts,
            on_loss: route.on_loss,
            usage: route.usage,
        }))
    }
}

fn edits(parameters: &Map<String, Value>) -> Vec<(String, Bytes)> {
    parameters.iter().map(|(name, value)| (name.clone(), Bytes::from(value.to_string()))).collect()
}

fn target(config: &lockgate_config::Target, operation: Operation) -> Result<Target, String> {
    let service = match &config.service {
        lockgate_config::Service::Http(http) => http_service(http)?,
        lockgate_config::Service::Demo(options) => {
            lockgate_demo::check(options)?;
            demo_service(operation, options, config.model.clone())?
        }
        lockgate_config::Service::Unavailable { reason } => {
            Service::Uncallable(Failure::new(Class::ProviderUnavailable, reason))
        }
    };
    Ok(Target {
        provider: config.provider.clone(),
        display: config.display.clone(),
        model: config.model.clone(),
        facts: config.facts.clone(),
        service,
    })
}

fn http_service(config: &lockgate_config::HttpService) -> Result<Service, String> {
    config.api.as_ref().map_or(Ok(Service::Lacking), |api| service_of(config, api))
}

fn service_of(config: &lockgate_config::HttpService, api: &lockgate_config::Api) -> Result<Service, String> {
    // MLflow starts with a URL that leads nowhere, and so do we: the route's calls say what is wrong.
    let Some((uri, origin)) =
        api.url.parse().ok().and_then(|uri: Uri| Some((uri.clone(), Origin::of(&uri, api.public_only)?)))
    else {
        let text = "The route's base URL is not an http or https URL; mend it in the config";
        return Ok(Service::Uncallable(Failure::new(Class::UpstreamUnreachable, text)));
    };
    let beyond_mlflow = match &api.beyond_mlflow {
        None => None,
        Some(api) => match service_of(config, api)? {
            Service::Http(service) => Some(service),
            other => return Ok(other),
        },
    };
    Ok(Service::Http(Box::new(HttpService {
        beyond_mlflow,
        operation: api.operation,
        dialect: dialect(&api.dialect)?,
        host: HeaderValue::try_from(origin.authority())
            .map_err(|_| format!("'{}' has no usable host", api.url))?,
        origin,
        path: path_of(&uri),
        stream_path: other_path(api.stream_url.as_deref()),
        count_path: other_path(api.count_url.as_deref()),
        keys: Keys::new(config.header_sets.iter().map(|set| headers(set)).collect::<Result<_, _>>()?),
        brought: names(&config.brought)?,
        signer: config.signing.as_deref().map(Signer::of),
        streams: api.streams,
        traits: api.traits.clone(),
        refuses: api.refuses.clone(),
        allows_model: api.allows_model,
        demo: None,
    })))
}

fn other_path(url: Option<&str>) -> Option<PathAndQuery> {
    Some(path_of(&url?.parse().ok()?))
}

fn path_of(uri: &Uri) -> PathAndQuery {
    uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"))
}

/// The demo provider answers in OpenAI's dialects, so that an OpenAI client's bytes pass, and ranks in Jina's.
fn demo_service(
    operation: Operation,
    options: &Map<String, Value>,
    model: Option<String>,
) -> Result<Service, String> {
    Ok(Service::Http(Box::new(HttpService {
        beyond_mlflow: None,
        operation,
        dialect: dialect(match operation {
            Operation::Chat => "openai_chat",
            Operation::Complete => "openai_completions",
            Operation::Embed => "openai_embeddings",
            Operation::Rerank => "jina_rerank",
        })?,
        origin: Origin { tls: false, host: String::new(), port: 0, public_only: false },
        host: HeaderValue::from_static(""),
        path: PathAndQuery::from_static("/"),
        stream_path: None,
        count_path: None,
        keys: Keys::new(Vec::new()),
        brought: Vec::new(),
        signer: None,
        streams: !matches!(operation, Operation::Embed | Operation::Rerank),
        traits: ModelTraits { model, temperature_max: Some(2.0), ..ModelTraits::default() },
        refuses: Vec::new(),
        allows_model: false,
        demo: Some(options.clone()),
    })))
}

fn names(names: &[String]) -> Result<Vec<HeaderName>, String> {
    names.iter().map(|name| header_name(name)).collect()
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(name).map_err(|_| format!("'{name}' is not a header name"))
}

fn headers(config: &[Header]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::with_capacity(config.len());
    for Header { name, value, credential } in config {
        let key = header_name(name)?;
        let mut value = HeaderValue::try_from(value.expose())
            .map_err(|_| format!("the value of header '{name}' has a character that HTTP does not allow"))?;
        value.set_sensitive(*credential);
        headers.insert(key, value);
    }
    Ok(headers)
}

fn dialect(name: &str) -> Result<&'static dyn Dialect, String> {
    lockgate_dialects::by_name(name).ok_or_else(|| {
        let known = lockgate_dialects::names().collect::<Vec<_>>().join(", ");
        format!("no dialect is called '{name}'; known are {known}")
    })
}
