//! Making, changing and deleting routes, and their limits.

use crate::*;
use lockgate_testkit::Provider;

#[test]
fn a_route_is_made_changed_and_deleted_while_calls_go_on() {
    let (gateway, _place) = setting();
    let (first, second) = (Provider::start(), Provider::start());
    let to = |provider: &Provider| {
        let base = format!("{}/v1", provider.url());
        openai("chat", &json!({"openai_api_key": "sk-own", "openai_api_base": base}))
    };
    let answer = admin(&gateway.client, "POST", ROUTES, &to(&first));
    let route = json!({
        "name": "chat", "route_type": "llm/v1/chat", "model": {"name": "gpt-4", "provider": "openai"},
        "route_url": "/gateway/chat/invocations",
    });
    assert_eq!((answer.status, answer.json()), (200, route.clone()), "as MLflow's clients read it");
    let answered = call(&gateway, "chat");
    assert_eq!(answered.status, 200, "{}", answered.text());
    assert!(answered.json()["candidates"].is_array(), "made as in MLflow 2.8, it speaks as there");
    assert_eq!(first.last().header("authorization"), Some("Bearer sk-own"));
    assert_eq!(gateway.get(&format!("{ROUTES}chat")).send().json(), route);
    assert!(gateway.get(ROUTES).send().text().contains("\"chat\""));
    assert!(gateway.get("/v1/models").send().text().contains("\"chat\""));
    assert_eq!(admin(&gateway.client, "PUT", &format!("{ROUTES}chat"), &to(&second)).status, 200);
    assert_eq!((call(&gateway, "chat").status, second.counts().calls, first.counts().calls), (200, 1, 1));
    let deleted = admin(&gateway.client, "DELETE", &format!("{ROUTES}chat"), &json!(null));
    assert_eq!((deleted.status, deleted.json()), (200, json!({})));
    assert_eq!(call(&gateway, "chat").status, 404);
}

#[test]
fn an_endpoint_is_made_in_the_shapes_of_mlflow_2_9() {
    let (gateway, _place) = setting();
    let model = json!({"provider": "demo", "name": "demo"});
    let external = json!({"provider": "demo", "name": "demo", "task": "llm/v1/chat"});
    for (name, body) in [
        ("plain", json!({"name": "plain", "endpoint_type": "llm/v1/chat", "model": model})),
        ("below", json!({"name": "below", "config": {"endpoint_type": "llm/v1/chat", "model": model}})),
        ("served", json!({"name": "served", "config": {"served_entities": [{"external_model": external}]}})),
    ] {
        let answer = admin(&gateway.client, "POST", ENDPOINTS, &body);
        let endpoint = json!({
            "name": name, "endpoint_type": "llm/v1/chat", "model": {"name": "demo", "provider": "demo"},
            "endpoint_url": format!("/gateway/{name}/invocations"), "limit": null,
        });
        assert_eq!((answer.status, answer.json()), (200, endpoint.clone()), "{name}");
        assert_eq!(gateway.get(&format!("{ENDPOINTS}{name}")).send().json(), endpoint);
        assert!(
            call(&gateway, name).json()["choices"].is_array(),
            "made as in MLflow 2.9, it speaks as there"
        );
        let path = format!("{ENDPOINTS}{name}");
        assert_eq!(admin(&gateway.client, "PUT", &path, &json!({"config": body["config"]})).status, {
            // What PUT is sent stands in place of all that was there.
            if name == "plain" { 422 } else { 200 }
        });
        assert_eq!(admin(&gateway.client, "DELETE", &path, &json!(null)).status, 200);
    }
}

#[test]
fn whatever_a_route_of_the_file_may_say_a_run_time_route_may_say() {
    let (gateway, _place) = setting();
    let provider = Provider::start();
    let mut route =
        openai("full", &json!({"openai_api_key": "k", "openai_api_base": format!("{}/v1", provider.url())}));
    let more = json!({
        "limit": {"calls": 2, "renewal_period": "minute"}, "defaults": {"top_p": 0.5}, "forced": {"user": "gate"},
        "headers": {"x-team": "blue"}, "timeouts": {"connect": "2s", "total": 60},
    });
    route.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
    make(&gateway, &route);
    assert_eq!(call(&gateway, "full").status, 200);
    let sent = provider.last();
    assert_eq!((sent.json()["top_p"].clone(), sent.json()["user"].clone()), (json!(0.5), json!("gate")));
    assert_eq!(sent.header("x-team"), Some("blue"));
    assert_eq!([call(&gateway, "full").status, call(&gateway, "full").status], [200, 429]);
    let mut own = demo("own");
    own["limits"] = json!({"requests": "1 per hour", "concurrent": 5});
    make(&gateway, &own);
    assert_eq!([call(&gateway, "own").status, call(&gateway, "own").status], [200, 429]);
    own["limits"] = json!({"requests": "1 per fortnight"});
    let (status, detail) = told(&gateway.client, "PUT", &format!("{ROUTES}own"), &own);
    assert!(status == 422 && detail.contains("limits.requests"), "{status} {detail}");
}

#[test]
fn a_name_is_used_once() {
    let (gateway, _place) = setting();
    let ask = |method, path: &str, body: Value| told(&gateway.client, method, path, &body);
    make(&gateway, &demo("made"));
    for (method, path) in [
        ("POST", ROUTES.to_owned()),
        ("PUT", format!("{ROUTES}filed")),
        ("DELETE", format!("{ENDPOINTS}filed")),
    ] {
        let (status, detail) = ask(method, &path, demo("filed"));
        assert_eq!(status, 409, "{method}: {detail}");
        assert!(detail.contains("config file defines") && detail.contains("config.yaml, line 2"), "{detail}");
    }
    let (status, detail) = ask("POST", ROUTES, demo("made"));
    assert!(status == 409 && detail.contains("PUT"), "{status} {detail}");
    for method in ["PUT", "DELETE"] {
        let (status, detail) = ask(method, &format!("{ROUTES}nobody"), demo("nobody"));
        assert!(status == 404 && detail.contains("'nobody'"), "{method}: {status} {detail}");
    }
    let (status, detail) = ask("PUT", &format!("{ROUTES}made"), demo("other"));
    assert!(status == 422 && detail.starts_with("name:"), "{status} {detail}");
    assert_eq!(made(&gateway), ["made"]);
}

#[test]
fn a_route_that_is_wrong_is_told_with_field_and_fix_and_changes_nothing() {
    let (gateway, place) = setting();
    make(&gateway, &demo("good"));
    let before = place.text();
    let model = |model: Value| json!({"name": "a", "route_type": "llm/v1/chat", "model": model});
    for (body, said) in [
        (json!({}), &["name"][..]),
        (json!({"name": "a"}), &["route_type", "Field required"]),
        (json!({"name": "a", "route_type": "llm/v1/chat"}), &["model", "Field required"]),
        (json!({"name": "a", "route_type": "llm/v1/chat", "model": null}), &["model", "Field required"]),
        (
            json!({"name": "a", "route_type": "chat", "model": {"provider": "demo"}}),
            &["route_type", "`llm/v1/chat`"],
        ),
        (model(json!({"provider": "opneai"})), &["model.provider", "did you mean `openai`?"]),
        (model(json!({"provider": "openai", "name": "x", "config": {}})), &["model.config.openai_api_key"]),
        (model(json!({"provider": "demo", "config": {"fault": "status:1"}})), &["fault"]),
        (model(json!({"provider": "demo", "modle": 1})), &["modle"]),
        (json!({"name": "a b", "route_type": "llm/v1/chat", "model": {"provider": "demo"}}), &["name"]),
        (json!({"name": "..", "route_type": "llm/v1/chat", "model": {"provider": "demo"}}), &["name"]),
        (json!({"name": "a", "task_type": "llm/v1/chat", "destinations": []}), &["destinations"]),
        (json!({"name": "a", "providers": [{"name": "own", "base": "http://h"}]}), &["providers"]),
        (json!([1]), &["object"]),
    ] {
        let (status, detail) = told(&gateway.client, "POST", ROUTES, &body);
        assert_eq!(status, 422, "{body}: {detail}");
        assert!(said.iter().all(|part| detail.contains(part)), "{body}: {detail}");
    }
    let large = json!({"name": "a", "defaults": {"x": "y".repeat(70_000)}});
    assert_eq!(told(&gateway.client, "POST", ROUTES, &large).0, 413);
    let broken = with_key(gateway.client.post(ROUTES), ADMIN)
        .header("content-type", "application/json")
        .body("{\"name\":");
    assert_eq!(broken.send().status, 422);
    assert_eq!((made(&gateway), place.text()), (vec!["good".to_owned()], before));
}

#[test]
fn limits_are_read_and_set_as_mlflows_clients_do() {
    let (gateway, place) = setting();
    make(&gateway, &demo("made"));
    for base in ["/api/2.0/gateway/limits/", "/api/2.0/endpoints/limits/"] {
        let get = |name: &str| admin(&gateway.client, "GET", &format!("{base}{name}"), &json!(null));
        let set = |route: &str, limits: Value| {
            told(&gateway.client, "POST", base, &json!({"route": route, "limits": limits}))
        };
        let limit = json!({"calls": 1, "key": null, "renewal_period": "minute"});
        assert_eq!(set("made", json!([limit])).0, 200);
        assert_eq!(get("made").json(), json!({"limits": [limit]}));
        assert_eq!(get("filed").json(), json!({"limits": []}));
        assert_eq!(get("nobody").status, 404);
        let (status, detail) = set("made", json!([{"calls": 1, "renewal_period": "fortnight"}]));
        assert!(status == 422 && detail.contains("limit"), "{status} {detail}");
        for (route, limits, expected) in [
            ("filed", json!([limit]), 409),
            ("nobody", json!([limit]), 404),
            ("made", json!([limit, limit]), 422),
            ("made", json!([{"calls": 1}]), 422),
            ("made", json!({}), 422),
            ("made", json!([{"calls": 1, "renewal_period": "minute", "per": "user"}]), 422),
        ] {
            let (status, detail) = set(route, limits);
            assert_eq!(status, expected, "{route}: {detail}");
        }
        assert_eq!(get("made").json(), json!({"limits": [limit]}));
    }
    assert_eq!([call(&gateway, "made").status, call(&gateway, "made").status], [200, 429]);
    drop(gateway);
    let gateway = place.start(&open_config(""));
    assert_eq!([call(&gateway, "made").status, call(&gateway, "made").status], [200, 429]);
    let lifted = json!({"route": "made", "limits": []});
    assert_eq!(told(&gateway.client, "POST", "/api/2.0/gateway/limits/", &lifted).0, 200);
    assert_eq!(call(&gateway, "made").status, 200);
}

#[test]
fn there_are_as_many_routes_as_there_may_be() {
    let place = Place::new();
    let route =
        |n| format!("  - {{name: r{n}, route_type: llm/v1/chat, model: {{provider: demo, name: demo}}}}\n");
    let routes: String = (0..lockgate_config::MOST_ROUTES).map(route).collect();
    place.damage(&format!("routes:\n{routes}"));
    let gateway = place.start(&config(""));
    let (status, detail) = told(&gateway.client, "POST", ROUTES, &demo("more"));
    assert!(status == 409 && detail.contains("delete one first"), "{status} {detail}");
    assert_eq!(told(&gateway.client, "DELETE", &format!("{ROUTES}r0"), &json!(null)).0, 200);
    make(&gateway, &demo("more"));
}

#[test]
fn without_a_directory_for_them_nothing_is_made() {
    let gateway = Gateway::start(BINARY, Some(&config("")));
    let (status, detail) = told(&gateway.client, "POST", ROUTES, &demo("made"));
    assert!(status == 409 && detail.contains("--state-dir"), "{status} {detail}");
}
