//! A client that speaks cleartext HTTP/2 and nothing else.

use crate::wait::PATIENCE;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::task::JoinSet;

/// Posts each body to its path over one connection, all at once, and returns status and text of each answer in order.
///
/// # Panics
/// When the server does not speak HTTP/2 or does not answer in time.
pub fn post_over_http2(address: SocketAddr, calls: &[(&str, Value)]) -> Vec<(StatusCode, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, post(address, calls)).await.expect("an answer in time")
    })
}

async fn post(address: SocketAddr, calls: &[(&str, Value)]) -> Vec<(StatusCode, String)> {
    let tcp = tokio::net::TcpStream::connect(address).await.expect("a listener");
    let (client, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.expect("a server of HTTP/2");
    tokio::spawn(connection);
    let mut asking = JoinSet::new();
    for (place, (path, body)) in calls.iter().enumerate() {
        let request = Request::post(format!("http://{address}{path}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("a request");
        let mut client = client.clone();
        asking.spawn(async move {
            let answer = client.send_request(request).await.expect("an answer");
            let status = answer.status();
            let body = answer.into_body().collect().await.expect("a whole answer").to_bytes();
            (place, status, String::from_utf8_lossy(&body).into_owned())
        });
    }
    let mut answers = asking.join_all().await;
    answers.sort_by_key(|(place, ..)| *place);
    answers.into_iter().map(|(_, status, text)| (status, text)).collect()
}
