//! What is asked and answered: a plain chat, and a stream whose events come together, in a row or apart.

use bytes::Bytes;
use std::time::Duration;

/// Events of a streamed answer, the closing `[DONE]` included.
pub(crate) const EVENTS: usize = 23;
const CHAT_LENGTH: usize = 600;

/// A kind of call.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// A JSON answer of 600 bytes.
    Chat,
    /// A streamed answer, all events in one write.
    Whole,
    /// A streamed answer, one write per event, without delay between them.
    Burst,
    /// A streamed answer, one write per event, with a pause after each.
    Paced,
}

impl Workload {
    pub(crate) const ALL: [Self; 4] = [Self::Chat, Self::Whole, Self::Burst, Self::Paced];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Whole => "stream, one write",
            Self::Burst => "stream, 23 writes",
            Self::Paced => "stream, paced",
        }
    }

    /// How long the upstream waits after each write.
    pub(crate) fn pause(self) -> Option<Duration> {
        (self == Self::Paced).then_some(Duration::from_millis(2))
    }

    /// How many of this kind to make where `requests` of the plain kind are made: a paced one takes long.
    pub(crate) fn count(self, requests: u32) -> u32 {
        if self == Self::Paced { requests / 8 } else { requests }
    }

    /// The body of a call.
    pub(crate) fn question(self) -> Bytes {
        let options = match self {
            Self::Chat => "",
            Self::Whole => r#""stream":true,"user":"whole","#,
            Self::Burst => r#""stream":true,"#,
            Self::Paced => r#""stream":true,"user":"paced","#,
        };
        let text = "Tell me of the ships that pass through a lock, and who opens the gate. ".repeat(6);
        format!(r#"{{"model":"mock-1",{options}"messages":[{{"role":"user","content":"{text}"}}]}}"#).into()
    }

    /// The kind of call a body makes.
    pub(crate) fn of(question: &[u8]) -> Self {
        let has = |needle: &[u8]| question.windows(needle.len()).any(|w| w == needle);
        if !has(br#""stream":true"#) {
            Self::Chat
        } else if has(br#""user":"whole""#) {
            Self::Whole
        } else if has(br#""user":"paced""#) {
            Self::Paced
        } else {
            Self::Burst
        }
    }

    /// How many bytes the answer's body has, whatever the chunks it comes in.
    pub(crate) fn answer_length(self) -> usize {
        match self {
            Self::Chat => CHAT_LENGTH,
            Self::Whole | Self::Burst | Self::Paced => (0..EVENTS).map(|index| event(index).len()).sum(),
        }
    }
}

/// The JSON answer to a plain call.
pub(crate) fn chat() -> String {
    let head = concat!(
        r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"mock-1","#,
        r#""choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":""#,
    );
    let tail = r#""}}],"usage":{"prompt_tokens":90,"completion_tokens":60,"total_tokens":150}}"#;
    let text = "x".repeat(CHAT_LENGTH - head.len() - tail.len());
    format!("{head}{text}{tail}")
}

/// One event of a streamed answer.
pub(crate) fn event(index: usize) -> String {
    if index + 1 == EVENTS {
        return "data: [DONE]\n\n".into();
    }
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
         \"model\":\"mock-1\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"word {index:02} \"}},\
         \"finish_reason\":null}}]}}\n\n"
    )
}
