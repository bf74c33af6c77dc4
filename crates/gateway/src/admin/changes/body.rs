//! What an admin sends: a route in the grammar of the config, or in the shapes in which MLflow's clients send one.

use super::super::Ask;
use crate::run_time::{Edit, Refusal};
use crate::server::changes::{Asked, Family};
use http::StatusCode;
use lockgate_dialects::mlflow_contract::{body::unreadable_content_type, limits};
use serde_json::{Map, Value};

/// Bytes of the longest body.
const LONGEST: usize = 64 << 10;

type Object = Map<String, Value>;

/// The change that a request asks for.
///
/// # Errors
/// A [`Refusal`] that names the field and the fix.
pub(super) fn edit(ask: &Ask<'_>, family: Family, asked: &Asked) -> Result<Edit, Refusal> {
    if let Asked::Delete(name) = asked {
        return Ok(Edit::Delete(name.clone()));
    }
    let body = object(ask)?;
    match asked {
        Asked::Create => entry(family, body, None).map(Edit::Create),
        Asked::Replace(name) => entry(family, body, Some(name)).map(Edit::Replace),
        _ => limit(ask.body, body),
    }
}

/// The body. Its content type must say that it is JSON: a web page can send anything else to any server.
fn object(ask: &Ask<'_>) -> Result<Object, Refusal> {
    if ask.body.len() > LONGEST {
        let detail = format!("The body is larger than the limit of {LONGEST} bytes");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", detail));
    }
    if ask
        .content_type
        .is_none_or(|kind| kind.trim().is_empty() || unreadable_content_type(Some(kind)).is_some())
    {
        return Err(Refusal::invalid(
            "Send the route as JSON, with the header 'content-type: application/json'",
        ));
    }
    match serde_json::from_slice(ask.body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Refusal::invalid("The body should be a JSON object")),
        Err(why) => {
            let detail = format!("The body is not JSON: line {}, column {}", why.line(), why.column());
            Err(Refusal::invalid(detail))
        }
    }
}

/// A route as it stands in the file.
fn entry(family: Family, body: Object, path: Option<&str>) -> Result<Object, Refusal> {
    let mut body = flattened(body)?;
    external_model(&mut body)?;
    // MLflow's clients send what they were not given.
    body.retain(|_, value| !value.is_null());
    let name = match (body.shift_remove("name"), path) {
        (None, Some(path)) => path.to_owned(),
        (Some(Value::String(name)), None) => name,
        (Some(Value::String(name)), Some(path)) if name == path => name,
        (Some(_), Some(path)) => {
            return Err(Refusal::invalid(format!(
                "name: should be '{path}', as in the path, or be left away"
            )));
        }
        (Some(_), None) => return Err(Refusal::invalid("name: should be a string")),
        (None, None) => return Err(Refusal::invalid("name: Field required")),
    };
    if !lockgate_config::is_name(&name) {
        let detail = "name: should be at most 128 letters, digits, '_', '-' and '.', and more than dots";
        return Err(Refusal::invalid(detail));
    }
    if family == Family::Endpoints
        && !body.contains_key("endpoint_type")
        && let Some(kind) = body.shift_remove("route_type")
    {
        body.insert("endpoint_type".to_owned(), kind);
    }
    if let Some(Value::Object(model)) = body.get_mut("model") {
        model.retain(|_, value| !value.is_null());
        own_config(model);
    }
    let mut entry = Object::from_iter([("name".to_owned(), Value::String(name))]);
    entry.extend(body);
    Ok(entry)
}

/// `create_endpoint(name, config)` of MLflow's deployments clients: the endpoint stands below `config`.
fn flattened(mut body: Object) -> Result<Object, Refusal> {
    match body.shift_remove("config") {
        None | Some(Value::Null) => Ok(body),
        Some(Value::Object(config)) => {
            if let Some(twice) = config.keys().find(|key| body.contains_key(*key)) {
                let twice = if lockgate_config::is_name(twice) { twice } else { "a key" };
                return Err(Refusal::invalid(format!("config: '{twice}' stands beside it, too")));
            }
            body.extend(config);
            Ok(body)
        }
        Some(_) => Err(Refusal::invalid("config: should be an object")),
    }
}

/// The rest of that shape: one served entity with an external model, `rate_limits`, and an option that is off.
fn external_model(body: &mut Object) -> Result<(), Refusal> {
    if body.get("route_optimized") == Some(&Value::Bool(false)) {
        body.shift_remove("route_optimized");
    }
    if let Some(limits) = body.shift_remove("rate_limits") {
        let limits = limits.as_array().ok_or_else(|| Refusal::invalid("rate_limits: should be a list"))?;
        body.insert("limit".to_owned(), only_limit(limits)?.unwrap_or_default());
    }
    let Some(entities) = body.shift_remove("served_entities") else { return Ok(()) };
    let wrong =
        || Refusal::invalid("served_entities: should be a list of one object that has an 'external_model'");
    let [Value::Object(entity)] = entities.as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err(wrong());
    };
    let Some(Value::Object(model)) = entity.get("external_model") else { return Err(wrong()) };
    if entity.keys().any(|key| !matches!(key.as_str(), "name" | "external_model"))
        || body.contains_key("model")
    {
        return Err(wrong());
    }
    let mut model = model.clone();
    if let Some(task) = model.shift_remove("task") {
        body.insert("endpoint_type".to_owned(), task);
    }
    body.insert("model".to_owned(), Value::Object(model));
    Ok(())
}

/// A model's `openai_config`, as MLflow's clients send it, is its `config`.
fn own_config(model: &mut Object) {
    let of_provider = |key: &&String| key.ends_with("_config");
    if !model.contains_key("config")
        && let Some(key) = model.keys().find(of_provider).cloned()
        && let Some(config) = model.shift_remove(&key)
    {
        model.insert("config".to_owned(), config);
    }
}

/// `set_limits(route, limits)`.
fn limit(bytes: &[u8], mut body: Object) -> Result<Edit, Refusal> {
    if let Err(failure) = limits::check(bytes) {
        return Err(Refusal::invalid(failure.sentence().into_owned()));
    }
    let (Some(Value::String(name)), Some(Value::Array(limits))) =
        (body.shift_remove("route"), body.shift_remove("limits"))
    else {
        return Err(Refusal::invalid(
            "The body should have 'route', a string, and 'limits', a list of objects",
        ));
    };
    Ok(Edit::Limit(name, only_limit(&limits)?))
}

fn only_limit(limits: &[Value]) -> Result<Option<Value>, Refusal> {
    match limits {
        [] => Ok(None),
        [limit @ Value::Object(_)] => Ok(Some(limit.clone())),
        [_] => Err(Refusal::invalid("limits: should be a list of objects")),
        _ => {
            Err(Refusal::invalid("limits: a route has one limit of this kind; send one, or none to lift it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn made(family: Family, body: Value) -> Result<Value, String> {
        let Value::Object(body) = body else { return Err("no object".to_owned()) };
        entry(family, body, None).map(Value::Object).map_err(|refusal| refusal.detail)
    }

    #[test]
    fn what_mlflows_clients_send_becomes_what_a_file_says() {
        let file = json!({
            "name": "a", "route_type": "llm/v1/chat",
            "model": {"name": "gpt-4", "provider": "openai", "config": {"openai_api_key": "k"}},
        });
        let create_route = json!({
            "name": "a", "route_type": "llm/v1/chat", "limit": null,
            "model": {"name": "gpt-4", "provider": "openai", "openai_config": {"openai_api_key": "k"}},
        });
        assert_eq!(made(Family::Routes, create_route), Ok(file.clone()));
        assert_eq!(made(Family::Routes, file.clone()), Ok(file.clone()));
        let mut endpoint = file.as_object().cloned().expect("an object");
        let kind = endpoint.shift_remove("route_type").expect("it is there");
        endpoint.insert("endpoint_type".to_owned(), kind);
        assert_eq!(made(Family::Endpoints, file.clone()).expect("a route"), Value::Object(endpoint.clone()));
        let below = json!({"name": "a", "config": {"endpoint_type": "llm/v1/chat", "model": file["model"]}});
        assert_eq!(made(Family::Endpoints, below).expect("a route"), Value::Object(endpoint.clone()));
        let external = json!({"name": "a", "route_optimized": false, "config": {"served_entities": [{
            "name": "x",
            "external_model": {
                "name": "gpt-4", "provider": "openai", "task": "llm/v1/chat", "openai_config": {"openai_api_key": "k"},
            },
        }]}});
        assert_eq!(made(Family::Endpoints, external).expect("a route"), Value::Object(endpoint));
    }

    #[test]
    fn what_cannot_be_meant_is_told_with_its_field() {
        for (body, field) in [
            (json!({}), "name"),
            (json!({"name": 5}), "name"),
            (json!({"name": ""}), "name"),
            (json!({"name": ".."}), "name"),
            (json!({"name": "a/b"}), "name"),
            (json!({"name": "a", "config": []}), "config"),
            (json!({"name": "a", "model": {}, "config": {"model": {}}}), "config"),
            (json!({"name": "a", "served_entities": []}), "served_entities"),
            (
                json!({"name": "a", "served_entities": [{"external_model": {}, "workload_size": "L"}]}),
                "served_entities",
            ),
            (json!({"name": "a", "rate_limits": [{}, {}]}), "limits"),
        ] {
            let told = made(Family::Endpoints, body.clone()).expect_err("it is wrong");
            assert!(told.starts_with(field), "{body}: {told}");
        }
    }
}
