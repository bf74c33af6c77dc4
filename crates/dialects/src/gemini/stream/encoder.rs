//! Streams, written for a client.

use crate::canonical::{BlockKind, Delta, Event, Failure, FinishReason, Losses, RawJson, Usage};
use crate::gemini::framing::{FrameWriter, Framing};
use crate::gemini::parts::{self, NO_SUCH_FIELD, as_object};
use crate::gemini::{FAMILY, errors, reasons, response, usage};
use crate::raw::{Draft, to_bytes};
use crate::stream::StreamEncoder;

/// Writes a stream. Each answer holds the next part; a call waits until its arguments are whole, and the reason for
/// the end, for usage may come after it.
pub(crate) struct Encoder {
    writer: FrameWriter,
    done: bool,
    id: Option<String>,
    model: Option<String>,
    usage: Usage,
    choices: Vec<Choice>,
    /// `promptFeedback`, which is said at the end.
    feedback: Option<RawJson>,
    losses: Losses,
}

struct Choice {
    index: u32,
    open: Vec<Open>,
    said: bool,
    /// What is said with the next piece, or with the end.
    asides: Vec<(&'static str, RawJson)>,
    reason: Option<FinishReason>,
}

struct Open {
    block: u32,
    kind: BlockKind,
    /// A call's arguments so far.
    arguments: String,
    /// Whether it has text.
    said: bool,
}

impl Encoder {
    pub(crate) fn new(framing: Framing) -> Self {
        Self {
            writer: FrameWriter::new(framing),
            done: false,
            id: None,
            model: None,
            usage: Usage::default(),
            choices: Vec::new(),
            feedback: None,
            losses: Losses::default(),
        }
    }
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.done {
            return;
        }
        match event {
            Event::Started { id, model, .. } => {
                self.id.clone_from(id);
                self.model.clone_from(model);
            }
            Event::BlockOpened { choice, block, kind } => self.open(*choice, *block, kind, out),
            Event::BlockGrew { choice, block, delta } => self.grow(*choice, *block, delta, out),
            Event::BlockClosed { choice, block } => self.close(*choice, *block, out),
            Event::Aside { choice, field, value, .. } => self.aside(*choice, field, value, out),
            Event::Ended { choice, reason } => self.choice(*choice).reason.clone_from(reason),
            Event::Usage(usage) => self.usage.update(*usage),
            Event::Finished => self.finish(out),
            // A failure is said by `fail`, with its class.
            Event::Failed(_) | Event::Unknown(_) => {}
        }
    }

    fn fail(&mut self, failure: &Failure, _request_id: &str, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.done, true) {
            self.writer.write(&to_bytes(&errors::body_of(failure)), out);
            self.writer.end(out);
        }
    }

    fn losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }
}

impl Encoder {
    fn choice(&mut self, index: u32) -> &mut Choice {
        let at = self.choices.iter().position(|choice| choice.index == index).unwrap_or_else(|| {
            let (open, asides) = (Vec::new(), Vec::new());
            self.choices.push(Choice { index, open, said: false, asides, reason: None });
            self.choices.len() - 1
        });
        &mut self.choices[at]
    }

    fn open(&mut self, index: u32, block: u32, kind: &BlockKind, out: &mut Vec<u8>) {
        let open = Open { block, kind: kind.clone(), arguments: String::new(), said: false };
        self.choice(index).open.push(open);
        if let BlockKind::RedactedThinking(signature) = kind {
            self.say(index, parts::hidden(&signature.for_client(FAMILY)), out);
        }
    }

    fn grow(&mut self, index: u32, block: u32, delta: &Delta, out: &mut Vec<u8>) {
        let choice = self.choice(index);
        let Some(open) = choice.open.iter_mut().find(|open| open.block == block) else { return };
        let part = match (&open.kind, delta) {
            (BlockKind::ToolCall { .. }, Delta::Arguments(piece)) => return open.arguments.push_str(piece),
            (BlockKind::Text | BlockKind::Refusal, Delta::Text(text)) => parts::plain(text),
            (BlockKind::Thinking, Delta::Text(text)) => {
                open.said = true;
                parts::thought(text)
            }
            (BlockKind::Thinking, Delta::Signature(signature)) => {
                let mut part = if open.said { parts::thought("") } else { parts::plain("") };
                part.set("thoughtSignature", signature.for_client(FAMILY));
                part
            }
            _ => return,
        };
        self.say(index, part, out);
    }

    fn close(&mut self, index: u32, block: u32, out: &mut Vec<u8>) {
        let choice = self.choice(index);
        let Some(place) = choice.open.iter().position(|open| open.block == block) else { return };
        let open = choice.open.remove(place);
        if let BlockKind::ToolCall { id, name, signature } = &open.kind {
            let signature = signature.as_ref().map(|signature| signature.for_client(FAMILY));
            if as_object(&open.arguments).is_none() {
                let path = format!("choices[{index}].message.tool_calls.function.arguments");
                self.losses.add(path, "no JSON object; sent inside one as `arguments`");
            }
            self.say(index, parts::call_part(Some(id), name, &open.arguments, signature.as_deref()), out);
        }
    }

    fn aside(&mut self, index: u32, field: &'static str, value: &RawJson, out: &mut Vec<u8>) {
        match field {
            response::PART => match serde_json::from_str::<Draft>(value.get()) {
                Ok(part) => self.say(index, part, out),
                Err(_) => self.losses.add(field, NO_SUCH_FIELD),
            },
            response::FEEDBACK => self.feedback = Some(value.clone()),
            field if response::is_native_aside(field) => {
                self.choice(index).asides.push((field, value.clone()));
            }
            field => self.losses.add(format!("choices[{index}].{field}"), NO_SUCH_FIELD),
        }
    }

    /// Writes an answer with one part.
    fn say(&mut self, index: u32, part: Draft, out: &mut Vec<u8>) {
        let choice = self.choice(index);
        choice.said = true;
        let mut candidate = Draft::default();
        candidate.set("content", response::content(vec![part]));
        candidate.set("index", index);
        for (field, value) in choice.asides.drain(..) {
            candidate.set_raw(field, value);
        }
        self.write(&[candidate], None, out);
    }

    /// Writes the last answer, with every reason.
    fn finish(&mut self, out: &mut Vec<u8>) {
        let mut choices = std::mem::take(&mut self.choices);
        let feedback = self.feedback.take();
        let blocked = feedback.as_ref().is_some_and(|feedback| response::is_blocked(feedback));
        if blocked && choices.iter().all(|choice| !choice.said) {
            choices.clear();
        }
        let candidates: Vec<_> = choices.iter_mut().map(|choice| choice.last(&mut self.losses)).collect();
        usage::lose(&self.usage, &mut self.losses);
        self.write(&candidates, feedback.as_ref(), out);
        self.writer.end(out);
        self.done = true;
    }

    fn write(&mut self, candidates: &[Draft], feedback: Option<&RawJson>, out: &mut Vec<u8>) {
        let mut answer = Draft::default();
        answer.set_some("candidates", (!candidates.is_empty()).then_some(candidates));
        answer.set_some(response::FEEDBACK, feedback);
        if self.usage != Usage::default() {
            answer.set("usageMetadata", usage::write(&self.usage));
        }
        answer.set_some("modelVersion", self.model.as_ref());
        answer.set_some("responseId", self.id.as_ref());
        self.writer.write(&to_bytes(&answer), out);
    }
}

impl Choice {
    /// The candidate that ends the choice.
    fn last(&mut self, losses: &mut Losses) -> Draft {
        let mut candidate = Draft::default();
        candidate.set("content", response::content(vec![parts::plain("")]));
        let (word, exact) = reasons::word(self.reason.as_ref());
        losses.add_if(
            !exact,
            format!("choices[{}].finish_reason", self.index),
            "a reason that Gemini's API does not know",
        );
        candidate.set(response::REASON, word);
        candidate.set("index", self.index);
        for (field, value) in self.asides.drain(..) {
            candidate.set_raw(field, value);
        }
        candidate
    }
}
