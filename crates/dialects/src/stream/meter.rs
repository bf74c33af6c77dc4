//! Usage of an answer that passes in one piece.

use super::UsageMeter;
use crate::canonical::Usage;
use crate::raw::FieldTap;
use serde_json::value::RawValue;

/// What a field's value says of usage.
type Reader = fn(&RawValue) -> Option<Usage>;

/// Reads usage from the top-level fields of an answer that hold it; of two that know a number the first counts. Keeps no
/// other byte.
#[derive(Debug)]
pub(crate) struct WholeMeter {
    fields: Vec<(FieldTap, Reader)>,
}

impl WholeMeter {
    /// A meter of answers with these fields, of which there are none where an API does not count.
    pub(crate) fn boxed(fields: &[(&'static str, Reader)]) -> Box<dyn UsageMeter> {
        let fields = fields.iter().map(|(name, read)| (FieldTap::new(name), *read));
        Box::new(Self { fields: fields.collect() })
    }
}

impl UsageMeter for WholeMeter {
    fn feed(&mut self, bytes: &[u8]) {
        self.fields.iter_mut().for_each(|(tap, _)| tap.feed(bytes));
    }

    fn usage(&self) -> Option<Usage> {
        let read = |(tap, read): &(FieldTap, Reader)| read(serde_json::from_slice(tap.value()?).ok()?);
        self.fields.iter().rev().filter_map(read).reduce(|mut later, earlier| {
            later.update(earlier);
            later
        })
    }

    fn finished(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(value: &RawValue) -> Option<Usage> {
        let total_tokens = serde_json::from_str(value.get()).ok()?;
        Some(Usage { total_tokens: Some(total_tokens), ..Usage::default() })
    }

    #[test]
    fn usage_is_read_from_the_first_field_that_knows_it() {
        let mut meter = WholeMeter::boxed(&[("new", counted), ("old", counted)]);
        meter.feed(br#"{"x":{"new":1},"old":2"#);
        assert_eq!(meter.usage(), None);
        meter.feed(br#","new":"none"}"#);
        assert_eq!(meter.usage().and_then(|usage| usage.total_tokens), Some(2));
        assert!(meter.finished());
    }

    #[test]
    fn an_api_that_does_not_count_has_no_usage() {
        let mut meter = WholeMeter::boxed(&[]);
        meter.feed(br#"{"usage":1}"#);
        assert_eq!(meter.usage(), None);
    }
}
