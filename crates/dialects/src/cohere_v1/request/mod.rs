//! Requests: what the three operations share.

mod chat;
mod embed;
mod generate;

pub(super) use chat::{decode as decode_chat, encode as encode_chat};
pub(super) use embed::{decode as decode_embed, encode as encode_embed};
pub(super) use generate::{decode as decode_generate, encode as encode_generate};

use super::NO_SUCH_FIELD;
use crate::canonical::{Extras, Losses, MaxTokens, Sampling, Temperature};
use crate::dialect::ModelTraits;
use crate::raw::{Draft, Object, Read};

/// A body that names the model, where it has the place.
pub(crate) fn body_for(model: &ModelTraits) -> Draft {
    let mut body = Draft::default();
    if !model.model_in_url {
        body.set("model", &model.model);
    }
    body
}

/// Sets the sampling parameters in Cohere's words, the count of answers apart.
pub(crate) fn set_sampling(body: &mut Draft, sampling: &Sampling, model: &ModelTraits, losses: &mut Losses) {
    body.set_some("temperature", model.temperature(sampling, losses));
    body.set_some("p", sampling.top_p);
    body.set_some("k", sampling.top_k);
    body.set_some("stop_sequences", sampling.stop.as_ref());
    body.set_some("max_tokens", sampling.max_tokens.map(|max| max.value));
    body.set_some("frequency_penalty", sampling.frequency_penalty);
    body.set_some("presence_penalty", sampling.presence_penalty);
    body.set_some("seed", sampling.seed);
}

/// Takes the sampling parameters, the count of answers apart.
pub(crate) fn take_sampling(object: &mut Object<'_>) -> Read<Sampling> {
    let temperature = object.number("temperature")?;
    let max_tokens = object.count("max_tokens")?;
    Ok(Sampling {
        temperature: temperature.map(Temperature::given),
        top_p: object.number("p")?,
        top_k: object.count("k")?,
        n: None,
        stop: object.strings("stop_sequences")?,
        max_tokens: max_tokens.map(|value| MaxTokens { value, completion: false }),
        frequency_penalty: object.number("frequency_penalty")?,
        presence_penalty: object.number("presence_penalty")?,
        seed: object.integer("seed")?,
    })
}

/// Adds the client's other fields where they are meant for the provider, else records them.
fn set_extras(body: &mut Draft, extras: &Extras, losses: &mut Losses) {
    body.set_extras(extras, |_, _| false, NO_SUCH_FIELD, losses);
}
