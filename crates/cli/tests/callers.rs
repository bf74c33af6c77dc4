//! Callers and their keys: who is let in, what exists for them, and what everybody else is told.

use lockgate_config::KeyHash;
use lockgate_testkit::{Answer, Ask, Gateway, Launch, Provider, until};
use serde_json::{Value, json};
use std::net::SocketAddr;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");
const ALICE: &str = "lg-alice-0123456789";
const TEAM: &str = "lg-team-0123456789";
const OLD: &str = "lg-old-0123456789";
const ADMIN: &str = "lg-admin-0123456789";

fn hash(key: &str) -> String {
    KeyHash::of(key.as_bytes()).to_string()
}

/// Alice may call everything, the team its own routes, the old key has expired.
fn callers() -> String {
    format!(
        "callers:
  - {{name: alice, key: {}}}
  - {{name: team, key: {}, routes: [\"team-*\"]}}
  - {{name: old, key: {}, expires: 2020-01-01}}
",
        hash(ALICE),
        hash(TEAM),
        hash(OLD)
    )
}

fn routes(section: &str, provider: &Provider) -> String {
    let kind = if section == "routes" { "route_type" } else { "endpoint_type" };
    let base = provider.url();
    let model = format!(
        "{{provider: openai, name: gpt-4, config: {{openai_api_key: sk-configured, openai_api_base: \"{base}/v1\"}}}}"
    );
    format!(
        "{section}:
  - {{name: private, {kind}: llm/v1/chat, model: {model}}}
  - {{name: team-chat, {kind}: llm/v1/chat, model: {model}}}
  - {{name: team-embeddings, {kind}: llm/v1/embeddings, model: {model}}}
"
    )
}

struct Setting {
    gateway: Gateway,
    provider: Provider,
}

fn setting(section: &str, more: &str) -> Setting {
    let provider = Provider::start();
    let config = format!("{}{}{more}", routes(section, &provider), callers());
    let gateway = Launch::new(BINARY).config(config).variable("LOCKGATE_LOG", "debug").start();
    Setting { gateway, provider }
}

fn chat() -> Value {
    json!({"messages": [{"role": "user", "content": "Hallo"}]})
}

fn chat_of(route: &str) -> Value {
    json!({"model": route, "messages": [{"role": "user", "content": "Hallo"}]})
}

fn bearer<'a>(ask: Ask<'a>, key: &str) -> Ask<'a> {
    ask.header("authorization", &format!("Bearer {key}"))
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

impl Setting {
    fn get(&self, path: &str, key: &str) -> Answer {
        bearer(self.gateway.get(path), key).send()
    }

    fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        bearer(self.gateway.post(path, body), key).send()
    }
}

#[test]
fn a_key_opens_from_every_place_where_an_sdk_puts_it() {
    let Setting { gateway, provider: _provider } = setting("endpoints", "");
    let basic = format!("Basic {}", base64(&format!("someone:{ALICE}")));
    let bearer = format!("Bearer {ALICE}");
    for (name, value) in [
        ("authorization", bearer.as_str()),
        ("authorization", &bearer.replace("Bearer", "bearer")),
        ("authorization", &basic),
        ("x-api-key", ALICE),
        ("api-key", ALICE),
        ("x-goog-api-key", ALICE),
        ("x-lockgate-key", ALICE),
    ] {
        let answer = gateway.post("/endpoints/private/invocations", &chat()).header(name, value).send();
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let answer = gateway.post("/v1/chat/completions", &chat_of("private")).header(name, value).send();
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
    let path = format!("/v1/chat/completions?key={}", ALICE.replace('-', "%2D"));
    assert_eq!(gateway.post(&path, &chat_of("private")).send().status, 200);
    let twice = gateway.post("/v1/chat/completions", &chat_of("private"));
    let twice = twice.header("x-api-key", ALICE).header("authorization", &bearer).send();
    assert_eq!(twice.status, 200, "the same key in two places is one key: {}", twice.text());
}

#[test]
fn who_called_stands_in_the_log() {
    let setting = setting("endpoints", "");
    let ask = setting.gateway.post("/v1/chat/completions", &chat_of("team-chat"));
    bearer(ask, TEAM).header("x-request-id", "theirs").send();
    assert_eq!(setting.gateway.accessed("theirs")[0]["caller"], "team");
}

#[test]
fn a_key_that_does_not_open_is_refused_in_the_clients_own_dialect() {
    let setting = setting("endpoints", "");
    let no_key = "A key is missing";
    for (key, text) in [("", no_key), (OLD, "The key has expired"), ("lg-wrong", "The key is not valid")] {
        let mlflow = setting.post("/endpoints/private/invocations", key, &chat());
        assert_eq!(mlflow.status, 401, "{}", mlflow.text());
        assert!(
            mlflow.json()["detail"].as_str().is_some_and(|detail| detail.contains(text)),
            "{}",
            mlflow.text()
        );
        let openai = setting.post("/v1/chat/completions", key, &chat_of("private"));
        assert_eq!(openai.status, 401, "{}", openai.text());
        let error = &openai.json()["error"];
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("authentication_error"), &json!("invalid_api_key"))
        );
        assert!(error["message"].as_str().is_some_and(|message| message.contains(text)), "{error}");
        for answer in [mlflow, openai] {
            let challenges = answer.head();
            assert!(challenges.contains("www-authenticate: Basic"), "a browser asks for it: {challenges}");
            assert!(challenges.contains("www-authenticate: Bearer"), "{challenges}");
        }
    }
    assert_eq!(setting.provider.counts().calls, 0);
}

#[test]
fn two_different_keys_are_none() {
    let Setting { gateway, provider } = setting("endpoints", "");
    let ask = || gateway.post("/v1/chat/completions", &chat_of("private"));
    for twice in [
        ask().header("authorization", &format!("Bearer {ALICE}")).header("x-api-key", TEAM),
        ask().header("x-api-key", ALICE).header("x-api-key", TEAM),
        ask().header("x-lockgate-key", ALICE).header("x-lockgate-key", "lg-other"),
        ask().header("authorization", &format!("Bearer {ALICE}")).header("authorization", "Bearer lg-other"),
        bearer(gateway.post("/v1/chat/completions?key=lg-other", &chat_of("private")), ALICE),
    ] {
        let answer = twice.send();
        assert_eq!(answer.status, 401);
        assert!(answer.text().contains("Two different keys were sent"), "{}", answer.text());
    }
    assert_eq!(provider.counts().calls, 0);
}

#[test]
fn a_route_that_a_caller_may_not_call_does_not_exist_for_it() {
    for section in ["routes", "endpoints"] {
        let setting = setting(section, "");
        for path in [
            "/gateway/NAME/invocations",
            "/endpoints/NAME/invocations",
            "/gateway/NAME/invocations/",
            "/api/2.0/gateway/routes/NAME",
            "/api/2.0/endpoints/NAME",
            "/api/3.0/gateway/endpoint/NAME",
            "/api/3.0/gateway/route/NAME",
            "/v1/models/NAME",
        ] {
            for method in ["GET", "POST"] {
                let told = |name: &str| {
                    let ask = setting.gateway.client.ask(method, &path.replace("NAME", name)).json(&chat());
                    let answer = bearer(ask, TEAM).header("x-request-id", "same").send();
                    (answer.status, answer.head().replace(name, "NAME"), answer.text().replace(name, "NAME"))
                };
                let (private, nothing) = (told("private"), told("nothing"));
                assert_eq!(private.2, nothing.2, "{method} {path}");
                assert_eq!(private.0, nothing.0, "{method} {path}");
                assert!(private.0 >= 400, "{method} {path}: {private:?}");
            }
        }
        for path in ["/v1/chat/completions", "/v1/embeddings", "/v1/completions"] {
            let told = |name: &str| {
                let answer = bearer(setting.gateway.post(path, &chat_of(name)), TEAM);
                let answer = answer.header("x-request-id", "same").send();
                (answer.status, answer.text().replace(name, "NAME"))
            };
            assert_eq!(told("private"), told("nothing"), "{path}");
            assert_eq!(told("private").0, 404);
        }
        assert_eq!(setting.provider.counts().calls, 0);
        let own = setting.post("/v1/chat/completions", TEAM, &chat_of("team-chat"));
        assert_eq!(own.status, 200, "{}", own.text());
    }
}

#[test]
fn lists_and_the_description_show_a_caller_its_own_routes() {
    for (section, list, path) in
        [("routes", "routes", "/api/2.0/gateway/routes/"), ("endpoints", "endpoints", "/api/2.0/endpoints/")]
    {
        let setting = setting(section, "");
        let named = |key: &str, path: &str, list: &str, field: &str| -> Vec<String> {
            let body = setting.get(path, key).json();
            let names = body[list].as_array().unwrap_or_else(|| panic!("{path}: {body}")).iter();
            names.map(|item| item[field].as_str().unwrap_or_default().to_owned()).collect()
        };
        let all = ["private", "team-chat", "team-embeddings"];
        assert_eq!(named(TEAM, path, list, "name"), all[1..]);
        assert_eq!(named(ALICE, path, list, "name"), all);
        assert_eq!(named(TEAM, "/v1/models", "data", "id"), all[1..]);
        assert_eq!(named(ALICE, "/v1/models", "data", "id"), all);
        let described = setting.get("/openapi.json", TEAM).text();
        assert!(described.contains("team-chat") && !described.contains("private"), "{described}");
        assert!(setting.get("/openapi.json", ALICE).text().contains("private"));
        assert!(
            !setting.get("/openapi.json", TEAM).text().contains("private"),
            "nothing is kept for another"
        );
    }
}

#[test]
fn without_a_key_only_probes_answer() {
    let Setting { gateway, provider: _provider } = setting("endpoints", "");
    for path in ["/health", "/ready", "/%68ealth"] {
        assert_eq!(gateway.get(path).send().status, 200, "{path}");
    }
    for path in [
        "/",
        "/docs",
        "/docs/start.js",
        "/redoc",
        "/openapi.json",
        "/favicon.ico",
        "/v1/models",
        "/v1/models/private",
        "/api/2.0/endpoints/",
        "/api/2.0/endpoints/private",
        "/api/2.0/gateway/routes/",
        "/api/2.0/gateway/limits/private",
        "/api/3.0/gateway/route/private",
        "/metrics",
        "/status",
        "/status?format=json",
        "/nowhere",
        "/health/",
        "/endpoints/private/invocations",
    ] {
        let answer = gateway.get(path).send();
        assert_eq!(answer.status, 401, "{path}: {}", answer.text());
        assert!(!answer.text().contains("private"), "{path}: {}", answer.text());
    }
}

#[test]
fn operators_pages_open_to_an_admins_key_and_not_to_a_callers() {
    let setting = setting("endpoints", &format!("admin: {{key: {}}}\n", hash(ADMIN)));
    for path in ["/metrics", "/status", "/status?format=json"] {
        assert_eq!(setting.get(path, ADMIN).status, 200, "{path}");
        let refused = setting.get(path, ALICE);
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.json()["detail"].as_str().is_some_and(|text| text.contains("admin")));
        assert_eq!(setting.get(path, "lg-wrong").status, 401, "{path}");
    }
    assert!(setting.get("/v1/models", ADMIN).text().contains("private"));
}

#[test]
fn an_admins_key_alone_closes_operators_pages_and_nothing_else() {
    let provider = Provider::start();
    let config = format!("{}admin: {{key: {}}}\n", routes("endpoints", &provider), hash(ADMIN));
    let gateway = Gateway::start(BINARY, Some(&config));
    assert_eq!(gateway.get("/metrics").send().status, 401);
    assert_eq!(gateway.get("/v1/models").send().status, 200);
    assert_eq!(gateway.post("/v1/chat/completions", &chat_of("private")).send().status, 200);
}

#[test]
fn operators_own_address_serves_their_pages_and_nothing_else() {
    let setting = setting("endpoints", "admin: {listen: \"127.0.0.1:0\"}\n");
    let told = setting.gateway.log.wait("the operators' address", |record| {
        record["message"].as_str().is_some_and(|text| text.starts_with("operators' pages are on"))
    });
    let address: SocketAddr =
        told["address"].as_str().and_then(|text| text.parse().ok()).expect("an address");
    let operators = lockgate_testkit::Client::new(address);
    for path in ["/health", "/ready", "/metrics", "/status", "/status?format=json"] {
        assert_eq!(operators.get(path).send().status, 200, "{path}");
        assert!(
            path.contains("health") || path == "/ready" || setting.get(path, ALICE).status == 403,
            "{path}"
        );
    }
    for path in ["/v1/models", "/docs", "/openapi.json", "/api/2.0/endpoints/", "/", "/status/"] {
        assert_eq!(bearer(operators.get(path), ALICE).send().status, 404, "{path}");
    }
    let call = operators.post("/v1/chat/completions").json(&chat_of("private"));
    assert_eq!(bearer(call, ALICE).send().status, 404);
    assert_eq!(setting.provider.counts().calls, 0);
}

#[test]
fn a_start_warns_of_what_others_reach_without_a_key() {
    let provider = Provider::start();
    let warnings = |more: &str| {
        let launch = Launch::new(BINARY).config(format!("{}{more}", routes("endpoints", &provider)));
        let gateway = launch.argument("--host").argument("0.0.0.0").start();
        let beyond = |record: &Value| {
            let message = record["message"].as_str().unwrap_or_default();
            record["level"] == "WARN" && message.contains("beyond this machine")
        };
        gateway.log.records(beyond).len()
    };
    assert_eq!(warnings(""), 1);
    assert_eq!(warnings(&callers()), 0);
    assert_eq!(warnings(&format!("{}admin: {{listen: \"0.0.0.0:0\"}}\n", callers())), 1);
}

#[test]
fn a_new_key_works_beside_the_old_one_and_then_alone() {
    let provider = Provider::start();
    let config = |keys: &[&str]| {
        let keys: Vec<_> = keys.iter().map(|key| hash(key)).collect();
        format!("{}callers: [{{name: a, keys: [{}]}}]\n", routes("endpoints", &provider), keys.join(", "))
    };
    let gateway = Gateway::start(BINARY, Some(&config(&["one"])));
    let opens = |key: &str| bearer(gateway.get("/v1/models"), key).send().status == 200;
    assert!(opens("one") && !opens("two"));
    gateway.files.rename(&config(&["one", "two"]));
    until("the new key opens", || opens("two").then_some(()));
    assert!(opens("one"));
    gateway.files.rename(&config(&["two"]));
    until("the old key no longer opens", || (!opens("one")).then_some(()));
    assert!(opens("two"));
}

#[test]
fn a_callers_key_never_reaches_a_provider() {
    let Setting { gateway, provider } = setting("endpoints", "");
    let basic = format!("Basic {}", base64(&format!("someone:{ALICE}")));
    for (name, value) in [
        ("authorization", format!("Bearer {ALICE}")),
        ("authorization", basic),
        ("x-api-key", ALICE.to_owned()),
        ("api-key", ALICE.to_owned()),
        ("x-goog-api-key", ALICE.to_owned()),
        ("x-lockgate-key", ALICE.to_owned()),
    ] {
        let ask = gateway.post("/v1/chat/completions", &chat_of("private")).header(name, &value);
        assert_eq!(ask.header("cookie", ALICE).send().status, 200, "{name}");
    }
    gateway.post(&format!("/v1/chat/completions?key={ALICE}"), &chat_of("private")).send();
    assert_eq!(provider.counts().calls, 7);
    for call in provider.recorded() {
        assert_eq!(call.header("authorization"), Some("Bearer sk-configured"));
        let text = call.text();
        assert!(!text.contains(ALICE) && !text.contains(&base64(ALICE)[..12]), "{text}");
    }
}

/// A gateway with callers whose routes pass the callers' own credentials on.
fn bringing() -> Setting {
    let provider = Provider::start();
    let base = provider.url();
    let config = format!(
        "endpoints:
  - name: bearer
    endpoint_type: llm/v1/chat
    credentials: caller
    model: {{provider: openai, name: gpt-4, config: {{openai_api_base: \"{base}/v1\"}}}}
  - name: plain
    endpoint_type: llm/v1/chat
    credentials: caller
    model: {{provider: anthropic, name: claude-3, config: {{anthropic_api_base: \"{base}/v1\"}}}}
{}",
        callers()
    );
    let gateway = Launch::new(BINARY).config(config).variable("LOCKGATE_LOG", "trace").start();
    Setting { gateway, provider }
}

#[test]
fn a_route_may_pass_on_the_callers_own_credential_and_nothing_else_of_it() {
    let Setting { gateway, provider } = bringing();
    let ask = |route: &str| {
        let ask = gateway.post("/v1/chat/completions", &chat_of(route)).header("x-lockgate-key", ALICE);
        ask.header("authorization", "Bearer sk-own-bearer").header("x-api-key", "sk-own-plain")
    };
    assert_eq!(ask("bearer").send().status, 200);
    assert_eq!(provider.last().header("authorization"), Some("Bearer sk-own-bearer"));
    assert_eq!(provider.last().header("x-api-key"), None);
    assert_eq!(ask("plain").send().status, 200);
    assert_eq!(provider.last().header("x-api-key"), Some("sk-own-plain"));
    assert_eq!(provider.last().header("authorization"), None);
    for call in provider.recorded() {
        assert!(!call.text().contains(ALICE), "{}", call.text());
    }
}

#[test]
fn the_gateways_key_is_not_taken_for_the_callers_own() {
    let Setting { gateway, provider } = bringing();
    let ask = || gateway.post("/v1/chat/completions", &chat_of("bearer"));
    let refused = |ask: Ask<'_>, text: &str| {
        let answer = ask.send();
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert!(answer.text().contains(text), "{}", answer.text());
    };
    refused(bearer(ask(), ALICE), "send the gateway's key as 'x-lockgate-key'");
    // Not another caller's either.
    refused(bearer(ask(), TEAM).header("x-lockgate-key", ALICE), "holds a key of this gateway");
    refused(ask().header("x-lockgate-key", ALICE), "send the provider's key in the header 'authorization'");
    let twice = bearer(bearer(ask(), "sk-one"), "sk-two").header("x-lockgate-key", ALICE);
    refused(twice, "stands in the request twice");
    assert_eq!(provider.counts().calls, 0);
}

#[test]
fn a_callers_own_credential_that_the_provider_repeats_is_told_to_nobody() {
    let Setting { gateway, provider } = bringing();
    provider.script(|request| {
        let said = request.header("authorization").or(request.header("x-api-key")).unwrap_or_default();
        let body = json!({"error": {"message": format!("{said} is no good"), "type": said, "code": said}});
        lockgate_testkit::said(401, "application/json", body.to_string())
    });
    for (route, path) in [
        ("bearer", "/v1/chat/completions"),
        ("plain", "/v1/chat/completions"),
        ("bearer", "/endpoints/bearer/invocations"),
        ("plain", "/endpoints/plain/invocations"),
    ] {
        let body = if path.starts_with("/v1") { chat_of(route) } else { chat() };
        let ask = gateway.post(path, &body).header("x-lockgate-key", ALICE);
        let answer =
            ask.header("authorization", "Bearer kanarie-one").header("x-api-key", "kanarie-two").send();
        assert_eq!(answer.status, 401, "the caller must act: {}", answer.text());
        assert!(!answer.text().contains("kanarie"), "{}", answer.text());
    }
    assert!(!gateway.log.text().contains("kanarie"));
}
