//! A body that hands on as one chunk what is ready at one time, so that it costs one write.

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame, SizeHint};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

/// No chunk grows further once it has this size.
const ENOUGH: usize = 64 * 1024;

/// Joins the ready chunks of a body.
pub(crate) struct Joined<B: Body> {
    inner: B,
    /// What came after the chunks and must wait until they have gone.
    after: Option<Result<Frame<Bytes>, B::Error>>,
    ended: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Joined<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self { ended: inner.is_end_stream(), inner, after: None }
    }

    /// Takes what is ready now.
    fn gather(&mut self, cx: &mut Context<'_>) -> Chunks {
        let mut chunks = Chunks::None;
        while !self.ended && self.after.is_none() && chunks.len() < ENOUGH {
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => chunks.push(data),
                    Err(trailers) => self.after = Some(Ok(trailers)),
                },
                Poll::Ready(Some(Err(error))) => self.after = Some(Err(error)),
                Poll::Ready(None) => self.ended = true,
                Poll::Pending => break,
            }
            self.ended |= self.inner.is_end_stream();
        }
        chunks
    }
}

impl<B> Body for Joined<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let me = self.get_mut();
        if let Some(data) = me.gather(cx).into_bytes() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match me.after.take() {
            Some(frame) => Poll::Ready(Some(frame)),
            None if me.ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.after.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Chunks in the making of one: a single chunk is not copied.
enum Chunks {
    None,
    One(Bytes),
    Many(BytesMut),
}

impl Chunks {
    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(data) => data.len(),
            Self::Many(data) => data.len(),
        }
    }

    fn push(&mut self, data: Bytes) {
        *self = match mem::replace(self, Self::None) {
            Self::None => Self::One(data),
            Self::One(first) => {
                let mut all = BytesMut::with_capacity(8 * 1024);
                all.extend_from_slice(&first);
                all.extend_from_slice(&data);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                all.extend_from_slice(&data);
                Self::Many(all)
            }
        };
    }

    fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::None => None,
            Self::One(data) => Some(data),
            Self::Many(all) => Some(all.freeze()),
        }
    }
}
