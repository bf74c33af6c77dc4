//! Requests for chat.

use super::{Body, message, sampling, tools};
use crate::ModelTraits;
use crate::canonical::{ChatRequest, Extras, Failure, Losses, Reasoning, Role};
use crate::raw::{ArrayWriter, Mismatch, Object, Read};

/// The request that an OpenAI-shaped object makes. What no field here claims goes to the extras, which are meant for
/// the provider where `extras_for_provider`.
///
/// # Errors
/// A [`Failure`] that names the first wrong field.
pub(crate) fn from_object(object: Object<'_>, extras_for_provider: bool) -> Result<ChatRequest, Failure> {
    read(object, extras_for_provider).map_err(Mismatch::blame_caller)
}

fn read(mut object: Object<'_>, for_provider: bool) -> Read<ChatRequest> {
    let model = object.string("model")?;
    let messages = match object.each("messages", message::read)? {
        Some(messages) if !messages.is_empty() => messages,
        Some(_) => {
            return Err(Mismatch {
                found: "an empty one",
                ..Mismatch::missing("messages", "a list of messages")
            });
        }
        None => return Err(Mismatch::missing("messages", "a list of messages")),
    };
    Ok(ChatRequest {
        model,
        messages,
        sampling: sampling::read(&mut object)?,
        tools: object.each("tools", tools::read)?.unwrap_or_default(),
        tool_choice: object.take("tool_choice").map(tools::read_choice).transpose()?,
        parallel_tool_calls: object.boolean("parallel_tool_calls")?,
        response_format: object.take("response_format").map(tools::read_format).transpose()?,
        reasoning: read_reasoning(&mut object, for_provider)?,
        stream: object.boolean("stream")?,
        stream_usage: read_stream_usage(&mut object)?,
        user: object.string("user")?,
        extras: Extras { fields: object.rest(), for_provider },
    })
}

/// The wish for reasoning: OpenAI's level, else `reasoning` as OpenRouter has it or `thinking` as DeepSeek, Moonshot and
/// Z.ai have it, where these say no more than the canonical model does. What is meant for the provider stays as it is.
fn read_reasoning(object: &mut Object<'_>, for_provider: bool) -> Read<Option<Reasoning>> {
    if let Some(effort) = object.string("reasoning_effort")? {
        return Ok(Some(Reasoning::Effort(effort)));
    }
    for (name, read) in [("reasoning", of_openrouter as fn(Object<'_>) -> _), ("thinking", of_deepseek)] {
        let wish = object.get(name).and_then(|wish| Object::of(wish).ok());
        if let Some(reasoning) = wish.filter(|_| !for_provider).and_then(read) {
            object.take(name);
            return Ok(Some(reasoning));
        }
    }
    Ok(None)
}

fn of_openrouter(mut wish: Object<'_>) -> Option<Reasoning> {
    let (effort, budget) = (wish.string("effort").ok()?, wish.count("max_tokens").ok()?);
    let enabled = wish.boolean("enabled").ok()?;
    let reasoning = match (effort, budget, enabled) {
        (Some(effort), None, None | Some(true)) => Reasoning::Effort(effort),
        (None, Some(budget), None | Some(true)) => Reasoning::Budget(budget),
        (None, None, Some(false)) => Reasoning::Off,
        _ => return None,
    };
    wish.is_empty().then_some(reasoning)
}

fn of_deepseek(mut wish: Object<'_>) -> Option<Reasoning> {
    let kind = wish.string("type").ok()??;
    (kind == "disabled" && wish.is_empty()).then_some(Reasoning::Off)
}

/// Whether `stream_options` ask for usage. Options beside that one stay among the rest.
pub(crate) fn read_stream_usage(object: &mut Object<'_>) -> Read<bool> {
    let Some(options) = object.get("stream_options").filter(|options| options.get() != "null") else {
        object.take("stream_options");
        return Ok(false);
    };
    let mut fields = Object::of(options).map_err(|wrong| wrong.within("stream_options"))?;
    let usage = fields.boolean("include_usage").map_err(|wrong| wrong.within("stream_options"))?;
    if fields.is_empty() {
        object.take("stream_options");
    }
    Ok(usage.unwrap_or(false))
}

/// The body that says `request` to a provider.
pub(crate) fn encode(request: &ChatRequest, model: &ModelTraits, losses: &mut Losses) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    let own = request.extras.for_provider;
    let mut body = Body::new(model, &request.extras, &mut out);
    sampling::write_first(&request.sampling, model, true, &mut body, losses);
    if let Some(out) = body.key("messages") {
        let mut list = ArrayWriter::new(out);
        let asked = request.messages.iter().rposition(|message| message.role == Role::User).unwrap_or(0);
        for (place, message) in request.messages.iter().enumerate() {
            let at = format_args!("messages[{place}]");
            message::write(message, &at, (own, place > asked), losses, list.element());
        }
        list.end();
    }
    sampling::write_rest(&request.sampling, &mut body, losses);
    write_tools(request, own, &mut body, losses);
    write_reasoning(request.reasoning.as_ref(), model, &mut body, losses);
    body.some("stream", request.stream);
    write_stream_usage(request.stream, request.stream_usage, model, &mut body);
    body.some("user", request.user.as_ref());
    body.end(losses);
    out
}

/// OpenAI refuses `stream_options` without `stream`, and some providers always.
pub(crate) fn write_stream_usage(
    stream: Option<bool>,
    usage: bool,
    model: &ModelTraits,
    body: &mut Body<'_>,
) {
    if usage
        && !model.refuses_stream_options
        && stream == Some(true)
        && let Some(out) = body.key("stream_options")
    {
        out.extend_from_slice(br#"{"include_usage":true}"#);
    }
}

fn write_tools(request: &ChatRequest, own: bool, body: &mut Body<'_>, losses: &mut Losses) {
    let known = |tool| own || tools::is_known(tool);
    if request.tools.iter().any(known)
        && let Some(out) = body.key("tools")
    {
        let mut list = ArrayWriter::new(out);
        for (place, tool) in request.tools.iter().enumerate().filter(|(_, tool)| known(tool)) {
            tools::write(tool, &format_args!("tools[{place}]"), own, losses, list.element());
        }
        list.end();
    }
    for (place, _) in request.tools.iter().enumerate().filter(|(_, tool)| !known(tool)) {
        losses.add(format!("tools[{place}]"), "only its own API knows this tool");
    }
    if let Some(choice) = &request.tool_choice {
        match tools::choice_json(choice, own) {
            Some(json) => body.field("tool_choice", &json),
            None => losses.add("tool_choice", "only its own API knows this choice"),
        }
    }
    body.some("parallel_tool_calls", request.parallel_tool_calls);
    if let Some(format) = &request.response_format {
        match tools::format_json(format, own) {
            Some(json) => body.field("response_format", &json),
            None => losses.add("response_format", "only its own API knows this format"),
        }
    }
}

fn write_reasoning(
    reasoning: Option<&Reasoning>,
    model: &ModelTraits,
    body: &mut Body<'_>,
    losses: &mut Losses,
) {
    body.some("reasoning_effort", effort(reasoning, model, losses));
}

/// The level of effort. OpenAI has levels where others have budgets; a model that does not reason refuses the field.
pub(crate) fn effort<'a>(
    reasoning: Option<&'a Reasoning>,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Option<&'a str> {
    match reasoning? {
        Reasoning::Effort(effort) => return Some(effort),
        Reasoning::Budget(budget) if model.reasoning => {
            losses.add("reasoning", "OpenAI has levels of effort, not budgets");
            return Some(match budget {
                0..=2_048 => "low",
                2_049..=8_192 => "medium",
                _ => "high",
            });
        }
        Reasoning::Budget(_) => losses.add("reasoning", "the model does not reason"),
        // Not every model knows the level `none`, and those that do not refuse the request.
        Reasoning::Off if model.reasoning => losses.add("reasoning", "the model always reasons"),
        Reasoning::Off => {}
    }
    None
}
