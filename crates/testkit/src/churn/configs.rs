//! The configs of a churn: some routes stay, some change, some come and go, and some files are broken.

use std::fmt::Write;

/// What is done to the config.
pub(super) enum Step {
    /// A good file.
    Good(String),
    /// The key file changes.
    Key(String),
    /// A broken file.
    Bad(String),
    /// No file at all.
    Gone,
}

/// One step after another.
pub(super) struct Configs {
    provider: String,
    routes: usize,
    /// Whether the last step was one that must be refused.
    refused: bool,
}

/// Routes that every good config has.
pub(super) const STAYING: [&str; 4] = ["stays-demo", "stays-openai", "stays-anthropic", "changes"];
/// A route that every other config has.
pub(super) const PASSING: &str = "passes";

impl Configs {
    pub(super) fn new(provider: &str, routes: usize) -> Self {
        Self { provider: provider.to_owned(), routes, refused: false }
    }

    /// Whether the step before must be refused.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// The step with this number.
    pub(super) fn next(&mut self, step: u64) -> Step {
        let after_refusal = std::mem::replace(&mut self.refused, step % 8 == 5);
        match step % 8 {
            5 => self.broken(step / 8),
            _ if after_refusal => Step::Good(self.good(step)),
            3 => Step::Key(format!("key-{step}\n")),
            _ => Step::Good(self.good(step)),
        }
    }

    fn good(&self, step: u64) -> String {
        let base = &self.provider;
        let mut yaml = format!(
            "# {step}\n\
             routes:\n\
             \x20 - {{name: stays-demo, route_type: llm/v1/chat, model: {{provider: demo, name: demo}}}}\n\
             \x20 - {{name: stays-openai, route_type: llm/v1/chat, model: {{provider: openai, name: gpt-4, config: \
             {{openai_api_key: {{file: \"@dir@/key\"}}, openai_api_base: \"{base}/v1\"}}}}}}\n\
             \x20 - {{name: stays-anthropic, route_type: llm/v1/chat, model: {{provider: anthropic, \
             name: claude-sonnet-4-5, config: {{anthropic_api_key: k, anthropic_api_base: \"{base}/v1\"}}}}}}\n\
             \x20 - {{name: changes, route_type: llm/v1/chat, model: {{provider: openai, name: gpt-{step}, config: \
             {{openai_api_key: k, openai_api_base: \"{base}/v1\"}}}}}}\n"
        );
        if step.is_multiple_of(2) {
            self.demo(&mut yaml, PASSING);
        }
        for route in 0..self.routes {
            self.demo(&mut yaml, &format!("route-{step}-{route}"));
        }
        yaml
    }

    fn demo(&self, yaml: &mut String, name: &str) {
        writeln!(
            yaml,
            "  - {{name: {name}, route_type: llm/v1/chat, limit: {{calls: 1000000000, renewal_period: hour}}, \
             model: {{provider: demo, name: demo}}}}"
        )
        .expect("writing to a string");
    }

    fn broken(&self, number: u64) -> Step {
        let good = self.good(number);
        match number % 6 {
            0 => Step::Bad(good.replace("llm/v1/chat", "llm/v1/chatt")),
            1 => Step::Bad(format!("{good}\x20 - [")),
            2 => Step::Gone,
            3 => Step::Bad(good.replace("provider: openai", "provider: opennai")),
            4 => Step::Bad(good.replace("@dir@/key", "@dir@/no-such-key")),
            _ => Step::Bad(String::new()),
        }
    }
}
