//! The built command, running.

use crate::client::{Ask, Client};
use crate::files::{Files, Layout};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::process::{self, Consumption};
use crate::wait::until;
use crate::wire::Wire;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A gateway that is about to be started.
#[derive(Debug)]
pub struct Launch {
    binary: String,
    config: Option<String>,
    layout: Layout,
    files: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    workers: usize,
}

impl Launch {
    /// The command at `binary`, without a config.
    pub fn new(binary: &str) -> Self {
        Self {
            binary: binary.to_owned(),
            config: None,
            layout: Layout::Plain,
            files: Vec::new(),
            environment: Vec::new(),
            arguments: Vec::new(),
            workers: 2,
        }
    }

    /// With this config; `@dir@` in it stands for its directory.
    #[must_use]
    pub fn config(mut self, yaml: impl Into<String>) -> Self {
        self.config = Some(yaml.into());
        self
    }

    /// With the config's directory laid out so.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// With a file beside the config.
    #[must_use]
    pub fn file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
    }

    /// With an environment variable. No others are set.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a further argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// With so many workers instead of two.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// When it does not; the log is in the message.
    #[track_caller]
    pub fn start(self) -> Gateway {
        let files = Files::new(self.layout, self.config.as_deref().unwrap_or_default());
        for (name, content) in &self.files {
            files.put(name, content);
        }
        let mut command = Command::new(&self.binary);
        command.args(["start", "--port", "0", "--workers", &self.workers.to_string()]).args(&self.arguments);
        if self.config.is_some() {
            command.arg("--config-path").arg(files.config());
        }
        command.env_clear().envs(self.environment);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the built command starts");
        let log = Log::read(child.stderr.take().expect("a pipe"));
        let listens = log.wait("that it listens", |record| listens_at(record).is_some());
        let address = listens_at(&listens).expect("it was found by this");
        Gateway { child, address, client: Client::new(address), log, files }
    }
}

fn listens_at(record: &Value) -> Option<SocketAddr> {
    let message = record["message"].as_str()?;
    ["http://", "https://"]
        .iter()
        .find_map(|scheme| message.split_once(&format!("listening on {scheme}"))?.1.parse().ok())
}

/// A gateway that runs until it is dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// A client of it.
    pub client: Client,
    /// What it logs.
    pub log: Log,
    /// Its config and what lies beside it.
    pub files: Files,
}

impl Gateway {
    /// The command at `binary` with this config, or without any.
    #[track_caller]
    pub fn start(binary: &str, config: Option<&str>) -> Self {
        let launch = Launch::new(binary);
        match config {
            Some(yaml) => launch.config(yaml).start(),
            None => launch.start(),
        }
    }

    /// A GET.
    pub fn get(&self, path: &str) -> Ask<'_> {
        self.client.get(path)
    }

    /// A POST of a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Ask<'_> {
        self.client.post(path).json(body)
    }

    /// A connection on which every byte is chosen.
    ///
    /// # Panics
    /// When it does not listen.
    #[track_caller]
    pub fn wire(&self) -> Wire {
        Wire::open(self.address).expect("the gateway listens")
    }

    /// Its metrics now.
    #[track_caller]
    pub fn metrics(&self) -> Metrics {
        let answer = self.get("/metrics").send();
        assert_eq!(answer.status, 200, "{}", answer.text());
        Metrics(answer.text())
    }

    /// The number of configs that it accepted so far.
    #[track_caller]
    pub fn generation(&self) -> u64 {
        self.metrics().value("lockgate_config_generation").expect("the metric is always there") as u64
    }

    /// Changes something by `change` and waits until a new config serves.
    #[track_caller]
    pub fn reloads(&self, change: impl FnOnce(&Files)) {
        let start = self.log.next_line();
        change(&self.files);
        self.log.wait_after(start, "that a new config serves", |record| {
            record["message"] == "configuration updated"
        });
    }

    /// Changes something by `change` and waits until the new config is refused. Why.
    #[track_caller]
    pub fn refuses(&self, change: impl FnOnce(&Files)) -> String {
        let start = self.log.next_line();
        change(&self.files);
        let told = |record: &Value| {
            let message = record["message"].as_str()?.strip_prefix("Invalid configuration: ")?;
            Some(message.to_owned())
        };
        let (_, record) =
            self.log.wait_after(start, "that a config is refused", |record| told(record).is_some());
        told(&record).expect("it was found by this")
    }

    /// The access log's records of the request with this id, once there is one.
    #[track_caller]
    pub fn accessed(&self, request_id: &str) -> Vec<Value> {
        let is = |record: &Value| record["target"] == "access" && record["request_id"] == request_id;
        self.log.wait(&format!("the request {request_id}"), is);
        self.log.records(is)
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it consumes now.
    pub fn consumption(&self) -> Consumption {
        process::consumption(self.id())
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it ended.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).expect("ids are small");
        kill(Pid::from_raw(id), signal).expect("it runs");
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// Waits until it has ended.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        until("the gateway ends", || self.child.try_wait().expect("it is our child"))
    }

    /// Fails the test when it ended or panicked.
    #[track_caller]
    pub fn assert_well(&mut self) {
        assert!(self.runs(), "the gateway ended:\n{}", self.log.text());
        let panics = self.log.panics();
        assert!(panics.is_empty(), "the gateway panicked: {panics:#?}");
        assert_eq!(self.get("/health").send().status, 200);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
