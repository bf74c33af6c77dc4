//! Texts with config keys in braces, and the URLs that are put together from them.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// What may not stand in a path segment or query value; RFC 3986's unreserved characters may.
const REST: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What may not stand in a URL at all; the structure that was written stays.
const NEVER: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Replaces every `{key}`; `None` when a key has no value or a brace is not closed.
pub(crate) fn fill(template: &str, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (key, after) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(&value(key)?);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

/// The keys that a template names; `None` when a brace is not closed.
pub(crate) fn keys(template: &str) -> Option<Vec<&str>> {
    template.split('{').skip(1).map(|part| part.split_once('}').map(|(key, _)| key)).collect()
}

/// Fills a part of a URL; values are encoded.
pub(crate) fn fill_encoded(template: &str, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    fill(template, &|key| value(key).map(|value| utf8_percent_encode(&value, REST).to_string()))
}

/// Joins a base and paths with exactly one slash each. A path that begins with `../` takes the place of a version at the
/// end of what stands before it. Queries stand at the end: the base's, those of the paths, and
/// `query`.
pub(crate) fn join(base: &str, paths: &[&str], query: Option<&str>) -> String {
    let base = base.split('#').next().unwrap_or_default();
    let (base, base_query) = base.split_once('?').unwrap_or((base, ""));
    let mut url = base.trim_end_matches('/').to_owned();
    let mut queries = vec![base_query];
    for path in paths {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let beside = path.strip_prefix("../");
        if beside.is_some() {
            without_version(&mut url);
        }
        let path = beside.unwrap_or(path).trim_matches('/');
        if !path.is_empty() {
            url.push('/');
            url.push_str(path);
        }
        queries.push(query);
    }
    queries.extend(query);
    queries.retain(|query| !query.is_empty());
    if !queries.is_empty() {
        url.push('?');
        url.push_str(&queries.join("&"));
    }
    utf8_percent_encode(&url, NEVER).to_string()
}

/// Takes a last step such as `v1` off.
fn without_version(url: &mut String) {
    let is_version = |step: &str| {
        step.strip_prefix('v')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if let Some((before, last)) = url.rsplit_once('/')
        && !before.ends_with('/') // a host
        && is_version(last)
    {
        url.truncate(before.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_another_version_stands_beside_the_bases() {
        assert_eq!(join("https://h/v1", &["../v2/chat"], None), "https://h/v2/chat");
        assert_eq!(join("https://h/a/v1/?t=1", &["", "../v2/chat"], None), "https://h/a/v2/chat?t=1");
        assert_eq!(join("https://h/a", &["../v2/chat"], None), "https://h/a/v2/chat");
        assert_eq!(join("https://v1", &["../v2/chat"], None), "https://v1/v2/chat");
    }

    #[test]
    fn a_url_has_one_slash_between_its_parts_and_its_query_at_the_end() {
        assert_eq!(join("http://h/v1", &["chat/completions"], None), "http://h/v1/chat/completions");
        assert_eq!(join("http://h/v1/", &["/chat/completions"], None), "http://h/v1/chat/completions");
        assert_eq!(join("http://h/v1?t=a b", &["embeddings"], None), "http://h/v1/embeddings?t=a%20b");
        assert_eq!(join("http://h?t=1#top", &["", "p"], Some("v=2")), "http://h/p?t=1&v=2");
        assert_eq!(join("", &["p"], None), "/p");
        assert_eq!(
            join("http://h?t=1", &["p", "m:s?alt=sse"], Some("v=2")),
            "http://h/p/m:s?t=1&alt=sse&v=2"
        );
    }

    #[test]
    fn a_template_without_all_of_its_values_is_left_out() {
        let value = |key: &str| (key == "key").then(|| "a/b".to_owned());
        assert_eq!(fill("Bearer {key}", &value).as_deref(), Some("Bearer a/b"));
        assert_eq!(fill("{other}", &value), None);
        assert_eq!(fill("{key", &value), None);
        assert_eq!(fill_encoded("x/{key}", &value).as_deref(), Some("x/a%2Fb"));
    }
}
