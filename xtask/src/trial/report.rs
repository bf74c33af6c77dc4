//! The tables, ready to be pasted into the decision page.

use super::measure::Costs;
use super::spread::Spread;
use super::workload::Workload;
use anyhow::{Context, Result};
use std::io::Write;

/// CPU time per request of each proxy, and its ratio to the first one.
pub(crate) fn costs(rows: &[(&str, &Costs)]) -> Result<()> {
    let (_, yardstick) = rows.first().context("no proxy was measured")?;
    let mut out = std::io::stdout().lock();
    let titles = Workload::ALL.map(|workload| format!(" {} |", workload.title())).concat();
    writeln!(out, "CPU µs per request (median of the rounds) · **ratio to nginx**\n\n| Proxy |{titles}")?;
    writeln!(out, "|---|{}", "--:|".repeat(Workload::ALL.len()))?;
    for (name, costs) in rows {
        let cells = Workload::ALL.map(|workload| {
            let cost = costs.median(workload);
            format!(" {cost:.1} · **{:.2}** |", cost / yardstick.median(workload))
        });
        writeln!(out, "| {name} |{}", cells.concat())?;
    }
    Ok(())
}

/// Share of the busier of two workers.
pub(crate) fn spreads(spreads: &[Spread]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nShare of the busier of two workers (50 % is even)\n")?;
    writeln!(out, "| Hand-out | connections | median | worst |\n|---|--:|--:|--:|")?;
    for Spread { way, connections, median, worst } in spreads {
        writeln!(out, "| {way} | {connections} | {:.0} % | {:.0} % |", median * 100.0, worst * 100.0)?;
    }
    Ok(())
}
