//! What a call consumed and how it ended: written down as it is learnt, told once, also when the client hangs up.

use crate::callers::Caller;
use crate::gateway::Gateway;
use crate::limits::{Claim, Held, Spent, Standing};
use crate::pipeline::Incoming;
use crate::snapshot::{Route, Target};
use crate::telemetry::{self, InFlight, Outcome, Record};
use http::StatusCode;
use lockgate_dialects::canonical::{Failure, Losses, Usage};
use smallvec::SmallVec;
use std::sync::Arc;
use std::time::Instant;

/// The status that is logged for a client that went away (nginx's word for it).
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The open record of one request. Dropping it tells it: without [`Account::close`] the client hung up.
pub(crate) struct Account {
    gateway: Arc<Gateway>,
    record: Record,
    /// What the call holds of its limits until it has ended.
    held: SmallVec<[Held; 4]>,
    standing: Standing,
    _in_flight: InFlight,
}

impl Account {
    pub(crate) fn open(gateway: Arc<Gateway>, incoming: &Incoming) -> Self {
        let record = Record {
            request_id: incoming.id.clone(),
            client: incoming.client,
            method: incoming.parts.method.clone(),
            path: incoming.parts.uri.path().to_owned(),
            caller: None,
            route: None,
            target: None,
            status: CLIENT_CLOSED_REQUEST,
            streamed: false,
            usage: Usage::default(),
            started: incoming.arrived.into_std(),
            ttft: None,
            outcome: Outcome::HungUp,
            losses: 0,
            failure: None,
            limit: None,
        };
        let in_flight = gateway.metrics.in_flight();
        let (held, standing) = (SmallVec::new(), Standing::default());
        Self { gateway, record, held, standing, _in_flight: in_flight }
    }

    pub(crate) fn caller(&mut self, caller: Arc<Caller>) {
        self.record.caller = Some(caller);
    }

    /// A key was refused; told at once.
    pub(crate) fn refused_key(&self, reason: &str) {
        telemetry::tell_refused_key(&self.record, reason);
    }

    pub(crate) fn route(&mut self, route: Arc<Route>) {
        self.record.route = Some(route);
    }

    /// How the call's limits stand.
    pub(crate) fn stands(&mut self, claims: &[Claim]) {
        self.standing = Standing::of(claims);
    }

    pub(crate) fn standing(&self) -> Standing {
        self.standing
    }

    /// The call was refused by this limit.
    pub(crate) fn limited(&mut self, claim: &Claim) {
        self.record.limit = Some((claim.measure.kind(), claim.name()));
    }

    /// The call was granted these claims; what it holds of them it gives back when it ends.
    pub(crate) fn hold(&mut self, claims: &[Claim], now: Instant) {
        self.held = claims.iter().filter_map(|claim| Held::of(claim, now)).collect();
    }

    pub(crate) fn target(&mut self, target: Arc<Target>) {
        self.record.target = Some(target);
    }

    pub(crate) fn usage(&mut self, usage: Option<Usage>) {
        self.record.usage.update(usage.unwrap_or_default());
    }

    pub(crate) fn losses(&mut self, losses: &Losses) {
        self.record.losses += losses.count();
        for loss in losses.iter() {
            tracing::debug!(request_id = %self.record.request_id, %loss, "not carried");
        }
    }

    /// The answer begins as a stream with this status.
    pub(crate) fn stream(&mut self, status: StatusCode) {
        self.record.streamed = true;
        self.record.status = status.as_u16();
    }

    /// Content leaves for the client; the first time counts. An error is none.
    pub(crate) fn first_byte(&mut self) {
        if self.record.ttft.is_none() && self.record.outcome != Outcome::Failed {
            self.record.ttft = Some(self.record.started.elapsed());
        }
    }

    /// The call failed; the reason is logged with it.
    pub(crate) fn fail(&mut self, failure: &Failure) {
        self.record.outcome = Outcome::Failed;
        self.record.failure = Some(format!("{:?}: {}", failure.class, failure.sentence()));
    }

    /// The client was told everything there is.
    pub(crate) fn close(&mut self, status: StatusCode) {
        self.record.status = status.as_u16();
        self.finish();
    }

    /// Everything was generated that ever will be. Told before the client has it: it may call again at once.
    pub(crate) fn generated(&mut self) {
        self.finish();
        self.settle();
    }

    /// A stream ended as it should, or with an error that was told.
    pub(crate) fn finish(&mut self) {
        if self.record.outcome == Outcome::HungUp {
            self.record.outcome = Outcome::Done;
        }
    }

    /// Gives back what the call holds and did not use; once.
    fn settle(&mut self) {
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return;
        }
        let Record { usage, outcome, ttft, .. } = &self.record;
        let spent = match outcome {
            Outcome::Done => Spent::Whole(*usage),
            Outcome::Failed if ttft.is_none() && *usage == Usage::default() => Spent::Nothing,
            Outcome::Failed | Outcome::HungUp => Spent::Part(*usage),
        };
        let now = Instant::now();
        held.iter().for_each(|held| held.settle(&self.gateway.limits, &spent, now));
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if self.record.outcome == Outcome::HungUp {
            self.record.status = CLIENT_CLOSED_REQUEST; // also in the middle of a stream that began well
        }
        self.settle();
        telemetry::tell(&self.record, &self.gateway.metrics);
    }
}
