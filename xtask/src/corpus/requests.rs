//! Requests: each is read by its own dialect, and written for every other without a silent loss.

use super::case::Case;
use super::report::Report;
use super::{dialects, facts};
use bytes::Bytes;
use lockgate_dialects::canonical::{ChatRequest, Failure, Losses, Operation, Reasoning};
use lockgate_dialects::raw::{Edit, patch};
use lockgate_dialects::{Dialect, ModelTraits};
use serde_json::Value;

/// Checks one request.
pub(crate) fn check(
    case: &Case,
    own: &'static dyn Dialect,
    operation: Operation,
    body: &[u8],
    report: &mut Report,
) {
    report.checked(own.name(), own.name(), "request, bytes", case, &spliced(own, body));
    for provider in dialects().filter(|dialect| dialect.speaks(operation)) {
        let faults = match operation {
            Operation::Chat => chat(own, provider, body),
            Operation::Complete => complete(own, provider, body),
            Operation::Embed => embed(own, provider, body),
            Operation::Rerank => rerank(own, provider, body),
        };
        match faults {
            Ok(faults) => report.checked(own.name(), provider.name(), "request", case, &faults),
            Err(Refused(failure)) => report.refused(own.name(), provider.name(), case, &failure),
        }
    }
}

/// What the splice of another model's name changes beside it.
fn spliced(own: &dyn Dialect, body: &[u8]) -> Vec<String> {
    let body = Bytes::copy_from_slice(body);
    let peek = match own.peek(&body) {
        Ok(peek) => peek,
        Err(failure) => return vec![failure.message],
    };
    let Some(at) = peek.model_at else { return Vec::new() };
    let set =
        |body: &Bytes, name: Bytes| patch(body, &[Edit::Set("model", name)]).map(|parts| parts.concat());
    let there = set(&body, Bytes::from_static(b"\"another\""));
    let back = there.clone().and_then(|there| set(&there.into(), body.slice(at)));
    let read = there.and_then(|there| own.peek(&there)).map(|peek| peek.model);
    match (read, back) {
        (Ok(Some(name)), Ok(back)) if name == "another" && back == body => Vec::new(),
        _ => vec!["the splice changes more than the model's name".to_owned()],
    }
}

/// APIs in which the path of the call says whether the answer is streamed.
const STREAMS_BY_PATH: [&str; 3] = ["gemini", "gemini_array", "bedrock_converse"];

/// A model that can do whatever is asked.
fn traits(reasons: bool) -> ModelTraits {
    ModelTraits {
        model: Some("m".to_owned()),
        reasoning: reasons,
        max_output_tokens: Some(65_536),
        ..ModelTraits::default()
    }
}

/// A request that the provider's API cannot say at all, refused with the name of the field.
struct Refused(Failure);

type Faults = Result<Vec<String>, Refused>;

/// Reads what was written, by the same dialect; what is wrong otherwise.
macro_rules! read_or_fault {
    ($read:expr, $whose:literal) => {
        match $read {
            Ok(read) => read,
            Err(failure) => {
                return Ok(vec![format!(concat!($whose, ": {} at {:?}"), failure.message, failure.param)])
            }
        }
    };
}

fn chat(own: &dyn Dialect, provider: &dyn Dialect, body: &[u8]) -> Faults {
    let (Some(reader), Some(writer)) = (own.chat(), provider.chat()) else { return Ok(Vec::new()) };
    let asked = read_or_fault!(reader.decode_request(body), "its own API refuses it");
    let mut losses = Losses::default();
    let model = ModelTraits { budgets: counts_tokens(&asked), ..traits(reasons(&asked)) };
    let written = writer.encode_request(&asked, &model, &mut losses).map_err(Refused)?;
    if own.name() == provider.name() {
        return Ok(leaves(body, &written, &losses));
    }
    let mut heard =
        read_or_fault!(writer.decode_request(&written), "the provider's API refuses what is written");
    if STREAMS_BY_PATH.contains(&provider.name()) {
        heard.stream = asked.stream;
    }
    Ok(facts::dropped(&facts::of_chat(&asked), &facts::of_chat(&heard), &losses))
}

/// Sampling parameters were recorded with models that take them.
fn reasons(asked: &ChatRequest) -> bool {
    asked.reasoning.is_some()
}

/// Models that are told a budget or none take one.
fn counts_tokens(asked: &ChatRequest) -> bool {
    matches!(asked.reasoning, Some(Reasoning::Budget(_) | Reasoning::Off))
}

fn complete(own: &dyn Dialect, provider: &dyn Dialect, body: &[u8]) -> Faults {
    let (Some(reader), Some(writer)) = (own.complete(), provider.complete()) else { return Ok(Vec::new()) };
    let asked = read_or_fault!(reader.decode_request(body), "its own API refuses it");
    let mut losses = Losses::default();
    let written = writer.encode_request(&asked, &traits(false), &mut losses).map_err(Refused)?;
    if own.name() == provider.name() {
        return Ok(leaves(body, &written, &losses));
    }
    let heard = read_or_fault!(writer.decode_request(&written), "the provider's API refuses what is written");
    Ok(facts::dropped(&facts::of_completion(&asked), &facts::of_completion(&heard), &losses))
}

fn embed(own: &dyn Dialect, provider: &dyn Dialect, body: &[u8]) -> Faults {
    let (Some(reader), Some(writer)) = (own.embed(), provider.embed()) else { return Ok(Vec::new()) };
    let asked = read_or_fault!(reader.decode_request(body), "its own API refuses it");
    let mut losses = Losses::default();
    let written = writer.encode_request(&asked, &traits(false), &mut losses).map_err(Refused)?;
    if own.name() == provider.name() {
        return Ok(leaves(body, &written, &losses));
    }
    let heard = read_or_fault!(writer.decode_request(&written), "the provider's API refuses what is written");
    Ok(facts::dropped(&facts::of_embedding(&asked), &facts::of_embedding(&heard), &losses))
}

fn rerank(own: &dyn Dialect, provider: &dyn Dialect, body: &[u8]) -> Faults {
    let (Some(reader), Some(writer)) = (own.rerank(), provider.rerank()) else { return Ok(Vec::new()) };
    let asked = read_or_fault!(reader.decode_request(body), "its own API refuses it");
    let mut losses = Losses::default();
    let written = writer.encode_request(&asked, &traits(false), &mut losses).map_err(Refused)?;
    if own.name() == provider.name() {
        return Ok(leaves(body, &written, &losses));
    }
    let heard = read_or_fault!(writer.decode_request(&written), "the provider's API refuses what is written");
    Ok(facts::dropped(&facts::of_ranking(&asked), &facts::of_ranking(&heard), &losses))
}

fn leaves(body: &[u8], written: &[u8], losses: &Losses) -> Vec<String> {
    let mut sent: Value = serde_json::from_slice(body).unwrap_or_default();
    let again: Value = serde_json::from_slice(written).unwrap_or_default();
    // The route names the model.
    sent.as_object_mut().and_then(|fields| fields.remove("model"));
    drop_forms(&mut sent);
    for one in sent.get_mut("requests").and_then(Value::as_array_mut).into_iter().flatten() {
        one.as_object_mut().and_then(|fields| fields.remove("model"));
    }
    facts::leaves_dropped(&sent, &again, losses)
}

/// Drops what OpenAI's Responses API has for a server that keeps responses: names and states of items; and what is said
/// in another form: `instructions` are a message of the system, reasoning is given back encrypted without a wish for it.
fn drop_forms(sent: &mut Value) {
    let items = sent.get_mut("input").and_then(Value::as_array_mut);
    let items = items.into_iter().flatten().filter_map(Value::as_object_mut);
    for item in items {
        item.retain(|name, _| !matches!(name.as_str(), "id" | "status"));
        if item.get("role").is_some_and(|role| role == "system") {
            item.remove("role");
        }
        if item.get("type").is_some_and(|kind| kind == "reasoning") {
            let parts = item.values_mut().filter_map(Value::as_array_mut).flatten();
            parts.filter_map(Value::as_object_mut).for_each(|part| {
                part.remove("type");
            });
        }
    }
    if let Some(include) = sent.get_mut("include").and_then(Value::as_array_mut) {
        include.retain(|what| what != "reasoning.encrypted_content");
    }
}
