//! The short way: a call's own task polls the upstream connection it uses; between calls the connection rests
//! in the thread's pool and belongs to no task.

use crate::trial::process;
use anyhow::Result;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::header::{HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::net::{TcpListener, TcpStream};

thread_local! {
    static RESTING: RefCell<Vec<Upstream>> = const { RefCell::new(Vec::new()) };
}

/// Serves with what `dress` makes of each answer's body.
pub(crate) async fn serve<B>(upstream: u16, dress: fn(Passing) -> B) -> Result<()>
where
    B: Body<Data = Bytes, Error = hyper::Error> + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    process::announce(&listener)?;
    let host = HeaderValue::from_str(&format!("127.0.0.1:{upstream}"))?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let host = host.clone();
        let service = service_fn(move |mut request| {
            request.headers_mut().insert(HOST, host.clone());
            async move { anyhow::Ok(call(upstream, request).await?.map(dress)) }
        });
        tokio::task::spawn_local(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn call(port: u16, request: Request<Incoming>) -> Result<Response<Passing>> {
    let mut upstream = match Upstream::rested().await {
        Some(upstream) => upstream,
        None => Upstream::connect(port).await?,
    };
    let Upstream { sender, wire } = &mut upstream;
    let mut answer = pin!(sender.send_request(request));
    let response = poll_fn(|cx| {
        wire.drive(cx);
        answer.as_mut().poll(cx)
    })
    .await?;
    Ok(response.map(|body| Passing { upstream: Some(upstream), body }))
}

/// The moving side of an upstream connection; nothing is read or written unless somebody drives it.
struct Wire(Option<Pin<Box<Http1>>>);

type Http1 = Connection<TokioIo<TcpStream>, Incoming>;

impl Wire {
    /// How it ended is also what the sender or the body reports, so the result is not needed here.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.0
            && connection.as_mut().poll(cx).is_ready()
        {
            self.0 = None;
        }
    }
}

struct Upstream {
    sender: SendRequest<Incoming>,
    wire: Wire,
}

impl Upstream {
    async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, wire: Wire(Some(Box::pin(connection))) })
    }

    /// A connection from the pool that the upstream has not closed meanwhile.
    async fn rested() -> Option<Self> {
        poll_fn(|cx| {
            while let Some(mut upstream) = RESTING.with_borrow_mut(Vec::pop) {
                upstream.wire.drive(cx);
                if upstream.sender.is_ready() {
                    return Poll::Ready(Some(upstream));
                }
            }
            Poll::Ready(None)
        })
        .await
    }

    /// Back to the pool, if it can take another request.
    fn rest(mut self, cx: &mut Context<'_>) {
        self.wire.drive(cx);
        if self.sender.is_ready() {
            RESTING.with_borrow_mut(|resting| resting.push(self));
        }
    }
}

/// An answer's body together with the connection it comes from.
pub(crate) struct Passing {
    /// Gone as soon as the body has ended.
    upstream: Option<Upstream>,
    body: Incoming,
}

impl Body for Passing {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let me = self.get_mut();
        if let Some(upstream) = &mut me.upstream {
            upstream.wire.drive(cx);
        }
        let frame = ready!(Pin::new(&mut me.body).poll_frame(cx));
        if (frame.is_none() || me.body.is_end_stream())
            && let Some(upstream) = me.upstream.take()
        {
            upstream.rest(cx);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
