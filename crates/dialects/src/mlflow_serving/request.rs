//! Requests of the scoring server: what is asked goes to `inputs`, everything else to `params`.

use crate::canonical::{
    ChatRequest, Class, CompletionRequest, Content, EmbeddingInput, EmbeddingRequest, Encoding, Extras,
    Failure, Losses, MaxTokens, Message, Part, Prompt, RawJson, Reasoning, Role, Sampling, Temperature, Tool,
};
use crate::dialect::ModelTraits;
use crate::openai_chat::tools;
use crate::raw::{ArrayWriter, Draft, Mismatch, Object, Read, to_raw};

const ONLY_KNOWN: &str = "a served model gets only the parameters that it knows";

/// Writes a chat: the content of its only message, whatever its role.
pub(super) fn encode_chat(
    request: &ChatRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let [message] = request.messages.as_slice() else {
        let message = format!(
            "MLflow chat models are only capable of processing a single query at a time. The request submitted \
             consists of {} queries.",
            request.messages.len()
        );
        let refused = Failure::new(Class::RefusedParameter(422), message);
        return Err(Failure { param: Some("messages".to_owned()), ..refused });
    };
    lose_message(message, losses);
    let mut params = params_of(&request.sampling, request.stream, model);
    set_tools(&mut params, request, losses);
    params.set_some("user", request.user.as_ref());
    params.set_some("model", request.model.as_ref());
    add_extras(&mut params, &request.extras, losses);
    Ok(body(to_raw(&[message.content.joined_text()]), params))
}

/// Records what a served model is not told of its message.
fn lose_message(message: &Message, losses: &mut Losses) {
    let mut lose = |lost: bool, path: &str| {
        losses.add_if(lost, path, "a served model gets one text and its parameters");
    };
    lose(message.role != Role::User, "messages[0].role");
    lose(message.name.is_some(), "messages[0].name");
    lose(!message.tool_calls.is_empty(), "messages[0].tool_calls");
    lose(message.tool_call_id.is_some(), "messages[0].tool_call_id");
    lose(message.refusal.is_some(), "messages[0].refusal");
    for (name, _) in &message.extras {
        lose(true, &format!("messages[0].{name}"));
    }
    if let Content::Parts(parts) = &message.content {
        for (index, part) in parts.iter().enumerate() {
            let at = format!("messages[0].content[{index}]");
            match part {
                Part::Text { extras, .. } => {
                    extras.iter().for_each(|(name, _)| lose(true, &format!("{at}.{name}")));
                }
                _ => lose(true, &at),
            }
        }
    }
}

/// Sets tools and what goes with them in OpenAI's words, as MLflow does; they are losses where the client spoke of them
/// in another API.
fn set_tools(params: &mut Draft, request: &ChatRequest, losses: &mut Losses) {
    if !request.extras.for_provider {
        return lose_tools(request, losses);
    }
    if !request.tools.is_empty() {
        params.set_raw("tools", tools_json(&request.tools, losses));
    }
    let choice = request.tool_choice.as_ref().and_then(|choice| tools::choice_json(choice, true));
    params.set_some("tool_choice", choice);
    params.set_some("parallel_tool_calls", request.parallel_tool_calls);
    let format = request.response_format.as_ref().and_then(|format| tools::format_json(format, true));
    params.set_some("response_format", format);
    if let Some(Reasoning::Effort(effort)) = &request.reasoning {
        params.set("reasoning_effort", effort);
    }
}

fn tools_json(tools: &[Tool], losses: &mut Losses) -> RawJson {
    let mut json = Vec::new();
    let mut list = ArrayWriter::new(&mut json);
    for (place, tool) in tools.iter().enumerate() {
        tools::write(tool, &format_args!("tools[{place}]"), true, losses, list.element());
    }
    list.end();
    serde_json::from_slice(&json).expect("it was written as JSON")
}

fn lose_tools(request: &ChatRequest, losses: &mut Losses) {
    for (lost, path) in [
        (!request.tools.is_empty(), "tools"),
        (request.tool_choice.is_some(), "tool_choice"),
        (request.parallel_tool_calls.is_some(), "parallel_tool_calls"),
        (request.response_format.is_some(), "response_format"),
        (request.reasoning.is_some(), "reasoning_effort"),
    ] {
        losses.add_if(lost, path, ONLY_KNOWN);
    }
}

/// Writes a completion.
pub(super) fn encode_completion(
    request: &CompletionRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Vec<u8> {
    let inputs = match &request.prompt {
        Prompt::Text(prompt) => to_raw(&[prompt]),
        Prompt::Raw(list) => list.clone(),
    };
    let mut params = params_of(&request.sampling, request.stream, model);
    params.set_some("user", request.user.as_ref());
    params.set_some("model", request.model.as_ref());
    add_extras(&mut params, &request.extras, losses);
    body(inputs, params)
}

/// Writes a request for embeddings.
///
/// # Errors
/// A [`Failure`] that names `input` when it is tokens, which no scoring server reads.
pub(super) fn encode_embedding(request: &EmbeddingRequest, losses: &mut Losses) -> Result<Vec<u8>, Failure> {
    let inputs = match &request.input {
        EmbeddingInput::Text(text) => to_raw(&[text]),
        EmbeddingInput::Texts(texts) => to_raw(texts),
        EmbeddingInput::Tokens(_) => {
            return Err(Failure::invalid("input", "a served model takes text, not tokens"));
        }
    };
    let mut params = Draft::default();
    params.set_some("dimensions", request.dimensions);
    let text = request.encoding == Some(Encoding::Base64);
    losses.add_if(text, "encoding_format", "a served model answers with numbers");
    params.set_some("user", request.user.as_ref());
    params.set_some("model", request.model.as_ref());
    add_extras(&mut params, &request.extras, losses);
    Ok(body(inputs, params))
}

fn body(inputs: RawJson, params: Draft) -> Vec<u8> {
    let mut body = Draft::default();
    body.set_raw("inputs", inputs);
    if !params.is_empty() {
        body.set("params", params);
    }
    body.into_body()
}

/// The parameters in MLflow's order and, for the count, in the word of the caller's surface.
fn params_of(sampling: &Sampling, stream: Option<bool>, model: &ModelTraits) -> Draft {
    let mut params = Draft::default();
    let temperature = sampling.temperature.filter(|temperature| temperature.given || !model.reasoning);
    params.set_some("temperature", temperature.map(|temperature| temperature.for_max(None)));
    params.set_some(if model.count_name.is_empty() { "n" } else { model.count_name }, sampling.n);
    params.set_some("stop", sampling.stop.as_ref());
    params.set_some("max_tokens", sampling.max_tokens.map(|max| max.value));
    params.set_some("stream", stream);
    params.set_some("top_p", sampling.top_p);
    params.set_some("top_k", sampling.top_k);
    params.set_some("frequency_penalty", sampling.frequency_penalty);
    params.set_some("presence_penalty", sampling.presence_penalty);
    params.set_some("seed", sampling.seed);
    params
}

fn add_extras(params: &mut Draft, extras: &Extras, losses: &mut Losses) {
    params.set_extras(extras, |_, _| false, ONLY_KNOWN, losses);
}

/// Reads a client's chat: one user message.
pub(super) fn decode_chat(body: &[u8]) -> Result<ChatRequest, Failure> {
    let asked = Asked::of_body(body)?;
    let texts = asked.texts()?;
    let [text] = texts.as_slice() else {
        return Err(Mismatch::of(&asked.inputs, "a list of one string").within("inputs").blame_caller());
    };
    Ok(ChatRequest {
        model: asked.model,
        messages: vec![Message::text(Role::User, text.as_str())],
        sampling: asked.sampling,
        stream: asked.stream,
        user: asked.user,
        extras: asked.extras,
        ..ChatRequest::default()
    })
}

/// Reads a client's completion.
pub(super) fn decode_completion(body: &[u8]) -> Result<CompletionRequest, Failure> {
    let asked = Asked::of_body(body)?;
    let prompt = match <[String; 1]>::try_from(asked.texts()?) {
        Ok([text]) => Prompt::Text(text),
        Err(_) => Prompt::Raw(asked.inputs),
    };
    Ok(CompletionRequest {
        model: asked.model,
        prompt,
        sampling: asked.sampling,
        stream: asked.stream,
        stream_usage: false,
        user: asked.user,
        extras: asked.extras,
    })
}

/// Reads a client's request for embeddings.
pub(super) fn decode_embedding(body: &[u8]) -> Result<EmbeddingRequest, Failure> {
    let asked = Asked::of_body(body)?;
    Ok(EmbeddingRequest {
        input: EmbeddingInput::Texts(asked.texts()?),
        model: asked.model,
        dimensions: asked.dimensions,
        encoding: None,
        user: asked.user,
        extras: asked.extras,
    })
}

/// What a client asks of a served model.
struct Asked {
    inputs: RawJson,
    model: Option<String>,
    sampling: Sampling,
    stream: Option<bool>,
    user: Option<String>,
    dimensions: Option<u64>,
    extras: Extras,
}

impl Asked {
    fn of_body(body: &[u8]) -> Result<Self, Failure> {
        let mut object = Object::of_request(body)?;
        let mut read = || {
            let inputs = object.take("inputs");
            let inputs = inputs.ok_or_else(|| Mismatch::missing("inputs", "a list of strings"))?;
            let params = object.object("params")?.unwrap_or_default();
            Self::read(inputs.to_owned(), params).map_err(|wrong| wrong.within("params"))
        };
        read().map_err(Mismatch::blame_caller)
    }

    fn read(inputs: RawJson, mut params: Object<'_>) -> Read<Self> {
        let temperature = params.number("temperature")?;
        let max_tokens = params.count("max_tokens")?;
        let n = params.count("n")?;
        let candidates = params.count("candidate_count")?;
        let sampling = Sampling {
            temperature: temperature.map(Temperature::given),
            top_p: params.number("top_p")?,
            top_k: params.count("top_k")?,
            n: n.or(candidates),
            stop: params.strings("stop")?,
            max_tokens: max_tokens.map(|value| MaxTokens { value, completion: false }),
            frequency_penalty: params.number("frequency_penalty")?,
            presence_penalty: params.number("presence_penalty")?,
            seed: params.integer("seed")?,
        };
        Ok(Self {
            inputs,
            model: params.string("model")?,
            sampling,
            stream: params.boolean("stream")?,
            user: params.string("user")?,
            dimensions: params.count("dimensions")?,
            extras: Extras { fields: params.rest_without_nulls(), for_provider: true },
        })
    }

    fn texts(&self) -> Result<Vec<String>, Failure> {
        serde_json::from_str(self.inputs.get())
            .map_err(|_| Mismatch::of(&self.inputs, "a list of strings").within("inputs").blame_caller())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Scale;
    use serde_json::{Value, json};

    fn json_of(body: &[u8]) -> Value {
        serde_json::from_slice(body).expect("JSON")
    }

    fn request() -> CompletionRequest {
        CompletionRequest {
            prompt: Prompt::Text("q".to_owned()),
            sampling: Sampling {
                temperature: Some(Temperature { value: 0.5, scale: Scale::OfRange(1.0), given: true }),
                n: Some(1),
                ..Sampling::default()
            },
            ..CompletionRequest::default()
        }
    }

    #[test]
    fn params_carry_the_clients_own_number_and_word_for_the_count() {
        let traits =
            |count_name| ModelTraits { count_name, temperature_max: Some(9.0), ..ModelTraits::default() };
        let mut losses = Losses::default();
        let classic = encode_completion(&request(), &traits("candidate_count"), &mut losses);
        let wanted = json!({"inputs": ["q"], "params": {"temperature": 0.5, "candidate_count": 1}});
        assert_eq!(json_of(&classic), wanted);
        let newer = encode_completion(&request(), &traits(""), &mut losses);
        assert_eq!(json_of(&newer)["params"], json!({"temperature": 0.5, "n": 1}));
        assert!(losses.is_empty());
    }

    #[test]
    fn a_model_that_the_client_names_is_a_parameter() {
        let asked = CompletionRequest { model: Some("m".to_owned()), ..request() };
        let body = encode_completion(&asked, &ModelTraits::default(), &mut Losses::default());
        assert_eq!(json_of(&body)["params"]["model"], "m");
    }

    #[test]
    fn embeddings_without_parameters_have_no_params() {
        let asked = decode_embedding(br#"{"inputs":["a","b"]}"#).expect("texts");
        let body = encode_embedding(&asked, &mut Losses::default()).expect("texts");
        assert_eq!(body, br#"{"inputs":["a","b"]}"#);
    }

    #[test]
    fn a_chat_of_two_messages_is_refused_in_mlflows_words() {
        let messages = vec![Message::text(Role::System, "s"), Message::text(Role::User, "u")];
        let chat = ChatRequest { messages, ..ChatRequest::default() };
        let failure =
            encode_chat(&chat, &ModelTraits::default(), &mut Losses::default()).expect_err("two messages");
        assert_eq!(failure.class.status(), 422);
        assert!(failure.message.ends_with("consists of 2 queries."));
    }

    #[test]
    fn a_request_survives_the_way_in_and_out() {
        let body = br#"{"inputs":["q"],"params":{"temperature":0.5,"n":2,"stop":["X"],"max_tokens":9,"seed":-1,"model":"m","foo":{"a":1.50}}}"#;
        let mut losses = Losses::default();
        let asked = decode_completion(body).expect("a request");
        assert_eq!(encode_completion(&asked, &ModelTraits::default(), &mut losses), body);
        let chat = decode_chat(body).expect("a request");
        assert_eq!(encode_chat(&chat, &ModelTraits::default(), &mut losses).expect("one message"), body);
        assert!(losses.is_empty());
    }
}
