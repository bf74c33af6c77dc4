//! Amazon Bedrock: MLflow's three forms of `aws_config`, bearer keys, and what the environment says.

use lockgate_config::{Config, HttpService, Mistakes, Service};

use crate::{World, chat};

fn checked(config: &str, env: &[(&str, &str)]) -> Result<Config, Mistakes> {
    let mut world = World::usual();
    world.env.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let text = chat(&format!("{{provider: bedrock, name: 'anthropic.claude:0', config: {config}}}"));
    lockgate_config::check(&text, "config.yaml", &world, lockgate_config::Options::default())
}

fn service(config: &str, env: &[(&str, &str)]) -> Service {
    let config = checked(config, env).unwrap_or_else(|mistakes| panic!("{config}\n{mistakes}"));
    config.routes[0].targets[0].target.service.clone()
}

fn http(config: &str, env: &[(&str, &str)]) -> HttpService {
    match service(config, env) {
        Service::Http(http) => *http,
        other => panic!("{other:?}"),
    }
}

/// Region, access key, secret key and token.
fn signed(config: &str, env: &[(&str, &str)]) -> (String, String, String, Option<String>) {
    let signing = http(config, env).signing.expect("requests are signed");
    let text = |secret: &lockgate_config::Secret| secret.expose().to_owned();
    assert_eq!(signing.service, "bedrock");
    (
        signing.region,
        text(&signing.access_key_id),
        text(&signing.secret_access_key),
        signing.session_token.as_ref().map(text),
    )
}

fn reason(config: &str, env: &[(&str, &str)]) -> String {
    match service(config, env) {
        Service::Unavailable { reason } => reason,
        other => panic!("{other:?}"),
    }
}

const KEYS: &str = "aws_access_key_id: AKID, aws_secret_access_key: secret";

fn owned(region: &str, id: &str, key: &str, token: Option<&str>) -> (String, String, String, Option<String>) {
    (region.to_owned(), id.to_owned(), key.to_owned(), token.map(str::to_owned))
}

#[test]
fn access_keys_sign_for_the_region_and_the_model_stands_in_the_path() {
    let config = format!("{{aws_config: {{aws_region: eu-west-1, {KEYS}, aws_session_token: token}}}}");
    assert_eq!(signed(&config, &[]), owned("eu-west-1", "AKID", "secret", Some("token")));
    let http = http(&config, &[]);
    assert!(http.header_sets[0].iter().all(|header| header.name != "authorization"));
    let api = http.api.expect("it chats");
    let base = "https://bedrock-runtime.eu-west-1.amazonaws.com/model/anthropic.claude%3A0";
    assert_eq!(api.url, format!("{base}/converse"));
    assert_eq!(api.stream_url, Some(format!("{base}/converse-stream")));
}

#[test]
fn access_keys_may_stand_elsewhere_than_in_the_file() {
    let config = "{aws_config: {aws_region: r, aws_access_key_id: {env: KEY}, aws_secret_access_key: {file: key.txt}}}";
    assert_eq!(signed(config, &[]), owned("r", "sk-env", "sk-file", None));
}

#[test]
fn the_environment_says_what_the_config_does_not() {
    let env = [
        ("AWS_DEFAULT_REGION", "us-west-2"),
        ("AWS_ACCESS_KEY_ID", "ENVID"),
        ("AWS_SECRET_ACCESS_KEY", "envsecret"),
        ("AWS_SESSION_TOKEN", "envtoken"),
    ];
    assert_eq!(signed("{aws_config: {}}", &env), owned("us-west-2", "ENVID", "envsecret", Some("envtoken")));
    let own = format!("{{aws_config: {{aws_region: r, {KEYS}}}}}");
    assert_eq!(signed(&own, &env), owned("r", "AKID", "secret", None), "the file's keys go together");
    let token = [("AWS_BEARER_TOKEN_BEDROCK", "bearer"), env[0], env[1], env[2]];
    let http = http("{aws_config: {}}", &token);
    assert!(http.signing.is_none());
    assert_eq!(http.header_sets[0][0].value.expose(), "Bearer bearer");
    assert_eq!(signed(&own, &token).1, "AKID", "the file counts over the environment");
}

#[test]
fn a_bearer_key_needs_no_aws_config_but_a_region_or_a_base() {
    let api = http("{bedrock_api_key: $KEY, bedrock_api_base: 'http://h/proxy/'}", &[]);
    assert!(api.signing.is_none());
    assert_eq!(api.header_sets[0][0].value.expose(), "Bearer sk-env");
    assert_eq!(api.api.expect("it chats").url, "http://h/proxy/model/anthropic.claude%3A0/converse");
    assert!(reason("{bedrock_api_key: k}", &[]).contains("aws_region"));
    let placed = http("{bedrock_api_key: k, aws_config: {aws_region: us-east-1}}", &[]);
    assert!(placed.api.expect("it chats").url.starts_with("https://bedrock-runtime.us-east-1."));
}

#[test]
fn what_mlflow_accepts_loads_and_says_why_it_cannot_be_called() {
    for (config, wanted) in [
        ("{aws_config: {aws_region: r}}", "no credentials of AWS"),
        ("{aws_config: {aws_region: r, aws_access_key_id: k}}", "no credentials of AWS"),
        (
            "{aws_config: {aws_region: r, aws_role_arn: 'arn:aws:iam::1:role/x'}}",
            "Roles of AWS are not assumed",
        ),
        ("{aws_config: {aws_role_arn: r, session_length_seconds: x}}", "names no 'aws_region'"),
        (
            "{aws_config: {aws_region: 'evil.example/', aws_access_key_id: k, aws_secret_access_key: s}}",
            "not the name",
        ),
    ] {
        let reason = reason(config, &[]);
        assert!(reason.contains(wanted), "{config}: {reason}");
        let warnings = checked(config, &[]).expect("it loads").warnings;
        assert!(
            warnings.iter().any(|warning| warning.to_string().contains("calls of it answer 501")),
            "{config}"
        );
    }
}

#[test]
fn no_secret_of_aws_shows_in_debug() {
    let config = "{aws_config: {aws_region: r, aws_access_key_id: canary7f3a, aws_secret_access_key: canary7f3a, \
         aws_session_token: canary7f3a}}";
    let shown = format!("{:?}", checked(config, &[]).expect("it loads"));
    assert!(!shown.contains("canary7f3a"), "{shown}");
}
