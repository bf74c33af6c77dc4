//! The file as it is written: MLflow's keys and, beside them, ours. The JSON Schema is made from these types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::catalogue::Provider;
use crate::model::{OnLoss, StreamUsage};
use crate::models::{Ability, Modality};
use crate::read::At;
use crate::values::{Dollars, Duration, KeyForm, KeyForms, Plain, Size, Whole};

/// A lockgate config: an MLflow gateway file of any generation, with lockgate's own keys beside MLflow's.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(title = "lockgate config", deny_unknown_fields)]
pub(crate) struct File {
    /// MLflow 2.5 to 2.8: the routes. Beside `endpoints` in an MLflow 3 file: routes that split their traffic.
    #[schemars(with = "Vec<AnyRoute>")]
    pub(crate) routes: At<IgnoredAny>,
    /// MLflow 2.9 and later: the endpoints, each served as a route.
    #[schemars(with = "Vec<Entry>")]
    pub(crate) endpoints: At<IgnoredAny>,
    /// Who may call which routes; without this section, everybody may call all.
    pub(crate) callers: At<Option<Vec<At<Caller>>>>,
    /// Who may see what is for operators.
    pub(crate) admin: At<Option<Admin>>,
    /// Settings of the whole server.
    #[schemars(with = "Server")]
    pub(crate) server: At<Option<Server>>,
    /// Providers of your own, each in the grammar of a catalogue file.
    #[schemars(with = "Vec<Provider>")]
    pub(crate) providers: At<Option<Vec<At<Provider>>>>,
    /// What is known of models: each field counts over what lockgate itself knows.
    #[schemars(with = "Vec<KnownModel>")]
    pub(crate) models: At<Option<Vec<At<KnownModel>>>>,
    /// Credentials by name, for routes that say `{credential: NAME}`: one each, or several to be used in turn.
    #[schemars(with = "BTreeMap<String, KeyForms>")]
    pub(crate) credentials: At<IgnoredAny>,
    /// What holds for routes that do not say otherwise.
    #[schemars(with = "Defaults")]
    pub(crate) defaults: At<Option<Defaults>>,
}

/// An element of `routes`.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "read element by element; the schema needs the choice")]
pub(crate) enum AnyRoute {
    Traffic(Box<Traffic>),
    Route(Box<Entry>),
}

/// A route (`routes`) or an endpoint (`endpoints`).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["name", "model"], "anyOf" = [{"required": ["route_type"]}, {"required": ["endpoint_type"]}]))]
pub(crate) struct Entry {
    /// The name that callers use: letters, digits, `_`, `-` and `.`.
    pub(crate) name: At<Plain>,
    /// What it does, under `routes`: `llm/v1/chat`, `llm/v1/completions` or `llm/v1/embeddings`.
    #[schemars(with = "RouteType")]
    pub(crate) route_type: At<Plain>,
    /// What it does, under `endpoints`: `llm/v1/chat`, `llm/v1/completions` or `llm/v1/embeddings`.
    #[schemars(with = "RouteType")]
    pub(crate) endpoint_type: At<Plain>,
    /// Who answers.
    pub(crate) model: At<Model>,
    /// Whose credential the provider is sent; the one of `config` when absent.
    pub(crate) credentials: At<Option<Whose>>,
    /// How often each client may call it.
    pub(crate) limit: At<Option<Limit>>,
    /// How much each caller may use of it; each client address, where there are no callers.
    #[schemars(with = "Option<Allowance>")]
    pub(crate) limits: At<IgnoredAny>,
    /// Parameters for callers that do not send them.
    pub(crate) defaults: At<Option<Map<String, Value>>>,
    /// Parameters that stand whatever the caller sends.
    pub(crate) forced: At<Option<Map<String, Value>>>,
    /// How long the upstream may take.
    pub(crate) timeouts: At<Option<Timeouts>>,
    /// What becomes of a request of which a translation would lose something: `report` (the default) or `reject`.
    pub(crate) on_loss: At<Option<OnLoss>>,
    /// When a provider that tells a stream's usage only on request is asked for it: `always` or `as_asked`.
    pub(crate) usage: At<Option<StreamUsage>>,
    /// Static headers that are sent upstream besides the provider's own.
    #[schemars(with = "Option<BTreeMap<String, KeyForm>>")]
    pub(crate) headers: At<IgnoredAny>,
}

/// Whose credential a provider is sent.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Whose {
    /// The caller's own: the header in which the provider expects it is taken over from each request.
    Caller,
}

/// A route type, exactly as MLflow writes it, and one of lockgate's own: `llm/v1/rerank`.
#[derive(Debug, JsonSchema)]
#[expect(dead_code, reason = "read as text for MLflow's own message; the schema needs the words")]
pub(crate) enum RouteType {
    #[serde(rename = "llm/v1/chat")]
    Chat,
    #[serde(rename = "llm/v1/completions")]
    Completions,
    #[serde(rename = "llm/v1/embeddings")]
    Embeddings,
    #[serde(rename = "llm/v1/rerank")]
    Rerank,
}

/// Who answers a route.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["provider"]))]
pub(crate) struct Model {
    /// The provider's name: one of those that come with lockgate, or one of `providers`.
    #[schemars(schema_with = "crate::schema::provider")]
    pub(crate) provider: At<Plain>,
    /// The model's name at the provider.
    pub(crate) name: At<Option<String>>,
    /// The provider's keys, such as `openai_api_key`.
    #[schemars(schema_with = "crate::schema::config")]
    pub(crate) config: At<IgnoredAny>,
    /// Which API a completion route asks, where the model's name does not tell.
    pub(crate) api: At<Option<ApiChoice>>,
}

/// What is known of a provider's model, or of several whose names are alike.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["provider", "name"]))]
pub(crate) struct KnownModel {
    /// The provider's name.
    #[schemars(schema_with = "crate::schema::provider")]
    pub(crate) provider: At<String>,
    /// The model's name at the provider, with `*` for any text; later entries win.
    pub(crate) name: At<String>,
    /// How many tokens it can read at most: its context window.
    #[schemars(extend("minimum" = 1))]
    pub(crate) max_input_tokens: At<Whole>,
    /// How many tokens it can answer at most; sent to a provider that wants a limit, when the client sends none.
    #[schemars(extend("minimum" = 1))]
    pub(crate) max_output_tokens: At<Whole>,
    /// What it reads besides text.
    pub(crate) input: At<Vec<Modality>>,
    /// What it writes besides text.
    pub(crate) output: At<Vec<Modality>>,
    /// What it can do.
    pub(crate) abilities: At<Vec<Ability>>,
    /// What its tokens cost, in US dollars per million.
    pub(crate) prices: At<Prices>,
}

/// What tokens cost, in US dollars per million.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Prices {
    /// Of prompts.
    pub(crate) input: At<Dollars>,
    /// Of answers.
    pub(crate) output: At<Dollars>,
    /// Of reasoning, where it costs another price than the answer.
    pub(crate) reasoning: At<Dollars>,
    /// Of prompts, read from a cache.
    pub(crate) cache_read: At<Dollars>,
    /// Of prompts, written to a cache.
    pub(crate) cache_write: At<Dollars>,
    /// Of prompts, written to a cache that keeps them for an hour.
    pub(crate) cache_write_1h: At<Dollars>,
    /// For longer prompts.
    pub(crate) above: At<Vec<At<Tier>>>,
}

/// Prices of calls with a long prompt; what is absent costs what it costs in others.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["tokens"]))]
pub(crate) struct Tier {
    /// The prompt's length, in tokens, that must be exceeded.
    #[schemars(extend("minimum" = 1))]
    pub(crate) tokens: At<Whole>,
    /// Of prompts.
    pub(crate) input: At<Dollars>,
    /// Of answers.
    pub(crate) output: At<Dollars>,
    /// Of reasoning.
    pub(crate) reasoning: At<Dollars>,
    /// Of prompts, read from a cache.
    pub(crate) cache_read: At<Dollars>,
    /// Of prompts, written to a cache.
    pub(crate) cache_write: At<Dollars>,
    /// Of prompts, written to a cache that keeps them for an hour.
    pub(crate) cache_write_1h: At<Dollars>,
}

/// Which API a completion route asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ApiChoice {
    /// The chat API, with the prompt as a message.
    Chat,
    /// The completion API.
    Completions,
}

/// How often each client may call a route.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["calls", "renewal_period"]))]
pub(crate) struct Limit {
    /// Calls per period.
    pub(crate) calls: At<Whole>,
    /// The period, such as `minute` or `5 minutes`.
    pub(crate) renewal_period: At<String>,
    /// Listed, as MLflow does; the client's address is what counts.
    pub(crate) key: At<Option<String>>,
}

/// How much may be used. All of these hold; what is absent is not limited.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("minProperties" = 1))]
pub(crate) struct Allowance {
    /// Calls per period, such as `100 per minute`, `100/minute` or `10 per 5 seconds`.
    #[schemars(schema_with = "crate::schema::rate")]
    pub(crate) requests: At<Plain>,
    /// Calls at the same time.
    #[schemars(extend("minimum" = 1))]
    pub(crate) concurrent: At<Whole>,
    /// Tokens of requests per period, such as `50000 per minute`.
    #[schemars(schema_with = "crate::schema::rate")]
    pub(crate) prompt_tokens: At<Plain>,
    /// Tokens of answers per period.
    #[schemars(schema_with = "crate::schema::rate")]
    pub(crate) completion_tokens: At<Plain>,
    /// Tokens of requests and answers together per period.
    #[schemars(schema_with = "crate::schema::rate")]
    pub(crate) tokens: At<Plain>,
}

/// A route of MLflow 3 that splits its traffic.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["name", "task_type", "destinations"]))]
pub(crate) struct Traffic {
    /// The name that callers use.
    pub(crate) name: At<Plain>,
    /// What it does; its destinations do the same.
    #[schemars(with = "RouteType")]
    pub(crate) task_type: At<Plain>,
    /// The endpoints that answer.
    pub(crate) destinations: At<Vec<At<Destination>>>,
    /// How they are chosen.
    pub(crate) routing_strategy: At<Strategy>,
    /// How much each caller may use of it; each client address, where there are no callers.
    #[schemars(with = "Option<Allowance>")]
    pub(crate) limits: At<IgnoredAny>,
    /// Parameters for callers that do not send them.
    pub(crate) defaults: At<Option<Map<String, Value>>>,
    /// Parameters that stand whatever the caller sends.
    pub(crate) forced: At<Option<Map<String, Value>>>,
    /// How long the upstream may take.
    pub(crate) timeouts: At<Option<Timeouts>>,
    /// What becomes of a request of which a translation would lose something: `report` (the default) or `reject`.
    pub(crate) on_loss: At<Option<OnLoss>>,
    /// When a provider that tells a stream's usage only on request is asked for it: `always` or `as_asked`.
    pub(crate) usage: At<Option<StreamUsage>>,
}

/// An endpoint's share of a route's traffic.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["name", "traffic_percentage"]))]
pub(crate) struct Destination {
    /// The endpoint's name.
    pub(crate) name: At<String>,
    /// Its percentage; those of a route sum to 100.
    pub(crate) traffic_percentage: At<Whole>,
}

/// A command whose output is a credential.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["command"]))]
pub(crate) struct Command {
    /// The program and its arguments; no shell reads them.
    pub(crate) command: At<Vec<String>>,
    /// How long it may run; 5s.
    pub(crate) timeout: At<Duration>,
    /// How long its output is good, before it is run again; 10m.
    pub(crate) ttl: At<Duration>,
}

/// How a route chooses among its destinations.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub(crate) enum Strategy {
    /// By chance, weighted by percentage.
    #[serde(rename = "TRAFFIC_SPLIT")]
    TrafficSplit,
}

/// What holds for routes that do not say otherwise: parameters for callers that do not send them, by operation, and
/// more.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Defaults {
    /// For chat routes.
    pub(crate) chat: At<Option<Map<String, Value>>>,
    /// For completion routes.
    pub(crate) completions: At<Option<Map<String, Value>>>,
    /// For embedding routes.
    pub(crate) embeddings: At<Option<Map<String, Value>>>,
    /// For ranking routes.
    pub(crate) rerank: At<Option<Map<String, Value>>>,
    /// For all routes: what becomes of a request of which a translation would lose something.
    pub(crate) on_loss: At<Option<OnLoss>>,
    /// For all routes: when a provider that tells a stream's usage only on request is asked for it.
    pub(crate) usage: At<Option<StreamUsage>>,
}

/// Somebody who may call routes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["name"], "anyOf" = [{"required": ["key"]}, {"required": ["keys"]}]))]
pub(crate) struct Caller {
    /// What logs call it.
    pub(crate) name: At<String>,
    /// The hash of its key, as `lockgate keys new` or `lockgate keys hash` prints it.
    pub(crate) key: At<Option<String>>,
    /// The hashes of several keys, so that a new one works before the old one goes.
    pub(crate) keys: At<Option<Vec<At<String>>>>,
    /// Names of routes, or patterns such as `team-*`; all routes when absent.
    pub(crate) routes: At<Option<Vec<At<String>>>>,
    /// How much it may use, of all its routes together.
    #[schemars(with = "Option<Allowance>")]
    pub(crate) limits: At<IgnoredAny>,
    /// The last day (UTC) on which its keys open anything, or a time such as 2027-06-30T18:00:00Z.
    pub(crate) expires: At<Option<String>>,
}

/// Who may do what is for operators: see `/status` and `/metrics`, and make routes at run time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Admin {
    /// The hash of a key that opens operators' pages, as `lockgate keys new` prints it.
    pub(crate) key: At<Option<String>>,
    /// The hashes of several such keys.
    pub(crate) keys: At<Option<Vec<At<String>>>>,
    /// A second address, such as `127.0.0.1:5001`, that serves operators' pages, and them alone, without a key.
    pub(crate) listen: At<Option<String>>,
    /// Whether routes that are made at run time may ask servers with private addresses; no.
    pub(crate) allow_private_addresses: At<Option<bool>>,
}

/// Settings of the whole server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Server {
    /// A certificate, so that clients speak HTTPS; read again when its files change.
    pub(crate) tls: At<Option<Tls>>,
    /// Which web pages may read answers.
    pub(crate) cors: At<Option<Cors>>,
    /// Addresses and networks whose clients are let in; all when absent.
    pub(crate) allow: At<Option<Vec<At<String>>>>,
    /// Addresses and networks of proxies whose `x-forwarded-for` is believed.
    pub(crate) trusted_proxies: At<Option<Vec<At<String>>>>,
    /// What a request may measure.
    pub(crate) limits: At<Option<Limits>>,
    /// How long clients may take.
    pub(crate) timeouts: At<Option<ListenTimeouts>>,
    /// How the server stops.
    pub(crate) drain: At<Option<Drain>>,
    /// How upstreams are reached.
    pub(crate) egress: At<Option<Egress>>,
    /// How long upstreams may take, where a route does not say otherwise.
    pub(crate) upstream: At<Option<Timeouts>>,
}

/// What the listener proves itself with.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["certificate", "key"]))]
pub(crate) struct Tls {
    /// The path of a PEM file with the certificate and what leads to its authority.
    pub(crate) certificate: At<String>,
    /// The path of a PEM file with the certificate's private key.
    pub(crate) key: At<String>,
}

/// Which web pages may read answers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields, extend("required" = ["origins"]))]
pub(crate) struct Cors {
    /// Origins such as `https://app.example.com`, or `*` for any.
    pub(crate) origins: At<Vec<At<String>>>,
}

/// What a request may measure.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Limits {
    /// The longest body, also once decompressed; 32MiB.
    pub(crate) max_body: At<Size>,
    /// The longest request line and headers together; 64KiB.
    pub(crate) max_header: At<Size>,
    /// The most headers; 100.
    pub(crate) max_headers: At<Whole>,
    /// The deepest nesting of a JSON body; 128.
    pub(crate) max_depth: At<Whole>,
}

/// How long clients may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ListenTimeouts {
    /// To send all headers; 10s.
    pub(crate) header: At<Duration>,
    /// To send the body; 60s.
    pub(crate) body: At<Duration>,
    /// Between two requests of a connection; 75s.
    pub(crate) keep_alive: At<Duration>,
}

/// How the server stops after SIGTERM.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Drain {
    /// How long connections are still accepted while `/ready` already answers 503; 0s.
    pub(crate) delay: At<Duration>,
    /// How long what is in flight may take from then on; 30s.
    pub(crate) deadline: At<Duration>,
}

/// How upstreams are reached.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Egress {
    /// The path of a PEM file with certificates that are trusted besides the public ones.
    pub(crate) ca_bundle: At<Option<String>>,
    /// `environment` (`HTTPS_PROXY` and `NO_PROXY`, the default), `none`, or a proxy's URL.
    pub(crate) proxy: At<Option<String>>,
}

/// How long an upstream may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Timeouts {
    /// To accept a connection, TLS included; 10s.
    pub(crate) connect: At<Duration>,
    /// From the request to the first byte of the answer; 300s.
    pub(crate) first_byte: At<Duration>,
    /// From there to the first event of a stream, before its client is answered 200 and waits on; 10s.
    pub(crate) first_event: At<Duration>,
    /// Between two pieces of an answer; 60s.
    pub(crate) idle: At<Duration>,
    /// For everything; 300s, or what MLFLOW_GATEWAY_ROUTE_TIMEOUT_SECONDS says.
    pub(crate) total: At<Duration>,
}
