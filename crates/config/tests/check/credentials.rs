//! Where keys come from, and several of them.

use std::time::Duration;

use lockgate_config::{Config, Service};

use crate::{check, check_strictly, endpoint, openai};

/// The keys of the first route, in their order.
fn keys(text: &str) -> Vec<String> {
    keys_of(&check_strictly(text).unwrap_or_else(|mistakes| panic!("{text}\n{mistakes}")), 0)
}

fn keys_of(config: &Config, route: usize) -> Vec<String> {
    let Service::Http(http) = &config.routes[route].targets[0].target.service else {
        panic!("no HTTP service")
    };
    let key = |headers: &Vec<lockgate_config::Header>| {
        let header = headers.iter().find(|header| header.name == "authorization").expect("a key");
        header.value.expose().strip_prefix("Bearer ").expect("a bearer key").to_owned()
    };
    http.header_sets.iter().map(key).collect()
}

/// What is wrong with a text, with its hints.
fn wrong(text: &str) -> String {
    match check(text) {
        Ok(_) => panic!("it is in order:\n{text}"),
        Err(mistakes) => mistakes.to_string(),
    }
}

fn with(credentials: &str, key: &str) -> String {
    format!("credentials: {credentials}\n{}", openai(&format!("{{openai_api_key: {key}}}")))
}

#[test]
fn a_key_comes_from_a_command_or_the_store() {
    assert_eq!(keys(&openai("{openai_api_key: {command: [say, sk-said]}}")), ["sk-said"]);
    assert_eq!(keys(&openai("{openai_api_key: {command: [say, a], timeout: 100ms, ttl: 1h}}")), ["a"]);
    assert_eq!(keys(&openai("{openai_api_key: {secret: stored}}")), ["sk-stored"]);
}

#[test]
fn one_line_break_at_the_end_is_not_part_of_a_key_and_two_are_no_key() {
    assert_eq!(keys(&openai(r#"{openai_api_key: {command: [say, "a\r"]}}"#)), ["a"]);
    let config = check(&openai(r#"{openai_api_key: {command: [say, "a\n"]}}"#)).expect("it loads");
    let service = &config.routes[0].targets[0].target.service;
    assert!(matches!(service, Service::Unavailable { .. }), "no header can carry it: {service:?}");
    assert!(wrong(&openai(r#"{openai_api_key: {command: [say, ""]}}"#)).contains("output is empty"));
}

#[test]
fn a_credential_is_named_once_and_used_by_many_routes() {
    let route = |name: &str| {
        format!(
            "  - name: {name}\n    route_type: llm/v1/chat\n    model: {{provider: openai, name: gpt-4, config: \
             {{openai_api_key: {{credential: main}}}}}}\n"
        )
    };
    let text = format!("credentials:\n  main: {{env: KEY}}\nroutes:\n{}{}", route("a"), route("b"));
    let config = check_strictly(&text).expect("it is in order");
    assert_eq!(
        (keys_of(&config, 0), keys_of(&config, 1)),
        (vec!["sk-env".to_owned()], vec!["sk-env".to_owned()])
    );
    assert_eq!(keys(&with("{main: literal}", "{credential: main}")), ["literal"]);
    assert_eq!(keys(&with("{main: $KEY}", "{credential: main}")), ["sk-env"]);
    assert_eq!(keys(&with("{main: key.txt}", "{credential: main}")), ["sk-file"]);
}

#[test]
fn several_keys_stand_in_the_order_of_the_file() {
    let all = "[{env: KEY}, {file: key.txt}, {secret: stored}, {command: [say, d]}]";
    let wanted = ["sk-env", "sk-file", "sk-stored", "d"];
    assert_eq!(keys(&openai(&format!("{{openai_api_key: {all}}}"))), wanted);
    assert_eq!(keys(&with(&format!("{{all: {all}}}"), "{credential: all}")), wanted);
    let more = with(&format!("{{all: {all}}}"), "[{credential: all}, {command: [say, e]}]");
    assert_eq!(keys(&more).len(), 5);
}

#[test]
fn a_misspelt_name_is_told_with_the_one_that_was_meant() {
    let said = wrong(&with("{openai: {env: KEY}}", "{credential: opneai}"));
    assert!(said.contains("'opneai' is not defined") && said.contains("did you mean `openai`?"), "{said}");
    let said = wrong(&with("{openai: {env: KEY}, main: {env: KEY}}", "{credential: other}"));
    assert!(said.contains("`credentials` has main, openai"), "{said}");
    assert!(wrong(&openai("{openai_api_key: {credential: a}}")).contains("under `credentials`"));
    assert!(wrong(&openai("{openai_api_key: {comand: [a]}}")).contains("did you mean `command`?"));
    assert!(wrong(&openai("{openai_api_key: {secrett: a}}")).contains("did you mean `secret`?"));
}

#[test]
fn a_source_that_gives_nothing_is_a_mistake_at_the_start() {
    for (key, message) in [
        ("{command: [fails, now]}", "The command 'fails' gave no credential: exit status 1"),
        ("{command: [/usr/bin/fails]}", "The command 'fails' gave no credential: exit status 1"),
        ("{secret: locked}", "The secret 'locked' cannot be had: the store is locked"),
        ("{secret: other}", "The store has no secret 'other'"),
        ("{secret: ../other}", "The name of a secret has"),
        ("{command: say}", "Input should be a sequence"),
        ("{command: [say, a], tll: 1h}", "did you mean `ttl`?"),
        ("{command: []}", "Input should be a list of a program and its arguments"),
        ("{command: [say, a], ttl: 10ms}", "Input should be at least 1s"),
        ("{command: [say, a], timeout: 2m}", "Input should be from 1ms to 60s"),
        ("{command: [say, a], timeout: 0}", "Input should be from 1ms to 60s"),
    ] {
        let said = wrong(&openai(&format!("{{openai_api_key: {key}}}")));
        assert!(said.contains(message), "{key}\n{said}");
        let said = wrong(&with(&format!("{{a: {key}}}"), "{credential: a}"));
        assert!(said.contains(message), "{key}\n{said}");
        assert_eq!(
            said.matches(message).count(),
            1,
            "told where it is defined, not where it is used\n{said}"
        );
    }
}

#[test]
fn what_credentials_cannot_hold_is_refused() {
    for (credentials, message) in [
        ("5", "Input should be a valid dictionary"),
        ("{a b: {env: KEY}}", "the name of a credential has"),
        ("{a: {credential: b}, b: {env: KEY}}", "A credential cannot stand for another one"),
        ("{a: 5}", "The api key provided is not a string"),
        ("{a: []}", "The api key provided is not a string"),
        ("{a: [literal]}", "The api key provided is not a string"),
    ] {
        let said = wrong(&with(credentials, "k"));
        assert!(said.contains(message), "{credentials}\n{said}");
    }
    assert_eq!(keys(&with("null", "k")), ["k"]);
}

#[test]
fn a_header_takes_one_key() {
    let text = |keys: &str| {
        format!("credentials: {{a: {keys}}}\n{}", endpoint("    headers: {x-key: {credential: a}}\n"))
    };
    check_strictly(&text("{secret: stored}")).expect("one key");
    assert!(wrong(&text("[{env: KEY}, {secret: stored}]")).contains("a header takes one key"));
}

#[test]
fn a_provider_with_its_key_in_the_url_has_one_key() {
    let text = |keys: &str| {
        format!(
            "providers:\n  - name: own\n    config: {{own_api_key: {{kind: key}}}}\n    base: http://h\n    query: \
             'key={{own_api_key}}'\n    operations: {{chat: {{dialect: openai_chat, path: chat}}}}\nroutes:\n  - name: \
             a\n    route_type: llm/v1/chat\n    model: {{provider: own, name: m, config: {{own_api_key: {keys}}}}}\n"
        )
    };
    check_strictly(&text("{env: KEY}")).expect("one key");
    assert!(wrong(&text("[{env: KEY}, {env: KEY}]")).contains("there can be one key only"));
}

#[test]
fn a_config_is_good_as_long_as_its_shortest_lived_key() {
    let refresh = |text: &str| check(text).expect("it is in order").refresh;
    assert_eq!(refresh(&openai("{openai_api_key: k}")), None);
    assert_eq!(refresh(&openai("{openai_api_key: {command: [say, a]}}")), Some(Duration::from_secs(600)));
    let two = "[{command: [say, a], ttl: 1h}, {command: [say, b], ttl: 30s}]";
    assert_eq!(refresh(&openai(&format!("{{openai_api_key: {two}}}"))), Some(Duration::from_secs(30)));
}

#[test]
fn a_new_value_is_a_new_config() {
    let hash = |text: &str| check(text).expect("it is in order").hash;
    let one = openai("{openai_api_key: {command: [say, a]}}");
    assert_eq!(hash(&one), hash(&one));
    struct Changed;
    impl lockgate_config::Sources for Changed {
        fn env(&self, _: &str) -> Option<String> {
            None
        }
        fn file(&self, _: &str) -> std::io::Result<Option<Vec<u8>>> {
            Ok(None)
        }
        fn command(&self, _: &lockgate_config::Command) -> std::io::Result<Vec<u8>> {
            Ok(b"changed".to_vec())
        }
    }
    let changed = lockgate_config::check(&one, "c.yaml", &Changed, lockgate_config::Options::default());
    assert_ne!(changed.expect("it is in order").hash, hash(&one));
}
