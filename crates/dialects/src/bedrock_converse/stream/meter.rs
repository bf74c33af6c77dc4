//! Usage of a stream that passes. Only the event that carries counts is parsed.

use crate::bedrock_converse::usage;
use crate::canonical::Usage;
use crate::framing::eventstream::MessageReader;
use crate::stream::UsageMeter;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Reads usage from `metadata`, which is also the stream's end.
#[derive(Default)]
pub(crate) struct Meter {
    reader: MessageReader,
    usage: Option<Usage>,
    finished: bool,
}

impl UsageMeter for Meter {
    fn feed(&mut self, bytes: &[u8]) {
        #[derive(Deserialize)]
        struct Metadata<'a> {
            #[serde(borrow)]
            usage: Option<&'a RawValue>,
        }
        // A message that cannot be read ends the reading, not the stream.
        let _ = self.reader.feed(bytes, |message| {
            if message.text(":event-type") == Some("metadata") {
                let metadata = serde_json::from_slice::<Metadata<'_>>(message.payload).ok();
                self.usage =
                    metadata.and_then(|metadata| metadata.usage).and_then(usage::read).or(self.usage);
                self.finished = true;
            }
        });
    }

    fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn finished(&self) -> bool {
        self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::eventstream;

    #[test]
    fn a_passing_stream_is_metered_in_any_chunking_and_its_end_is_seen() {
        let mut stream = Vec::new();
        eventstream::write(&[(":event-type", "messageStop")], br#"{"stopReason":"end_turn"}"#, &mut stream);
        let counts =
            br#"{"usage":{"inputTokens":9,"outputTokens":8,"totalTokens":17},"metrics":{"latencyMs":1}}"#;
        eventstream::write(&[(":event-type", "metadata")], counts, &mut stream);
        for size in [1, 7, stream.len()] {
            let mut meter = Meter::default();
            for chunk in stream.chunks(size) {
                assert!(!meter.finished());
                meter.feed(chunk);
            }
            let usage = meter.usage().expect("counts");
            assert_eq!((usage.prompt_tokens, usage.completion_tokens), (Some(9), Some(8)));
            assert!(meter.finished());
        }
    }
}
