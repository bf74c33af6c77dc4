//! Requests, written for the provider.

use super::turns::Turns;
use super::{config, tools};
use crate::canonical::{ChatRequest, Losses};
use crate::dialect::ModelTraits;
use crate::gemini::parts::NO_SUCH_FIELD;
use crate::raw::Draft;

/// Top-level fields that are the API's own, so that they may pass when another dialect's client writes them.
const NATIVE: [&str; 5] = ["safetySettings", "cachedContent", "labels", "modelArmorConfig", "serviceTier"];

/// Writes a request. Its path says whether the answer is streamed.
pub(crate) fn encode(request: &ChatRequest, model: &ModelTraits, losses: &mut Losses) -> Vec<u8> {
    let turns = Turns::of(request, model, losses);
    let mut body = Draft::default();
    if !model.model_in_url {
        body.set("model", &model.model);
    }
    body.set("contents", turns.contents());
    body.set_some("systemInstruction", turns.system());
    tools::set(&mut body, request, losses);
    body.set_some("generationConfig", config::write(request, model, losses));
    losses.add_if(request.user.is_some(), "user", "Gemini's API does not ask for the end user");
    for (name, value) in &request.extras.fields {
        let placed = [config::PREFIX, tools::PREFIX].iter().any(|prefix| name.starts_with(prefix))
            || request.extras.for_provider && config::OF_PROVIDERS.contains(&name.as_str());
        if NATIVE.contains(&name.as_str()) || request.extras.for_provider && !placed {
            body.set_raw(name, value.clone());
        } else if !placed {
            losses.add(name.as_str(), NO_SUCH_FIELD);
        }
    }
    body.into_body()
}
