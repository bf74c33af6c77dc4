//! What a call consumed and how it ended: written down as it is learnt, told once, also when the client hangs up.

use crate::callers::Caller;
use crate::gateway::Gateway;
use crate::pipeline::Incoming;
use crate::snapshot::{Route, Target};
use crate::telemetry::{self, InFlight, Outcome, Record};
use http::StatusCode;
use lockgate_dialects::canonical::{Failure, Losses, Usage};
use std::sync::Arc;

/// The status that is logged for a client that went away (nginx's word for it).
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The open record of one request. Dropping it tells it: without [`Account::close`] the client hung up.
pub(crate) struct Account {
    gateway: Arc<Gateway>,
    record: Record,
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
        };
        let in_flight = gateway.metrics.in_flight();
        Self { gateway, record, _in_flight: in_flight }
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

    /// Content leaves for the client; the first time counts.
    pub(crate) fn first_byte(&mut self) {
        if self.record.ttft.is_none() {
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

    /// A stream ended as it should, or with an error that was told.
    pub(crate) fn finish(&mut self) {
        if self.record.outcome == Outcome::HungUp {
            self.record.outcome = Outcome::Done;
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if self.record.outcome == Outcome::HungUp {
            self.record.status = CLIENT_CLOSED_REQUEST; // also in the middle of a stream that began well
        }
        telemetry::tell(&self.record, &self.gateway.metrics);
    }
}
