//! The credential that a caller brings to a route that says `credentials: caller`: taken over from its request as it
//! stands, in the one header that the provider expects. A key of this gateway never goes with it.

use super::authenticate::key_in;
use crate::callers::Callers;
use crate::snapshot::{HttpService, Route, Service};
use http::{HeaderMap, HeaderName};
use lockgate_dialects::canonical::{Class, Failure};

/// The headers of a request that some target of the route expects from callers.
///
/// # Errors
/// [`Class::Authentication`] when one stands there twice, or holds a key of this gateway.
pub(crate) fn bring(route: &Route, headers: &HeaderMap, callers: &Callers) -> Result<HeaderMap, Failure> {
    let mut brought = HeaderMap::new();
    let services = route.targets().filter_map(|target| match &target.service {
        Service::Http(service) => Some(service),
        Service::Lacking | Service::Uncallable(_) => None,
    });
    for name in services.flat_map(|service| &service.brought) {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else { continue };
        if values.any(|other| other != value) {
            return Err(refused(format!("The header '{name}' stands in the request twice")));
        }
        if callers.holder(&key_in(name, value)).is_some() {
            return Err(refused(format!(
                "The header '{name}' holds a key of this gateway, and this route passes it on; send the gateway's key \
                 as 'x-lockgate-key', and the provider's as '{name}'"
            )));
        }
        let mut value = value.clone();
        value.set_sensitive(true);
        brought.insert(name.clone(), value);
    }
    Ok(brought)
}

/// Of what was brought, what this service expects.
///
/// # Errors
/// [`Class::Authentication`] with the header that is missing.
pub(crate) fn pick(brought: &HeaderMap, service: &HttpService) -> Result<HeaderMap, Failure> {
    let expected = |name: &HeaderName| match brought.get(name) {
        Some(value) => Ok((name.clone(), value.clone())),
        None => Err(refused(format!(
            "This route passes the caller's own credential on: send the provider's key in the header '{name}'"
        ))),
    };
    service.brought.iter().map(expected).collect()
}

fn refused(message: String) -> Failure {
    Failure::new(Class::Authentication, message)
}
