//! Routes that are made at run time: a file of their own, in the grammar of `routes`, beside the config.
//!
//! The same check reads them, with less freedom: whoever makes them holds an admin's key, and not the machine. They
//! neither name the operator's environment, files, commands and secrets nor reach servers that only this machine
//! reaches. One that is wrong is set aside and the others serve; the config itself is never refused for their sake.

mod base;
mod file;
mod keys;

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::Mistakes;
use crate::check::Check;
use crate::mistake::{Mistake, Source};
use crate::model::{Route, Style};
use crate::node::Node;
use crate::notes::{Note, Notes};
use crate::routes::{self, Common};
use crate::yaml;

pub(crate) use base::{Bases, check as check_base, check_url};
pub use file::{entries, text};
pub(crate) use keys::{form, literal};

/// The most routes that can be made at run time.
pub const MOST_ROUTES: usize = 1000;
/// Characters of the longest name of one.
const LONGEST_NAME: usize = 128;
/// The key under which they stand, as in a config of MLflow 2.5 to 2.8.
const SECTION: &str = "routes";

/// The file of the routes that were made at run time.
#[derive(Debug, Clone, Copy)]
pub struct RunTime<'a> {
    /// What stands in it.
    pub text: &'a str,
    /// What mistakes call it.
    pub file_name: &'a str,
}

/// What became of the routes that do not serve, although they were made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotServed {
    /// Why their file cannot be read, with line and caret.
    pub damaged: Option<String>,
    /// Those that have mistakes.
    pub refused: Vec<Refused>,
    /// Those whose name the config defines, too.
    pub shadowed: Vec<String>,
}

/// A route that was made at run time and does not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its name.
    pub name: String,
    /// Why, with line and caret.
    pub why: String,
    /// Why, for whoever just sent it: fields and fixes.
    pub short: String,
}

/// What guards a check of such routes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard {
    /// Whether they may ask servers that are not public.
    pub(crate) private_addresses: bool,
}

/// Checks the file. `of_config` checks the config, and has by now; its routes are `known`.
pub(crate) fn check(
    run_time: RunTime<'_>,
    of_config: &mut Check<'_>,
    common: &Common<'_>,
    guard: Guard,
    known: &[Route],
) -> (Vec<Route>, NotServed, Vec<Mistake>) {
    let notes = Notes::new(true);
    let document = match yaml::parse(run_time.text) {
        Ok(document) => document,
        Err(unreadable) => {
            let mistakes = yaml::unreadable(run_time.text, run_time.file_name, unreadable);
            return (
                Vec::new(),
                NotServed { damaged: Some(mistakes.to_string()), ..NotServed::default() },
                Vec::new(),
            );
        }
    };
    for (key, span) in &document.duplicates {
        notes.duplicate(span.clone(), key);
    }
    let elements = elements(document.root.as_ref(), &notes);
    let check = of_config.for_run_time(run_time.text, &notes, guard);
    let mut served = HashMap::new();
    let mut seen = HashSet::new();
    for (at, (name, element)) in elements.iter().enumerate() {
        if !seen.insert(*name) {
            let span = element.get("name").map_or(element.head(), |node| node.span.clone());
            notes.mistake(span, "Another route has this name");
        }
        let route = routes::route(&check, element, Style::Classic, common);
        served.extend(route.map(|route| (at, Route { run_time: true, ..route })));
    }
    drop(check);
    let source = Source::of(run_time.text, run_time.file_name, &document);
    let mut sorted = Sorted::of(notes, &source, &elements);
    let (mut routes, mut not_served) = (Vec::new(), NotServed::default());
    if !sorted.of_file.is_empty() {
        not_served.damaged = Some(Mistakes::new(sorted.of_file).to_string());
        return (routes, not_served, Vec::new());
    }
    let taken: BTreeSet<&str> = known.iter().map(|route| route.name.as_str()).collect();
    for (at, (name, _)) in elements.iter().enumerate() {
        let (name, mistakes) = ((*name).to_owned(), sorted.of_elements.remove(&at));
        match (mistakes, served.remove(&at)) {
            _ if taken.contains(name.as_str()) => not_served.shadowed.push(name),
            (None, Some(route)) => routes.push(route),
            (mistakes, _) => not_served.refused.push(refused(name, at, mistakes.unwrap_or_default())),
        }
    }
    (routes, not_served, sorted.warnings)
}

/// The routes of the file, with their names. What is wrong in the file as a whole is noted.
fn elements<'a>(root: Option<&'a Node>, notes: &Notes) -> Vec<(&'a str, &'a Node)> {
    let hint = "mend it by hand, or take it away to begin anew without these routes";
    let Some(root) = root else {
        notes.add(
            Note::mistake(0..0, "The file of the routes that were made at run time is empty").hint(hint),
        );
        return Vec::new();
    };
    for (key, _) in root.entries().unwrap_or_default() {
        if key.text() != Some(SECTION) {
            let note = Note::mistake(key.span.clone(), "This file has `routes` and nothing else");
            notes.add(note.hint("everything else belongs in the config file"));
        }
    }
    let Some(list) = root.get(SECTION).and_then(Node::elements) else {
        let message = "The file of the routes that were made at run time has no list `routes`";
        notes.add(Note::mistake(root.head(), message).hint(hint));
        return Vec::new();
    };
    if list.len() > MOST_ROUTES {
        let message = format!("At most {MOST_ROUTES} routes can be made at run time");
        notes.add(Note::mistake(list[MOST_ROUTES].head(), message).hint(hint));
        return Vec::new();
    }
    let named = list.iter().filter_map(|element| {
        let name = element.get("name").and_then(Node::text).filter(|name| is_name(name));
        if name.is_none() {
            let span = element.get("name").map_or(element.head(), |name| name.span.clone());
            let message = "The name of a route has at most 128 letters, digits, `_`, `-` and `.`";
            notes.mistake(span, message);
        }
        Some((name?, element))
    });
    named.collect()
}

/// Whether a run-time route can have this name.
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let length = name.chars().take(LONGEST_NAME + 1).count();
    // A name of dots alone would be a step up in a path.
    (1..=LONGEST_NAME).contains(&length) && name.chars().all(allowed) && name.chars().any(|c| c != '.')
}

/// What was found, by whom it concerns.
struct Sorted {
    of_file: Vec<Mistake>,
    of_elements: HashMap<usize, Vec<Mistake>>,
    warnings: Vec<Mistake>,
}

impl Sorted {
    fn of(notes: Notes, source: &Source<'_>, elements: &[(&str, &Node)]) -> Self {
        let mut sorted = Self { of_file: Vec::new(), of_elements: HashMap::new(), warnings: Vec::new() };
        let mut found = notes.into_found();
        found.sort_by_key(|note| note.span.start);
        for note in found {
            let start = note.span.start;
            let element = elements.iter().position(|(_, element)| element.span.contains(&start));
            let (fatal, mistake) = (note.fatal, source.show(note));
            match element {
                _ if !fatal => sorted.warnings.push(mistake),
                Some(at) => sorted.of_elements.entry(at).or_default().push(mistake),
                None => sorted.of_file.push(mistake),
            }
        }
        sorted
    }
}

fn refused(name: String, at: usize, mistakes: Vec<Mistake>) -> Refused {
    let shorts: Vec<_> = mistakes.iter().map(|mistake| mistake.short(&format!("{SECTION}.{at}"))).collect();
    Refused { name, short: shorts.join("; "), why: Mistakes::new(mistakes).to_string() }
}
