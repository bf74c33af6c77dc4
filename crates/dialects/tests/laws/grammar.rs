//! The grammar of events.

use lockgate_dialects::canonical::Event;
use std::collections::HashSet;

/// What is against the grammar that [`Event`] documents, if anything is.
pub(super) fn fault(events: &[Event]) -> Option<String> {
    let (mut started, mut over) = (false, false);
    let (mut open, mut opened, mut ended) = (HashSet::new(), HashSet::new(), HashSet::new());
    for event in events {
        let wrong = match event {
            _ if over => true,
            Event::Unknown(_) => false,
            Event::Started { .. } => std::mem::replace(&mut started, true),
            Event::Failed(_) => std::mem::replace(&mut over, true),
            _ if !started => true,
            Event::BlockOpened { choice, block, .. } => {
                open.insert((*choice, *block));
                !opened.insert((*choice, *block)) || ended.contains(choice)
            }
            Event::BlockGrew { choice, block, .. } => !open.contains(&(*choice, *block)),
            Event::BlockClosed { choice, block } => !open.remove(&(*choice, *block)),
            Event::Ended { choice, .. } => {
                !ended.insert(*choice) || open.iter().any(|(other, _)| other == choice)
            }
            Event::Aside { choice, block: Some(block), .. } => !open.contains(&(*choice, *block)),
            Event::Aside { choice, block: None, .. } => ended.contains(choice),
            Event::Usage(_) => false,
            Event::Finished => {
                over = true;
                !open.is_empty()
            }
        };
        if wrong {
            return Some(format!("{event:?} in {events:?}"));
        }
    }
    (!over).then(|| format!("no end in {events:?}"))
}
