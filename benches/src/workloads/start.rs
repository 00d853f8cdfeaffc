//! Starting: what `df.start` costs the caller, while the engine carries out what was started.

use crate::{
    limit,
    row::{Goal, Row, Sample},
    session::chain,
    target::Bench,
};
use anyhow::Result;
use std::time::Instant;

const STEPS: usize = 2000;

/// Starts by 1 and 8 clients, while the engine carries out what they start.
pub fn rate(bench: &Bench) -> Result<Vec<Row>> {
    Ok([rate_of(bench, 1)?, rate_of(bench, 8)?].concat())
}

/// Starts a second by pgbench, as the limit is measured.
pub fn rate_of(bench: &Bench, clients: usize) -> Result<Vec<Row>> {
    let measure = || {
        let rate = limit::pgbench(bench, "SELECT df.start('SELECT 1')", clients)?;
        bench.drain(0)?;
        Ok(rate)
    };
    let samples = limit::beside(bench, clients, measure, Sample::beside)?;
    let what = format!("df.start, {clients} client{}", if clients == 1 { "" } else { "s" });
    Ok(vec![Row::new(what, "starts/s", Goal::RatioAtLeast(0.5), samples)])
}

/// Starts by 8 clients while most of what they start has to wait: what they cost by themselves.
pub fn backlog(bench: &Bench) -> Result<Vec<Row>> {
    const SETTING: &str = "pg_durable.max_executors";
    bench.alter_system(SETTING, Some("1"))?;
    // Those that run have to leave before fewer can come.
    bench.server()?.restart()?;
    let measured =
        limit::beside(bench, 8, || limit::pgbench(bench, "SELECT df.start('SELECT 1')", 8), Sample::beside);
    bench.alter_system(SETTING, None)?;
    bench.server()?.restart()?;
    bench.drain(0)?;
    Ok(vec![Row::new("df.start, 8 clients, one executor", "starts/s", Goal::None, measured?)])
}

/// One statement builds the chain with `~>` and starts it.
pub fn build(bench: &Bench) -> Result<Vec<Row>> {
    let mut client = bench.client()?;
    let statement = format!("SELECT df.start({})", chain("SELECT 1", STEPS));
    let mut samples = Vec::new();
    for _ in 0..bench.pace.repetitions {
        let since = Instant::now();
        client.batch_execute(&statement)?;
        samples.push(Sample::alone(since.elapsed().as_secs_f64()));
        bench.drain(0)?;
    }
    Ok(vec![Row::new("building and starting 2,000 steps", "s", Goal::FigureAtMost(1.0), samples)])
}
