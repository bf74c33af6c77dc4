//! Documents ranked by the words that they share with the query.

use crate::words;
use lockgate_dialects::canonical::{Document, Ranked, RerankRequest, RerankResponse, Usage};

/// The answer to `request`: a document's score is the part of the query's words that it has.
pub(crate) fn response(request: &RerankRequest) -> RerankResponse {
    let documents: Vec<&str> = request.documents.iter().map(text).collect();
    let mut results: Vec<Ranked> = (0..)
        .zip(&request.documents)
        .zip(&documents)
        .map(|((index, document), text)| Ranked {
            index,
            score: score(&request.query, text),
            document: (request.return_documents == Some(true)).then(|| document.clone()),
            extras: Vec::new(),
        })
        .collect();
    results.sort_by(|one, other| other.score.total_cmp(&one.score));
    results.truncate(request.top_n.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX)));
    let counted =
        documents.iter().map(|text| words::count(text)).sum::<usize>() + words::count(&request.query);
    let tokens = Some(counted as u64);
    RerankResponse {
        id: None,
        model: Some(request.model.clone().unwrap_or_else(|| "demo".to_owned())),
        results,
        usage: Some(Usage { prompt_tokens: tokens, total_tokens: tokens, ..Usage::default() }),
        extras: Vec::new(),
    }
}

/// A document's text; of an object all of its JSON.
fn text(document: &Document) -> &str {
    match document {
        Document::Text(text) => text,
        Document::Object(object) => object.get(),
    }
}

fn score(query: &str, document: &str) -> f64 {
    let document = document.to_lowercase();
    let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
    let shared = words.iter().filter(|word| document.contains(word.as_str())).count();
    shared as f64 / words.len().max(1) as f64
}
