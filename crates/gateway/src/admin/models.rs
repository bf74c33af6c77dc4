//! The routes as each API lists models.

use super::{Ask, reply};
use crate::server::surfaces::{Listing, dialect_of};
use crate::snapshot::Route;
use bytes::Bytes;
use http::{Response, StatusCode};
use lockgate_dialects::canonical::{Class, Failure, Operation};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// All routes. Nothing is split into pages: what a listing's `limit` or `pageSize` asks for is an upper bound that a
/// gateway's routes rarely reach, and clients read on only where an answer says that there is more.
pub(super) fn list(ask: &Ask<'_>, listing: Listing) -> Response<Bytes> {
    let (listing, started) = (spoken(ask, listing), started(ask));
    let routes: Vec<Value> = ask.view.routes().map(|route| object(listing, route, started)).collect();
    let body = match listing {
        Listing::OpenAi => json!({ "object": "list", "data": routes }),
        Listing::Anthropic => {
            let end = |route: Option<&Value>| route.map_or(Value::Null, |route| route["id"].clone());
            let (first, last) = (end(routes.first()), end(routes.last()));
            json!({ "data": routes, "has_more": false, "first_id": first, "last_id": last })
        }
        Listing::Gemini | Listing::Cohere | Listing::Ollama => json!({ "models": routes }),
    };
    reply::json(StatusCode::OK, &body)
}

/// One route.
pub(super) fn one(ask: &Ask<'_>, listing: Listing, name: &str) -> Response<Bytes> {
    let listing = spoken(ask, listing);
    if let Some(route) = ask.view.route(name) {
        return reply::json(StatusCode::OK, &object(listing, route, started(ask)));
    }
    let failure = Failure {
        param: Some("model".to_owned()),
        ..Failure::new(Class::RouteNotFound, format!("The model '{name}' does not exist"))
    };
    let said = dialect_of(listing.path()).encode_error(&failure, ask.request_id);
    let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::NOT_FOUND);
    reply::of(status, "application/json", said.body.into())
}

/// Several APIs list models at the same path, which is OpenAI's unless the client says otherwise.
fn spoken(ask: &Ask<'_>, listing: Listing) -> Listing {
    ask.listing.filter(|_| listing == Listing::OpenAi).unwrap_or(listing)
}

/// A route as `listing` has a model. `created` is in Unix seconds.
fn object(listing: Listing, route: &Route, created: i64) -> Value {
    let (name, operation) = (&route.name, route.operation);
    match listing {
        Listing::OpenAi => {
            let owner = &route.first_target().provider;
            json!({ "id": name, "object": "model", "created": created, "owned_by": owner })
        }
        Listing::Anthropic => {
            json!({ "type": "model", "id": name, "display_name": name, "created_at": date(created) })
        }
        Listing::Gemini => {
            let methods: &[&str] = match operation {
                Operation::Chat | Operation::Complete => &["generateContent"],
                Operation::Embed => &["embedContent", "batchEmbedContents"],
                Operation::Rerank => &[],
            };
            let name = format!("models/{name}");
            json!({ "name": name, "displayName": route.name, "supportedGenerationMethods": methods })
        }
        Listing::Cohere => {
            let endpoint = match operation {
                Operation::Chat => "chat",
                Operation::Complete => "generate",
                Operation::Embed => "embed",
                Operation::Rerank => "rerank",
            };
            json!({ "name": name, "endpoints": [endpoint] })
        }
        Listing::Ollama => {
            let details =
                json!({ "format": "", "family": "", "parameter_size": "", "quantization_level": "" });
            json!({ "name": name, "model": name, "modified_at": date(created), "size": 0, "digest": "", "details": details })
        }
    }
}

fn date(unix: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(unix).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    date.format(&Rfc3339).unwrap_or_default()
}

/// Unix seconds of the process's start: the one time that is the same in every answer.
fn started(ask: &Ask<'_>) -> i64 {
    let start = SystemTime::now().checked_sub(ask.gateway.started.elapsed());
    let since = start.and_then(|start| start.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::sample;
    use crate::gateway::Gateway;
    use crate::server::surfaces::Page;
    use lockgate_config::Style;
    use lockgate_dialects::canonical::Operation;

    fn told(page: &Page) -> (u16, Value) {
        let route = || vec![sample::route("chat", Style::Classic, Operation::Chat)];
        let (gateway, view) = (Gateway::new(sample::snapshot(1, route())), sample::view(route()));
        let ask = sample::ask(&gateway, &view);
        let reply = match page {
            Page::Model(listing, name) => one(&ask, *listing, name),
            Page::Models(listing) => list(&ask, *listing),
            _ => panic!("{page:?} lists no models"),
        };
        (reply.status().as_u16(), serde_json::from_slice(reply.body()).expect("JSON"))
    }

    #[test]
    fn an_openai_client_finds_every_route_as_a_model() {
        let (status, list) = told(&Page::Models(Listing::OpenAi));
        assert_eq!((status, &list["object"], &list["data"][0]["id"]), (200, &json!("list"), &json!("chat")));
        let (status, one) = told(&Page::Model(Listing::OpenAi, "chat".to_owned()));
        assert_eq!((status, &one["object"], &one["owned_by"]), (200, &json!("model"), &json!("openai")));
        assert!(one["created"].as_u64().is_some_and(|created| created > 1_500_000_000));
    }

    #[test]
    fn an_unknown_model_is_an_error_that_openai_clients_read() {
        let (status, error) = told(&Page::Model(Listing::OpenAi, "nope".to_owned()));
        assert_eq!(status, 404);
        assert!(error["error"]["message"].as_str().is_some_and(|text| text.contains("nope")), "{error}");
        assert_eq!(error["error"]["request_id"], "id-1");
    }
}
