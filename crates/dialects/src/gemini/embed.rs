//! Embeddings: one content with `:embedContent`, several with `:batchEmbedContents`.

use super::parts::{self, Kind, NO_SUCH_FIELD};
use super::{errors, fields, usage};
use crate::canonical::{
    Class, EmbeddingInput, EmbeddingRequest, EmbeddingResponse, Extras, Failure, Losses, RawJson, Vector,
};
use crate::dialect::ModelTraits;
use crate::raw::{Draft, Edit, Mismatch, Object, Read, each, to_raw};
use bytes::Bytes;
use serde_json::json;
use serde_json::value::RawValue;

/// Fields of a request for one content that are the API's own.
const NATIVE: [&str; 5] = ["taskType", "title", "autoTruncate", "documentOcr", "embedContentConfig"];
/// The field of a batch, also where it stays as it was written: contents of more than a text, or unlike each other.
const BATCH: &str = "requests";
const ONE: &str = "content";

/// What a request asks for one content.
struct Wish {
    /// Its text; `None` where it holds anything else.
    text: Option<String>,
    dimensions: Option<u64>,
    extras: Vec<(String, RawJson)>,
}

fn read_wish(mut object: Object<'_>) -> Read<Wish> {
    let content = object.get(ONE).ok_or_else(|| Mismatch::missing(ONE, "an object"))?;
    let mut content = fields::object(content).map_err(|wrong| wrong.within(ONE))?;
    let parts = fields::each(&mut content, "parts", parts::read).map_err(|wrong| wrong.within(ONE))?;
    let text = match parts.unwrap_or_default().as_mut_slice() {
        [part] => match &mut part.kind {
            Kind::Text { text, extras } if extras.is_empty() => Some(std::mem::take(text)),
            _ => None,
        },
        _ => None,
    };
    if text.is_some() {
        object.take(ONE);
    }
    object.take("model");
    let dimensions = fields::count(&mut object, "outputDimensionality")?;
    Ok(Wish { text, dimensions, extras: object.rest_without_nulls() })
}

/// Reads a client's request for one content.
pub(super) fn decode_one(body: &[u8]) -> Result<EmbeddingRequest, Failure> {
    let object = Object::of_request(body)?.in_camel_case();
    let Wish { text, dimensions, extras } = read_wish(object).map_err(Mismatch::blame_caller)?;
    let input = text.map_or_else(|| EmbeddingInput::Texts(Vec::new()), EmbeddingInput::Text);
    Ok(request(input, dimensions, extras))
}

/// Reads a client's request for several contents. What they have in common is the wish for all; where they differ, or
/// hold more than a text, the list stays as it is, for this API alone.
pub(super) fn decode_batch(body: &[u8]) -> Result<EmbeddingRequest, Failure> {
    let mut object = Object::of_request(body)?.in_camel_case();
    read_batch(&mut object).map_err(Mismatch::blame_caller)
}

fn read_batch(object: &mut Object<'_>) -> Read<EmbeddingRequest> {
    let raw = object.take(BATCH).ok_or_else(|| Mismatch::missing(BATCH, "a list"))?;
    let wishes = each(raw, |wish| read_wish(fields::object(wish)?)).map_err(|wrong| wrong.within(BATCH))?;
    let rest = object.clone().rest_without_nulls();
    let alike = wishes.windows(2).all(|pair| {
        let said = |wish: &Wish| {
            let extras = wish.extras.iter().map(|(name, value)| format!("{name} {}", value.get()));
            (wish.dimensions, extras.collect::<Vec<_>>())
        };
        said(&pair[0]) == said(&pair[1])
    });
    let dimensions = wishes.first().and_then(|wish| wish.dimensions);
    let texts = wishes.iter().map(|wish| wish.text.clone()).collect::<Option<Vec<_>>>();
    Ok(match texts.filter(|_| alike) {
        Some(texts) => {
            let extras = wishes.into_iter().next().map(|wish| wish.extras).unwrap_or_default();
            request(EmbeddingInput::Texts(texts), dimensions, extras.into_iter().chain(rest).collect())
        }
        None => {
            let whole = (BATCH.to_owned(), raw.to_owned());
            request(EmbeddingInput::Texts(Vec::new()), None, std::iter::once(whole).chain(rest).collect())
        }
    })
}

fn request(
    input: EmbeddingInput,
    dimensions: Option<u64>,
    fields: Vec<(String, RawJson)>,
) -> EmbeddingRequest {
    let extras = Extras { fields, for_provider: false };
    EmbeddingRequest { model: None, input, dimensions, encoding: None, user: None, extras }
}

/// Writes a request for one content.
pub(super) fn encode_one(
    request: &EmbeddingRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let mut body = Draft::default();
    if !model.model_in_url {
        body.set("model", model.model.as_deref().map(resource));
    }
    let content = request.extras.get(ONE);
    match texts(&request.input)?.as_slice() {
        [text] => body.set(ONE, content_of(text)),
        [] if content.is_some() => body.set_some(ONE, content),
        _ => return Err(Failure::invalid("input", "Gemini's `embedContent` embeds one text at a time")),
    }
    set_wishes(&mut body, request);
    lose(request, &[ONE], losses);
    Ok(body.into_body())
}

/// Writes a request for several contents.
pub(super) fn encode_batch(
    request: &EmbeddingRequest,
    model: &ModelTraits,
    losses: &mut Losses,
) -> Result<Vec<u8>, Failure> {
    let name = model.model.as_deref().map(resource);
    let texts = texts(&request.input)?;
    let mut body = Draft::default();
    match request.extras.get(BATCH).filter(|_| texts.is_empty()) {
        Some(raw) => body.set_raw(BATCH, renamed(raw, name.as_deref()).unwrap_or_else(|| raw.clone())),
        None => {
            let wish = |text: &&str| {
                let mut wish = Draft::default();
                wish.set_some("model", name.as_ref());
                wish.set(ONE, content_of(text));
                set_wishes(&mut wish, request);
                wish
            };
            body.set(BATCH, texts.iter().map(wish).collect::<Vec<_>>());
        }
    }
    lose(request, &[BATCH], losses);
    Ok(body.into_body())
}

fn texts(input: &EmbeddingInput) -> Result<Vec<&str>, Failure> {
    match input {
        EmbeddingInput::Text(text) => Ok(vec![text]),
        EmbeddingInput::Texts(texts) => Ok(texts.iter().map(String::as_str).collect()),
        EmbeddingInput::Tokens(_) => Err(Failure::invalid("input", "Gemini's API embeds texts, not tokens")),
    }
}

fn content_of(text: &str) -> serde_json::Value {
    json!({ "parts": [{ "text": text }] })
}

/// Sets what is wished for each content.
fn set_wishes(wish: &mut Draft, request: &EmbeddingRequest) {
    wish.set_some("outputDimensionality", request.dimensions);
    for (name, value) in &request.extras.fields {
        if is_wish(request, name) {
            wish.set_raw(name, value.clone());
        }
    }
}

fn is_wish(request: &EmbeddingRequest, name: &str) -> bool {
    NATIVE.contains(&name) || request.extras.for_provider && !matches!(name, ONE | BATCH)
}

fn lose(request: &EmbeddingRequest, own: &[&str], losses: &mut Losses) {
    losses.add_if(request.user.is_some(), "user", "Gemini's API does not ask for the end user");
    for (name, _) in &request.extras.fields {
        let said = own.contains(&name.as_str()) || is_wish(request, name);
        losses.add_if(!said, name.as_str(), NO_SUCH_FIELD);
    }
}

/// A model's name as the API's resources have it.
fn resource(model: &str) -> String {
    let whole = ["models/", "tunedModels/", "publishers/", "projects/"];
    if whole.iter().any(|prefix| model.starts_with(prefix)) {
        model.to_owned()
    } else {
        format!("models/{model}")
    }
}

/// The edit that names the model within each request of a batch, as the API wants it beside the path.
pub(super) fn name_within(body: &Bytes, model: &str) -> Option<Edit<'static>> {
    let mut object = Object::parse(body).ok()?;
    let requests = renamed(object.take(BATCH)?, Some(&resource(model)))?;
    Some(Edit::Set(BATCH, Bytes::from(requests.get().to_owned())))
}

fn renamed(requests: &RawValue, model: Option<&str>) -> Option<RawJson> {
    let model = to_raw(model?);
    let set = |wish: &RawValue| {
        let mut wish: Draft = serde_json::from_str(wish.get()).ok()?;
        wish.set_raw("model", model.clone());
        Some(wish)
    };
    let requests: Vec<&RawValue> = serde_json::from_str(requests.get()).ok()?;
    let requests = requests.into_iter().map(set).collect::<Option<Vec<_>>>()?;
    Some(to_raw(&requests))
}

/// Reads a provider's answer of either kind.
pub(super) fn decode_response(body: &[u8]) -> Result<EmbeddingResponse, Failure> {
    let mut object = Object::of_response(body)?.in_camel_case();
    if object.take("error").is_some() {
        return Err(Failure::upstream(Class::UpstreamError, errors::in_stream(body)));
    }
    read_response(object).map_err(Mismatch::blame_upstream)
}

fn read_response(mut object: Object<'_>) -> Read<EmbeddingResponse> {
    let vectors = match object.take("embedding") {
        Some(one) => vec![read_vector(one).map_err(|wrong| wrong.within("embedding"))?],
        None => {
            let vectors = object.each("embeddings", read_vector)?;
            vectors.ok_or_else(|| Mismatch::missing("embeddings", "a list"))?
        }
    };
    let usage = object.take("usageMetadata").and_then(usage::read);
    Ok(EmbeddingResponse { model: None, vectors, usage, extras: object.rest_without_nulls() })
}

fn read_vector(value: &RawValue) -> Read<Vector> {
    let mut embedding = Object::of(value)?;
    let values = embedding.take("values").ok_or_else(|| Mismatch::missing("values", "a list of numbers"))?;
    match serde_json::from_str::<Vec<f64>>(values.get()) {
        Ok(_) => Ok(Vector::Numbers(values.to_owned())),
        Err(_) => Err(Mismatch::of(values, "a list of numbers").within("values")),
    }
}

/// Writes an answer with one vector.
pub(super) fn encode_one_response(response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
    let mut rows = response.rows(losses).into_iter();
    let mut body = Draft::default();
    body.set("embedding", json!({ "values": rows.next() }));
    for place in 1..=rows.len() {
        losses.add(format!("data[{place}]"), "Gemini's `embedContent` gives one vector");
    }
    end(body, response, losses)
}

/// Writes an answer with several vectors.
pub(super) fn encode_batch_response(response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
    let rows = response.rows(losses).into_iter().map(|row| json!({ "values": row }));
    let mut body = Draft::default();
    body.set("embeddings", rows.collect::<Vec<_>>());
    end(body, response, losses)
}

fn end(mut body: Draft, response: &EmbeddingResponse, losses: &mut Losses) -> Vec<u8> {
    if let Some(tokens) = response.usage.and_then(|usage| usage.prompt_tokens.or(usage.total_tokens)) {
        body.set("usageMetadata", json!({ "promptTokenCount": tokens, "totalTokenCount": tokens }));
    }
    losses.add_fields("", &response.extras, NO_SUCH_FIELD);
    body.into_body()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn traits() -> ModelTraits {
        ModelTraits { model: Some("m".to_owned()), model_in_url: true, ..ModelTraits::default() }
    }

    fn sent(request: &EmbeddingRequest) -> (Value, usize) {
        let mut losses = Losses::default();
        let body = encode_batch(request, &traits(), &mut losses).expect("it can be said");
        (serde_json::from_slice(&body).expect("JSON"), losses.count())
    }

    fn read(body: &Value) -> EmbeddingRequest {
        decode_batch(body.to_string().as_bytes()).expect("a request")
    }

    fn wish(parts: Value) -> Value {
        json!({"model": "models/m", "content": {"parts": parts}, "outputDimensionality": 8, "taskType": "QUESTION_ANSWERING"})
    }

    #[test]
    fn a_batch_comes_back_as_it_was_and_its_texts_are_read() {
        let body = json!({"requests": [wish(json!([{"text": "a"}])), wish(json!([{"text": "b"}]))]});
        let request = read(&body);
        assert!(matches!(&request.input, EmbeddingInput::Texts(texts) if texts == &["a", "b"]));
        assert_eq!(request.dimensions, Some(8));
        assert_eq!(sent(&request), (body, 0));
    }

    #[test]
    fn contents_of_more_than_a_text_stay_as_they_are_but_for_the_models_name() {
        let mut body = json!({"requests": [wish(json!([{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]))]});
        body["requests"][0]["model"] = json!("models/route");
        let (again, lost) = sent(&read(&body));
        body["requests"][0]["model"] = json!("models/m");
        assert_eq!((again, lost), (body, 0));
        let mixed = json!({"requests": [wish(json!([{"text": "a"}])), {"content": {"parts": [{"text": "b"}]}, "model": "models/m"}]});
        assert_eq!(sent(&read(&mixed)), (mixed, 0));
    }

    #[test]
    fn one_text_has_a_form_of_its_own_and_several_do_not_fit_in_it() {
        let body = json!({"content": {"parts": [{"text": "a"}]}, "outputDimensionality": 8, "title": "t"});
        let request = decode_one(body.to_string().as_bytes()).expect("a request");
        let again = encode_one(&request, &traits(), &mut Losses::default()).expect("it can be said");
        assert_eq!(serde_json::from_slice::<Value>(&again).expect("JSON"), body);
        let several = super::request(EmbeddingInput::Texts(vec!["a".into(), "b".into()]), None, vec![]);
        let refused = encode_one(&several, &traits(), &mut Losses::default()).expect_err("two texts");
        assert_eq!(refused.param.as_deref(), Some("input"));
        for (body, path) in
            [("{}", "content"), (r#"{"content":{"parts":[{"text":7}]}}"#, "content.parts[0].text")]
        {
            assert_eq!(decode_one(body.as_bytes()).expect_err("wrong").param.as_deref(), Some(path));
        }
    }

    #[test]
    fn vectors_and_counts_arrive_in_both_forms() {
        let usage = json!({"promptTokenCount": 3, "totalTokenCount": 3});
        let one = json!({"embedding": {"values": [0.5, 1.0]}, "usageMetadata": usage});
        let several = json!({"embeddings": [{"values": [0.5]}, {"values": [2.0]}], "usageMetadata": usage});
        let read = |body: &Value| decode_response(body.to_string().as_bytes()).expect("an answer");
        let mut losses = Losses::default();
        let told = encode_one_response(&read(&one), &mut losses);
        assert_eq!(serde_json::from_slice::<Value>(&told).expect("JSON"), one);
        let told = encode_batch_response(&read(&several), &mut losses);
        assert_eq!(serde_json::from_slice::<Value>(&told).expect("JSON"), several);
        assert!(losses.is_empty());
        encode_one_response(&read(&several), &mut losses);
        assert_eq!(losses.iter().next().map(|loss| loss.path.as_str()), Some("data[1]"));
        assert!(
            decode_response(b"{}").is_err()
                && decode_response(br#"{"embeddings":[{"values":["a"]}]}"#).is_err()
        );
    }

    #[test]
    fn the_models_name_is_set_within_a_batch_that_passes() {
        let body = Bytes::from(r#"{"requests":[{"model":"models/route","content":{"parts":[]}}],"x": 1}"#);
        let edit = name_within(&body, "real").expect("an edit");
        let patched = crate::raw::patch(&body, &[edit]).expect("JSON").concat();
        let wanted = r#"{"requests":[{"model":"models/real","content":{"parts":[]}}],"x": 1}"#;
        assert_eq!(String::from_utf8(patched).expect("JSON"), wanted);
        assert!(name_within(&Bytes::from("{}"), "real").is_none());
    }
}
