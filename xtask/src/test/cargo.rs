//! What cargo checks: the format, the lints, the tests beside the code, the dependencies.

use super::step::{Bench, Done, Step, exists};
use anyhow::Result;

/// What everything else waits for.
pub(crate) fn first() -> Vec<Step> {
    vec![
        Step::check("format", "cargo fmt --all --check", |bench| {
            cargo(bench, &["fmt", "--all", "--check", "--", "--color=never"])?;
            Ok(Done::Passed(String::new()))
        })
        .within_mins(2),
        Step::preparation("build", "builds the gateway, for tests from outside", |bench| {
            cargo(bench, &["build", "--workspace", "--bins"])?;
            Ok(Done::Passed(String::new()))
        })
        .in_cargos_folder()
        .within_mins(20),
    ]
}

/// What can go on beside tests from outside.
pub(crate) fn rest() -> Vec<Step> {
    vec![
        Step::check("rust-tests", "the tests of all crates", rust_tests).in_cargos_folder().within_mins(20),
        Step::check("lints", "cargo clippy without a warning", |bench| {
            cargo(bench, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
            Ok(Done::Passed(String::new()))
        })
        .in_cargos_folder()
        .within_mins(15),
        Step::check("doc-tests", "the examples in the crates' documentation", |bench| {
            cargo(bench, &["test", "--workspace", "--doc"])?;
            Ok(Done::Passed(test_results(&bench.printed())))
        })
        .in_cargos_folder(),
        Step::check("dependencies", "cargo deny: licences, bans, advisories (deny.toml)", dependencies)
            .in_cargos_folder(),
    ]
}

fn cargo(bench: &Bench<'_>, arguments: &[&str]) -> Result<()> {
    bench.run(bench.command("cargo").args(arguments))
}

/// With nextest where it is installed: each test in a process of its own.
fn rust_tests(bench: &Bench<'_>) -> Result<Done> {
    if exists("cargo-nextest") {
        cargo(bench, &["nextest", "run", "--workspace", "--no-fail-fast"])?;
        let printed = bench.printed();
        let summary =
            printed.lines().rev().find_map(|line| line.split_once("] ").filter(|_| line.contains("Summary")));
        return Ok(Done::Passed(summary.map_or(String::new(), |(_, counts)| counts.trim().to_owned())));
    }
    cargo(bench, &["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"])?;
    Ok(Done::Passed(test_results(&bench.printed())))
}

/// How many tests `cargo test` says have passed.
fn test_results(printed: &str) -> String {
    let counts = printed.lines().filter_map(|line| {
        let counts = line.strip_prefix("test result: ok. ")?;
        counts.split_once(" passed")?.0.parse::<usize>().ok()
    });
    format!("{} tests passed", counts.sum::<usize>())
}

/// Only where cargo-deny is installed: building it takes longer than everything else together.
fn dependencies(bench: &Bench<'_>) -> Result<Done> {
    if !exists("cargo-deny") {
        return Ok(Done::Skipped(
            "cargo-deny is not installed; get it with `cargo install --locked cargo-deny`".into(),
        ));
    }
    // The advisories come from a database that not every machine can reach.
    cargo(bench, &["deny", "--workspace", "check", "bans", "licenses", "sources"])?;
    Ok(Done::Passed(String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_of_all_crates_are_added_up() {
        let printed = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 1 ignored\n\ntest result: ok. 40 passed; 0 failed\n";
        assert_eq!(test_results(printed), "42 tests passed");
        assert_eq!(test_results(""), "0 tests passed");
    }
}
