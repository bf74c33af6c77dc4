//! Ranking: `/v1/rerank`, and what the APIs that grew from it share.

use super::{NO_SUCH_FIELD, usage};
use crate::canonical::{Document, Extras, Failure, Losses, Ranked, RawJson, RerankRequest, RerankResponse};
use crate::dialect::ModelTraits;
use crate::raw::{Draft, Mismatch, Object, Read, text, to_raw};
use serde_json::json;
use serde_json::value::RawValue;

/// Fields that are Cohere's own, so that they may pass when another dialect's client writes them.
const NATIVE: [&str; 2] = ["max_chunks_per_doc", "rank_fields"];

/// Reads a client's request.
pub(super) fn decode_request(body: &[u8]) -> Result<RerankRequest, Failure> {
    read_request(Object::of_request(body)?, "top_n").map_err(Mismatch::blame_caller)
}

/// Reads a request whose number of results stands under `limit`.
pub(crate) fn read_request(mut object: Object<'_>, limit: &str) -> Read<RerankRequest> {
    let documents = object.each("documents", read_document)?;
    Ok(RerankRequest {
        model: object.string("model")?,
        query: object.need_string("query")?,
        documents: documents.ok_or_else(|| Mismatch::missing("documents", "a list"))?,
        top_n: object.count(limit)?,
        return_documents: object.boolean("return_documents")?,
        extras: Extras { fields: object.rest_without_nulls(), for_provider: false },
    })
}

/// Reads a document of a request or an answer.
fn read_document(value: &RawValue) -> Read<Document> {
    match text(value) {
        Ok(text) => Ok(Document::Text(text)),
        Err(_) if value.get().starts_with('{') => Ok(Document::Object(value.to_owned())),
        Err(_) => Err(Mismatch::of(value, "a string or an object")),
    }
}

/// Writes a request for the provider.
pub(super) fn encode_request(request: &RerankRequest, model: &ModelTraits, losses: &mut Losses) -> Vec<u8> {
    let mut body = super::request::body_for(model);
    body.set("query", &request.query);
    body.set("documents", as_they_are(&request.documents));
    body.set_some("top_n", request.top_n);
    body.set_some("return_documents", request.return_documents);
    body.set_extras(&request.extras, |name, _| NATIVE.contains(&name), NO_SUCH_FIELD, losses);
    body.into_body()
}

/// Documents for an API that takes texts and objects.
pub(crate) fn as_they_are(documents: &[Document]) -> Vec<RawJson> {
    let write = |document: &Document| match document {
        Document::Text(text) => to_raw(text),
        Document::Object(object) => object.clone(),
    };
    documents.iter().map(write).collect()
}

/// Documents for an API that takes texts alone. An object is its `text`, or else its JSON.
pub(crate) fn as_texts(documents: &[Document], losses: &mut Losses) -> Vec<String> {
    let write = |(place, document): (usize, &Document)| match document {
        Document::Text(text) => text.clone(),
        Document::Object(object) => {
            let said = text_of(object);
            let whole = said.as_ref().is_none_or(|(_, alone)| *alone);
            losses.add_if(!whole, format!("documents[{place}]"), "the provider's API takes its text alone");
            said.map_or_else(|| object.get().to_owned(), |(text, _)| text)
        }
    };
    documents.iter().enumerate().map(write).collect()
}

/// The `text` of a document, and whether there is nothing else.
pub(crate) fn text_of(object: &RawJson) -> Option<(String, bool)> {
    let mut object = Object::of(object).ok()?;
    let text = object.string("text").ok()??;
    Some((text, object.is_empty()))
}

/// Reads a provider's answer. What is billed stays as it came.
pub(crate) fn decode_response(body: &[u8]) -> Result<RerankResponse, Failure> {
    let read = |mut object: Object<'_>| -> Read<RerankResponse> {
        let usage = usage::take(&mut object.clone())?;
        Ok(RerankResponse {
            id: object.string("id")?,
            model: None,
            results: read_results(&mut object, "results")?,
            usage,
            extras: object.rest_without_nulls(),
        })
    };
    read(Object::of_response(body)?).map_err(Mismatch::blame_upstream)
}

/// Takes the results out of the list `name`.
pub(crate) fn read_results(object: &mut Object<'_>, name: &str) -> Read<Vec<Ranked>> {
    let results = object.each(name, |value| {
        let mut ranked = Object::of(value)?;
        let document = ranked.take("document").map(read_document).transpose();
        Ok(Ranked {
            index: ranked.count("index")?.ok_or_else(|| Mismatch::missing("index", "a number"))?,
            score: ranked
                .number("relevance_score")?
                .ok_or_else(|| Mismatch::missing("relevance_score", "a number"))?,
            document: document.map_err(|wrong| wrong.within("document"))?,
            extras: ranked.rest_without_nulls(),
        })
    })?;
    results.ok_or_else(|| Mismatch::missing(name, "a list"))
}

/// Writes an answer for a client.
pub(super) fn encode_response(response: &RerankResponse, losses: &mut Losses) -> Vec<u8> {
    write_response(response, "1", true, &[], losses)
}

/// Writes an answer of this version, with the documents where it repeats them and these further fields of results.
pub(crate) fn write_response(
    response: &RerankResponse,
    version: &str,
    repeats: bool,
    native: &[&str],
    losses: &mut Losses,
) -> Vec<u8> {
    let results = response.results.iter().enumerate();
    let write = |(place, ranked): (usize, &Ranked)| {
        let at = format!("results[{place}]");
        let mut written = Draft::default();
        written.set("index", ranked.index);
        written.set("relevance_score", ranked.score);
        match &ranked.document {
            Some(document) if repeats => written.set("document", as_object(document)),
            Some(_) => losses.add(format!("{at}.document"), NO_SUCH_FIELD),
            None => {}
        }
        for (name, value) in &ranked.extras {
            if native.contains(&name.as_str()) {
                written.set_raw(name, value.clone());
            } else {
                losses.add(format!("{at}.{name}"), NO_SUCH_FIELD);
            }
        }
        written
    };
    let mut body = Draft::default();
    body.set("id", response.id.as_deref().unwrap_or("rerank"));
    body.set("results", results.map(write).collect::<Vec<_>>());
    body.set("meta", json!({ "api_version": { "version": version } }));
    for (name, value) in &response.extras {
        if name == "meta" {
            body.set_raw(name, value.clone());
        } else {
            losses.add(name.as_str(), NO_SUCH_FIELD);
        }
    }
    body.into_body()
}

/// A document as an object.
pub(crate) fn as_object(document: &Document) -> RawJson {
    match document {
        Document::Text(text) => to_raw(&json!({ "text": text })),
        Document::Object(object) => object.clone(),
    }
}
