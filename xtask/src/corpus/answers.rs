//! Whole answers: each is read as it says, and told in every dialect, as a whole and as a stream.

use super::case::Case;
use super::facts::{self, Facts};
use super::report::Report;
use super::{apart, dialects, fold, streams};
use lockgate_dialects::Dialect;
use lockgate_dialects::canonical::{ChatResponse, Encoding, Failure, Losses, Operation, Usage};
use lockgate_dialects::stream::UsageMeter;
use serde_json::Value;

type Faults = Result<Vec<String>, Failure>;

/// Checks one answer.
pub(crate) fn check(
    case: &Case,
    own: &'static dyn Dialect,
    operation: Operation,
    body: &[u8],
    report: &mut Report,
) {
    let mut tell = |client: &'static dyn Dialect, what: &str, faults: Faults| {
        let faults = faults.unwrap_or_else(|failure| vec![failure.message]);
        report.checked(client.name(), own.name(), what, case, &faults);
    };
    tell(own, "answer, read", read(case, own, operation, body));
    for client in dialects().filter(|dialect| dialect.speaks(operation)) {
        let faults = match operation {
            Operation::Chat => chat(own, client, body),
            Operation::Complete => complete(own, client, body),
            Operation::Embed => embed(own, client, body),
            Operation::Rerank => rerank(own, client, body),
        };
        tell(client, "answer", faults);
        if operation == Operation::Chat {
            tell(client, "answer as a stream", as_stream(own, client, body));
        }
    }
}

/// Usage as the JSON says it, by the codec and by the meter; and every field of the JSON kept or recorded.
fn read(case: &Case, own: &dyn Dialect, operation: Operation, body: &[u8]) -> Faults {
    let mut losses = Losses::default();
    let (usage, again, meter) = match operation {
        Operation::Chat => {
            let Some(codec) = own.chat() else { return Ok(Vec::new()) };
            let answer = codec.decode_response(body)?;
            (answer.usage, codec.encode_response(&answer, &mut losses), codec.meter(false))
        }
        Operation::Complete => {
            let Some(codec) = own.complete() else { return Ok(Vec::new()) };
            let answer = codec.decode_response(body)?;
            (answer.usage, codec.encode_response(&answer, &mut losses), codec.meter(false))
        }
        Operation::Embed => {
            let Some(codec) = own.embed() else { return Ok(Vec::new()) };
            let answer = codec.decode_response(body)?;
            (answer.usage, codec.encode_response(&answer, &mut losses), codec.meter())
        }
        Operation::Rerank => {
            let Some(codec) = own.rerank() else { return Ok(Vec::new()) };
            let answer = codec.decode_response(body)?;
            (answer.usage, codec.encode_response(&answer, &mut losses), codec.meter())
        }
    };
    let frames = apart::frames(body, false);
    let mut faults = apart::differences(usage, &apart::usage(&case.api, &frames));
    faults.extend(metered(meter, body, usage));
    let again: Value = serde_json::from_slice(&again).unwrap_or_default();
    let dropped = frames.into_iter().next().map(|mut said| {
        drop_repeated(&mut said);
        facts::leaves_dropped(&said, &again, &losses)
    });
    // Counts are compared above.
    let counted = |fault: &String| fault.starts_with("usage") || fault.starts_with("meta");
    faults.extend(dropped.into_iter().flatten().filter(|fault| !counted(fault)));
    Ok(faults)
}

/// Drops what an answer of OpenAI's Responses API repeats of the request, and the names of its items.
fn drop_repeated(said: &mut Value) {
    const REPEATED: [&str; 25] = [
        "background",
        "completed_at",
        "frequency_penalty",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "output_text",
        "parallel_tool_calls",
        "presence_penalty",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "store",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
    ];
    let Some(answer) = said.as_object_mut().filter(|answer| answer.contains_key("output")) else { return };
    answer.retain(|name, _| !REPEATED.contains(&name.as_str()));
    let items = answer.get_mut("output").and_then(Value::as_array_mut);
    for item in items.into_iter().flatten().filter_map(Value::as_object_mut) {
        item.remove("id");
        if item.get("type").is_some_and(|kind| kind == "reasoning") {
            // What a model thought is a summary of it to the client.
            item.remove("type");
            let parts = item.get_mut("content").and_then(Value::as_array_mut).into_iter().flatten();
            parts.filter_map(Value::as_object_mut).for_each(|part| {
                part.remove("type");
            });
        }
    }
}

/// Where the meter of bytes that pass sees another usage than the codec.
pub(crate) fn metered(mut meter: Box<dyn UsageMeter>, bytes: &[u8], usage: Option<Usage>) -> Option<String> {
    bytes.chunks(97).for_each(|chunk| meter.feed(chunk));
    if !meter.close() {
        return Some("the meter does not see the end".to_owned());
    }
    let seen = meter.usage();
    (seen != usage).then(|| format!("the meter sees {seen:?} where the codec reads {usage:?}"))
}

/// As the gateway completes an answer before it is told.
pub(crate) fn completed(mut answer: ChatResponse) -> ChatResponse {
    answer.created.get_or_insert(1);
    answer.model.get_or_insert_with(|| "m".to_owned());
    answer
}

fn chat(own: &dyn Dialect, client: &dyn Dialect, body: &[u8]) -> Faults {
    let (Some(reader), Some(writer)) = (own.chat(), client.chat()) else { return Ok(Vec::new()) };
    let told = completed(reader.decode_response(body)?);
    let mut losses = Losses::default();
    let heard = writer.decode_response(&writer.encode_response(&told, &mut losses))?;
    Ok(compare(facts::of_answer(&told), facts::of_answer(&heard), &losses))
}

fn as_stream(own: &dyn Dialect, client: &dyn Dialect, body: &[u8]) -> Faults {
    let Some(reader) = own.chat() else { return Ok(Vec::new()) };
    let told = fold::without_extras(&completed(reader.decode_response(body)?));
    Ok(streams::told(client, Operation::Chat, &fold::unfold(&told), &told))
}

fn complete(own: &dyn Dialect, client: &dyn Dialect, body: &[u8]) -> Faults {
    let (Some(reader), Some(writer)) = (own.complete(), client.complete()) else { return Ok(Vec::new()) };
    let mut told = reader.decode_response(body)?;
    told.created.get_or_insert(1);
    let mut losses = Losses::default();
    let heard = writer.decode_response(&writer.encode_response(&told, &mut losses))?;
    Ok(compare(facts::of_completed(&told), facts::of_completed(&heard), &losses))
}

fn embed(own: &dyn Dialect, client: &dyn Dialect, body: &[u8]) -> Faults {
    let (Some(reader), Some(writer)) = (own.embed(), client.embed()) else { return Ok(Vec::new()) };
    let mut told = reader.decode_response(body)?;
    if told.recode(Encoding::Float).is_err() {
        // Vectors of bytes, which some models give: said as an error of the provider's, and as nothing else.
        return Ok(Vec::new());
    }
    let mut losses = Losses::default();
    let heard = writer.decode_response(&writer.encode_response(&told, &mut losses))?;
    Ok(compare(facts::of_vectors(&told), facts::of_vectors(&heard), &losses))
}

fn rerank(own: &dyn Dialect, client: &dyn Dialect, body: &[u8]) -> Faults {
    let (Some(reader), Some(writer)) = (own.rerank(), client.rerank()) else { return Ok(Vec::new()) };
    let told = reader.decode_response(body)?;
    let mut losses = Losses::default();
    let heard = writer.decode_response(&writer.encode_response(&told, &mut losses))?;
    Ok(compare(facts::of_ranked(&told), facts::of_ranked(&heard), &losses))
}

/// Names of the answer and the model are made for clients that need them; what matters is what was said.
fn compare(told: Facts, heard: Facts, losses: &Losses) -> Vec<String> {
    facts::dropped(&told, &heard, losses)
}
