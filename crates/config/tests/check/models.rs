//! What is known of models: the published data, and the operator's word over it.

use super::{chat, check, openai};
use lockgate_config::{Ability, Modality, ModelFacts, Price, Service};
use lockgate_dialects::ModelTraits;

/// What is known of the first route's model, and what the codec is told of it.
fn known(text: &str) -> (ModelFacts, ModelTraits) {
    let config = check(text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let target = &config.routes[0].targets[0].target;
    let Service::Http(http) = &target.service else { panic!("not asked over HTTP") };
    (target.facts.clone(), http.api.as_ref().expect("the operation is served").traits.clone())
}

fn of(provider: &str, key: &str, model: &str, more: &str) -> (ModelFacts, ModelTraits) {
    known(&format!(
        "{}{more}",
        chat(&format!("{{provider: {provider}, name: {model}, config: {{{key}: k}}}}"))
    ))
}

#[test]
fn a_model_without_a_limit_in_the_request_is_asked_for_all_that_it_can_answer() {
    let anthropic = |model: &str| of("anthropic", "anthropic_api_key", model, "");
    let (facts, traits) = anthropic("claude-opus-4-8");
    assert!(facts.max_output_tokens.is_some_and(|tokens| tokens > 64_000), "{facts:?}");
    assert_eq!(traits.max_output_tokens, facts.max_output_tokens);
    // What the published data does not know is still told by the provider's file.
    let (facts, traits) = anthropic("claude-3-opus-20240229");
    assert_eq!((facts, traits.max_output_tokens), (ModelFacts::default(), Some(4096)));
    assert_eq!(anthropic("claude-unheard-of").1.max_output_tokens, Some(8192));
}

#[test]
fn a_reasoning_model_that_the_providers_file_does_not_name_is_known_as_one() {
    let reasons = |model: &str| of("openai", "openai_api_key", model, "").1.reasoning;
    assert!(reasons("gpt-6-sol") && reasons("gpt-5.1") && reasons("o3"));
    assert!(!reasons("gpt-4o") && !reasons("gpt-4") && !reasons("gpt-unheard-of"));
    // The provider's file says that it is none, and the data that it is one.
    assert!(!reasons("gpt-5-chat-latest"));
    // Other providers' reasoning models take what all their models take.
    assert!(of("groq", "groq_api_key", "openai/gpt-oss-120b", "").0.can(Ability::Reasoning));
    assert!(!of("groq", "groq_api_key", "openai/gpt-oss-120b", "").1.reasoning);
}

#[test]
fn the_operators_word_counts_field_by_field_and_the_later_over_the_earlier() {
    let own = "models:
  - {provider: OpenAI, name: 'gpt-6*', max_output_tokens: 7, input: [pdf], abilities: []}
  - {provider: openai, name: gpt-6-sol, max_output_tokens: 9, prices: {input: 0.075, above: [{tokens: 200, output: 3}]}}
  - {provider: openai, name: gpt-5, max_output_tokens: 1}
  - {provider: azure, name: '*', max_output_tokens: 2}
";
    let (facts, traits) = of("openai", "openai_api_key", "gpt-6-sol", own);
    let (published, _) = of("openai", "openai_api_key", "gpt-6-sol", "");
    assert_eq!((facts.max_output_tokens, traits.max_output_tokens), (Some(9), Some(9)));
    assert_eq!(facts.input, Some(vec![Modality::Pdf]));
    assert!(published.can(Ability::Reasoning) && !facts.can(Ability::Reasoning) && !traits.reasoning);
    assert!(facts.max_input_tokens.is_some() && facts.max_input_tokens == published.max_input_tokens);
    let prices = facts.prices.expect("given");
    assert_eq!((prices.base.input, prices.base.output), (Some(Price(75_000)), None));
    assert_eq!((prices.above[0].tokens, prices.above[0].rates.output), (200, Some(Price(3_000_000))));
}

#[test]
fn an_azure_deployment_is_known_by_its_model_under_azures_prices() {
    let azure = |model: &str, more: &str| {
        let kind = "openai_api_type: azure, openai_api_base: http://h, openai_deployment_name: d, openai_api_version: '1'";
        let model = format!("{{provider: openai, name: {model}, config: {{openai_api_key: k, {kind}}}}}");
        known(&format!("{}{more}", chat(&model))).0
    };
    assert!(azure("gpt-35-turbo", "").max_input_tokens.is_some());
    let own = "models: [{provider: azure, name: mine, max_input_tokens: 5}, {provider: azuread, name: mine, max_input_tokens: 6}]\n";
    assert_eq!(azure("mine", own).max_input_tokens, Some(5));
    let for_all = "models: [{provider: openai, name: mine, max_input_tokens: 7}]\n";
    assert_eq!(azure("mine", for_all).max_input_tokens, Some(7));
}

#[test]
fn a_provider_of_ones_own_can_have_the_facts_of_another() {
    let block = |facts: &str| {
        format!(
            "providers:
  - name: house
    base: http://h
    operations: {{chat: {{dialect: openai_chat, path: chat}}}}
    models: {{facts: {facts}}}
{}",
            chat("{provider: house, name: gpt-6-sol}")
        )
    };
    assert!(known(&block("openai")).0.max_input_tokens.is_some());
    let mistakes = check(&block("opnai")).expect_err("there is none").to_string();
    assert!(mistakes.contains("nothing is known of the models of a provider 'opnai'"), "{mistakes}");
    assert!(mistakes.contains("did you mean `openai`?"), "{mistakes}");
}

#[test]
fn a_mistake_in_models_is_told_where_it_stands() {
    let said = |entry: &str| {
        let text = format!("models:\n  - {entry}\n{}", openai("{openai_api_key: k}"));
        check(&text).map(|_| ()).expect_err(entry).to_string()
    };
    for (entry, message) in [
        ("{provider: opnai, name: m}", "did you mean `openai`?"),
        ("{provider: openai}", "models.0.name"),
        ("{name: m}", "models.0.provider"),
        ("{provider: openai, name: m, max_input_tokens: 0}", "at least 1"),
        ("{provider: openai, name: m, max_output_tokens: many}", "valid integer"),
        ("{provider: openai, name: m, abilities: [flight]}", "one of caching, reasoning"),
        ("{provider: openai, name: m, input: [smell]}", "one of audio, image"),
        ("{provider: openai, name: m, prices: {input: 0.0000001}}", "at most 6 digits"),
        ("{provider: openai, name: m, prices: {input: -1}}", "US dollars per million tokens"),
        ("{provider: openai, name: m, prices: {above: [{input: 1}]}}", "`tokens`"),
        ("openai", "valid dictionary"),
    ] {
        let said = said(entry);
        assert!(
            said.contains(message) && said.contains('^') && said.contains("c.yaml:2:"),
            "{entry}: {said}"
        );
    }
}
