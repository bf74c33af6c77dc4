//! What is said: to a chat and to a prompt.

use crate::hash::Digest;
use crate::script::Script;
use crate::words;
use lockgate_dialects::canonical::{
    ChatRequest, ChatResponse, Choice, CompletionChoice, CompletionRequest, CompletionResponse, Content,
    Failure, FinishReason, Message, Prompt, Role, Sampling, ToolCall, Usage,
};
use serde_json::Value;

/// The most answers to one request, as OpenAI's API has it.
const MOST_CHOICES: u64 = 128;
/// The most pieces of all answers to one request together.
const MOST_PIECES: usize = 20_000;

/// An answer before it is written, whole or streamed.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// The answer's id.
    pub(crate) id: String,
    /// Unix seconds.
    pub(crate) created: u64,
    /// The model that the request named.
    pub(crate) model: String,
    /// The answers.
    pub(crate) choices: Vec<SaidChoice>,
    /// Counted in words.
    pub(crate) usage: Usage,
}

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct SaidChoice {
    /// The text, or the arguments of `tool`.
    pub(crate) text: String,
    /// The id and name of the tool that is called.
    pub(crate) tool: Option<(String, String)>,
    /// Why it ended.
    pub(crate) reason: FinishReason,
}

/// The answer to a chat: an echo, or the script's text or tool call. A chat that ends with a tool's answer gets a
/// text, so that a loop which calls tools comes to its end.
///
/// # Errors
/// A [`Failure`] that names `n` when it asks for too many answers.
pub(crate) fn to_chat(
    request: &ChatRequest,
    script: &Script,
    digest: Digest,
    now: u64,
) -> Result<Said, Failure> {
    let answered = request.messages.last().is_some_and(|last| last.role == Role::Tool);
    let counted = request.messages.iter().map(|message| words::count(&message.content.joined_text())).sum();
    let told = request.messages.iter().rfind(|message| matches!(message.role, Role::User | Role::Tool));
    let told = told.map_or_else(String::new, |message| words::excerpt(&message.content.joined_text()));
    let text = match told.as_str() {
        "" => format!("{GREETING} You said nothing that it can repeat."),
        _ if answered => format!("{GREETING} The tool said: {told}"),
        _ => format!("{GREETING} You said: {told}"),
    };
    let tool = script.tool_call.as_ref().filter(|_| !answered);
    let choices = choices(&[text], tool, &request.sampling, script, digest)?;
    Ok(said(choices, counted, request.model.as_deref(), digest, now))
}

/// The answer to a prompt, or one to each when it is a list.
///
/// # Errors
/// A [`Failure`] that names `n` or `prompt` when it asks for too many answers or cannot be read.
pub(crate) fn to_completion(
    request: &CompletionRequest,
    script: &Script,
    digest: Digest,
    now: u64,
) -> Result<Said, Failure> {
    let prompts = prompts(&request.prompt)?;
    let texts: Vec<_> =
        prompts.iter().map(|(told, _)| format!("{GREETING} Your prompt was: {told}")).collect();
    let counted = prompts.iter().map(|(_, counted)| counted).sum();
    let choices = choices(&texts, None, &request.sampling, script, digest)?;
    Ok(said(choices, counted, request.model.as_deref(), digest, now))
}

const GREETING: &str = "Hello from lockgate's demo model, which needs no key and no network.";

/// Each prompt's excerpt and number of tokens (OpenAI's four forms).
fn prompts(prompt: &Prompt) -> Result<Vec<(String, usize)>, Failure> {
    let of_text = |text: &str| (words::excerpt(text), words::count(text));
    let of_tokens = |tokens: &[Value]| (format!("{} tokens", tokens.len()), tokens.len());
    let wrong =
        || Failure::invalid("prompt", format!("must hold 1 to {MOST_CHOICES} texts or lists of tokens"));
    let raw = match prompt {
        Prompt::Text(text) => return Ok(vec![of_text(text)]),
        Prompt::Raw(raw) => raw,
    };
    let list: Vec<Value> = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
    if !list.is_empty() && list.iter().all(Value::is_number) {
        return Ok(vec![of_tokens(&list)]);
    }
    if list.is_empty() || list.len() as u64 > MOST_CHOICES {
        return Err(wrong());
    }
    list.iter()
        .map(|one| match one {
            Value::String(text) => Ok(of_text(text)),
            Value::Array(tokens) => Ok(of_tokens(tokens)),
            _ => Err(wrong()),
        })
        .collect()
}

/// The answers: `n` for each text, or `n` calls of `tool`.
fn choices(
    texts: &[String],
    tool: Option<&(String, String)>,
    sampling: &Sampling,
    script: &Script,
    digest: Digest,
) -> Result<Vec<SaidChoice>, Failure> {
    let each = sampling.n.unwrap_or(1);
    let all = each.saturating_mul(texts.len() as u64);
    if all == 0 || all > MOST_CHOICES {
        return Err(Failure::invalid("n", format!("must ask for 1 to {MOST_CHOICES} answers in all")));
    }
    if all as usize * script.chunks.unwrap_or(1) > MOST_PIECES {
        return Err(Failure::invalid("n", format!("asks for more than {MOST_PIECES} pieces in all")));
    }
    let numbered = texts.iter().flat_map(|text| (0..each).map(move |number| (text, number)));
    Ok(numbered
        .map(|(text, number)| match tool {
            Some((name, arguments)) => SaidChoice {
                text: arguments.clone(),
                tool: Some((format!("call_{}_{number}", digest.id()), name.clone())),
                reason: FinishReason::ToolCalls,
            },
            None => text_choice(text, number, sampling, script),
        })
        .collect())
}

/// The `number`-th answer with `text`, within the request's limits.
fn text_choice(text: &str, number: u64, sampling: &Sampling, script: &Script) -> SaidChoice {
    let text = match (&script.text, number) {
        (Some(fixed), _) => fixed.clone(),
        (None, 0) => text.to_owned(),
        (None, _) => format!("Answer {}: {text}", number + 1),
    };
    let text = words::lengthen(text, script.chunks.unwrap_or(0));
    let text = words::stop_at(&text, sampling.stop.as_deref().unwrap_or_default());
    let most =
        sampling.max_tokens.map_or(usize::MAX, |most| usize::try_from(most.value).unwrap_or(usize::MAX));
    let (text, cut) = words::shorten(text, most);
    let reason = if cut { FinishReason::Length } else { FinishReason::Stop };
    SaidChoice { text: text.to_owned(), tool: None, reason }
}

/// The whole of it.
fn said(choices: Vec<SaidChoice>, prompt: usize, model: Option<&str>, digest: Digest, now: u64) -> Said {
    let completion: usize = choices.iter().map(|choice| words::count(&choice.text)).sum();
    let usage = Usage {
        prompt_tokens: Some(prompt as u64),
        completion_tokens: Some(completion as u64),
        total_tokens: Some((prompt + completion) as u64),
        ..Usage::default()
    };
    Said { id: digest.id(), created: now, model: model.unwrap_or("demo").to_owned(), choices, usage }
}

impl Said {
    /// As a chat's answer.
    pub(crate) fn into_chat(self) -> ChatResponse {
        let choices = (0..).zip(self.choices).map(|(index, choice)| {
            let reason = choice.reason.clone();
            Choice::of(index, choice.into_message(), Some(reason))
        });
        ChatResponse {
            id: Some(self.id),
            created: Some(self.created),
            model: Some(self.model),
            choices: choices.collect(),
            usage: Some(self.usage),
            extras: Vec::new(),
        }
    }

    /// As a completion's answer.
    pub(crate) fn into_completion(self) -> CompletionResponse {
        let choices = (0..)
            .zip(self.choices)
            .map(|(index, choice)| CompletionChoice::of(index, choice.text, Some(choice.reason)));
        CompletionResponse {
            id: Some(self.id),
            created: Some(self.created),
            model: Some(self.model),
            choices: choices.collect(),
            usage: Some(self.usage),
            extras: Vec::new(),
        }
    }
}

impl SaidChoice {
    /// As the assistant's message.
    fn into_message(self) -> Message {
        match self.tool {
            None => Message::text(Role::Assistant, self.text),
            Some((id, name)) => Message {
                content: Content::None,
                tool_calls: vec![ToolCall {
                    id,
                    name,
                    arguments: self.text,
                    signature: None,
                    extras: Vec::new(),
                }],
                ..Message::text(Role::Assistant, "")
            },
        }
    }
}
