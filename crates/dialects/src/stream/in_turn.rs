//! One block at a time, out of events whose blocks may be open side by side.

use crate::canonical::{BlockKind, Delta, Event};
use std::collections::VecDeque;

/// Puts the blocks of one choice after each other, in the order in which they were opened, for APIs that have one block
/// open at a time. What belongs to a later block waits until those before it are closed.
#[derive(Debug, Default)]
pub(crate) struct InTurn {
    /// The open block and those that wait.
    blocks: VecDeque<Block>,
}

#[derive(Debug)]
struct Block {
    number: u32,
    kind: BlockKind,
    /// What came of it while an earlier block was open.
    waiting: Vec<Delta>,
    closed: bool,
}

/// What to say next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told<'a> {
    /// A block begins.
    Opened(&'a BlockKind),
    /// The open block grows.
    Grew(&'a Delta),
    /// The open block is whole.
    Closed,
}

impl InTurn {
    /// Takes an event of a block and tells what can be said by now.
    pub(crate) fn take(&mut self, event: &Event, mut tell: impl FnMut(Told<'_>)) {
        match event {
            Event::BlockOpened { block, kind, .. } => {
                let block = Block { number: *block, kind: kind.clone(), waiting: Vec::new(), closed: false };
                if self.blocks.is_empty() {
                    tell(Told::Opened(&block.kind));
                }
                self.blocks.push_back(block);
            }
            Event::BlockGrew { block, delta, .. } => match self.place(*block) {
                Some(0) => tell(Told::Grew(delta)),
                Some(place) => self.blocks[place].wait(delta),
                None => {}
            },
            Event::BlockClosed { block, .. } => {
                if let Some(place) = self.place(*block) {
                    self.blocks[place].closed = true;
                }
                while self.blocks.front().is_some_and(|block| block.closed) {
                    self.next(&mut tell);
                }
            }
            _ => {}
        }
    }

    /// Tells everything that waits still.
    pub(crate) fn finish(&mut self, mut tell: impl FnMut(Told<'_>)) {
        while !self.blocks.is_empty() {
            self.next(&mut tell);
        }
    }

    fn place(&self, number: u32) -> Option<usize> {
        self.blocks.iter().position(|block| block.number == number)
    }

    /// Closes the first block and opens the next.
    fn next(&mut self, tell: &mut impl FnMut(Told<'_>)) {
        tell(Told::Closed);
        self.blocks.pop_front();
        if let Some(block) = self.blocks.front_mut() {
            tell(Told::Opened(&block.kind));
            for delta in block.waiting.drain(..) {
                tell(Told::Grew(&delta));
            }
        }
    }
}

impl Block {
    /// Keeps a piece until the block's turn, joined with the piece before it.
    fn wait(&mut self, delta: &Delta) {
        match (self.waiting.last_mut(), delta) {
            (Some(Delta::Text(before)), Delta::Text(piece))
            | (Some(Delta::Arguments(before)), Delta::Arguments(piece)) => before.push_str(piece),
            _ => self.waiting.push(delta.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_alternate_are_told_one_after_the_other() {
        let kind = |id: &str| BlockKind::ToolCall { id: id.to_owned(), name: String::new(), signature: None };
        let open = |block, id| Event::BlockOpened { choice: 0, block, kind: kind(id) };
        let grow = |block, text: &str| Event::BlockGrew {
            choice: 0,
            block,
            delta: Delta::Arguments(text.to_owned()),
        };
        let close = |block| Event::BlockClosed { choice: 0, block };
        let events = [
            open(0, "a"),
            open(1, "b"),
            grow(1, "["),
            grow(0, "{}"),
            grow(1, "]"),
            close(1),
            close(0),
            open(2, "c"),
            grow(2, "1"),
        ];
        let (mut turn, mut told) = (InTurn::default(), Vec::new());
        let mut tell = |piece: Told<'_>| {
            told.push(match piece {
                Told::Opened(BlockKind::ToolCall { id, .. }) => id.clone(),
                Told::Grew(Delta::Arguments(text)) => text.clone(),
                _ => ".".to_owned(),
            });
        };
        events.iter().for_each(|event| turn.take(event, &mut tell));
        turn.finish(&mut tell);
        assert_eq!(told, ["a", "{}", ".", "b", "[]", ".", "c", "1", "."]);
    }
}
