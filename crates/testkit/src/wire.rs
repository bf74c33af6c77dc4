//! A connection on which every byte is chosen.

use crate::Answer;
use crate::wait::PATIENCE;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// A connection on which every byte is chosen. Dropping it hangs up.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    /// What came and was not taken yet.
    read: Vec<u8>,
    ended: bool,
}

impl Wire {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::new(), ended: false })
    }

    /// Sends bytes; a peer that closed meanwhile is no error, since its answer may be waiting to be read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        _ = self.stream.write_all(bytes.as_ref());
        self
    }

    /// Sends a POST of a JSON body.
    pub fn post(&mut self, path: &str, headers: &str, body: &str) -> &mut Self {
        let length = body.len();
        self.send(format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n{headers}\r\n{body}"
        ))
    }

    /// Reads until `text` came; everything up to its end.
    ///
    /// # Panics
    /// When the connection ends before.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> String {
        loop {
            let found = self.read.windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(at) = found {
                let taken: Vec<u8> = self.read.drain(..at + text.len()).collect();
                return String::from_utf8_lossy(&taken).into_owned();
            }
            let shown = String::from_utf8_lossy(&self.read);
            assert!(!self.ended, "the connection ended without '{text}': {shown}");
            self.more();
        }
    }

    /// Reads so many bytes, or to the end if that comes first.
    pub fn read_at_least(&mut self, count: usize) {
        while self.read.len() < count && !self.ended {
            self.more();
        }
    }

    /// The next answer; `None` when the connection ends without a whole one.
    pub fn answer(&mut self) -> Option<Answer> {
        loop {
            // Without a length the end of the connection is the end of the body.
            let framed = |answer: &Answer| {
                answer.headers.contains_key("content-length")
                    || answer.headers.contains_key("transfer-encoding")
            };
            match Answer::first(&self.read) {
                Some((answer, taken)) if framed(&answer) || self.ended => {
                    self.read.drain(..taken);
                    return Some(answer);
                }
                _ if self.ended => return None,
                _ => self.more(),
            }
        }
    }

    /// Everything until the connection ends, as text.
    pub fn rest(&mut self) -> String {
        String::from_utf8_lossy(&self.to_end()).into_owned()
    }

    /// Everything until the connection ends.
    pub fn to_end(&mut self) -> Vec<u8> {
        while !self.ended {
            self.more();
        }
        std::mem::take(&mut self.read)
    }

    /// A reset is an end, too.
    #[track_caller]
    fn more(&mut self) {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(count) => self.read.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("waited {PATIENCE:?} in vain for bytes after: {}", String::from_utf8_lossy(&self.read))
            }
            Err(_) => self.ended = true,
        }
    }
}
