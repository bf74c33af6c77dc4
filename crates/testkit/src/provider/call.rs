//! One call of the provider: what is told of it, and whether its client stayed to the end.

use super::{Hold, Shared};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use lockgate_demo::{End, Piece};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A call that is being answered. Dropping it before its end counts it as abandoned.
pub(super) struct Call {
    shared: Arc<Shared>,
    ended: bool,
}

impl Call {
    pub(super) fn begin(shared: Arc<Shared>) -> Self {
        shared.lock().counts.in_flight += 1;
        Self { shared, ended: false }
    }

    /// Waits as the script says, and while answers are held.
    pub(super) async fn may_begin(&self, wait: Duration) {
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let mut hold = self.shared.hold.subscribe();
        _ = hold.wait_for(|hold| *hold != Hold::Head).await;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let counts = &mut self.shared.lock().counts;
        counts.in_flight -= 1;
        counts.abandoned += u64::from(!self.ended);
    }
}

/// A body that keeps its pauses.
pub(super) struct Told {
    call: Call,
    pieces: VecDeque<Piece>,
    end: End,
    /// One piece or none, and then the end: the length is told.
    sized: bool,
    first: bool,
    /// The next piece's pause.
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Told {
    pub(super) fn new(mut call: Call, pieces: Vec<Piece>, end: End) -> Self {
        let sized = end == End::Clean && pieces.len() <= 1;
        call.ended = sized && pieces.is_empty(); // nobody asks for a body of no length
        Self { call, pieces: pieces.into(), end, sized, first: true, pause: None }
    }

    /// The pause before the next piece or the end: its own, and while bodies are held.
    fn pause(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let after = self.pieces.front().map_or(Duration::ZERO, |piece| piece.after);
        let mut hold = self.call.shared.hold.subscribe();
        let first = self.first;
        let end = self.pieces.is_empty().then_some(self.end);
        Box::pin(async move {
            if !after.is_zero() {
                tokio::time::sleep(after).await;
            }
            if !first {
                _ = hold.wait_for(|hold| *hold != Hold::Body).await;
            }
            match end {
                Some(End::Hang) => std::future::pending().await,
                // What came before leaves first.
                Some(End::Cut) => tokio::task::yield_now().await,
                Some(End::Clean) | None => {}
            }
        })
    }
}

impl Body for Told {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.pause.is_none() {
            self.pause = Some(self.pause());
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
        }
        if let Some(piece) = self.pieces.pop_front() {
            self.pause = None;
            self.first = false;
            self.call.ended = self.is_end_stream();
            return Poll::Ready(Some(Ok(Frame::data(piece.bytes))));
        }
        match self.end {
            End::Clean => {
                self.call.ended = true;
                Poll::Ready(None)
            }
            End::Cut | End::Hang => {
                self.call.ended = true;
                Poll::Ready(Some(Err(io::Error::other("cut, as the script says"))))
            }
        }
    }

    /// A whole answer ends with its only piece; nobody asks for more.
    fn is_end_stream(&self) -> bool {
        self.sized && self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.sized {
            true => SizeHint::with_exact(self.pieces.iter().map(|piece| piece.bytes.len() as u64).sum()),
            false => SizeHint::default(),
        }
    }
}
