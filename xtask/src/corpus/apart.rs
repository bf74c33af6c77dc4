//! What an answer or stream says, read from its JSON without any dialect: the other opinion.

use lockgate_dialects::canonical::Usage;
use lockgate_dialects::framing::sse::SseReader;
use serde_json::Value;

/// The JSON of an answer, or each frame of a stream.
pub(crate) fn frames(bytes: &[u8], streamed: bool) -> Vec<Value> {
    if !streamed {
        return serde_json::from_slice(bytes).into_iter().collect();
    }
    if bytes.first() == Some(&0) {
        return event_stream(bytes);
    }
    if bytes.starts_with(b"[") {
        return serde_json::from_slice(bytes).unwrap_or_default();
    }
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let lines: Option<Vec<Value>> = lines.map(|line| serde_json::from_slice(line).ok()).collect();
    let mut frames = lines.unwrap_or_else(|| {
        let mut frames = Vec::new();
        let mut reader = SseReader::new();
        let mut take = |event: lockgate_dialects::framing::sse::SseEvent<'_>| {
            frames.extend(serde_json::from_slice::<Value>(event.data));
        };
        let _partial = reader.feed(bytes, &mut take);
        let _partial = reader.finish(&mut take);
        frames
    });
    // Some recordings hold the next turn's stream behind the first.
    if let Some(end) = frames.iter().position(|frame| frame["type"] == "message_stop") {
        frames.truncate(end + 1);
    }
    frames
}

/// Whether the last frame is its API's own end.
pub(crate) fn is_over(bytes: &[u8]) -> bool {
    const ENDS: [&str; 6] = [
        "message_stop",
        "message-end",
        "response.completed",
        "response.incomplete",
        "response.failed",
        "stream-end",
    ];
    let frames = frames(bytes, true);
    let kind =
        frames.last().and_then(|frame| frame.get("type").or_else(|| frame.get("event_type"))?.as_str());
    kind.is_some_and(|kind| ENDS.contains(&kind))
}

/// The payloads of `application/vnd.amazon.eventstream`, each under its event's name.
fn event_stream(mut bytes: &[u8]) -> Vec<Value> {
    let number = |bytes: &[u8]| bytes.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte));
    let mut frames = Vec::new();
    while bytes.len() >= 16 {
        let (total, headers) = (number(&bytes[..4]), number(&bytes[4..8]));
        if total > bytes.len() || total < headers + 16 {
            break;
        }
        let payload = &bytes[12 + headers..total - 4];
        frames.extend(serde_json::from_slice::<Value>(payload));
        bytes = &bytes[total..];
    }
    frames
}

/// The places of usage, by the names that tell the APIs apart. Later frames count more.
pub(crate) fn usage(api: &str, frames: &[Value]) -> Usage {
    let mut usage = Usage::default();
    let mut seen = Value::Null;
    for frame in frames {
        for place in ["", "/message", "/response", "/delta", "/metadata"] {
            let holder = frame.pointer(place);
            let found = holder.and_then(|holder| match api {
                "generate_content" | "stream_generate_content" => holder.get("usageMetadata"),
                "chat_native" | "generate_native" => holder.get("eval_count").map(|_| holder),
                "chat_v1" | "generate_v1" | "embed_v1" => {
                    holder.get("meta").or_else(|| holder.get("token_count"))
                }
                _ => holder.get("usage"),
            });
            if let Some(found) = found.filter(|found| found.is_object()) {
                merge(&mut seen, found);
            }
        }
    }
    let at = |path: &str| seen.pointer(path).and_then(Value::as_u64);
    let sum = |counts: &[Option<u64>]| {
        counts.iter().any(Option::is_some).then(|| counts.iter().flatten().sum::<u64>())
    };
    match api {
        "messages" => {
            (usage.cache_read_tokens, usage.cache_write_tokens) =
                (at("/cache_read_input_tokens"), at("/cache_creation_input_tokens"));
            usage.prompt_tokens =
                sum(&[at("/input_tokens"), usage.cache_read_tokens, usage.cache_write_tokens]);
            usage.completion_tokens = at("/output_tokens");
        }
        "responses" => {
            usage.prompt_tokens = at("/input_tokens");
            usage.completion_tokens = at("/output_tokens");
            usage.cache_read_tokens = at("/input_tokens_details/cached_tokens");
            usage.reasoning_tokens = at("/output_tokens_details/reasoning_tokens");
        }
        "generate_content" | "stream_generate_content" => {
            usage.prompt_tokens = sum(&[at("/promptTokenCount"), at("/toolUsePromptTokenCount")]);
            usage.completion_tokens = sum(&[at("/candidatesTokenCount"), at("/thoughtsTokenCount")]);
            usage.cache_read_tokens = at("/cachedContentTokenCount");
            usage.reasoning_tokens = at("/thoughtsTokenCount");
        }
        "converse" | "converse_stream" => {
            (usage.cache_read_tokens, usage.cache_write_tokens) =
                (at("/cacheReadInputTokens"), at("/cacheWriteInputTokens"));
            usage.prompt_tokens =
                sum(&[at("/inputTokens"), usage.cache_read_tokens, usage.cache_write_tokens]);
            usage.completion_tokens = at("/outputTokens");
        }
        "chat_v2" => {
            usage.prompt_tokens = at("/tokens/input_tokens").or(at("/billed_units/input_tokens"));
            usage.completion_tokens = at("/tokens/output_tokens").or(at("/billed_units/output_tokens"));
        }
        "chat_v1" | "generate_v1" | "embed_v1" => {
            let first = |name: &str| at(&format!("/tokens/{name}")).or(at(&format!("/billed_units/{name}")));
            usage.prompt_tokens = first("input_tokens").or(at("/prompt_tokens"));
            usage.completion_tokens = first("output_tokens").or(at("/response_tokens"));
        }
        "chat_native" | "generate_native" => {
            usage.prompt_tokens = at("/prompt_eval_count");
            usage.completion_tokens = at("/eval_count");
        }
        "complete_legacy" | "embed_v2" | "embed_content" | "batch_embed_contents" => {}
        _ => return of_openai(&seen),
    }
    usage
}

/// Of OpenAI's form, which most have.
fn of_openai(seen: &Value) -> Usage {
    let at = |path: &str| seen.pointer(path).and_then(Value::as_u64);
    let mut usage = Usage::default();
    usage.prompt_tokens = at("/prompt_tokens");
    usage.completion_tokens = at("/completion_tokens");
    usage.cache_read_tokens = at("/prompt_tokens_details/cached_tokens").or(at("/prompt_cache_hit_tokens"));
    usage.reasoning_tokens = at("/completion_tokens_details/reasoning_tokens");
    usage.completion_tokens = reasoning_included(&usage, at("/total_tokens"));
    usage.cache_write_tokens = at("/prompt_tokens_details/cache_write_tokens");
    for cached in [usage.cache_read_tokens, usage.cache_write_tokens] {
        if cached > usage.prompt_tokens {
            // Some servers count what was cached beside the prompt.
            usage.prompt_tokens = usage.prompt_tokens.zip(cached).map(|(prompt, cached)| prompt + cached);
        }
    }
    if let (Some(prompt), Some(read)) = (usage.prompt_tokens, usage.cache_read_tokens) {
        // Written and read by the same call, counted twice.
        usage.cache_write_tokens = usage.cache_write_tokens.map(|written| written.min(prompt - read));
    }
    usage
}

/// xAI counts reasoning beside the completion; the total tells.
fn reasoning_included(usage: &Usage, total: Option<u64>) -> Option<u64> {
    let (prompt, completion) = (usage.prompt_tokens?, usage.completion_tokens?);
    let both = completion + usage.reasoning_tokens.unwrap_or(0);
    Some(if total == Some(prompt + both) { both } else { completion })
}

fn merge(seen: &mut Value, later: &Value) {
    match (seen, later) {
        (Value::Object(seen), Value::Object(later)) => {
            for (name, value) in later.iter().filter(|(_, value)| !value.is_null()) {
                merge(seen.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (seen, later) => *seen = later.clone(),
    }
}

/// The counts on which two opinions differ. A zero says as much as nothing.
pub(crate) fn differences(read: Option<Usage>, apart: &Usage) -> Vec<String> {
    let read = read.unwrap_or_default();
    let counts = [
        ("prompt", read.prompt_tokens, apart.prompt_tokens),
        ("completion", read.completion_tokens, apart.completion_tokens),
        ("cache read", read.cache_read_tokens, apart.cache_read_tokens),
        ("cache write", read.cache_write_tokens, apart.cache_write_tokens),
        ("reasoning", read.reasoning_tokens, apart.reasoning_tokens),
    ];
    let differ =
        counts.iter().filter(|(_, read, apart)| apart.is_some_and(|apart| apart != read.unwrap_or(0)));
    differ.map(|(name, read, apart)| format!("{name} tokens read as {read:?}, are {apart:?}")).collect()
}

/// The text and the arguments of calls that a stream's frames hold for the first choice, each joined.
pub(crate) fn streamed(api: &str, frames: &[Value]) -> Option<(String, String)> {
    let (mut text, mut arguments) = (String::new(), String::new());
    // Where a tool is called that runs at the provider.
    let mut elsewhere = None;
    for frame in frames {
        let at = |path: &str| frame.pointer(path).and_then(Value::as_str).unwrap_or_default();
        match api {
            "chat" | "chat_openai_compat" => {
                let first = |choice: &&Value| choice["index"].as_u64().unwrap_or(0) == 0;
                let choices = frame["choices"].as_array().into_iter().flatten().filter(first);
                for delta in choices.map(|choice| &choice["delta"]) {
                    text.push_str(delta["content"].as_str().unwrap_or_default());
                    for part in delta["content"].as_array().into_iter().flatten() {
                        text.push_str(part["text"].as_str().unwrap_or_default());
                    }
                    for call in delta["tool_calls"].as_array().into_iter().flatten() {
                        arguments.push_str(call["function"]["arguments"].as_str().unwrap_or_default());
                    }
                }
            }
            "messages" => {
                text.push_str(at("/content_block/text"));
                text.push_str(at("/delta/text"));
            }
            "responses" => {
                if frame["type"] == "response.output_text.delta" {
                    text.push_str(at("/delta"));
                }
                if frame["type"] == "response.function_call_arguments.delta" {
                    arguments.push_str(at("/delta"));
                }
            }
            "stream_generate_content" => {
                let parts = frame.pointer("/candidates/0/content/parts").and_then(Value::as_array);
                for part in parts.into_iter().flatten().filter(|part| part["thought"] != true) {
                    text.push_str(part["text"].as_str().unwrap_or_default());
                }
            }
            "chat_v2" => text.push_str(at("/delta/message/content/text")),
            "converse_stream" => {
                let index = frame["contentBlockIndex"].as_u64();
                if at("/start/toolUse/type") == "server_tool_use" {
                    elsewhere = index;
                }
                text.push_str(at("/delta/text"));
                if elsewhere.is_none() || elsewhere != index {
                    arguments.push_str(at("/delta/toolUse/input"));
                }
            }
            "chat_native" => text.push_str(at("/message/content")),
            _ => return None,
        }
    }
    Some((text, arguments))
}
