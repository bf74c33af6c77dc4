//! The APIs that clients speak beside MLflow's older ones: under which prefixes, at which paths, in which dialect.

use super::{Entry, Listing, Page, Surface};
use crate::view::View;
use lockgate_dialects::by_name;
use lockgate_dialects::canonical::Operation::{self, Chat, Complete, Embed, Rerank};

/// An API as its SDKs see it: a base URL, and paths below it.
struct Api {
    /// Where it stands; `/gateway/…` is where MLflow 3 has it.
    prefixes: &'static [&'static str],
    calls: &'static [Call],
    /// Where routes are listed as models, and in which form.
    models: Option<(&'static str, Listing)>,
    /// What errors of paths that do not exist speak.
    dialect: &'static str,
}

/// A path at which a model is called.
struct Call {
    path: Path,
    dialect: &'static str,
    operation: Operation,
    /// Whether the answer is a stream, where the path says so and not the body.
    streamed: Option<bool>,
    /// What the query must hold.
    query: Option<&'static str>,
    /// Whether only the request's tokens are asked for.
    counts: bool,
}

enum Path {
    /// The body names the model.
    Is(&'static str),
    /// The model's name stands between these.
    Names(&'static str, &'static str),
}

const fn call(path: &'static str, dialect: &'static str, operation: Operation) -> Call {
    Call { path: Path::Is(path), dialect, operation, streamed: None, query: None, counts: false }
}

const fn named(
    path: (&'static str, &'static str),
    dialect: &'static str,
    operation: Operation,
    streamed: bool,
) -> Call {
    Call {
        path: Path::Names(path.0, path.1),
        dialect,
        operation,
        streamed: Some(streamed),
        query: None,
        counts: false,
    }
}

static APIS: &[Api] = &[
    Api {
        prefixes: &["/v1/", "/openai/v1/", "/gateway/openai/v1/", "/gateway/mlflow/v1/"],
        calls: &[
            call("chat/completions", "openai_chat", Chat),
            call("responses", "openai_responses", Chat),
            call("completions", "openai_completions", Complete),
            call("embeddings", "openai_embeddings", Embed),
            call("rerank", "jina_rerank", Rerank),
        ],
        models: Some(("models", Listing::OpenAi)),
        dialect: "openai_chat",
    },
    Api {
        prefixes: &["/v1/", "/anthropic/v1/", "/gateway/anthropic/v1/"],
        calls: &[
            call("messages", "anthropic_messages", Chat),
            Call { counts: true, ..call("messages/count_tokens", "anthropic_messages", Chat) },
            call("complete", "anthropic_complete", Complete),
        ],
        models: Some(("models", Listing::Anthropic)),
        dialect: "anthropic_messages",
    },
    Api {
        prefixes: &["/v1beta/", "/v1/", "/gemini/v1beta/", "/gemini/v1/", "/gateway/gemini/v1beta/"],
        calls: &[
            named(("models/", ":generateContent"), "gemini", Chat, false),
            Call {
                query: Some("alt=sse"),
                ..named(("models/", ":streamGenerateContent"), "gemini", Chat, true)
            },
            named(("models/", ":streamGenerateContent"), "gemini_array", Chat, true),
            Call { counts: true, ..named(("models/", ":countTokens"), "gemini", Chat, false) },
            named(("models/", ":embedContent"), "gemini", Embed, false),
            named(("models/", ":batchEmbedContents"), "gemini_batch", Embed, false),
        ],
        models: Some(("models", Listing::Gemini)),
        dialect: "gemini",
    },
    Api {
        prefixes: &["/v2/", "/cohere/v2/"],
        calls: &[
            call("chat", "cohere_v2", Chat),
            call("embed", "cohere_v2", Embed),
            call("rerank", "cohere_v2", Rerank),
        ],
        models: None,
        dialect: "cohere_v2",
    },
    Api {
        prefixes: &["/cohere/v1/"],
        calls: &[
            call("chat", "cohere_v1", Chat),
            call("generate", "cohere_v1", Complete),
            call("embed", "cohere_v1", Embed),
            call("rerank", "cohere_v1", Rerank),
        ],
        models: Some(("models", Listing::Cohere)),
        dialect: "cohere_v1",
    },
    Api {
        prefixes: &["/bedrock/"],
        calls: &[
            named(("model/", "/converse"), "bedrock_converse", Chat, false),
            named(("model/", "/converse-stream"), "bedrock_converse", Chat, true),
        ],
        models: None,
        dialect: "bedrock_converse",
    },
    Api {
        prefixes: &["/api/", "/ollama/api/"],
        calls: &[call("chat", "ollama", Chat), call("embed", "ollama", Embed)],
        models: Some(("tags", Listing::Ollama)),
        dialect: "ollama",
    },
];

/// What stands at `path`.
pub(super) fn entry(path: &str, query: &str) -> Option<Entry> {
    let call = below(path).find_map(|(api, rest)| api.calls.iter().find_map(|call| call.entry(rest, query)));
    call.or_else(|| below(path).find_map(|(api, rest)| api.page(rest)).map(Entry::Get))
}

/// The dialect of the API that `path` belongs to, whether anything stands there or not.
pub(super) fn dialect(path: &str) -> Option<&'static str> {
    let called =
        below(path).find_map(|(api, rest)| api.calls.iter().find(|call| call.path.names(rest).is_some()));
    called.map(|call| call.dialect).or_else(|| below(path).next().map(|(api, _)| api.dialect))
}

/// MLflow 3's `/gateway/{name}/mlflow/invocations`: OpenAI's bodies, whatever the route serves.
pub(super) fn mlflow3(path: &str, view: &View) -> Option<Entry> {
    let name = path.strip_prefix("/gateway/")?.strip_suffix("/mlflow/invocations")?;
    let operation = view.route(name)?.operation;
    let dialect = match operation {
        Chat => "openai_chat",
        Complete => "openai_completions",
        Embed => "openai_embeddings",
        Rerank => "jina_rerank",
    };
    let (route, operation) = (Some(name.to_owned()), Some(operation));
    Some(Entry::Call(Surface {
        dialect: by_name(dialect)?,
        operation,
        route,
        streamed: None,
        counts: false,
        mlflow: false,
    }))
}

/// The APIs under whose prefix `path` stands, with what follows it.
fn below(path: &str) -> impl Iterator<Item = (&'static Api, &str)> {
    APIS.iter().flat_map(move |api| {
        api.prefixes.iter().filter_map(move |prefix| Some((api, path.strip_prefix(prefix)?)))
    })
}

impl Api {
    fn page(&self, rest: &str) -> Option<Page> {
        let (models, listing) = self.models?;
        match rest.strip_prefix(models)?.strip_prefix('/') {
            None => (rest == models).then_some(Page::Models(listing)),
            Some(name) => (!name.is_empty()).then(|| Page::Model(listing, name.to_owned())),
        }
    }
}

impl Call {
    fn entry(&self, rest: &str, query: &str) -> Option<Entry> {
        let route = self.path.names(rest)?;
        if self.query.is_some_and(|wanted| !query.split('&').any(|pair| pair == wanted)) {
            return None;
        }
        Some(Entry::Call(Surface {
            dialect: by_name(self.dialect)?,
            operation: Some(self.operation),
            route: route.map(str::to_owned),
            streamed: self.streamed,
            counts: self.counts,
            mlflow: false,
        }))
    }
}

impl Path {
    /// Whether `rest` is this path, and the model that it names.
    fn names<'a>(&self, rest: &'a str) -> Option<Option<&'a str>> {
        match self {
            Self::Is(path) => (rest == *path).then_some(None),
            Self::Names(before, after) => {
                let name = rest.strip_prefix(before)?.strip_suffix(after)?;
                (!name.is_empty()).then_some(Some(name))
            }
        }
    }
}
