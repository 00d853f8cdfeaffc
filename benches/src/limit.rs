//! The bare database's limit: pgbench with the INSERT that the steps run too.

use crate::target::Bench;
use anyhow::{Context, Result, ensure};
use std::{io::Write, process::Command};

/// What every step that writes does.
pub const INSERT: &str = "INSERT INTO df_bench.effect (n) VALUES (1)";

/// Transactions a second of one-row INSERTs, prepared, by this many clients.
pub fn insert_tps(bench: &Bench, clients: usize) -> Result<f64> {
    pgbench(bench, INSERT, clients)
}

/// Transactions a second of a statement.
pub fn pgbench(bench: &Bench, statement: &str, clients: usize) -> Result<f64> {
    let seconds = bench.pace.window.as_secs().max(1).to_string();
    let text = run_pgbench(bench, statement, clients, &["-T", &seconds])?;
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = "));
    let tps = tps.and_then(|line| line.split_whitespace().next());
    Ok(tps.context("pgbench printed no tps")?.parse()?)
}

/// Runs a statement so many times in one session.
pub fn repeat(bench: &Bench, statement: &str, times: u64) -> Result<()> {
    run_pgbench(bench, statement, 1, &["-t", &times.to_string()]).map(drop)
}

fn run_pgbench(bench: &Bench, statement: &str, clients: usize, how_long: &[&str]) -> Result<String> {
    let mut script = tempfile::NamedTempFile::new()?;
    writeln!(script, "{statement};")?;
    let (clients, threads) = (clients.to_string(), clients.min(2).to_string());
    let output = Command::new(bench.pgbench())
        .args(["-n", "-M", "prepared", "-c", &clients, "-j", &threads])
        .args(how_long)
        .arg("-f")
        .arg(script.path())
        .arg(bench.dsn())
        .output()
        .with_context(|| format!("could not run {}", bench.pgbench().display()))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pgbench failed: {}", errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Measures so often as the pace says, each time between two looks at the limit, whose mean is the sample's.
pub fn beside<T, S>(
    bench: &Bench,
    clients: usize,
    mut measure: impl FnMut() -> Result<T>,
    sample: impl Fn(T, f64) -> S,
) -> Result<Vec<S>> {
    bench.pace.wait_for_quiet()?;
    let mut before = insert_tps(bench, clients)?;
    let mut samples = Vec::new();
    for _ in 0..bench.pace.repetitions {
        let measured = measure()?;
        let after = insert_tps(bench, clients)?;
        samples.push(sample(measured, (before + after) / 2.0));
        before = after;
        bench.pace.wait_for_quiet()?;
    }
    Ok(samples)
}
