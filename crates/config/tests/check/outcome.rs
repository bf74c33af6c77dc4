//! Refused or accepted, and the first line of what is said: MLflow's own text where it has one.

use crate::{chat, check, check_strictly, endpoint, openai};

const GOOD: &str = "{provider: openai, config: {openai_api_key: k}}";
const KEY: &str = "The api key provided is not a string. Please provide either an environment variable key, a path to \
                   a file containing the api key, or the api key itself";
const LIMIT: &str = "Failed to parse the rate limit configuration.Please make sure limit.calls is a positive number \
                     andlimit.renewal_period is a right granularity";
const AZURE: &str = "OpenAI route configuration must specify 'openai_api_base', 'openai_deployment_name', and \
                     'openai_api_version' if 'openai_api_type' is 'OpenAIAPIType.AZURE' or 'OpenAIAPIType.AZUREAD'.";
const INVALID: &str = "The gateway configuration is invalid: ";

fn first_line(text: &str) -> Option<String> {
    check(text).err().map(|mistakes| mistakes.to_string().lines().next().unwrap_or_default().to_owned())
}

fn accepted(texts: &[String]) {
    for text in texts {
        assert_eq!(first_line(text), None, "{text}");
    }
}

fn refused(cases: &[(String, String)]) {
    for (text, message) in cases {
        assert_eq!(first_line(text).as_ref(), Some(message), "{text}");
    }
}

fn named(name: &str) -> String {
    format!("routes:\n  - name: {name}\n    route_type: llm/v1/chat\n    model: {GOOD}\n")
}

fn typed(route_type: &str) -> String {
    format!("routes:\n  - name: a\n    route_type: {route_type}\n    model: {GOOD}\n")
}

fn azure(config: &str) -> String {
    openai(&format!("{{openai_api_key: k, openai_api_type: azure, {config}}}"))
}

#[test]
fn a_file_that_mlflow_takes_is_taken() {
    accepted(&[
        openai("{openai_api_key: k}"),
        openai("{openai_api_key: ''}"),
        openai("{openai_api_key: $KEY}"),
        openai("{openai_api_key: key.txt}"),
        openai("{openai_api_key: no-such-file.txt}"),
        openai(&format!("{{openai_api_key: {}}}", "k".repeat(300))),
        openai("{openai_api_key: k, openai_api_base: null, openai_organization: o}"),
        openai("{openai_api_key: k, openai_api_base: not a url}"),
        openai("{openai_api_key: k, openai_api_type: OpenAI}"),
        openai("{openai_api_key: k, openai_api_bas: typo}"),
        openai("{openai_api_key: k, openai_api_version: 2023-05-15}"),
        azure("openai_api_base: 'https://x', openai_deployment_name: d, openai_api_version: v"),
        chat("{provider: OPENAI, config: {openai_api_key: k}}"),
        chat("{provider: Mlflow_Model-Serving, config: {model_server_url: 'http://h'}}"),
        chat("{provider: anthropic, name: claude-2, config: {anthropic_api_key: k, anthropic_version: 2023-06-01}}"),
        chat("{provider: mosaicml, name: LLaMA2-70b, config: {mosaicml_api_key: k}}"),
        chat("{provider: palm, config: {palm_api_key: k}}"),
        chat("{provider: bedrock, config: {aws_config: {aws_region: us-east-1}}}"),
        chat("{provider: amazon-bedrock, config: {aws_config: {aws_role_arn: r, session_length_seconds: x}}}"),
        chat("{provider: huggingface-text-generation-inference, config: {hf_server_url: u}}"),
        chat("{provider: mistral, config: {mistral_api_key: k}}"),
        chat("{provider: togetherai, config: {togetherai_api_key: k}}"),
        chat("{provider: gemini, config: {gemini_api_key: k}}"),
        chat("{provider: demo}"),
        typed("llm/v1/embeddings").replace(GOOD, "{provider: anthropic, config: {anthropic_api_key: k}}"),
        named("a.b-c_d"),
        named("日本é9"),
        "routes: []\n".to_owned(),
        "endpoints: []\n".to_owned(),
        endpoint("    limit: {calls: 5, renewal_period: 5 minutes}\n"),
        endpoint("    limit: {calls: '5', renewal_period: HOUR, key: null}\n"),
        endpoint("    limit: {calls: 0, renewal_period: day}\n"),
        endpoint("    limit:\n"),
        endpoint("    limits: {calls: no, renewal_period: fortnight}\n"),
        endpoint("").replace("endpoints", "routes"),
        endpoint("").replace("endpoint_type", "route_type"),
        format!("x: &k sk-anchor\n{}", openai("{openai_api_key: *k}")),
        "base: &b {provider: openai, config: {openai_api_key: k}}\nroutes:\n  - name: a\n    route_type: llm/v1/chat\n    \
         model:\n      <<: *b\n      name: gpt-4\n"
            .to_owned(),
        format!("---\n{}...\n", openai("{openai_api_key: k}")),
        openai("{openai_api_key: k}").replace('\n', "\r\n"),
    ]);
}

#[test]
fn a_name_that_no_path_can_carry_is_refused_in_mlflows_words() {
    let text = |name: &str| {
        format!(
            "The route name provided contains disallowed characters for a url endpoint. '{name}' is invalid. Names \
             cannot contain spaces or any non alphanumeric characters other than hyphen and underscore."
        )
    };
    refused(&[
        (named("''"), text("")),
        (named("a b"), text("a b")),
        (named("'a/b'"), text("a/b")),
        (named("'a:b'"), text("a:b")),
        (named("'a%b'"), text("a%b")),
        (named("\"a\\n\""), text("a\\n")),
        (named("123"), format!("{INVALID}routes.0.name: Input should be a valid string")),
        (named("yes"), format!("{INVALID}routes.0.name: Input should be a valid string")),
        (named(""), format!("{INVALID}routes.0.name: Input should be a valid string")),
    ]);
}

#[test]
fn a_route_type_that_does_not_exist_is_refused_in_mlflows_words() {
    let text = |route_type: &str| format!("The route_type '{route_type}' is not supported.");
    refused(&[
        (typed("llm/v1/foo"), text("llm/v1/foo")),
        (typed("LLM/V1/CHAT"), text("LLM/V1/CHAT")),
        (typed("null"), text("None")),
        (typed("5"), text("5")),
        (typed("[a]"), text("a list")),
        (named("a").replace("route_type", "type"), format!("{INVALID}routes.0.route_type: Field required")),
        (
            endpoint("").replace("    endpoint_type: llm/v1/chat\n", ""),
            format!("{INVALID}endpoints.0.endpoint_type: Field required"),
        ),
    ]);
}

#[test]
fn a_model_that_cannot_be_called_is_refused_in_mlflows_words() {
    let config = |provider: &str| {
        format!(
            "A config must be supplied when setting a provider. The provider entry for {provider} is incorrect."
        )
    };
    let provider = |name: &str| format!("The provider '{name}' is not supported.");
    let missing = |key: &str| format!("{INVALID}routes.0.model.config.{key}: Field required");
    let ai21 = |name: &str| {
        format!(
            "An Unsupported AI21Labs model has been specified: '{name}'. Please see documentation for supported \
             models."
        )
    };
    let mosaic = |name: &str| {
        format!(
            "An invalid model has been specified for the chat route. '{name}'. Ensure the model selected starts with \
             one of: ['llama2']"
        )
    };
    refused(&[
        (
            chat("{name: gpt-4, config: {openai_api_key: k}}"),
            "A provider must be provided for each gateway route.".into(),
        ),
        (chat("{}"), format!("{INVALID}routes.0.model.provider: Field required")),
        (chat(""), format!("{INVALID}routes.0.model: Input should be a valid dictionary, not null")),
        (chat("gpt-4"), format!("{INVALID}routes.0.model: Input should be a valid dictionary, not a string")),
        (chat("{provider: foo, config: {}}"), provider("foo")),
        (chat("{provider: 'openai ', config: {}}"), provider("openai ")),
        (chat("{provider: 5, config: {}}"), provider("5")),
        (chat("{provider: null, config: {}}"), provider("None")),
        (chat("{provider: databricks-model-serving, config: {x: 1}}"), provider("databricks-model-serving")),
        (chat("{provider: openai}"), config("openai")),
        (chat("{provider: openai, config: null}"), config("openai")),
        (chat("{provider: mlflow_model_serving}"), config("mlflow-model-serving")),
        (
            chat("{provider: openai, config: abc}"),
            format!("{INVALID}routes.0.model.config: Input should be a valid dictionary, not a string"),
        ),
        (chat("{provider: openai, config: {}}"), missing("openai_api_key")),
        (chat("{provider: cohere, config: {openai_api_key: k}}"), missing("cohere_api_key")),
        (chat("{provider: mlflow-model-serving, config: {x: y}}"), missing("model_server_url")),
        (chat("{provider: bedrock, config: {}}"), missing("aws_config")),
        (
            chat("{provider: bedrock, config: {aws_config: x}}"),
            format!("{INVALID}routes.0.model.config.aws_config: Input should be a valid dictionary"),
        ),
        (
            chat("{provider: mlflow-model-serving, config: {model_server_url: 5}}"),
            format!("{INVALID}routes.0.model.config.model_server_url: Input should be a valid string"),
        ),
        (
            chat("{provider: openai, name: 4, config: {openai_api_key: k}}"),
            format!("{INVALID}routes.0.model.name: Input should be a string, not a whole number"),
        ),
        (chat("{provider: ai21labs, name: j2-foo, config: {ai21labs_api_key: k}}"), ai21("j2-foo")),
        (chat("{provider: ai21labs, config: {ai21labs_api_key: k}}"), ai21("None")),
        (chat("{provider: mosaicml, name: mpt-7b, config: {mosaicml_api_key: k}}"), mosaic("mpt-7b")),
        (
            chat("{provider: openai, config: {openai_api_key: k, 1: x}}"),
            format!("{INVALID}routes.0.model.config: keys should be strings"),
        ),
    ]);
}

#[test]
fn a_key_that_cannot_be_found_is_refused_in_mlflows_words() {
    let unset = |name: &str| format!("Environment variable '{name}' is not set");
    refused(&[
        (openai("{openai_api_key: 12345}"), KEY.into()),
        (openai("{openai_api_key: null}"), KEY.into()),
        (openai("{openai_api_key: [k]}"), KEY.into()),
        (openai("{openai_api_key: $NOPE}"), unset("NOPE")),
        (openai("{openai_api_key: $EMPTY}"), unset("EMPTY")),
        (openai("{openai_api_key: '${KEY}'}"), unset("{KEY}")),
        (openai("{openai_api_key: $}"), unset("")),
        (openai("{openai_api_key: {env: NOPE}}"), unset("NOPE")),
        (openai("{openai_api_key: {file: nope.txt}}"), "The key file 'nope.txt' does not exist".into()),
        (openai("{openai_api_key: locked.txt}"), "The key file cannot be read: permission denied".into()),
        (
            openai("{openai_api_key: {path: key.txt}}"),
            format!(
                "{INVALID}routes.0.model.config.openai_api_key: Input should be a valid string, {{env: NAME}}, \
                 {{file: PATH}}, {{command: [PROGRAM, …]}}, {{secret: NAME}} or {{credential: NAME}}"
            ),
        ),
    ]);
}

#[test]
fn openai_keys_that_contradict_each_other_are_refused_in_mlflows_words() {
    let unknown = |kind: &str| format!("Invalid OpenAI API type '{kind}'");
    refused(&[
        (azure("openai_deployment_name: d, openai_api_version: v"), AZURE.into()),
        (azure("openai_api_base: b, openai_api_version: v"), AZURE.into()),
        (azure("openai_api_base: b, openai_deployment_name: d"), AZURE.into()),
        (azure("openai_api_base: b, openai_deployment_name: null, openai_api_version: v"), AZURE.into()),
        (chat("{provider: azuread, config: {openai_api_key: k}}"), AZURE.into()),
        (
            azure("openai_api_base: b, openai_deployment_name: d, openai_api_version: v, openai_organization: o"),
            "OpenAI route configuration can only specify a value for 'openai_organization' if 'openai_api_type' is \
             'OpenAIAPIType.OPENAI'"
                .into(),
        ),
        (
            openai("{openai_api_key: k, openai_deployment_name: d}"),
            "OpenAI route configuration can only specify a value for 'openai_deployment_name' if 'openai_api_type' is \
             'OpenAIAPIType.AZURE' or 'OpenAIAPIType.AZUREAD'. Found type: 'openai'"
                .into(),
        ),
        (openai("{openai_api_key: k, openai_api_type: foo}"), unknown("foo")),
        (openai("{openai_api_key: k, openai_api_type: 5}"), unknown("5")),
        (openai("{openai_api_key: k, openai_api_type: null}"), unknown("None")),
        (openai("{openai_api_key: k, openai_api_type: ''}"), unknown("")),
        (
            openai("{openai_api_key: k, openai_api_type: azure}").replace("provider: openai", "provider: azuread"),
            "The provider 'azuread' takes no other 'openai_api_type' than 'azuread'".into(),
        ),
    ]);
}

#[test]
fn a_limit_that_cannot_be_read_is_refused_in_mlflows_words() {
    let limit = |limit: &str| endpoint(&format!("    limit: {limit}\n"));
    refused(&[
        (limit("{calls: 5, renewal_period: fortnight}"), LIMIT.into()),
        (limit("{calls: -1, renewal_period: minute}"), LIMIT.into()),
        (limit("{calls: 5}"), format!("{INVALID}endpoints.0.limit.renewal_period: Field required")),
        (limit("{}"), format!("{INVALID}endpoints.0.limit.calls: Field required")),
        (
            limit("{calls: abc, renewal_period: minute}"),
            format!("{INVALID}endpoints.0.limit.calls: Input should be a valid integer"),
        ),
        (
            limit("{calls: 1.5, renewal_period: minute}"),
            format!("{INVALID}endpoints.0.limit.calls: Input should be a valid integer"),
        ),
        (
            limit("{calls: 1, renewal_period: 5}"),
            format!(
                "{INVALID}endpoints.0.limit.renewal_period: Input should be a string, not a whole number"
            ),
        ),
        (limit("[]"), format!("{INVALID}endpoints.0.limit: Input should be a valid dictionary, not a list")),
    ]);
}

#[test]
fn a_file_of_another_shape_is_refused() {
    let unreadable = "The file at c.yaml is not a valid yaml file".to_owned();
    let duplicate = |what: &str, made: &str| {
        format!("Duplicate names found in {what} configurations. Please remove the duplicate {made}")
    };
    refused(&[
        (String::new(), format!("{INVALID}the file is empty")),
        ("# nothing\n".into(), format!("{INVALID}the file is empty")),
        ("hello\n".into(), format!("{INVALID}Input should be a valid dictionary, not a string")),
        ("- a\n".into(), format!("{INVALID}Input should be a valid dictionary, not a list")),
        ("other: 1\n".into(), format!("{INVALID}endpoints: Field required")),
        ("routes:\n".into(), format!("{INVALID}routes: Input should be a valid list, not null")),
        ("routes: {a: b}\n".into(), format!("{INVALID}routes: Input should be a valid list, not a mapping")),
        (
            "routes: [a]\n".into(),
            format!("{INVALID}routes.0: Input should be a valid dictionary, not a string"),
        ),
        ("1: x\nroutes: []\n".into(), format!("{INVALID}keys should be strings")),
        ("routes:\n\t- name: a\n".into(), unreadable.clone()),
        ("routes: [\n".into(), unreadable.clone()),
        ("routes: []\n---\nroutes: []\n".into(), unreadable.clone()),
        ("routes: !mine []\n".into(), unreadable.clone()),
        ("routes: *nowhere\n".into(), unreadable.clone()),
        ("? [a]\n: b\nroutes: []\n".into(), unreadable),
        (
            format!("{}{}", named("a"), &named("a")[8..]),
            duplicate(
                "route",
                "route name from the configuration to ensure that route endpoints are created properly.",
            ),
        ),
        (
            endpoint(&endpoint("")[11..]),
            duplicate(
                "endpoint",
                "endpoint name from the configuration to ensure that endpoints are created properly.",
            ),
        ),
    ]);
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    let text = format!("{}routes: []\n", named("a"));
    let config = check(&text).unwrap();
    assert_eq!(config.routes.len(), 0);
    assert_eq!(
        config.warnings[0].message,
        "the key 'routes' stands twice in this mapping; the last one counts"
    );
    assert!(check_strictly(&text).is_err());
}

#[test]
fn a_key_that_nobody_reads_is_a_warning_unless_strict() {
    for (text, path, meant) in [
        (
            openai("{openai_api_key: k, openai_api_bas: b}"),
            "routes.0.model.config.openai_api_bas",
            Some("openai_api_base"),
        ),
        (endpoint("    limits: {calls: 1}\n"), "endpoints.0.limits", Some("limit")),
        (endpoint("severs: 1\n"), "severs", Some("server")),
        (endpoint("completely_foreign: 1\n"), "completely_foreign", None),
        (endpoint("server: {limits: {max_bodi: 1}}\n"), "server.limits.max_bodi", Some("max_body")),
    ] {
        let warnings = check(&text).unwrap().warnings;
        assert_eq!((warnings.len(), warnings[0].path.as_str()), (1, path), "{text}");
        let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
        assert_eq!(warnings[0].hint, hint, "{text}");
        let mistakes = check_strictly(&text).unwrap_err();
        assert_eq!((mistakes.len(), mistakes.iter().next().unwrap().path.as_str()), (1, path), "{text}");
    }
}

#[test]
fn endpoints_win_over_old_routes_of_the_same_file() {
    let text = endpoint(&named("old"));
    let config = check(&text).unwrap();
    let names: Vec<_> = config.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["a"]);
    assert_eq!(config.warnings[0].message, "'routes' is ignored: the file has 'endpoints'");
}

#[test]
fn a_traffic_route_that_does_not_add_up_is_refused_in_mlflows_words() {
    let split = |lines: &str| endpoint(&format!("routes:\n  - name: r\n    task_type: llm/v1/chat\n{lines}"));
    let sum = "For each route configuration, the traffic percentage sum of destinations must be 100, but got invalid \
               configuration of route 'r'.";
    refused(&[
        (
            split("    destinations: [{name: b, traffic_percentage: 100}]\n"),
            "The route destination name must be a endpoint name, but the route 'r' has an invalid destination name 'b'."
                .into(),
        ),
        (split("    destinations: [{name: a, traffic_percentage: 99}]\n"), sum.into()),
        (split("    destinations: []\n"), sum.into()),
        (
            split("    destinations: [{name: a, traffic_percentage: 101}, {name: a, traffic_percentage: -1}]\n"),
            "The route destination traffic percentage must between 0 and 100.".into(),
        ),
        (
            split("    destinations: [{name: a, traffic_percentage: 100}]\n").replace("task_type: llm/v1/chat", "task_type: llm/v1/embeddings"),
            "The route destination endpoint types in the route 'r' must have endpoint type 'llm/v1/embeddings' but got \
             endpoint type 'llm/v1/chat'."
                .into(),
        ),
        (
            split("    destinations: [{name: a, traffic_percentage: 100}]\n").replace("name: r", "name: a"),
            "Duplicate names found in endpoint / route configurations. Please remove the duplicate endpoint / route name \
             from the configuration to ensure that endpoints / routes are created properly."
                .into(),
        ),
        (split(""), format!("{INVALID}routes.0.destinations: Field required")),
        (
            split("    destinations: [{name: a, traffic_percentage: 100}]\n").replace("endpoints:", "endpoint:"),
            format!("{INVALID}endpoints: Field required"),
        ),
    ]);
}

#[test]
fn settings_of_our_own_that_make_no_sense_are_refused() {
    let server = |lines: &str| endpoint(&format!("server: {lines}\n"));
    refused(&[
        (server("5"), format!("{INVALID}server: Input should be a valid dictionary, not a whole number")),
        (
            server("{limits: {max_depth: 129}}"),
            format!("{INVALID}server.limits.max_depth: Input should be from 1 to 128"),
        ),
        (
            server("{limits: {max_body: 0}}"),
            format!("{INVALID}server.limits.max_body: Input should be at least 1024 bytes"),
        ),
        (
            server("{limits: {max_body: many}}"),
            format!(
                "{INVALID}server.limits.max_body: Input should be a size such as 32MiB, 64KiB or a number of bytes, of at most 4 GiB"
            ),
        ),
        (
            server("{upstream: {total: 0}}"),
            format!("{INVALID}server.upstream.total: Input should be longer than nothing"),
        ),
        (
            server("{drain: {delay: -1}}"),
            format!(
                "{INVALID}server.drain.delay: Input should be a time such as 10s, 500ms, 5m or 1h, of at most 7 days"
            ),
        ),
        (server("{egress: {ca_bundle: nope.pem}}"), "The certificate file 'nope.pem' does not exist".into()),
        (
            server("{egress: {ca_bundle: key.txt}}"),
            "The certificate file 'key.txt' holds no PEM certificate".into(),
        ),
        (
            server("{egress: {proxy: maybe}}"),
            format!(
                "{INVALID}server.egress.proxy: Input should be 'environment', 'none' or a proxy's http:// URL"
            ),
        ),
        (endpoint("    headers: {'a b': c}\n"), "this is not the name of a header".into()),
        (endpoint("    headers: {Content-Length: c}\n"), "this header is the gateway's own".into()),
        (
            endpoint("    headers: {x: \"a\\nb\"}\n"),
            "the value holds a character that no header can carry".into(),
        ),
        (
            endpoint("    defaults: 5\n"),
            format!("{INVALID}endpoints.0.defaults: Input should be a map, not a whole number"),
        ),
        (
            endpoint("providers:\n  - name: OpenAI\n    unavailable: x\n"),
            "The provider 'OpenAI' exists already".into(),
        ),
        (endpoint("providers:\n  - display: Mine\n"), format!("{INVALID}providers.0.name: Field required")),
        (
            endpoint("providers:\n  - name: mine\n"),
            format!("{INVALID}providers.0.operations: Field required"),
        ),
        (
            endpoint(
                "providers:\n  - name: mine\n    base: http://h\n    operations: {chat: {dialect: klingon, path: p}}\n",
            ),
            "there is no dialect 'klingon' for chat".into(),
        ),
        (
            endpoint(
                "providers:\n  - name: mine\n    base: '{url}'\n    operations: {chat: {dialect: openai_chat, path: p}}\n",
            ),
            "a template names 'url', which is no key of the provider's `config`".into(),
        ),
    ]);
}
