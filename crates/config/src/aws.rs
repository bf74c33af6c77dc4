//! Region and credentials of AWS, in the three forms that MLflow's `aws_config` has: access keys, a role, or neither,
//! so that the environment says them as it says them to AWS's own tools.

use std::collections::BTreeMap;

use crate::catalogue::Aws;
use crate::check::Check;
use crate::keys;
use crate::model::Signing;
use crate::node::{Content, Node};
use crate::secret::Secret;
use crate::template::fill;

/// What templates call the region.
pub(crate) const REGION: &str = "aws_region";

/// What requests are signed with; `Err` says why none can be sent, which MLflow finds out per call only. Puts region and
/// bearer key among `values` and fills the defaults that name the region.
///
/// `None` when something was noted.
pub(crate) fn check(
    check: &Check<'_>,
    aws: &Aws,
    config: &Node,
    brought: bool,
    values: &mut BTreeMap<String, Secret>,
) -> Option<Result<Option<Signing>, String>> {
    let mapping = config.get(&aws.config);
    let region = region(check, mapping);
    let given = given(check, mapping)?;
    if let Some(Err(reason)) = region {
        return Some(Err(reason));
    }
    let region = region.and_then(Result::ok);
    values.extend(region.clone().map(|region| (REGION.to_owned(), Secret::new(region))));
    let whole = fill_defaults(values, region.as_deref());
    let text = |key: &str| mapping.and_then(|mapping| mapping.get(key)).and_then(Node::text);
    if !whole {
        return Some(Err(format!("'{}' names no 'aws_region', nor does AWS_REGION.", aws.config)));
    }
    if brought || values.contains_key(&aws.key) {
        return Some(Ok(None));
    }
    if text("aws_role_arn").is_some() {
        return Some(Err(format!(
            "Roles of AWS are not assumed; give '{}' access keys in place of 'aws_role_arn', or set '{}'.",
            aws.config, aws.key
        )));
    }
    let Some(region) = region else {
        return Some(Err(format!(
            "Requests are signed for a region; name 'aws_region' in '{}'.",
            aws.config
        )));
    };
    let (service, access) = (aws.service.clone(), given);
    if access.is_none()
        && let Some(key) = env(check, &format!("AWS_BEARER_TOKEN_{}", service.to_ascii_uppercase()))
    {
        values.insert(aws.key.clone(), key);
        return Some(Ok(None));
    }
    Some(match access.or_else(|| from_env(check)) {
        Some((access_key_id, secret_access_key, session_token)) => {
            Ok(Some(Signing { service, region, access_key_id, secret_access_key, session_token }))
        }
        None => Err(format!(
            "There are no credentials of AWS: neither in '{}' nor as '{}', nor in AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY.",
            aws.config, aws.key
        )),
    })
}

/// Fills the defaults that name the region; false when one of them is left without.
pub(crate) fn fill_defaults(values: &mut BTreeMap<String, Secret>, region: Option<&str>) -> bool {
    let named = format!("{{{REGION}}}");
    let mut whole = true;
    values.retain(|_, value| {
        if !value.expose().contains(&named) {
            return true;
        }
        let filled = fill(value.expose(), &|key| region.filter(|_| key == REGION).map(str::to_owned));
        whole &= filled.is_some();
        filled.is_some_and(|filled| {
            *value = Secret::new(filled);
            true
        })
    });
    whole
}

/// The region, which becomes part of a server's name and so must be a name itself.
fn region(check: &Check<'_>, mapping: Option<&Node>) -> Option<Result<String, String>> {
    let written = mapping.and_then(|mapping| mapping.get(REGION)).and_then(Node::text).map(str::to_owned);
    let region = written.or_else(|| check.env("AWS_REGION")).or_else(|| check.env("AWS_DEFAULT_REGION"));
    let region = region.filter(|region| !region.is_empty())?;
    let name = region.len() <= 40 && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    Some(if name { Ok(region) } else { Err("'aws_region' is not the name of a region of AWS.".to_owned()) })
}

type Access = (Secret, Secret, Option<Secret>);

/// The access keys of the mapping; `None` when something was noted.
fn given(check: &Check<'_>, mapping: Option<&Node>) -> Option<Option<Access>> {
    let secret = |name: &str| match mapping.and_then(|mapping| mapping.get(name)) {
        Some(node) if matches!(node.content, Content::Text(_) | Content::Map(_)) => {
            keys::literal(check, node).map(Some)
        }
        _ => Some(None),
    };
    let (id, key, token) =
        (secret("aws_access_key_id")?, secret("aws_secret_access_key")?, secret("aws_session_token")?);
    let one = id.is_some() != key.is_some();
    if let Some(mapping) = mapping.filter(|_| one) {
        let message = "'aws_access_key_id' and 'aws_secret_access_key' go together; one alone is not used";
        check.notes.warning(mapping.head(), message);
    }
    Some(id.zip(key).map(|(id, key)| (id, key, token)))
}

fn from_env(check: &Check<'_>) -> Option<Access> {
    let (id, key) = (env(check, "AWS_ACCESS_KEY_ID")?, env(check, "AWS_SECRET_ACCESS_KEY")?);
    Some((id, key, env(check, "AWS_SESSION_TOKEN")))
}

fn env(check: &Check<'_>, name: &str) -> Option<Secret> {
    check.env(name).filter(|value| !value.is_empty()).map(Secret::new)
}
