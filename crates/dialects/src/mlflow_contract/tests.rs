use super::body;
use super::error::{Contract, event, reply};
use super::json::{Json, Mistake, get, parse};
use super::report::Report;
use crate::canonical::{Class, Failure, Operation, Step, UpstreamError};
use proptest::prelude::*;
use serde_json::{Value, json};

/// The 422 that a body gets, as its list of types and locations.
fn refused(failure: &Failure) -> Value {
    let reply = reply(failure, Contract::Endpoints);
    assert_eq!(reply.status, 422);
    serde_json::from_slice(&reply.body).expect("errors are JSON")
}

fn said(failure: &Failure, contract: Contract) -> (u16, Value) {
    let reply = reply(failure, contract);
    (reply.status, serde_json::from_slice(&reply.body).expect("errors are JSON"))
}

#[test]
fn malformed_json_is_placed_where_python_places_it() {
    // Python 3.11: json.loads(text) and the exception's msg and pos.
    for (text, message, place) in [
        ("", "Expecting value", 0),
        ("  ", "Expecting value", 2),
        ("[1,]", "Expecting value", 3),
        ("[1,", "Expecting value", 3),
        ("[", "Expecting value", 1),
        ("tru", "Expecting value", 0),
        ("-", "Expecting value", 0),
        ("-I", "Expecting value", 0),
        ("\u{c}1", "Expecting value", 0),
        (r#"{"a":}"#, "Expecting value", 5),
        (r#"{"a":1,}"#, "Expecting property name enclosed in double quotes", 7),
        ("{1:2}", "Expecting property name enclosed in double quotes", 1),
        (r#"{"a" 1}"#, "Expecting ':' delimiter", 5),
        (r#"{"a":1 "b"}"#, "Expecting ',' delimiter", 7),
        ("[1 2]", "Expecting ',' delimiter", 3),
        (r#"{"a":1"#, "Expecting ',' delimiter", 6),
        ("01", "Extra data", 1),
        ("1.", "Extra data", 1),
        ("1e", "Extra data", 1),
        (r#"{"é":1}x"#, "Extra data", 7),
        (r#""é\x""#, "Invalid \\escape", 2),
        (r#""\u12""#, "Invalid \\uXXXX escape", 2),
        (r#""\u1234"#, "Invalid \\uXXXX escape", 2),
        (r#""\ud800\u12g4 ""#, "Invalid \\uXXXX escape", 8),
        (r#""abc"#, "Unterminated string starting at", 0),
        (r#"["\"#, "Unterminated string starting at", 1),
        ("\"é\n\"", "Invalid control character at", 2),
    ] {
        assert_eq!(parse(text), Err(Mistake::At(message, place)), "{text:?}");
    }
}

#[test]
fn python_json_that_is_not_json_is_read() {
    let read =
        parse(r#"{"a": 1, "b": NaN, "a": [-Infinity, 1e3, "\ud83e\udd80\/"]}"#).expect("Python reads it");
    let Json::Object(object) = read else { panic!("an object") };
    assert_eq!(object.iter().map(|(name, _)| name.as_ref()).collect::<Vec<_>>(), ["a", "b"]);
    let Some(Json::List(list)) = get(&object, "a") else { panic!("the last of two keys counts") };
    assert_eq!(list[1..], [Json::Number("1e3"), Json::Text("🦀/".into())]);
}

#[test]
fn what_would_break_later_is_refused_at_once() {
    assert_eq!(parse(r#"["\ud800"]"#), Err(Mistake::At("Lone surrogate", 2)));
    assert_eq!(parse(r#""\udc00x""#), Err(Mistake::At("Lone surrogate", 1)));
    assert!(parse(&"[".repeat(128)).is_err_and(|mistake| mistake == Mistake::At("Expecting value", 128)));
    assert_eq!(parse(&"[".repeat(100_000)), Err(Mistake::At("Nested too deeply", 128)));
    assert!(parse(&format!("{}{}", "[".repeat(128), "]".repeat(128))).is_ok());
    assert_eq!(parse(&"1".repeat(4301)), Err(Mistake::TooManyDigits));
    assert!(parse(&"1".repeat(4300)).is_ok());
}

#[test]
fn a_body_without_an_object_is_said_to_lack_one() {
    let of = |bytes: &[u8]| {
        let text = body::text(bytes)?;
        body::object(&text).map(|_| ())
    };
    let empty = of(b"").expect_err("nothing is no object");
    assert_eq!(refused(&empty)["detail"][0]["type"], "missing");
    let detail = refused(&of(b"[1, 2]").expect_err("a list is no object"));
    assert_eq!(detail["detail"][0]["loc"], json!(["body"]));
    assert_eq!(detail["detail"][0]["input"], json!([1, 2]));
    let detail = refused(&of(b"{\"a\": ").expect_err("cut off"));
    let wanted = json!({"type": "json_invalid", "loc": ["body", 6], "msg": "JSON decode error", "input": {},
        "ctx": {"error": "Expecting value"}});
    assert_eq!(detail["detail"][0], wanted);
    let unreadable = of(b"{\"a\": \"\xff\"}").expect_err("not UTF-8");
    let text = json!({"detail": "There was an error parsing the body"});
    assert_eq!(said(&unreadable, Contract::Classic), (400, text));
}

#[test]
fn only_json_content_types_are_read_and_a_missing_one_counts_as_json() {
    for readable in [
        None,
        Some("application/json"),
        Some("Application/JSON ; charset=utf-8"),
        Some("application/problem+json"),
        Some(""),
    ] {
        assert!(body::unreadable_content_type(readable).is_none(), "{readable:?}");
    }
    for other in ["text/plain", "application/jsonl", "text/json", "application/x-www-form-urlencoded", "json"]
    {
        let failure = body::unreadable_content_type(Some(other)).expect(other);
        assert_eq!(refused(&failure)["detail"][0]["loc"], json!(["body"]));
    }
}

#[test]
fn every_wrong_field_of_a_limit_is_listed() {
    assert!(super::limits::check(br#"{"route": "r", "limits": [{"calls": 1}], "more": null}"#).is_ok());
    let wrong = super::limits::check(br#"{"route": 7, "limits": [{}, "x"]}"#).expect_err("two mistakes");
    let detail = refused(&wrong);
    assert_eq!(detail["detail"][0]["loc"], json!(["body", "route"]));
    assert_eq!(detail["detail"][1]["loc"], json!(["body", "limits", 1]));
    assert_eq!(wrong.param.as_deref(), Some("route"));
    assert_eq!(wrong.message, "route: Input should be a valid string (and 1 more)");
}

/// Reads `json` by one rule: what it gives, or the kind of error.
fn rule<T>(json: &str, read: impl Fn(&mut Report, &Json<'_>) -> Option<T>) -> Result<T, &'static str> {
    let mut report = Report::default();
    let value = read(&mut report, &parse(json).expect("test data is JSON"));
    match report.finish() {
        Ok(()) => Ok(value.expect("without an error there is a value")),
        Err(failure) => Err(failure.fields[0].kind),
    }
}

#[test]
fn numbers_are_converted_as_pydantic_does() {
    let number = |json| rule(json, |report, value| report.number_up_to(value, 2.0));
    for (json, value) in [("1", 1.0), ("true", 1.0), ("\" .5\"", 0.5), ("\"1_0e-1\"", 1.0), ("2e0", 2.0)] {
        assert_eq!(number(json), Ok(value), "{json}");
    }
    for (json, kind) in [
        ("2.01", "less_than_equal"),
        ("-0.1", "greater_than_equal"),
        ("NaN", "less_than_equal"),
        ("1e999", "less_than_equal"),
        ("null", "float_type"),
        ("[1]", "float_type"),
        ("\"warm\"", "float_parsing"),
        ("\"1__0\"", "float_parsing"),
    ] {
        assert_eq!(number(json), Err(kind), "{json}");
    }
}

#[test]
fn counts_are_converted_as_pydantic_does() {
    let count = |json| rule(json, |report, value| report.count(value, Some(50)));
    for (json, value) in
        [("2", 2), ("2.0", 2), ("\"2\"", 2), ("\" +02.00 \"", 2), ("\"1_0\"", 10), ("true", 1), ("5e1", 50)]
    {
        assert_eq!(count(json), Ok(value), "{json}");
    }
    for (json, kind) in [
        ("0", "greater_than_equal"),
        ("\"-1\"", "greater_than_equal"),
        ("51", "less_than_equal"),
        ("1.5", "int_from_float"),
        ("1e300", "int_parsing_size"),
        ("Infinity", "finite_number"),
        ("\"1e1\"", "int_parsing"),
        ("\"2.\"", "int_parsing"),
        ("\"_2\"", "int_parsing"),
        ("null", "int_type"),
        ("{}", "int_type"),
    ] {
        assert_eq!(count(json), Err(kind), "{json}");
    }
    assert_eq!(rule("99999999999999999999", |report, value| report.count(value, None)), Ok(u64::MAX));
}

#[test]
fn truth_is_read_from_the_words_that_pydantic_knows() {
    let truth = |json| rule(json, Report::boolean);
    for (json, value) in
        [("true", true), ("1", true), ("1.0", true), ("\"Yes\"", true), ("\"off\"", false), ("0", false)]
    {
        assert_eq!(truth(json), Ok(value), "{json}");
    }
    for (json, kind) in
        [("2", "bool_parsing"), ("\"maybe\"", "bool_parsing"), ("0.5", "bool_type"), ("[]", "bool_type")]
    {
        assert_eq!(truth(json), Err(kind), "{json}");
    }
}

#[test]
fn a_huge_wrong_body_is_not_repeated_whole() {
    let many = format!("[{}1]", "1,".repeat(100_000));
    let mut report = Report::default();
    let value = parse(&many).expect("JSON");
    report.list(&value, |report, value| report.at(Step::Index(0), |report| report.text(value).map(drop)));
    report.text(&value);
    let failure = report.finish().expect_err("numbers are no texts");
    assert_eq!(failure.fields.len(), 1000);
    assert!(reply(&failure, Contract::Classic).body.len() < 300_000);
}

#[test]
fn a_provider_that_lacks_an_operation_is_named_in_each_contracts_words() {
    let failure =
        |streamed| Failure::new(Class::NotImplemented { operation: Operation::Chat, streamed }, "Anthropic");
    let classic = json!({"detail": "The chat route is not available for Anthropic models."});
    assert_eq!(said(&failure(false), Contract::Classic), (404, classic));
    let endpoints = json!({"detail": "The chat route is not implemented for Anthropic models."});
    assert_eq!(said(&failure(false), Contract::Endpoints), (501, endpoints));
    let streamed = json!({"detail": "The chat streaming route is not implemented for Anthropic models."});
    assert_eq!(said(&failure(true), Contract::Endpoints), (501, streamed));
}

#[test]
fn a_providers_error_passes_with_its_own_status() {
    let of = |class, status, content_type: &str, body: &[u8]| {
        let error = UpstreamError::read(status, Some(content_type), body);
        said(&Failure::upstream(class, error), Contract::Endpoints)
    };
    let json = "application/json";
    let message = br#"{"error": {"message": "bad key", "type": "auth"}}"#;
    assert_eq!(of(Class::UpstreamCredentials, 401, json, message), (401, json!({"detail": "bad key"})));
    let flat = br#"{"message": "slow down"}"#;
    let whole = json!({"detail": {"message": "slow down"}});
    assert_eq!(of(Class::UpstreamRateLimited, 429, json, flat), (429, whole.clone()));
    assert_eq!(of(Class::UpstreamOverloaded, 529, "text/plain", b"slow down"), (529, whole));
    let (status, detail) = of(Class::UpstreamError, 200, "text/html", b"<html>");
    assert_eq!(status, 502);
    let text =
        "The returned data type from the route service is not supported. Received content type: text/html";
    assert_eq!(detail, json!({"detail": text}));
}

#[test]
fn failures_of_the_gateway_have_the_statuses_that_clients_expect() {
    for (class, status) in [
        (Class::RefusedParameter(400), 400),
        (Class::RefusedParameter(422), 422),
        (Class::UpstreamUnreachable, 502),
        (Class::UpstreamTimeout, 504),
        (Class::ProviderUnavailable, 501),
        (Class::TooLarge, 413),
        (Class::Draining, 503),
        (Class::WrongOperation, 400),
        (Class::RouteNotFound, 404),
        (Class::Internal, 500),
    ] {
        let failure = Failure::new(class, "why");
        assert_eq!(said(&failure, Contract::Classic), (status, json!({"detail": "why"})), "{class:?}");
    }
    let limited = Failure::new(Class::RateLimited, "Rate limit exceeded: 2 per 1 minute");
    let wanted = json!({"error": "Rate limit exceeded: 2 per 1 minute"});
    assert_eq!(said(&limited, Contract::Endpoints), (429, wanted));
    let unknown = Failure::new(Class::PathNotFound, "no such path: /x");
    assert_eq!(said(&unknown, Contract::Endpoints), (404, json!({"detail": "Not Found"})));
    let method = Failure::new(Class::MethodNotAllowed, "GET");
    assert_eq!(said(&method, Contract::Endpoints), (405, json!({"detail": "Method Not Allowed"})));
    let param = Failure::invalid("tool_choice", "why");
    assert_eq!(said(&param, Contract::Endpoints), (422, json!({"detail": "why"})));
}

#[test]
fn an_error_inside_a_stream_is_one_event() {
    let text = event(&Failure::new(Class::StreamTruncated, "it broke off"), Contract::Endpoints);
    let body = text.strip_prefix("data: ").and_then(|text| text.strip_suffix("\n\n")).expect("one event");
    let body: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body["error"], json!({"message": "it broke off", "type": "upstream_error"}));
    assert_eq!(body["detail"], "it broke off");
}

/// JSON of any shape, with names that the contracts know among it.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "messages",
        "role",
        "content",
        "prompt",
        "input",
        "text",
        "stop",
        "temperature",
        "n",
        "tools",
        "type",
        "function",
        "parameters",
        "properties",
        "stream",
        "model",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
        prop::sample::select(vec!["user", "function", "text", "object", "1", "yes"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..6).prop_map(|fields| {
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
        ]
    })
}

fn plain(json: &Json<'_>) -> Value {
    match json {
        Json::Null | Json::NotFinite(_) => Value::Null,
        Json::Bool(value) => json!(value),
        Json::Number(text) => serde_json::from_str(text).expect("a number"),
        Json::Text(text) => json!(text),
        Json::List(items) => items.iter().map(plain).collect(),
        Json::Object(fields) => fields.iter().map(|(name, value)| (name.to_string(), plain(value))).collect(),
    }
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_json_is_read(text in "[\\[\\]{}\",:\\\\u0-9a-f. eE+-]{0,40}") {
        let ours = parse(&text);
        if serde_json::from_str::<Value>(&text).is_ok() {
            prop_assert!(ours.is_ok(), "{text:?}");
        }
    }

    #[test]
    fn every_json_is_read_as_it_is(value in any_json()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).expect("JSON")] {
            prop_assert_eq!(plain(&parse(&text).expect("JSON")), serde_json::from_str::<Value>(&text).expect("JSON"));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(text) = body::text(&bytes) {
            let _unread = body::object(&text);
        }
        let _peeked = body::peek(&bytes);
    }
}
