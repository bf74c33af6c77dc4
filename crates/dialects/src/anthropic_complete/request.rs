//! Requests of `/v1/complete`.

use crate::anthropic_messages::parameters::{self, NO_SUCH_FIELD};
use crate::canonical::{CompletionRequest, Extras, Failure, Losses, Prompt};
use crate::dialect::ModelTraits;
use crate::raw::{Draft, Mismatch, Object, Read};

/// What MLflow asks for when the client gave no limit; the API requires one.
const DEFAULT_MAX_TOKENS: u64 = 200_000;
const HUMAN: &str = "\n\nHuman: ";
const ASSISTANT: &str = "\n\nAssistant:";

/// Writes a request for the provider.
pub(super) fn encode(
    request: &CompletionRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let Prompt::Text(prompt) = &request.prompt else {
        return Err(Failure::invalid("prompt", "Anthropic's completions take one prompt as a string"));
    };
    let sampling = &request.sampling;
    let mut body = Draft::default();
    if !model.model_in_url {
        body.set("model", &model.model);
    }
    parameters::set_sampling(&mut body, sampling, model, losses);
    body.set("max_tokens_to_sample", sampling.max_tokens.map_or(DEFAULT_MAX_TOKENS, |max| max.value));
    body.set("prompt", wrap(prompt));
    body.set_some("stream", request.stream);
    parameters::set_user(&mut body, request.user.as_ref());
    let mut extras = request.extras.clone();
    extras.fields.retain(|(name, _)| {
        // Of two equal names MLflow sends the later one, and puts its default last.
        let taken = name == "max_tokens_to_sample" && sampling.max_tokens.is_none();
        losses.add_if(taken, name.as_str(), "the default of MLflow's `max_tokens` takes its place");
        !taken
    });
    let native = |name: &str, value: &_| name == "metadata" && parameters::is_user_metadata(value);
    body.set_extras(&extras, native, NO_SUCH_FIELD, losses);
    Ok(body.into_body())
}

/// The dialogue that the API wants, by MLflow's rule: exactly one `Human:` before and one `Assistant:` after.
fn wrap(prompt: &str) -> String {
    let mut prompt = prompt.to_owned();
    if prompt.starts_with("Human: ") {
        prompt.insert_str(0, "\n\n");
    }
    if !prompt.starts_with(HUMAN) {
        prompt.insert_str(0, HUMAN);
    }
    if !prompt.ends_with(ASSISTANT) {
        prompt.push_str(ASSISTANT);
    }
    prompt
}

/// The prompt inside a dialogue of one turn; other prompts stay as they are.
fn unwrap(prompt: String) -> String {
    let inner = prompt.strip_prefix(HUMAN).and_then(|rest| rest.strip_suffix(ASSISTANT));
    match inner {
        Some(inner) if wrap(inner) == prompt => inner.to_owned(),
        _ => prompt,
    }
}

/// Reads a client's request.
pub(super) fn decode(body: &[u8]) -> Result<CompletionRequest, Failure> {
    read(Object::of_request(body)?).map_err(Mismatch::blame_caller)
}

fn read(mut object: Object<'_>) -> Read<CompletionRequest> {
    let mut extras = Vec::new();
    let user = parameters::take_user(&mut object, &mut extras)?;
    let request = CompletionRequest {
        sampling: parameters::take_sampling(&mut object, "max_tokens_to_sample")?,
        stream: object.boolean("stream")?,
        model: object.string("model")?,
        prompt: Prompt::Text(unwrap(object.need_string("prompt")?)),
        stream_usage: false,
        user,
        extras: Extras::default(),
    };
    extras.extend(object.rest_without_nulls());
    Ok(CompletionRequest { extras: Extras { fields: extras, for_provider: false }, ..request })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Sampling, Scale, Temperature};
    use serde_json::{Value, json};

    fn sent(request: &CompletionRequest) -> (Value, usize) {
        let traits = ModelTraits { model: Some("claude-x".to_owned()), ..ModelTraits::default() };
        let mut losses = Losses::default();
        let body = encode(request, &traits, &mut losses).expect("a text prompt can be sent");
        (serde_json::from_slice(&body).expect("JSON"), losses.count())
    }

    fn raw(value: Value) -> crate::canonical::RawJson {
        serde_json::value::to_raw_value(&value).expect("JSON")
    }

    #[test]
    fn prompts_become_one_dialogue_by_mlflows_rule() {
        assert_eq!(wrap("hi"), "\n\nHuman: hi\n\nAssistant:");
        assert_eq!(wrap("Human: hi"), "\n\nHuman: hi\n\nAssistant:");
        assert_eq!(wrap("\n\nHuman: hi\n\nAssistant:"), "\n\nHuman: hi\n\nAssistant:");
        assert_eq!(wrap("\n\nHuman:hi"), "\n\nHuman: \n\nHuman:hi\n\nAssistant:");
        assert_eq!(wrap("\n\nAssistant: "), "\n\nHuman: \n\nAssistant: \n\nAssistant:");
        assert_eq!(wrap(""), "\n\nHuman: \n\nAssistant:");
    }

    #[test]
    fn a_dialogue_is_unwrapped_only_when_wrapping_restores_it() {
        for prompt in
            ["\n\nHuman: hi\n\nAssistant:", "plain", "\n\nHuman: Human: x\n\nAssistant:", "\n\nHuman: a"]
        {
            let inner = unwrap(prompt.to_owned());
            assert!(wrap(&inner) == prompt || inner == prompt, "{prompt:?} became {inner:?}");
        }
        assert_eq!(unwrap("\n\nHuman: hi\n\nAssistant:".to_owned()), "hi");
    }

    #[test]
    fn mlflows_defaults_are_sent_and_the_count_is_not() {
        let request = CompletionRequest {
            prompt: Prompt::Text("hi".to_owned()),
            sampling: Sampling {
                temperature: Some(Temperature { value: 1.0, scale: Scale::OfRange(2.0), given: false }),
                n: Some(1),
                stop: Some(vec!["A".to_owned()]),
                ..Sampling::default()
            },
            extras: Extras {
                fields: vec![
                    ("top_k".to_owned(), raw(json!(5))),
                    ("stop_sequences".to_owned(), raw(json!(["B"]))),
                    ("max_tokens_to_sample".to_owned(), raw(json!(7))),
                ],
                for_provider: true,
            },
            ..CompletionRequest::default()
        };
        let (body, losses) = sent(&request);
        let wanted = json!({"model": "claude-x", "temperature": 1.0, "stop_sequences": ["B"], "top_k": 5,
            "max_tokens_to_sample": 200_000, "prompt": "\n\nHuman: hi\n\nAssistant:"});
        assert_eq!((body, losses), (wanted, 1));
    }

    #[test]
    fn what_the_api_lacks_is_recorded() {
        let request = CompletionRequest {
            sampling: Sampling {
                n: Some(2),
                seed: Some(1),
                presence_penalty: Some(0.5),
                ..Sampling::default()
            },
            extras: Extras { fields: vec![("suffix".to_owned(), raw(json!("x")))], for_provider: false },
            ..CompletionRequest::default()
        };
        let (body, losses) = sent(&request);
        assert!(body.get("suffix").is_none());
        assert_eq!(losses, 4);
    }
}
