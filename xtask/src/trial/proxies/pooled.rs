//! The usual way: a pooled client whose upstream connections are tasks of their own.

use crate::trial::process;
use anyhow::{Context, Result};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, Uri, header};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// Serves with what `dress` makes of each answer's body.
pub(crate) async fn serve<B>(upstream: u16, dress: fn(Incoming) -> B) -> Result<()>
where
    B: Body<Data = Bytes, Error = hyper::Error> + Send + 'static,
{
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    process::announce(&listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let client = client.clone();
        let service = service_fn(move |request| call(client.clone(), upstream, dress, request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn call<B>(
    client: Client<HttpConnector, Incoming>,
    upstream: u16,
    dress: fn(Incoming) -> B,
    mut request: Request<Incoming>,
) -> Result<Response<B>> {
    let path = request.uri().path_and_query().context("a request without a path")?.clone();
    *request.uri_mut() = Uri::builder()
        .scheme("http")
        .authority(format!("127.0.0.1:{upstream}"))
        .path_and_query(path)
        .build()?;
    // The client writes the upstream's own.
    request.headers_mut().remove(header::HOST);
    Ok(client.request(request).await?.map(dress))
}
