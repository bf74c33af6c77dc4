//! Messages and their parts.

use super::{RawJson, Signature};

/// Who says a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Instructions of the application.
    System,
    /// OpenAI's newer word for system, kept apart because some models take only one of them.
    Developer,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The answer to a tool call.
    Tool,
    /// OpenAI's deprecated `function` role.
    Function,
    /// A word that no dialect here knows; carried as it is.
    Other(String),
}

impl Role {
    /// OpenAI's word for it, which MLflow uses too.
    pub fn openai_word(&self) -> &str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
            Self::Function => "function",
            Self::Other(word) => word,
        }
    }

    /// The role behind OpenAI's word.
    pub fn of_openai_word(word: &str) -> Self {
        match word {
            "system" => Self::System,
            "developer" => Self::Developer,
            "user" => Self::User,
            "assistant" => Self::Assistant,
            "tool" => Self::Tool,
            "function" => Self::Function,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// One turn, or a piece of one.
#[derive(Debug, Clone)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: Content,
    /// The author's name, where a dialect has it.
    pub name: Option<String>,
    /// Tool calls that the assistant made in this turn, in order.
    pub tool_calls: Vec<ToolCall>,
    /// In a tool's answer: the call that it answers.
    pub tool_call_id: Option<String>,
    /// In a tool's answer: whether the tool failed.
    pub is_error: bool,
    /// The assistant's refusal text.
    pub refusal: Option<String>,
    /// Fields of the message that this model does not name.
    pub extras: Vec<(String, RawJson)>,
}

impl Message {
    /// A message of plain text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            content: Content::Text(text.into()),
            name: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            is_error: false,
            refusal: None,
            extras: Vec::new(),
        }
    }
}

/// What a message says. The form is kept, since a string and a list of one text are different bytes.
#[derive(Debug, Clone)]
pub enum Content {
    /// No content: `null` or absent.
    None,
    /// A plain string.
    Text(String),
    /// A list of parts.
    Parts(Vec<Part>),
}

impl Content {
    /// All text in order, joined without a separator; other parts are left out.
    pub fn joined_text(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Text { text, .. } => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
        }
    }
}

/// A part of a message.
#[derive(Debug, Clone)]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// Other fields of the part, such as `cache_control` or `citations`.
        extras: Vec<(String, RawJson)>,
    },
    /// An image, audio clip or document.
    Media(Media),
    /// Reasoning that the model showed, with the provider's opaque signature.
    Thinking {
        /// The text; may be empty where the provider only signs.
        text: String,
        /// Opaque proof that must go back unchanged.
        signature: Option<Signature>,
    },
    /// Reasoning that the provider encrypted. Opaque.
    RedactedThinking(Signature),
    /// A part that this model does not name.
    Unknown(RawJson),
}

/// Something that is not text.
#[derive(Debug, Clone)]
pub struct Media {
    /// `image`, `audio` or `document`.
    pub kind: MediaKind,
    /// Where its bytes are.
    pub source: MediaSource,
    /// A file name, where given.
    pub name: Option<String>,
    /// OpenAI's `detail` of an image: `auto`, `low` or `high`.
    pub detail: Option<String>,
    /// Other fields of the part, such as `cache_control`.
    pub extras: Vec<(String, RawJson)>,
}

/// What a [`Media`] part holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A sound.
    Audio,
    /// A PDF or another file.
    Document,
}

/// Where the bytes of a [`Media`] part are.
#[derive(Debug, Clone)]
pub enum MediaSource {
    /// At a URL that the provider fetches.
    Url(String),
    /// In the request, base64.
    Base64 {
        /// MIME type, such as `image/png`.
        media_type: String,
        /// Base64 text, as it came.
        data: String,
    },
    /// At the provider, by id.
    FileId(String),
}

impl MediaSource {
    /// What a URL stands for: a `data:` URL holds the bytes (RFC 2397), any other is a place.
    pub fn of_url(url: String) -> Self {
        match url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
            Some((media_type, data)) => {
                Self::Base64 { media_type: media_type.to_owned(), data: data.to_owned() }
            }
            None => Self::Url(url),
        }
    }
}

/// A call of a tool that the model made.
#[derive(Debug, Clone)]
pub struct ToolCall {
    /// Joins call and answer.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// Arguments as the model wrote them: JSON text, perhaps invalid.
    pub arguments: String,
    /// Gemini's thought signature, which must go back with the call.
    pub signature: Option<Signature>,
    /// Other fields of the call.
    pub extras: Vec<(String, RawJson)>,
}
