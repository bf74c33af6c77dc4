//! Routes that an admin makes while the gateway runs: how they are made, kept and told, and what they may not do.

mod changes;
mod doors;
mod guard;
mod kept;

use lockgate_config::KeyHash;
use lockgate_testkit::{Answer, Ask, Client, Gateway, Launch, until};
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");
const ADMIN: &str = "lg-admin-0123456789";
const ALICE: &str = "lg-alice-0123456789";
const ROUTES: &str = "/api/2.0/gateway/routes/";
const ENDPOINTS: &str = "/api/2.0/endpoints/";

fn hash(key: &str) -> String {
    KeyHash::of(key.as_bytes()).to_string()
}

/// A config with one route, `filed`, and an admin's key; `more` stands at its end.
fn config(more: &str) -> String {
    format!(
        "endpoints:\n  - name: filed\n    endpoint_type: llm/v1/chat\n    model: {{provider: demo, name: demo}}\n\
         admin: {{key: {}}}\n{more}",
        hash(ADMIN)
    )
}

/// The same where run-time routes may ask this machine, as the providers of these tests are here.
fn open_config(more: &str) -> String {
    config(more).replace("admin: {", "admin: {allow_private_addresses: true, ")
}

/// A place for routes that outlives the gateways that keep them there.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    fn state(&self) -> PathBuf {
        self.0.path().join("state")
    }

    fn file(&self) -> PathBuf {
        self.state().join("routes.yaml")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).expect("the state file")
    }

    fn damage(&self, text: &str) {
        std::fs::create_dir_all(self.state()).expect("a directory");
        std::fs::write(self.file(), text).expect("the state file");
    }

    fn launch(&self, config: &str) -> Launch {
        let launch = Launch::new(BINARY).config(config).variable("LOCKGATE_LOG", "debug");
        launch.argument("--state-dir").argument(&self.state().display().to_string())
    }

    fn start(&self, config: &str) -> Gateway {
        self.launch(config).start()
    }
}

/// A gateway with the config above, and the place where it keeps its routes.
fn setting() -> (Gateway, Place) {
    let place = Place::new();
    (place.start(&open_config("")), place)
}

fn with_key<'a>(ask: Ask<'a>, key: &str) -> Ask<'a> {
    ask.header("authorization", &format!("Bearer {key}"))
}

/// What an admin is told.
fn admin(client: &Client, method: &str, path: &str, body: &Value) -> Answer {
    with_key(client.ask(method, path), ADMIN).json(body).send()
}

/// The same, as status and the text of its `detail`.
fn told(client: &Client, method: &str, path: &str, body: &Value) -> (u16, String) {
    let answer = admin(client, method, path, body);
    let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
    (answer.status, detail)
}

#[track_caller]
fn make(gateway: &Gateway, body: &Value) {
    let answer = admin(&gateway.client, "POST", ROUTES, body);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// A route that the demo provider answers.
fn demo(name: &str) -> Value {
    json!({"name": name, "route_type": "llm/v1/chat", "model": {"provider": "demo", "name": "demo"}})
}

/// A route to OpenAI with this `config`.
fn openai(name: &str, config: &Value) -> Value {
    json!({"name": name, "route_type": "llm/v1/chat", "model": {"provider": "openai", "name": "gpt-4", "config": config}})
}

fn call(gateway: &Gateway, name: &str) -> Answer {
    let body = json!({"messages": [{"role": "user", "content": "Hallo"}]});
    with_key(gateway.post(&format!("/gateway/{name}/invocations"), &body), ALICE).send()
}

fn status(gateway: &Gateway) -> Value {
    with_key(gateway.get("/status?format=json"), ADMIN).send().json()
}

/// Puts a new config in place and waits until it serves. Changes of routes log a new config, too, so the log cannot tell.
fn reload(gateway: &Gateway, config: &str) {
    let hash = || status(gateway)["config_hash"].clone();
    let before = hash();
    gateway.files.rename(config);
    until("a new config serves", || (hash() != before).then_some(()));
}

/// The names of the routes that serve and were made at run time.
fn made(gateway: &Gateway) -> Vec<String> {
    let status = status(gateway);
    let routes = status["routes"].as_array().expect("a list").iter();
    let made = routes.filter(|route| route["origin"] == "run time");
    made.map(|route| route["name"].as_str().expect("a name").to_owned()).collect()
}
