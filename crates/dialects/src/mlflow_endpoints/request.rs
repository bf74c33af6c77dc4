//! Requests: read from clients, and written where lockgate is the client of another MLflow gateway.

use super::schema;
use crate::canonical::{
    ChatRequest, CompletionRequest, EmbeddingInput, EmbeddingRequest, Encoding, Extras, Failure, Losses,
    Prompt, RawJson, Sampling, Temperature,
};
use crate::canonical::{Content, Media, MediaKind, Part, Tool};
use crate::dialect::ModelTraits;
use crate::mlflow_contract::json::{Json, Object};
use crate::mlflow_contract::report::Report;
use crate::mlflow_contract::request::{
    Limits, model, raw_schema, rest, sampling, scaled, set_extras, set_sampling,
};
use crate::mlflow_contract::{body, step};
use crate::openai_chat;
use crate::raw::{self, Draft, Mismatch, Object as Fields, to_raw};
use serde_json::value::RawValue;

const LIMITS: Limits = Limits { temperature: 2.0, count_name: "n", count: None };

/// Fields that are read here; all others are OpenAI's, or the provider's own.
const READ_HERE: [&str; 8] = ["temperature", "n", "stop", "max_tokens", "stream", "model", "prompt", "tools"];

/// Reads a chat.
pub(super) fn decode_chat(body: &[u8]) -> Result<ChatRequest, Failure> {
    let text = body::text(body)?;
    let object = body::object(&text)?;
    let mut report = Report::default();
    let common = Common::read(&object, &mut report);
    report.required(&object, "messages", |report, value| report.filled_list(value, schema::message));
    let tools = report.nullable(&object, "tools", |report, value| {
        report.list(value, schema::tool);
        raw_schema(&schema::with_types(value), &schema::KEYWORDS, report)
    });
    let mut fields = common.openai_fields(&object, &["prompt"], &mut report);
    fields.extend(tools.map(|tools| ("tools".to_owned(), tools)));
    report.finish()?;
    let (mut request, strange) =
        tolerant(fields, "messages", |object| openai_chat::request::from_object(object, true))?;
    request.extras.fields.extend(strange);
    common.apply(&mut request.sampling);
    Ok(ChatRequest { model: common.model, stream: common.stream, ..request })
}

/// Reads a completion.
pub(super) fn decode_completion(body: &[u8]) -> Result<CompletionRequest, Failure> {
    let text = body::text(body)?;
    let object = body::object(&text)?;
    let mut report = Report::default();
    let common = Common::read(&object, &mut report);
    let prompt = report.required(&object, "prompt", Report::text).unwrap_or_default();
    let prompt = Prompt::Text(prompt.to_owned());
    let fields = common.openai_fields(&object, &["tools"], &mut report);
    report.finish()?;
    let (mut request, strange) = tolerant(fields, "", |mut object| {
        let read = || {
            Ok(CompletionRequest {
                sampling: openai_chat::sampling::read(&mut object)?,
                stream_usage: openai_chat::request::read_stream_usage(&mut object)?,
                user: object.string("user")?,
                extras: Extras { fields: object.rest(), for_provider: true },
                ..CompletionRequest::default()
            })
        };
        read().map_err(Mismatch::blame_caller)
    })?;
    request.extras.fields.extend(strange);
    common.apply(&mut request.sampling);
    Ok(CompletionRequest { model: common.model, prompt, stream: common.stream, ..request })
}

/// Reads a request for embeddings.
pub(super) fn decode_embedding(body: &[u8]) -> Result<EmbeddingRequest, Failure> {
    let text = body::text(body)?;
    let object = body::object(&text)?;
    let mut report = Report::default();
    let input = report.required(&object, "input", input);
    let model = model(&object, &mut report);
    let fields = rest(&object, &["input", "model"], &mut report);
    report.finish()?;
    let (mut request, strange) = tolerant(fields, "", |mut object| {
        let mut read = || {
            let word = object.get("encoding_format").and_then(|word| raw::text(word).ok());
            let encoding = word.and_then(|word| Encoding::of_openai_word(&word));
            if encoding.is_some() {
                object.take("encoding_format");
            }
            let (dimensions, user) = (object.count("dimensions")?, object.string("user")?);
            Ok((encoding, dimensions, user))
        };
        let (encoding, dimensions, user) = read().map_err(Mismatch::blame_caller)?;
        let extras = Extras { fields: object.rest(), for_provider: true };
        let input = EmbeddingInput::Texts(Vec::new());
        Ok(EmbeddingRequest { model: None, input, dimensions, encoding, user, extras })
    })?;
    request.extras.fields.extend(strange);
    Ok(EmbeddingRequest { model, input: input.unwrap_or(request.input), ..request })
}

/// What chat and completions share.
struct Common {
    sampling: Sampling,
    stream: Option<bool>,
    model: Option<String>,
}

impl Common {
    fn read(object: &Object<'_>, report: &mut Report) -> Self {
        let sampling = sampling(object, &LIMITS, report);
        let stream = report.nullable(object, "stream", Report::boolean);
        let model = report.nullable(object, "model", Report::text).map(str::to_owned);
        Self { sampling, stream, model }
    }

    /// The fields that OpenAI's readers may claim, `max_tokens` as it was converted.
    fn openai_fields(
        &self,
        object: &Object<'_>,
        also: &[&str],
        report: &mut Report,
    ) -> Vec<(String, RawJson)> {
        let here = READ_HERE.into_iter().filter(|name| !also.contains(name));
        let mut fields = rest(object, &here.collect::<Vec<_>>(), report);
        fields.extend(self.sampling.max_tokens.map(|max| ("max_tokens".to_owned(), to_raw(&max.value))));
        fields
    }

    /// Puts the contract's own parameters in place of what OpenAI's reader saw.
    fn apply(&self, sampling: &mut Sampling) {
        sampling.temperature = self.sampling.temperature;
        sampling.n = self.sampling.n;
        sampling.stop.clone_from(&self.sampling.stop);
    }
}

/// Reads `fields` with a reader of OpenAI's shapes. MLflow does not check these fields but forwards them: one that has
/// another shape than OpenAI's is set aside for the provider to judge. `own` was checked and is never set aside.
fn tolerant<T>(
    mut fields: Vec<(String, RawJson)>,
    own: &str,
    read: impl Fn(Fields<'_>) -> Result<T, Failure>,
) -> Result<(T, Vec<(String, RawJson)>), Failure> {
    let mut strange = Vec::new();
    loop {
        let mut object = Fields::default();
        for (name, value) in &fields {
            object.set(name, value);
        }
        let failure = match read(object) {
            Ok(value) => return Ok((value, strange)),
            Err(failure) => failure,
        };
        let path = failure.param.as_deref().unwrap_or_default();
        let name = path.split(['.', '[']).next().filter(|name| !name.is_empty() && *name != own);
        let Some(at) = name.and_then(|name| fields.iter().position(|(field, _)| field == name)) else {
            return Err(failure);
        };
        strange.push(fields.remove(at));
    }
}

/// A string, or a list of strings, of tokens or of lists of tokens; what is none is an error in every form.
fn input(report: &mut Report, value: &Json<'_>) -> Option<EmbeddingInput> {
    if let Json::Text(text) = value {
        return Some(EmbeddingInput::Text(text.to_string()));
    }
    let before = report.mark();
    report.at(step("str"), |report| report.text(value).map(drop));
    let texts = |report: &mut Report| {
        let texts = report.list(value, |report, text| report.text(text).map(str::to_owned));
        texts.map(EmbeddingInput::Texts)
    };
    let tokens = |report: &mut Report| {
        let tokens = report.list(value, Report::integer)?;
        Some(EmbeddingInput::Tokens(tokens_json(&tokens)))
    };
    let lists = |report: &mut Report| {
        let lists = report.list(value, |report, list| report.list(list, Report::integer))?;
        let lists: Vec<RawJson> = lists.iter().map(|tokens| tokens_json(tokens)).collect();
        Some(EmbeddingInput::Tokens(to_raw(&lists)))
    };
    let found = report
        .at(step("list[str]"), texts)
        .or_else(|| report.at(step("list[int]"), tokens))
        .or_else(|| report.at(step("list[list[int]]"), lists))?;
    report.forget(before);
    Some(found)
}

/// Whole numbers in plain digits as a JSON list.
fn tokens_json(tokens: &[String]) -> RawJson {
    RawValue::from_string(format!("[{}]", tokens.join(","))).expect("plain digits are JSON")
}

/// Writes a chat for another MLflow gateway.
pub(super) fn encode_chat(request: &ChatRequest, model: &ModelTraits, losses: &mut Losses) -> Vec<u8> {
    let mut request = request.clone();
    keep_to_the_schema(&mut request, losses);
    let temperature = request.sampling.temperature.map(|temperature| scaled(&temperature, 2.0));
    request.sampling.temperature = temperature.map(Temperature::given);
    if let Some(max) = &mut request.sampling.max_tokens {
        max.completion = false;
    }
    // The endpoint names the model, and refuses a body that does.
    let model = ModelTraits { model_in_url: true, temperature_max: None, reasoning: false, ..model.clone() };
    openai_chat::request::encode(&request, &model, losses)
}

/// Leaves out what the contract's schema refuses: parts that are files, and tools' schemas without a list of fields.
fn keep_to_the_schema(request: &mut ChatRequest, losses: &mut Losses) {
    for (index, message) in request.messages.iter_mut().enumerate() {
        let Content::Parts(parts) = &mut message.content else { continue };
        let mut place = 0..;
        parts.retain(|part| {
            let is_file = matches!(part, Part::Media(Media { kind: MediaKind::Document, .. }));
            let at = place.next().unwrap_or(0);
            losses.add_if(
                is_file,
                format!("messages[{index}].content[{at}]"),
                "MLflow's endpoints take no files",
            );
            !is_file
        });
    }
    for tool in &mut request.tools {
        if let Tool::Function { parameters: Some(parameters), .. } = tool
            && let Ok(mut schema) = serde_json::from_str::<Draft>(parameters.get())
        {
            for (name, value) in [("type", to_raw("object")), ("properties", to_raw(&Draft::default()))] {
                if !schema.has(name) {
                    schema.set_raw(name, value);
                }
            }
            *parameters = to_raw(&schema);
        }
    }
}

/// Writes a completion for another MLflow gateway.
pub(super) fn encode_completion(
    request: &CompletionRequest,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let Prompt::Text(prompt) = &request.prompt else {
        return Err(Failure::invalid("prompt", "an endpoint of MLflow takes one prompt as a string"));
    };
    let mut body = Draft::default();
    set_sampling(&mut body, &request.sampling, 2.0, "n", losses);
    body.set("prompt", prompt);
    body.set_some("stream", request.stream);
    body.set_some("user", request.user.as_ref());
    set_extras(&mut body, &request.extras, losses);
    Ok(body.into_body())
}

/// Writes a request for embeddings for another MLflow gateway.
pub(super) fn encode_embedding(request: &EmbeddingRequest, losses: &mut Losses) -> Vec<u8> {
    let mut body = Draft::default();
    match &request.input {
        EmbeddingInput::Text(text) => body.set("input", text),
        EmbeddingInput::Texts(texts) => body.set("input", texts),
        EmbeddingInput::Tokens(tokens) => body.set_raw("input", tokens.clone()),
    }
    body.set_some("dimensions", request.dimensions);
    body.set_some("user", request.user.as_ref());
    body.set_some("encoding_format", request.encoding.map(Encoding::openai_word));
    set_extras(&mut body, &request.extras, losses);
    body.into_body()
}
