//! Changes of routes at run time: from what an admin sends to what it is told, and to one line of the log.

mod body;

use super::mlflow_lists;
use super::{Ask, reply};
use crate::redact::redact;
use crate::run_time::{Change, Edit, Refusal};
use crate::server::Door;
use crate::server::changes::{Asked, Family};
use crate::snapshot::Route;
use bytes::Bytes;
use http::uri::Authority;
use http::{Response, StatusCode};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a change may take. One that takes longer is not made any more.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes the change, tells it to the log, and answers.
pub(super) async fn answer(ask: &Ask<'_>, family: Family, asked: &Asked) -> Response<Bytes> {
    let edit = check_sender(ask).and_then(|()| body::edit(ask, family, asked));
    let name = name_of(&edit, asked);
    let made = match edit {
        Ok(edit) => make(ask, edit).await,
        Err(refusal) => Err(refusal),
    };
    tell(ask, asked, &name, &made);
    match made {
        Ok(route) => {
            let body = match (asked, &route) {
                (Asked::SetLimits, Some(route)) => mlflow_lists::limits(route),
                (Asked::Create | Asked::Replace(_), Some(route)) => mlflow_lists::object(family, route),
                _ => json!({}),
            };
            reply::json(StatusCode::OK, &body)
        }
        Err(refusal) => reply::detail(refusal.status, redact(&refusal.detail, &[])),
    }
}

/// Tells the log of a change whose body could not be read.
pub(super) fn tell_unread(ask: &Ask<'_>, asked: &Asked, status: StatusCode) {
    let unread = Refusal::new(status, "its body could not be read", "");
    let edit = Err(unread);
    let name = name_of(&edit, asked);
    tell(ask, asked, &name, &edit.map(|_| None));
}

/// The name for the log, where it is one.
fn name_of(edit: &Result<Edit, Refusal>, asked: &Asked) -> String {
    let name = match (edit, asked) {
        (Ok(edit), _) => edit.name(),
        (Err(_), Asked::Replace(name) | Asked::Delete(name)) => name,
        (Err(_), Asked::Create | Asked::SetLimits) => "",
    };
    if lockgate_config::is_name(name) { name.to_owned() } else { "…".to_owned() }
}

/// Refuses what a web page sends that is not the gateway's own: a browser adds a password that it has for the gateway,
/// or reaches an address that asks for none, whatever page it shows.
fn check_sender(ask: &Ask<'_>) -> Result<(), Refusal> {
    let Some(origin) = ask.origin else { return Ok(()) };
    let authority = |text: &str| text.parse::<Authority>().ok();
    let page = origin.split_once("://").and_then(|(_, rest)| authority(rest));
    let own = page.is_some() && page == ask.host.and_then(authority) && ask.door == Door::Everyone;
    if own || ask.view.snapshot.server.origins.iter().any(|known| known.eq_ignore_ascii_case(origin)) {
        return Ok(());
    }
    let detail = "Web pages of other origins may not change routes";
    Err(Refusal::new(StatusCode::FORBIDDEN, "a web page of another origin sent it", detail))
}

async fn make(ask: &Ask<'_>, edit: Edit) -> Result<Option<Arc<Route>>, Refusal> {
    let (sender, made) = oneshot::channel();
    if !ask.gateway.ask_change(Change { edit, reply: sender }) {
        let detail = "Too many changes are waiting; nothing was changed, try again";
        return Err(Refusal::unavailable("too many changes wait", detail));
    }
    match timeout(PATIENCE, made).await {
        Ok(Ok(made)) => made,
        Ok(Err(_)) => {
            let detail =
                "The gateway is about to end; look at the list of routes whether the change was made";
            Err(Refusal::unavailable("the gateway ends", detail))
        }
        Err(_) => {
            let detail = "The change took too long, since the config takes long to be checked; try again";
            Err(Refusal::unavailable("it took too long", detail))
        }
    }
}

/// One line of the log: who, what, from where and how it ended; nothing of what was sent but a name.
fn tell(ask: &Ask<'_>, asked: &Asked, route: &str, made: &Result<Option<Arc<Route>>, Refusal>) {
    let action = match asked {
        Asked::Create => "create route",
        Asked::Replace(_) => "replace route",
        Asked::Delete(_) => "delete route",
        Asked::SetLimits => "set limits of route",
    };
    let who = ask.view.admin().unwrap_or_default();
    let (client, request_id) = (ask.client, ask.request_id);
    match made {
        Ok(_) => tracing::info!(
            target: "admin", who, action, route, %client, request_id, status = 200, outcome = "done",
            "{who} from {client}: {action} '{route}': done"
        ),
        Err(Refusal { status, reason, .. }) => tracing::warn!(
            target: "admin", who, action, route, %client, request_id, status = status.as_u16(), outcome = "refused",
            reason, "{who} from {client}: {action} '{route}': refused, {reason}"
        ),
    }
}
