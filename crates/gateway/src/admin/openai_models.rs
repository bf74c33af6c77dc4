//! `/v1/models`: the routes as OpenAI's clients list models.

use super::{Ask, reply};
use crate::server::surfaces::dialect_of;
use crate::snapshot::Route;
use bytes::Bytes;
use http::{Response, StatusCode};
use lockgate_dialects::canonical::{Class, Failure};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// `/v1/models`
pub(super) fn list(ask: &Ask<'_>) -> Response<Bytes> {
    let created = started(ask);
    let data: Vec<Value> = ask.view.routes().map(|route| object(route, created)).collect();
    reply::json(StatusCode::OK, &json!({ "object": "list", "data": data }))
}

/// `/v1/models/{name}`
pub(super) fn one(ask: &Ask<'_>, name: &str) -> Response<Bytes> {
    if let Some(route) = ask.view.route(name) {
        return reply::json(StatusCode::OK, &object(route, started(ask)));
    }
    let failure = Failure {
        param: Some("model".to_owned()),
        ..Failure::new(Class::RouteNotFound, format!("The model '{name}' does not exist"))
    };
    let said = dialect_of("/v1/models").encode_error(&failure, ask.request_id);
    let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::NOT_FOUND);
    reply::of(status, "application/json", said.body.into())
}

fn object(route: &Route, created: u64) -> Value {
    let owner = &route.first_target().provider;
    json!({ "id": route.name, "object": "model", "created": created, "owned_by": owner })
}

/// Unix seconds of the process's start: the one time that is the same in every answer.
fn started(ask: &Ask<'_>) -> u64 {
    let start = SystemTime::now().checked_sub(ask.gateway.started.elapsed());
    start.and_then(|start| start.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{answer, sample};
    use crate::gateway::Gateway;
    use crate::server::surfaces::Page;
    use lockgate_config::Style;
    use lockgate_dialects::canonical::Operation;

    fn told(page: &Page) -> (u16, Value) {
        let route = || vec![sample::route("chat", Style::Classic, Operation::Chat)];
        let (gateway, view) = (Gateway::new(sample::snapshot(1, route())), sample::view(route()));
        let reply = answer(
            &Ask {
                gateway: &gateway,
                view: &view,
                query: None,
                tls: false,
                host: None,
                content_type: None,
                body: b"",
                request_id: "id-1",
            },
            page,
        );
        (reply.status().as_u16(), serde_json::from_slice(reply.body()).expect("JSON"))
    }

    #[test]
    fn an_openai_client_finds_every_route_as_a_model() {
        let (status, list) = told(&Page::Models);
        assert_eq!((status, &list["object"], &list["data"][0]["id"]), (200, &json!("list"), &json!("chat")));
        let (status, one) = told(&Page::Model("chat".to_owned()));
        assert_eq!((status, &one["object"], &one["owned_by"]), (200, &json!("model"), &json!("openai")));
        assert!(one["created"].as_u64().is_some_and(|created| created > 1_500_000_000));
    }

    #[test]
    fn an_unknown_model_is_an_error_that_openai_clients_read() {
        let (status, error) = told(&Page::Model("nope".to_owned()));
        assert_eq!(status, 404);
        assert!(error["error"]["message"].as_str().is_some_and(|text| text.contains("nope")), "{error}");
        assert_eq!(error["error"]["request_id"], "id-1");
    }
}
