//! The scripted provider over real HTTP, on a thread of its own.

mod call;
mod serve;

use crate::certificate::Certificate;
use bytes::Bytes;
use http::HeaderMap;
use lockgate_demo::{Answer, End, Piece};
use lockgate_dialects::canonical::Operation;
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// Requests that are kept; older ones go.
const MOST_RECORDED: usize = 2_000;

/// A provider that serves until it is dropped.
///
/// The path tells what it speaks: whatever ends in `/chat/completions` is answered in OpenAI's words, `/messages` in
/// Anthropic's, and so on.
pub struct Provider {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The path.
    pub path: String,
    /// What follows the question mark.
    pub query: Option<String>,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The connection's number, from 1.
    pub connection: u64,
}

/// What the provider waits with until told otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hold {
    /// Nothing.
    #[default]
    Nothing,
    /// Answers.
    Head,
    /// What follows a body's first piece.
    Body,
}

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that are open now.
    pub open: usize,
    /// Connections that were ever opened.
    pub connections: u64,
    /// Requests that came.
    pub calls: u64,
    /// Requests that are being answered.
    pub in_flight: usize,
    /// Requests whose client went away before the end of the answer.
    pub abandoned: u64,
}

type Script = dyn Fn(&Recorded) -> Answer + Send + Sync;

struct Shared {
    state: Mutex<State>,
    hold: watch::Sender<Hold>,
    /// Counted up when connections at rest are to be closed.
    closing: watch::Sender<u64>,
    stop: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    counts: Counts,
    recorded: VecDeque<Recorded>,
    options: Map<String, Value>,
    script: Option<Arc<Script>>,
}

impl Provider {
    /// Starts one that speaks plain HTTP.
    pub fn start() -> Self {
        Self::launch(None)
    }

    /// Starts one that speaks HTTPS.
    pub fn secure(certificate: &Certificate) -> Self {
        Self::launch(Some(certificate))
    }

    fn launch(certificate: Option<&Certificate>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            hold: watch::Sender::new(Hold::Nothing),
            closing: watch::Sender::new(0),
            stop: watch::Sender::new(false),
        });
        let (served, tls) = (shared.clone(), certificate.map(|certificate| certificate.server.clone()));
        let thread = std::thread::spawn(move || serve::run(listener, served, tls));
        Self { address, shared, thread: Some(thread) }
    }

    /// The base URL, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers after the demo provider's script with these options from now on.
    ///
    /// # Panics
    /// When `options` is not an object that the demo provider takes.
    pub fn demo(&self, options: &Value) {
        let options = options.as_object().expect("options are an object");
        lockgate_demo::check(options).expect("good options");
        let mut state = self.shared.lock();
        state.options = options.clone();
        state.script = None;
    }

    /// Answers what `script` says from now on.
    pub fn script(&self, script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) {
        self.shared.lock().script = Some(Arc::new(script));
    }

    /// Waits with something from now on, or with nothing more.
    pub fn hold(&self, hold: Hold) {
        self.shared.hold.send_replace(hold);
    }

    /// Closes all connections that are at rest; others once they are.
    pub fn close_resting(&self) {
        self.shared.closing.send_modify(|count| *count += 1);
    }

    /// The requests so far.
    pub fn recorded(&self) -> Vec<Recorded> {
        self.shared.lock().recorded.iter().cloned().collect()
    }

    /// The last request.
    ///
    /// # Panics
    /// When there was none.
    #[track_caller]
    pub fn last(&self) -> Recorded {
        self.shared.lock().recorded.back().cloned().expect("the provider was asked")
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.shared.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn record(&mut self, request: Recorded) {
        self.counts.calls += 1;
        if self.recorded.len() == MOST_RECORDED {
            self.recorded.pop_front();
        }
        self.recorded.push_back(request);
    }
}

impl Recorded {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a body of JSON")
    }

    /// Everything that came, as text.
    pub fn text(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        format!("{} {:?} {:?} {body}", self.path, self.query, self.headers)
    }
}

/// What the demo provider answers in a dialect, for [`Provider::script`].
///
/// # Panics
/// When there is no such dialect, or `options` is no object.
#[track_caller]
pub fn demo(dialect: &str, operation: Operation, body: &[u8], options: &Value) -> Answer {
    let dialect = lockgate_dialects::by_name(dialect).expect("a dialect");
    let options = options.as_object().expect("options are an object");
    lockgate_demo::answer(dialect, operation, body, options, 1_700_000_000)
}

/// A whole answer for [`Provider::script`].
pub fn said(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    Answer {
        status,
        content_type,
        headers: Vec::new(),
        wait: Duration::ZERO,
        pieces: vec![Piece { after: Duration::ZERO, bytes: body.into() }],
        end: End::Clean,
    }
}
