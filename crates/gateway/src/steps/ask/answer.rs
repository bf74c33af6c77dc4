//! A provider's good answer, on its way to the client.

use super::rejection::MOST_ERROR;
use super::{Answered, Body, Exchange, MOST_ANSWER, broken, content_type};
use crate::steps::stream::{self, Relay};
use crate::steps::{Account, Redactor};
use crate::upstream::{Answer, UpstreamBody};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use lockgate_dialects::Dialect;
use lockgate_dialects::canonical::{Class, Failure, UpstreamError};
use lockgate_dialects::framing::eventstream;
use lockgate_dialects::raw::Peek;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer that is read whole before the client hears of it, so that a broken one becomes an error.
pub(super) async fn whole(
    exchange: &mut Exchange<'_>,
    answer: Answer,
    account: &mut Account,
    redactor: &Redactor,
) -> Result<Answered, Failure> {
    let Answer { headers, body, .. } = answer;
    if !readable(content_type(&headers)) {
        return Err(unreadable(&headers, "JSON"));
    }
    let bytes = body.whole(MOST_ANSWER).await.map_err(|why| broken(&why))?;
    let (content_type, bytes) = if exchange.sides.alike() {
        if Peek::of(&bytes).is_err() {
            return Err(Failure::new(Class::UpstreamError, "The provider's answer is not a JSON object"));
        }
        if let Some(mut meter) = exchange.sides.meter(false) {
            meter.feed(&bytes);
            account.usage(meter.usage());
        }
        (headers.get(CONTENT_TYPE).cloned().unwrap_or(JSON), redactor.whole(bytes))
    } else {
        let missing = exchange.missing();
        let told = exchange.sides.answer(&bytes, &missing, &mut exchange.losses);
        let (told, usage) = told.map_err(|failure| redactor.failure(failure))?;
        account.usage(usage);
        (JSON, told.into())
    };
    Ok(Answered { content_type, body: Body::Whole(bytes), losses: std::mem::take(&mut exchange.losses) })
}

/// An answer that is passed on as it comes, once it has begun; what fails later becomes an error event.
pub(super) async fn streamed(
    exchange: &mut Exchange<'_>,
    answer: Answer,
    redactor: Redactor,
) -> Result<Answered, Failure> {
    let Answer { headers, mut body, .. } = answer;
    if !streams(content_type(&headers)) {
        return Err(redactor.failure(no_stream(exchange.sides.provider, &headers, body).await));
    }
    let sides = exchange.sides;
    let mut relay = if sides.alike() {
        let (meter, fail) = (sides.meter(true), sides.stream_encoder(false));
        let (Some(meter), Some(fail)) = (meter, fail) else { return Err(streamless(exchange)) };
        let cut = if exchange.asked_usage { sides.provider.usage_cut() } else { None };
        Relay::pass(meter, cut, fail, sides.stream_decoder())
    } else {
        let (decoder, encoder) = (sides.stream_decoder(), sides.stream_encoder(exchange.include_usage));
        let (Some(decoder), Some(encoder)) = (decoder, encoder) else { return Err(streamless(exchange)) };
        Relay::translate(decoder, encoder, exchange.missing())
    };
    let most = exchange.call.route.timeouts.first_event;
    let opening = stream::open(&mut relay, &mut body, sides.provider, most).await;
    let opening = opening.map_err(|failure| redactor.failure(failure))?;
    let content_type = if sides.alike() { headers.get(CONTENT_TYPE).cloned() } else { None };
    Ok(Answered {
        content_type: content_type.unwrap_or_else(|| HeaderValue::from_static(sides.client.stream_type())),
        body: Body::Stream {
            upstream: body,
            relay,
            opening,
            redactor,
            request_id: exchange.call.request_id.clone(),
        },
        losses: std::mem::take(&mut exchange.losses),
    })
}

/// MLflow reads JSON, and text that holds JSON (contract, section 4.5).
fn readable(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|is| is.contains("application/json") || is.contains("text/plain"))
}

/// Server-sent events, messages of AWS, or lines of JSON under one of their several names.
fn streams(content_type: Option<&str>) -> bool {
    const KNOWN: [&str; 5] = [
        "text/event-stream",
        "application/stream+json",
        "application/x-ndjson",
        "application/jsonl",
        eventstream::CONTENT_TYPE,
    ];
    content_type.is_some_and(|is| KNOWN.iter().any(|known| is.contains(known)))
}

/// MLflow's dialects make their own text of the content type.
fn unreadable(headers: &HeaderMap, wanted: &str) -> Failure {
    let received = content_type(headers).map(str::to_owned);
    let message = match &received {
        Some(received) => format!("The provider's answer is not {wanted} but {received}"),
        None => format!("The provider's answer is not {wanted}: it has no content type"),
    };
    let status = StatusCode::OK.as_u16();
    let error = UpstreamError { status, message, content_type: received, ..UpstreamError::default() };
    Failure::upstream(Class::UpstreamError, error)
}

/// An answer that is no stream: the error that it tells, if it does.
async fn no_stream(dialect: &dyn Dialect, headers: &HeaderMap, body: UpstreamBody) -> Failure {
    let bytes = body.whole(MOST_ERROR).await.unwrap_or_default();
    match stream::error_in(dialect, content_type(headers), &bytes) {
        Some(error) => stream::told(error),
        None => unreadable(headers, "a stream"),
    }
}

/// One of the two APIs has no streams.
fn streamless(exchange: &Exchange<'_>) -> Failure {
    let class = Class::NotImplemented { operation: exchange.call.operation, streamed: true };
    Failure::new(class, exchange.target.display.clone())
}
