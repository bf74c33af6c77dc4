//! What becomes of a file that is in order.

use std::time::Duration;

use lockgate_config::{Api, Config, DEMO, HttpService, OnLoss, Proxy, Route, Service, StreamUsage, Style};
use lockgate_dialects::canonical::Operation;

use crate::{chat, check, check_strictly, endpoint, openai};

fn config(text: &str) -> Config {
    check(text).unwrap_or_else(|mistakes| panic!("{text}\n{mistakes}"))
}

fn http(route: &Route) -> &HttpService {
    match &route.targets[0].target.service {
        Service::Http(service) => service,
        other => panic!("{other:?}"),
    }
}

fn api(text: &str) -> Api {
    let config = config(text);
    http(&config.routes[0]).api.clone().expect("the provider has the operation")
}

fn headers(text: &str) -> Vec<(String, String)> {
    let config = config(text);
    let headers = &http(&config.routes[0]).header_sets[0];
    let mut headers: Vec<_> =
        headers.iter().map(|header| (header.name.clone(), header.value.expose().to_owned())).collect();
    headers.sort();
    headers
}

fn completions(text: &str) -> String {
    text.replace("llm/v1/chat", "llm/v1/completions")
}

fn embeddings(text: &str) -> String {
    text.replace("llm/v1/chat", "llm/v1/embeddings")
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_built_in_config_has_a_route_of_every_kind_and_not_one_warning() {
    let config = check_strictly(DEMO).unwrap();
    let routes: Vec<_> = config.routes.iter().map(|route| (route.name.as_str(), route.operation)).collect();
    assert_eq!(
        routes,
        [("chat", Operation::Chat), ("completions", Operation::Complete), ("embeddings", Operation::Embed)]
    );
    assert!(config.routes.iter().all(|route| route.style == Style::Classic));
    assert!(matches!(config.routes[0].targets[0].target.service, Service::Demo(_)));
    assert!(config.warnings.is_empty());
}

#[test]
fn openai_is_asked_at_its_address_with_its_headers() {
    let plain = openai("{openai_api_key: $KEY, openai_organization: org-42}");
    assert_eq!(api(&plain).url, "https://api.openai.com/v1/chat/completions");
    assert_eq!(
        headers(&plain),
        pairs(&[("authorization", "Bearer sk-env"), ("openai-organization", "org-42")])
    );
    let versioned =
        "{openai_api_key: k, openai_api_base: 'http://h/v1/?t=a b', openai_api_version: 2020-10-01}";
    assert_eq!(api(&openai(versioned)).url, "http://h/v1/chat/completions?t=a%20b&api-version=2020-10-01");
    let api = api(&embeddings(&plain));
    assert_eq!(
        (api.dialect.as_str(), api.url.as_str()),
        ("openai_embeddings", "https://api.openai.com/v1/embeddings")
    );
}

#[test]
fn azure_is_asked_at_its_deployment_and_picks_the_model_itself() {
    let keys =
        "openai_api_base: 'http://h', openai_deployment_name: 'my dep', openai_api_version: 2023-05-15";
    for (provider, kind, header) in [
        ("openai", "openai_api_type: azure,", ("api-key", "k")),
        ("openai", "openai_api_type: AzureAD,", ("authorization", "Bearer k")),
        ("azure", "", ("api-key", "k")),
        ("azuread", "", ("authorization", "Bearer k")),
        ("azure", "openai_api_type: azure,", ("api-key", "k")),
    ] {
        let text = chat(&format!(
            "{{provider: {provider}, name: gpt-4, config: {{openai_api_key: k, {kind} {keys}}}}}"
        ));
        let api = api(&text);
        assert_eq!(api.url, "http://h/openai/deployments/my%20dep/chat/completions?api-version=2023-05-15");
        assert!(api.traits.model_in_url);
        assert_eq!(headers(&text), pairs(&[header]));
        let target = &config(&text).routes[0].targets[0].target;
        assert_eq!((target.provider.as_str(), target.display.as_str()), (provider, "OpenAI"));
    }
}

#[test]
fn a_model_in_a_path_is_encoded_and_a_stream_may_have_a_path_of_its_own() {
    let providers = "\nproviders:\n  - name: own\n    base: http://h/v1?t=1\n    operations:\n      chat:\n        \
        dialect: openai_chat\n        streams: true\n        path: 'models/{model}:generate'\n        \
        stream_path: 'models/{model}:stream?alt=sse'\n";
    let text = chat("{provider: own, name: 'a/b:c'}") + providers;
    let asked = api(&text);
    assert_eq!(asked.url, "http://h/v1/models/a%2Fb%3Ac:generate?t=1");
    assert_eq!(asked.stream_url.as_deref(), Some("http://h/v1/models/a%2Fb%3Ac:stream?t=1&alt=sse"));
    assert!(asked.traits.model_in_url, "the body leaves the model out");
    let nameless = config(&text.replace("name: 'a/b:c'", "name: null"));
    let service = &nameless.routes[0].targets[0].target.service;
    assert!(
        matches!(service, Service::Unavailable { reason } if reason.contains("needs a `name`")),
        "{service:?}"
    );
    assert_eq!(nameless.warnings.len(), 1);
    let unstreamed =
        check(&text.replace("streams: true", "streams: false")).expect_err("a path for no stream");
    assert!(unstreamed.to_string().contains("add `streams: true`"), "{unstreamed}");
}

#[test]
fn a_completion_route_asks_the_api_that_its_model_has() {
    let ask = |provider: &str, key: &str, name: &str, extra: &str| {
        let text = chat(&format!("{{provider: {provider}, name: {name}, {extra} config: {{{key}: k}}}}"));
        let api = api(&completions(&text));
        (api.operation, api.dialect, api.refuses.len())
    };
    let openai = |name: &str, extra: &str| ask("openai", "openai_api_key", name, extra);
    // MLflow's rule for completions stays, whichever API is asked.
    assert_eq!(openai("gpt-3.5-turbo", ""), (Operation::Chat, "openai_chat".into(), 1));
    assert_eq!(openai("gpt-3.5-turbo-instruct", ""), (Operation::Complete, "openai_completions".into(), 1));
    assert_eq!(openai("davinci-002", ""), (Operation::Complete, "openai_completions".into(), 1));
    assert_eq!(
        openai("my-base-model", "api: completions,"),
        (Operation::Complete, "openai_completions".into(), 1)
    );
    assert_eq!(openai("davinci-002", "api: chat,"), (Operation::Chat, "openai_chat".into(), 1));
    let anthropic = |name: &str| ask("anthropic", "anthropic_api_key", name, "");
    assert_eq!(anthropic("claude-instant-1.1"), (Operation::Complete, "anthropic_complete".into(), 4));
    assert_eq!(anthropic("claude-3-opus"), (Operation::Chat, "anthropic_messages".into(), 4));
    assert_eq!(ask("cohere", "cohere_api_key", "command", ""), (Operation::Complete, "cohere_v1".into(), 2));
}

#[test]
fn each_provider_is_asked_at_its_own_address() {
    let anthropic =
        chat("{provider: anthropic, name: claude-3-7-sonnet-latest, config: {anthropic_api_key: k}}");
    let asked = api(&anthropic);
    assert_eq!(asked.url, "https://api.anthropic.com/v1/messages");
    assert_eq!((asked.traits.max_output_tokens, asked.traits.temperature_max), (Some(64_000), Some(1.0)));
    assert_eq!(headers(&anthropic), pairs(&[("anthropic-version", "2023-06-01"), ("x-api-key", "k")]));
    let missing = config(&embeddings(&anthropic));
    assert!(http(&missing.routes[0]).api.is_none());

    let cohere =
        chat("{provider: cohere, name: command, config: {cohere_api_key: k, cohere_api_base: http://h/v1}}");
    assert_eq!(api(&cohere).url, "http://h/v1/chat");
    assert_eq!(api(&completions(&cohere)).url, "http://h/v1/generate");
    assert_eq!(api(&embeddings(&cohere)).url, "http://h/v1/embed");
    assert_eq!(headers(&cohere), pairs(&[("authorization", "Bearer k")]));

    let served = chat("{provider: mlflow-model-serving, config: {model_server_url: http://h/a}}");
    let asked = api(&served);
    assert_eq!(
        (asked.url.as_str(), asked.streams, asked.allows_model),
        ("http://h/a/invocations", false, true)
    );
    assert_eq!(asked.traits.temperature_max, None);
    assert_eq!(headers(&served), []);
}

#[test]
fn reasoning_models_are_known_by_their_names() {
    for (name, wanted) in [
        ("o1-mini", true),
        ("o3", true),
        ("gpt-5-nano", true),
        ("gpt-5-chat-latest", false),
        ("gpt-4o", false),
    ] {
        let text = chat(&format!("{{provider: openai, name: {name}, config: {{openai_api_key: k}}}}"));
        assert_eq!(api(&text).traits.reasoning, wanted, "{name}");
    }
}

#[test]
fn a_provider_that_is_not_served_loads_with_a_warning_and_a_reason() {
    let config = config(&chat("{provider: palm, name: chat-bison-001, config: {palm_api_key: k}}"));
    let target = &config.routes[0].targets[0].target;
    assert_eq!((target.provider.as_str(), target.display.as_str()), ("palm", "PaLM"));
    assert!(
        matches!(&target.service, Service::Unavailable { reason } if reason == "Google has retired the PaLM API.")
    );
    assert_eq!(
        config.warnings[0].message,
        "Google has retired the PaLM API. The route is listed, and calls of it answer 501."
    );
}

#[test]
fn a_key_that_no_header_can_carry_is_said_at_the_start_and_not_per_call() {
    let config = config(&openai("{openai_api_key: two-lines.txt}"));
    let service = &config.routes[0].targets[0].target.service;
    assert!(matches!(service, Service::Unavailable { reason } if reason.contains("'authorization'")));
    assert_eq!(config.warnings.len(), 1);
}

#[test]
fn keys_come_from_the_environment_files_or_the_text() {
    for (key, wanted) in [
        ("$KEY", "Bearer sk-env"),
        ("{env: KEY}", "Bearer sk-env"),
        ("key.txt", "Bearer sk-file"),
        ("{file: key.txt}", "Bearer sk-file"),
        ("sk-literal", "Bearer sk-literal"),
        ("''", "Bearer "),
    ] {
        let text = openai(&format!("{{openai_api_key: {key}}}"));
        assert_eq!(headers(&text), pairs(&[("authorization", wanted)]), "{key}");
    }
}

#[test]
fn the_hash_follows_the_text_and_the_files_that_it_names() {
    let text = openai("{openai_api_key: key.txt}");
    let first = config(&text);
    assert_eq!(first.hash.len(), 12);
    assert_eq!(first.hash, config(&text).hash);
    assert_ne!(first.hash, config(&format!("{text}\n")).hash);
    let mut world = crate::World::usual();
    world.files.insert("key.txt".to_owned(), b"rotated".to_vec());
    let rotated =
        lockgate_config::check(&text, "c.yaml", &world, lockgate_config::Options::default()).unwrap();
    assert_ne!(first.hash, rotated.hash);
    assert_eq!(first.watched, [std::path::PathBuf::from("key.txt")]);
    assert!(config(&openai("{openai_api_key: literal}")).watched.is_empty());
}

#[test]
fn a_limit_is_listed_as_written_and_said_as_mlflow_says_it() {
    let config = config(&endpoint("    limit: {calls: 2, renewal_period: 5 Minutes, key: user}\n"));
    let limit = config.routes[0].limit.as_ref().unwrap();
    assert_eq!((limit.calls, limit.period), (2, Duration::from_secs(300)));
    assert_eq!((limit.text.as_str(), limit.renewal_period.as_str()), ("2 per 5 minute", "5 Minutes"));
    assert_eq!(limit.key.as_deref(), Some("user"));
}

#[test]
fn the_key_of_the_route_type_decides_the_bodies() {
    let styles = |text: &str| config(text).routes[0].style;
    assert_eq!(styles(&endpoint("")), Style::Endpoints);
    assert_eq!(styles(&endpoint("").replace("endpoint_type", "route_type")), Style::Endpoints);
    assert_eq!(styles(&endpoint("").replace("endpoint", "route")), Style::Classic);
    assert_eq!(styles(&endpoint("").replace("endpoints:", "routes:")), Style::Endpoints);
}

#[test]
fn a_config_with_every_key_of_ours_means_what_it_says() {
    let config = check_strictly(include_str!("example.yaml")).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let server = &config.server;
    assert_eq!((server.limits.max_body_bytes, server.limits.max_header_bytes), (8 << 20, 32_768));
    assert_eq!((server.limits.max_headers, server.limits.max_depth), (50, 64));
    assert_eq!(
        (server.timeouts.header, server.timeouts.keep_alive),
        (Duration::from_secs(5), Duration::from_secs(60))
    );
    assert_eq!(
        (server.drain.delay, server.drain.deadline),
        (Duration::from_secs(3), Duration::from_secs(60))
    );
    assert!(server.egress.ca_bundle.is_some() && matches!(server.egress.proxy, Proxy::None));
    assert_eq!(server.upstream.total, Duration::from_secs(120));

    let [chat, local, old, .., split] = config.routes.as_slice() else { panic!("{:?}", config.routes) };
    assert_eq!(
        (chat.timeouts.connect, chat.timeouts.idle),
        (Duration::from_secs(2), Duration::from_millis(500))
    );
    assert_eq!(chat.timeouts.total, Duration::from_secs(1800));
    assert_eq!(local.timeouts.total, Duration::from_secs(120));
    assert_eq!((chat.on_loss, chat.usage), (OnLoss::Reject, StreamUsage::AsAsked));
    assert_eq!((local.on_loss, local.usage), (OnLoss::Report, StreamUsage::Always));
    assert_eq!(serde_json::to_string(&chat.defaults).unwrap(), r#"{"temperature":0.2,"top_p":0.9}"#);
    assert_eq!(serde_json::to_string(&chat.forced).unwrap(), r#"{"user":"gateway"}"#);
    let names: Vec<_> = http(chat).header_sets[0]
        .iter()
        .map(|header| (header.name.as_str(), header.value.expose()))
        .collect();
    assert_eq!(names, [("authorization", "Bearer sk-env"), ("x-team", "blue"), ("x-token", "sk-file")]);

    assert_eq!(
        (local.targets[0].target.provider.as_str(), local.targets[0].target.display.as_str()),
        ("house", "vLLM")
    );
    assert_eq!(http(local).api.as_ref().unwrap().url, "http://127.0.0.1:8000/v1/chat/completions");
    assert!(http(local).header_sets[0].is_empty(), "a header without its key is left out");
    assert_eq!(http(old).api.as_ref().unwrap().operation, Operation::Chat);

    assert_eq!((split.name.as_str(), split.style), ("split", Style::Traffic));
    let shares: Vec<_> =
        split.targets.iter().map(|share| (share.target.provider.as_str(), share.weight)).collect();
    assert_eq!(shares, [("openai", 80), ("house", 20)]);
}

#[test]
fn a_route_that_says_nothing_of_losses_and_usage_does_what_the_defaults_say() {
    let route = |lines: &str| config(&endpoint(lines)).routes.remove(0);
    let common = "defaults: {on_loss: reject, usage: as_asked}\n";
    assert_eq!(route(common).on_loss, OnLoss::Reject);
    assert_eq!(route(common).usage, StreamUsage::AsAsked);
    let own = format!("    on_loss: report\n    usage: always\n{common}");
    assert_eq!((route(&own).on_loss, route(&own).usage), (OnLoss::Report, StreamUsage::Always));
    let mistakes = check(&endpoint("    on_loss: ignore\n")).unwrap_err().to_string();
    assert!(mistakes.contains("Input should be one of report, reject"), "{mistakes}");
}

#[test]
fn a_version_of_azures_api_that_is_older_than_stream_options_is_not_sent_them() {
    let refuses = |version: &str| {
        let config = format!(
            "{{openai_api_type: azure, openai_api_key: k, openai_api_base: https://x, openai_deployment_name: d, \
             openai_api_version: {version}}}"
        );
        api(&openai(&config)).traits.refuses_stream_options
    };
    for old in ["\"2023-05-15\"", "2024-08-01-preview"] {
        assert!(refuses(old), "{old}");
    }
    for new in ["2024-09-01-preview", "\"2024-10-21\"", "2025-04-01-preview"] {
        assert!(!refuses(new), "{new}");
    }
    assert!(!api(&openai("{openai_api_key: k}")).traits.refuses_stream_options);
}

#[test]
fn fields_of_newer_apis_go_to_openai_and_not_to_azures_old_versions() {
    let takes = |config: &str| api(&openai(config)).traits.takes.contains(&"prompt_cache_key".to_owned());
    assert!(takes("{openai_api_key: k}"));
    assert!(!takes(
        "{openai_api_type: azure, openai_api_key: k, openai_api_base: https://x, openai_deployment_name: d, \
         openai_api_version: 2024-10-21}"
    ));
}

#[test]
fn a_routes_own_header_stands_over_the_providers() {
    let text = endpoint("    headers: {Authorization: Basic x}\n");
    assert_eq!(headers(&text), pairs(&[("authorization", "Basic x")]));
}

#[test]
fn mlflows_variable_for_the_total_timeout_is_honoured_where_the_file_says_nothing() {
    let mut world = crate::World::usual();
    world.env.insert("MLFLOW_GATEWAY_ROUTE_TIMEOUT_SECONDS".to_owned(), "42".to_owned());
    let total = |text: &str| {
        let config =
            lockgate_config::check(text, "c.yaml", &world, lockgate_config::Options::default()).unwrap();
        config.routes[0].timeouts.total.as_secs()
    };
    assert_eq!(total(&endpoint("")), 42);
    assert_eq!(total(&endpoint("server: {upstream: {total: 7}}\n")), 7);
    assert_eq!(total(&endpoint("    timeouts: {total: 8}\n")), 8);
}
