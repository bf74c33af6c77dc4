//! MLflow's own parameter rules, on MLflow's paths only.

use super::translate::Asked;
use crate::snapshot::HttpService;
use lockgate_config::{Facts, refused};
use lockgate_dialects::Dialect;
use lockgate_dialects::canonical::{Class, Extras, Failure, Role, Sampling};

/// Refuses what MLflow's server refuses before it asks the provider.
///
/// # Errors
/// [`Class::RefusedParameter`] with MLflow's status and text.
pub(crate) fn refuse(asked: &Asked, surface: &dyn Dialect, service: &HttpService) -> Result<(), Failure> {
    if asked.model().is_some() && !service.allows_model {
        return Err(Failure::new(Class::RefusedParameter(422), MODEL_GIVEN));
    }
    let (sampling, extras) = (asked.sampling(), asked.extras());
    let extra = |name: &str| known(asked, name).or_else(|| value(extras, name));
    let facts = Facts {
        classic: surface.count_name() == "candidate_count",
        count_name: surface.count_name(),
        count: sampling.and_then(|sampling| sampling.n),
        max_tokens: sampling.and_then(|sampling| Some(sampling.max_tokens?.value)),
        stop: sampling.is_some_and(|sampling| sampling.stop.is_some()),
        messages: asked.messages().len(),
        last_role: asked.messages().last().map(|message| word(&message.role)),
        extra: &extra,
    };
    match refused(&service.refuses, &facts) {
        None => Ok(()),
        Some((status, message)) => Err(Failure::new(Class::RefusedParameter(status), message)),
    }
}

const MODEL_GIVEN: &str = "The parameter 'model' is not permitted to be passed. The route being queried already \
    defines a model instance.";

/// A parameter that the rules call an extra, but that has a place of its own in the canonical model.
fn known(asked: &Asked, name: &str) -> Option<serde_json::Value> {
    let Sampling { top_p, .. } = asked.sampling()?;
    match name {
        "top_p" => top_p.map(serde_json::Value::from),
        _ => None,
    }
}

fn value(extras: &Extras, name: &str) -> Option<serde_json::Value> {
    serde_json::from_str(extras.get(name)?.get()).ok()
}

fn word(role: &Role) -> &str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
        Role::Function => "function",
        Role::Other(word) => word,
    }
}
