//! What requests and answers of ranking say.

use super::{Facts, add_extras, parsed};
use lockgate_dialects::canonical::{Document, RerankRequest, RerankResponse};
use serde_json::{Value, json};

/// What a request to rank documents says.
pub(crate) fn of_ranking(request: &RerankRequest) -> Facts {
    let mut facts = Facts::default();
    facts.add("query", "query", json!(request.query));
    for (place, document) in request.documents.iter().enumerate() {
        let at = format!("documents[{place}]");
        let value = match document {
            Document::Text(text) => json!(text),
            Document::Object(raw) => match parsed(raw) {
                Value::Object(fields) if fields.len() == 1 && fields.contains_key("text") => {
                    fields["text"].clone()
                }
                value => value,
            },
        };
        facts.add(&at, &at, value);
    }
    facts.some("top_n", request.top_n);
    facts.some("return_documents", request.return_documents.filter(|wanted| *wanted));
    add_extras(&mut facts, &request.extras);
    facts
}

/// What an answer of ranking says.
pub(crate) fn of_ranked(response: &RerankResponse) -> Facts {
    let mut facts = Facts::default();
    facts.some("model", response.model.clone().filter(|model| !model.is_empty()));
    for (place, ranked) in response.results.iter().enumerate() {
        let at = format!("results[{place}]");
        facts.add(&at, &at, json!([ranked.index, ranked.score]));
        facts.extras(&at, "result", &ranked.extras);
    }
    facts.extras("", "answer", &response.extras);
    facts
}
