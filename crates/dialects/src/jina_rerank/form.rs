//! Bodies of ranking as Jina's and Voyage's APIs write them: Cohere's, with other names and with usage in tokens.

use crate::canonical::{Document, Failure, Losses, Ranked, RerankRequest, RerankResponse};
use crate::cohere_v1::{request, rerank};
use crate::dialect::ModelTraits;
use crate::openai_chat::usage;
use crate::raw::{Draft, Mismatch, Object, Read};
use crate::stream::UsageMeter;
use serde_json::json;

/// Why a field of another API is lost.
const NO_SUCH_FIELD: &str = "this ranking API has no such field";

/// What such APIs write differently.
pub(crate) struct Form {
    /// The name of the number of results that are wanted.
    pub(crate) limit: &'static str,
    /// The name of the list of results.
    pub(crate) results: &'static str,
    /// Whether documents are objects in answers, and may be in requests.
    pub(crate) documents_are_objects: bool,
    /// Fields of requests that are the API's own, so that they may pass when another dialect's client writes them.
    pub(crate) native: &'static [&'static str],
}

impl Form {
    /// Reads a client's request.
    pub(crate) fn decode_request(&self, body: &[u8]) -> Result<RerankRequest, Failure> {
        rerank::read_request(Object::of_request(body)?, self.limit).map_err(Mismatch::blame_caller)
    }

    /// Writes a request for the provider.
    pub(crate) fn encode_request(
        &self,
        request: &RerankRequest,
        model: &ModelTraits,
        losses: &mut Losses,
    ) -> Vec<u8> {
        let mut body = request::body_for(model);
        body.set("query", &request.query);
        if self.documents_are_objects {
            body.set("documents", rerank::as_they_are(&request.documents));
        } else {
            body.set("documents", rerank::as_texts(&request.documents, losses));
        }
        body.set_some(self.limit, request.top_n);
        body.set_some("return_documents", request.return_documents);
        body.set_extras(&request.extras, |name, _| self.native.contains(&name), NO_SUCH_FIELD, losses);
        body.into_body()
    }

    /// Reads a provider's answer.
    pub(crate) fn decode_response(&self, body: &[u8]) -> Result<RerankResponse, Failure> {
        let read = |mut object: Object<'_>| -> Read<RerankResponse> {
            let usage = object.take("usage").and_then(usage::read);
            object.take("object");
            Ok(RerankResponse {
                id: object.string("id")?,
                model: object.string("model")?,
                results: rerank::read_results(&mut object, self.results)?,
                usage,
                extras: object.rest_without_nulls(),
            })
        };
        read(Object::of_response(body)?).map_err(Mismatch::blame_upstream)
    }

    /// Writes an answer for a client, which takes the count of tokens for granted.
    pub(crate) fn encode_response(&self, response: &RerankResponse, losses: &mut Losses) -> Vec<u8> {
        let results = response.results.iter().enumerate();
        let results = results.map(|(place, ranked)| self.write_result(place, ranked, losses));
        let results: Vec<_> = results.collect();
        losses.add_fields("", &response.extras, NO_SUCH_FIELD);
        let usage = response.usage.unwrap_or_default();
        let total = usage.total().or(usage.prompt_tokens).unwrap_or(0);
        let mut counts = Draft::default();
        counts.set_some("prompt_tokens", usage.prompt_tokens);
        counts.set("total_tokens", total);
        let mut body = Draft::default();
        body.set_some("id", response.id.as_ref());
        body.set("object", "list");
        body.set("model", response.model.as_deref().unwrap_or_default());
        body.set(self.results, results);
        body.set("usage", counts);
        body.into_body()
    }

    fn write_result(&self, place: usize, ranked: &Ranked, losses: &mut Losses) -> Draft {
        let mut written = Draft::default();
        written.set("index", ranked.index);
        written.set("relevance_score", ranked.score);
        match &ranked.document {
            None => {}
            Some(document) if self.documents_are_objects => {
                written.set("document", rerank::as_object(document));
            }
            Some(Document::Text(text)) => written.set("document", text),
            Some(Document::Object(object)) => match rerank::text_of(object) {
                Some((text, _)) => written.set("document", text),
                None => written.set("document", json!(object.get())),
            },
        }
        losses.add_fields(&format!("{}[{place}]", self.results), &ranked.extras, NO_SUCH_FIELD);
        written
    }
}

/// A meter of answers that pass.
pub(crate) fn meter() -> Box<dyn UsageMeter> {
    usage::meter(false)
}

#[cfg(test)]
mod tests {
    use crate::canonical::Losses;
    use crate::{Dialect, ModelTraits, RerankCodec, by_name};
    use serde_json::{Value, json};

    fn codec(name: &str) -> &'static dyn RerankCodec {
        by_name(name).and_then(Dialect::rerank).expect("it ranks")
    }

    /// What `to` is told of what `from` asks, with the paths of what is lost.
    fn asked(from: &str, to: &str, body: &Value) -> (Value, Vec<String>) {
        let request = codec(from).decode_request(body.to_string().as_bytes()).expect("a request");
        let traits = ModelTraits { model: request.model.clone(), ..ModelTraits::default() };
        let mut losses = Losses::default();
        let sent = codec(to).encode_request(&request, &traits, &mut losses).expect("it can be said");
        (serde_json::from_slice(&sent).expect("JSON"), losses.iter().map(|loss| loss.path.clone()).collect())
    }

    fn answered(from: &str, to: &str, body: &Value) -> (Value, Vec<String>) {
        let response = codec(from).decode_response(body.to_string().as_bytes()).expect("an answer");
        let mut losses = Losses::default();
        let told = codec(to).encode_response(&response, &mut losses);
        (serde_json::from_slice(&told).expect("JSON"), losses.iter().map(|loss| loss.path.clone()).collect())
    }

    #[test]
    fn each_api_says_the_number_of_results_and_the_documents_in_its_own_way() {
        let body = json!({"model": "m", "query": "q", "documents": ["a", {"text": "b"}, {"text": "c", "t": 1}],
            "top_n": 2, "return_documents": true});
        assert_eq!(asked("jina_rerank", "jina_rerank", &body), (body.clone(), Vec::new()));
        assert_eq!(asked("cohere_v1", "cohere_v1", &body), (body.clone(), Vec::new()));
        let texts = json!(["a", "b", "c"]);
        let (voyage, lost) = asked("jina_rerank", "voyage_rerank", &body);
        assert_eq!((&voyage["documents"], &voyage["top_k"]), (&texts, &json!(2)));
        assert_eq!(lost, ["documents[2]"]);
        let (cohere, lost) = asked("jina_rerank", "cohere_v2", &body);
        assert_eq!((&cohere["documents"], &cohere["top_n"]), (&texts, &json!(2)));
        assert_eq!(lost, ["documents[2]", "return_documents"]);
    }

    #[test]
    fn answers_reach_clients_of_every_api_with_places_and_scores() {
        let body = json!({"object": "list", "model": "m", "usage": {"total_tokens": 9},
            "results": [{"index": 1, "relevance_score": -4.75, "document": {"text": "b"}}]});
        assert_eq!(answered("jina_rerank", "jina_rerank", &body), (body.clone(), Vec::new()));
        let (voyage, _) = answered("jina_rerank", "voyage_rerank", &body);
        assert_eq!(voyage["data"], json!([{"index": 1, "relevance_score": -4.75, "document": "b"}]));
        let (cohere, lost) = answered("jina_rerank", "cohere_v2", &body);
        assert_eq!(cohere["results"], json!([{"index": 1, "relevance_score": -4.75}]));
        assert_eq!(lost, ["results[0].document"]);
        let meta = json!({"api_version": {"version": "2"}, "billed_units": {"search_units": 1}});
        let body = json!({"id": "a", "results": [{"index": 0, "relevance_score": 0.5}], "meta": meta});
        assert_eq!(answered("cohere_v2", "cohere_v2", &body), (body.clone(), Vec::new()));
        let (jina, lost) = answered("cohere_v2", "jina_rerank", &body);
        assert_eq!((&jina["results"], &jina["usage"]), (&body["results"], &json!({"total_tokens": 0})));
        assert_eq!(lost, ["meta"]);
    }

    #[test]
    fn a_wrong_field_is_named() {
        for name in ["jina_rerank", "voyage_rerank", "cohere_v1", "cohere_v2"] {
            let wrong = |body: &str| codec(name).decode_request(body.as_bytes()).expect_err("wrong").param;
            assert_eq!(wrong(r#"{"documents":["a"]}"#).as_deref(), Some("query"));
            assert_eq!(wrong(r#"{"query":"q"}"#).as_deref(), Some("documents"));
            assert_eq!(wrong(r#"{"query":"q","documents":[1]}"#).as_deref(), Some("documents[0]"));
            assert!(codec(name).decode_response(br#"{"results":[{}],"data":[{}]}"#).is_err());
        }
    }

    #[test]
    fn a_passing_answer_is_metered() {
        let mut meter = codec("jina_rerank").meter();
        meter.feed(br#"{"results":[],"usage":{"prompt_tokens":13,"total_tokens":13}}"#);
        assert_eq!(meter.usage().and_then(|usage| usage.prompt_tokens), Some(13));
    }
}
