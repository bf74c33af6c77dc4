//! Requests for chat and text completion.

use super::{Message, RawJson};

/// A request for chat.
#[derive(Debug, Clone, Default)]
pub struct ChatRequest {
    /// The model or route that the caller named in the body.
    pub model: Option<String>,
    /// The conversation, oldest first; system messages stand where the client put them.
    pub messages: Vec<Message>,
    /// How to sample.
    pub sampling: Sampling,
    /// Tools that the model may call.
    pub tools: Vec<Tool>,
    /// Whether and which tool must be called.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several tools may be called in one turn.
    pub parallel_tool_calls: Option<bool>,
    /// The form that the answer must have.
    pub response_format: Option<ResponseFormat>,
    /// How much to reason.
    pub reasoning: Option<Reasoning>,
    /// Whether the answer is streamed. `Some(false)` is a client that said so.
    pub stream: Option<bool>,
    /// Whether the client asked for usage at the end of a stream.
    pub stream_usage: bool,
    /// The end user, for the provider's abuse detection.
    pub user: Option<String>,
    /// Everything else that the client wrote at the top level.
    pub extras: Extras,
}

/// A request for text completion.
#[derive(Debug, Clone, Default)]
pub struct CompletionRequest {
    /// The model or route that the caller named in the body.
    pub model: Option<String>,
    /// The text to go on from.
    pub prompt: Prompt,
    /// How to sample.
    pub sampling: Sampling,
    /// Whether the answer is streamed.
    pub stream: Option<bool>,
    /// Whether the client asked for usage at the end of a stream.
    pub stream_usage: bool,
    /// The end user.
    pub user: Option<String>,
    /// Everything else, `suffix`, `echo` and `best_of` among it.
    pub extras: Extras,
}

/// What a completion goes on from (OpenAI's four forms).
#[derive(Debug, Clone)]
pub enum Prompt {
    /// One text.
    Text(String),
    /// Several texts, or tokens: carried raw, since only OpenAI's API takes them.
    Raw(RawJson),
}

impl Default for Prompt {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

/// How to sample.
#[derive(Debug, Clone, Default)]
pub struct Sampling {
    /// Randomness.
    pub temperature: Option<Temperature>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// Sampling from the k likeliest tokens.
    pub top_k: Option<u64>,
    /// How many answers. MLflow sends 1 even when the client did not.
    pub n: Option<u64>,
    /// Texts that end the answer.
    pub stop: Option<Vec<String>>,
    /// The most tokens that the answer may have.
    pub max_tokens: Option<MaxTokens>,
    /// Penalty on tokens by how often they occurred.
    pub frequency_penalty: Option<f64>,
    /// Penalty on tokens that occurred.
    pub presence_penalty: Option<f64>,
    /// For repeatable sampling.
    pub seed: Option<i64>,
}

/// Randomness, and the scale that it is on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temperature {
    /// As the client wrote it, or the default of its dialect.
    pub value: f64,
    /// What `value` means.
    pub scale: Scale,
    /// Whether the client wrote it; a default is left out for models that refuse it.
    pub given: bool,
}

/// What a temperature's number means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    /// The provider's own number.
    Absolute,
    /// A place between 0 and this maximum, stretched to the provider's range: MLflow's unified scale.
    OfRange(f64),
}

impl Temperature {
    /// A temperature that the client wrote as the provider's own number.
    pub fn given(value: f64) -> Self {
        Self { value, scale: Scale::Absolute, given: true }
    }

    /// The number to send to a provider whose highest temperature is `max`.
    pub fn for_max(&self, max: Option<f64>) -> f64 {
        match (self.scale, max) {
            (Scale::OfRange(range), Some(max)) => self.value * (max / range),
            _ => self.value,
        }
    }
}

/// The most tokens that an answer may have, and OpenAI's two spellings of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxTokens {
    /// Tokens.
    pub value: u64,
    /// Whether the client wrote `max_completion_tokens`, which counts reasoning too.
    pub completion: bool,
}

/// A tool that the model may call.
#[derive(Debug, Clone)]
pub enum Tool {
    /// A function of the client.
    Function {
        /// Its name.
        name: String,
        /// What it does.
        description: Option<String>,
        /// JSON Schema of its arguments, as it came.
        parameters: Option<RawJson>,
        /// Whether the provider must hold the model to the schema.
        strict: Option<bool>,
        /// Other fields of the declaration, such as `cache_control`.
        extras: Vec<(String, RawJson)>,
    },
    /// A tool that only its own dialect knows (hosted tools, custom grammars).
    Unknown(RawJson),
}

/// Whether and which tool must be called.
#[derive(Debug, Clone)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// None may be called.
    None,
    /// At least one must be called.
    Required,
    /// This function must be called.
    Function(String),
    /// A form that only its own dialect knows.
    Unknown(RawJson),
}

/// The form that the answer must have.
#[derive(Debug, Clone)]
pub enum ResponseFormat {
    /// Plain text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON after a schema.
    JsonSchema {
        /// The schema's name.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// The schema, as it came.
        schema: Option<RawJson>,
        /// Whether the provider must hold the model to it.
        strict: Option<bool>,
    },
    /// A form that only its own dialect knows.
    Unknown(RawJson),
}

/// How much to reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reasoning {
    /// A level: `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`.
    Effort(String),
    /// At most this many tokens.
    Budget(u64),
    /// No reasoning.
    Off,
}

/// Top-level fields that the canonical model does not name, in the client's order.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// Field names and values as they came.
    pub fields: Vec<(String, RawJson)>,
    /// Whether they are meant for the provider, whatever its dialect, as in MLflow's contract. Else they belong to
    /// the client's dialect and are a loss in any other.
    pub for_provider: bool,
}

impl Extras {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&RawJson> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}
