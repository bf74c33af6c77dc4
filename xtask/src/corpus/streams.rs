//! Streams: read alike however they are cut, told in every dialect, and never taken for whole when they broke off.

use super::answers::{completed, metered};
use super::case::Case;
use super::fold::{Folded, fold};
use super::report::Report;
use super::{apart, dialects, facts};
use lockgate_dialects::Dialect;
use lockgate_dialects::canonical::{ChatResponse, Class, Content, Event, Failure, Losses, Operation, Part};
use lockgate_dialects::stream::{StreamDecoder, StreamEncoder, UsageMeter};

/// Checks one stream.
pub(crate) fn check(
    case: &Case,
    own: &'static dyn Dialect,
    operation: Operation,
    bytes: &[u8],
    report: &mut Report,
) {
    let Some(mut events) = decoded(own, operation, [bytes]) else {
        return report.checked(
            own.name(),
            own.name(),
            "stream, read",
            case,
            &["no stream decoder".to_owned()],
        );
    };
    let folded = match fold(&events) {
        Ok(folded) => folded,
        Err(fault) => {
            return report.checked(own.name(), own.name(), "stream, read", case, &[format!("{fault:#}")]);
        }
    };
    report.checked(own.name(), own.name(), "stream, read", case, &read(case, own, operation, bytes, &folded));
    let chunked = rechunked(own, operation, bytes, &events);
    report.checked(own.name(), own.name(), "stream, other chunks", case, &chunked);
    if folded.failed.is_some() {
        return;
    }
    report.checked(own.name(), own.name(), "stream, cut", case, &cut(own, operation, bytes, &folded.answer));
    let answer = completed(folded.answer);
    for event in &mut events {
        if let Event::Started { model, .. } = event {
            // As the gateway completes it.
            model.clone_from(&answer.model);
        }
    }
    for client in dialects().filter(|dialect| dialect.speaks(operation)) {
        let faults = told(client, operation, &events, &answer);
        report.checked(client.name(), own.name(), "stream", case, &faults);
        if operation == Operation::Chat {
            report.checked(client.name(), own.name(), "stream as a whole", case, &as_whole(client, &answer));
        }
    }
}

fn decoder(dialect: &dyn Dialect, operation: Operation) -> Option<Box<dyn StreamDecoder>> {
    match operation {
        Operation::Chat => dialect.chat()?.stream_decoder(),
        Operation::Complete => dialect.complete()?.stream_decoder(),
        Operation::Embed | Operation::Rerank => None,
    }
}

fn encoder(dialect: &dyn Dialect, operation: Operation) -> Option<Box<dyn StreamEncoder>> {
    match operation {
        Operation::Chat => dialect.chat()?.stream_encoder(true),
        Operation::Complete => dialect.complete()?.stream_encoder(true),
        Operation::Embed | Operation::Rerank => None,
    }
}

fn meter(dialect: &dyn Dialect, operation: Operation) -> Option<Box<dyn UsageMeter>> {
    match operation {
        Operation::Chat => Some(dialect.chat()?.meter(true)),
        Operation::Complete => Some(dialect.complete()?.meter(true)),
        Operation::Embed | Operation::Rerank => None,
    }
}

/// The events of a stream that comes in these chunks and is closed cleanly.
fn decoded<'a>(
    dialect: &dyn Dialect,
    operation: Operation,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Option<Vec<Event>> {
    let mut decoder = decoder(dialect, operation)?;
    let mut events = Vec::new();
    chunks.into_iter().for_each(|chunk| decoder.feed(chunk, &mut events));
    decoder.finish(&mut events);
    Some(events)
}

/// Where the decoder and another reading of the frames differ.
fn read(case: &Case, own: &dyn Dialect, operation: Operation, bytes: &[u8], folded: &Folded) -> Vec<String> {
    let frames = apart::frames(bytes, true);
    let reports = frames
        .iter()
        .any(|frame| frame.get("error").is_some_and(|error| !error.is_null()) || frame["type"] == "error");
    match &folded.failed {
        Some(_) if reports => return Vec::new(),
        Some(error) => return vec![format!("a whole stream is read as a failure: {}", error.message)],
        None => {}
    }
    let mut faults = apart::differences(folded.answer.usage, &apart::usage(&case.api, &frames));
    if operation == Operation::Chat
        && let Some((text, arguments)) = apart::streamed(&case.api, &frames)
    {
        let message = folded.answer.choices.first().map(|choice| &choice.message);
        let read = message.map(|message| spoken(&message.content)).unwrap_or_default();
        if read != text {
            faults.push(format!("the text is {text:?}, read as {read:?}"));
        }
        let calls = message.map(|message| message.tool_calls.as_slice()).unwrap_or_default();
        let read: String = calls.iter().map(|call| call.arguments.as_str()).collect();
        let sorted = |text: &str| {
            let mut letters: Vec<char> = text.chars().filter(|letter| !letter.is_whitespace()).collect();
            letters.sort_unstable();
            letters
        };
        // Calls that alternate are put one after the other.
        if !arguments.is_empty() && sorted(&read) != sorted(&arguments) {
            faults.push(format!("the arguments are {arguments:?}, read as {read:?}"));
        }
    }
    if let Some(meter) = meter(own, operation) {
        faults.extend(metered(meter, bytes, folded.answer.usage));
    }
    faults
}

fn spoken(content: &Content) -> String {
    let Content::Parts(parts) = content else { return content.joined_text() };
    let texts = parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

/// Other chunks of the same bytes that give other events.
fn rechunked(own: &dyn Dialect, operation: Operation, bytes: &[u8], events: &[Event]) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(bytes.len() as u64);
    let wanted = format!("{events:?}");
    for most in [1, 7, 300] {
        let mut chunks = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (chunk, more) = rest.split_at(random.usize(1..=most).min(rest.len()));
            chunks.push(chunk);
            rest = more;
        }
        if decoded(own, operation, chunks).map(|events| format!("{events:?}")).as_ref() != Some(&wanted) {
            return vec![format!("chunks of at most {most} bytes give other events")];
        }
    }
    Vec::new()
}

/// Borders of events at which the stream is cut and not told as a failure although something is missing.
fn cut(own: &dyn Dialect, operation: Operation, bytes: &[u8], whole: &ChatResponse) -> Vec<String> {
    for border in borders(bytes) {
        let Some(events) = decoded(own, operation, [&bytes[..border]]) else { break };
        match fold(&events) {
            Err(fault) => return vec![format!("cut at byte {border}: {fault:#}")],
            Ok(Folded { failed: Some(_), .. }) => {}
            Ok(_) if says_nothing(&bytes[border..]) || apart::is_over(&bytes[..border]) => {}
            Ok(folded) if ends_by_reason(own) && every_choice_ended(&folded.answer, whole) => {}
            Ok(_) => return vec![format!("cut at byte {border} of {}, told as whole", bytes.len())],
        }
    }
    Vec::new()
}

/// Whether nothing follows but the mark that some servers put after the API's own end.
fn says_nothing(rest: &[u8]) -> bool {
    let mut lines = rest.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.all(|line| line.is_empty() || line.starts_with(b"event:") || line == b"data: [DONE]")
}

/// APIs some of whose servers send no end of their own: their streams have ended when every choice has its reason.
fn ends_by_reason(own: &dyn Dialect) -> bool {
    matches!(own.name(), "openai_chat" | "openai_completions" | "gemini")
}

fn every_choice_ended(one: &ChatResponse, whole: &ChatResponse) -> bool {
    one.choices.len() == whole.choices.len()
        && one.choices.iter().all(|choice| choice.finish_reason.is_some())
}

/// Where events end: at empty lines of SSE, at ends of lines, at frames of an event stream. Of long streams the first
/// and last hundreds, and some between.
fn borders(bytes: &[u8]) -> Vec<usize> {
    const MOST: usize = 300;
    let mut borders: Vec<usize> = if bytes.first() == Some(&0) {
        let (mut at, mut ends) = (0, vec![0]);
        while let Some(length) = bytes.get(at..at + 4) {
            at += length.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte)).max(16);
            ends.push(at.min(bytes.len()));
        }
        ends
    } else {
        let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        std::iter::once(0).chain(ends).collect()
    };
    borders.retain(|border| *border < bytes.len());
    let last = borders.len();
    if last > MOST {
        let stride = last / (MOST / 3);
        let keep =
            |place: &usize| *place < MOST / 3 || place.is_multiple_of(stride) || last - place < MOST / 3;
        let kept = borders.iter().enumerate().filter(|(place, _)| keep(place));
        borders = kept.map(|(_, border)| *border).collect();
    }
    borders
}

/// What `client` does not hear of the events, which amount to `answer`.
pub(crate) fn told(
    client: &dyn Dialect,
    operation: Operation,
    events: &[Event],
    answer: &ChatResponse,
) -> Vec<String> {
    let Some(mut encoder) = encoder(client, operation) else { return Vec::new() };
    let mut bytes = Vec::new();
    events.iter().for_each(|event| encoder.encode(event, &mut bytes));
    let losses = encoder.losses();
    let Some(heard) = decoded(client, operation, bytes.chunks(61)) else {
        return vec!["it writes streams and reads none".to_owned()];
    };
    let heard = match fold(&heard) {
        Ok(Folded { failed: None, answer, .. }) => answer,
        Ok(Folded { failed: Some(error), .. }) => {
            return vec![format!("told as a failure: {}", error.message)];
        }
        Err(fault) => return vec![format!("{fault:#}")],
    };
    let mut faults = facts::dropped(&facts::of_answer(answer), &facts::of_answer(&heard), &losses);
    let unknown = events.iter().filter(|event| matches!(event, Event::Unknown(_))).count();
    if unknown > 0 && losses.is_empty() {
        faults.push(format!("{unknown} frames that nobody knows are dropped in silence"));
    }
    faults.extend(broken_off(client, operation, events));
    faults
}

/// Whether a stream that fails in its middle is told as a failure.
fn broken_off(client: &dyn Dialect, operation: Operation, events: &[Event]) -> Option<String> {
    let mut encoder = encoder(client, operation)?;
    let mut bytes = Vec::new();
    events[..events.len() / 2].iter().for_each(|event| encoder.encode(event, &mut bytes));
    encoder.fail(&Failure::new(Class::StreamTruncated, "it broke off"), "req-1", &mut bytes);
    let heard = fold(&decoded(client, operation, [&*bytes])?).ok();
    let failed = heard.and_then(|heard| heard.failed);
    match failed {
        Some(error) if error.message.contains("it broke off") => None,
        Some(error) => Some(format!("a broken stream's error is read as {:?}", error.message)),
        None => Some("a broken stream is told as whole".to_owned()),
    }
}

/// What `client` does not hear of the answer told as a whole.
fn as_whole(client: &dyn Dialect, answer: &ChatResponse) -> Vec<String> {
    let Some(codec) = client.chat() else { return Vec::new() };
    let mut losses = Losses::default();
    match codec.decode_response(&codec.encode_response(answer, &mut losses)) {
        Ok(heard) => facts::dropped(&facts::of_answer(answer), &facts::of_answer(&heard), &losses),
        Err(failure) => vec![failure.message],
    }
}
