//! The answer as a stream: events, encoded and timed.

use crate::Piece;
use crate::reply::{Said, SaidChoice};
use crate::script::Script;
use crate::words;
use lockgate_dialects::canonical::{BlockKind, Delta, Event};
use lockgate_dialects::stream::StreamEncoder;

/// The most pieces of a stream when the script does not say.
const MOST_PIECES: usize = 10_000;

/// The stream that says `said`: as many pieces as the script wants, the end in the last one.
pub(crate) fn pieces(encoder: &mut dyn StreamEncoder, said: &Said, script: &Script) -> Vec<Piece> {
    let most = MOST_PIECES / said.choices.len().max(1);
    let split = |choice: &SaidChoice| {
        let wanted = script.chunks.unwrap_or_else(|| words::count(&choice.text).min(most));
        words::split(&choice.text, wanted.max(1)).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let growth: Vec<Vec<String>> = said.choices.iter().map(split).collect();
    let count = growth.iter().map(Vec::len).max().unwrap_or(0).max(1);
    (0..count)
        .map(|number| {
            let mut events = Vec::new();
            if number == 0 {
                begin(said, &mut events);
            }
            for (index, (choice, growth)) in (0..).zip(said.choices.iter().zip(&growth)) {
                grow(index, choice, growth, number, &mut events);
            }
            if number + 1 == count {
                events.push(Event::Usage(said.usage));
                events.push(Event::Finished);
            }
            let mut bytes = Vec::new();
            events.iter().for_each(|event| encoder.encode(event, &mut bytes));
            let after = if number == 0 { script.first_token } else { script.pace };
            Piece { after, bytes: bytes.into() }
        })
        .collect()
}

/// The stream's beginning.
fn begin(said: &Said, events: &mut Vec<Event>) {
    events.push(Event::Started {
        id: Some(said.id.clone()),
        model: Some(said.model.clone()),
        created: Some(said.created),
    });
    for (choice, SaidChoice { tool, .. }) in (0..).zip(&said.choices) {
        let kind = match tool.clone() {
            None => BlockKind::Text,
            Some((id, name)) => BlockKind::ToolCall { id, name, signature: None },
        };
        events.push(Event::BlockOpened { choice, block: 0, kind });
    }
}

/// What the `number`-th piece of the stream says of one answer, which ends with its own last piece.
fn grow(choice: u32, said: &SaidChoice, growth: &[String], number: usize, events: &mut Vec<Event>) {
    if let Some(text) = growth.get(number).cloned() {
        let delta = if said.tool.is_some() { Delta::Arguments(text) } else { Delta::Text(text) };
        events.push(Event::BlockGrew { choice, block: 0, delta });
    }
    if number + 1 == growth.len().max(1) {
        events.push(Event::BlockClosed { choice, block: 0 });
        events.push(Event::Ended { choice, reason: Some(said.reason.clone()) });
    }
}
