//! A recorded exchange on disk: `<provider>/<api>/<case>/{meta,request,response}.json`, and its stream in a file beside.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lockgate_dialects::framing::eventstream;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One exchange.
pub(crate) struct Case {
    /// `<provider>/<api>/<case>`.
    pub(crate) id: String,
    pub(crate) provider: String,
    pub(crate) api: String,
    /// Where the request went; empty where that was not recorded.
    pub(crate) path: String,
    /// HTTP status of the answer.
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    /// The request's body as it was recorded, where it was and is JSON.
    pub(crate) request: Option<Vec<u8>>,
    pub(crate) answer: Answer,
}

/// What the provider answered.
pub(crate) enum Answer {
    /// A body.
    Whole(Vec<u8>),
    /// A stream's bytes.
    Stream(Vec<u8>),
    /// A stream of which the recording holds neither the bytes nor all that they said.
    Unframed,
}

impl Case {
    /// Whether an error came under a status of success, as Azure's filter sends it.
    pub(crate) fn is_refused(&self) -> bool {
        let Answer::Whole(body) = &self.answer else { return false };
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        body["error"].is_object() && body.get("choices").is_none() && body.get("output").is_none()
    }

    /// Reads the case in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let meta: Value = serde_json::from_slice(&file(folder, "meta.json")?)?;
        let text = |name: &str| meta[name].as_str().map(str::to_owned);
        let request = file(folder, "request.json")?;
        let response = file(folder, "response.json")?;
        let head: Value = serde_json::from_slice(&response)?;
        let content_type = head["headers"].as_object().and_then(|headers| {
            let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            found.and_then(|(_, value)| value.as_str()).map(str::to_owned)
        });
        Ok(Self {
            id: text("id").context("meta.json lacks id")?,
            provider: text("provider").context("meta.json lacks provider")?,
            api: text("api").context("meta.json lacks api")?,
            status: head["status"].as_u64().context("response.json lacks status")?.try_into()?,
            content_type: content_type.or_else(|| Some("application/json".to_owned())),
            path: serde_json::from_slice::<Value>(&request)?["path"].as_str().unwrap_or_default().to_owned(),
            request: raw_field(&request, "body")?.filter(|body| body.starts_with(b"{")),
            answer: match answer(folder, &head, &response)? {
                Answer::Stream(lines) if meta["api"] == "converse_stream" && lines.starts_with(b"{") => {
                    framed(&lines)
                }
                // Without `alt=sse` the stream is one list.
                Answer::Whole(list) if meta["api"] == "stream_generate_content" && list.starts_with(b"[") => {
                    Answer::Stream(list)
                }
                answer => answer,
            },
        })
    }
}

fn answer(folder: &Path, head: &Value, response: &[u8]) -> Result<Answer> {
    if let Some(name) = head["body_file"].as_str() {
        let bytes = file(folder, name)?;
        let encoded = Path::new(name).extension().is_some_and(|kind| kind == "b64");
        let lines = || bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>();
        return Ok(Answer::Stream(if encoded { BASE64.decode(lines())? } else { bytes }));
    }
    if let Some(text) = head["body_text"].as_str() {
        return Ok(Answer::Whole(text.as_bytes().to_vec()));
    }
    if let Some(text) = head["body_b64"].as_str() {
        return Ok(Answer::Whole(BASE64.decode(text)?));
    }
    let body = raw_field(response, "body")?.context("response.json has no body")?;
    Ok(Answer::Whole(body))
}

/// The bytes of an event stream whose messages were recorded as lines, `{"messageStop":{…}}` and so on.
fn framed(lines: &[u8]) -> Answer {
    let (mut stream, mut last) = (Vec::new(), String::new());
    for line in lines.split(|byte| *byte == b'\n') {
        let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(line).unwrap_or_default();
        for (kind, payload) in fields {
            let headers = [(":event-type", kind.as_str()), (":message-type", "event")];
            eventstream::write(&headers, payload.get().as_bytes(), &mut stream);
            last = kind;
        }
    }
    if last == "metadata" { Answer::Stream(stream) } else { Answer::Unframed }
}

/// A field of an object with every byte as it stands in the file.
fn raw_field(json: &[u8], name: &str) -> Result<Option<Vec<u8>>> {
    let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(json)?;
    Ok(fields.get(name).map(|value| value.get().as_bytes().to_vec()))
}

fn file(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    std::fs::read(&path).with_context(|| format!("reading {}", path.display()))
}

/// Every folder under `root` that holds a case, in order.
pub(crate) fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        if folder.join("meta.json").is_file() {
            found.push(folder);
            continue;
        }
        for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
