//! `/openapi.json`: what the generation that serves can be asked, a path per route, each with a body to try.
//!
//! The paths are the ones that MLflow's own servers describe, so that code which is generated from them stays the
//! same; what else there is stands in the description.

mod paths;

use super::reply;
use crate::view::View;
use bytes::Bytes;
use http::{Response, StatusCode};
use lockgate_config::Style;
use serde_json::{Map, Value, json};

/// `/openapi.json`, written once per generation, and per caller that sees less.
pub(super) fn answer(view: &View) -> Response<Bytes> {
    let document = view.openapi().get_or_init(|| Bytes::from(document(view).to_string()));
    reply::of(StatusCode::OK, "application/json", document.clone())
}

/// The API's name, as the MLflow of the file's generation calls it.
pub(super) fn title(view: &View) -> &'static str {
    if view.is_classic() { "MLflow Gateway API" } else { "MLflow AI Gateway" }
}

fn document(view: &View) -> Value {
    let mut parts = vec![SHARED];
    parts.extend(view.routes().any(|route| route.style == Style::Classic).then_some(CLASSIC));
    parts.extend((!view.is_classic()).then_some(ENDPOINTS));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": title(view),
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
        },
        "paths": paths::of(view),
        "components": components(&parts),
    })
}

const SHARED: &str = include_str!("shared.json");
const CLASSIC: &str = include_str!("classic.json");
const ENDPOINTS: &str = include_str!("endpoints.json");

const DESCRIPTION: &str = "\
Served by [lockgate](/status). Each route answers under `/gateway/{name}/invocations` and \
`/endpoints/{name}/invocations`; OpenAI clients take `/v1` as their base URL and a route's name as the model \
(`/v1/chat/completions`, `/v1/responses`, `/v1/completions`, `/v1/embeddings`, `/v1/models`). Clients of Anthropic's, \
Google's, Cohere's and Ollama's APIs take this address.

Operators find [the status](/status), [metrics](/metrics), `/health` and `/ready`.";

/// The sections of all parts, joined.
fn components(parts: &[&str]) -> Value {
    let mut joined = Map::new();
    for part in parts {
        let part: Map<String, Value> =
            serde_json::from_str(part).expect("a file of this crate, read by the tests");
        for (section, named) in part {
            let (Value::Object(into), Value::Object(named)) =
                (joined.entry(section).or_insert_with(|| json!({})), named)
            else {
                continue;
            };
            into.extend(named);
        }
    }
    Value::Object(joined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::sample;
    use lockgate_dialects::canonical::Operation;

    fn described(style: Style) -> Value {
        let route = |(name, operation)| sample::route(name, style, operation);
        let routes = [("a", Operation::Chat), ("b", Operation::Complete), ("c", Operation::Embed)].map(route);
        described_of(routes.to_vec())
    }

    fn described_of(routes: Vec<lockgate_config::Route>) -> Value {
        let reply = answer(&sample::view(routes));
        assert_eq!(reply.headers()["content-type"], "application/json");
        serde_json::from_slice(reply.body()).expect("JSON")
    }

    fn paths(document: &Value) -> Vec<String> {
        let mut paths: Vec<String> = document["paths"]
            .as_object()
            .expect("paths")
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().expect("an item").keys().map(move |method| format!("{method} {path}"))
            })
            .collect();
        paths.sort();
        paths
    }

    #[test]
    fn a_classic_file_describes_the_paths_of_mlflow_2_8() {
        let document = described(Style::Classic);
        assert_eq!(document["info"]["title"], "MLflow Gateway API");
        assert_eq!(
            paths(&document),
            [
                "get /api/2.0/gateway/limits/{route}",
                "get /api/2.0/gateway/routes/",
                "get /api/2.0/gateway/routes/{route_name}",
                "get /health",
                "post /api/2.0/gateway/limits/",
                "post /gateway/a/invocations",
                "post /gateway/b/invocations",
                "post /gateway/c/invocations",
            ]
        );
    }

    #[test]
    fn an_endpoints_file_describes_the_paths_of_mlflow_2_22() {
        let document = described(Style::Endpoints);
        assert_eq!(document["info"]["title"], "MLflow AI Gateway");
        assert_eq!(
            paths(&document),
            [
                "get /api/2.0/endpoints/",
                "get /api/2.0/endpoints/limits/{endpoint}",
                "get /api/2.0/endpoints/{endpoint_name}",
                "get /health",
                "post /api/2.0/endpoints/limits/",
                "post /endpoints/a/invocations",
                "post /endpoints/b/invocations",
                "post /endpoints/c/invocations",
                "post /v1/chat/completions",
                "post /v1/completions",
                "post /v1/embeddings",
            ]
        );
        let example =
            &document["paths"]["/v1/embeddings"]["post"]["requestBody"]["content"]["application/json"];
        assert_eq!(example["example"]["model"], "c");
    }

    #[test]
    fn a_route_that_ranks_is_described_where_it_is_asked() {
        let document = described_of(vec![sample::route("r", Style::Endpoints, Operation::Rerank)]);
        let asked: Vec<_> = paths(&document).into_iter().filter(|path| path.starts_with("post /")).collect();
        assert!(asked.contains(&"post /v1/rerank".to_owned()), "{asked:?}");
        assert!(!asked.iter().any(|path| path.contains("invocations")), "{asked:?}");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let ranks = described_of(vec![sample::route("r", Style::Endpoints, Operation::Rerank)]);
        let styles = [Style::Classic, Style::Endpoints, Style::Traffic].map(described);
        for document in styles.into_iter().chain([ranks]) {
            let mut references = Vec::new();
            collect(&document, &mut references);
            assert!(references.len() > 20);
            for reference in references {
                let at = reference.strip_prefix('#').expect("within the document");
                assert!(document.pointer(at).is_some(), "{reference}");
            }
        }
    }

    fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                references.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| collect(field, references));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
            _ => {}
        }
    }
}
