//! Requests, read from a client.

use super::additional::{self, Wishes};
use crate::bedrock_converse::blocks::{self, Block};
use crate::bedrock_converse::{cache, tools};
use crate::canonical::{
    ChatRequest, Content, Extras, Failure, MaxTokens, Message, Part, RawJson, ResponseFormat, Role, Sampling,
    Temperature, ToolCall,
};
use crate::raw::{Mismatch, Object, Read};
use serde_json::value::RawValue;

/// Reads a request.
pub(crate) fn decode(body: &[u8]) -> Result<ChatRequest, Failure> {
    read(Object::of_request(body)?).map_err(Mismatch::blame_caller)
}

fn read(mut object: Object<'_>) -> Read<ChatRequest> {
    let mut messages = Vec::new();
    let system = read_system(&mut object)?;
    messages.extend(system);
    let turns = object.each("messages", |turn| read_turn(turn, &mut messages))?;
    turns.ok_or_else(|| Mismatch::missing("messages", "a list"))?;
    let (tools, tool_choice) = tools::read(&mut object)?;
    let wishes = object.take(additional::NAME).map(Wishes::read).unwrap_or_default();
    let (sampling, unread) = read_inference(&mut object, wishes.top_k)?;
    let response_format = read_format(&mut object)?;
    let mut extras: Vec<_> = unread.map(|raw| ("inferenceConfig".to_owned(), raw)).into_iter().collect();
    extras.extend(wishes.rest.map(|rest| (additional::NAME.to_owned(), rest)));
    extras.extend(object.rest_without_nulls());
    Ok(ChatRequest {
        sampling,
        messages,
        tools,
        tool_choice: tool_choice.or(wishes.choice),
        parallel_tool_calls: wishes.parallel,
        response_format,
        reasoning: wishes.reasoning,
        stream_usage: true,
        extras: Extras { fields: extras, for_provider: false },
        ..ChatRequest::default()
    })
}

/// What was said in a list of blocks, in the making.
#[derive(Default)]
struct Said {
    parts: Vec<Part>,
    calls: Vec<ToolCall>,
    /// What the last block was, to which a mark of the prompt cache belongs.
    last: Option<Last>,
}

enum Last {
    Part,
    Call,
    Result,
}

impl Said {
    fn part(&mut self, part: Part) {
        self.parts.push(part);
        self.last = Some(Last::Part);
    }

    fn call(&mut self, call: ToolCall) {
        self.calls.push(call);
        self.last = Some(Last::Call);
    }

    /// Puts a mark on what stands before it; where nothing can bear it, it stays a block.
    fn mark(&mut self, mark: RawJson, whole: &RawValue, messages: &mut [Message]) {
        let bearer = match self.last {
            Some(Last::Part) => match self.parts.last_mut() {
                Some(Part::Text { extras, .. }) => Some(extras),
                Some(Part::Media(media)) => Some(&mut media.extras),
                _ => None,
            },
            Some(Last::Call) => self.calls.last_mut().map(|call| &mut call.extras),
            Some(Last::Result) => messages.last_mut().map(|message| &mut message.extras),
            None => None,
        };
        match bearer.filter(|extras| cache::mark(extras).is_none()) {
            Some(extras) => extras.push((cache::MARK.to_owned(), mark)),
            None => self.part(Part::Unknown(whole.to_owned())),
        }
    }
}

fn read_system(object: &mut Object<'_>) -> Read<Option<Message>> {
    let mut said = Said::default();
    let blocks = object.each("system", |block| {
        match blocks::read(block)? {
            Block::Part(part) => said.part(part),
            Block::Mark(mark) => said.mark(mark, block, &mut []),
            Block::Call(_) | Block::Result(_) => said.part(Part::Unknown(block.to_owned())),
        }
        Ok(())
    })?;
    let message = Message { content: Content::Parts(said.parts), ..Message::text(Role::System, "") };
    Ok(blocks.filter(|blocks| !blocks.is_empty()).map(|_| message))
}

/// Reads a turn: tools' answers become messages of their own before what else the user says.
fn read_turn(value: &RawValue, messages: &mut Vec<Message>) -> Read<()> {
    let mut turn = Object::of(value)?;
    let role = match turn.need_string("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        other => Role::Other(other.to_owned()),
    };
    let before = messages.len();
    let mut said = Said::default();
    let blocks = turn.each("content", |block| {
        match blocks::read(block)? {
            Block::Part(part) => said.part(part),
            Block::Call(call) => said.call(call),
            Block::Result(result) => {
                messages.push(read_result(result).map_err(|wrong| wrong.within("toolResult"))?);
                said.last = Some(Last::Result);
            }
            Block::Mark(mark) => said.mark(mark, block, messages),
        }
        Ok(())
    })?;
    blocks.ok_or_else(|| Mismatch::missing("content", "a list of blocks"))?;
    let content = if said.parts.is_empty() { Content::None } else { Content::Parts(said.parts) };
    let only_results = matches!(content, Content::None) && said.calls.is_empty() && messages.len() > before;
    if !only_results {
        messages.push(Message {
            content,
            tool_calls: said.calls,
            extras: turn.rest_without_nulls(),
            ..Message::text(role, "")
        });
    }
    Ok(())
}

fn read_result(mut result: Object<'_>) -> Read<Message> {
    let mut parts = Vec::new();
    result.each("content", |block| {
        parts.push(read_result_block(block)?);
        Ok(())
    })?;
    let status = result.string("status")?;
    Ok(Message {
        content: if parts.is_empty() { Content::None } else { Content::Parts(parts) },
        tool_call_id: Some(result.need_string("toolUseId")?),
        is_error: status.as_deref() == Some("error"),
        extras: result.rest_without_nulls(),
        ..Message::text(Role::Tool, "")
    })
}

/// Reads a block of a tool's answer; JSON is text to every other API.
fn read_result_block(block: &RawValue) -> Read<Part> {
    if let Some(json) = Object::of(block)?.take("json") {
        return Ok(Part::Text { text: json.get().to_owned(), extras: Vec::new() });
    }
    Ok(match blocks::read(block)? {
        Block::Part(part) => part,
        Block::Call(_) | Block::Result(_) | Block::Mark(_) => Part::Unknown(block.to_owned()),
    })
}

/// Reads `inferenceConfig`, and what of it is not known.
fn read_inference(object: &mut Object<'_>, top_k: Option<u64>) -> Read<(Sampling, Option<RawJson>)> {
    let Some(raw) = object.take("inferenceConfig") else {
        return Ok((Sampling { top_k, ..Sampling::default() }, None));
    };
    let inside = |wrong: Mismatch| wrong.within("inferenceConfig");
    let mut config = Object::of(raw).map_err(inside)?;
    let max_tokens = config.count("maxTokens").map_err(inside)?;
    let sampling = Sampling {
        temperature: config.number("temperature").map_err(inside)?.map(Temperature::given),
        top_p: config.number("topP").map_err(inside)?,
        top_k,
        stop: config.strings("stopSequences").map_err(inside)?.filter(|stop| !stop.is_empty()),
        max_tokens: max_tokens.map(|value| MaxTokens { value, completion: false }),
        ..Sampling::default()
    };
    let known = config.rest_without_nulls().is_empty();
    Ok((sampling, (!known).then(|| raw.to_owned())))
}

/// Reads `outputConfig`; what is more than a schema stays a field.
fn read_format(object: &mut Object<'_>) -> Read<Option<ResponseFormat>> {
    let Some(raw) = object.get("outputConfig") else { return Ok(None) };
    let read = schema_of(raw);
    if read.is_some() {
        object.take("outputConfig");
    }
    Ok(read)
}

/// The schema of `outputConfig.textFormat`: JSON in a string.
fn schema_of(raw: &RawValue) -> Option<ResponseFormat> {
    let mut config = Object::of(raw).ok()?;
    let mut format = config.object("textFormat").ok()??;
    let kind = format.string("type").ok()??;
    let mut structure = format.object("structure").ok()??;
    let mut schema = structure.object("jsonSchema").ok()??;
    let text = schema.string("schema").ok()??;
    let read = ResponseFormat::JsonSchema {
        name: schema.string("name").ok()?,
        description: schema.string("description").ok()?,
        schema: Some(RawValue::from_string(text).ok()?),
        strict: None,
    };
    let whole = kind == "json_schema" && [config, format, structure, schema].iter().all(Object::is_empty);
    whole.then_some(read)
}
