//! Nothing that stands in a file may bring the gateway down.

use std::fmt::Write;

use proptest::prelude::*;

use crate::check;

fn hint_of(text: &str) -> String {
    let mistakes = check(text).expect_err("the text is refused");
    mistakes.iter().next().and_then(|mistake| mistake.hint.clone()).unwrap_or_default()
}

#[test]
fn aliases_that_expand_to_billions_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let previous = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(text, "a{level}: &a{level} [{previous}]").unwrap();
    }
    assert_eq!(hint_of(&text), "too many values, aliases expanded");
}

#[test]
fn aliases_that_nest_without_end_are_refused() {
    let mut text = "a0: &a0 [x]\n".to_owned();
    for level in 1..10_000 {
        writeln!(text, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
    }
    assert_eq!(hint_of(&text), "nested too deeply");
    assert_eq!(hint_of("a: &a [*a]\n"), "an alias inside the node that it names");
}

#[test]
fn a_file_that_is_too_deep_or_too_long_is_refused() {
    assert!(check(&"[".repeat(100_000)).is_err());
    assert!(check(&format!("{}{}", "[".repeat(200), "]".repeat(200))).is_err());
    assert!(check(&"- ".repeat(100_000)).is_err());
    assert!(check(&"{a: ".repeat(100_000)).is_err());
    assert_eq!(hint_of(&" ".repeat((4 << 20) + 1)), "the file is longer than 4 MiB");
}

#[test]
fn a_file_with_thousands_of_mistakes_is_answered_in_bounded_length() {
    let text = format!("routes:\n{}", "  - {name: 1}\n".repeat(10_000));
    let mistakes = check(&text).unwrap_err();
    assert_eq!(mistakes.len(), 200);
    let text = format!("routes:\n  - name: '{}'\n", "/".repeat(1 << 20));
    assert!(check(&text).unwrap_err().to_string().len() < 20_000);
}

#[test]
fn the_reason_of_a_refusal_is_not_crowded_out_by_warnings() {
    let mut text = String::new();
    for key in 0..500 {
        writeln!(text, "key{key}: 1").unwrap();
    }
    let mistakes = check(&text).unwrap_err();
    assert_eq!(
        mistakes.to_string().lines().next(),
        Some("The gateway configuration is invalid: endpoints: Field required")
    );
}

/// Pieces of which files with a grain of sense are made.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "routes:",
        "endpoints:",
        "\n",
        "\n  - ",
        "\n    ",
        "\n      ",
        "name: ",
        "a",
        "route_type: ",
        "llm/v1/chat",
        "model: ",
        "provider: ",
        "openai",
        "config: ",
        "{openai_api_key: k}",
        "openai_api_type: azure",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ": ",
        "&a ",
        "*a",
        "<<: *a",
        "!!str ",
        "!x ",
        "'",
        "\"",
        "|\n",
        ">\n",
        "#",
        "---",
        "\t",
        "\r\n",
        "destinations: ",
        "traffic_percentage: 50",
        "limit: {calls: 1, renewal_period: minute}",
        "server: ",
        "null",
        "limits: {max_body: 1MiB}",
        "providers: ",
        "é",
        "\u{feff}",
        "1e400",
        "-9999999999999999999999999999999999999999",
        "timeouts: {total: 1s}",
        "headers: {a: b}",
        "defaults: ",
        "task_type: ",
        "operations: ",
        "? ",
        "%YAML 1.1\n",
    ];
    prop_oneof![9 => prop::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

proptest! {
    #[test]
    fn no_file_makes_a_check_panic(pieces in prop::collection::vec(piece(), 0..60)) {
        let _ = check(&pieces.concat()).map_err(|mistakes| mistakes.to_string());
    }

    #[test]
    fn no_text_makes_a_check_panic(text in any::<String>()) {
        let _ = check(&text).map_err(|mistakes| mistakes.to_string());
    }
}
