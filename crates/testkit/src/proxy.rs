//! A small HTTP proxy that tells what passed it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The longest request head.
const MOST_HEAD: usize = 64 * 1024;

/// A proxy that runs until it is dropped. Whatever name is asked for, it connects to 127.0.0.1.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    passed: Arc<Mutex<Vec<Passed>>>,
    stop: Arc<AtomicBool>,
}

/// A connection that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The first line of its head.
    pub line: String,
    /// The `proxy-authorization` header.
    pub credentials: Option<String>,
}

impl Proxy {
    /// Starts one.
    ///
    /// # Panics
    /// When it cannot listen.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let passed = Arc::new(Mutex::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (noted, stopped) = (Arc::clone(&passed), stop.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let noted = Arc::clone(&noted);
                std::thread::spawn(move || _ = pass(client, &noted));
            }
        });
        Self { address, passed, stop }
    }

    /// What passed so far.
    pub fn passed(&self) -> Vec<Passed> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        _ = TcpStream::connect(self.address);
    }
}

fn pass(mut client: TcpStream, noted: &Mutex<Vec<Passed>>) -> io::Result<()> {
    let head = head(&mut client)?;
    let line = head.lines().next().unwrap_or_default().to_owned();
    let credentials = head.lines().find_map(|line| line.strip_prefix("proxy-authorization: "));
    noted
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Passed { line: line.clone(), credentials: credentials.map(str::to_owned) });
    let tunnel = line.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let plain = line.split_once("http://").and_then(|(_, rest)| rest.split(['/', ' ']).next());
    let port = tunnel.or(plain).and_then(|to| to.rsplit_once(':')?.1.parse::<u16>().ok());
    let mut server = TcpStream::connect(("127.0.0.1", port.ok_or(io::ErrorKind::InvalidInput)?))?;
    match tunnel {
        Some(_) => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?,
        None => server.write_all(onward(&head).as_bytes())?,
    }
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let back = std::thread::spawn(move || {
        _ = io::copy(&mut from_server, &mut to_client);
        _ = to_client.shutdown(Shutdown::Both);
    });
    _ = io::copy(&mut client, &mut server);
    _ = server.shutdown(Shutdown::Both);
    _ = back.join();
    Ok(())
}

/// The head without what is meant for the proxy alone (RFC 9110, section 11.7.1).
fn onward(head: &str) -> String {
    head.split_inclusive("\r\n").filter(|line| !line.starts_with("proxy-authorization:")).collect()
}

fn head(client: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MOST_HEAD {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend_from_slice(&byte);
    }
    String::from_utf8(head).map_err(io::Error::other)
}
