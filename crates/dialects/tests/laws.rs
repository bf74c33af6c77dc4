//! Laws that hold for every body and every stream, whatever it says.

use bytes::Bytes;
use lockgate_dialects::canonical::{Delta, Event, Losses, Usage};
use lockgate_dialects::framing::sse::{self, SseReader};
use lockgate_dialects::raw::{Edit, FieldTap, Peek, patch};
use lockgate_dialects::{ChatCodec, Dialect, ModelTraits, by_name};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Any JSON of moderate size, with strings that need escapes.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((text(), inner), 0..6).prop_map(|fields| Value::from(Map::from_iter(fields))),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z\\\\\"{}\\[\\]:, \n]{0,12}",
        select(vec!["model", "stream", "usage", "data", "\u{1F600}"]).prop_map(str::to_owned),
    ]
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    vec((text(), json_value()), 0..8).prop_map(Map::from_iter)
}

/// `bytes` cut at the places that `cuts` choose.
fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

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
}

/// A chunk of a chat stream: a delta of some kind for one of two choices, or something odd.
fn chunk() -> impl Strategy<Value = String> {
    let delta = prop_oneof![
        4 => text().prop_map(|text| json!({"content": text})),
        2 => text().prop_map(|text| json!({"reasoning_content": text, "content": null})),
        1 => text().prop_map(|text| json!({"refusal": text})),
        4 => call().prop_map(|call| json!({"tool_calls": [call]})),
        1 => Just(json!({"role": "assistant", "content": ""})),
        1 => Just(json!({})),
    ];
    let reason = prop_oneof![6 => Just(Value::Null), 1 => Just(json!("stop")), 1 => Just(json!("eos"))];
    let choice = (0..2, delta, reason);
    prop_oneof![
        12 => choice.prop_map(|(index, delta, reason)| {
            json!({"id": "c", "choices": [{"index": index, "delta": delta, "finish_reason": reason}]})
        }),
        1 => Just(json!({"choices": [{"index": 0, "content_filter_results": {}}]})),
        1 => Just(json!({"choices": [{"text": "t"}]})),
        1 => Just(json!({"choices": [], "prompt_filter_results": []})),
        1 => (0..9_u64).prop_map(|tokens| json!({"choices": [], "usage": {"prompt_tokens": tokens}})),
        1 => json_value(),
    ]
    .prop_map(|chunk| chunk.to_string())
}

fn call() -> impl Strategy<Value = Value> {
    let arguments = select(vec!["", "{", "}", "{}", "\"a\":", "\"}\""]);
    (0..3_u32, prop_oneof![Just(None), (0..3).prop_map(Some)], arguments).prop_map(|(index, id, arguments)| {
        json!({"index": index, "id": id.map(|id| format!("c{id}")), "function": {"arguments": arguments}})
    })
}

/// A stream in bytes, whole or broken off.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    (vec(chunk(), 0..12), any::<bool>(), select(vec!["\n\n", "\r\n\r\n"])).prop_map(|(chunks, done, end)| {
        let chunks = chunks.into_iter().chain(done.then(|| "[DONE]".to_owned()));
        chunks.map(|chunk| format!("data: {chunk}{end}")).collect::<String>().into_bytes()
    })
}

fn chat(dialect: &str) -> &'static dyn ChatCodec {
    by_name(dialect).and_then(Dialect::chat).expect("it chats")
}

fn events_of(dialect: &str, chunks: Vec<&[u8]>) -> Vec<Event> {
    let mut decoder = chat(dialect).stream_decoder().expect("it streams");
    let mut events = Vec::new();
    chunks.into_iter().for_each(|chunk| decoder.feed(chunk, &mut events));
    decoder.finish(&mut events);
    events
}

fn bytes_of(dialect: &str, events: &[Event]) -> Vec<u8> {
    let mut encoder = chat(dialect).stream_encoder(true).expect("it streams");
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    out
}

/// What a stream says of each choice, however it was cut into pieces; under `None` what it says of all.
fn said(events: &[Event]) -> BTreeMap<Option<u32>, Vec<String>> {
    let mut said = BTreeMap::<Option<u32>, Vec<String>>::new();
    for event in events {
        let (choice, words) = match event {
            Event::BlockOpened { choice, kind, .. } => (Some(*choice), format!("{kind:?} ")),
            Event::BlockGrew { choice, delta: Delta::Text(text) | Delta::Arguments(text), .. } => {
                said.entry(Some(*choice)).or_default().last_mut().expect("a block is open").push_str(text);
                continue;
            }
            Event::Ended { choice, reason } => (Some(*choice), format!("{reason:?}")),
            Event::Finished => (None, "finished".to_owned()),
            Event::Failed(_) => (None, "failed".to_owned()),
            Event::Started { .. }
            | Event::BlockGrew { .. }
            | Event::BlockClosed { .. }
            | Event::Usage(_)
            | Event::Unknown(_) => continue,
        };
        said.entry(choice).or_default().push(words);
    }
    said
}

/// What is against the grammar that [`Event`] documents, if anything is.
fn ungrammatical(events: &[Event]) -> Option<String> {
    let (mut started, mut over) = (false, false);
    let mut open = Vec::new();
    let mut opened = Vec::new();
    let mut ended = Vec::new();
    for event in events {
        let wrong = match event {
            _ if over => true,
            Event::Unknown(_) => false,
            Event::Started { .. } => std::mem::replace(&mut started, true),
            Event::Failed(_) => std::mem::replace(&mut over, true),
            _ if !started => true,
            Event::BlockOpened { choice, block, .. } => {
                let busy = open.iter().any(|(other, _)| other == choice);
                open.push((*choice, *block));
                let again = opened.contains(&(*choice, *block));
                opened.push((*choice, *block));
                busy || again || ended.contains(choice)
            }
            Event::BlockGrew { choice, block, .. } => !open.contains(&(*choice, *block)),
            Event::BlockClosed { choice, block } => {
                let before = open.len();
                open.retain(|other| *other != (*choice, *block));
                open.len() == before
            }
            Event::Ended { choice, .. } => {
                let again = ended.contains(choice);
                ended.push(*choice);
                again || open.iter().any(|(other, _)| other == choice)
            }
            Event::Usage(_) => false,
            Event::Finished => {
                over = true;
                !open.is_empty()
            }
        };
        if wrong {
            return Some(format!("{event:?} in {events:?}"));
        }
    }
    (!over).then(|| "it has no end".to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_stream_keeps_the_grammar_of_events(stream in stream()) {
        let events = events_of("openai_chat", vec![&stream]);
        prop_assert_eq!(ungrammatical(&events), None);
    }

    #[test]
    fn any_cutting_of_a_stream_gives_the_same_events_and_the_same_bytes(
        stream in stream(),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let (whole, pieces) =
            (events_of("openai_chat", vec![&stream]), events_of("openai_chat", cut(&stream, &cuts)));
        prop_assert_eq!(format!("{whole:?}"), format!("{pieces:?}"));
        prop_assert_eq!(bytes_of("openai_chat", &whole), bytes_of("openai_chat", &pieces));
    }

    #[test]
    fn a_stream_that_was_translated_says_the_same_again(stream in stream()) {
        let once = events_of("openai_chat", vec![&stream]);
        let twice = events_of("openai_chat", vec![&bytes_of("openai_chat", &once)]);
        prop_assert_eq!(said(&once), said(&twice));
    }

    #[test]
    fn a_meter_sees_the_usage_that_a_decoder_sees(stream in stream(), cuts in vec(any::<Index>(), 0..6)) {
        let events = events_of("openai_chat", vec![&stream]);
        let mut last: Option<Usage> = None;
        for event in &events {
            if let Event::Usage(usage) = event {
                last.get_or_insert_default().update(*usage);
            }
        }
        let mut meter = chat("openai_chat").meter(true);
        cut(&stream, &cuts).into_iter().for_each(|chunk| meter.feed(chunk));
        if matches!(events.last(), Some(Event::Finished)) {
            prop_assert_eq!(meter.usage(), last);
            prop_assert_eq!(meter.finished(), stream.windows(6).any(|bytes| bytes == b"[DONE]"));
        }
    }

    #[test]
    fn decoders_survive_any_bytes(body in vec(any::<u8>(), 0..300)) {
        for name in lockgate_dialects::names() {
            let dialect = by_name(name).unwrap();
            dialect.decode_error(400, Some("application/json"), &body);
            if let Some(codec) = dialect.chat() {
                let _read = (codec.decode_request(&body).is_ok(), codec.decode_response(&body).is_ok());
                codec.stream_decoder().into_iter().for_each(|mut decoder| decoder.feed(&body, &mut Vec::new()));
                codec.meter(true).feed(&body);
                codec.meter(false).feed(&body);
            }
            if let Some(codec) = dialect.complete() {
                let _read = (codec.decode_request(&body).is_ok(), codec.decode_response(&body).is_ok());
            }
            if let Some(codec) = dialect.embed() {
                let _read = (codec.decode_request(&body).is_ok(), codec.decode_response(&body).is_ok());
            }
        }
    }
}

/// A request for chat in OpenAI's own words; fields in the order in which they are written.
fn request() -> impl Strategy<Value = Value> {
    let part = prop_oneof![
        text().prop_map(|text| json!({"type": "text", "text": text})),
        text().prop_map(|url| json!({"type": "image_url", "image_url": {"url": url, "detail": "low"}})),
        "[A-Za-z0-9]{0,8}".prop_map(|data| {
            json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{data}")}})
        }),
        text().prop_map(|id| json!({"type": "file", "file": {"file_id": id}})),
        json_value().prop_map(|value| json!({"type": "other", "value": value})),
    ];
    let content = prop_oneof![text().prop_map(Value::from), vec(part, 1..4).prop_map(Value::from)];
    let calls = vec((text(), text(), text()), 1..3).prop_map(|calls| {
        let call = |(id, name, arguments)| {
            json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
        };
        calls.into_iter().map(call).collect::<Value>()
    });
    let message = (text(), content, proptest::option::of(calls), json_value()).prop_map(
        |(role, content, calls, extra)| {
            let mut message = json!({"role": role, "content": content, "zz_extra": extra});
            if let Some(calls) = calls {
                message["tool_calls"] = calls;
            }
            message
        },
    );
    let tool = (text(), json_value()).prop_map(|(name, parameters)| {
        json!({"type": "function", "function": {"name": name, "parameters": {"p": parameters}}})
    });
    (vec(message, 1..4), vec(tool, 1..3), -2.0..2.0_f64, any::<u32>(), any::<i64>(), any::<bool>(), json_value())
        .prop_map(|(messages, tools, temperature, limit, seed, stream, extra)| {
            json!({"model": "m", "messages": messages, "tools": tools, "temperature": temperature,
                "max_tokens": limit, "seed": seed, "stream": stream, "stop": ["a", "b"], "tool_choice": "auto",
                "response_format": {"type": "json_object"}, "user": "u", "zz_extra": extra})
        })
}

/// An answer of chat in OpenAI's own words.
fn answer() -> impl Strategy<Value = Value> {
    let message = (proptest::option::of(text()), proptest::option::of("[a-z]{1,5}"), json_value()).prop_map(
        |(content, reasoning, extra)| {
            let mut message = json!({"role": "assistant", "content": content, "zz_extra": extra});
            if let Some(reasoning) = reasoning {
                message["reasoning_content"] = json!(reasoning);
            }
            message
        },
    );
    let choice = (message, json_value(), proptest::option::of("[a-z]{1,5}"));
    (vec(choice, 0..4), any::<u32>(), any::<u32>(), json_value()).prop_map(
        |(choices, prompt, completion, extra)| {
            let choices = choices.into_iter().enumerate().map(|(index, (message, logprobs, reason))| {
            json!({"index": index, "message": message, "logprobs": logprobs, "finish_reason": reason})
        });
            let total = u64::from(prompt) + u64::from(completion);
            json!({"id": "c", "object": "chat.completion", "created": 7, "model": "m",
            "choices": choices.collect::<Vec<_>>(), "zz_extra": extra,
            "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}})
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_request_says_the_same_after_reading_and_writing(body in request()) {
        let codec = chat("openai_chat");
        let mut request = codec.decode_request(body.to_string().as_bytes()).unwrap();
        request.extras.for_provider = true;
        let model = ModelTraits { model: request.model.clone(), ..ModelTraits::default() };
        let mut losses = Losses::default();
        let out = codec.encode_request(&request, &model, &mut losses).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), body);
        prop_assert!(losses.is_empty(), "{:?}", losses);
    }

    #[test]
    fn every_field_of_a_request_from_another_api_arrives_or_is_a_loss(body in request()) {
        let codec = chat("openai_chat");
        let request = codec.decode_request(body.to_string().as_bytes()).unwrap();
        let mut losses = Losses::default();
        let model = ModelTraits { model: request.model.clone(), ..ModelTraits::default() };
        let out: Value = serde_json::from_slice(&codec.encode_request(&request, &model, &mut losses).unwrap()).unwrap();
        let messages = body["messages"].as_array().unwrap();
        let lost: Vec<String> = losses.iter().map(|loss| loss.path.clone()).collect();
        prop_assert!(lost.contains(&"zz_extra".to_owned()));
        for place in 0..messages.len() {
            let path = format!("messages[{place}].zz_extra");
            prop_assert!(lost.contains(&path));
            prop_assert_eq!(out["messages"][place].get("zz_extra"), None);
        }
    }

    #[test]
    fn an_answer_says_the_same_after_reading_and_writing(body in answer()) {
        let codec = chat("openai_chat");
        let response = codec.decode_response(body.to_string().as_bytes()).unwrap();
        let out = codec.encode_response(&response, &mut Losses::default());
        prop_assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), body);
    }
}
