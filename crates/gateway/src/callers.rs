//! Who may come in: the keys of a generation, and what each opens.

use crate::snapshot::Route;
use bytes::Bytes;
use lockgate_config::{Admin, Allowance, KeyHash};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;

/// What logs call the holder of an admin key.
pub(crate) const ADMIN: &str = "admin";

/// Everybody who has a key.
#[derive(Debug, Default)]
pub(crate) struct Callers {
    /// By the first bytes of a key's hash. Which of them are known tells nothing about a key.
    keys: HashMap<[u8; 8], Vec<(KeyHash, Arc<Caller>)>>,
    /// Whether routes and listings need a caller's key.
    pub(crate) guard_routes: bool,
    /// Whether operators' pages need an admin's key.
    pub(crate) guard_operators: bool,
    /// Whether there is an admin's key, with which routes can be changed.
    pub(crate) admin_keys: bool,
}

/// The holder of a key.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) name: String,
    /// By a route's place in the file; `None` is all.
    routes: Option<Box<[bool]>>,
    /// Unix seconds.
    expires: Option<i64>,
    pub(crate) admin: bool,
    /// How much it may use, of all its routes together; `None` where nothing is limited.
    pub(crate) limits: Option<Allowance>,
    /// What `/openapi.json` answers it, written when it is first asked for.
    pub(crate) openapi: OnceLock<Bytes>,
}

impl Callers {
    /// The callers of a config, and what they may call of `routes`.
    pub(crate) fn of(
        config: Vec<lockgate_config::Caller>,
        admin: Option<&Admin>,
        routes: &[Arc<Route>],
    ) -> Self {
        let mut callers = Self {
            keys: HashMap::new(),
            guard_routes: !config.is_empty(),
            guard_operators: !config.is_empty() || admin.is_some(),
            admin_keys: admin.is_some_and(|admin| !admin.keys.is_empty()),
        };
        for caller in config {
            let listed = || routes.iter().map(|route| caller.may_call(&route.name)).collect();
            let routes = caller.routes.is_some().then(listed);
            let limits = Some(caller.limits).filter(|limits| *limits != Allowance::default());
            let known = Caller::new(caller.name, routes, caller.expires, false);
            callers.add(&caller.keys, Caller { limits, ..known });
        }
        if let Some(admin) = admin {
            callers.add(&admin.keys, Caller::new(ADMIN.to_owned(), None, None, true));
        }
        callers
    }

    fn add(&mut self, keys: &[KeyHash], caller: Caller) {
        let caller = Arc::new(caller);
        for key in keys {
            self.keys.entry(first(key)).or_default().push((*key, caller.clone()));
        }
    }

    /// The holder of `key`: one hash, one look-up, and a comparison that takes the same time wherever it fails.
    pub(crate) fn holder(&self, key: &[u8]) -> Option<&Arc<Caller>> {
        let hash = KeyHash::of(key);
        let mut alike = self.keys.get(&first(&hash))?.iter();
        alike.find(|(known, _)| bool::from(known.0.ct_eq(&hash.0))).map(|(_, caller)| caller)
    }
}

fn first(hash: &KeyHash) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = hash.0;
    [a, b, c, d, e, f, g, h]
}

impl Caller {
    fn new(name: String, routes: Option<Box<[bool]>>, expires: Option<i64>, admin: bool) -> Self {
        Self { name, routes, expires, admin, limits: None, openapi: OnceLock::new() }
    }

    /// Whether it may call the route at this place of the file.
    pub(crate) fn may_call(&self, at: usize) -> bool {
        self.routes.as_ref().is_none_or(|routes| routes.get(at).copied().unwrap_or(false))
    }

    /// Whether it may call some routes and not others.
    pub(crate) fn is_restricted(&self) -> bool {
        self.routes.is_some()
    }

    /// Whether its keys no longer open anything.
    pub(crate) fn is_expired(&self) -> bool {
        self.expires.is_some_and(|expires| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
            i64::try_from(now).unwrap_or(i64::MAX) >= expires
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str, key: &str, expires: Option<i64>) -> lockgate_config::Caller {
        let keys = vec![KeyHash::of(key.as_bytes())];
        let limits = Allowance::default();
        lockgate_config::Caller { name: name.to_owned(), keys, routes: None, expires, limits }
    }

    #[test]
    fn only_the_whole_key_opens() {
        let admin =
            Admin { keys: vec![KeyHash::of(b"lg-root")], listen: None, allow_private_addresses: false };
        let callers =
            Callers::of(vec![caller("a", "lg-a", None), caller("b", "lg-b", None)], Some(&admin), &[]);
        let name =
            |key: &str| callers.holder(key.as_bytes()).map(|caller| (caller.name.clone(), caller.admin));
        assert_eq!(name("lg-a"), Some(("a".to_owned(), false)));
        assert_eq!(name("lg-b"), Some(("b".to_owned(), false)));
        assert_eq!(name("lg-root"), Some(("admin".to_owned(), true)));
        for wrong in ["", "lg-", "lg-a ", "LG-A", "lg-ab", &KeyHash::of(b"lg-a").to_string()] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_hash_that_only_begins_alike_does_not_open() {
        let mut alike = KeyHash::of(b"lg-a");
        alike.0[31] ^= 1;
        let mut callers = Callers::of(Vec::new(), None, &[]);
        callers.add(&[alike], Caller::new("other".to_owned(), None, None, false));
        assert!(callers.holder(b"lg-a").is_none());
        callers.add(&[KeyHash::of(b"lg-a")], Caller::new("a".to_owned(), None, None, false));
        assert_eq!(callers.holder(b"lg-a").map(|caller| caller.name.as_str()), Some("a"));
    }

    #[test]
    fn a_key_ends_when_it_says() {
        let ends = |at| Caller::new(String::new(), None, Some(at), false).is_expired();
        assert!(ends(1) && !ends(i64::MAX));
    }
}
