//! What a config says of how much may be used.

use std::time::Duration;

use insta::assert_snapshot;
use lockgate_config::{Allowance, Rate};

use crate::{check, check_strictly, endpoint};

/// An endpoint with these limits.
fn limited(limits: &str) -> String {
    endpoint(&format!("    limits: {limits}\n"))
}

fn allowance(limits: &str) -> Allowance {
    let config = check_strictly(&limited(limits)).unwrap_or_else(|mistakes| panic!("{limits}\n{mistakes}"));
    config.routes[0].limits.clone()
}

#[test]
fn every_spelling_of_a_rate_means_the_same() {
    let rate = |amount, seconds, text: &str| {
        Some(Rate { amount, period: Duration::from_secs(seconds), text: text.to_owned() })
    };
    for (written, wanted) in [
        ("100 per minute", rate(100, 60, "100 per 1 minute")),
        ("100/minute", rate(100, 60, "100 per 1 minute")),
        ("100 / 1 Minutes", rate(100, 60, "100 per 1 minute")),
        ("1_000 per 5 seconds", rate(1000, 5, "1000 per 5 second")),
        ("1 per day", rate(1, 86_400, "1 per 1 day")),
    ] {
        assert_eq!(allowance(&format!("{{requests: {written}}}")).requests, wanted, "{written}");
    }
}

#[test]
fn each_kind_of_limit_stands_where_it_was_written() {
    let all = "{requests: 1/second, concurrent: 2, prompt_tokens: 3/second, completion_tokens: 4/second, \
               tokens: 5/second}";
    let Allowance { requests, concurrent, prompt_tokens, completion_tokens, tokens } = allowance(all);
    let rates =
        [requests, prompt_tokens, completion_tokens, tokens].map(|rate| rate.expect("written").amount);
    assert_eq!((concurrent, rates), (Some(2), [1, 3, 4, 5]));
}

#[test]
fn callers_and_routes_that_split_their_traffic_have_limits_too() {
    let text = endpoint(
        "routes:
  - name: split
    task_type: llm/v1/chat
    destinations: [{name: a, traffic_percentage: 100}]
    limits: {concurrent: 3}
callers:
  - name: alice
    key: sha256:0000000000000000000000000000000000000000000000000000000000000001
    limits: {concurrent: 4}
",
    );
    let config = check_strictly(&text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(config.routes[0].limits, Allowance::default());
    assert_eq!(config.routes[1].limits.concurrent, Some(3));
    assert_eq!(config.callers[0].limits.concurrent, Some(4));
}

#[test]
fn mlflows_limit_under_the_wrong_name_is_ignored_as_mlflow_does_and_told() {
    for limits in ["{calls: 1, renewal_period: minute}", "[{calls: 1, renewal_period: minute}]"] {
        let config = check(&limited(limits)).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!(config.routes[0].limits, Allowance::default());
        let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
        assert_eq!(warning.hint.as_deref(), Some("did you mean `limit`?"));
    }
}

#[test]
fn a_mistake_is_shown_with_its_place_and_what_was_meant() {
    let text = endpoint(
        "    limits:
      requests: 100 per minut
      concurent: 20
      concurrent: 0
      prompt_tokens: 50000
      completion_tokens: 0 per minute
      tokens: sk-secret-of-somebody
callers:
  - name: alice
    key: sha256:0000000000000000000000000000000000000000000000000000000000000001
    limits: {}
  - name: bob
    key: sha256:0000000000000000000000000000000000000000000000000000000000000002
    limits: 100 per minute
",
    );
    assert_snapshot!(check_strictly(&text).expect_err("it is refused").to_string(), @r"
    The gateway configuration is invalid: endpoints.0.limits.requests: Input should be a number per period, such as `100 per minute` or `10 per 5 seconds`
     --> c.yaml:9:17
      |
    9 |       requests: 100 per minut
      |                 ^^^^^^^^^^^^^
      = did you mean `minute`?

    unknown key 'concurent'
      --> c.yaml:10:7
       |
    10 |       concurent: **
       |       ^^^^^^^^^
       = did you mean `concurrent`?

    The gateway configuration is invalid: endpoints.0.limits.concurrent: Input should allow at least 1 and at most 1000000000000
      --> c.yaml:11:19
       |
    11 |       concurrent: 0
       |                   ^

    The gateway configuration is invalid: endpoints.0.limits.prompt_tokens: Input should be a number per period, such as `100 per minute` or `10 per 5 seconds`
      --> c.yaml:12:22
       |
    12 |       prompt_tokens: 50000
       |                      ^^^^^
       = did you mean `50000 per minute`?

    The gateway configuration is invalid: endpoints.0.limits.completion_tokens: Input should allow at least 1 and at most 1000000000000
      --> c.yaml:13:26
       |
    13 |       completion_tokens: 0 per minute
       |                          ^^^^^^^^^^^^

    The gateway configuration is invalid: endpoints.0.limits.tokens: Input should be a number per period, such as `100 per minute` or `10 per 5 seconds`
      --> c.yaml:14:15
       |
    14 |       tokens: *********************
       |               ^^^^^^^^^^^^^^^^^^^^^
       = the periods are second, minute, hour, day, month, year

    'limits' limits nothing
      --> c.yaml:18:5
       |
    18 |     limits: {}
       |     ^^^^^^
       = such as `requests: 100 per minute`, or leave the key away

    The gateway configuration is invalid: callers.1.limits: Input should be a valid dictionary, not a string
      --> c.yaml:21:13
       |
    21 |     limits: **************
       |             ^^^^^^^^^^^^^^
    ");
}
