//! The page `docs/reference/translation.md`: what each API can say, measured with one probe per field.
//!
//! `LOCKGATE_WRITE_MATRIX=1 cargo test -p lockgate-dialects --test matrix` writes it again.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use lockgate_dialects::canonical::{
    ChatRequest, Content, Losses, MaxTokens, Media, MediaKind, MediaSource, Message, Part, Reasoning,
    ResponseFormat, Role, Signature, Temperature, Tool, ToolCall, ToolChoice,
};
use lockgate_dialects::{ChatCodec, ModelTraits, by_name, names};
use std::fmt::Write;
use std::path::Path;

/// A field, how to ask for it, and whether it is there.
type Probe = (&'static str, fn(&mut ChatRequest), fn(&ChatRequest) -> bool);

const PROBES: &[Probe] = &[
    ("system message", |r| r.messages.insert(0, Message::text(Role::System, "probe")), |r| says(r, "probe")),
    (
        "temperature",
        |r| r.sampling.temperature = Some(Temperature::given(0.5)),
        |r| r.sampling.temperature.is_some(),
    ),
    ("top_p", |r| r.sampling.top_p = Some(0.5), |r| r.sampling.top_p == Some(0.5)),
    ("top_k", |r| r.sampling.top_k = Some(7), |r| r.sampling.top_k == Some(7)),
    ("several answers", |r| r.sampling.n = Some(2), |r| r.sampling.n == Some(2)),
    (
        "stop texts",
        |r| r.sampling.stop = Some(vec!["X".into()]),
        |r| r.sampling.stop == Some(vec!["X".into()]),
    ),
    (
        "token limit",
        |r| r.sampling.max_tokens = Some(MaxTokens { value: 77, completion: false }),
        |r| r.sampling.max_tokens.is_some_and(|max| max.value == 77),
    ),
    (
        "frequency penalty",
        |r| r.sampling.frequency_penalty = Some(0.5),
        |r| r.sampling.frequency_penalty == Some(0.5),
    ),
    (
        "presence penalty",
        |r| r.sampling.presence_penalty = Some(0.5),
        |r| r.sampling.presence_penalty == Some(0.5),
    ),
    ("seed", |r| r.sampling.seed = Some(7), |r| r.sampling.seed == Some(7)),
    ("end user", |r| r.user = Some("probe".into()), |r| r.user.as_deref() == Some("probe")),
    (
        "image as data",
        |r| push(r, image(MediaSource::Base64 { media_type: "image/png".into(), data: "AAAA".into() })),
        |r| has_media(r, MediaKind::Image),
    ),
    (
        "image by URL",
        |r| push(r, image(MediaSource::Url("https://a.example/b.png".into()))),
        |r| has_media(r, MediaKind::Image),
    ),
    ("document as data", |r| push(r, document()), |r| has_media(r, MediaKind::Document)),
    (
        "tool declared",
        |r| r.tools.push(tool()),
        |r| matches!(&r.tools[..], [Tool::Function { name, .. }] if name == "probe"),
    ),
    (
        "tool choice: must call",
        |r| choose(r, ToolChoice::Required),
        |r| matches!(r.tool_choice, Some(ToolChoice::Required)),
    ),
    (
        "tool choice: this one",
        |r| choose(r, ToolChoice::Function("probe".into())),
        |r| matches!(&r.tool_choice, Some(ToolChoice::Function(name)) if name == "probe"),
    ),
    (
        "one call at a time",
        |r| {
            choose(r, ToolChoice::Required);
            r.parallel_tool_calls = Some(false);
        },
        |r| r.parallel_tool_calls == Some(false),
    ),
    (
        "tool call and result",
        |r| call(r, false),
        |r| r.messages.iter().any(|m| !m.tool_calls.is_empty()) && says(r, "result"),
    ),
    ("tool failure", |r| call(r, true), |r| r.messages.iter().any(|m| m.is_error)),
    (
        "JSON schema of the answer",
        |r| r.response_format = Some(schema()),
        |r| matches!(r.response_format, Some(ResponseFormat::JsonSchema { .. })),
    ),
    (
        "reasoning effort",
        |r| r.reasoning = Some(Reasoning::Effort("high".into())),
        |r| r.reasoning == Some(Reasoning::Effort("high".into())),
    ),
    (
        "reasoning budget",
        |r| r.reasoning = Some(Reasoning::Budget(2048)),
        |r| r.reasoning == Some(Reasoning::Budget(2048)),
    ),
    ("reasoning signed by Claude", |r| think(r, "anthropic"), thinks),
    ("reasoning signed by Gemini", |r| think(r, "gemini"), thinks),
    ("reasoning signed in OpenAI's form", |r| think(r, "openai"), thinks),
];

#[test]
fn the_page_on_translation_says_what_the_codecs_do() {
    let page = page();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/translation.md");
    if std::env::var_os("LOCKGATE_WRITE_MATRIX").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    let stands = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        stands, page,
        "the page is stale; run this test with LOCKGATE_WRITE_MATRIX=1 to write it again"
    );
}

fn page() -> String {
    let dialects: Vec<_> = names().filter_map(by_name).filter(|dialect| dialect.chat().is_some()).collect();
    let mut page = String::from(
        "# What a translation keeps\n\nA request is read in the client's dialect and written in the provider's. A field arrives when both have it, so \
         look at the two columns of a pair. **yes**: carried. **changed**: carried in another form, and reported. **lost**: left out, and \
         reported in `x-lockgate-loss`. **otherwise**: said in other words, such as a field that the contract hands on to its provider. **refused**: the whole request is refused, by name of the field. Nothing is left out \
         without a word. Same dialect on both sides: everything passes as it is.\n\nThis page is written by a test, from what the codecs do.\n\n## Requests for chat\n\n| field |",
    );
    for dialect in &dialects {
        let _ = write!(page, " {} |", dialect.name());
    }
    let _ = write!(page, "\n|---|{}\n", "---|".repeat(dialects.len()));
    for probe in PROBES {
        let _ = write!(page, "| {} |", probe.0);
        for dialect in &dialects {
            let _ = write!(page, " {} |", outcome(dialect.chat().unwrap(), probe));
        }
        page.push('\n');
    }
    page
}

fn outcome(codec: &dyn ChatCodec, (_, ask, is_there): &Probe) -> &'static str {
    let mut request =
        ChatRequest { messages: vec![Message::text(Role::User, "question")], ..ChatRequest::default() };
    let traits = ModelTraits {
        model: Some("m".into()),
        reasoning: true,
        max_output_tokens: Some(9000),
        ..ModelTraits::default()
    };
    ask(&mut request);
    let mut losses = Losses::default();
    let Ok(body) = codec.encode_request(&request, &traits, &mut losses) else { return "refused" };
    let kept = codec.decode_request(&body).is_ok_and(|heard| is_there(&heard));
    match (kept, losses.is_empty()) {
        (true, true) => "yes",
        (true, false) => "changed",
        (false, false) => "lost",
        (false, true) => "otherwise",
    }
}

fn says(request: &ChatRequest, text: &str) -> bool {
    request.messages.iter().any(|message| message.content.joined_text().contains(text))
}

fn push(request: &mut ChatRequest, part: Part) {
    let text = Part::Text { text: "question".into(), extras: Vec::new() };
    request.messages[0].content = Content::Parts(vec![text, part]);
}

fn image(source: MediaSource) -> Part {
    Part::Media(Media { kind: MediaKind::Image, source, name: None, detail: None, extras: Vec::new() })
}

fn document() -> Part {
    let source = MediaSource::Base64 { media_type: "application/pdf".into(), data: "AAAA".into() };
    Part::Media(Media {
        kind: MediaKind::Document,
        source,
        name: Some("a.pdf".into()),
        detail: None,
        extras: Vec::new(),
    })
}

fn has_media(request: &ChatRequest, kind: MediaKind) -> bool {
    let is_it = |part: &Part| matches!(part, Part::Media(media) if media.kind == kind);
    request
        .messages
        .iter()
        .any(|message| matches!(&message.content, Content::Parts(parts) if parts.iter().any(is_it)))
}

fn tool() -> Tool {
    let parameters =
        serde_json::from_str(r#"{"type":"object","properties":{"q":{"type":"string"}}}"#).unwrap();
    Tool::Function {
        name: "probe".into(),
        description: Some("d".into()),
        parameters: Some(parameters),
        strict: None,
        extras: Vec::new(),
    }
}

fn choose(request: &mut ChatRequest, choice: ToolChoice) {
    request.tools.push(tool());
    request.tool_choice = Some(choice);
}

fn call(request: &mut ChatRequest, failed: bool) {
    let call = ToolCall {
        id: "call_a".into(),
        name: "probe".into(),
        arguments: r#"{"q":"x"}"#.into(),
        signature: None,
        extras: Vec::new(),
    };
    request.tools.push(tool());
    request.messages.push(Message {
        tool_calls: vec![call],
        content: Content::None,
        ..Message::text(Role::Assistant, "")
    });
    let answer = Message::text(Role::Tool, "result");
    request.messages.push(Message { tool_call_id: Some("call_a".into()), is_error: failed, ..answer });
}

fn schema() -> ResponseFormat {
    let schema =
        serde_json::from_str(r#"{"type":"object","properties":{},"additionalProperties":false}"#).unwrap();
    ResponseFormat::JsonSchema {
        name: Some("a".into()),
        description: None,
        schema: Some(schema),
        strict: None,
    }
}

fn think(request: &mut ChatRequest, family: &'static str) {
    let signature = Some(Signature::made_by(family, "c2ln"));
    let thinking = Part::Thinking { text: "thought".into(), signature };
    let text = Part::Text { text: "said".into(), extras: Vec::new() };
    request.messages.push(Message {
        content: Content::Parts(vec![thinking, text]),
        ..Message::text(Role::Assistant, "")
    });
    request.messages.push(Message::text(Role::User, "more"));
}

fn thinks(request: &ChatRequest) -> bool {
    let is_it = |part: &Part| matches!(part, Part::Thinking { text, .. } if text == "thought");
    request
        .messages
        .iter()
        .any(|message| matches!(&message.content, Content::Parts(parts) if parts.iter().any(is_it)))
}
