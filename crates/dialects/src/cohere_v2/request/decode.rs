//! Requests, read from a client.

use super::wishes;
use crate::canonical::{ChatRequest, Extras, Failure, Tool};
use crate::cohere_v1;
use crate::cohere_v2::content;
use crate::openai_chat::tools;
use crate::raw::{Mismatch, Object, Read};

/// Reads a request.
pub(crate) fn decode(body: &[u8]) -> Result<ChatRequest, Failure> {
    read(Object::of_request(body)?).map_err(Mismatch::blame_caller)
}

fn read(mut object: Object<'_>) -> Read<ChatRequest> {
    let messages = object.each("messages", content::read)?;
    let messages = messages.filter(|messages| !messages.is_empty());
    Ok(ChatRequest {
        model: object.string("model")?,
        messages: messages.ok_or_else(|| Mismatch::missing("messages", "a list of messages"))?,
        sampling: cohere_v1::request::take_sampling(&mut object)?,
        tools: read_tools(&mut object)?,
        tool_choice: wishes::take_choice(&mut object)?,
        response_format: wishes::take_format(&mut object)?,
        reasoning: wishes::take_thinking(&mut object)?,
        stream: object.boolean("stream")?,
        stream_usage: true,
        extras: Extras { fields: object.rest_without_nulls(), for_provider: false },
        ..ChatRequest::default()
    })
}

/// Reads the tools; `strict_tools` speaks of each.
fn read_tools(object: &mut Object<'_>) -> Read<Vec<Tool>> {
    let mut read = object.each("tools", tools::read)?.unwrap_or_default();
    if !read.is_empty() {
        let all_strict = object.boolean("strict_tools")?;
        for tool in &mut read {
            if let Tool::Function { strict, .. } = tool {
                *strict = strict.or(all_strict);
            }
        }
    }
    Ok(read)
}
