//! What passed, what failed and how, and what is not built.

use super::case::Case;
use anyhow::Result;
use lockgate_dialects::canonical::Failure;
use std::collections::BTreeMap;
use std::io::Write;

/// How many failures of a kind are shown.
const SHOWN: usize = 3;

/// The tally of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Client and provider, with how many checks passed and failed.
    pairs: BTreeMap<(&'static str, &'static str), (usize, usize)>,
    /// What went wrong, by kind.
    failures: BTreeMap<String, Vec<String>>,
    /// Requests that an API cannot say at all, by pair and reason.
    refused: BTreeMap<String, usize>,
    /// Cases that no dialect reads, by provider and API.
    not_built: BTreeMap<String, usize>,
    cases: usize,
}

impl Report {
    pub(crate) fn case(&mut self) {
        self.cases += 1;
    }

    pub(crate) fn not_built(&mut self, case: &Case) {
        *self.not_built.entry(format!("{}/{}", case.api, case.provider)).or_default() += 1;
    }

    /// Counts one check of a pair; `faults` are what is wrong.
    pub(crate) fn checked(
        &mut self,
        client: &'static str,
        provider: &'static str,
        what: &str,
        case: &Case,
        faults: &[String],
    ) {
        let pair = self.pairs.entry((client, provider)).or_default();
        if faults.is_empty() {
            pair.0 += 1;
        } else {
            pair.1 += 1;
            let told = self.failures.entry(format!("{client} > {provider} {what}")).or_default();
            told.push(format!("{}: {}", case.id, faults.join("; ")));
        }
    }

    /// Counts a request that is refused by name of the field: a client's error, and nothing is lost in silence.
    pub(crate) fn refused(
        &mut self,
        client: &'static str,
        provider: &'static str,
        case: &Case,
        failure: &Failure,
    ) {
        match &failure.param {
            None => {
                let fault = format!("refused without the name of a field: {}", failure.message);
                self.checked(client, provider, "request", case, &[fault]);
            }
            Some(_) => {
                self.pairs.entry((client, provider)).or_default().0 += 1;
                let digits = |letter: char| if letter.is_ascii_digit() { '#' } else { letter };
                let message: String = failure.message.chars().map(digits).take(100).collect();
                *self.refused.entry(format!("{client} > {provider}: {message}")).or_default() += 1;
            }
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.cases += other.cases;
        for (pair, (passed, failed)) in other.pairs {
            let sum = self.pairs.entry(pair).or_default();
            *sum = (sum.0 + passed, sum.1 + failed);
        }
        for (kind, told) in other.failures {
            self.failures.entry(kind).or_default().extend(told);
        }
        for (name, count) in other.refused {
            *self.refused.entry(name).or_default() += count;
        }
        for (name, count) in other.not_built {
            *self.not_built.entry(name).or_default() += count;
        }
    }

    /// How many checks failed.
    pub(crate) fn failed(&self) -> usize {
        self.pairs.values().map(|(_, failed)| failed).sum()
    }

    /// In one line.
    pub(crate) fn summary(&self) -> String {
        let passed: usize = self.pairs.values().map(|(passed, _)| passed).sum();
        let waiting: usize = self.not_built.values().sum();
        format!(
            "{} cases, {} checks passed, {} failed, {waiting} cases of APIs that are not built yet",
            self.cases,
            passed,
            self.failed()
        )
    }

    /// Everything, with `all` failures or the first of each kind.
    pub(crate) fn tell(&self, all: bool) -> Result<String> {
        let mut out = Vec::new();
        writeln!(out, "{:<44} {:>7} {:>7}", "client > provider", "pass", "fail")?;
        for ((client, provider), (passed, failed)) in &self.pairs {
            writeln!(out, "{:<44} {passed:>7} {failed:>7}", format!("{client} > {provider}"))?;
        }
        if !self.not_built.is_empty() {
            writeln!(out, "\nnot built yet (api/provider, cases)")?;
        }
        for (name, count) in &self.not_built {
            writeln!(out, "{name:<44} {count:>7}")?;
        }
        if !self.refused.is_empty() {
            writeln!(out, "\nrefused by name of the field (counted as passed)")?;
        }
        for (name, count) in &self.refused {
            writeln!(out, "{count:>7} {name}")?;
        }
        for (kind, told) in &self.failures {
            writeln!(out, "\n{kind}: {}", told.len())?;
            for line in told.iter().take(if all { usize::MAX } else { SHOWN }) {
                writeln!(out, "  {line}")?;
            }
        }
        writeln!(out, "\n{}", self.summary())?;
        Ok(String::from_utf8(out)?)
    }
}
