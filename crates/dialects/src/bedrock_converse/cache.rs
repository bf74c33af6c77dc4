//! Marks that what stands before them may be cached: `cachePoint`, a block of its own here, and `cache_control`, a field
//! of the block before it in the canonical model, as Anthropic's API has it.

use crate::canonical::{Losses, RawJson};
use crate::raw::{Draft, Object, to_raw};
use serde_json::value::RawValue;

/// The name of the mark in the canonical model.
pub(super) const MARK: &str = "cache_control";

/// The mark that a `cachePoint` stands for; `None` where it says more than a mark can.
pub(super) fn read(point: &RawValue) -> Option<RawJson> {
    let mut point = Object::of(point).ok()?;
    let known = point.need_string("type").ok()? == "default";
    let ttl = point.string("ttl").ok()?;
    if !known || !point.rest_without_nulls().is_empty() {
        return None;
    }
    let mut mark = Draft::default();
    mark.set("type", "ephemeral");
    mark.set_some("ttl", ttl);
    Some(to_raw(&mark))
}

/// The block for a mark that stands at `path`.
pub(super) fn write(mark: &RawJson, path: &str, losses: &mut Losses) -> Option<Draft> {
    let read = Object::of(mark).and_then(|mut mark| Ok((mark.string("type")?, mark.string("ttl")?)));
    let Ok((Some(kind), ttl)) = read else {
        losses.add(format!("{path}.{MARK}"), "no mark of a prompt cache that Bedrock's API knows");
        return None;
    };
    losses.add_if(kind != "ephemeral", format!("{path}.{MARK}.type"), "Bedrock's API has one kind of cache");
    let mut point = Draft::default();
    point.set("type", "default");
    point.set_some("ttl", ttl);
    Some(Draft::of("cachePoint", point))
}

/// The mark among the fields of a part, message, call or tool.
pub(super) fn mark(extras: &[(String, RawJson)]) -> Option<&RawJson> {
    extras.iter().find(|(name, _)| name == MARK).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mark_becomes_a_point_and_comes_back() {
        for (point, mark) in [
            (json!({"type": "default"}), json!({"type": "ephemeral"})),
            (json!({"type": "default", "ttl": "1h"}), json!({"type": "ephemeral", "ttl": "1h"})),
        ] {
            let read = read(&to_raw(&point)).expect("a mark");
            assert_eq!(read.get(), mark.to_string());
            let mut losses = Losses::default();
            let written = write(&read, "messages[0]", &mut losses).expect("a point");
            assert_eq!(to_raw(&written).get(), json!({ "cachePoint": point }).to_string());
            assert!(losses.is_empty());
        }
        assert!(read(&to_raw(&json!({"type": "default", "new": 1}))).is_none());
    }

    #[test]
    fn a_mark_that_is_none_is_recorded() {
        let mut losses = Losses::default();
        assert!(write(&to_raw(&json!(true)), "messages[0].content[1]", &mut losses).is_none());
        assert_eq!(losses.iter().next().expect("a loss").path, "messages[0].content[1].cache_control");
    }
}
