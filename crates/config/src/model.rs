//! What a checked config says: complete, resolved, ready for the gateway to act on.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use lockgate_dialects::ModelTraits;
use lockgate_dialects::canonical::Operation;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::allowance::Allowance;
use crate::callers::{Admin, Caller};
use crate::listener::Tls;
use crate::mistake::Mistake;
use crate::models::ModelFacts;
use crate::refusal::Refusal;
use crate::run_time::NotServed;
use crate::secret::Secret;

/// A config that was checked whole.
#[derive(Debug, Clone)]
pub struct Config {
    /// Twelve hex digits over the text and the contents of every file that it names: what tells one generation from
    /// another.
    pub hash: String,
    /// What holds for the whole server.
    pub server: Server,
    /// The routes, in the order of the file.
    pub routes: Vec<Route>,
    /// Who may call; where there is nobody, everybody may.
    pub callers: Vec<Caller>,
    /// Who may see what is for operators.
    pub admin: Option<Admin>,
    /// What is odd, but does not stop a start.
    pub warnings: Vec<Mistake>,
    /// Routes that were made at run time and do not serve.
    pub not_served: NotServed,
    /// Key and certificate files whose change should have the config checked again.
    pub watched: Vec<PathBuf>,
    /// How long what was resolved is good at most: the shortest time to live of a command's output.
    pub refresh: Option<Duration>,
}

/// Settings of the whole server.
#[derive(Debug, Clone, Default)]
pub struct Server {
    /// What the listener proves itself with; without it, it speaks plain HTTP.
    pub tls: Option<Tls>,
    /// Origins whose pages may read answers, in lower case; `*` is any.
    pub origins: Vec<String>,
    /// Clients that are let in; where there are none, all are.
    pub allow: Vec<IpNet>,
    /// Proxies that say the truth about their clients.
    pub trusted_proxies: Vec<IpNet>,
    /// What a request may measure.
    pub limits: Limits,
    /// How long clients may take.
    pub timeouts: ListenTimeouts,
    /// How the server stops.
    pub drain: Drain,
    /// How upstreams are reached.
    pub egress: Egress,
    /// How long upstreams may take, where a route does not say otherwise.
    pub upstream: Timeouts,
}

/// What a request may measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body, also once decompressed.
    pub max_body_bytes: usize,
    /// Bytes of the request line and all headers.
    pub max_header_bytes: usize,
    /// Number of headers.
    pub max_headers: usize,
    /// Nesting depth of a JSON body.
    pub max_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_body_bytes: 32 << 20, max_header_bytes: 64 << 10, max_headers: 100, max_depth: 128 }
    }
}

/// How long clients may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenTimeouts {
    /// To send all headers.
    pub header: Duration,
    /// To send the body.
    pub body: Duration,
    /// Between two requests of a connection.
    pub keep_alive: Duration,
}

impl Default for ListenTimeouts {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            body: Duration::from_secs(60),
            keep_alive: Duration::from_secs(75),
        }
    }
}

/// How the server stops after SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// How long connections are still accepted, while `/ready` already answers 503.
    pub delay: Duration,
    /// How long what is in flight may take from then on.
    pub deadline: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Duration::ZERO, deadline: Duration::from_secs(30) }
    }
}

/// How upstreams are reached.
#[derive(Debug, Clone, Default)]
pub struct Egress {
    /// Certificates in PEM that are trusted besides the public ones.
    pub ca_bundle: Option<Vec<u8>>,
    /// Which proxy stands in between.
    pub proxy: Proxy,
}

/// Which proxy stands between the gateway and upstreams.
#[derive(Debug, Clone, Default)]
pub enum Proxy {
    /// As `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say.
    #[default]
    FromEnvironment,
    /// None, whatever the environment says.
    None,
    /// This one; a secret, since it may hold a password.
    Url(Secret),
}

/// How long an upstream may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To accept a connection, TLS included.
    pub connect: Duration,
    /// From the request to the first byte of the answer.
    pub first_byte: Duration,
    /// From there to the first event of a stream; past it the client is told that its answer begins, and waits on.
    pub first_event: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// For everything.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(300),
            first_event: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            total: Duration::from_secs(300),
        }
    }
}

/// The generation of MLflow's file in which a route is written; it decides what `/gateway/{name}/invocations` speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// Under `routes:` with `route_type` (MLflow 2.5 to 2.8).
    Classic,
    /// Under `endpoints:` (MLflow 2.9 and later).
    Endpoints,
    /// Under `routes:` with `destinations` (MLflow 3).
    Traffic,
}

/// What a caller names.
#[derive(Debug, Clone)]
pub struct Route {
    /// Unique.
    pub name: String,
    /// Whether it was made at run time, and is not the config's own.
    pub run_time: bool,
    /// The line of its file, from 1, in which it begins.
    pub line: usize,
    /// In which generation of the file it is written.
    pub style: Style,
    /// What it is asked to do.
    pub operation: Operation,
    /// Who may answer; never empty, and the weights sum to 100.
    pub targets: Vec<Share>,
    /// How often each client may call it, as MLflow has it.
    pub limit: Option<Limit>,
    /// How much each caller may use of it; each client address, where there are no callers.
    pub limits: Allowance,
    /// Parameters for callers that do not send them.
    pub defaults: Map<String, Value>,
    /// Parameters that stand whatever the caller sends.
    pub forced: Map<String, Value>,
    /// How long the upstream may take.
    pub timeouts: Timeouts,
    /// What becomes of a request that the provider cannot be told whole.
    pub on_loss: OnLoss,
    /// When providers are asked for a stream's usage.
    pub usage: StreamUsage,
}

/// What becomes of a request of which a translation would lose something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnLoss {
    /// It is sent, and the answer names what was lost.
    #[default]
    Report,
    /// It is refused before anything is sent.
    Reject,
}

/// When a provider that tells a stream's usage only on request is asked for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamUsage {
    /// Always; a client that did not ask does not see it.
    #[default]
    Always,
    /// When the client asks.
    AsAsked,
}

/// A target and how much of a route's traffic it gets.
#[derive(Debug, Clone)]
pub struct Share {
    /// Who answers.
    pub target: Arc<Target>,
    /// Percent of the calls.
    pub weight: u32,
}

/// How often each client may call a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Calls per period.
    pub calls: u64,
    /// The period as written, for listings.
    pub renewal_period: String,
    /// The period.
    pub period: Duration,
    /// MLflow's `key`, which it lists and ignores.
    pub key: Option<String>,
    /// The limit as MLflow's 429 says it, such as `2 per 1 minute`.
    pub text: String,
}

/// One provider and model that may answer a route.
#[derive(Debug, Clone)]
pub struct Target {
    /// MLflow's name of the provider as the API lists it, such as `mlflow-model-serving`.
    pub provider: String,
    /// The provider's name in messages, such as `MLflow Model Serving`.
    pub display: String,
    /// The model's name at the provider.
    pub model: Option<String>,
    /// What is known of the model.
    pub facts: ModelFacts,
    /// How it is called.
    pub service: Service,
}

/// How a target is called.
#[derive(Debug, Clone)]
pub enum Service {
    /// Over HTTP.
    Http(Box<HttpService>),
    /// In process, by the scripted provider, with these options.
    Demo(Map<String, Value>),
    /// Not at all: a call answers 501 with the reason.
    Unavailable {
        /// Why, as a sentence for the caller.
        reason: String,
    },
}

/// A provider over HTTP.
#[derive(Debug, Clone)]
pub struct HttpService {
    /// How the route's operation is asked for; `None` when the provider lacks it, which MLflow refuses per call only.
    pub api: Option<Api>,
    /// Headers of every request, credentials among them: one set for each key, used in turn. Never empty.
    pub header_sets: Vec<Vec<Header>>,
    /// Names, in lower case, of headers that are taken over from the caller's request: its own credential.
    pub brought: Vec<String>,
    /// What requests are signed with, where they are.
    pub signing: Option<Box<Signing>>,
}

/// What requests to AWS are signed with (Signature Version 4).
#[derive(Debug, Clone)]
pub struct Signing {
    /// The service's name in signatures, such as `bedrock`.
    pub service: String,
    /// Such as `us-east-1`.
    pub region: String,
    /// Names the secret key.
    pub access_key_id: Secret,
    /// Signs, and is never sent.
    pub secret_access_key: Secret,
    /// Goes with keys that are good for a while only.
    pub session_token: Option<Secret>,
}

/// A header of every request to a provider.
#[derive(Debug, Clone)]
pub struct Header {
    /// In lower case.
    pub name: String,
    /// Shown nowhere, whatever it holds.
    pub value: Secret,
    /// Whether it holds a credential, which must not be told to anybody even if the provider repeats it.
    pub credential: bool,
}

/// How a provider is asked for an operation.
#[derive(Clone)]
pub struct Api {
    /// What it is asked for: chat also for a completion route on a chat model.
    pub operation: Operation,
    /// The name of the dialect it speaks.
    pub dialect: String,
    /// The complete URL.
    pub url: String,
    /// The complete URL for streams, where it is another path of the same server.
    pub stream_url: Option<String>,
    /// Where tokens are counted, if the provider counts.
    pub count_url: Option<String>,
    /// Whether it can stream.
    pub streams: bool,
    /// What the codec must know of the model. `count_name` is empty: it belongs to the caller's surface.
    pub traits: ModelTraits,
    /// What MLflow's provider refuses, in MLflow's order; for MLflow surfaces only.
    pub refuses: Vec<Refusal>,
    /// A caller's `model` is a parameter like any other.
    pub allows_model: bool,
    /// Only public addresses may be connected to, whatever the host's name leads to.
    pub public_only: bool,
    /// How it is asked for clients of every other API than MLflow's, where that is another way. On the same server.
    pub beyond_mlflow: Option<Box<Self>>,
}

impl fmt::Debug for Api {
    /// Shows the URL without what may be a credential in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, url) = self.url.split_once("://").unwrap_or_default();
        let url = url.split('?').next().unwrap_or_default();
        let (authority, path) = url.split_once('/').unwrap_or((url, ""));
        let host = authority.rsplit('@').next().unwrap_or_default();
        f.debug_struct("Api")
            .field("operation", &self.operation)
            .field("dialect", &self.dialect)
            .field("url", &format_args!("{host}/{path}"))
            .field("streams", &self.streams)
            .field("traits", &self.traits)
            .field("refuses", &self.refuses.len())
            .field("allows_model", &self.allows_model)
            .field("public_only", &self.public_only)
            .field("beyond_mlflow", &self.beyond_mlflow)
            .finish()
    }
}
