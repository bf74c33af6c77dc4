//! Laws of OpenAI's chat, on made-up requests, answers and streams.

use crate::grammar::fault;
use crate::json::{cut, json_value, text};
use lockgate_dialects::canonical::{Delta, Event, Losses, Usage};
use lockgate_dialects::{ChatCodec, Dialect, ModelTraits, by_name, names};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};

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
            | Event::Aside { .. }
            | Event::Unknown(_) => continue,
        };
        said.entry(choice).or_default().push(words);
    }
    said
}

/// Whether a choice has two blocks open at once, which clients of OpenAI's API could not tell apart.
fn overlaps(events: &[Event]) -> bool {
    let mut open = HashSet::new();
    events.iter().any(|event| match event {
        Event::BlockOpened { choice, .. } => !open.insert(*choice),
        Event::BlockClosed { choice, .. } => !open.remove(choice),
        _ => false,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_stream_keeps_the_grammar_of_events(stream in stream()) {
        let events = events_of("openai_chat", vec![&stream]);
        prop_assert_eq!(fault(&events), None);
        prop_assert!(!overlaps(&events), "{:?}", events);
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
            prop_assert!(meter.close());
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
                json!({"index": index, "message": message, "logprobs": logprobs, "finish_reason": reason,
                    "zz_extra": extra})
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

    #[test]
    fn every_field_of_an_answer_reaches_a_client_of_any_api_or_is_a_loss(body in answer()) {
        let response = chat("openai_chat").decode_response(body.to_string().as_bytes()).unwrap();
        for dialect in names().filter_map(by_name) {
            let Some(codec) = dialect.chat() else { continue };
            let mut losses = Losses::default();
            let out: Value = serde_json::from_slice(&codec.encode_response(&response, &mut losses)).unwrap();
            let lost: Vec<&str> = losses.iter().map(|loss| loss.path.as_str()).collect();
            let mut paths = vec!["zz_extra".to_owned()];
            // Where an API gives one answer, the others are lost whole.
            let most = if lost.contains(&"choices[1]") { 1 } else { response.choices.len() };
            for place in 0..most {
                paths.extend([format!("choices[{place}].zz_extra"), format!("choices[{place}].message.zz_extra")]);
            }
            for path in paths {
                let place = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
                let arrived = out.pointer(&place).is_some();
                prop_assert!(arrived || lost.contains(&path.as_str()), "{} in {}", path, dialect.name());
            }
        }
    }
}
