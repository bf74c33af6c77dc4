//! A prompt as a message, and the answer back: text completion on a model that only chats.

use super::{
    ChatRequest, ChatResponse, Choice, CompletionChoice, CompletionRequest, CompletionResponse, Content,
    Failure, Losses, Message, Part, Prompt, Role,
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
    let choice = |choice: Choice| {
        lose_more_than_text(&choice, losses);
        let Choice { index, message, finish_reason, extras, .. } = choice;
        let text = match message.content {
            Content::None => message.refusal.unwrap_or_default(),
            content => content.joined_text(),
        };
        CompletionChoice { extras, ..CompletionChoice::of(index, text, finish_reason) }
    };
    CompletionResponse {
        choices: response.choices.into_iter().map(choice).collect(),
        id: response.id,
        created: response.created,
        model: response.model,
        usage: response.usage,
        extras: response.extras,
    }
}

/// Records what a chat's choice says beside its text.
fn lose_more_than_text(choice: &Choice, losses: &mut Losses) {
    const ONE_TEXT: &str = "a completion has one text";
    let message = &choice.message;
    let at = format!("choices[{}]", choice.index);
    losses.add_if(choice.logprobs.is_some(), format!("{at}.logprobs"), "those of a chat have another form");
    let at = format!("{at}.message");
    losses.add_if(
        !message.tool_calls.is_empty(),
        format!("{at}.tool_calls"),
        "a completion has no tool calls",
    );
    let refused = message.refusal.is_some() && !matches!(message.content, Content::None);
    losses.add_if(refused, format!("{at}.refusal"), ONE_TEXT);
    if let Content::Parts(parts) = &message.content {
        for (place, part) in parts.iter().enumerate() {
            let text = matches!(part, Part::Text { .. });
            losses.add_if(!text, format!("{at}.content[{place}]"), ONE_TEXT);
        }
    }
    losses.add_fields(&at, &message.extras, ONE_TEXT);
}
