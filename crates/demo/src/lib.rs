//! The scripted provider: the dialects' codecs turned round.
//!
//! It reads a request as a provider would and answers it after a script: what is said, in how many pieces and how
//! fast, and what goes wrong. Newcomers meet it as `provider: demo`; load tests and fault tests build on it. Nothing
//! here waits, reads a clock or throws dice: the same request always gets the same [`Answer`], and whoever sends the
//! answer keeps its pauses.

mod embedding;
mod fault;
mod hash;
mod ranking;
mod reply;
mod script;
mod stream;
mod words;

pub use script::check;

use crate::fault::Fault;
use crate::hash::Digest;
use crate::script::Script;
use bytes::Bytes;
use lockgate_dialects::Dialect;
use lockgate_dialects::canonical::{Class, Failure, Losses, Operation};
use serde_json::{Map, Value};
use std::time::Duration;

/// What the provider sends, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The `content-type` header.
    pub content_type: &'static str,
    /// Other headers: lower-case name, value.
    pub headers: Vec<(&'static str, String)>,
    /// The pause before the status line.
    pub wait: Duration,
    /// The body: one piece, or a stream's.
    pub pieces: Vec<Piece>,
    /// What follows the last piece.
    pub end: End,
}

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The pause before it, after the piece before.
    pub after: Duration,
    /// Its bytes.
    pub bytes: Bytes,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Clean,
    /// The connection breaks off.
    Cut,
    /// Nothing more ever comes, and the connection stays open.
    Hang,
}

/// Answers a request body in `dialect` as a provider would, after a script.
///
/// The script is the route's `options` (see [`check`]) and over them the request's own: a top-level object `demo` in
/// the body, such as `{"demo": {"latency_ms": 50}}`. `now` is in Unix seconds.
pub fn answer(
    dialect: &dyn Dialect,
    operation: Operation,
    body: &[u8],
    options: &Map<String, Value>,
    now: u64,
) -> Answer {
    let digest = Digest::of(body);
    let script = match Script::of(options, body) {
        Ok(script) => script,
        Err(failure) => return refusal(dialect, &failure, digest),
    };
    let fault = script.fault.filter(|_| digest.fraction() < script.fault_rate);
    let spoken = match fault {
        Some(Fault::Status(status)) => failing(dialect, status, script.retry_after_s, digest),
        _ => match speak(dialect, operation, body, &script, digest, now) {
            Ok(spoken) => match fault {
                Some(fault) => fault.spoil(spoken),
                None => spoken,
            },
            Err(failure) => refusal(dialect, &failure, digest),
        },
    };
    Answer { wait: script.latency, ..spoken }
}

/// The answer as it should be.
fn speak(
    dialect: &dyn Dialect,
    operation: Operation,
    body: &[u8],
    script: &Script,
    digest: Digest,
    now: u64,
) -> Result<Answer, Failure> {
    let lacking = |streamed| Failure::new(Class::NotImplemented { operation, streamed }, dialect.name());
    let mut losses = Losses::default();
    match operation {
        Operation::Chat => {
            let codec = dialect.chat().ok_or_else(|| lacking(false))?;
            let request = codec.decode_request(body)?;
            let said = reply::to_chat(&request, script, digest, now)?;
            if request.stream == Some(true) {
                let mut encoder = codec.stream_encoder(request.stream_usage).ok_or_else(|| lacking(true))?;
                return Ok(streamed(stream::pieces(&mut *encoder, &said, script)));
            }
            Ok(whole(codec.encode_response(&said.into_chat(), &mut losses)))
        }
        Operation::Complete => {
            let codec = dialect.complete().ok_or_else(|| lacking(false))?;
            let request = codec.decode_request(body)?;
            let said = reply::to_completion(&request, script, digest, now)?;
            if request.stream == Some(true) {
                let mut encoder = codec.stream_encoder(request.stream_usage).ok_or_else(|| lacking(true))?;
                return Ok(streamed(stream::pieces(&mut *encoder, &said, script)));
            }
            Ok(whole(codec.encode_response(&said.into_completion(), &mut losses)))
        }
        Operation::Embed => {
            let codec = dialect.embed().ok_or_else(|| lacking(false))?;
            let request = codec.decode_request(body)?;
            Ok(whole(codec.encode_response(&embedding::response(&request)?, &mut losses)))
        }
        Operation::Rerank => {
            let codec = dialect.rerank().ok_or_else(|| lacking(false))?;
            let request = codec.decode_request(body)?;
            Ok(whole(codec.encode_response(&ranking::response(&request), &mut losses)))
        }
    }
}

/// A good answer in one piece.
fn whole(body: Vec<u8>) -> Answer {
    let piece = Piece { after: Duration::ZERO, bytes: body.into() };
    Answer {
        status: 200,
        content_type: "application/json",
        headers: Vec::new(),
        wait: Duration::ZERO,
        pieces: vec![piece],
        end: End::Clean,
    }
}

/// A good stream.
fn streamed(pieces: Vec<Piece>) -> Answer {
    Answer { content_type: "text/event-stream", pieces, ..whole(Vec::new()) }
}

/// The error that the script asks for.
fn failing(dialect: &dyn Dialect, status: u16, retry_after_s: u64, digest: Digest) -> Answer {
    let retry_after = matches!(status, 429 | 503).then(|| Duration::from_secs(retry_after_s));
    let failure = Failure { retry_after, ..fault::failure(status) };
    let mut answer = Answer { status, ..refusal(dialect, &failure, digest) };
    if retry_after.is_some() {
        answer.headers.push(("retry-after", retry_after_s.to_string()));
    }
    answer
}

/// An error in the dialect's own words.
fn refusal(dialect: &dyn Dialect, failure: &Failure, digest: Digest) -> Answer {
    let reply = dialect.encode_error(failure, &digest.id());
    Answer { status: reply.status, ..whole(reply.body) }
}
