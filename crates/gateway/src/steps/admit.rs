//! Who may call how often. The only maker of a [`Permit`], without which nothing is asked of a provider.

use super::{Account, Call};
use crate::gateway::Gateway;
use lockgate_dialects::canonical::{Class, Failure};
use std::time::Instant;

/// The proof that a call was admitted, with the account that it is charged to.
pub(crate) struct Permit<'a> {
    pub(crate) account: &'a mut Account,
}

/// Counts the call against its route's limit: once per route and client, whatever the path or the worker.
///
/// # Errors
/// [`Class::RateLimited`], with the time until the limit renews.
pub(crate) fn admit<'a>(
    call: &Call,
    gateway: &Gateway,
    account: &'a mut Account,
) -> Result<Permit<'a>, Failure> {
    if let Some(limit) = &call.route.limit {
        gateway.limits.count(&call.route.name, limit, call.client, Instant::now()).map_err(|renews| {
            Failure {
                retry_after: Some(renews),
                ..Failure::new(Class::RateLimited, format!("Rate limit exceeded: {}", limit.text))
            }
        })?;
    }
    Ok(Permit { account })
}
