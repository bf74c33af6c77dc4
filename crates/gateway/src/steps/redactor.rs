//! Keeps a target's secrets out of what its provider says: a provider may echo the key that it was sent.

use crate::redact::{redact, redact_json};
use crate::snapshot::{Service, Target};
use lockgate_dialects::canonical::Failure;
use std::sync::Arc;

/// The secrets of one target; looked up only when something failed.
pub(crate) struct Redactor(pub(crate) Arc<Target>);

impl Redactor {
    /// The failure without secrets, wherever the provider's words stand in it.
    pub(crate) fn failure(&self, mut failure: Failure) -> Failure {
        let secrets = self.secrets();
        let clean = |text: &mut String| {
            if let std::borrow::Cow::Owned(changed) = redact(text, &secrets) {
                *text = changed;
            }
        };
        clean(&mut failure.message);
        failure.param.as_mut().map(clean);
        if let Some(error) = &mut failure.upstream {
            clean(&mut error.message);
            for word in [&mut error.kind, &mut error.code, &mut error.param, &mut error.content_type] {
                word.as_mut().map(clean);
            }
            if let Some(detail) = &mut error.detail {
                redact_json(detail, &secrets);
            }
        }
        failure
    }

    /// Each credential as its header holds it, and the part after its scheme.
    fn secrets(&self) -> Vec<&str> {
        let Service::Http(service) = &self.0.service else { return Vec::new() };
        let values = service.headers.values().filter(|value| value.is_sensitive());
        let values = values.filter_map(|value| value.to_str().ok());
        values.flat_map(|value| [value, value.rsplit(' ').next().unwrap_or(value)]).collect()
    }
}
