//! Requests for text completion.

use crate::ModelTraits;
use crate::canonical::{CompletionRequest, Extras, Failure, Losses, Prompt};
use crate::openai_chat::{Body, request, sampling};
use crate::raw::{Mismatch, Object, Read, text};

/// Reads a client's request.
pub(super) fn decode(body: &[u8]) -> Result<CompletionRequest, Failure> {
    read(Object::of_request(body)?).map_err(Mismatch::blame_caller)
}

fn read(mut object: Object<'_>) -> Read<CompletionRequest> {
    Ok(CompletionRequest {
        model: object.string("model")?,
        prompt: read_prompt(&mut object)?,
        sampling: sampling::read(&mut object)?,
        stream: object.boolean("stream")?,
        stream_usage: request::read_stream_usage(&mut object)?,
        user: object.string("user")?,
        extras: Extras { fields: object.rest(), for_provider: false },
    })
}

/// A prompt is a string, or a list of strings, tokens or lists of tokens.
fn read_prompt(object: &mut Object<'_>) -> Read<Prompt> {
    let prompt = object.take("prompt").ok_or_else(|| Mismatch::missing("prompt", "a string or a list"))?;
    match prompt.get().as_bytes().first() {
        Some(b'"') => text(prompt).map(Prompt::Text).map_err(|wrong| wrong.within("prompt")),
        Some(b'[') => Ok(Prompt::Raw(prompt.to_owned())),
        _ => Err(Mismatch::of(prompt, "a string or a list").within("prompt")),
    }
}

/// Writes a request for a provider.
pub(super) fn encode(request: &CompletionRequest, model: &ModelTraits, losses: &mut Losses) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let mut body = Body::new(model, &request.extras, &mut out);
    sampling::write_first(&request.sampling, model, false, &mut body, losses);
    match &request.prompt {
        Prompt::Text(text) => body.field("prompt", text),
        Prompt::Raw(raw) => body.field("prompt", raw),
    }
    sampling::write_rest(&request.sampling, &mut body, losses);
    body.some("stream", request.stream);
    request::write_stream_usage(request.stream, request.stream_usage, model, &mut body);
    body.some("user", request.user.as_ref());
    body.end(losses);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traits(model: &str) -> ModelTraits {
        ModelTraits { model: Some(model.to_owned()), ..ModelTraits::default() }
    }

    fn again(body: &str) -> (String, Vec<String>) {
        let mut request = decode(body.as_bytes()).unwrap();
        request.extras.for_provider = true;
        let mut losses = Losses::default();
        let out = encode(&request, &traits("m"), &mut losses);
        (String::from_utf8(out).unwrap(), losses.iter().map(|loss| loss.path.clone()).collect())
    }

    #[test]
    fn every_form_of_prompt_passes() {
        for prompt in [r#""a\n""#, r#"["a","b"]"#, "[1,2]", "[[1],[2]]"] {
            let (out, losses) = again(&format!(r#"{{"model":"x","prompt":{prompt}}}"#));
            assert_eq!((out, losses.len()), (format!(r#"{{"model":"m","prompt":{prompt}}}"#), 0));
        }
    }

    #[test]
    fn what_only_completions_have_goes_along() {
        let (out, _) =
            again(r#"{"prompt":"p","suffix":"s","echo":true,"logprobs":2,"max_tokens":5,"stop":"x"}"#);
        let expected =
            r#"{"model":"m","stop":["x"],"max_tokens":5,"prompt":"p","suffix":"s","echo":true,"logprobs":2}"#;
        assert_eq!(out, expected);
    }

    #[test]
    fn a_wrong_prompt_is_named() {
        for body in ["{}", r#"{"prompt":null}"#, r#"{"prompt":7}"#] {
            assert_eq!(decode(body.as_bytes()).unwrap_err().param.as_deref(), Some("prompt"), "{body}");
        }
    }
}
