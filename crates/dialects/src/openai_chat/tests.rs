//! What clients and providers see of the chat dialect.

use super::OpenAiChat;
use crate::canonical::{
    Content, FinishReason, Losses, MediaSource, Part, Reasoning, Scale, Temperature, ToolChoice,
};
use crate::{ChatCodec, ModelTraits};
use serde_json::{Value, json};

fn traits() -> ModelTraits {
    ModelTraits { model: Some("m".to_owned()), ..ModelTraits::default() }
}

/// The body after reading and writing, for a reader that speaks the same dialect.
fn again(body: &str) -> String {
    let mut request = OpenAiChat.decode_request(body.as_bytes()).unwrap();
    request.extras.for_provider = true;
    let mut losses = Losses::default();
    let out = OpenAiChat.encode_request(&request, &traits(), &mut losses).unwrap();
    assert!(losses.is_empty(), "{losses:?}");
    String::from_utf8(out).unwrap()
}

/// The body that a reader of this dialect gets of a request from another one, and what is lost.
fn foreign(body: &str, traits: &ModelTraits) -> (Value, Vec<String>) {
    let request = OpenAiChat.decode_request(body.as_bytes()).unwrap();
    let mut losses = Losses::default();
    let out = OpenAiChat.encode_request(&request, traits, &mut losses).unwrap();
    (serde_json::from_slice(&out).unwrap(), losses.iter().map(|loss| loss.path.clone()).collect())
}

#[test]
fn every_field_of_a_request_arrives_spelled_as_it_was() {
    let body = concat!(
        r#"{"model":"m","temperature":0.5,"n":2,"stop":["x"],"max_tokens":9,"messages":["#,
        r#"{"role":"developer","content":"d"},{"role":"user","content":[{"type":"text","text":"t"},"#,
        r#"{"type":"image_url","image_url":{"url":"https://h/i.png","detail":"low"}},"#,
        r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}},"#,
        r#"{"type":"input_audio","input_audio":{"data":"AA==","format":"mp3"}},"#,
        r#"{"type":"file","file":{"filename":"f.pdf","file_data":"data:application/pdf;base64,AA=="}},"#,
        r#"{"type":"file","file":{"file_id":"f-1"}},{"type":"video_url","video_url":{"url":"u"}}],"name":"u"},"#,
        r#"{"role":"assistant","tool_calls":[{"id":"c","type":"function","#,
        r#""function":{"name":"f","arguments":"{\"a\": 1.0}"}},{"id":"d","type":"custom","custom":{"name":"g","#,
        r#""input":"i"}}]},{"role":"tool","content":"r","tool_call_id":"c","x":1e0}],"top_p":0.25,"#,
        r#""frequency_penalty":-1.5,"presence_penalty":1.5,"seed":-7,"tools":[{"type":"function","function":"#,
        r#"{"name":"f","description":"d","parameters":{"type":"object", "max":99999999999999999999},"strict":true}},"#,
        r#"{"type":"custom","custom":{"name":"g"}}],"tool_choice":{"type":"function","function":{"name":"f"}},"#,
        r#""parallel_tool_calls":false,"response_format":{"type":"json_schema","json_schema":{"name":"s","#,
        r#""schema":{"type": "object"},"strict":true}},"reasoning_effort":"low","stream":true,"#,
        r#""stream_options":{"include_usage":true},"user":"u","logit_bias":{"50256":-100.0},"store":false}"#,
    );
    assert_eq!(again(body), body);
}

#[test]
fn fields_within_known_objects_survive() {
    let body = concat!(
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"t","cache_control":{}},"#,
        r#"{"type":"image_url","image_url":{"url":"u","format":"f"},"cache_control":{}}]},"#,
        r#"{"role":"assistant","content":"a","tool_calls":[{"id":"c","type":"function","#,
        r#""function":{"name":"f","arguments":"","thought":"x"},"index":0}]}],"tools":[{"type":"function","#,
        r#""function":{"name":"f","inner":1},"outer":2}]}"#,
    );
    assert_eq!(again(body), body);
}

#[test]
fn both_limits_and_unusual_options_survive() {
    let body = concat!(
        r#"{"model":"m","max_completion_tokens":5,"messages":[{"role":"user","content":"a"}],"stream":true,"#,
        r#""max_tokens":7,"stream_options":{"include_usage":true,"include_obfuscation":false}}"#,
    );
    assert_eq!(again(body), body);
}

#[test]
fn a_reasoning_model_gets_no_default_temperature_and_its_own_limit() {
    let body = r#"{"messages":[{"role":"user","content":"a"}],"temperature":0,"max_tokens":5}"#;
    let mut request = OpenAiChat.decode_request(body.as_bytes()).unwrap();
    let model = ModelTraits { reasoning: true, ..traits() };
    let mut encode = |given| {
        request.sampling.temperature = Some(Temperature { value: 0.0, scale: Scale::Absolute, given });
        let out = OpenAiChat.encode_request(&request, &model, &mut Losses::default()).unwrap();
        serde_json::from_slice::<Value>(&out).unwrap()
    };
    let messages = json!([{"role": "user", "content": "a"}]);
    let defaulted = json!({"model": "m", "max_completion_tokens": 5, "messages": messages});
    assert_eq!(encode(false), defaulted);
    assert_eq!(encode(true)["temperature"], 0.0);
}

#[test]
fn a_unified_temperature_is_stretched_to_the_providers_range() {
    let body = r#"{"messages":[{"role":"user","content":"a"}]}"#;
    let mut request = OpenAiChat.decode_request(body.as_bytes()).unwrap();
    request.sampling.temperature = Some(Temperature { value: 0.5, scale: Scale::OfRange(1.0), given: true });
    let model = ModelTraits { temperature_max: Some(2.0), model_in_url: true, ..traits() };
    let out = OpenAiChat.encode_request(&request, &model, &mut Losses::default()).unwrap();
    let expected = json!({"temperature": 1.0, "messages": [{"role": "user", "content": "a"}]});
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
}

#[test]
fn a_route_without_a_model_name_sends_null() {
    let (body, _) = foreign(r#"{"messages":[{"role":"user","content":"a"}]}"#, &ModelTraits::default());
    assert_eq!(body["model"], Value::Null);
}

#[test]
fn an_extra_for_the_provider_wins_over_the_field_of_its_name() {
    let body = r#"{"messages":[{"role":"user","content":"a"}],"n":1}"#;
    let mut request = OpenAiChat.decode_request(body.as_bytes()).unwrap();
    request.extras.for_provider = true;
    request.extras.fields.push(("n".to_owned(), crate::raw::to_raw(&3)));
    let out = OpenAiChat.encode_request(&request, &traits(), &mut Losses::default()).unwrap();
    let expected = r#"{"model":"m","messages":[{"role":"user","content":"a"}],"n":3}"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn what_another_api_says_and_this_one_cannot_is_a_loss_by_its_path() {
    let body = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{}},{"type":"x"}],
        "y":1},{"role":"assistant","content":"b","reasoning_content":"r"},{"role":"user","content":"c"}],"tools":[{"type":"z"}],"top_x":1}"#;
    let mut request = OpenAiChat.decode_request(body.as_bytes()).unwrap();
    request.sampling.top_k = Some(3);
    request.messages[0].is_error = true;
    request.reasoning = Some(Reasoning::Budget(1000));
    let mut losses = Losses::default();
    let out = OpenAiChat.encode_request(&request, &traits(), &mut losses).unwrap();
    let expected = json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]});
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
    let paths: Vec<&str> = losses.iter().map(|loss| loss.path.as_str()).collect();
    let lost = [
        "messages[0].content[0].cache_control",
        "messages[0].content[1]",
        "messages[0].is_error",
        "messages[0].y",
        "messages[1].content[0]",
        "top_k",
        "tools[0]",
        "reasoning",
        "top_x",
    ];
    assert_eq!(paths, lost);
}

#[test]
fn a_budget_of_reasoning_becomes_a_level() {
    let body = r#"{"messages":[{"role":"user","content":"a"}]}"#;
    let mut request = OpenAiChat.decode_request(body.as_bytes()).unwrap();
    let model = ModelTraits { reasoning: true, ..traits() };
    for (budget, level) in [(1024, "low"), (4096, "medium"), (32_000, "high")] {
        request.reasoning = Some(Reasoning::Budget(budget));
        let out = OpenAiChat.encode_request(&request, &model, &mut Losses::default()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap()["reasoning_effort"], level);
    }
}

#[test]
fn a_wrong_field_is_named_by_its_path() {
    for (body, param) in [
        (r#"{"messages":"a"}"#, "messages"),
        ("{}", "messages"),
        (r#"{"messages":[]}"#, "messages"),
        (r#"{"messages":[{"content":"a"}]}"#, "messages[0].role"),
        (r#"{"messages":[{"role":"user","content":7}]}"#, "messages[0].content"),
        (r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#, "messages[0].content[0].text"),
        (r#"{"messages":[{"role":"user"}],"stop":[1]}"#, "stop[0]"),
        (r#"{"messages":[{"role":"user"}],"n":1.5}"#, "n"),
        (
            r#"{"messages":[{"role":"user"}],"tools":[{"type":"function","function":{}}]}"#,
            "tools[0].function.name",
        ),
        (r#"{"messages":[{"role":"user"}],"response_format":"json"}"#, "response_format"),
        (r#"{"messages":[{"role":"user"}],"stream_options":1}"#, "stream_options"),
    ] {
        let failure = OpenAiChat.decode_request(body.as_bytes()).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some(param), "{body}: {failure}");
    }
}

#[test]
fn a_request_is_understood_and_not_only_carried() {
    let body = r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]}],
        "tool_choice":"required","max_completion_tokens":5}"#;
    let request = OpenAiChat.decode_request(body.as_bytes()).unwrap();
    assert!(matches!(request.tool_choice, Some(ToolChoice::Required)));
    assert!(request.sampling.max_tokens.unwrap().completion);
    let Content::Parts(parts) = &request.messages[0].content else { panic!("parts") };
    let Part::Media(media) = &parts[0] else { panic!("media") };
    assert!(
        matches!(&media.source, MediaSource::Base64 { media_type, data } if media_type == "image/png" && data == "AA")
    );
}

/// An answer after reading and writing.
fn answer(body: &str) -> String {
    let mut losses = Losses::default();
    let out = OpenAiChat.encode_response(&OpenAiChat.decode_response(body.as_bytes()).unwrap(), &mut losses);
    assert!(losses.is_empty(), "{losses:?}");
    String::from_utf8(out).unwrap()
}

#[test]
fn every_field_of_an_answer_arrives() {
    let body = concat!(
        r#"{"id":"c","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"#,
        r#""role":"assistant","content":"a","refusal":"r","reasoning_content":"t","tool_calls":[{"id":"c","#,
        r#""type":"function","function":{"name":"f","arguments":"{"}}],"annotations":[]},"#,
        r#""logprobs":{"content":[{"logprob":-0.10}]},"finish_reason":"tool_calls"},{"index":1,"message":{"#,
        r#""role":"assistant","content":null},"logprobs":null,"finish_reason":null}],"usage":{"prompt_tokens":4,"#,
        r#""completion_tokens":5,"total_tokens":9,"prompt_tokens_details":{"cached_tokens":2},"#,
        r#""completion_tokens_details":{"reasoning_tokens":3}},"system_fingerprint":"f"}"#,
    );
    assert_eq!(answer(body), body);
}

#[test]
fn odd_answers_of_the_family_are_read() {
    let body = "\n\n  {\"choices\":[{\"text\":\"a\",\"finish_reason\":\"eos\"},{\"message\":{\"content\":\
        [{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"t\"}]},{\"type\":\"text\",\"text\":\"b\"}]}}]}";
    let response = OpenAiChat.decode_response(body.as_bytes()).unwrap();
    assert_eq!(response.choices[0].message.content.joined_text(), "a");
    assert_eq!(response.choices[0].finish_reason, Some(FinishReason::Other("eos".to_owned())));
    assert_eq!((response.choices[1].index, response.usage), (1, None));
    let Content::Parts(parts) = &response.choices[1].message.content else { panic!("parts") };
    assert!(matches!(&parts[0], Part::Thinking { text, .. } if text == "t"));
}

#[test]
fn an_answer_that_cannot_be_read_blames_the_provider_and_says_why() {
    for (body, why) in [
        ("<html>", "not a JSON object"),
        ("{}", "choices must be a list, not nothing"),
        (r#"{"choices":[{"message":{"content":7}}]}"#, "choices[0].message.content must be a string"),
        (r#"{"error":{"message":"overloaded","code":529}}"#, "overloaded"),
    ] {
        let failure = OpenAiChat.decode_response(body.as_bytes()).unwrap_err();
        assert!(failure.message.contains(why), "{failure}");
        assert_eq!(failure.class.blame(), crate::canonical::Blame::Upstream);
    }
}
