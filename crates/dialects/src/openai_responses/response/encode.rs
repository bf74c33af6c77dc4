//! Whole answers, written for a client.

use crate::canonical::{
    ChatResponse, Choice, Content, FinishReason, Losses, Message, Part, RawJson, Signature, ToolCall,
};
use crate::openai_chat::FAMILY;
use crate::openai_responses::output::{Head, Item, Spoken, State, is_item};
use crate::openai_responses::{NO_SUCH_FIELD, custom};
use crate::raw::{Object, each, text, to_bytes};
use serde_json::Value;

/// Writes an answer for a client.
pub(crate) fn encode(response: &ChatResponse, losses: &mut Losses) -> Vec<u8> {
    for choice in response.choices.iter().skip(1) {
        losses.add(format!("choices[{}]", choice.index), "OpenAI's Responses API gives one answer");
    }
    let choice = response.choices.first();
    let reason = choice.and_then(|choice| choice.finish_reason.as_ref());
    lose_reason(reason, losses);
    let state = State::Ended { reason, usage: response.usage.unwrap_or_default() };
    let head = Head::new(response.id.as_deref(), response.model.as_deref(), response.created);
    let mut items = Items { head: &head, phase: None, items: Vec::new() };
    if let Some(choice) = choice {
        items.choice(choice, losses);
    }
    let mut body = head.response(&state, items.json(&state));
    for (name, value) in &response.extras {
        match serde_json::from_str::<Value>(value.get()) {
            Ok(value) if name == "service_tier" => body["service_tier"] = value,
            _ => losses.add(name.as_str(), NO_SUCH_FIELD),
        }
    }
    to_bytes(&body)
}

/// Records a reason that the API has no word for.
pub(crate) fn lose_reason(reason: Option<&FinishReason>, losses: &mut Losses) {
    if let Some(FinishReason::Other(_)) = reason {
        losses.add("choices[0].finish_reason", "OpenAI's Responses API has no such reason");
    }
}

/// The field of a message that says what it is for.
pub(crate) const PHASE: &str = "phase";

/// The items of an answer in their order.
struct Items<'a> {
    head: &'a Head,
    /// What the model calls its messages: a comment on the way, or the answer.
    phase: Option<String>,
    items: Vec<Item>,
}

impl Items<'_> {
    /// The last item is the one that a limit cut short.
    fn json(&self, state: &State<'_>) -> Vec<Value> {
        let last = self.items.len().saturating_sub(1);
        let status = |place| if place == last { state.status() } else { "completed" };
        self.items.iter().enumerate().map(|(place, item)| item.json(status(place))).collect()
    }

    fn choice(&mut self, choice: &Choice, losses: &mut Losses) {
        let message = &choice.message;
        let phase = message.extras.iter().find(|(name, _)| name == PHASE);
        self.phase = phase.and_then(|(_, phase)| text(phase).ok());
        const PATH: &str = "choices[0].message";
        match &message.content {
            Content::None => {}
            Content::Text(text) => self.text(text),
            Content::Parts(parts) => {
                for (index, part) in parts.iter().enumerate() {
                    self.part(part, &format!("{PATH}.content[{index}]"), losses);
                }
            }
        }
        if let Some(refusal) = &message.refusal {
            self.say(Spoken::Refusal(refusal.clone()));
        }
        self.annotate(message, losses);
        if let Some(logprobs) = &choice.logprobs
            && !self.add_logprobs(logprobs)
        {
            losses.add("choices[0].logprobs", "they do not belong to one text");
        }
        for (index, call) in message.tool_calls.iter().enumerate() {
            self.call(call, &format!("{PATH}.tool_calls[{index}]"), losses);
        }
        losses.add_fields("choices[0]", &choice.extras, NO_SUCH_FIELD);
    }

    /// What is said from here on is for `phase`, where that is known.
    fn turn_to(&mut self, phase: Option<String>) {
        self.phase = phase.or(self.phase.take());
    }

    /// Says something in the message that goes on, else in a new one.
    fn say(&mut self, spoken: Spoken) {
        if let Some(Item::Message { parts, phase, .. }) = self.items.last_mut()
            && *phase == self.phase
        {
            return parts.push(spoken);
        }
        let id = self.head.item_id("msg", self.items.len());
        let phase = self.phase.clone();
        self.items.push(Item::Message { id, phase, parts: vec![spoken] });
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            let text = text.to_owned();
            self.say(Spoken::Text { text, annotations: Vec::new(), logprobs: Vec::new() });
        }
    }

    fn part(&mut self, part: &Part, path: &str, losses: &mut Losses) {
        match part {
            Part::Text { text, extras } => {
                let phase = extras.iter().find(|(name, _)| name == PHASE);
                self.turn_to(phase.and_then(|(_, phase)| self::text(phase).ok()));
                self.text(text);
                for (name, value) in extras.iter().filter(|(name, _)| name != PHASE) {
                    let beside = self.items.last_mut().and_then(last_text).filter(|_| name == "annotations");
                    match (beside, serde_json::from_str::<Vec<Value>>(value.get())) {
                        (Some((annotations, _)), Ok(more)) => annotations.extend(more),
                        _ => losses.add(format!("{path}.{name}"), NO_SUCH_FIELD),
                    }
                }
            }
            Part::Thinking { text, signature } => self.reason(Some(text), signature.as_ref()),
            Part::RedactedThinking(signature) => self.reason(None, Some(signature)),
            Part::Unknown(raw) if is_item(raw) => {
                self.items.extend(serde_json::from_str(raw.get()).map(Item::Raw));
            }
            Part::Media(_) | Part::Unknown(_) => losses.add(path, "OpenAI's Responses API has no such part"),
        }
    }

    fn reason(&mut self, text: Option<&String>, signature: Option<&Signature>) {
        let id = self.head.item_id("rs", self.items.len());
        let encrypted = signature.map(|signature| signature.for_client(FAMILY).into_owned());
        self.items.push(Item::Reasoning { id, summary: text.cloned(), encrypted });
    }

    fn call(&mut self, call: &ToolCall, path: &str, losses: &mut Losses) {
        if call.signature.is_some() {
            // The API has a place for it on reasoning alone.
            self.reason(Some(&String::new()), call.signature.as_ref());
        }
        let place = self.items.len();
        self.items.push(item_of_call(self.head, place, call, losses, path));
    }

    /// Citations of pages, which the chat API has beside the text, belong to the last one.
    fn annotate(&mut self, message: &Message, losses: &mut Losses) {
        for (name, value) in message.extras.iter().filter(|(name, _)| self.phase.is_none() || name != PHASE) {
            let citations = (name == "annotations").then(|| citations(value)).flatten();
            let text = self.items.iter_mut().rev().find_map(last_text);
            match (citations, text) {
                (Some(citations), Some((annotations, _))) => annotations.extend(citations),
                _ => losses.add(format!("choices[0].message.{name}"), NO_SUCH_FIELD),
            }
        }
    }

    /// Puts log probabilities beside the only text; says whether there is one and they are the chat API's.
    fn add_logprobs(&mut self, logprobs: &RawJson) -> bool {
        let Ok(mut object) = Object::of(logprobs) else { return false };
        let (Some(content), None) = (object.take("content"), object.take("refusal")) else { return false };
        let Ok(content) = each(content, |token| Ok(token.to_owned())) else { return false };
        let texts = self.items.iter().flat_map(|item| match item {
            Item::Message { parts, .. } => parts.as_slice(),
            _ => &[],
        });
        if texts.filter(|part| matches!(part, Spoken::Text { .. })).count() != 1 {
            return false;
        }
        if let Some((_, logprobs)) = self.items.iter_mut().find_map(last_text) {
            *logprobs = content;
        }
        true
    }
}

fn last_text(item: &mut Item) -> Option<(&mut Vec<Value>, &mut Vec<RawJson>)> {
    let Item::Message { parts, .. } = item else { return None };
    parts.iter_mut().rev().find_map(|part| match part {
        Spoken::Text { annotations, logprobs, .. } => Some((annotations, logprobs)),
        Spoken::Refusal(_) => None,
    })
}

/// Citations of pages as this API writes them; `None` where one is of another kind.
fn citations(value: &RawJson) -> Option<Vec<Value>> {
    let list: Vec<Value> = serde_json::from_str(value.get()).ok()?;
    let flat = |mut citation: Value| {
        let mut fields = citation.get_mut("url_citation")?.take();
        fields.as_object_mut()?.insert("type".to_owned(), "url_citation".into());
        Some(fields)
    };
    list.into_iter().map(flat).collect()
}

/// A call, as one of a function or of a custom tool.
fn item_of_call(head: &Head, place: usize, call: &ToolCall, losses: &mut Losses, path: &str) -> Item {
    let (name, call_id) = (call.name.clone(), call_id(&call.id, head, place));
    // The chat API's custom calls have their input as it is.
    let is_custom = |(name, value): &(String, RawJson)| name == "type" && value.get() == "\"custom\"";
    let custom = call.extras.iter().any(is_custom);
    let input = if custom { Some(call.arguments.clone()) } else { custom::input(&call.arguments) };
    let foreign = |name: &str| !(custom && matches!(name, "type" | "custom"));
    for (name, _) in call.extras.iter().filter(|(name, _)| foreign(name)) {
        losses.add(format!("{path}.{name}"), NO_SUCH_FIELD);
    }
    match input {
        Some(input) => Item::CustomCall { id: head.item_id("ctc", place), call_id, name, input },
        None => {
            let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
            Item::Call { id: head.item_id("fc", place), call_id, name, arguments: arguments.to_owned() }
        }
    }
}

/// What joins a call and its answer, also where the provider gives no id.
pub(crate) fn call_id(id: &str, head: &Head, place: usize) -> String {
    if id.is_empty() { head.item_id("call", place) } else { id.to_owned() }
}
