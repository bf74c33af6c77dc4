//! Where routes are changed at run time: MLflow's paths, which its own servers answer with 405 and 501.

use super::surfaces::Page;
use crate::view::View;
use http::Method;

/// A generation of MLflow's paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// MLflow 2.5 to 2.8: `/api/2.0/gateway/routes/`.
    Routes,
    /// MLflow 2.9 and later: `/api/2.0/endpoints/`.
    Endpoints,
}

/// What is asked to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    Create,
    Replace(String),
    Delete(String),
    SetLimits,
}

impl Family {
    const ALL: [Self; 2] = [Self::Routes, Self::Endpoints];

    fn base(self) -> &'static str {
        match self {
            Self::Routes => "/api/2.0/gateway/routes/",
            Self::Endpoints => "/api/2.0/endpoints/",
        }
    }

    fn limits(self) -> &'static str {
        match self {
            Self::Routes => "/api/2.0/gateway/limits/",
            Self::Endpoints => "/api/2.0/endpoints/limits/",
        }
    }

    /// What it calls a route.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Routes => "route",
            Self::Endpoints => "endpoint",
        }
    }
}

/// What an admin finds at a path, percent-decoded, that is not there for others.
pub(super) fn at(method: &Method, path: &str) -> Option<Page> {
    Family::ALL.into_iter().find_map(|family| {
        let named = |base: &str| {
            let name = path.strip_prefix(base)?;
            (!name.is_empty() && !name.contains('/')).then(|| name.to_owned())
        };
        let (base, limits) = (family.base(), family.limits());
        let asked = match *method {
            Method::GET => return named(limits).map(|name| Page::Limits(family, name)),
            Method::POST if path == base => Asked::Create,
            Method::POST if path == limits => Asked::SetLimits,
            Method::PUT => Asked::Replace(named(base)?),
            Method::DELETE => Asked::Delete(named(base)?),
            _ => return None,
        };
        Some(Page::Change(family, asked))
    })
}

/// The methods of a page that can be read, for the `allow` header.
pub(super) fn allowed(page: &Page, view: &View) -> &'static str {
    match page {
        Page::Routes | Page::Endpoints if view.admin().is_some() => "GET, POST",
        Page::Route(_) | Page::Endpoint(_) if view.admin().is_some() => "DELETE, GET, PUT",
        _ => "GET",
    }
}
