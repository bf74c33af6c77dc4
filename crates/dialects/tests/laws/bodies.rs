//! Laws of bodies that are mostly not read, and of framing.

use crate::json::{cut, json_value, object};
use bytes::Bytes;
use lockgate_dialects::framing::eventstream::{self, MessageReader};
use lockgate_dialects::framing::sse::{self, SseReader};
use lockgate_dialects::raw::{Edit, FieldTap, Peek, patch};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn peek_agrees_with_a_full_parser(fields in object(), pretty: bool) {
        let body = if pretty { serde_json::to_vec_pretty(&fields) } else { serde_json::to_vec(&fields) }.unwrap();
        let peek = Peek::of(&body).unwrap();
        prop_assert_eq!(peek.model.as_deref(), fields.get("model").and_then(Value::as_str));
        prop_assert_eq!(peek.stream, fields.get("stream") == Some(&json!(true)));
        let value = peek.model_at.map(|at| serde_json::from_slice::<Value>(&body[at]).unwrap());
        prop_assert_eq!(value.as_ref(), fields.get("model"));
    }

    #[test]
    fn peek_survives_any_bytes_and_accepts_whatever_a_parser_accepts(body in vec(any::<u8>(), 0..200)) {
        let peek = Peek::of(&body);
        if serde_json::from_slice::<Map<String, Value>>(&body).is_ok() {
            prop_assert!(peek.is_ok());
        }
    }

    #[test]
    fn peek_survives_bytes_that_look_like_json(body in "[{}\\[\\]\",:a-e0-9.\\\\ -]{0,60}") {
        let whole = format!("{{\"a\":{body}}}");
        let parsed = serde_json::from_str::<Map<String, Value>>(&whole);
        if parsed.is_ok() {
            prop_assert!(Peek::of(whole.as_bytes()).is_ok(), "{}", whole);
        }
        // Only what stands between inner brackets may be wrong.
        let flat = !body.contains(['{', '[', '\\']);
        if flat && Peek::of(whole.as_bytes()).is_ok() {
            prop_assert!(parsed.is_ok(), "{}", whole);
        }
    }

    #[test]
    fn a_patch_changes_what_it_names_and_not_one_byte_else(
        fields in object(),
        edits in vec((select(vec!["model", "stream", "usage", "new", "a\"b"]), 0..3_u8, json_value()), 0..5),
    ) {
        let body = Bytes::from(serde_json::to_vec_pretty(&fields).unwrap());
        let raw = |value: &Value| Bytes::from(value.to_string());
        let edits: Vec<_> = edits.iter().map(|(name, kind, value)| match kind {
            0 => Edit::Set(name, raw(value)),
            1 => Edit::Default(name, raw(value)),
            _ => Edit::Remove(name),
        }).collect();
        let mut expected = fields.clone();
        for edit in &edits {
            match edit {
                Edit::Set(name, value) => {
                    expected.insert((*name).to_owned(), serde_json::from_slice(value).unwrap());
                }
                Edit::Default(name, value) => {
                    expected.entry(*name).or_insert_with(|| serde_json::from_slice(value).unwrap());
                }
                Edit::Remove(name) => {
                    expected.remove(*name);
                }
            }
        }
        let patched = patch(&body, &edits).unwrap().concat();
        prop_assert_eq!(serde_json::from_slice::<Map<String, Value>>(&patched).unwrap(), expected);
        let touched = |name: &str| matches!(name, "model" | "stream" | "usage" | "new" | "a\"b");
        for (name, value) in fields.iter().filter(|(name, _)| !touched(name)) {
            let one = serde_json::to_string_pretty(&Map::from_iter([(name.clone(), value.clone())])).unwrap();
            let line = one.trim_start_matches("{\n").trim_end_matches("\n}");
            prop_assert!(String::from_utf8(patched.clone()).unwrap().contains(line.trim_start()));
        }
        if edits.is_empty() {
            prop_assert_eq!(&patched[..], &body[..]);
        }
    }

    #[test]
    fn a_tapped_field_is_the_parsed_one_however_the_body_is_cut(fields in object(), cuts in vec(any::<Index>(), 0..8)) {
        let body = serde_json::to_vec_pretty(&fields).unwrap();
        let mut tap = FieldTap::new("usage");
        cut(&body, &cuts).into_iter().for_each(|chunk| tap.feed(chunk));
        let found = tap.value().map(|value| serde_json::from_slice::<Value>(value).unwrap());
        prop_assert_eq!(found.as_ref(), fields.get("usage"));
    }

    #[test]
    fn any_cutting_of_any_bytes_gives_the_same_events_of_the_framing(
        stream in "(data|event|id|:|x|\r\n|\n|\r|: ?|[a-c\u{e9}\u{1F600}]){0,60}",
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let read = |chunks: Vec<&[u8]>| {
            let mut events = Vec::new();
            let mut reader = SseReader::with_limit(24);
            let mut on = |event: sse::SseEvent<'_>| events.push((event.event.map(str::to_owned), event.data.to_vec()));
            let fed = chunks.into_iter().try_for_each(|chunk| reader.feed(chunk, &mut on));
            let ended = fed.and_then(|()| reader.finish(&mut on));
            (events, ended)
        };
        prop_assert_eq!(read(vec![stream.as_bytes()]), read(cut(stream.as_bytes(), &cuts)));
    }

    #[test]
    fn what_is_written_as_an_event_is_read_as_it_was(data in "[a-z{}\": \u{e9}]{1,20}(\n[a-z]{0,5}){0,2}") {
        let mut out = Vec::new();
        sse::write(Some("e"), data.as_bytes(), &mut out);
        let mut seen = Vec::new();
        SseReader::new().feed(&out, |event| seen.push(event.data.to_vec())).unwrap();
        prop_assert_eq!(seen, vec![data.into_bytes()]);
    }

    #[test]
    fn any_cutting_of_an_event_stream_gives_the_same_messages(
        payloads in vec(vec(any::<u8>(), 0..40), 0..5),
        damage in proptest::option::of((any::<Index>(), any::<u8>())),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let mut stream = Vec::new();
        payloads.iter().for_each(|payload| eventstream::write(&[(":event-type", "e")], payload, &mut stream));
        if let Some((place, byte)) = damage.filter(|_| !stream.is_empty()) {
            let place = place.index(stream.len());
            stream[place] ^= byte;
        }
        let read = |chunks: Vec<&[u8]>| {
            let (mut reader, mut messages) = (MessageReader::with_limit(64), Vec::new());
            let mut on = |message: eventstream::Message<'_>| messages.push(message.payload.to_vec());
            (chunks.into_iter().try_for_each(|chunk| reader.feed(chunk, &mut on)), messages)
        };
        let (fed, messages) = read(vec![&stream]);
        prop_assert_eq!(&(fed, messages.clone()), &read(cut(&stream, &cuts)));
        prop_assert!(payloads.starts_with(&messages), "damage is never taken for a message");
        prop_assert!(fed.is_err() || messages == payloads || damage.is_some());
    }
}
