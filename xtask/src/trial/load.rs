//! The load generator: keep-alive connections, a fixed count of calls on each, every answer's length checked.

use super::process;
use super::workload::Workload;
use anyhow::{Result, ensure};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Runs the load generator as a process of its own and waits for its end.
pub(crate) fn start(workload: Workload, target: u16, connections: u32, each: u32, core: usize) -> Result<()> {
    let numbers = [u32::from(target), connections, each].map(|n| n.to_string());
    let name = format!("{workload:?}").to_lowercase();
    let status =
        process::part(core, &["load", &name, &numbers[0], &numbers[1], &numbers[2]])?.spawn()?.wait()?;
    ensure!(status.success(), "the load generator failed");
    Ok(())
}

/// Makes `each` calls on every connection.
pub(crate) fn run(workload: Workload, target: u16, connections: u32, each: u32) -> Result<()> {
    process::on_one_thread(async {
        let mut talks = JoinSet::new();
        for _ in 0..connections {
            talks.spawn_local(talk(workload, target, each));
        }
        while let Some(ended) = talks.join_next().await {
            ended??;
        }
        Ok(())
    })
}

async fn talk(workload: Workload, target: u16, calls: u32) -> Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", target)).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::task::spawn_local(connection);
    let (question, expected) = (workload.question(), workload.answer_length());
    for _ in 0..calls {
        sender.ready().await?;
        let request = Request::post("/v1/chat/completions")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("authorization", "Bearer none")
            .body(Full::new(Bytes::clone(&question)))?;
        let answer = sender.send_request(request).await?;
        ensure!(answer.status() == 200, "answered {}", answer.status());
        let length = length(answer.into_body()).await?;
        ensure!(length == expected, "an answer of {length} bytes instead of {expected}");
    }
    drop(sender);
    driver.await??;
    Ok(())
}

async fn length(mut body: Incoming) -> Result<usize> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame?.data_ref().map_or(0, Bytes::len);
    }
    Ok(length)
}
