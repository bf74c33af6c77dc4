//! The provider's listener: connections, and what is answered at which path.

use super::call::{Call, Told};
use super::{Recorded, Shared};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lockgate_demo::Answer;
use lockgate_dialects::canonical::Operation;
use rustls::ServerConfig;
use serde_json::Map;
use std::convert::Infallible;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

/// Serves until told to stop.
pub(super) fn run(listener: TcpListener, shared: Arc<Shared>, tls: Option<Arc<ServerConfig>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a listener takes it");
        let listener = tokio::net::TcpListener::from_std(listener).expect("within a runtime");
        let mut stop = shared.stop.subscribe();
        let acceptor = tls.map(TlsAcceptor::from);
        let accepting = async {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                _ = stream.set_nodelay(true);
                let (shared, acceptor) = (shared.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let open = Open::new(shared.clone());
                    match acceptor {
                        None => connection(shared, stream, open.number).await,
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                connection(shared, stream, open.number).await;
                            }
                        }
                    }
                });
            }
        };
        tokio::select! {
            () = accepting => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    });
}

/// Counts a connection while it is open.
struct Open {
    shared: Arc<Shared>,
    number: u64,
}

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        let number = {
            let counts = &mut shared.lock().counts;
            counts.open += 1;
            counts.connections += 1;
            counts.connections
        };
        Self { shared, number }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.lock().counts.open -= 1;
    }
}

async fn connection(shared: Arc<Shared>, stream: impl AsyncRead + AsyncWrite + Unpin, number: u64) {
    let mut closing = shared.closing.subscribe();
    let service = service_fn(|request| answer(shared.clone(), request, number));
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = closing.changed() => connection.as_mut().graceful_shutdown(),
        }
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    connection: u64,
) -> Result<Response<Told>, Infallible> {
    let call = Call::begin(shared.clone());
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Ok(refused(call)) };
    let recorded = Recorded {
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        body: body.to_bytes(),
        connection,
    };
    let (script, options) = {
        let mut state = shared.lock();
        state.record(recorded.clone());
        (state.script.clone(), state.options.clone())
    };
    let said = match script {
        Some(script) => script(&recorded),
        None => spoken(&recorded, &options),
    };
    call.may_begin(said.wait).await;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::from_u16(said.status).expect("a script's status is one");
    response.headers_mut().insert("content-type", HeaderValue::from_static(said.content_type));
    for (name, value) in &said.headers {
        let value = HeaderValue::try_from(value).expect("a script's header is one");
        response.headers_mut().append(HeaderName::from_static(name), value);
    }
    Ok(response.map(|_| Told::new(call, said.pieces, said.end)))
}

fn refused(call: Call) -> Response<Told> {
    Response::new(Told::new(call, Vec::new(), lockgate_demo::End::Cut))
}

/// What the demo provider says at a path.
fn spoken(request: &Recorded, options: &Map<String, serde_json::Value>) -> Answer {
    let known = SPOKEN.iter().find(|(end, ..)| request.path.ends_with(end));
    let Some((_, name, operation)) = known else { return super::said(404, "application/json", "{}") };
    let operation = operation.unwrap_or_else(|| served(&request.body));
    let Some(dialect) = lockgate_dialects::by_name(name) else {
        return super::said(501, "application/json", "{}");
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    lockgate_demo::answer(dialect, operation, &request.body, options, now)
}

/// Which dialect and operation stand behind the end of a path; longer ends first.
const SPOKEN: &[(&str, &str, Option<Operation>)] = &[
    ("/chat/completions", "openai_chat", Some(Operation::Chat)),
    ("/completions", "openai_completions", Some(Operation::Complete)),
    ("/embeddings", "openai_embeddings", Some(Operation::Embed)),
    ("/responses", "openai_responses", Some(Operation::Chat)),
    ("/messages", "anthropic_messages", Some(Operation::Chat)),
    ("/complete", "anthropic_complete", Some(Operation::Complete)),
    ("/generate", "cohere_v1", Some(Operation::Complete)),
    ("/v2/chat", "cohere_v2", Some(Operation::Chat)),
    ("/v2/embed", "cohere_v2", Some(Operation::Embed)),
    ("/api/chat", "ollama", Some(Operation::Chat)),
    ("/api/embed", "ollama", Some(Operation::Embed)),
    ("/chat", "cohere_v1", Some(Operation::Chat)),
    ("/embed", "cohere_v1", Some(Operation::Embed)),
    ("/v2/rerank", "cohere_v2", Some(Operation::Rerank)),
    ("/rerank", "jina_rerank", Some(Operation::Rerank)),
    ("/invocations", "mlflow_serving", None),
];

/// A served model has one path for everything.
fn served(body: &[u8]) -> Operation {
    let has = |word: &str| body.windows(word.len()).any(|window| window == word.as_bytes());
    match () {
        () if has("\"messages\"") => Operation::Chat,
        () if has("\"prompt\"") => Operation::Complete,
        () => Operation::Embed,
    }
}
