//! The other direction: lockgate as the client of another MLflow gateway.

use crate::canonical::{
    ChatRequest, ChatResponse, CompletionChoice, CompletionRequest, CompletionResponse, EmbeddingInput,
    EmbeddingRequest, EmbeddingResponse, Encoding, Event, Failure, Losses, Prompt, Scale, Temperature,
    Vector,
};
use crate::dialect::{ChatCodec, ModelTraits};
use crate::mlflow_contract::reverse::{scaled, set_extras, set_sampling};
use crate::object::Object;
use crate::openai_chat::response::{
    open, read_choices, take_created, take_finish_reason, take_index, take_text,
};
use crate::openai_chat::{OpenAiChat, request, response, usage};
use crate::raw::{Mismatch, Object as Fields, text};
use crate::stream::{StreamDecoder, UsageMeter};

pub(super) fn encode_chat(
    request: &ChatRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let mut request = request.clone();
    request.sampling.temperature = request.sampling.temperature.map(|temperature| Temperature {
        value: scaled(&temperature, 2.0),
        scale: Scale::Absolute,
        given: true,
    });
    if let Some(max) = &mut request.sampling.max_tokens {
        max.completion = false;
    }
    // The endpoint names the model, and refuses a body that does.
    let model = ModelTraits { model_in_url: true, temperature_max: None, reasoning: false, ..model.clone() };
    Ok(request::encode(&request, &model, losses))
}

pub(super) fn encode_completion(
    request: &CompletionRequest,
    _model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let Prompt::Text(prompt) = &request.prompt else {
        return Err(Failure::invalid("prompt", "an endpoint of MLflow takes one prompt as a string"));
    };
    let mut body = Object::default();
    set_sampling(&mut body, &request.sampling, 2.0, "n", losses);
    body.set("prompt", prompt);
    body.set_some("stream", request.stream);
    body.set_some("user", request.user.as_ref());
    set_extras(&mut body, &request.extras, losses);
    Ok(body.into_body())
}

pub(super) fn encode_embedding(
    request: &EmbeddingRequest,
    _model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let mut body = Object::default();
    match &request.input {
        EmbeddingInput::Text(text) => body.set("input", text),
        EmbeddingInput::Texts(texts) => body.set("input", texts),
        EmbeddingInput::Tokens(tokens) => body.set_raw("input", tokens.clone()),
    }
    body.set_some("dimensions", request.dimensions);
    body.set_some("user", request.user.as_ref());
    body.set_some(
        "encoding_format",
        request.encoding.map(|encoding| match encoding {
            Encoding::Float => "float",
            Encoding::Base64 => "base64",
        }),
    );
    set_extras(&mut body, &request.extras, losses);
    Ok(body.into_body())
}

pub(super) fn decode_chat(body: &[u8]) -> Result<ChatResponse, Failure> {
    response::decode(body)
}

pub(super) fn decode_completion(body: &[u8]) -> Result<CompletionResponse, Failure> {
    let mut object = open(body)?;
    let choices = read_choices(&mut object, |place, value| {
        let mut choice = Fields::of(value)?;
        Ok(CompletionChoice {
            index: take_index(&mut choice, place),
            text: choice.string("text")?.unwrap_or_default(),
            finish_reason: take_finish_reason(&mut choice),
            logprobs: choice.take("logprobs").map(ToOwned::to_owned),
        })
    })?;
    object.take("object");
    Ok(CompletionResponse {
        id: take_text(&mut object, "id"),
        created: take_created(&mut object),
        model: take_text(&mut object, "model"),
        choices,
        usage: object.take("usage").and_then(usage::read),
        extras: object.rest(),
    })
}

pub(super) fn decode_embedding(body: &[u8]) -> Result<EmbeddingResponse, Failure> {
    let mut object = Fields::of_response(body)?;
    let vectors = object.each("data", |value| {
        let mut item = Fields::of(value)?;
        let vector = item.take("embedding").ok_or_else(|| Mismatch::missing("embedding", "a vector"))?;
        Ok(text(vector).map_or_else(|_| Vector::Numbers(vector.to_owned()), Vector::Base64))
    });
    let vectors = vectors.map_err(Mismatch::blame_upstream)?;
    let vectors = vectors.ok_or_else(|| Mismatch::missing("data", "a list").blame_upstream())?;
    object.take("object");
    Ok(EmbeddingResponse {
        model: take_text(&mut object, "model"),
        vectors,
        usage: object.take("usage").and_then(usage::read),
        extras: object.rest(),
    })
}

pub(super) fn meter(streamed: bool) -> Box<dyn UsageMeter> {
    usage::meter(streamed)
}

/// A decoder for chunks of chat or completion.
pub(super) fn decoder() -> Option<Box<dyn StreamDecoder>> {
    let inner = OpenAiChat.stream_decoder()?;
    Some(Box::new(Unmarked { inner, open: 0, ended: false }))
}

/// Reads OpenAI's chunks without their closing `[DONE]`: the stream is whole when each choice that began has ended.
struct Unmarked {
    inner: Box<dyn StreamDecoder>,
    open: usize,
    ended: bool,
}

impl Unmarked {
    fn watch(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::BlockOpened { .. } => self.open += 1,
                Event::BlockClosed { .. } => self.open = self.open.saturating_sub(1),
                Event::Ended { .. } => self.ended = true,
                Event::Failed(_) => self.ended = false,
                _ => {}
            }
        }
    }
}

impl StreamDecoder for Unmarked {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        let before = events.len();
        self.inner.feed(bytes, events);
        self.watch(&events[before..]);
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        let mut last = Vec::new();
        let whole = self.ended && self.open == 0;
        self.inner.finish(&mut last);
        for event in last {
            events.push(if whole && matches!(event, Event::Failed(_)) { Event::Finished } else { event });
        }
    }
}
