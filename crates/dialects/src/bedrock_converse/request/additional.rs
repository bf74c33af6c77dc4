//! `additionalModelRequestFields`: what only the model's own API has, in the words of its maker.

use crate::anthropic_messages::Thought;
use crate::bedrock_converse::NO_SUCH_FIELD;
use crate::canonical::{ChatRequest, Losses, RawJson, Reasoning, Sampling, ToolChoice};
use crate::raw::{Draft, Object, to_raw};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The field's name.
pub(super) const NAME: &str = "additionalModelRequestFields";

/// Who made a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    Anthropic,
    Amazon,
    Cohere,
    OpenAi,
    /// One whose models have no such parameters as are set here.
    Plain,
    /// One of whose models no more is known.
    Other,
    /// The id does not say it, as that of an inference profile which an operator made; it is asked as Claude is.
    Unknown,
}

impl Maker {
    /// The maker that a model's id names, as in `us.anthropic.claude-…` or in an ARN that ends so.
    pub(crate) fn of(model: Option<&str>) -> Self {
        let id = model.and_then(|model| model.rsplit('/').next()).unwrap_or_default();
        if !id.contains('.') {
            return Self::Unknown;
        }
        let known = |word: &str| {
            Some(match word {
                "anthropic" => Self::Anthropic,
                "amazon" => Self::Amazon,
                "cohere" => Self::Cohere,
                "openai" => Self::OpenAi,
                "ai21" | "meta" => Self::Plain,
                _ => return None,
            })
        };
        id.split('.').take(2).find_map(known).unwrap_or(Self::Other)
    }

    fn is_claude(self) -> bool {
        matches!(self, Self::Anthropic | Self::Unknown)
    }
}

/// The fields in the making.
pub(crate) struct Additional {
    pub(crate) maker: Maker,
    pub(crate) fields: Draft,
    /// Whether Claude thinks, which restricts how it can sample.
    pub(super) thinks: bool,
}

impl Additional {
    /// Begins with the wish for reasoning.
    pub(super) fn of(request: &ChatRequest, model: Option<&str>, losses: &mut Losses) -> Self {
        let mut this = Self { maker: Maker::of(model), fields: Draft::default(), thinks: false };
        if this.maker.is_claude() {
            let most = request.sampling.max_tokens.map_or(u64::MAX, |max| max.value);
            let thought = Thought::of(request, most, losses);
            this.thinks = thought.thinks();
            this.fields.set_some("thinking", thought.thinking);
            this.fields.set_some("output_config", thought.effort.map(|effort| json!({ "effort": effort })));
        } else if let Some(reasoning) = &request.reasoning {
            let said = this.reason(reasoning);
            losses.add_if(!said, "reasoning", "this model of Bedrock's takes no such wish for reasoning");
        }
        this
    }

    /// Says the wish for reasoning in the words of makers other than Anthropic; false where there are none.
    fn reason(&mut self, reasoning: &Reasoning) -> bool {
        match (self.maker, reasoning) {
            (Maker::Amazon, Reasoning::Off) => {
                self.fields.set("reasoningConfig", json!({ "type": "disabled" }));
            }
            (Maker::Amazon, Reasoning::Effort(level)) if is_common(level) => {
                let config = json!({ "type": "enabled", "maxReasoningEffort": level });
                self.fields.set("reasoningConfig", config);
            }
            (Maker::OpenAi, Reasoning::Effort(level)) if is_common(level) => {
                self.fields.set("reasoning_effort", level);
            }
            _ => return false,
        }
        true
    }

    /// Sampling from the k likeliest tokens.
    pub(super) fn top_k(&mut self, sampling: &Sampling, losses: &mut Losses) {
        let Some(top_k) = sampling.top_k else { return };
        match self.maker {
            Maker::Anthropic | Maker::Unknown if self.thinks => {
                losses.add("top_k", "Anthropic's models think without `top_k` only");
            }
            Maker::Anthropic | Maker::Unknown | Maker::Other => self.fields.set("top_k", top_k),
            Maker::Cohere => self.fields.set("k", top_k),
            Maker::Amazon => self.fields.set("inferenceConfig", json!({ "topK": top_k })),
            Maker::OpenAi | Maker::Plain => {
                losses.add("top_k", "this model of Bedrock's has no such parameter");
            }
        }
    }

    /// Takes over the fields of a client that knows the API.
    pub(super) fn add(&mut self, raw: &RawValue, losses: &mut Losses) {
        match serde_json::from_str::<Draft>(raw.get()) {
            Ok(fields) => self.fields.extend(fields),
            Err(_) => losses.add(NAME, NO_SUCH_FIELD),
        }
    }
}

/// The levels that every maker has.
fn is_common(level: &str) -> bool {
    matches!(level, "low" | "medium" | "high")
}

/// What a client wished in the words of makers.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) top_k: Option<u64>,
    pub(super) reasoning: Option<Reasoning>,
    /// Whether several tools may be called at once.
    pub(super) parallel: Option<bool>,
    /// Claude's own words for the choice among tools.
    pub(super) choice: Option<ToolChoice>,
    /// What is not understood.
    pub(super) rest: Option<RawJson>,
}

impl Wishes {
    /// Reads the fields; what is not understood wholly stays as it is.
    pub(super) fn read(raw: &RawValue) -> Self {
        let mut wishes = Self::default();
        let Ok(object) = Object::of(raw) else { return Self { rest: Some(raw.to_owned()), ..wishes } };
        let adaptive =
            object.get("thinking").is_some_and(|thinking| value(thinking) == json!({ "type": "adaptive" }));
        let mut rest = Draft::default();
        for (name, raw) in object.rest() {
            if !wishes.understand(&name, &value(&raw), adaptive) {
                rest.set_raw(&name, raw);
            }
        }
        wishes.rest = (!rest.is_empty()).then(|| to_raw(&rest));
        wishes
    }

    /// Whether a field is understood. Adaptive thinking is what an effort means.
    fn understand(&mut self, name: &str, value: &Value, adaptive: bool) -> bool {
        match name {
            "top_k" | "k" if self.top_k.is_none() => self.top_k = value.as_u64(),
            "inferenceConfig" if self.top_k.is_none() && is_only(value, &["topK"]) => {
                self.top_k = value["topK"].as_u64();
            }
            "thinking" | "reasoning_config" if self.reasoning.is_none() => {
                match (value["type"].as_str(), value["budget_tokens"].as_u64()) {
                    (Some("enabled"), Some(budget)) if is_only(value, &["type", "budget_tokens"]) => {
                        self.reasoning = Some(Reasoning::Budget(budget));
                    }
                    (Some("disabled"), None) if is_only(value, &["type"]) => {
                        self.reasoning = Some(Reasoning::Off);
                    }
                    (Some("adaptive"), None) if adaptive => {}
                    _ => return false,
                }
                return true;
            }
            "output_config" if adaptive && self.reasoning.is_none() && is_only(value, &["effort"]) => {
                self.reasoning = value["effort"].as_str().map(|effort| Reasoning::Effort(effort.to_owned()));
                return self.reasoning.is_some();
            }
            "reasoning_effort" if self.reasoning.is_none() => {
                self.reasoning = value.as_str().map(|effort| Reasoning::Effort(effort.to_owned()));
                return self.reasoning.is_some();
            }
            "tool_choice" if value["disable_parallel_tool_use"] == true => {
                self.choice = match value["type"].as_str() {
                    Some("auto") => None,
                    Some("any") => Some(ToolChoice::Required),
                    Some("tool") => match value["name"].as_str() {
                        Some(name) => Some(ToolChoice::Function(name.to_owned())),
                        None => return false,
                    },
                    _ => return false,
                };
                self.parallel = Some(false);
                return true;
            }
            _ => return false,
        }
        self.top_k.is_some()
    }
}

fn value(raw: &RawValue) -> Value {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// Whether `value` is an object with these fields alone.
fn is_only(value: &Value, names: &[&str]) -> bool {
    value.as_object().is_some_and(|object| object.keys().all(|name| names.contains(&name.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_models_id_names_its_maker() {
        for (id, maker) in [
            (Some("anthropic.claude-3-haiku-20240307-v1:0"), Maker::Anthropic),
            (Some("us.anthropic.claude-sonnet-4-5-20250929-v1:0"), Maker::Anthropic),
            (Some("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"), Maker::Amazon),
            (Some("openai.gpt-oss-120b-1:0"), Maker::OpenAi),
            (Some("mistral.mistral-large-2402-v1:0"), Maker::Other),
            (Some("us.meta.llama3-1-70b-instruct-v1:0"), Maker::Plain),
            (Some("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"), Maker::Unknown),
            (None, Maker::Unknown),
        ] {
            assert_eq!(Maker::of(id), maker, "{id:?}");
        }
    }

    #[test]
    fn what_is_understood_goes_and_the_rest_stays() {
        let read = |fields: Value| Wishes::read(&to_raw(&fields));
        let claude =
            read(json!({"top_k": 5, "thinking": {"type": "enabled", "budget_tokens": 2000}, "x": 1.50}));
        assert_eq!((claude.top_k, claude.reasoning), (Some(5), Some(Reasoning::Budget(2000))));
        assert_eq!(claude.rest.expect("a rest").get(), r#"{"x":1.5}"#);
        let nova = read(json!({"inferenceConfig": {"topK": 10}}));
        assert_eq!((nova.top_k, nova.rest.is_none()), (Some(10), true));
        let shown = read(json!({"thinking": {"type": "adaptive", "display": "summarized"}}));
        assert!(shown.reasoning.is_none() && shown.rest.is_some());
        let effort = read(json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}));
        assert_eq!(
            (effort.reasoning, effort.rest.is_none()),
            (Some(Reasoning::Effort("max".to_owned())), true)
        );
        assert!(read(json!({"top_k": "x"})).rest.is_some());
        let alone =
            read(json!({"tool_choice": {"type": "tool", "name": "a", "disable_parallel_tool_use": true}}));
        assert!(matches!(alone.choice, Some(ToolChoice::Function(name)) if name == "a"));
        assert_eq!((alone.parallel, alone.rest.is_none()), (Some(false), true));
    }
}
