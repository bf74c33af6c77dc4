//! MLflow's listings of routes and endpoints, and its limits API (MLflow contract, sections 4, 6 and 9.1).

use super::page_token::{self, BadToken};
use super::{Ask, reply};
use crate::server::changes::Family;
use crate::server::surfaces::dialect_of;
use crate::snapshot::Route;
use crate::view::View;
use bytes::Bytes;
use http::{Response, StatusCode};
use lockgate_config::Style;
use lockgate_dialects::mlflow_contract::{body, limits as limits_body};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Routes per page.
const PAGE: usize = 3000;

/// `/api/2.0/gateway/routes/`
pub(super) fn routes(view: &View, query: Option<&str>) -> Response<Bytes> {
    page(view, query, "routes", route_object)
}

/// `/api/2.0/endpoints/`
pub(super) fn endpoints(view: &View, query: Option<&str>) -> Response<Bytes> {
    page(view, query, "endpoints", endpoint_object)
}

/// `/api/2.0/gateway/routes/{name}`
pub(super) fn route(view: &View, name: &str) -> Response<Bytes> {
    one(view, name, "route", |route| (!is_split(route)).then(|| route_object(route)))
}

/// `/api/2.0/endpoints/{name}` and `/api/3.0/gateway/endpoint/{name}`
pub(super) fn endpoint(view: &View, name: &str) -> Response<Bytes> {
    one(view, name, "endpoint", |route| (!is_split(route)).then(|| endpoint_object(route)))
}

/// `/api/3.0/gateway/route/{name}`: a traffic split.
pub(super) fn traffic_route(view: &View, name: &str) -> Response<Bytes> {
    one(view, name, "route", |route| is_split(route).then(|| split_object(view, route)))
}

/// `/api/2.0/…/limits/{name}`: MLflow's servers have the path and nothing behind it.
pub(super) fn get_limits(classic: bool) -> Response<Bytes> {
    no_limits("get_limits", classic)
}

/// `POST /api/2.0/…/limits/`: the body is checked first, as there.
pub(super) fn set_limits(ask: &Ask<'_>, classic: bool) -> Response<Bytes> {
    let checked =
        body::unreadable_content_type(ask.content_type).map_or_else(|| limits_body::check(ask.body), Err);
    match checked {
        Ok(()) => no_limits("set_limits", classic),
        Err(failure) => {
            let said = dialect_of("/api/2.0/").encode_error(&failure, ask.request_id);
            let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
            reply::of(status, "application/json", said.body.into())
        }
    }
}

/// The same for an admin: the limits of a route, as MLflow's clients read them.
pub(super) fn limits_of(view: &View, family: Family, name: &str) -> Response<Bytes> {
    one(view, name, family.word(), |route| Some(limits(route)))
}

/// A route's limits, of which MLflow's grammar has one at most.
pub(super) fn limits(route: &Route) -> Value {
    json!({ "limits": route.limit.iter().map(|_| limit(route)).collect::<Vec<_>>() })
}

/// A route as the paths of `family` show it.
pub(super) fn object(family: Family, route: &Route) -> Value {
    match family {
        Family::Routes => route_object(route),
        Family::Endpoints => endpoint_object(route),
    }
}

fn no_limits(call: &str, classic: bool) -> Response<Bytes> {
    let so_far = if classic { "in OSS MLflow AI Gateway" } else { "yet" };
    reply::detail(StatusCode::NOT_IMPLEMENTED, format!("The {call} API is not available {so_far}."))
}

fn page(view: &View, query: Option<&str>, key: &str, object: fn(&Route) -> Value) -> Response<Bytes> {
    let start = match page_token::start(query) {
        Ok(start) => start,
        Err(BadToken) => {
            let text =
                "The page_token is not one that this server gave out; leave it away for the first page.";
            return reply::detail(StatusCode::BAD_REQUEST, text);
        }
    };
    // Traffic splits have listings of their own in MLflow 3.
    let mut rest = view.routes().filter(|route| !is_split(route)).skip(start);
    let listed: Vec<Value> = rest.by_ref().take(PAGE).map(|route| object(route)).collect();
    let next = rest.next().map(|_| page_token::token(start + PAGE));
    let body =
        Map::from_iter([(key.to_owned(), Value::from(listed)), ("next_page_token".to_owned(), next.into())]);
    reply::json(StatusCode::OK, &Value::Object(body))
}

fn one(
    view: &View,
    name: &str,
    word: &str,
    object: impl FnOnce(&Arc<Route>) -> Option<Value>,
) -> Response<Bytes> {
    match view.route(name).and_then(object) {
        Some(object) => reply::json(StatusCode::OK, &object),
        None => reply::detail(
            StatusCode::NOT_FOUND,
            format!(
                "The {word} '{name}' is not present or active on the server. Please verify the {word} name."
            ),
        ),
    }
}

fn is_split(route: &Route) -> bool {
    route.style == Style::Traffic
}

/// A route as 2.8 lists it; those of newer files have a `limit` too.
fn route_object(route: &Route) -> Value {
    let mut object = json!({
        "name": route.name,
        "route_type": route.operation.route_type(),
        "model": model(route),
        "route_url": url(route),
    });
    if route.style != Style::Classic {
        object["limit"] = limit(route);
    }
    object
}

fn endpoint_object(route: &Route) -> Value {
    json!({
        "name": route.name,
        "endpoint_type": route.operation.route_type(),
        "model": model(route),
        "endpoint_url": url(route),
        "limit": limit(route),
    })
}

/// The destinations are the endpoints that stand for the same targets.
fn split_object(view: &View, route: &Route) -> Value {
    let endpoint = |target| {
        let mut endpoints = view.routes().filter(|route| !is_split(route));
        endpoints.find(|endpoint| Arc::ptr_eq(endpoint.first_target(), target)).map(|endpoint| &endpoint.name)
    };
    let destination = |(weight, target)| json!({ "name": endpoint(target), "traffic_percentage": weight });
    json!({
        "name": route.name,
        "task_type": route.operation.route_type(),
        "destinations": route.shares().map(destination).collect::<Vec<_>>(),
        "routing_strategy": "TRAFFIC_SPLIT",
    })
}

fn model(route: &Route) -> Value {
    let target = route.first_target();
    json!({ "name": target.model, "provider": target.provider })
}

/// Endpoints too are listed with the older path, which MLflow's own pages rely on.
fn url(route: &Route) -> String {
    format!("/gateway/{}/invocations", route.name)
}

fn limit(route: &Route) -> Value {
    route.limit.as_ref().map_or(
        Value::Null,
        |limit| json!({ "calls": limit.calls, "key": limit.key, "renewal_period": limit.renewal_period }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::sample;
    use lockgate_config::Share;
    use lockgate_dialects::canonical::Operation;

    fn told(reply: &Response<Bytes>) -> (u16, Value) {
        assert_eq!(reply.headers()["content-type"], "application/json");
        (reply.status().as_u16(), serde_json::from_slice(reply.body()).expect("JSON"))
    }

    fn classic() -> View {
        sample::view(vec![sample::route("chat", Style::Classic, Operation::Chat)])
    }

    #[test]
    fn a_classic_route_is_listed_as_mlflow_2_8_does() {
        let route = json!({
            "name": "chat", "route_type": "llm/v1/chat", "model": {"name": "gpt-4", "provider": "openai"},
            "route_url": "/gateway/chat/invocations",
        });
        assert_eq!(told(&super::route(&classic(), "chat")), (200, route.clone()));
        let list = json!({ "routes": [route], "next_page_token": null });
        assert_eq!(told(&routes(&classic(), None)), (200, list));
    }

    #[test]
    fn an_endpoint_is_listed_with_its_limit_on_new_and_old_paths() {
        let mut limited = sample::route("chat", Style::Endpoints, Operation::Chat);
        limited.limit = Some(sample::limit());
        let snapshot = sample::view(vec![limited]);
        let limit = json!({"calls": 2, "key": null, "renewal_period": "minute"});
        let (_, listed) = told(&endpoint(&snapshot, "chat"));
        assert_eq!((&listed["endpoint_type"], &listed["limit"]), (&json!("llm/v1/chat"), &limit));
        assert_eq!(listed["endpoint_url"], "/gateway/chat/invocations");
        assert_eq!(told(&route(&snapshot, "chat")).1["limit"], limit);
        let plain = sample::route("chat", Style::Endpoints, Operation::Chat);
        let (_, listed) = told(&endpoint(&sample::view(vec![plain]), "chat"));
        assert_eq!(listed.get("limit"), Some(&Value::Null));
    }

    #[test]
    fn an_unknown_name_is_told_in_mlflows_words() {
        let text = "The route 'CHAT' is not present or active on the server. Please verify the route name.";
        assert_eq!(told(&route(&classic(), "CHAT")), (404, json!({ "detail": text })));
        let text =
            "The endpoint 'x' is not present or active on the server. Please verify the endpoint name.";
        assert_eq!(told(&endpoint(&classic(), "x")), (404, json!({ "detail": text })));
    }

    #[test]
    fn a_long_list_comes_in_pages() {
        let route = |n: usize| sample::route(&format!("r{n}"), Style::Classic, Operation::Chat);
        let snapshot = sample::view((0..PAGE + 2).map(route).collect());
        let (_, first) = told(&routes(&snapshot, None));
        assert_eq!(first["routes"].as_array().map(Vec::len), Some(PAGE));
        assert_eq!(first["next_page_token"], "eyJpbmRleCI6IDMwMDB9");
        let (_, second) = told(&routes(&snapshot, Some("page_token=eyJpbmRleCI6IDMwMDB9")));
        assert_eq!(
            (&second["routes"][1]["name"], &second["next_page_token"]),
            (&json!("r3001"), &Value::Null)
        );
        let (_, exact) = told(&routes(&snapshot, Some("page_token=eyJpbmRleCI6IDJ9")));
        assert_eq!(exact["next_page_token"], Value::Null);
        assert_eq!(told(&routes(&snapshot, Some("page_token="))).0, 400);
    }

    #[test]
    fn a_traffic_split_names_the_endpoints_that_share_it() {
        let (a, b) = (sample::target("openai", Some("a")), sample::target("cohere", Some("b")));
        let mut split = sample::to("split", Style::Traffic, Operation::Chat, &a);
        split.targets =
            vec![Share { target: a.clone(), weight: 80 }, Share { target: b.clone(), weight: 20 }];
        let snapshot = sample::view(vec![
            sample::to("first", Style::Endpoints, Operation::Chat, &a),
            sample::to("second", Style::Endpoints, Operation::Chat, &b),
            split,
        ]);
        let expected = json!({
            "name": "split", "task_type": "llm/v1/chat", "routing_strategy": "TRAFFIC_SPLIT",
            "destinations": [
                {"name": "first", "traffic_percentage": 80}, {"name": "second", "traffic_percentage": 20},
            ],
        });
        assert_eq!(told(&traffic_route(&snapshot, "split")), (200, expected));
        assert_eq!(told(&traffic_route(&snapshot, "first")).0, 404);
        assert_eq!(told(&endpoint(&snapshot, "split")).0, 404);
        assert_eq!(told(&endpoints(&snapshot, None)).1["endpoints"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn the_limits_api_says_what_each_generation_said() {
        let detail = |reply: &Response<Bytes>| told(reply).1["detail"].clone();
        assert_eq!(
            detail(&get_limits(true)),
            "The get_limits API is not available in OSS MLflow AI Gateway."
        );
        assert_eq!(detail(&get_limits(false)), "The get_limits API is not available yet.");
        assert_eq!(get_limits(true).status(), 501);
    }

    #[test]
    fn limits_that_are_no_limits_are_told_field_by_field() {
        let view = classic();
        let gateway = crate::gateway::Gateway::new(sample::snapshot(1, Vec::new()));
        let set = |content_type, body: &[u8]| {
            let ask = Ask { content_type, body, ..sample::ask(&gateway, &view) };
            told(&set_limits(&ask, true))
        };
        let json = Some("application/json");
        let (status, told) = set(json, br#"{"route": "chat", "limits": [{"calls": 1}]}"#);
        let text = "The set_limits API is not available in OSS MLflow AI Gateway.";
        assert_eq!((status, told), (501, json!({ "detail": text })));
        let (status, told) = set(json, br#"{"route": 5, "limits": {}}"#);
        assert_eq!((status, &told["detail"][0]["loc"]), (422, &json!(["body", "route"])));
        assert_eq!(told["detail"][1]["loc"], json!(["body", "limits"]));
        assert_eq!(set(Some("text/plain"), b"{}").0, 422);
    }
}
