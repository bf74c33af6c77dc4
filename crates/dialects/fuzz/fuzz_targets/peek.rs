//! A peek at a body agrees with a full parser, an edit changes what it names, and a tapped field is the parsed one.
//!
//! The first byte of the input is the size of the pieces in which the body passes the tap.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use lockgate_dialects::raw::{Edit, FieldTap, Peek, patch};
use serde_json::{Map, Value, json};

fuzz_target!(|input: &[u8]| {
    let Some((size, body)) = input.split_first() else { return };
    let body = Bytes::copy_from_slice(body);
    let edits = [
        Edit::Set("model", Bytes::from_static(b"\"m\"")),
        Edit::Remove("stream"),
        Edit::Default("new", Bytes::from_static(b"1")),
    ];
    let (peek, patched) = (Peek::of(&body), patch(&body, &edits));
    let mut tap = FieldTap::new("usage");
    body.chunks(usize::from(*size).max(1)).for_each(|chunk| tap.feed(chunk));
    let Ok(parsed) = serde_json::from_slice::<Map<String, Value>>(&body) else { return };

    let patched: Map<String, Value> = read(&patched.expect("it is an object").concat());
    assert_eq!((&patched["model"], patched.get("stream")), (&json!("m"), None));
    assert!(patched.contains_key("new"));
    assert!(parsed.keys().all(|name| name == "stream" || patched.contains_key(name)));

    match peek {
        Ok(peek) => {
            assert_eq!(peek.model.as_deref(), parsed.get("model").and_then(Value::as_str));
            assert_eq!(peek.stream, parsed.get("stream") == Some(&json!(true)));
            let options = Edit::Set("stream_options", Bytes::from_static(b"{}"));
            let spliced = peek.patch(&body, &[edits[0].clone(), options]).expect("it is an object");
            let spliced: Map<String, Value> = read(&spliced.concat());
            assert_eq!((&spliced["model"], &spliced["stream_options"]), (&json!("m"), &json!({})));
        }
        Err(failure) => assert!(failure.message.ends_with("twice"), "{}", failure.message),
    }

    // The tap reads keys as they are written, so one with escapes is another to it.
    let plain = !body.contains(&b'\\');
    if let Some(value) = tap.value().filter(|_| plain) {
        assert_eq!(Some(&read::<Value>(value)), parsed.get("usage"));
    }
});

fn read<T: serde::de::DeserializeOwned>(json: &[u8]) -> T {
    serde_json::from_slice(json).expect("it was JSON before")
}
