//! Streams, read where lockgate is the client of another MLflow gateway.

use crate::canonical::Event;
use crate::openai_chat::stream::ChunkDecoder;
use crate::stream::StreamDecoder;

/// A decoder for chunks of chat or completion.
pub(crate) fn decoder() -> Box<dyn StreamDecoder> {
    Box::new(Unmarked::default())
}

/// Reads OpenAI's chunks without their closing `[DONE]`: the stream is whole when each choice that began has ended.
#[derive(Default)]
struct Unmarked {
    inner: ChunkDecoder,
    open: usize,
    ended: bool,
}

impl Unmarked {
    fn watch(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::BlockOpened { .. } => self.open += 1,
                Event::BlockClosed { .. } => self.open = self.open.saturating_sub(1),
                Event::Ended { .. } => self.ended = true,
                Event::Failed(_) => self.ended = false,
                _ => {}
            }
        }
    }
}

impl StreamDecoder for Unmarked {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        let before = events.len();
        self.inner.feed(bytes, events);
        self.watch(&events[before..]);
    }

    fn finish(&mut self, events: &mut Vec<Event>) {
        let mut last = Vec::new();
        let whole = self.ended && self.open == 0;
        self.inner.finish(&mut last);
        for event in last {
            events.push(if whole && matches!(event, Event::Failed(_)) { Event::Finished } else { event });
        }
    }
}
