//! What a route that is made at run time may not do: read the machine, reach what only the machine reaches, and send
//! the operator's keys elsewhere.

use crate::*;
use lockgate_testkit::Provider;

/// Keys that must never be told to anybody.
const CONFIGURED: &str = "kanarie-configured-0123456789";
const OWN: &str = "kanarie-own-9876543210";

#[test]
fn it_reads_neither_environment_nor_files_nor_commands_nor_secrets() {
    let place = Place::new();
    let launch = place.launch(&config("")).variable("CANARY", OWN).file("canary.key", OWN);
    let gateway = launch.start();
    let file = gateway.files.path("canary.key").display().to_string();
    let here = std::env::current_dir().expect("a directory").join("Cargo.toml");
    assert!(here.is_file(), "the gateway runs where the tests run");
    for key in [
        json!("$CANARY"),
        json!("${CANARY}"),
        json!(file),
        json!("./canary.key"),
        json!("../canary.key"),
        json!("~/canary.key"),
        json!("state/../canary.key"),
        json!("Cargo.toml"),
        json!({"env": "CANARY"}),
        json!({"file": file}),
        json!({"command": ["cat", file]}),
        json!({"command": ["cat", file], "ttl": "1h"}),
        json!({"secret": "canary"}),
        json!([{"env": "CANARY"}]),
        json!([{"credential": "nobody"}, {"file": file}]),
        json!({"credential": "nobody"}),
        json!(""),
        json!("two\nlines"),
        json!(5),
        json!(null),
    ] {
        let answer = admin(&gateway.client, "POST", ROUTES, &openai("a", &json!({"openai_api_key": key})));
        assert_eq!(answer.status, 422, "{key}: {}", answer.text());
        assert!(answer.text().contains("openai_api_key"), "{key}: {}", answer.text());
        assert!(!answer.text().contains("kanarie"), "{key}: {}", answer.text());
    }
    let mut route = demo("a");
    route["headers"] = json!({"x-key": {"env": "CANARY"}});
    let (status, detail) = told(&gateway.client, "POST", ROUTES, &route);
    assert!(status == 422 && detail.contains("headers"), "{status} {detail}");
    assert!(!place.file().exists());
    assert!(!gateway.log.text().contains("kanarie"));
}

#[test]
fn it_asks_public_servers_only_unless_the_operator_says_otherwise() {
    let place = Place::new();
    let gateway = place.start(&config(""));
    let (closed, other) = ("not public", "URL");
    for (base, said) in [
        ("http://127.0.0.1:9/v1", closed),
        ("http://127.1/v1", closed),
        ("http://2130706433/", closed),
        ("http://0x7f000001/", closed),
        ("http://0177.0.0.1/", closed),
        ("http://localhost:9/v1", closed),
        ("http://LOCALHOST./v1", closed),
        ("http://[::1]/v1", closed),
        ("http://[::ffff:127.0.0.1]/", closed),
        ("http://[64:ff9b::a00:1]/", closed),
        ("http://[2002:a00:1::]/", closed),
        ("http://[fd00::1]/", closed),
        ("http://[fe80::1]/", closed),
        ("http://169.254.169.254/latest/meta-data", closed),
        ("http://metadata.google.internal/", closed),
        ("http://10.0.0.1", closed),
        ("http://100.64.0.1", closed),
        ("http://0.0.0.0", closed),
        ("http://224.0.0.1", closed),
        ("ftp://example.com/", other),
        ("file:///etc/passwd", other),
        ("example.com", other),
        ("http://example.com@127.0.0.1/", other),
        ("http://{openai_api_key}/", other),
    ] {
        let config = json!({"openai_api_key": "k", "openai_api_base": base});
        let (status, detail) = told(&gateway.client, "POST", ROUTES, &openai("a", &config));
        assert_eq!(status, 422, "{base}: {detail}");
        assert!(detail.contains("openai_api_base") && detail.contains(said), "{base}: {detail}");
    }
    let local =
        json!({"name": "a", "route_type": "llm/v1/chat", "model": {"provider": "ollama", "name": "x"}});
    let (status_code, detail) = told(&gateway.client, "POST", ROUTES, &local);
    assert!(status_code == 422 && detail.contains(closed), "a provider that is here: {status_code} {detail}");
    let public = json!({"openai_api_key": "k", "openai_api_base": "https://example.com/v1"});
    make(&gateway, &openai("public", &public));
    drop(gateway);
    let provider = Provider::start();
    let gateway = place.start(&open_config(""));
    let here = json!({"openai_api_key": "k", "openai_api_base": format!("{}/v1", provider.url())});
    make(&gateway, &openai("here", &here));
    assert_eq!(call(&gateway, "here").status, 200);
    drop(gateway);
    // What was allowed once is closed as soon as the operator says so.
    let gateway = place.start(&config(""));
    assert_eq!((call(&gateway, "here").status, provider.counts().calls), (404, 1));
    assert_eq!(made(&gateway), ["public"]);
    assert_eq!(status(&gateway)["run_time"]["refused"][0]["name"], "here");
    assert_eq!(told(&gateway.client, "DELETE", &format!("{ROUTES}here"), &json!(null)).0, 200);
}

/// A gateway whose config sends the credential `main` to a provider, and another provider.
fn shared() -> (Gateway, Provider, Provider, Place) {
    let (known, foreign, place) = (Provider::start(), Provider::start(), Place::new());
    let more = format!(
        "credentials: {{main: {CONFIGURED}, other: {CONFIGURED}-2}}\n\
         defaults: {{}}\n"
    );
    let route = format!(
        "  - name: owned\n    endpoint_type: llm/v1/chat\n    model:\n      provider: openai\n      name: gpt-4\n      config: \
         {{openai_api_key: {{credential: main}}, openai_api_base: \"{}/v1\"}}\nadmin: {{",
        known.url()
    );
    let config = open_config(&more).replace("admin: {", &route);
    let gateway = place.launch(&config).variable("LOCKGATE_LOG", "trace").start();
    (gateway, known, foreign, place)
}

#[test]
fn a_credential_of_the_config_goes_nowhere_but_where_the_config_sends_it() {
    let (gateway, known, foreign, _place) = shared();
    let make = |credential: Value, base: Option<String>| {
        let mut config = json!({"openai_api_key": credential});
        if let Some(base) = base {
            config["openai_api_base"] = json!(base);
        }
        let (status, detail) = told(&gateway.client, "POST", ROUTES, &openai("a", &config));
        _ = told(&gateway.client, "DELETE", &format!("{ROUTES}a"), &json!(null));
        (status, detail)
    };
    let main = || json!({"credential": "main"});
    assert_eq!(make(main(), None).0, 200, "the provider's own server");
    for base in [format!("{}/v1", known.url()), format!("{}/v1/", known.url().replace("http", "HTTP"))] {
        assert_eq!(make(main(), Some(base.clone())).0, 200, "{base}");
    }
    for (credential, base) in [
        (main(), format!("{}/v1", foreign.url())),
        (main(), format!("{}/v2", known.url())),
        (main(), "https://evil.example/v1".to_owned()),
        (main(), "https://api.openai.com.evil.example/v1".to_owned()),
        (json!([{"credential": "main"}]), format!("{}/v1", foreign.url())),
        (json!({"credential": "other"}), format!("{}/v1", known.url())),
    ] {
        let (status, detail) = make(credential, Some(base.clone()));
        assert_eq!(status, 422, "{base}");
        assert!(detail.contains("The credential") && detail.contains("nowhere else"), "{detail}");
    }
    let mut route =
        openai("a", &json!({"openai_api_key": "k", "openai_api_base": format!("{}/v1", foreign.url())}));
    assert_eq!(told(&gateway.client, "POST", ROUTES, &route).0, 200, "its own key may go anywhere");
    route["headers"] = json!({"x-key": {"credential": "main"}});
    assert_eq!(told(&gateway.client, "PUT", &format!("{ROUTES}a"), &route).0, 422, "not in a header either");
    route["headers"] = json!({});
    route["credentials"] = json!("caller");
    assert_eq!(told(&gateway.client, "PUT", &format!("{ROUTES}a"), &route).0, 422, "nor what callers bring");
    assert_eq!(foreign.counts().calls, 0);
}

#[test]
fn keys_are_told_to_nobody_but_the_provider() {
    let (gateway, known, foreign, place) = shared();
    let base = |provider: &Provider| format!("{}/v1", provider.url());
    make(&gateway, &openai("own", &json!({"openai_api_key": OWN, "openai_api_base": base(&foreign)})));
    make(
        &gateway,
        &openai("main", &json!({"openai_api_key": {"credential": "main"}, "openai_api_base": base(&known)})),
    );
    assert_eq!((call(&gateway, "own").status, call(&gateway, "main").status), (200, 200));
    assert_eq!(foreign.last().header("authorization"), Some(&*format!("Bearer {OWN}")));
    assert_eq!(known.last().header("authorization"), Some(&*format!("Bearer {CONFIGURED}")));
    for path in [
        ROUTES,
        ENDPOINTS,
        "/api/2.0/gateway/routes/own",
        "/api/2.0/endpoints/own",
        "/api/2.0/gateway/limits/own",
        "/v1/models",
        "/v1/models/own",
        "/openapi.json",
        "/docs",
        "/status",
        "/status?format=json",
        "/metrics",
    ] {
        let answer = with_key(gateway.get(path), ADMIN).send();
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            !answer.text().contains("kanarie") && !answer.head().contains("kanarie"),
            "{path}: {}",
            answer.text()
        );
    }
    // In every place where somebody may put a key by mistake.
    for body in [
        json!({"name": OWN, "route_type": OWN, "model": {"provider": OWN, "name": OWN}}),
        json!({OWN: OWN, "name": "b", "route_type": "llm/v1/chat", "model": {OWN: OWN, "provider": "openai", "config": OWN}}),
        openai(
            "b",
            &json!({"openai_api_key": {OWN: OWN}, OWN: OWN, "openai_api_base": OWN, "openai_api_type": 5}),
        ),
        openai("b", &json!({"openai_api_key": {"env": OWN}, "openai_organization": {"a": OWN}})),
        openai("b", &json!({"openai_api_key": {"credential": OWN}})),
    ] {
        assert_eq!(told(&gateway.client, "POST", ROUTES, &body).0, 422, "{body}");
    }
    assert_eq!(told(&gateway.client, "DELETE", &format!("{ROUTES}{OWN}"), &json!(null)).0, 404);
    let logged = gateway.log.text();
    let lines: Vec<_> = logged.lines().filter(|line| line.contains("kanarie")).collect();
    // What somebody writes into a path or a name is a path or a name.
    assert!(lines.iter().all(|line| line.contains("DELETE") || line.contains("\"action\"")), "{lines:#?}");
    assert!(place.text().contains(OWN) && !place.text().contains(CONFIGURED));
}
