//! What goes wrong on request.

use crate::{Answer, End, Piece};
use bytes::Bytes;
use lockgate_dialects::canonical::{Class, Failure};
use std::time::Duration;

/// A fault of a provider or of the way to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An error with this status, 400 to 599.
    Status(u16),
    /// The body breaks off in the middle.
    Cut,
    /// Headers, then nothing.
    Hang,
    /// A whole body, or a stream's middle piece, that is not JSON.
    Malformed,
    /// Status 200 and a page for people, as proxies and login walls send.
    Html,
    /// Status 200 and no body.
    Empty,
}

impl Fault {
    /// What the option `fault` takes.
    pub(crate) const TAKES: &str =
        "one of status:<400 to 599> (such as status:429), cut, hang, malformed, html, empty, none";

    /// Reads the option's value; the inner `None` is no fault.
    pub(crate) fn read(word: &str) -> Option<Option<Self>> {
        Some(Some(match word {
            "none" => return Some(None),
            "cut" => Self::Cut,
            "hang" => Self::Hang,
            "malformed" => Self::Malformed,
            "html" => Self::Html,
            "empty" => Self::Empty,
            _ => {
                let digits = word.strip_prefix("status:").filter(|digits| digits.len() == 3)?;
                Self::Status(digits.parse().ok().filter(|status| (400..600).contains(status))?)
            }
        }))
    }

    /// Puts the fault into a good answer. A status is no change of an answer but another one.
    pub(crate) fn spoil(self, answer: Answer) -> Answer {
        match self {
            Self::Status(_) => answer,
            Self::Cut => Answer { pieces: first_half(answer.pieces), end: End::Cut, ..answer },
            Self::Hang => Answer { pieces: Vec::new(), end: End::Hang, ..answer },
            Self::Malformed => Answer { pieces: malformed(answer.pieces), ..answer },
            Self::Html => {
                let page =
                    Bytes::from_static(b"<!doctype html>\n<title>Sign in</title>\n<h1>Please sign in</h1>\n");
                let pieces = vec![Piece { after: Duration::ZERO, bytes: page }];
                Answer { content_type: "text/html", pieces, ..answer }
            }
            Self::Empty => Answer { pieces: Vec::new(), ..answer },
        }
    }
}

/// The first half of the pieces, and half of the one in the middle.
fn first_half(mut pieces: Vec<Piece>) -> Vec<Piece> {
    let middle = pieces.len() / 2;
    pieces.truncate(middle + 1);
    if let Some(last) = pieces.last_mut() {
        last.bytes.truncate(last.bytes.len() / 2);
    }
    pieces
}

/// The pieces, with the JSON of the one in the middle broken: after its first brace stands a lone quote.
fn malformed(mut pieces: Vec<Piece>) -> Vec<Piece> {
    let middle = pieces.len() / 2;
    if let Some(piece) = pieces.get_mut(middle) {
        let brace = piece.bytes.iter().position(|byte| *byte == b'{').map_or(0, |at| at + 1);
        let (before, after) = piece.bytes.split_at(brace);
        piece.bytes = [before, b"\"", after].concat().into();
    }
    pieces
}

/// The failure that a provider would report with `status`.
pub(crate) fn failure(status: u16) -> Failure {
    let class = match status {
        401 => Class::Authentication,
        403 => Class::Permission,
        404 => Class::RouteNotFound,
        408 => Class::RequestTimeout,
        413 => Class::TooLarge,
        415 => Class::UnsupportedMedia,
        429 => Class::RateLimited,
        400..500 => Class::InvalidRequest,
        502 => Class::UpstreamError,
        503 => Class::UpstreamOverloaded,
        504 => Class::UpstreamTimeout,
        _ => Class::Internal,
    };
    Failure::new(class, format!("The demo provider was asked to answer with status {status}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_error_statuses_are_faults() {
        assert_eq!(Fault::read("status:429"), Some(Some(Fault::Status(429))));
        for word in ["status:399", "status:600", "status:+42", "status:", "429", "", "Cut"] {
            assert_eq!(Fault::read(word), None, "{word}");
        }
    }
}
