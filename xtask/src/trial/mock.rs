//! The upstream: answers from prepared bytes, so that it is not what a proxy waits for.

use super::process;
use super::workload::{self, EVENTS, Workload};
use anyhow::{Context, Result, bail};
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The bytes of both answers; the streamed one in pieces.
struct Answers {
    chat: Vec<u8>,
    stream: Vec<Vec<u8>>,
}

impl Answers {
    fn prepare() -> Self {
        let chat = workload::chat();
        let length = chat.len();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
        let mut stream = vec![
            // The last header is nginx's own switch for "do not buffer this answer".
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
              transfer-encoding: chunked\r\nx-accel-buffering: no\r\n\r\n"
                .to_vec(),
        ];
        stream.extend((0..EVENTS).map(|index| {
            let event = workload::event(index);
            format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
        }));
        stream.push(b"0\r\n\r\n".to_vec());
        Self { chat: format!("{head}\r\ncontent-length: {length}\r\n\r\n{chat}").into_bytes(), stream }
    }
}

/// Serves until the process is ended.
pub(crate) fn run() -> Result<()> {
    process::on_one_thread(async {
        let answers = Rc::new(Answers::prepare());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        process::announce(&listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let answers = Rc::clone(&answers);
            // A call that breaks off is noticed by whoever made it.
            tokio::task::spawn_local(async move { serve(stream, &answers).await });
        }
    })
}

async fn serve(mut stream: TcpStream, answers: &Answers) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut input = Vec::with_capacity(4096);
    while let Some(workload) = next_call(&mut stream, &mut input).await? {
        match workload {
            Workload::Chat => stream.write_all(&answers.chat).await?,
            Workload::Whole => stream.write_all(&answers.stream.concat()).await?,
            Workload::Burst | Workload::Paced => write_apart(&mut stream, answers, workload).await?,
        }
    }
    Ok(())
}

async fn write_apart(stream: &mut TcpStream, answers: &Answers, workload: Workload) -> Result<()> {
    for piece in &answers.stream {
        stream.write_all(piece).await?;
        if let Some(pause) = workload.pause() {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

/// Reads one whole request; `None` when the peer has closed between two.
async fn next_call(stream: &mut TcpStream, input: &mut Vec<u8>) -> Result<Option<Workload>> {
    loop {
        if let Some((head, length)) = head(input)? {
            let end = head + length;
            if input.len() >= end {
                let workload = Workload::of(&input[head..end]);
                input.drain(..end);
                return Ok(Some(workload));
            }
        }
        if stream.read_buf(input).await? == 0 {
            return Ok(None);
        }
    }
}

/// Length of the request head and of the body it announces, once the head is complete.
fn head(input: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = input.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&input[..end]).context("a request head that is not text")?;
    for line in text.lines() {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            return Ok(Some((end + 4, value.trim().parse()?)));
        }
    }
    bail!("a request without content-length")
}
