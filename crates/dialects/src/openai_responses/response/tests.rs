//! Answers read, written, and told in another API.

use super::{decode, encode};
use crate::canonical::{ChatResponse, Class, Content, FinishReason, Losses, Part, Signature};
use crate::dialect::Dialect;
use crate::openai_chat::OpenAiChat;
use serde_json::{Value, json};

fn answer(output: Value) -> Value {
    json!({"id": "resp_1", "object": "response", "created_at": 7, "status": "completed", "model": "m", "error": null,
        "incomplete_details": null, "output": output, "temperature": 1.0, "service_tier": "default",
        "usage": {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
            "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 14}})
}

fn message(content: Value) -> Value {
    json!({"type": "message", "id": "msg_1_0", "status": "completed", "role": "assistant", "content": content})
}

fn text(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn read(body: &Value) -> ChatResponse {
    decode(body.to_string().as_bytes()).expect("an answer")
}

fn written(response: &ChatResponse) -> (Value, Losses) {
    let mut losses = Losses::default();
    let body = encode(response, &mut losses);
    (serde_json::from_slice(&body).expect("JSON"), losses)
}

#[test]
fn an_answer_survives_the_way_out_and_back() {
    let body = answer(json!([
        {"type": "reasoning", "id": "rs_1_0", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "e"},
        {"type": "reasoning", "id": "rs_1_1", "summary": [], "encrypted_content": "f"},
        {"type": "message", "id": "msg_1_2", "status": "completed", "role": "assistant", "content": [text("a"), text("b"),
            {"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "id": "fc_1_3", "call_id": "c", "name": "look", "arguments": "{\"q\":1}", "status": "completed"},
        {"type": "custom_tool_call", "id": "ctc_1_4", "call_id": "d", "name": "patch", "input": "x\ny", "status": "completed"}]));
    let response = read(&body);
    let choice = &response.choices[0];
    assert_eq!(choice.finish_reason, Some(FinishReason::ToolCalls));
    assert_eq!((response.id.as_deref(), response.created), (Some("resp_1"), Some(7)));
    let usage = response.usage.expect("counts");
    assert_eq!((usage.cache_read_tokens, usage.reasoning_tokens), (Some(4), Some(3)));
    let (again, losses) = written(&response);
    assert_eq!((&again["output"], &again["usage"]), (&body["output"], &body["usage"]));
    assert_eq!((&again["status"], losses.count()), (&json!("completed"), 0));
}

#[test]
fn one_text_is_a_string_with_citations_and_log_probabilities_where_the_chat_api_has_them() {
    let citation =
        json!({"type": "url_citation", "start_index": 0, "end_index": 1, "title": "t", "url": "u"});
    let logprob = json!({"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []});
    let body =
        answer(json!([message(json!([{"type": "output_text", "text": "a", "annotations": [citation],
        "logprobs": [logprob]}]))]));
    let response = read(&body);
    let mut losses = Losses::default();
    let chat = OpenAiChat.chat().expect("it chats").encode_response(&response, &mut losses);
    let chat: Value = serde_json::from_slice(&chat).expect("JSON");
    let told = &chat["choices"][0];
    assert_eq!(told["message"]["content"], "a");
    assert_eq!(told["message"]["annotations"][0]["url_citation"]["url"], "u");
    assert_eq!(told["logprobs"]["content"][0]["token"], "a");
    let (again, losses) = written(&response);
    assert_eq!((&again["output"], losses.count()), (&body["output"], 0));
}

#[test]
fn comments_on_the_way_stay_apart_from_the_answer_and_hosted_calls_stay_as_they_are() {
    let said = |place: u32, phase: &str, said: &str| {
        json!({"type": "message", "id": format!("msg_1_{place}"), "status": "completed", "role": "assistant",
            "phase": phase, "content": [text(said)]})
    };
    let search =
        json!({"type": "web_search_call", "id": "ws", "status": "completed", "action": {"query": "q"}});
    let body = answer(json!([
        said(0, "commentary", "a"),
        search,
        said(2, "commentary", "b"),
        said(3, "final_answer", "c")
    ]));
    let (again, losses) = written(&read(&body));
    assert_eq!((&again["output"], losses.count()), (&body["output"], 0));
}

#[test]
fn citations_of_files_stay_beside_their_text_and_an_answer_in_the_making_is_not_told_as_whole() {
    let citation = json!({"type": "file_citation", "file_id": "f", "filename": "a.pdf", "index": 1});
    let mut body =
        answer(json!([message(json!([{"type": "output_text", "text": "a", "annotations": [citation],
        "logprobs": []}]))]));
    let (again, losses) = written(&read(&body));
    assert_eq!((&again["output"], losses.count()), (&body["output"], 0));
    body["status"] = json!("queued");
    assert_eq!(read(&body).choices[0].finish_reason, Some(FinishReason::Other("queued".to_owned())));
}

#[test]
fn what_was_cut_short_says_why() {
    for (why, reason) in
        [("max_output_tokens", FinishReason::Length), ("content_filter", FinishReason::ContentFilter)]
    {
        let mut body = answer(json!([message(json!([text("a")]))]));
        body["output"][0]["phase"] = json!("commentary");
        body["status"] = json!("incomplete");
        body["incomplete_details"] = json!({ "reason": why });
        let response = read(&body);
        assert_eq!(response.choices[0].finish_reason, Some(reason));
        let (again, _) = written(&response);
        assert_eq!(
            (&again["status"], &again["incomplete_details"]),
            (&json!("incomplete"), &body["incomplete_details"])
        );
        assert_eq!(
            (&again["output"][0]["status"], &again["output"][0]["phase"]),
            (&json!("incomplete"), &json!("commentary"))
        );
    }
}

#[test]
fn an_answer_that_failed_or_cannot_be_read_blames_the_provider() {
    for body in [
        "",
        "[]",
        "{}",
        r#"{"output":1}"#,
        r#"{"output":[{}]}"#,
        r#"{"output":[{"type":"message","content":1}]}"#,
    ] {
        assert_eq!(decode(body.as_bytes()).expect_err("no answer").class, Class::UpstreamError, "{body}");
    }
    let failed = r#"{"status":"failed","output":[],"error":{"code":"server_error","message":"broken"}}"#;
    let error = decode(failed.as_bytes()).expect_err("a failure").upstream.expect("the provider's words");
    assert_eq!((error.message.as_str(), error.kind.as_deref()), ("broken", Some("server_error")));
}

#[test]
fn an_answer_of_another_provider_has_ids_and_keeps_what_must_go_back() {
    let mut response =
        read(&answer(json!([{"type": "function_call", "call_id": "", "name": "look", "arguments": ""}])));
    response.id = Some("chatcmpl-1".to_owned());
    let call = &mut response.choices[0].message.tool_calls[0];
    call.signature = Some(Signature::made_by("gemini", "sig"));
    let part = Part::RedactedThinking(Signature::made_by("anthropic", "data"));
    response.choices[0].message.content = Content::Parts(vec![part]);
    let (body, _) = written(&response);
    assert_eq!(body["id"], "chatcmpl-1");
    let output = body["output"].as_array().expect("items");
    let ids: Vec<_> = output.iter().filter_map(|item| item["id"].as_str()).collect();
    assert_eq!(ids, ["rs_chatcmpl-1_0", "rs_chatcmpl-1_1", "fc_chatcmpl-1_2"]);
    assert_eq!((&output[2]["call_id"], &output[2]["arguments"]), (&json!("call_chatcmpl-1_2"), &json!("{}")));
    // The next turn brings both back, each as what it was.
    let next = json!({ "input": output }).to_string();
    let next = super::super::request::decode(next.as_bytes()).expect("a request");
    let Content::Parts(parts) = &next.messages[0].content else { panic!("parts") };
    assert!(
        matches!(&parts[0], Part::RedactedThinking(data) if data.for_provider("anthropic") == Some("data"))
    );
    assert!(matches!(&parts[1], Part::Thinking { text, signature: Some(signature) }
        if text.is_empty() && signature.for_provider("gemini") == Some("sig")));
}

#[test]
fn what_clients_of_this_api_cannot_get_is_recorded() {
    let mut response = read(&answer(json!([message(json!([text("a")]))])));
    response.choices.push(response.choices[0].clone());
    response.extras.push(("system_fingerprint".to_owned(), crate::raw::to_raw("fp")));
    response.choices[0].finish_reason = Some(FinishReason::Other("eos".to_owned()));
    let (_, losses) = written(&response);
    let lost: Vec<_> = losses.iter().map(|loss| loss.path.as_str()).collect();
    assert_eq!(lost, ["choices[0]", "choices[0].finish_reason", "system_fingerprint"]);
}
