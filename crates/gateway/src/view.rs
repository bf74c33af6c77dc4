//! A generation as one caller sees it: routes that it may not call do not exist.

use crate::callers::{ADMIN, Caller};
use crate::snapshot::{Route, Snapshot};
use bytes::Bytes;
use lockgate_config::Style;
use std::sync::{Arc, OnceLock};

/// A snapshot and whoever looks at it.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) snapshot: Arc<Snapshot>,
    caller: Option<Arc<Caller>>,
    /// Who may change routes: what logs call them.
    admin: Option<&'static str>,
}

impl View {
    /// Everything: where keys are not asked for.
    pub(crate) fn whole(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, caller: None, admin: None }
    }

    /// Everything, and the right to change it: behind the operators' own door.
    pub(crate) fn of_operators(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, caller: None, admin: Some("admin.listen") }
    }

    /// What `caller` may see.
    pub(crate) fn of(snapshot: Arc<Snapshot>, caller: Arc<Caller>) -> Self {
        let admin = caller.admin.then_some(ADMIN);
        Self { snapshot, caller: Some(caller), admin }
    }

    /// Who looks, where a key was asked for.
    pub(crate) fn caller(&self) -> Option<&Arc<Caller>> {
        self.caller.as_ref()
    }

    /// The route called `name`, if the caller may call it.
    pub(crate) fn route(&self, name: &str) -> Option<&Arc<Route>> {
        let (at, route) = self.snapshot.route(name)?;
        self.sees(at).then_some(route)
    }

    /// Who may change routes, as logs call them.
    pub(crate) fn admin(&self) -> Option<&'static str> {
        self.admin
    }

    /// The routes that the caller may call, in the order of the file.
    pub(crate) fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        let routes = self.snapshot.routes.iter().enumerate();
        routes.filter(|(at, _)| self.sees(*at)).map(|(_, route)| route)
    }

    /// Whether the file is one of MLflow 2.5 to 2.8: nothing in it is newer.
    pub(crate) fn is_classic(&self) -> bool {
        self.routes().all(|route| route.style == Style::Classic)
    }

    /// Where `/openapi.json` is kept once it is written: what restricted callers and admins see is their own.
    pub(crate) fn openapi(&self) -> &OnceLock<Bytes> {
        let own = self.caller.as_ref().filter(|caller| caller.is_restricted() || caller.admin);
        own.map_or(&self.snapshot.openapi, |caller| &caller.openapi)
    }

    fn sees(&self, at: usize) -> bool {
        self.caller.as_ref().is_none_or(|caller| caller.may_call(at))
    }
}
