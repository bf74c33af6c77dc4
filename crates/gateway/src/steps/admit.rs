//! Who may call how much. The only maker of a [`Permit`], without which nothing is asked of a provider.

use super::{Account, Call};
use crate::gateway::Gateway;
use crate::limits::{Counter, claims, refused};
use lockgate_dialects::canonical::Failure;
use std::time::Instant;

/// The proof that a call was admitted, with the account that it is charged to.
pub(crate) struct Permit<'a> {
    pub(crate) account: &'a mut Account,
}

/// Asks every limit of the call's route and caller for room, whatever the path or the worker. All have it, or none is
/// touched. What the call holds goes to its account, which gives it back.
///
/// # Errors
/// [`Class::RateLimited`], with the time until the limit renews; [`Class::TooLarge`] for a call that no waiting would
/// let through.
///
/// [`Class::RateLimited`]: lockgate_dialects::canonical::Class::RateLimited
/// [`Class::TooLarge`]: lockgate_dialects::canonical::Class::TooLarge
pub(crate) async fn admit<'a>(
    call: &Call,
    gateway: &Gateway,
    account: &'a mut Account,
) -> Result<Permit<'a>, Failure> {
    let mut claims = claims(call, &gateway.limits);
    if !claims.is_empty() {
        let now = Instant::now();
        let taken = gateway.limits.take(&mut claims, now).await;
        account.stands(&claims);
        if let Err(at) = taken {
            account.limited(&claims[at]);
            return Err(refused(&claims[at], call));
        }
        account.hold(&claims, now);
    }
    Ok(Permit { account })
}
