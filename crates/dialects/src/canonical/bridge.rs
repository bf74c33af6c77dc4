//! A prompt as a message, and the answer back: text completion on a model that only chats.

use super::{
    ChatRequest, ChatResponse, CompletionChoice, CompletionRequest, CompletionResponse, Content, Failure, Losses,
    Message, Prompt, Role,
};

/// The chat that asks what a completion asked: one user message with the prompt.
///
/// # Errors
/// A [`Failure`] that names `prompt` when it is a list of texts or tokens, which no chat can carry.
pub fn as_chat(request: CompletionRequest, losses: &mut Losses) -> Result<ChatRequest, Failure> {
    let Prompt::Text(prompt) = request.prompt else {
        return Err(Failure::invalid("prompt", "a chat model takes one prompt as a string"));
    };
    let mut extras = request.extras;
    extras.fields.retain(|(name, _)| {
        let keep = name != "messages";
        if !keep {
            losses.add("messages", "a completion's prompt is its only message");
        }
        keep
    });
    Ok(ChatRequest {
        model: request.model,
        messages: vec![Message::text(Role::User, prompt)],
        sampling: request.sampling,
        stream: request.stream,
        stream_usage: request.stream_usage,
        user: request.user,
        extras,
        ..ChatRequest::default()
    })
}

/// The completion that a chat's answer amounts to: each choice's text.
pub fn as_completion(response: ChatResponse, losses: &mut Losses) -> CompletionResponse {
    let choices = response.choices.into_iter().map(|choice| {
        let at = format!("choices[{}].message", choice.index);
        if !choice.message.tool_calls.is_empty() {
            losses.add(format!("{at}.tool_calls"), "a completion has no tool calls");
        }
        if choice.message.refusal.is_some() && !matches!(choice.message.content, Content::None) {
            losses.add(format!("{at}.refusal"), "a completion has one text");
        }
        let text = match choice.message.content {
            Content::None => choice.message.refusal.unwrap_or_default(),
            content => content.joined_text(),
        };
        CompletionChoice { index: choice.index, text, finish_reason: choice.finish_reason, logprobs: None }
    });
    CompletionResponse {
        choices: choices.collect(),
        id: response.id,
        created: response.created,
        model: response.model,
        usage: response.usage,
        extras: response.extras,
    }
}
