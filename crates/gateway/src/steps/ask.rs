//! Asks a target: passes the bytes or translates them, and takes the answer apart.

use super::stream::{Opening, Relay, Stream};
use super::translate::{Asked, Missing, Sides};
use super::{Account, Call, Permit, Redactor, brought, refuse};
use crate::server::{Reply, ReplyBody, Worker};
use crate::snapshot::{HttpService, Service, Target};
use crate::upstream::{self, Answer, Broken, Segments};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use lockgate_config::{OnLoss, StreamUsage};
use lockgate_dialects::canonical::{Class, Encoding, Failure, Losses, Signature};
use lockgate_dialects::raw::Edit;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

mod answer;
mod count;
mod rejection;

pub(crate) use rejection::rejected;

const LOSS: HeaderName = HeaderName::from_static("x-lockgate-loss");
/// The most bytes of a whole answer.
const MOST_ANSWER: usize = 64 << 20;

/// What the client is told.
pub(crate) struct Answered {
    content_type: HeaderValue,
    body: Body,
    losses: Losses,
}

#[expect(clippy::large_enum_variant, reason = "it is made once per call and taken apart at once")]
enum Body {
    Whole(Bytes),
    Stream {
        upstream: upstream::UpstreamBody,
        relay: Relay,
        opening: Opening,
        redactor: Redactor,
        request_id: String,
    },
}

impl Answered {
    /// The response; the account goes with a stream and is closed at its end.
    pub(crate) fn settle(self, mut account: Account) -> Reply {
        account.losses(&self.losses);
        let body = match self.body {
            Body::Whole(body) => {
                account.first_byte();
                account.close(StatusCode::OK);
                ReplyBody::from(body)
            }
            Body::Stream { upstream, relay, opening, redactor, request_id } => {
                account.stream(StatusCode::OK);
                let comments = self.content_type.as_bytes().starts_with(b"text/event-stream");
                ReplyBody::Stream(Box::new(Stream::new(
                    upstream, relay, opening, comments, redactor, request_id, account,
                )))
            }
        };
        let mut reply = Response::new(body);
        reply.headers_mut().insert(CONTENT_TYPE, self.content_type);
        if !self.losses.is_empty() {
            reply.headers_mut().insert(LOSS, told(&self.losses));
        }
        reply
    }
}

/// Draws a target and asks it.
///
/// # Errors
/// A [`Failure`] of any class; the account knows the target by then.
pub(crate) async fn ask(worker: &Worker, call: Call, permit: Permit<'_>) -> Result<Answered, Failure> {
    let target = call.route.target(|below| fastrand::u32(..below)).clone();
    permit.account.target(target.clone());
    let service = match &target.service {
        Service::Http(service) => service.asked_by(call.surface.mlflow),
        Service::Lacking => return Err(lacking(&target, &call, false)),
        Service::Uncallable(failure) => return Err(failure.clone()),
    };
    if call.streamed && !service.streams {
        return Err(lacking(&target, &call, true));
    }
    if call.surface.counts && !count::is_counted_by(service, &call) {
        return count::estimated(&call);
    }
    let exchange = Exchange::new(call, &target, service);
    exchange.run(worker, permit.account).await
}

/// MLflow's messages name the provider and what it lacks; the dialect finds the words.
fn lacking(target: &Target, call: &Call, streamed: bool) -> Failure {
    Failure::new(Class::NotImplemented { operation: call.operation, streamed }, target.display.clone())
}

/// One call of one target.
struct Exchange<'a> {
    call: Call,
    target: &'a Arc<Target>,
    service: &'a HttpService,
    sides: Sides,
    losses: Losses,
    /// Whether the client asked for usage at the end of a stream that is translated.
    include_usage: bool,
    /// Whether the gateway asked for usage at the end of a stream that passes.
    asked_usage: bool,
    encoding: Option<Encoding>,
}

impl<'a> Exchange<'a> {
    fn new(call: Call, target: &'a Arc<Target>, service: &'a HttpService) -> Self {
        let sides = Sides {
            client: call.surface.dialect,
            asked: call.operation,
            provider: service.dialect,
            answered: service.operation,
        };
        let losses = Losses::default();
        Self {
            call,
            target,
            service,
            sides,
            losses,
            include_usage: false,
            asked_usage: false,
            encoding: None,
        }
    }

    async fn run(mut self, worker: &Worker, account: &mut Account) -> Result<Answered, Failure> {
        let brought = brought::pick(&self.call.brought, self.service)?;
        let body = self.request()?;
        self.call.onward.extend(brought.clone());
        let answer = self.attempt(worker, body).await?;
        let redactor = Redactor { target: self.target.clone(), brought };
        if !answer.status.is_success() {
            return Err(self.blamed(rejected(self.service.dialect, answer, &redactor).await));
        }
        if self.call.streamed {
            let answered = answer::streamed(&mut self, answer, redactor).await;
            answered.map_err(|failure| self.blamed(failure))
        } else {
            answer::whole(&mut self, answer, account, &redactor).await
        }
    }

    /// A credential that the provider refuses is the caller's to mend, where the caller brought it.
    fn blamed(&self, failure: Failure) -> Failure {
        if failure.class == Class::UpstreamCredentials && !self.service.brought.is_empty() {
            return Failure { class: Class::Authentication, ..failure };
        }
        failure
    }

    /// The body for the provider. Where both sides speak alike the bytes pass, but for the model's name and the wish for
    /// usage.
    fn request(&mut self) -> Result<Segments, Failure> {
        let alike = self.sides.alike();
        // What another provider signed in an earlier turn must not reach this one, which would refuse it.
        if alike && !Signature::is_marked_in(&self.call.body) {
            return self.spliced();
        }
        for own in self.sides.client.headers().iter().filter(|_| !alike) {
            self.call.onward.remove(*own); // what it means is unknown to another dialect
        }
        let mut asked = match self.call.asked.take() {
            Some(asked) => asked,
            None => Asked::decode(self.sides.client, self.sides.asked, &self.call.body)?,
        };
        if let Some(streamed) = self.call.surface.streamed {
            asked.set_streamed(streamed);
        }
        self.include_usage = asked.stream_usage();
        if self.wants_usage() {
            asked.ask_stream_usage();
            self.asked_usage = alike && !self.include_usage;
        }
        self.encoding = asked.encoding(self.call.surface.mlflow);
        if self.call.surface.mlflow {
            refuse::refuse(&asked, self.sides.client, self.service)?;
        }
        let mut traits = self.service.traits.clone();
        traits.count_name = self.sides.client.count_name();
        let body = asked.encode(self.sides.provider, self.sides.answered, &traits, &mut self.losses)?;
        match self.call.route.on_loss {
            OnLoss::Reject if !self.losses.is_empty() => Err(refuse::lossy(&self.losses)),
            OnLoss::Report | OnLoss::Reject => Ok(Segments::from(body)),
        }
    }

    /// Whether usage is asked for whatever the client says, so that streams can be counted.
    fn wants_usage(&self) -> bool {
        self.call.streamed
            && self.call.route.usage == StreamUsage::Always
            && !self.service.traits.refuses_stream_options
    }

    fn spliced(&mut self) -> Result<Segments, Failure> {
        let traits = &self.service.traits;
        let model = match &traits.model {
            _ if traits.model_in_url => Some(Edit::Remove("model")),
            Some(name) => Some(Edit::Set("model", serde_json::Value::from(name.as_str()).to_string().into())),
            None => None,
        };
        let Call { body, peek, .. } = &self.call;
        let usage = if self.wants_usage() { self.sides.provider.ask_usage(body, peek) } else { None };
        self.asked_usage = usage.is_some();
        let within = traits.model.as_deref().and_then(|name| self.sides.provider.name_within(body, name));
        let edits: Vec<_> = model.into_iter().chain(within).chain(usage).collect();
        Ok(peek.patch(body, &edits)?.into())
    }

    async fn attempt(&mut self, worker: &Worker, body: Segments) -> Result<Answer, Failure> {
        let timeouts = &self.call.route.timeouts;
        if let Some(options) = &self.service.demo {
            let (dialect, operation) = (self.sides.provider, self.sides.answered);
            let script = lockgate_demo::answer(dialect, operation, &body.joined(), options, unix_now());
            return upstream::rehearse(script, timeouts, self.call.arrived).await;
        }
        let mut turn = self.service.keys.first(Instant::now());
        loop {
            let ask = upstream::Ask {
                service: self.service,
                path: self.path(),
                headers: turn.headers(),
                body: &body,
                onward: &self.call.onward,
                timeouts,
                arrived: self.call.arrived,
            };
            let answer = upstream::attempt(&worker.pool, ask).await?;
            self.judge(&turn, answer.status);
            // A call whose key is refused was not begun, so another key can be tried.
            match upstream::refuses(answer.status).then(|| turn.another(Instant::now())).flatten() {
                Some(another) => turn = another,
                None => return Ok(answer),
            }
        }
    }

    fn path(&self) -> &PathAndQuery {
        let count = self.service.count_path.as_ref().filter(|_| self.call.surface.counts);
        count.unwrap_or_else(|| self.service.path(self.call.streamed))
    }

    /// Tells what an answer says of the key that was used, if that is news.
    fn judge(&self, turn: &upstream::Turn<'_>, status: StatusCode) {
        let (route, target) = (&self.call.route.name, self.target);
        let (provider, model, key) = (&target.provider, target.model.as_deref(), turn.number());
        match turn.judge(status, Instant::now()) {
            upstream::Verdict::Nothing => {}
            upstream::Verdict::Refused => {
                let status = status.as_u16();
                tracing::warn!(
                    route,
                    provider,
                    model,
                    key,
                    status,
                    "the provider refuses a key; it is set aside"
                );
            }
            upstream::Verdict::GoodAgain => {
                tracing::info!(
                    route,
                    provider,
                    model,
                    key,
                    "the provider takes a key again that it had refused"
                );
            }
        }
    }

    fn missing(&self) -> Missing<'a> {
        Missing { model: self.target.model.as_deref(), created: unix_now(), encoding: self.encoding }
    }
}

/// Why an answer broke off, as a failure.
pub(crate) fn broken(broken: &Broken) -> Failure {
    match broken {
        Broken::Cut => Failure::new(Class::StreamTruncated, "The provider's answer broke off"),
        Broken::Idle(after) => upstream::timed_out("idle", *after, "sent nothing more"),
        Broken::Total(after) => upstream::timed_out("total", *after, "did not finish its answer"),
        Broken::TooLarge => Failure::new(Class::UpstreamError, "The provider's answer is too large"),
    }
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

/// How many things were lost and the first few paths, within what a header may hold.
fn told(losses: &Losses) -> HeaderValue {
    let mut text = losses.count().to_string();
    for (at, loss) in losses.iter().take(8).enumerate() {
        let path: String = loss.path.chars().filter(char::is_ascii_graphic).take(80).collect();
        text.push_str(if at == 0 { "; " } else { ", " });
        text.push_str(&path);
    }
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from(losses.count()))
}
