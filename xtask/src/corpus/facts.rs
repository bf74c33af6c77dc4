//! What a canonical request or answer says, one fact at a time.

mod dropped;
mod ranking;

pub(crate) use dropped::{dropped, leaves_dropped};
pub(crate) use ranking::{of_ranked, of_ranking};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lockgate_dialects::canonical::{
    ChatRequest, ChatResponse, Choice, CompletionRequest, CompletionResponse, Content, EmbeddingInput,
    EmbeddingRequest, EmbeddingResponse, Extras, FinishReason, Media, MediaSource, Message, Part, Prompt,
    RawJson, Reasoning, ResponseFormat, Role, Sampling, Signature, Tool, ToolCall, ToolChoice, Usage, Vector,
};
use lockgate_dialects::canonical::{Scale, Temperature};
use serde_json::{Value, json};

/// One thing that is said.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fact {
    /// Where, in the canonical model's words.
    pub(crate) path: String,
    /// What it is; facts of one kind are compared with each other, wherever they stand.
    pub(crate) kind: String,
    pub(crate) value: Value,
}

/// A list of facts in the making.
#[derive(Debug, Default)]
pub(crate) struct Facts(pub(crate) Vec<Fact>);

impl Facts {
    fn add(&mut self, path: impl Into<String>, kind: impl Into<String>, value: Value) {
        self.0.push(Fact { path: path.into(), kind: kind.into(), value });
    }

    fn some(&mut self, path: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(path, path, value.into());
        }
    }

    fn extras(&mut self, at: &str, kind: &str, extras: &[(String, RawJson)]) {
        for (name, raw) in extras.iter().filter(|(_, raw)| says_something(&parsed(raw))) {
            if kind == "extra" && HANDED_ON.contains(&name.as_str()) {
                self.add(name, name, parsed(raw));
                continue;
            }
            let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
            const WANTED: &str = "message.output_text.logprobs";
            let wanted = name == "include" && raw.get().contains(WANTED);
            if kind == "extra" && (wanted || name == "logprobs") {
                self.add(name, "logprobs wanted", if wanted { json!(true) } else { parsed(raw) });
                continue;
            }
            // The mark of a message may stand on its last part.
            let kind = if name == "cache_control" && kind == "message" { "part" } else { kind };
            self.add(path, format!("{kind} {name}"), parsed(raw));
        }
    }

    /// All text of a kind, joined.
    fn joined(&self, kind: &str) -> String {
        self.0.iter().filter(|fact| fact.kind == kind).filter_map(|fact| fact.value.as_str()).collect()
    }
}

/// Fields that some contracts hand on without naming them.
const HANDED_ON: [&str; 6] = ["user", "seed", "top_p", "top_k", "frequency_penalty", "presence_penalty"];

/// Whether a value is more than an empty form of it.
pub(crate) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => list.iter().any(says_something),
        Value::Object(fields) => fields.values().any(says_something),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

fn parsed(raw: &RawJson) -> Value {
    serde_json::from_str(raw.get()).unwrap_or(Value::Null)
}

/// What a request for chat says.
pub(crate) fn of_chat(request: &ChatRequest) -> Facts {
    let mut facts = Facts::default();
    for (place, message) in request.messages.iter().enumerate() {
        add_message(&mut facts, &format!("messages[{place}]"), message);
    }
    add_sampling(&mut facts, &request.sampling);
    for (place, tool) in request.tools.iter().enumerate() {
        add_tool(&mut facts, &format!("tools[{place}]"), tool);
    }
    facts.some("tool_choice", request.tool_choice.as_ref().map(choice_value));
    facts.some("parallel_tool_calls", request.parallel_tool_calls.filter(|parallel| !parallel));
    facts.some("response_format", request.response_format.as_ref().and_then(format_value));
    facts.some("reasoning", request.reasoning.as_ref().map(reasoning_value));
    facts.some("stream", request.stream.filter(|stream| *stream));
    facts.some("user", request.user.clone());
    add_extras(&mut facts, &request.extras);
    facts
}

/// What a request for completion says.
pub(crate) fn of_completion(request: &CompletionRequest) -> Facts {
    let mut facts = Facts::default();
    let prompt = match &request.prompt {
        Prompt::Text(text) => json!(text),
        Prompt::Raw(raw) => match parsed(raw) {
            // A list of one text asks the same.
            Value::Array(list) if list.len() == 1 && list[0].is_string() => list[0].clone(),
            prompt => prompt,
        },
    };
    facts.add("prompt", "prompt", prompt);
    add_sampling(&mut facts, &request.sampling);
    facts.some("stream", request.stream.filter(|stream| *stream));
    facts.some("user", request.user.clone());
    add_extras(&mut facts, &request.extras);
    facts
}

/// What a request for embeddings says. A lone text is a list of one.
pub(crate) fn of_embedding(request: &EmbeddingRequest) -> Facts {
    let mut facts = Facts::default();
    let input = match &request.input {
        EmbeddingInput::Text(text) => json!([text]),
        EmbeddingInput::Texts(texts) => json!(texts),
        EmbeddingInput::Tokens(raw) => parsed(raw),
    };
    facts.add("input", "input", input);
    facts.some("dimensions", request.dimensions);
    facts.some("user", request.user.clone());
    add_extras(&mut facts, &request.extras);
    facts
}

/// What an answer of chat says. Its id and its model's name are made up for clients that need them.
pub(crate) fn of_answer(response: &ChatResponse) -> Facts {
    let mut facts = Facts::default();
    for choice in &response.choices {
        add_choice(&mut facts, choice);
    }
    add_usage(&mut facts, response.usage.as_ref());
    facts.extras("", "answer", &response.extras);
    facts
}

/// What an answer of completion says.
pub(crate) fn of_completed(response: &CompletionResponse) -> Facts {
    let mut facts = Facts::default();
    for choice in &response.choices {
        let at = format!("choices[{}]", choice.index);
        facts.add(format!("{at}.text"), format!("text {}", choice.index), json!(choice.text));
        add_reason(&mut facts, &at, choice.index, choice.finish_reason.as_ref());
        facts.some(
            &format!("{at}.logprobs"),
            choice.logprobs.as_ref().map(logprobs_value).filter(says_something),
        );
        facts.extras(&at, "choice", &choice.extras);
    }
    add_usage(&mut facts, response.usage.as_ref());
    facts.extras("", "answer", &response.extras);
    facts
}

/// What an answer of embeddings says.
pub(crate) fn of_vectors(response: &EmbeddingResponse) -> Facts {
    let mut facts = Facts::default();
    for (place, vector) in response.vectors.iter().enumerate() {
        let at = format!("data[{place}]");
        let value = match vector {
            Vector::Numbers(raw) => parsed(raw),
            Vector::Base64(text) => json!(text),
        };
        facts.add(&at, &at, value);
    }
    add_usage(&mut facts, response.usage.as_ref());
    facts.extras("", "answer", &response.extras);
    facts
}

fn add_extras(facts: &mut Facts, extras: &Extras) {
    facts.extras("", "extra", &extras.fields);
}

/// Who says a text, as far as every API tells it apart.
fn speaker(role: &Role) -> &str {
    match role {
        Role::System | Role::Developer => "system",
        role => role.openai_word(),
    }
}

fn add_message(facts: &mut Facts, at: &str, message: &Message) {
    let by = speaker(&message.role).to_owned();
    if let Some(id) = &message.tool_call_id {
        facts.add(format!("{at}.tool_call_id"), "answers", json!(plain_id(id)));
    }
    match &message.content {
        Content::None => {}
        Content::Text(text) => add_text(facts, &format!("{at}.content"), &by, text),
        Content::Parts(parts) => {
            for (place, part) in parts.iter().enumerate() {
                add_part(facts, &format!("{at}.content[{place}]"), &by, part);
            }
        }
    }
    if let Some(refusal) = &message.refusal {
        // An API without refusals says it as text.
        add_text(facts, &format!("{at}.refusal"), &by, refusal);
    }
    if let Some(name) = &message.name {
        facts.add(format!("{at}.name"), "name", json!(name));
    }
    if message.is_error {
        facts.add(format!("{at}.is_error"), format!("failed {by}"), json!(true));
    }
    for (place, call) in message.tool_calls.iter().enumerate() {
        add_call(facts, &format!("{at}.tool_calls[{place}]"), call);
    }
    facts.extras(at, "message", &message.extras);
}

fn add_text(facts: &mut Facts, path: &str, by: &str, text: &str) {
    if !text.trim().is_empty() {
        facts.add(path, format!("text {by}"), json!(text));
    }
}

fn add_part(facts: &mut Facts, at: &str, by: &str, part: &Part) {
    match part {
        Part::Text { text, extras } => {
            add_text(facts, at, by, text);
            facts.extras(at, "part", extras);
        }
        Part::Media(media) => add_media(facts, at, media),
        Part::Thinking { text, signature } => {
            if !text.is_empty() {
                facts.add(at, "reasoning", json!(text));
            }
            let signature =
                signature.as_ref().map(signature_value).filter(|signature| !is_field_name(signature));
            if let Some(signature) = signature {
                facts.add(format!("{at}.signature"), "signature", signature);
            }
        }
        Part::RedactedThinking(data) => facts.add(at, "signature", signature_value(data)),
        Part::Unknown(raw) => facts.add(at, "part", parsed(raw)),
    }
}

/// A signature's family and text. One that a client kept for another family bears that family's mark within.
fn signature_value(signature: &Signature) -> Value {
    const MARK: &str = "bG9ja2dhdGUv";
    let mut text = signature.for_client("of nobody").into_owned();
    while let Some(inner) = text.strip_prefix(MARK).and_then(|inner| BASE64.decode(inner).ok()) {
        let inner = String::from_utf8_lossy(&inner).into_owned();
        match inner.split_once('/') {
            Some((_, kept)) if kept.starts_with(MARK) => text = kept.to_owned(),
            _ => return json!(inner),
        }
    }
    json!(text)
}

/// The names of fields by which reasoning without a signature goes back to its provider.
fn is_field_name(signature: &Value) -> bool {
    matches!(signature.as_str(), Some("openai/reasoning_content" | "openai/reasoning"))
}

fn add_media(facts: &mut Facts, at: &str, media: &Media) {
    let source = match &media.source {
        MediaSource::Url(url) => json!({ "url": url }),
        MediaSource::Base64 { media_type, data } => {
            // Some APIs take the letters that are safe in URLs for those that are not.
            json!({ "type": media_type, "data": data.replace('-', "+").replace('_', "/").trim_end_matches('=') })
        }
        MediaSource::FileId(id) => json!({ "file": id }),
    };
    facts.add(at, format!("media {:?}", media.kind), source);
    for (name, value) in [("name", &media.name), ("detail", &media.detail)] {
        if let Some(value) = value {
            facts.add(format!("{at}.{name}"), format!("media {name}"), json!(value));
        }
    }
    facts.extras(at, "part", &media.extras);
}

/// An id without the letters that not every API takes.
fn plain_id(id: &str) -> String {
    id.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' })
        .collect()
}

fn add_call(facts: &mut Facts, at: &str, call: &ToolCall) {
    let arguments = match call.arguments.trim() {
        "" => json!({}),
        text => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    };
    facts.add(at, "call", json!({ "name": call.name, "arguments": arguments }));
    if !call.id.is_empty() {
        facts.add(format!("{at}.id"), "call id", json!(plain_id(&call.id)));
    }
    if let Some(signature) = &call.signature {
        facts.add(format!("{at}.signature"), "signature", signature_value(signature));
    }
    facts.extras(at, "call", &call.extras);
}

fn add_sampling(facts: &mut Facts, sampling: &Sampling) {
    facts.some("temperature", sampling.temperature.map(temperature_value));
    facts.some("top_p", sampling.top_p);
    facts.some("top_k", sampling.top_k);
    facts.some("n", sampling.n.filter(|n| *n != 1));
    facts.some("stop", sampling.stop.as_ref().filter(|stop| !stop.is_empty()).map(|stop| json!(stop)));
    facts.some("max_tokens", sampling.max_tokens.map(|max| max.value));
    facts.some("frequency_penalty", sampling.frequency_penalty.filter(|penalty| *penalty != 0.0));
    facts.some("presence_penalty", sampling.presence_penalty.filter(|penalty| *penalty != 0.0));
    facts.some("seed", sampling.seed);
}

/// A place on MLflow's own scale is no number of the provider's.
fn temperature_value(temperature: Temperature) -> Value {
    match temperature.scale {
        Scale::Absolute => json!(temperature.value),
        Scale::OfRange(_) => json!("of a range"),
    }
}

fn add_tool(facts: &mut Facts, at: &str, tool: &Tool) {
    match tool {
        Tool::Function { name, description, parameters, strict, extras } => {
            facts.add(format!("{at}.name"), "tool", json!(name));
            let mut of = |field: &str, value: Option<Value>| {
                if let Some(value) = value.filter(says_something) {
                    facts.add(format!("{at}.{field}"), format!("tool {name} {field}"), value);
                }
            };
            of("description", description.as_ref().map(|text| json!(text)));
            of("parameters", parameters.as_ref().map(|raw| plain_schema(parsed(raw))));
            of("strict", strict.filter(|strict| *strict).map(|strict| json!(strict)));
            facts.extras(at, &format!("tool {name}"), extras);
        }
        Tool::Unknown(raw) => facts.add(at, "tool", parsed(raw)),
    }
}

/// A schema without what it says by default: that it describes an object, of no fields.
fn plain_schema(mut schema: Value) -> Value {
    if let Some(fields) = schema.as_object_mut() {
        if fields.get("type") == Some(&json!("object")) {
            fields.remove("type");
        }
        if fields.get("properties") == Some(&json!({})) {
            fields.remove("properties");
        }
    }
    schema
}

fn choice_value(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Function(name) => json!({ "name": name }),
        ToolChoice::Unknown(raw) => parsed(raw),
    }
}

/// Plain text is what no wish gives, too.
fn format_value(format: &ResponseFormat) -> Option<Value> {
    Some(match format {
        ResponseFormat::Text => return None,
        ResponseFormat::JsonObject => json!("json"),
        ResponseFormat::JsonSchema { schema, .. } => json!({ "schema": schema.as_ref().map(parsed) }),
        ResponseFormat::Unknown(raw) => parsed(raw),
    })
}

fn reasoning_value(reasoning: &Reasoning) -> Value {
    match reasoning {
        Reasoning::Effort(effort) if effort == "none" => json!("off"),
        Reasoning::Effort(effort) => json!(effort),
        Reasoning::Budget(budget) => json!(budget),
        Reasoning::Off => json!("off"),
    }
}

fn add_choice(facts: &mut Facts, choice: &Choice) {
    let at = format!("choices[{}]", choice.index);
    let inner = format!("{at}.message");
    let mut of = Facts::default();
    add_message(&mut of, &inner, &choice.message);
    let own = |fact: Fact| Fact { kind: format!("{} {}", fact.kind, choice.index), ..fact };
    facts.0.extend(of.0.into_iter().map(own));
    // Whoever calls tools waits for them, whatever the provider says of it.
    let waits = matches!(choice.finish_reason, Some(FinishReason::Stop | FinishReason::FunctionCall));
    let reason = match &choice.finish_reason {
        Some(_) if waits && !choice.message.tool_calls.is_empty() => Some(&FinishReason::ToolCalls),
        reason => reason.as_ref(),
    };
    add_reason(facts, &at, choice.index, reason);
    facts
        .some(&format!("{at}.logprobs"), choice.logprobs.as_ref().map(logprobs_value).filter(says_something));
    facts.extras(&at, "choice", &choice.extras);
}

/// Log probabilities without the lists that are not there.
fn logprobs_value(raw: &RawJson) -> Value {
    let mut value = parsed(raw);
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, list| says_something(list));
    }
    value
}

fn add_reason(facts: &mut Facts, at: &str, index: u32, reason: Option<&FinishReason>) {
    if let Some(reason) = reason {
        facts.add(format!("{at}.finish_reason"), format!("reason {index}"), json!(reason.openai_word()));
    }
}

fn add_usage(facts: &mut Facts, usage: Option<&Usage>) {
    let Some(usage) = usage else { return };
    let counts = [
        ("prompt_tokens", usage.prompt_tokens),
        ("completion_tokens", usage.completion_tokens),
        ("cache_read_tokens", usage.cache_read_tokens),
        ("cache_write_tokens", usage.cache_write_tokens),
        ("reasoning_tokens", usage.reasoning_tokens),
    ];
    for (name, count) in counts {
        facts.some(&format!("usage.{name}"), count.filter(|count| *count > 0));
    }
}
