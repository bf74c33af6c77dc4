//! The paths of the description.

use crate::snapshot::Route;
use crate::view::View;
use lockgate_config::Style;
use lockgate_dialects::canonical::Operation;
use serde_json::{Map, Value, json};

/// Every path and what stands there.
pub(super) fn of(view: &View) -> Map<String, Value> {
    let mut paths = Map::new();
    // MLflow's paths do not rank.
    for route in view.routes().filter(|route| route.operation != Operation::Rerank) {
        let prefix = if route.style == Style::Classic { "gateway" } else { "endpoints" };
        paths.insert(format!("/{prefix}/{}/invocations", route.name), invocations(route));
    }
    if view.routes().any(|route| route.style != Style::Classic) {
        let ranks = view.routes().any(|route| route.operation == Operation::Rerank);
        for operation in Operation::ALL.into_iter().filter(|of| ranks || *of != Operation::Rerank) {
            paths.insert(openai_path(operation).to_owned(), openai(operation, view));
        }
        listings(&mut paths, &NEWER, view);
    }
    if view.routes().any(|route| route.style == Style::Classic) {
        listings(&mut paths, &OLDER, view);
    }
    paths.insert("/health".to_owned(), get("Whether the gateway runs", "health", &json!([]), &ok("Health")));
    paths
}

fn invocations(route: &Route) -> Value {
    let target = route.first_target();
    let model = target.model.as_deref().unwrap_or("a model without a name");
    let summary = match route.style {
        Style::Traffic => format!("{} (a split between targets)", route.name),
        _ => format!("{}: {} / {model}", route.name, target.provider),
    };
    let form = form(route);
    json!({ "post": {
        "tags": [tag(route.operation)],
        "summary": summary,
        "operationId": format!("call_{}", route.name),
        "requestBody": reference("requestBodies", &form),
        "responses": {
            "200": reference("responses", &form),
            "422": reference("responses", "Invalid"),
            "default": reference("responses", "Error"),
        },
    } })
}

/// The name of the bodies that a route's path takes and gives.
fn form(route: &Route) -> String {
    let classic = if route.style == Style::Classic { "Classic" } else { "" };
    format!("{classic}{}", word(route.operation))
}

fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "Chat",
        Operation::Complete => "Completion",
        Operation::Embed => "Embedding",
        Operation::Rerank => "Rerank",
    }
}

fn tag(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "Chat",
        Operation::Complete => "Completions",
        Operation::Embed => "Embeddings",
        Operation::Rerank => "Ranking",
    }
}

fn openai_path(operation: Operation) -> &'static str {
    match operation {
        Operation::Chat => "/v1/chat/completions",
        Operation::Complete => "/v1/completions",
        Operation::Embed => "/v1/embeddings",
        Operation::Rerank => "/v1/rerank",
    }
}

/// A path of OpenAI's API; the example names the first route that fits.
fn openai(operation: Operation, view: &View) -> Value {
    let route = view.routes().find(|route| route.operation == operation);
    let model = route.map_or("a-route", |route| &route.name);
    let example = match operation {
        Operation::Chat => {
            json!({ "model": model, "messages": [{ "role": "user", "content": "Say hello." }] })
        }
        Operation::Complete => json!({ "model": model, "prompt": "A lock gate is", "max_tokens": 64 }),
        Operation::Embed => json!({ "model": model, "input": "A lock gate holds back water." }),
        Operation::Rerank => {
            json!({ "model": model, "query": "water", "documents": ["A lock gate.", "Water."] })
        }
    };
    let schema = reference("schemas", &format!("{}Request", word(operation)));
    json!({ "post": {
        "tags": ["OpenAI clients"],
        "summary": format!("{} of the route that `model` names", tag(operation)),
        "operationId": format!("openai_{}", operation.mlflow_word()),
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": schema, "example": example } },
        },
        "responses": {
            "200": reference("responses", word(operation)),
            "default": reference("responses", "Error"),
        },
    } })
}

/// What one generation of MLflow calls its listings.
struct Listings {
    base: &'static str,
    limits: &'static str,
    /// What a route is called.
    word: &'static str,
    /// The parameter of the path to one.
    name: &'static str,
    one: &'static str,
    many: &'static str,
    set: &'static str,
}

const OLDER: Listings = Listings {
    base: "/api/2.0/gateway/routes/",
    limits: "/api/2.0/gateway/limits/",
    word: "route",
    name: "route_name",
    one: "Route",
    many: "Routes",
    set: "SetRouteLimits",
};

const NEWER: Listings = Listings {
    base: "/api/2.0/endpoints/",
    limits: "/api/2.0/endpoints/limits/",
    word: "endpoint",
    name: "endpoint_name",
    one: "Endpoint",
    many: "Endpoints",
    set: "SetLimits",
};

fn listings(paths: &mut Map<String, Value>, of: &Listings, view: &View) {
    let Listings { base, limits, word, name, .. } = of;
    let page = json!([{ "$ref": "#/components/parameters/PageToken" }]);
    let none = json!({ "501": reference("responses", "NotImplemented") });
    paths.insert(
        (*base).to_owned(),
        get(&format!("List all {word}s"), &format!("list_{word}s"), &page, &ok(of.many)),
    );
    paths.insert(
        format!("{base}{{{name}}}"),
        get(&format!("One {word}"), &format!("get_{word}"), &in_path(name), &ok(of.one)),
    );
    paths.insert(
        format!("{limits}{{{word}}}"),
        get(&format!("Limits of a {word}"), &format!("get_{word}_limits"), &in_path(word), &none),
    );
    paths.insert(
        (*limits).to_owned(),
        json!({ "post": {
            "tags": ["Listings"],
            "summary": format!("Set limits of a {word}"),
            "operationId": format!("set_{word}_limits"),
            "requestBody": reference("requestBodies", of.set),
            "responses": {
                "422": reference("responses", "Invalid"),
                "501": reference("responses", "NotImplemented"),
            },
        } }),
    );
    if view.admin().is_some() {
        for (path, method) in [
            ((*base).to_owned(), "post"),
            (format!("{base}{{{name}}}"), "put"),
            (format!("{base}{{{name}}}"), "delete"),
        ] {
            paths[&path][method] = change(of, method);
        }
    }
}

/// What only an admin finds: how routes are made, changed and deleted.
fn change(of: &Listings, method: &str) -> Value {
    let Listings { word, name, .. } = of;
    let (verb, parameters) = match method {
        "post" => ("Make", json!([])),
        "put" => ("Replace", in_path(name)),
        _ => ("Delete", in_path(name)),
    };
    let mut operation = json!({
        "tags": ["Changes at run time"],
        "summary": format!("{verb} a {word} that the config file does not define"),
        "operationId": format!("{method}_{word}"),
        "parameters": parameters,
        "responses": {
            "200": { "description": "Done" },
            "default": reference("responses", "Error"),
        },
    });
    if method != "delete" {
        let kind = if *word == "route" { "route_type" } else { "endpoint_type" };
        let example = json!({
            "name": "made", kind: "llm/v1/chat",
            "model": { "provider": "openai", "name": "gpt-4o-mini", "config": { "openai_api_key": { "credential": "main" } } },
        });
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": { "type": "object" }, "example": example } },
        });
    }
    operation
}

fn get(summary: &str, id: &str, parameters: &Value, responses: &Value) -> Value {
    json!({ "get": {
        "tags": ["Listings"],
        "summary": summary,
        "operationId": id,
        "parameters": parameters,
        "responses": responses,
    } })
}

fn in_path(name: &str) -> Value {
    json!([{ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }])
}

fn ok(response: &str) -> Value {
    json!({ "200": reference("responses", response), "default": reference("responses", "Error") })
}

fn reference(section: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{section}/{name}") })
}
