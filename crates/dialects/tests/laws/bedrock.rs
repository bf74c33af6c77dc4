//! Laws of Bedrock's dialect, on made-up requests, answers and streams.

use crate::grammar::fault;
use crate::json::cut;
use crate::made_up::{block, conversation, events, reason, usage, whole_block};
use lockgate_dialects::canonical::{BlockKind, Delta, Event, FinishReason, Losses, Usage};
use lockgate_dialects::framing::eventstream;
use lockgate_dialects::{ChatCodec, ModelTraits, by_name};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

fn bedrock() -> &'static dyn ChatCodec {
    by_name("bedrock_converse").and_then(|dialect| dialect.chat()).expect("it has chat")
}

fn written(events: &[Event]) -> Vec<u8> {
    let mut encoder = bedrock().stream_encoder(true).expect("it streams");
    let mut out = Vec::new();
    events.iter().for_each(|event| encoder.encode(event, &mut out));
    out
}

fn read(bytes: &[u8], cuts: &[Index]) -> Vec<Event> {
    let mut decoder = bedrock().stream_decoder().expect("it streams");
    let mut events = Vec::new();
    cut(bytes, cuts).into_iter().for_each(|chunk| decoder.feed(chunk, &mut events));
    decoder.finish(&mut events);
    events
}

/// An event of Bedrock's grammar, in any order and perhaps broken.
fn frame() -> impl Strategy<Value = (String, String)> {
    let index = || 0..3_u8;
    let of = |kind: &str, payload: Value| (kind.to_owned(), payload.to_string());
    let delta = prop_oneof![
        Just(json!({"text": "a"})),
        Just(json!({"text": ""})),
        Just(json!({"toolUse": {"input": "{}"}})),
        Just(json!({"reasoningContent": {"text": "hm"}})),
        Just(json!({"reasoningContent": {"signature": "s"}})),
        Just(json!({"reasoningContent": {"redactedContent": "RXRr"}})),
        Just(json!({"citation": {"title": "t"}})),
        Just(json!({"toolResult": []})),
        Just(json!({"new": 1})),
    ];
    prop_oneof![
        Just(of("messageStart", json!({"role": "assistant"}))),
        Just(of("messageStop", json!({"stopReason": "end_turn", "additionalModelResponseFields": {"a": 1}}))),
        Just(of("metadata", json!({"usage": {"inputTokens": 1}, "metrics": {"latencyMs": 1}, "trace": {}}))),
        Just(of("new", json!({}))),
        Just(of("metadata", json!([]))),
        (index(), delta).prop_map(move |(index, delta)| {
            of("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}))
        }),
        (index(), prop_oneof![Just("tool_use"), Just("server_tool_use")]).prop_map(move |(index, kind)| {
            let call = json!({"toolUse": {"toolUseId": "t", "name": "n", "type": kind}});
            of("contentBlockStart", json!({"contentBlockIndex": index, "start": call}))
        }),
        index().prop_map(move |index| of("contentBlockStop", json!({"contentBlockIndex": index}))),
    ]
}

/// A request as a client of this API writes it.
fn request() -> impl Strategy<Value = Value> {
    let text = || "[a-zé \"\\\\]{0,8}[a-z]".prop_map(|text| json!({"text": text}));
    let asked = prop_oneof![
        text(),
        Just(json!({"image": {"format": "webp", "source": {"bytes": "QQ=="}}})),
        Just(json!({"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/k"}}}})),
        Just(json!({"searchResult": {"source": "s", "title": "t", "content": []}})),
    ];
    let turn = (
        vec(asked, 1..3),
        text(),
        proptest::option::of(("[a-zA-Z0-9_-]{1,9}", any::<bool>())),
        any::<bool>(),
    );
    let wishes = (
        proptest::option::of((0_u8..=100).prop_map(|percent| f64::from(percent) / 100.0)),
        proptest::option::of(1_u64..50),
        proptest::option::of(any::<bool>()),
    );
    (vec(turn, 1..4), wishes, 1_u64..9999).prop_map(|(turns, (temperature, top_k, forced), limit)| {
        let (mut messages, mut results): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
        for (asked, said, call, marked) in turns {
            let mut content = [std::mem::take(&mut results), asked].concat();
            content.push(json!({"text": "and"}));
            content.extend(marked.then(|| json!({"cachePoint": {"type": "default"}})));
            messages.push(json!({"role": "user", "content": content}));
            let mut answer = vec![said];
            if let Some((id, failed)) = call {
                answer
                    .push(json!({"toolUse": {"toolUseId": id, "name": "look", "input": {"a": [1.5, null]}}}));
                let status = if failed { "error" } else { "success" };
                let result = json!({"toolUseId": id, "content": [{"text": "r"}], "status": status});
                results.push(json!({ "toolResult": result }));
            }
            messages.push(json!({"role": "assistant", "content": answer}));
        }
        if !results.is_empty() {
            messages.push(json!({"role": "user", "content": results}));
        }
        let mut config = json!({ "maxTokens": limit });
        if let Some(temperature) = temperature {
            config["temperature"] = json!(temperature);
        }
        let tools =
            json!([{"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object", "anyOf": []}}}}]);
        let mut body = json!({"messages": messages, "system": [{"text": "s"}], "inferenceConfig": config,
            "toolConfig": {"tools": tools}, "requestMetadata": {"a": "b"}});
        if let Some(forced) = forced {
            body["toolConfig"]["toolChoice"] =
                if forced { json!({"any": {}}) } else { json!({"tool": {"name": "look"}}) };
        }
        if let Some(top_k) = top_k {
            body["additionalModelRequestFields"] = json!({ "top_k": top_k });
        }
        body
    })
}

/// What events say of blocks and the end, without what only Bedrock adds.
fn plain(events: &[Event]) -> Vec<String> {
    let kept = events
        .iter()
        .filter(|event| !matches!(event, Event::Usage(_) | Event::Aside { .. } | Event::Started { .. }));
    kept.map(|event| format!("{event:?}")).collect()
}

proptest! {
    #[test]
    fn a_stream_written_and_read_says_the_same_in_any_chunking(
        blocks in vec(block(), 0..5),
        reason in reason(),
        usage in usage(),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let calls = blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolCall { .. }));
        let reason = if calls { FinishReason::ToolCalls } else { reason };
        let said = events(&blocks, &reason, usage);
        let read = read(&written(&said), &cuts);
        prop_assert_eq!(fault(&read), None);
        let counted = read.iter().find_map(|event| match event {
            Event::Usage(usage) => Some(Usage { total_tokens: None, ..*usage }),
            _ => None,
        });
        prop_assert_eq!(counted, Some(usage));
        prop_assert_eq!(plain(&read), plain(&said));
    }

    #[test]
    fn a_stream_cut_anywhere_never_looks_finished(
        blocks in vec(block(), 0..4),
        place in any::<Index>(),
        damage in any::<bool>(),
    ) {
        let mut bytes = written(&events(&blocks, &FinishReason::Stop, Usage::default()));
        let place = place.index(bytes.len());
        if damage {
            bytes[place] ^= 1;
        } else {
            bytes.truncate(place);
        }
        let read = read(&bytes, &[]);
        prop_assert_eq!(fault(&read), None);
        prop_assert!(matches!(read.last(), Some(Event::Failed(_))));
    }

    #[test]
    fn any_frames_in_any_order_give_grammatical_events(
        frames in vec(frame(), 0..12),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let mut bytes = Vec::new();
        for (kind, payload) in &frames {
            eventstream::write(&[(":event-type", kind), (":message-type", "event")], payload.as_bytes(), &mut bytes);
        }
        let told = read(&bytes, &cuts);
        prop_assert_eq!(fault(&told), None);
        let finished = told.iter().any(|event| matches!(event, Event::Finished));
        let ended = told.iter().any(|event| matches!(event, Event::Ended { .. }));
        prop_assert_eq!(ended, finished);
        prop_assert_eq!(format!("{told:?}"), format!("{:?}", read(&bytes, &[])));
    }

    #[test]
    fn a_whole_answer_says_what_its_stream_says(blocks in vec(block(), 0..5)) {
        let calls = blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolCall { .. }));
        let reason = if calls { FinishReason::ToolCalls } else { FinishReason::Stop };
        let streamed = read(&written(&events(&blocks, &reason, Usage::default())), &[]);
        let content: Vec<Value> = blocks.iter().map(|block| {
            let whole = whole_block(block);
            match &block.kind {
                BlockKind::ToolCall { id, name, .. } => {
                    json!({"toolUse": {"toolUseId": id, "name": name, "input": whole["input"]}})
                }
                BlockKind::Thinking => {
                    json!({"reasoningContent": {"reasoningText": {"text": whole["thinking"], "signature": "s"}}})
                }
                BlockKind::RedactedThinking(_) => json!({"reasoningContent": {"redactedContent": "RXRr"}}),
                BlockKind::Text | BlockKind::Refusal => json!({"text": whole["text"]}),
            }
        }).collect();
        let body = json!({"output": {"message": {"role": "assistant", "content": content}},
            "stopReason": if calls { "tool_use" } else { "end_turn" }});
        let answer = bedrock().decode_response(body.to_string().as_bytes()).expect("an answer");
        let choice = &answer.choices[0];
        prop_assert_eq!(choice.finish_reason.as_ref(), Some(&reason));
        let (mut text, mut arguments) = (String::new(), Vec::new());
        for (number, block) in (0_u32..).zip(&blocks) {
            let grown: String = streamed.iter().filter_map(|event| match event {
                Event::BlockGrew { block, delta: Delta::Text(piece) | Delta::Arguments(piece), .. }
                    if *block == number => Some(piece.as_str()),
                _ => None,
            }).collect();
            match block.kind {
                BlockKind::Text => text.push_str(&grown),
                BlockKind::ToolCall { .. } => arguments.push(grown),
                _ => {}
            }
        }
        prop_assert_eq!(choice.message.content.joined_text(), text);
        let whole: Vec<_> = choice.message.tool_calls.iter().map(|call| call.arguments.clone()).collect();
        prop_assert_eq!(whole, arguments);
    }

    #[test]
    fn a_request_of_this_api_comes_back_as_it_was(body in request()) {
        let request = bedrock().decode_request(body.to_string().as_bytes()).expect("a request");
        let mut losses = Losses::default();
        let sent = bedrock().encode_request(&request, &ModelTraits::default(), &mut losses).expect("it can be said");
        prop_assert_eq!(serde_json::from_slice::<Value>(&sent).expect("JSON"), body);
        prop_assert!(losses.is_empty(), "{:?}", losses);
    }

    #[test]
    fn every_part_of_a_conversation_arrives_or_is_recorded(request in conversation()) {
        let mut losses = Losses::default();
        let sent = bedrock().encode_request(&request, &ModelTraits::default(), &mut losses).expect("it can be said");
        let body: Value = serde_json::from_slice(&sent).expect("JSON");
        let text = String::from_utf8(sent).expect("JSON");
        for (index, message) in request.messages.iter().enumerate() {
            let said = message.content.joined_text();
            let recorded = losses.iter().any(|loss| loss.path.starts_with(&format!("messages[{index}]")));
            prop_assert!(text.contains(&said) || recorded, "{said} is gone");
        }
        let turns = body["messages"].as_array().expect("turns");
        for pair in turns.windows(2) {
            prop_assert_ne!(&pair[0]["role"], &pair[1]["role"], "the API wants roles in turn");
        }
        for turn in turns {
            let blocks = turn["content"].as_array().expect("blocks");
            prop_assert!(!blocks.is_empty());
            let mut rest = blocks.iter().skip_while(|block| !block["toolResult"].is_null());
            prop_assert!(rest.all(|block| block["toolResult"].is_null()), "a tool's answer comes late: {}", turn);
        }
    }
}
