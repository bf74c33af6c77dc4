//! The catalogue that is built in, and its rules.

use super::*;

#[test]
fn every_catalogue_file_loads_without_an_unknown_key() {
    for (name, text) in FILES {
        let notes = Notes::new(true);
        let provider = load(text, &notes).unwrap_or_else(|| panic!("{name} does not load"));
        let document = yaml::parse(text).unwrap();
        crate::provider::check(&provider, &document.root.unwrap(), &notes);
        let found = notes.into_found();
        assert!(found.is_empty(), "{name}: {found:?}");
        assert_eq!(provider.name, *name);
    }
}

#[test]
fn no_two_providers_share_a_name() {
    let catalogue = Catalogue::built_in();
    let mut names: Vec<_> = catalogue.names().map(fold).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
}

/// A machine without environment and files.
struct Nothing;

impl crate::Sources for Nothing {
    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &str) -> std::io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn command(&self, _: &crate::Command) -> std::io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn secret(&self, _: &str) -> std::io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
}

/// The minimal config of a route to a provider: what it requires, and a model.
fn minimal(provider: &Provider, operation: Operation) -> String {
    let required = provider.config.iter().filter(|(_, key)| key.required);
    let value = |kind| match kind {
        Kind::Url => "https://x.example",
        Kind::Mapping => "{aws_region: x, aws_access_key_id: k, aws_secret_access_key: k}",
        _ => "\"k\"",
    };
    let config: Vec<_> = required.map(|(name, key)| format!("{name}: {}", value(key.kind))).collect();
    format!(
        "routes:\n  - name: a\n    route_type: {}\n    model: {{provider: {}, name: m, config: {{{}}}}}\n",
        operation.route_type(),
        provider.name,
        config.join(", ")
    )
}

#[test]
fn every_provider_serves_a_route_that_has_its_required_keys_alone() {
    let catalogue = Catalogue::built_in();
    let whole = |provider: &&Provider| !provider.in_process && provider.unavailable.is_none();
    for provider in catalogue.providers().iter().filter(whole) {
        let served = Operation::ALL.into_iter().filter(|of| provider.operations.of(*of).is_some());
        for operation in served {
            let text = minimal(provider, operation);
            let config = crate::check(&text, "config.yaml", &Nothing, crate::Options::default());
            let config = config.unwrap_or_else(|mistakes| panic!("{}: {mistakes:?}", provider.name));
            let crate::Service::Http(http) = &config.routes[0].targets[0].target.service else {
                panic!("{} is not asked over HTTP", provider.name);
            };
            let url = http.api.as_ref().expect("the operation is served").url.clone();
            assert!(url.starts_with("http"), "{} has no base: {url}", provider.name);
        }
    }
}

#[test]
fn a_provider_has_a_key_and_a_base_of_its_own_name() {
    const MLFLOWS_OWN: [&str; 3] = ["mlflow-model-serving", "huggingface-text-generation-inference", "demo"];
    for provider in Catalogue::built_in().providers() {
        let own = provider.name.replace('-', "_");
        for key in ["api_key", "api_base"].map(|key| format!("{own}_{key}")) {
            let known = provider.config.contains_key(&key) || MLFLOWS_OWN.contains(&provider.name.as_str());
            assert!(known, "{} has no {key}", provider.name);
        }
    }
}

#[test]
fn a_provider_is_found_as_mlflow_finds_it() {
    let catalogue = Catalogue::built_in();
    for (written, canonical, variant) in [
        ("openai", "openai", None),
        ("OpenAI", "openai", None),
        ("mlflow_model_serving", "mlflow-model-serving", None),
        ("Mlflow-Model-Serving", "mlflow-model-serving", None),
        ("amazon_bedrock", "amazon-bedrock", None),
        ("azuread", "azuread", Some("azuread")),
    ] {
        let named = catalogue.find(written).unwrap();
        assert_eq!((named.canonical, named.variant), (canonical, variant), "{written}");
    }
    for unknown in ["", "open ai", "openai-", "openai "] {
        assert!(catalogue.find(unknown).is_none(), "{unknown}");
    }
}

#[test]
fn a_star_stands_for_any_text() {
    for (pattern, name, wanted) in [
        ("gpt-4", "gpt-4", true),
        ("gpt-4", "gpt-4o", false),
        ("gpt-4*", "gpt-4o", true),
        ("*-instruct*", "mistral-7b-instruct-v1", true),
        ("a*b*c", "a-c-b-c", true),
        ("a*b*c", "a-c-c", false),
        ("*", "", true),
        ("ab*b", "ab", false),
    ] {
        assert_eq!(fits(pattern, name), wanted, "{pattern} {name}");
    }
    let reasoning = ["gpt-5*".to_owned(), "!gpt-5-chat*".to_owned()];
    assert!(listed(&reasoning, "gpt-5-mini"));
    assert!(!listed(&reasoning, "gpt-5-chat-latest"));
}
