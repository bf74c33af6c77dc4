//! What every client is told, for the official SDKs to read: `tests/corpus_sdks.py` does.

use super::answers::completed;
use super::case::{Answer, Case};
use super::fold::{fold, unfold};
use super::{apis, case};
use anyhow::{Context, Result, ensure};
use lockgate_dialects::canonical::{ChatResponse, Content, Event, FinishReason, Losses, Operation, Part};
use lockgate_dialects::{ChatCodec, by_name};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The dialects that have an official SDK in the script.
const CLIENTS: [&str; 5] = ["openai_chat", "openai_responses", "anthropic_messages", "gemini", "cohere_v2"];

/// Writes what is told of the cases under `dir`, and has the SDKs read it with `python`.
///
/// # Errors
/// When an SDK reads something else than was said.
pub(crate) fn check(dir: &Path, only: &str, python: Option<&Path>) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate stands in a workspace")?;
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(2).context("cargo's folder")?;
    let file = target.join("corpus-told.jsonl");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&file)?);
    for folder in case::folders(dir)? {
        if folder.to_string_lossy().contains(only) {
            tell(&Case::read(&folder)?, &mut out)?;
        }
    }
    out.flush()?;
    drop(out);
    let python = python.map_or_else(|| target.join("venvs/sdks/bin/python"), PathBuf::from);
    let missing = || format!("{} (`cargo xtask test --only env-sdks` installs it)", python.display());
    let status = Command::new(&python)
        .arg(root.join("tests/corpus_sdks.py"))
        .arg(&file)
        .status()
        .with_context(missing)?;
    ensure!(status.success(), "the official SDKs do not read what was said");
    Ok(())
}

fn tell(case: &Case, out: &mut impl Write) -> Result<()> {
    let Some((own, Operation::Chat)) = apis::of(&case.provider, &case.api, &case.path) else { return Ok(()) };
    let Some(codec) = own.chat().filter(|_| case.status < 400) else { return Ok(()) };
    let Some((answer, events)) = read(codec, &case.answer) else { return Ok(()) };
    for name in CLIENTS {
        let Some(client) = by_name(name).and_then(|client| client.chat()) else { continue };
        let mut losses = Losses::default();
        let whole = client.encode_response(&answer, &mut losses);
        write(case, name, false, &whole, &answer, out)?;
        let Some(mut encoder) = client.stream_encoder(true) else { continue };
        let mut stream = Vec::new();
        events.iter().for_each(|event| encoder.encode(event, &mut stream));
        write(case, name, true, &stream, &answer, out)?;
    }
    Ok(())
}

/// An answer and its events; `None` for what is not whole.
fn read(codec: &dyn ChatCodec, answer: &Answer) -> Option<(ChatResponse, Vec<Event>)> {
    match answer {
        Answer::Unframed => None,
        Answer::Whole(body) => {
            let answer = completed(codec.decode_response(body).ok()?);
            let events = unfold(&answer);
            Some((answer, events))
        }
        Answer::Stream(bytes) => {
            let (mut decoder, mut events) = (codec.stream_decoder()?, Vec::new());
            decoder.feed(bytes, &mut events);
            decoder.finish(&mut events);
            let folded = fold(&events).ok().filter(|folded| folded.failed.is_none())?;
            let answer = completed(folded.answer);
            if let Some(Event::Started { model, created, .. }) =
                events.iter_mut().find(|event| matches!(event, Event::Started { .. }))
            {
                model.clone_from(&answer.model);
                *created = answer.created;
            }
            Some((answer, events))
        }
    }
}

fn write(
    case: &Case,
    client: &str,
    streamed: bool,
    bytes: &[u8],
    answer: &ChatResponse,
    out: &mut impl Write,
) -> Result<()> {
    let told = json!({
        "id": case.id,
        "client": client,
        "streamed": streamed,
        "body": String::from_utf8_lossy(bytes),
        "said": said(answer),
    });
    writeln!(out, "{told}")?;
    Ok(())
}

/// What the first choice says, and what the call consumed.
fn said(answer: &ChatResponse) -> Value {
    let usage = answer.usage.unwrap_or_default();
    let counts = json!({ "prompt": usage.prompt_tokens, "completion": usage.completion_tokens });
    let Some(choice) = answer.choices.iter().find(|choice| choice.index == 0) else {
        return json!({ "text": "", "reasoning": "", "calls": [], "reason": null, "usage": counts });
    };
    let message = &choice.message;
    let (mut text, mut reasoning) = (String::new(), String::new());
    match &message.content {
        Content::Parts(parts) => parts.iter().for_each(|part| match part {
            Part::Text { text: said, .. } => text.push_str(said),
            Part::Thinking { text, .. } => reasoning.push_str(text),
            _ => {}
        }),
        content => text = content.joined_text(),
    }
    text.push_str(message.refusal.as_deref().unwrap_or_default());
    let calls = message.tool_calls.iter().map(|call| {
        let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
        json!({ "name": call.name, "arguments": arguments })
    });
    json!({
        "text": text,
        "reasoning": reasoning,
        "calls": calls.collect::<Vec<_>>(),
        "reason": choice.finish_reason.as_ref().map(FinishReason::openai_word),
        "usage": counts,
    })
}
