//! How mistakes look.

use insta::assert_snapshot;

use crate::check;

fn rendered(text: &str) -> String {
    check(text).expect_err("the text is refused").to_string()
}

#[test]
fn every_mistake_is_shown_at_once_with_its_place_and_what_was_meant() {
    let text = "\
routes:
  - name: completions
    type: llm/v1/completions
    model:
      provider: opneai
      name: gpt-3.5-turbo
      config:
        openai_api_key: $OPENAI_API_KEY
  - name: chat room
    route_type: chat
    model:
      provider: openai
      config:
        openai_api_kye: sk-live-123
        openai_api_type: azur
";
    assert_snapshot!(rendered(text), @r"
    The gateway configuration is invalid: routes.0.route_type: Field required
     --> c.yaml:3:5
      |
    3 |     type: llm/v1/completions
      |     ^^^^
      = did you mean `route_type`?

    The provider 'opneai' is not supported.
     --> c.yaml:5:17
      |
    5 |       provider: opneai
      |                 ^^^^^^
      = did you mean `openai`?

    The route name provided contains disallowed characters for a url endpoint. 'chat room' is invalid. Names cannot contain spaces or any non alphanumeric characters other than hyphen and underscore.
     --> c.yaml:9:11
      |
    9 |   - name: chat room
      |           ^^^^^^^^^

    The route_type 'chat' is not supported.
      --> c.yaml:10:17
       |
    10 |     route_type: chat
       |                 ^^^^
       = did you mean `llm/v1/chat`?

    The gateway configuration is invalid: routes.1.model.config.openai_api_key: Field required
      --> c.yaml:14:9
       |
    14 |         openai_api_kye: ***********
       |         ^^^^^^^^^^^^^^
       = did you mean `openai_api_key`?

    Invalid OpenAI API type 'azur'
      --> c.yaml:15:26
       |
    15 |         openai_api_type: azur
       |                          ^^^^
       = did you mean `azure`?
    ");
}

#[test]
fn a_text_that_is_not_yaml_is_shown_where_reading_stopped() {
    assert_snapshot!(rendered("routes:\n  - name: a\n   route_type: llm/v1/chat\n"), @r"
    The file at c.yaml is not a valid yaml file
     --> c.yaml:3:4
      |
    3 |    route_type: llm/v1/chat
      |    ^
      = while parsing a block collection, did not find expected '-' indicator
    ");
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let padding = "x".repeat(300);
    let text = format!(
        "routes: [{{name: {padding}, route_type: llm/v1/caht, model: {{provider: demo}}}}, {padding}]\n"
    );
    assert_snapshot!(rendered(&text), @r"
    The route_type 'llm/v1/caht' is not supported.
     --> c.yaml:1:331
      |
    1 | …xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx, route_type: llm/v1/caht, model: {provider: demo}}, *********************…
      |                                                              ^^^^^^^^^^^
      = did you mean `llm/v1/chat`?

    The gateway configuration is invalid: routes.1: Input should be a valid dictionary, not a string
     --> c.yaml:1:370
      |
    1 | …xxxxxxx, route_type: llm/v1/caht, model: {provider: demo}}, ************************************************************…
      |                                                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    ");
}

#[test]
fn the_path_and_position_of_a_mistake_can_be_read_by_a_program() {
    let mistakes =
        check("routes:\n  - {name: é, route_type: llm/v1/chat, model: {provider: nope}}\n").unwrap_err();
    let mistake = mistakes.iter().next().unwrap();
    assert_eq!((mistake.line, mistake.column), (2, 58));
    assert_eq!(mistake.path, "routes.0.model.provider");
    assert_eq!(mistake.message, "The provider 'nope' is not supported.");
    assert_eq!(mistake.hint, None);
}
