//! Where providers' keys come from while the gateway runs: each change reaches the provider, no trouble reaches callers,
//! and no key reaches anybody else.

use lockgate_testkit::{Answer, Gateway, Launch, Provider, Recorded, Said, Signal, said, until};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_lockgate");
const AWAY: &str = "a credential's source is away; its last good value is used";
const BACK: &str = "a credential's source is no longer away";
const REFUSED: &str = "the provider refuses a key; it is set aside";

/// A config with one route `chat` to OpenAI at `url` with this key.
fn config(url: &str, key: &str) -> String {
    format!(
        "routes:\n  - name: chat\n    route_type: llm/v1/chat\n    model:\n      provider: openai\n      name: gpt-4\n      \
         config:\n        openai_api_key: {key}\n        openai_api_base: {url}/v1\n"
    )
}

fn call(gateway: &Gateway) -> Answer {
    let body = json!({"messages": [{"role": "user", "content": "Hallo"}]});
    gateway.post("/gateway/chat/invocations", &body).send()
}

/// The key that the provider is sent.
fn key(gateway: &Gateway, provider: &Provider) -> String {
    let answer = call(gateway);
    assert_eq!(answer.status, 200, "{}", answer.text());
    bearer(&provider.last())
}

fn bearer(request: &Recorded) -> String {
    let header = request.header("authorization").expect("a key");
    header.strip_prefix("Bearer ").expect("a bearer key").to_owned()
}

fn told(gateway: &Gateway, message: &str) -> Vec<Value> {
    gateway.log.records(|record| record["message"] == message)
}

fn status(gateway: &Gateway) -> Value {
    gateway.get("/status?format=json").send().json()
}

fn stale(gateway: &Gateway) -> Option<f64> {
    gateway.metrics().value("lockgate_credentials_stale")
}

/// A directory that nobody watches, with a token in it.
struct Vault(TempDir);

impl Vault {
    fn with(token: &str) -> Self {
        let vault = Self(TempDir::new().expect("a directory"));
        vault.put(token);
        vault
    }

    fn token(&self) -> PathBuf {
        self.0.path().join("token")
    }

    fn put(&self, token: &str) {
        let new = self.0.path().join("new");
        std::fs::write(&new, format!("{token}\n")).expect("a file");
        std::fs::rename(new, self.token()).expect("a rename");
    }

    fn remove(&self) {
        std::fs::remove_file(self.token()).expect("it was there");
    }

    /// The form of a key that prints the token.
    fn command(&self, ttl: &str) -> String {
        format!("{{command: [/bin/cat, {}], ttl: {ttl}}}", self.token().display())
    }
}

/// Runs `lockgate secrets` in `folder`: exit status, stdout and stderr.
fn secrets(folder: &Path, words: &[&str], key_file: &str, stdin: &str) -> (i32, String, String) {
    let mut command = Command::new(BINARY);
    command.arg("secrets").args(words).current_dir(folder).env_clear();
    if !key_file.is_empty() {
        command.env("LOCKGATE_SECRETS_KEY_FILE", key_file);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the built command starts");
    // One that refuses its arguments does not read.
    _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().expect("no signal ended it"), text(stdout), text(stderr))
}

fn key_file(folder: &Path, name: &str) {
    let bytes: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
    std::fs::write(folder.join(name), bytes).expect("a file");
}

/// A provider's answer in OpenAI's words.
fn completion() -> Said {
    let message = json!({"role": "assistant", "content": "Guten Tag"});
    let body = json!({
        "id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    });
    said(200, "application/json", body.to_string())
}

fn refusal(key: &str) -> Said {
    let error = json!({"error": {"message": format!("Incorrect API key provided: {key}"), "code": "invalid_api_key"}});
    said(401, "application/json", error.to_string())
}

#[test]
fn a_commands_new_output_reaches_the_provider_when_the_old_one_is_over_and_no_call_fails() {
    let (provider, vault) = (Provider::start(), Vault::with("token-1"));
    let gateway = Gateway::start(BINARY, Some(&config(&provider.url(), &vault.command("1s"))));
    assert_eq!(key(&gateway, &provider), "token-1");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let calls = scope.spawn(|| {
            let mut statuses = Vec::new();
            while !over.load(Ordering::Relaxed) {
                statuses.push(call(&gateway).status);
            }
            statuses
        });
        for token in ["token-2", "token-3"] {
            gateway.reloads(|_| vault.put(token));
        }
        over.store(true, Ordering::Relaxed);
        let statuses = calls.join().expect("no call panics");
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    });
    assert_eq!(key(&gateway, &provider), "token-3");
    assert_eq!(gateway.generation(), 3, "an output that did not change is no new config");
}

#[test]
fn a_hangup_signal_runs_commands_again() {
    let (provider, vault) = (Provider::start(), Vault::with("token-1"));
    let gateway = Gateway::start(BINARY, Some(&config(&provider.url(), &vault.command("1h"))));
    assert_eq!(key(&gateway, &provider), "token-1");
    gateway.reloads(|_| {
        vault.put("token-2");
        gateway.signal(Signal::SIGHUP);
    });
    assert_eq!(key(&gateway, &provider), "token-2");
}

#[test]
fn a_command_that_fails_leaves_the_last_good_key_in_place_and_is_told_until_it_works_again() {
    let (provider, vault) = (Provider::start(), Vault::with("token-1"));
    let gateway = Gateway::start(BINARY, Some(&config(&provider.url(), &vault.command("1s"))));
    assert_eq!((stale(&gateway), status(&gateway)["credentials_stale"].clone()), (Some(0.0), json!([])));
    vault.remove();
    let record = gateway.log.wait("that the source is away", |record| record["message"] == AWAY);
    assert_eq!(record["source"], "the command 'cat'");
    until("the metric tells it", || (stale(&gateway) == Some(1.0)).then_some(()));
    assert_eq!(key(&gateway, &provider), "token-1");
    assert_eq!(status(&gateway)["credentials_stale"][0]["source"], "the command 'cat'");
    assert!(gateway.get("/status").send().text().contains("the command &#39;cat&#39;"));
    gateway.reloads(|_| vault.put("token-2"));
    gateway.log.wait("that the source is back", |record| record["message"] == BACK);
    assert_eq!(key(&gateway, &provider), "token-2");
    assert_eq!((stale(&gateway), status(&gateway)["credentials_stale"].clone()), (Some(0.0), json!([])));
    assert_eq!(told(&gateway, AWAY).len(), 1, "each absence is told once");
}

#[test]
fn a_command_that_hangs_keeps_neither_calls_nor_the_end_of_the_process() {
    let (provider, vault) = (Provider::start(), Vault::with("token-1"));
    let mark = vault.0.path().join("hangs");
    // Hangs longer than anything is waited for here, from the second time on.
    let script = format!(
        "test ! -e {0} || {{ touch {1}; exec sleep 60; }}; touch {0}; echo token-1",
        vault.0.path().join("ran").display(),
        mark.display()
    );
    let form = format!("{{command: [/bin/sh, -c, '{script}'], ttl: 1s, timeout: 60s}}");
    let mut gateway = Gateway::start(BINARY, Some(&config(&provider.url(), &form)));
    until("the command hangs", || mark.exists().then_some(()));
    assert_eq!(key(&gateway, &provider), "token-1");
    gateway.signal(Signal::SIGTERM);
    assert!(gateway.ended().success());
}

#[test]
fn a_command_sees_the_environment_but_for_the_stores_passphrase() {
    let provider = Provider::start();
    let form =
        "{command: [/bin/sh, -c, 'echo $OWN-$LOCKGATE_SECRETS_PASSPHRASE-$LOCKGATE_SECRETS_NEW_PASSPHRASE']}";
    let launch = Launch::new(BINARY).config(config(&provider.url(), form)).variable("OWN", "own");
    let launch = launch.variable("LOCKGATE_SECRETS_PASSPHRASE", "correct horse battery");
    let gateway = launch.variable("LOCKGATE_SECRETS_NEW_PASSPHRASE", "another horse battery").start();
    assert_eq!(key(&gateway, &provider), "own--");
}

#[test]
fn a_key_file_that_is_gone_leaves_the_last_good_key_in_place() {
    let provider = Provider::start();
    let text = config(&provider.url(), "{file: \"@dir@/key\"}");
    let gateway = Launch::new(BINARY).config(text).file("key", "key-1\n").start();
    std::fs::remove_file(gateway.files.path("key")).expect("it was there");
    let record = gateway.log.wait("that the source is away", |record| record["message"] == AWAY);
    assert!(record["source"].as_str().is_some_and(|source| source.starts_with("the file '")), "{record}");
    assert_eq!((key(&gateway, &provider), gateway.generation()), ("key-1".to_owned(), 1));
    gateway.reloads(|files| files.replace("key", "key-2\n"));
    assert_eq!(key(&gateway, &provider), "key-2");
}

#[test]
fn a_command_without_any_good_output_is_a_mistake_in_the_config() {
    let folder = TempDir::new().expect("a directory");
    let path = folder.path().join("config.yaml");
    let script = "echo canary-stdout; echo error: token canary-7f3a expired >&2; exit 3";
    std::fs::write(&path, config("http://h", &format!("{{command: [sh, -c, '{script}']}}"))).expect("a file");
    let Output { status, stderr, .. } =
        Command::new(BINARY).arg("check").arg(&path).output().expect("the built command starts");
    let said = String::from_utf8(stderr).expect("UTF-8");
    assert_eq!(status.code(), Some(2));
    let message = "The command 'sh' gave no credential: exit status: 3 (error: token … expired)";
    assert!(said.contains(message) && !said.contains("canary"), "{said}");
}

#[test]
fn a_call_whose_key_is_refused_goes_on_with_the_next_one_and_the_key_rests() {
    let provider = Provider::start();
    provider.script(|request| match bearer(request).as_str() {
        "canary-bad" => refusal("canary-bad"),
        _ => completion(),
    });
    let keys = "[{env: BAD}, {env: GOOD}, {env: BEST}]";
    let launch = Launch::new(BINARY).config(config(&provider.url(), keys));
    let launch = launch.variable("BAD", "canary-bad").variable("GOOD", "canary-good");
    let gateway = launch.variable("BEST", "canary-best").start();
    for _ in 0..6 {
        assert_eq!(call(&gateway).status, 200);
    }
    let sent: Vec<_> = provider.recorded().iter().map(bearer).collect();
    let count = |key: &str| sent.iter().filter(|sent| *sent == key).count();
    assert_eq!((count("canary-bad"), sent.len()), (1, 7), "{sent:?}");
    assert!(count("canary-good") >= 2 && count("canary-best") >= 2, "{sent:?}");
    let accessed = || gateway.log.records(|record| record["target"] == "access").len();
    until("all calls are logged", || (accessed() == 6).then_some(()));
    let told = told(&gateway, REFUSED);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["route"], &told[0]["key"]), (&json!("chat"), &json!(1)), "{told:?}");
    assert!(!gateway.log.text().contains("canary"), "{}", gateway.log.text());
}

#[test]
fn when_every_key_is_refused_the_caller_hears_it_without_any_key() {
    let provider = Provider::start();
    provider.script(|request| refusal(&bearer(request)));
    let launch = Launch::new(BINARY).config(config(&provider.url(), "[{env: A}, {env: B}]"));
    let gateway = launch.variable("A", "canary-a").variable("B", "canary-b").start();
    for expected in [2, 3, 4] {
        let answer = call(&gateway);
        assert_ne!(answer.status, 200);
        assert!(!answer.text().contains("canary"), "{}", answer.text());
        // The first call tries both, and those after it the one that was refused first.
        assert_eq!(provider.counts().calls, expected);
    }
    provider.script(|_| completion());
    assert_eq!(call(&gateway).status, 200, "keys that work again are found without waiting");
    assert!(!gateway.log.text().contains("canary"), "{}", gateway.log.text());
}

#[test]
fn a_secret_of_the_store_reaches_the_provider_and_so_does_its_change() {
    let (provider, folder) = (Provider::start(), TempDir::new().expect("a directory"));
    let at = folder.path();
    key_file(at, "key");
    let (code, stdout, stderr) = secrets(at, &["set", "openai"], "key", "sk-canary-1\n");
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "'openai' is set in secrets.json\n", ""));
    let file = |name: &str| at.join(name).display().to_string();
    let launch = Launch::new(BINARY).config(config(&provider.url(), "{secret: openai}"));
    let launch = launch.variable("LOCKGATE_SECRETS_FILE", &file("secrets.json"));
    let gateway = launch.variable("LOCKGATE_SECRETS_KEY_FILE", &file("key")).start();
    assert_eq!(key(&gateway, &provider), "sk-canary-1");
    gateway.reloads(|_| assert_eq!(secrets(at, &["set", "openai"], "key", "sk-canary-2").0, 0));
    assert_eq!(key(&gateway, &provider), "sk-canary-2");
    // Closed with a key that the gateway does not have, the store is away.
    key_file(at, "new");
    let (code, _, stderr) = secrets(at, &["rotate", "--new-key-file", "new"], "key", "");
    assert_eq!((code, stderr.as_str()), (0, ""));
    let record = gateway.log.wait("that the store is away", |record| record["message"] == AWAY);
    assert_eq!(record["source"], "the secret 'openai'");
    assert_eq!(record["reason"], "wrong key file: the store does not open");
    assert_eq!(key(&gateway, &provider), "sk-canary-2");
    std::fs::rename(at.join("new"), at.join("key")).expect("a rename");
    gateway.log.wait("that the store is back", |record| record["message"] == BACK);
    // What is taken out on purpose is missed.
    let why = gateway.refuses(|_| assert_eq!(secrets(at, &["rm", "openai"], "", "").0, 0));
    assert!(why.contains("The store has no secret 'openai'"), "{why}");
    assert_eq!(key(&gateway, &provider), "sk-canary-2");
    assert!(!gateway.log.text().contains("canary"), "{}", gateway.log.text());
}

#[test]
fn the_store_is_told_of_by_names_and_dates_alone() {
    let folder = TempDir::new().expect("a directory");
    let at = folder.path();
    key_file(at, "key");
    for (name, value) in [("openai", "canary-1\n"), ("a.long-name_2", "canary-2")] {
        let (code, stdout, stderr) = secrets(at, &["set", name, "--store", "own.json"], "key", value);
        assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
        assert!(!stdout.contains("canary"), "{stdout}");
    }
    let (code, stdout, _) = secrets(at, &["list", "--store", "own.json"], "", "");
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!((code, lines.len()), (0, 3), "{stdout}");
    assert!(lines[0].starts_with("NAME") && lines[1].starts_with("a.long-name_2"), "{stdout}");
    assert!(
        lines[2].starts_with("openai") && lines[2].ends_with("GMT") && !stdout.contains("canary"),
        "{stdout}"
    );
    let file = std::fs::read_to_string(at.join("own.json")).expect("the store");
    assert!(!file.contains("canary"), "{file}");
}

#[test]
fn the_store_says_what_is_wrong_and_never_a_value() {
    let folder = TempDir::new().expect("a directory");
    let at = folder.path();
    key_file(at, "key");
    key_file(at, "other");
    std::fs::write(at.join("bad"), "hunter2").expect("a file");
    assert_eq!(secrets(at, &["set", "openai"], "key", "canary").0, 0);
    for (words, key_file, stdin, message) in [
        (&["set", "openai"][..], "other", "canary", "wrong key file: the store does not open"),
        (&["set", "openai"], "bad", "canary", "does not hold 32 random bytes"),
        (&["set", "openai"], "nowhere", "canary", "nowhere cannot be read"),
        (
            &["set", "openai"],
            "",
            "canary",
            "the store is opened by a key file: set LOCKGATE_SECRETS_KEY_FILE",
        ),
        (&["set", "openai"], "key", "", "a secret has from 1 byte to 64 KiB"),
        (&["set", "../x"], "key", "canary", "the name of a secret has"),
        (&["set", "openai", "canary"], "key", "", "a value is not taken from the command line"),
        (&["rotate", "--new-key-file", "bad"], "key", "", "does not hold 32 random bytes"),
        (&["rm", "other"], "", "", "there is no secret 'other'"),
        (&["list", "--store", "nowhere.json"], "", "", "there is no secret store at nowhere.json"),
    ] {
        let (code, stdout, stderr) = secrets(at, words, key_file, stdin);
        assert_eq!((code, stdout.as_str()), (1, ""), "{words:?} {stderr}");
        assert!(stderr.contains(message) && !stderr.contains("canary"), "{words:?} {stderr}");
    }
    let rotated = secrets(at, &["rotate", "--new-key-file", "other"], "key", "");
    assert_eq!((rotated.0, rotated.2.as_str()), (0, ""));
    assert_eq!(secrets(at, &["set", "openai"], "key", "canary").0, 1, "the old key opens nothing any more");
    assert_eq!(secrets(at, &["set", "openai"], "other", "canary").0, 0);
}

#[test]
fn a_passphrase_opens_a_store_and_a_wrong_one_does_not() {
    let folder = TempDir::new().expect("a directory");
    let run = |words: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(BINARY);
        command.arg("secrets").args(words).current_dir(folder.path()).env_clear();
        command.envs(variables.iter().copied()).stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the built command starts");
        _ = child.stdin.take().expect("a pipe").write_all(b"canary");
        let output = child.wait_with_output().expect("it ends");
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let (old, new, next) =
        ("LOCKGATE_SECRETS_PASSPHRASE", "LOCKGATE_SECRETS_NEW_PASSPHRASE", "another horse battery");
    let first = (old, "correct horse battery");
    let (code, said) = run(&["set", "a"], &[(old, "short")]);
    assert_eq!((code, said.contains("at least 12 characters")), (Some(1), true), "{said}");
    assert_eq!(run(&["set", "a"], &[first]), (Some(0), String::new()));
    let (code, said) = run(&["set", "a"], &[(old, "wrong horse battery")]);
    assert_eq!((code, said.as_str()), (Some(1), "Error: wrong passphrase: the store does not open\n"));
    assert_eq!(run(&["rotate"], &[first, (new, next)]), (Some(0), String::new()));
    assert_eq!(run(&["set", "a"], &[first]).0, Some(1));
    assert_eq!(run(&["set", "a"], &[(old, next)]), (Some(0), String::new()));
}

#[test]
fn no_key_shows_anywhere_whatever_its_source_and_whatever_becomes_of_it() {
    let (provider, folder, vault) =
        (Provider::start(), TempDir::new().expect("a directory"), Vault::with("canary-vault"));
    let at = folder.path();
    key_file(at, "key");
    assert_eq!(secrets(at, &["set", "stored"], "key", "canary-stored").0, 0);
    // It complains with its key in its mouth when it fails.
    let script =
        format!("cat {0} || {{ echo bad token canary-stderr >&2; exit 1; }}", vault.token().display());
    let keys = format!(
        "[{{env: KEY}}, {{file: \"@dir@/file\"}}, {{secret: stored}}, {{command: [/bin/sh, -c, '{script}', canary-argument], \
         ttl: 1s}}]"
    );
    let text = config(&provider.url(), "{credential: all}");
    let launch = Launch::new(BINARY).config(format!("credentials:\n  all: {keys}\n{text}"));
    let launch = launch.file("file", "canary-file\n").variable("KEY", "canary-env");
    let file = |name: &str| at.join(name).display().to_string();
    let launch = launch.variable("LOCKGATE_SECRETS_FILE", &file("secrets.json"));
    let launch = launch.variable("LOCKGATE_LOG", "debug");
    let gateway = launch.variable("LOCKGATE_SECRETS_KEY_FILE", &file("key")).start();
    provider.script(|request| match bearer(request).as_str() {
        key @ ("canary-env" | "canary-file") => refusal(key),
        _ => completion(),
    });
    let mut said = String::new();
    for _ in 0..4 {
        said += &call(&gateway).text();
    }
    let sent: Vec<_> = provider.recorded().iter().map(bearer).collect();
    for key in ["canary-env", "canary-file", "canary-stored", "canary-vault"] {
        assert!(sent.iter().any(|sent| sent == key), "{key} was not used: {sent:?}");
    }
    vault.remove();
    std::fs::remove_file(gateway.files.path("file")).expect("it was there");
    std::fs::write(at.join("secrets.json"), "canary-broken").expect("a file");
    until("all sources are away", || (stale(&gateway) == Some(3.0)).then_some(()));
    let why = gateway.refuses(|files| {
        files.write(&format!("credentials:\n  all: {keys}\n  more: {{secret: canary-name-12345}}\n{text}"));
    });
    for path in
        ["/status", "/status?format=json", "/metrics", "/docs", "/openapi.json", "/v1/models", "/nowhere"]
    {
        said += &gateway.get(path).send().text();
    }
    provider.script(|request| refusal(&bearer(request)));
    for _ in 0..4 {
        said += &call(&gateway).text();
    }
    let cmdline = std::fs::read_to_string(format!("/proc/{}/cmdline", gateway.id())).expect("it runs");
    for (place, text) in
        [("answers", said), ("the log", gateway.log.text()), ("ps", cmdline), ("the refusal", why)]
    {
        assert!(!text.contains("canary"), "{place}: {text}");
    }
}
