//! MLflow's own rules about parameters, as data.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// A rule by which MLflow's provider code turns a request away. All conditions that are given must hold.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The generation of bodies on which the rule holds; both when absent. (Not `on`, which YAML 1.1 reads as true.)
    #[serde(default)]
    pub bodies: Option<Bodies>,
    /// A parameter outside the route type's schema is present.
    #[serde(default)]
    pub present: Option<String>,
    /// That parameter has this value.
    #[serde(default)]
    pub equals: Option<Value>,
    /// More answers are wanted than this.
    #[serde(default)]
    pub count_over: Option<u64>,
    /// More completion tokens are wanted than this.
    #[serde(default)]
    pub max_tokens_over: Option<u64>,
    /// The number of completion tokens is not limited.
    #[serde(default)]
    pub max_tokens_missing: bool,
    /// Stop sequences are given.
    #[serde(default)]
    pub stop: bool,
    /// There are more messages than this.
    #[serde(default)]
    pub messages_over: Option<usize>,
    /// The last message's role is another than this.
    #[serde(default)]
    pub last_role_not: Option<String>,
    /// HTTP status of the answer.
    pub status: u16,
    /// Its `detail`; `{count}` stands for the name of the number of answers, `{value}` for what the rule looked at.
    pub message: String,
}

/// A generation of MLflow's request bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bodies {
    /// `candidate_count`, MLflow 2.5 to 2.8.
    Classic,
    /// `n`, MLflow 2.9 and later.
    Endpoints,
}

/// What the rules look at in a request.
pub struct Facts<'a> {
    /// The surface speaks classic bodies.
    pub classic: bool,
    /// What the surface calls the number of answers.
    pub count_name: &'a str,
    /// The number of answers wanted.
    pub count: Option<u64>,
    /// The number of completion tokens wanted.
    pub max_tokens: Option<u64>,
    /// Whether stop sequences are given.
    pub stop: bool,
    /// Number of messages.
    pub messages: usize,
    /// Role of the last message.
    pub last_role: Option<&'a str>,
    /// A parameter outside the route type's schema.
    pub extra: &'a dyn Fn(&str) -> Option<Value>,
}

/// Status and text of the first rule that turns the request away.
pub fn refused(refuses: &[Refusal], facts: &Facts<'_>) -> Option<(u16, String)> {
    refuses.iter().find_map(|rule| {
        let value = rule.offence(facts)?;
        let message = rule.message.replace("{count}", facts.count_name).replace("{value}", &value);
        Some((rule.status, message))
    })
}

impl Refusal {
    /// What the rule looked at, when all its conditions hold.
    fn offence(&self, facts: &Facts<'_>) -> Option<String> {
        let surface = if facts.classic { Bodies::Classic } else { Bodies::Endpoints };
        if self.bodies.is_some_and(|bodies| bodies != surface) || (self.stop && !facts.stop) {
            return None;
        }
        if self.max_tokens_missing && facts.max_tokens.is_some() {
            return None;
        }
        let mut offence = String::new();
        if let Some(name) = &self.present {
            let value = (facts.extra)(name)?;
            if self.equals.as_ref().is_some_and(|wanted| *wanted != value) {
                return None;
            }
            offence = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        }
        if let Some(most) = self.count_over {
            offence = facts.count.filter(|count| *count > most)?.to_string();
        }
        if let Some(most) = self.max_tokens_over {
            offence = facts.max_tokens.filter(|tokens| *tokens > most)?.to_string();
        }
        if let Some(most) = self.messages_over {
            offence = Some(facts.messages).filter(|messages| *messages > most)?.to_string();
        }
        if let Some(role) = &self.last_role_not {
            facts.last_role.filter(|last| last != role)?.clone_into(&mut offence);
        }
        Some(offence)
    }
}

#[cfg(test)]
mod tests {
    use lockgate_dialects::canonical::Operation::{self, Chat, Complete, Embed};
    use serde_json::json;

    use super::*;
    use crate::catalogue::Catalogue;

    /// A request that no rule minds.
    const PLAIN: Facts<'_> = Facts {
        classic: false,
        count_name: "n",
        count: Some(1),
        max_tokens: Some(9),
        stop: false,
        messages: 1,
        last_role: Some("user"),
        extra: &|_| None,
    };
    const CLASSIC: Facts<'_> = Facts { classic: true, count_name: "candidate_count", ..PLAIN };

    fn said(provider: &str, operation: Operation, facts: &Facts<'_>) -> Option<(u16, String)> {
        let catalogue = Catalogue::built_in();
        let provider = catalogue.find(provider).unwrap().provider;
        refused(&provider.operations.of(operation).unwrap().refuses, facts)
    }

    #[test]
    fn a_request_without_anything_odd_is_refused_by_no_provider() {
        for provider in Catalogue::built_in().providers() {
            for how in Operation::ALL.iter().filter_map(|operation| provider.operations.of(*operation)) {
                assert_eq!(refused(&how.refuses, &PLAIN), None, "{} {}", provider.name, how.path);
                assert_eq!(refused(&how.refuses, &CLASSIC), None, "{} {}", provider.name, how.path);
            }
        }
    }

    fn present(wanted: &'static str) -> impl Fn(&str) -> Option<Value> {
        move |name| (name == wanted).then(|| json!("true"))
    }

    #[test]
    fn a_completion_of_together_needs_a_limit_of_tokens() {
        let said = |max_tokens| said("togetherai", Complete, &Facts { max_tokens, ..PLAIN });
        assert_eq!(said(Some(9)), None);
        assert_eq!(said(None).map(|(status, _)| status), Some(422));
    }

    const TWO: Facts<'_> = Facts { count: Some(2), ..PLAIN };
    const CLASSIC_TWO: Facts<'_> = Facts { count: Some(2), ..CLASSIC };

    #[test]
    fn openais_and_servings_refusals_are_said_in_mlflows_words() {
        let n = present("n");
        let n = Facts { extra: &n, ..CLASSIC };
        let text = "Invalid parameter `n`. Use `candidate_count` instead.";
        assert_eq!(said("openai", Chat, &n), Some((422, text.to_owned())));
        assert_eq!(said("openai", Complete, &n), Some((400, text.to_owned())));
        let text = "MLflow chat models are only capable of processing a single query at a time. The request submitted \
                    consists of 2 queries.";
        let two = Facts { messages: 2, ..PLAIN };
        assert_eq!(said("mlflow-model-serving", Chat, &two), Some((422, text.to_owned())));
    }

    #[test]
    fn anthropics_refusals_are_said_in_mlflows_words() {
        let (top_p, stream) = (present("top_p"), present("stream"));
        let many = Facts { max_tokens: Some(1_000_001), ..PLAIN };
        let most = "Invalid value for max_tokens: cannot exceed 1000000.";
        let both = "Cannot set both 'temperature' and 'top_p' parameters.";
        let both_completions = format!("{both} Please use only the temperature parameter for your query.");
        let stream_text =
            "Setting the 'stream' parameter to 'true' is not supported with the MLflow Gateway.";
        let count = |name: &str, value: &str| {
            format!("'{name}' must be '1' for the Anthropic provider. Received value: '{value}'.")
        };
        for (operation, facts, message) in [
            (Complete, &many, most.to_owned()),
            (Complete, &Facts { extra: &top_p, ..PLAIN }, both_completions),
            (Complete, &Facts { extra: &stream, ..CLASSIC }, stream_text.to_owned()),
            (Complete, &CLASSIC_TWO, count("candidate_count", "2")),
            (Complete, &TWO, count("n", "2")),
            (Chat, &Facts { extra: &top_p, ..PLAIN }, both.to_owned()),
            (Chat, &many, most.to_owned()),
            (Chat, &TWO, count("n", "{n}")),
        ] {
            assert_eq!(said("anthropic", operation, facts), Some((422, message)), "{operation:?}");
        }
    }

    #[test]
    fn coheres_refusals_are_said_in_mlflows_words() {
        let (native, stops, texts) =
            (present("num_generations"), present("stop_sequences"), present("texts"));
        let last = Facts { last_role: Some("assistant"), ..PLAIN };
        for (operation, facts, status, message) in [
            (
                Complete,
                &Facts { extra: &native, ..CLASSIC },
                400,
                "Invalid parameter num_generations. Use candidate_count instead.",
            ),
            (
                Complete,
                &Facts { extra: &native, ..PLAIN },
                400,
                "Invalid parameter num_generations. Use n instead.",
            ),
            (
                Complete,
                &Facts { extra: &stops, ..PLAIN },
                400,
                "Invalid parameter stop_sequences. Use stop instead.",
            ),
            (Embed, &Facts { extra: &texts, ..CLASSIC }, 422, "Invalid parameter texts. Use text instead."),
            (Embed, &Facts { extra: &texts, ..PLAIN }, 422, "Invalid parameter texts. Use input instead."),
            (Chat, &TWO, 422, "Parameter n must be 1 for Cohere chat, got 2."),
            (Chat, &Facts { stop: true, ..PLAIN }, 422, "Parameter stop is not supported for Cohere chat."),
            (Chat, &last, 422, "Last message must be from user, got assistant."),
        ] {
            assert_eq!(said("cohere", operation, facts), Some((status, message.to_owned())), "{operation:?}");
        }
    }

    #[test]
    fn a_rule_of_one_generation_does_not_hold_on_the_other() {
        let n = |name: &str| (name == "n").then(|| json!(2));
        let stream = |name: &str| (name == "stream").then(|| json!(true));
        assert_eq!(said("openai", Chat, &Facts { extra: &n, ..PLAIN }), None);
        assert_eq!(said("anthropic", Complete, &Facts { extra: &stream, ..CLASSIC }), None);
    }

    #[test]
    fn the_first_rule_that_holds_is_the_one_that_is_said() {
        let both = Facts { count: Some(2), stop: true, ..PLAIN };
        assert!(said("cohere", Chat, &both).unwrap().1.contains("must be 1"));
    }
}
