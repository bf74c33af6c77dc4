//! `cargo xtask catalogue`: what is known of models, taken from a published package into `crates/config/models/`.

mod entry;
mod package;

use anyhow::{Context, Result, ensure};
use clap::Args;
use package::Package;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What to take.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The package's version.
    #[arg(long, default_value = VERSION)]
    version: String,
    /// Write nothing; fail when a file is not what the package gives.
    #[arg(long)]
    check: bool,
}

/// The version that the files were last taken from.
const VERSION: &str = "1.109.1";

/// Our providers, and what the package calls each: under `litellm_provider`, and before the model's name.
const PROVIDERS: &[(&str, &[&str])] = &[
    ("ai21labs", &["ai21"]),
    ("alibaba", &["dashscope"]),
    ("anthropic", &["anthropic"]),
    ("azure", &["azure", "azure_text"]),
    ("bedrock", &["bedrock", "bedrock_converse"]),
    ("cerebras", &["cerebras"]),
    ("cohere", &["cohere", "cohere_chat"]),
    ("databricks", &["databricks"]),
    ("deepinfra", &["deepinfra"]),
    ("deepseek", &["deepseek"]),
    ("fireworks", &["fireworks_ai", "fireworks_ai-embedding-models"]),
    ("gemini", &["gemini"]),
    ("groq", &["groq"]),
    ("jina", &["jina_ai"]),
    ("mistral", &["mistral"]),
    ("moonshot", &["moonshot"]),
    ("nebius", &["nebius"]),
    ("openai", &["openai", "text-completion-openai"]),
    ("perplexity", &["perplexity"]),
    ("together", &["together_ai"]),
    ("voyage", &["voyage"]),
    ("xai", &["xai"]),
    ("zai", &["zai"]),
];

/// Models that do what a route can ask.
const MODES: &[&str] = &["chat", "completion", "responses", "embedding", "rerank"];

/// Fetches the package and writes a file per provider.
pub(crate) fn run(options: &Options) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let package = Package::fetch(&options.version, &target.join("catalogue"))?;
    let folder = root.join("crates/config/models");
    let (mut models, mut bytes) = (0, 0);
    for (ours, theirs) in PROVIDERS {
        let text = written(&package, theirs)?;
        models += text.lines().filter(|line| !line.starts_with('#')).count();
        bytes += text.len();
        place(&folder.join(format!("{ours}.yaml")), &text, options.check)?;
    }
    writeln!(std::io::stdout(), "{models} models of {} providers, {bytes} bytes", PROVIDERS.len())?;
    Ok(())
}

fn place(file: &Path, text: &str, check: bool) -> Result<()> {
    if !check {
        return std::fs::write(file, text).with_context(|| format!("writing {}", file.display()));
    }
    let there = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    ensure!(there == text, "{} is stale: run `cargo xtask catalogue`", file.display());
    Ok(())
}

/// A file, sorted: a model is a line, so that a new version's differences can be read.
fn written(package: &Package, theirs: &[&str]) -> Result<String> {
    let models = models_of(package, theirs);
    ensure!(!models.is_empty(), "the package has no model of {theirs:?}; mend the list of providers");
    let mut text = format!(
        "# Made by `cargo xtask catalogue`: change nothing here by hand.\n\
         # Package: litellm {}, from PyPI. Licence: {}; its notice stands in NOTICE.\n",
        package.version, package.licence
    );
    for (name, facts) in models {
        let _ = writeln!(text, "{name}: {{{facts}}}");
    }
    Ok(text)
}

/// The models of one of our providers, each under the name that the provider's own API takes.
fn models_of(package: &Package, theirs: &[&str]) -> BTreeMap<String, String> {
    let mut models = BTreeMap::new();
    let of_it = |model: &Value| {
        model["litellm_provider"].as_str().is_some_and(|provider| theirs.contains(&provider))
            && model["mode"].as_str().is_some_and(|mode| MODES.contains(&mode))
    };
    for (name, model) in package.models.iter().filter(|(_, model)| of_it(model)) {
        let prefixed = name.split_once('/').filter(|(before, _)| theirs.contains(before));
        let own = prefixed.map_or(name.as_str(), |(_, own)| own);
        // Azure's and Bedrock's prices per region stand under names that no API takes.
        let regional = own.contains('/') && matches!(theirs[0], "azure" | "bedrock");
        let facts = entry::facts(model);
        if regional || facts.is_empty() || !is_plain(own) {
            continue;
        }
        // What is written with the provider's name is meant for this provider alone.
        if prefixed.is_some() || !models.contains_key(own) {
            models.insert(own.to_owned(), facts);
        }
    }
    models
}

/// Whether YAML reads a name as the text that it is, without quotes.
fn is_plain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@+".contains(&byte);
    let numbers = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    name.bytes().all(allowed)
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && !name.ends_with(':')
        && !numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(models: Value) -> Package {
        let Value::Object(models) = models else { panic!("models by name") };
        Package { version: "1".to_owned(), licence: "MIT".to_owned(), models }
    }

    #[test]
    fn a_model_stands_under_the_name_that_the_providers_api_takes() {
        let chat =
            |provider: &str| json!({"litellm_provider": provider, "mode": "chat", "max_output_tokens": 5});
        let package = package(json!({
            "groq/openai/big": chat("groq"),
            "plain": chat("groq"),
            "other": chat("xai"),
            "groq/picture": {"litellm_provider": "groq", "mode": "image_generation", "max_output_tokens": 5},
        }));
        let names: Vec<_> = models_of(&package, &["groq"]).into_keys().collect();
        assert_eq!(names, ["openai/big", "plain"]);
    }

    #[test]
    fn prices_of_regions_are_left_out() {
        let chat = json!({"litellm_provider": "azure", "mode": "chat", "max_output_tokens": 5});
        let package = package(json!({"azure/eu/gpt": chat, "azure/gpt": chat}));
        assert_eq!(models_of(&package, &["azure"]).into_keys().collect::<Vec<_>>(), ["gpt"]);
    }
}
