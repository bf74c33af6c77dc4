//! MLflow's own rules about parameters, as data.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// A rule by which MLflow's provider code turns a request away. All conditions that are given must hold.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// On which generation of bodies the rule holds; both when absent.
    #[serde(default)]
    pub on: Option<Bodies>,
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
        if self.on.is_some_and(|on| on != surface) || (self.stop && !facts.stop) {
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
