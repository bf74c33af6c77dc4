//! Ordinary calls over HTTP, answered while the test waits.

use crate::Answer;
use crate::wait::PATIENCE;
use http::{HeaderMap, Request};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use ureq::{Agent, Body, BodyReader};

/// The most bytes of an answer.
const MOST: u64 = 256 << 20;

/// A client of one server; its connections are kept alive.
#[derive(Debug, Clone)]
pub struct Client {
    agent: Agent,
    base: String,
}

/// A request that is being put together.
#[derive(Debug)]
pub struct Ask<'a> {
    client: &'a Client,
    request: http::request::Builder,
    body: Vec<u8>,
}

/// An answer that is read as it comes. Dropping it hangs up.
pub struct Streamed {
    /// The status code.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    reader: BufReader<BodyReader<'static>>,
}

impl Client {
    /// A client of the server at `address`.
    pub fn new(address: SocketAddr) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(PATIENCE))
            .build();
        Self { agent: config.into(), base: format!("http://{address}") }
    }

    /// A GET.
    pub fn get(&self, path: &str) -> Ask<'_> {
        self.ask("GET", path)
    }

    /// A POST.
    pub fn post(&self, path: &str) -> Ask<'_> {
        self.ask("POST", path)
    }

    /// A request with any method.
    pub fn ask(&self, method: &str, path: &str) -> Ask<'_> {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        Ask { client: self, request, body: Vec::new() }
    }
}

impl Ask<'_> {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Sets a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sets a body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn send(self) -> Answer {
        self.try_send().unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Sends it and reads the whole answer.
    ///
    /// # Errors
    /// Why there is none.
    pub fn try_send(self) -> Result<Answer, String> {
        let (head, body) = self.sent()?.into_parts();
        let mut bytes = Vec::new();
        let read = body.into_with_config().limit(MOST).reader().read_to_end(&mut bytes);
        read.map_err(|error| format!("the answer broke off: {error}"))?;
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: bytes })
    }

    /// Sends it and waits for the answer's head.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn stream(self) -> Streamed {
        let (head, body) = self.sent().unwrap_or_else(|error| panic!("no answer: {error}")).into_parts();
        let reader = BufReader::new(body.into_with_config().limit(MOST).reader());
        Streamed { status: head.status.as_u16(), headers: head.headers, reader }
    }

    fn sent(self) -> Result<http::Response<Body>, String> {
        let request = self.request.body(self.body).map_err(|error| error.to_string())?;
        self.client.agent.run(request).map_err(|error| error.to_string())
    }
}

impl Streamed {
    /// The data of the next server-sent event; `None` at the end, also a broken one.
    pub fn event(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            match self.reader.read_line(&mut line) {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
            if let Some(data) = line.strip_prefix("data:") {
                return Some(data.trim().to_owned());
            }
        }
    }

    /// The data of all events that are left.
    pub fn rest(mut self) -> Vec<String> {
        std::iter::from_fn(|| self.event()).collect()
    }
}
