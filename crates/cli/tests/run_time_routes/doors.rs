//! Who may change routes, and what everybody else is told.

use crate::*;
use std::net::SocketAddr;

/// Every way to change or read something that MLflow's own servers do not have, and what those answer.
const CHANGES: [(&str, &str, u16); 12] = [
    ("POST", ROUTES, 405),
    ("POST", ENDPOINTS, 405),
    ("PUT", "/api/2.0/gateway/routes/filed", 405),
    ("PUT", "/api/2.0/endpoints/filed", 405),
    ("DELETE", "/api/2.0/gateway/routes/filed", 405),
    ("DELETE", "/api/2.0/endpoints/filed", 405),
    ("GET", "/api/2.0/gateway/limits/filed", 501),
    ("GET", "/api/2.0/endpoints/limits/filed", 501),
    ("POST", "/api/2.0/gateway/limits/", 501),
    ("POST", "/api/2.0/endpoints/limits/", 501),
    ("PATCH", ROUTES, 405),
    ("PUT", ROUTES, 405),
];

fn callers() -> String {
    format!("callers: [{{name: alice, key: {}}}]\n", hash(ALICE))
}

fn ask(gateway: &Gateway, method: &str, path: &str, key: Option<&str>) -> Answer {
    let ask = gateway.client.ask(method, path).json(&json!({"route": "filed", "limits": []}));
    key.map_or_else(
        || gateway.client.ask(method, path).json(&json!({"route": "filed", "limits": []})),
        |key| with_key(ask, key),
    )
    .send()
}

#[test]
fn without_an_admins_key_everything_is_as_in_mlflow() {
    let place = Place::new();
    let no_admin =
        config("").lines().filter(|line| !line.starts_with("admin")).collect::<Vec<_>>().join("\n");
    let listens = format!("{no_admin}\nadmin: {{listen: \"127.0.0.1:0\"}}\n");
    for (config, key) in
        [(no_admin.clone(), None), (format!("{no_admin}\n{}", callers()), Some(ALICE)), (listens, None)]
    {
        let gateway = place.start(&config);
        for (method, path, expected) in CHANGES {
            let answer = ask(&gateway, method, path, key);
            assert_eq!(answer.status, expected, "{method} {path}: {}", answer.text());
            let allow = (expected == 405).then_some("GET");
            assert_eq!(answer.header("allow"), allow, "{method} {path}");
        }
    }
    assert!(!place.file().exists());
}

#[test]
fn with_one_callers_get_403_and_everybody_else_401_each_with_a_line_in_the_log() {
    let place = Place::new();
    for more in ["", &callers()] {
        let gateway = place.start(&config(more));
        for (method, path, expected) in CHANGES {
            if expected == 405 && (path == ROUTES && method != "POST") {
                continue;
            }
            let missing = ask(&gateway, method, path, None);
            assert_eq!(missing.status, 401, "{method} {path}: {}", missing.text());
            let id = missing.header("x-request-id").expect("an id").to_owned();
            let lines = gateway.accessed(&id);
            let refused = lines.iter().find(|line| line["level"] == "WARN").expect("a line of its own");
            assert_eq!(
                (&refused["client"], &refused["method"], &refused["path"]),
                (&json!("127.0.0.1"), &json!(method), &json!(path))
            );
        }
        assert_eq!(ask(&gateway, "POST", ROUTES, Some("lg-wrong")).status, 401);
        gateway.log.wait("the refused key", |line| {
            line["message"]
                == "refused a key of 127.0.0.1 for POST /api/2.0/gateway/routes/: The key is not valid"
        });
        if more.is_empty() {
            continue;
        }
        for (method, path, expected) in CHANGES {
            if expected == 405 && (path == ROUTES && method != "POST") {
                continue;
            }
            let refused = ask(&gateway, method, path, Some(ALICE));
            assert_eq!(refused.status, 403, "{method} {path}: {}", refused.text());
            let id = refused.header("x-request-id").expect("an id").to_owned();
            let line = gateway.accessed(&id).into_iter().find(|line| line["level"] == "WARN");
            assert_eq!(line.expect("a line of its own")["caller"], "alice");
        }
    }
    assert!(!place.file().exists());
}

#[test]
fn every_action_of_an_admin_is_one_line_of_who_what_and_from_where() {
    let (gateway, _place) = setting();
    let limits = json!({"route": "a", "limits": [{"calls": 5, "renewal_period": "minute"}]});
    for (method, path, body, action, route, status) in [
        ("POST", ROUTES, demo("a"), "create route", "a", 200),
        ("POST", ROUTES, demo("a"), "create route", "a", 409),
        ("PUT", "/api/2.0/gateway/routes/a", demo("a"), "replace route", "a", 200),
        ("POST", "/api/2.0/gateway/limits/", limits, "set limits of route", "a", 200),
        ("DELETE", "/api/2.0/endpoints/a", json!(null), "delete route", "a", 200),
        ("DELETE", "/api/2.0/endpoints/a", json!(null), "delete route", "a", 404),
        ("POST", ROUTES, json!({"name": "sk canary"}), "create route", "…", 422),
    ] {
        let answer = admin(&gateway.client, method, path, &body);
        assert_eq!(answer.status, status, "{}", answer.text());
        let id = answer.header("x-request-id").expect("an id").to_owned();
        let is = |line: &Value| line["target"] == "admin" && line["request_id"] == *id;
        gateway.log.wait("the action", is);
        let lines = gateway.log.records(is);
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        assert_eq!(
            [&line["who"], &line["action"], &line["route"], &line["client"], &line["status"]],
            [&json!("admin"), &json!(action), &json!(route), &json!("127.0.0.1"), &json!(status)]
        );
        let (level, outcome) = if status == 200 { ("INFO", "done") } else { ("WARN", "refused") };
        assert_eq!((&line["level"], &line["outcome"]), (&json!(level), &json!(outcome)));
    }
    assert!(!gateway.log.text().contains("canary"));
    let broken =
        with_key(gateway.client.post(ROUTES), ADMIN).header("content-encoding", "gzip").body("canary");
    assert_eq!(broken.send().status, 400);
    gateway.log.wait("the unread one", |line| line["reason"] == "its body could not be read");
}

#[test]
fn the_operators_own_address_needs_no_key_and_takes_nothing_from_web_pages() {
    let place = Place::new();
    let config = config("").replace("admin: {", "admin: {listen: \"127.0.0.1:0\", ");
    let gateway = place.start(&config);
    let line = gateway.log.wait("the operators' address", |line| {
        line["message"].as_str().is_some_and(|text| text.starts_with("operators' pages are on"))
    });
    let address: SocketAddr =
        line["address"].as_str().and_then(|text| text.parse().ok()).expect("an address");
    let operators = Client::new(address);
    let page = || operators.post(ROUTES).json(&demo("evil"));
    for origin in ["https://evil.example", "null", &format!("http://{address}")] {
        assert_eq!(page().header("origin", origin).send().status, 403, "{origin}");
    }
    let body = demo("evil").to_string();
    for kind in ["text/plain", "", "application/x-www-form-urlencoded"] {
        let ask = operators.post(ROUTES).body(body.clone());
        assert_eq!(ask.header("content-type", kind).send().status, 422, "{kind}");
    }
    assert_eq!(operators.post(ROUTES).body(body).send().status, 422, "no content type");
    assert_eq!(operators.post(ROUTES).json(&demo("made")).send().status, 200);
    assert_eq!(operators.get("/api/2.0/gateway/limits/made").send().json(), json!({"limits": []}));
    assert_eq!(call(&gateway, "made").status, 200);
    assert_eq!(operators.ask("DELETE", "/api/2.0/gateway/routes/made").send().status, 200);
    for action in ["create route", "delete route"] {
        let done = |line: &Value| line["action"] == action && line["outcome"] == "done";
        assert_eq!(gateway.log.wait(action, done)["who"], "admin.listen");
    }
}

#[test]
fn a_web_page_of_another_origin_cannot_use_the_password_that_a_browser_has() {
    let (gateway, _place) = setting();
    let ask = |origin: &str| {
        with_key(gateway.client.post(ROUTES), ADMIN).json(&demo("made")).header("origin", origin).send()
    };
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(ask(origin).status, 403, "{origin}");
    }
    assert_eq!(ask(&format!("http://{}", gateway.address)).status, 200, "the gateway's own page may");
}

#[test]
fn only_admins_find_these_paths_described() {
    let place = Place::new();
    let gateway = place.start(&config(&callers()));
    let described = |key: &str| with_key(gateway.get("/openapi.json"), key).send().json();
    let methods = |document: &Value| -> Vec<String> {
        let item = document["paths"][ENDPOINTS].as_object().expect("the list is described");
        item.keys().cloned().collect()
    };
    let (alice, admin) = (described(ALICE), described(ADMIN));
    assert_eq!(methods(&alice), ["get"]);
    assert_eq!(methods(&admin), ["get", "post"]);
    let one = &admin["paths"]["/api/2.0/endpoints/{endpoint_name}"];
    assert!(one["put"].is_object() && one["delete"].is_object(), "{one}");
    assert_eq!(methods(&described(ALICE)), ["get"], "nothing is kept for another");
}
