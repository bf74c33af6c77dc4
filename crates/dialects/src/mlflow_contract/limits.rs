//! The body of MLflow's `set_limits` call.

use super::body;
use super::report::Report;
use crate::canonical::Failure;

/// Checks the body of `POST /api/2.0/…/limits/`: `route`, a string, and `limits`, a list of objects.
///
/// # Errors
/// A [`Failure`] that lists each wrong field.
pub fn check(body: &[u8]) -> Result<(), Failure> {
    let text = body::text(body)?;
    let object = body::object(&text)?;
    let mut report = Report::default();
    report.required(&object, "route", Report::text);
    report.required(&object, "limits", |report, value| {
        report.list(value, |report, limit| report.dictionary(limit).map(drop))
    });
    report.finish()
}
