//! The built command as a shell sees it: exit status, stdout, stderr.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use tempfile::TempDir;

const GOOD: &str = "\
routes:
  - name: chat
    route_type: llm/v1/chat
    model:
      provider: demo
      name: demo
  - name: completions
    route_type: llm/v1/completions
    model:
      provider: openai
      name: gpt-3.5-turbo
      config:
        openai_api_key: not-a-real-key
";

fn lockgate(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lockgate"));
    command.args(words).stdin(Stdio::null());
    for variable in ["LOCKGATE_CONFIG", "MLFLOW_GATEWAY_CONFIG", "MLFLOW_DEPLOYMENTS_CONFIG", "LOCKGATE_LOG"]
    {
        command.env_remove(variable);
    }
    command
}

/// Exit status, stdout and stderr.
fn ended(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the built command starts");
    let text = |bytes| String::from_utf8(bytes).expect("the command writes UTF-8");
    (status.code().expect("no signal ended it"), text(stdout), text(stderr))
}

fn written(directory: &TempDir, text: &str) -> PathBuf {
    let path = directory.path().join("config.yaml");
    std::fs::write(&path, text).expect("a file in a fresh directory");
    path
}

fn shown(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

#[test]
fn a_good_file_is_called_good_with_its_number_of_routes() {
    let directory = TempDir::new().expect("a directory");
    let path = written(&directory, GOOD);
    let (status, stdout, stderr) = ended(&mut lockgate(&["check", shown(&path)]));
    assert_eq!((status, stderr.as_str()), (0, ""));
    assert_eq!(stdout, format!("{} is good: 2 routes\n", path.display()));
}

#[test]
fn every_mistake_of_a_bad_file_is_reported_at_once() {
    let directory = TempDir::new().expect("a directory");
    let text = GOOD.replace("llm/v1/chat", "llm/v1/chatt").replace("provider: openai", "provider: opennai");
    let (status, stdout, stderr) = ended(&mut lockgate(&["check", shown(&written(&directory, &text))]));
    assert_eq!((status, stdout.as_str()), (2, ""));
    assert!(stderr.contains("llm/v1/chatt") && stderr.contains("opennai"), "{stderr}");
}

#[test]
fn check_refuses_an_unknown_key_that_only_a_strict_start_refuses() {
    let directory = TempDir::new().expect("a directory");
    let path = written(&directory, &format!("{GOOD}colour: blue\n"));
    let (status, _, stderr) = ended(&mut lockgate(&["check", shown(&path)]));
    assert_eq!(status, 2, "{stderr}");
    assert!(stderr.contains("colour"), "{stderr}");
    let (status, _, stderr) = ended(&mut lockgate(&["start", "--strict", "--config-path", shown(&path)]));
    assert_eq!(status, 2, "{stderr}");
    assert!(stderr.contains("colour"), "{stderr}");
}

#[test]
fn a_missing_file_is_refused_in_mlflows_form_by_every_start_command() {
    for words in [&["start"][..], &["gateway", "start"], &["deployments", "start-server"]] {
        let words_written = format!("lockgate {}", words.join(" "));
        let mut command = lockgate(words);
        let (status, stdout, stderr) = ended(command.args(["--config-path", "/nowhere/config.yaml"]));
        assert_eq!((status, stdout.as_str()), (2, ""));
        assert_eq!(
            stderr,
            format!(
                "Usage: {words_written} [OPTIONS]\nTry '{words_written} --help' for help.\n\n\
                 Error: Invalid value for '--config-path': /nowhere/config.yaml does not exist\n"
            )
        );
    }
}

#[test]
fn a_file_named_by_mlflows_variables_is_read_by_mlflows_commands() {
    let refused = |words: &[&str], variable: &str| {
        let (status, _, stderr) = ended(lockgate(words).env(variable, "/nowhere/named.yaml"));
        assert_eq!(status, 2, "{stderr}");
        assert!(stderr.contains("/nowhere/named.yaml does not exist"), "{stderr}");
    };
    refused(&["start"], "LOCKGATE_CONFIG");
    refused(&["gateway", "start"], "MLFLOW_GATEWAY_CONFIG");
    refused(&["deployments", "start-server"], "MLFLOW_DEPLOYMENTS_CONFIG");
}

#[test]
fn what_cannot_be_read_as_text_is_not_a_yaml_file() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("latin1.yaml");
    std::fs::write(&path, b"routes: [] # caf\xe9\n").expect("a file in a fresh directory");
    for path in [path.as_path(), directory.path()] {
        let (status, _, stderr) = ended(&mut lockgate(&["start", "--config-path", shown(path)]));
        assert_eq!(status, 2, "{stderr}");
        let message = format!("The file at {} is not a valid yaml file\n", path.display());
        assert!(stderr.ends_with(&message), "{stderr}");
    }
}

#[test]
fn the_version_is_printed() {
    let (status, stdout, _) = ended(&mut lockgate(&["--version"]));
    assert_eq!((status, stdout), (0, format!("lockgate {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_schema_is_json_that_knows_routes() {
    let (status, stdout, stderr) = ended(&mut lockgate(&["schema"]));
    assert_eq!((status, stderr.as_str()), (0, ""));
    let schema: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert!(schema["properties"]["routes"].is_object(), "{schema}");
}

#[test]
fn help_shows_examples_of_every_way_to_start() {
    let (status, stdout, _) = ended(&mut lockgate(&["--help"]));
    assert_eq!(status, 0);
    assert!(stdout.contains("Examples:\n  lockgate start "), "{stdout}");
    for words in [&["start"][..], &["gateway", "start"], &["deployments", "start-server"]] {
        let (status, stdout, _) = ended(lockgate(words).arg("--help"));
        assert_eq!(status, 0);
        assert!(stdout.contains("Examples:\n  lockgate start\n"), "{stdout}");
        for option in ["--config-path <FILE>", "--host <HOST>", "--port <PORT>", "--workers <N>", "--strict"]
        {
            assert!(stdout.contains(option), "{option} in {stdout}");
        }
    }
}

#[test]
fn a_taken_port_ends_the_start_with_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port().to_string();
    // Errors only, so that nothing but the reason stands on stderr.
    let (status, _, stderr) = ended(lockgate(&["start", "--port", &port]).env("LOCKGATE_LOG", "error"));
    assert_eq!(status, 1, "{stderr}");
    assert!(stderr.starts_with("Error: ") && stderr.contains(&port), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn a_number_that_is_none_is_refused_with_its_option() {
    for option in ["--port", "--workers"] {
        let (status, _, stderr) = ended(&mut lockgate(&["start", option, "many"]));
        assert_eq!(status, 2, "{stderr}");
        assert!(stderr.contains(option), "{stderr}");
    }
}

#[test]
fn an_unreadable_log_filter_is_named() {
    let (status, _, stderr) = ended(lockgate(&["start", "--port", "0"]).env("LOCKGATE_LOG", "a=b=c"));
    assert_eq!(status, 1, "{stderr}");
    assert!(stderr.starts_with("Error: LOCKGATE_LOG takes"), "{stderr}");
}

/// A gateway that runs until it is dropped.
struct Running {
    child: Child,
    /// Open and unread from the line on that says where it listens.
    _stderr: BufReader<ChildStderr>,
    port: u16,
    /// The log's lines up to the one that says where it listens.
    log: Vec<serde_json::Value>,
}

impl Running {
    fn start(words: &[&str]) -> Self {
        let mut child = lockgate(words).stderr(Stdio::piped()).spawn().expect("the built command starts");
        let mut log = Vec::new();
        let mut port = None;
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        for line in stderr.by_ref().lines() {
            let line: serde_json::Value =
                serde_json::from_str(&line.expect("UTF-8")).expect("a line of JSON");
            let address = line["message"].as_str().and_then(|text| text.split_once("listening on http://"));
            port = address.and_then(|(_, address)| address.rsplit_once(':')?.1.parse().ok());
            log.push(line);
            if port.is_some() {
                break;
            }
        }
        Self { child, _stderr: stderr, port: port.expect("the log says where it listens"), log }
    }

    fn ask(&self, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers in UTF-8");
        answer
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

#[test]
fn without_a_config_a_newcomers_first_request_is_answered() {
    let running = Running::start(&["start", "--port", "0", "--workers", "1"]);
    let body = r#"{"messages": [{"role": "user", "content": "Hello there"}]}"#;
    let answer = running.ask("/gateway/chat/invocations", body);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("Hello there"), "{answer}");
}

#[test]
fn listening_beyond_the_machine_is_warned_of() {
    let warned = |host| {
        let running = Running::start(&["start", "--port", "0", "--host", host, "--workers", "1"]);
        running.log.iter().any(|line| line["level"] == "WARN" && line["host"] == host)
    };
    assert!(warned("0.0.0.0"));
    assert!(!warned("127.0.0.1"));
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_call_and_no_exit() {
    let mut running = Running::start(&["start", "--port", "0", "--workers", "1"]);
    let body = r#"{"messages": [{"role": "user", "content": "Hello there"}]}"#;
    // Far more lines than a pipe holds.
    for _ in 0..600 {
        let answer = running.ask("/gateway/chat/invocations", body);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let told = Command::new("kill").arg(running.child.id().to_string()).status().expect("kill is there");
    assert!(told.success());
    let status = running.child.wait().expect("it is our child");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_new_key_is_shown_with_the_lines_that_let_it_in() {
    let (status, first, stderr) = ended(&mut lockgate(&["keys", "new", "--name", "alice@example.com"]));
    assert_eq!((status, stderr.as_str()), (0, ""));
    let key = first.lines().find(|line| line.starts_with("lg-")).expect("a key");
    assert_eq!(key.len(), 46, "{key}");
    let yaml = first.split_once("callers:").map(|(_, rest)| format!("callers:{rest}")).expect("YAML");
    assert!(!yaml.contains(key), "{yaml}");
    let directory = TempDir::new().expect("a directory");
    let (status, _, stderr) =
        ended(&mut lockgate(&["check", shown(&written(&directory, &format!("{GOOD}{yaml}")))]));
    assert_eq!((status, stderr.as_str()), (0, ""));
    assert_eq!(hashed(&format!("{key}\n")).1.trim(), yaml.trim().rsplit(' ').next().expect("a hash"));
    let (_, second, _) = ended(&mut lockgate(&["keys", "new"]));
    assert!(!second.contains(key), "every key is new");
}

#[test]
fn what_can_be_no_key_has_no_hash() {
    for wrong in ["", "\n", "two words", "a\u{e9}", &"x".repeat(2000)] {
        let (status, stdout, stderr) = hashed(wrong);
        assert_eq!((status, stdout.as_str()), (1, ""), "{wrong}");
        assert!(stderr.starts_with("Error: ") && (wrong.len() < 2 || !stderr.contains(wrong)), "{stderr}");
    }
    let (status, stdout, stderr) = hashed("hunter2");
    assert_eq!((status, stdout.trim().len()), (0, 71));
    assert!(stderr.contains("a key this short may be found by trying"), "{stderr}");
}

/// What `lockgate keys hash` makes of a key on stdin.
fn hashed(key: &str) -> (i32, String, String) {
    let mut command = lockgate(&["keys", "hash"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the built command starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // The command may have read enough.
    _ = stdin.write_all(key.as_bytes());
    drop(stdin);
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("the command writes UTF-8");
    (status.code().expect("no signal ended it"), text(stdout), text(stderr))
}
