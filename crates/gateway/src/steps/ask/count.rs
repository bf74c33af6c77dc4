//! How many tokens a request has: counted by a provider that speaks the client's API and counts, else estimated here.

use super::{Answered, Body};
use crate::limits;
use crate::snapshot::HttpService;
use crate::steps::Call;
use http::HeaderValue;
use lockgate_dialects::canonical::{Class, Failure, Losses};

/// Whether the provider can be asked.
pub(super) fn is_counted_by(service: &HttpService, call: &Call) -> bool {
    service.count_path.is_some() && service.dialect.name() == call.surface.dialect.name()
}

/// The answer of an estimate, which tells that it is one.
///
/// # Errors
/// [`Class::NotImplemented`] where the client's API does not count.
pub(super) fn estimated(call: &Call) -> Result<Answered, Failure> {
    let told = call.surface.dialect.count(limits::estimated_prompt(&call.body));
    let class = Class::NotImplemented { operation: call.operation, streamed: false };
    let body = told.ok_or_else(|| Failure::new(class, "This API"))?;
    let mut losses = Losses::default();
    losses.add("tokens", "estimated from the size of the body: the provider does not count for this API");
    Ok(Answered {
        content_type: HeaderValue::from_static("application/json"),
        body: Body::Whole(body.into()),
        losses,
    })
}
