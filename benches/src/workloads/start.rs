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

/// Starts a second by pgbench, as the limit is measured.
pub fn rate(bench: &Bench) -> Result<Vec<Row>> {
    [1, 8]
        .into_iter()
        .map(|clients| {
            let measure = || {
                let rate = limit::pgbench(bench, "SELECT df.start('SELECT 1')", clients)?;
                bench.drain(0)?;
                Ok(rate)
            };
            let samples = limit::beside(bench, clients, measure, Sample::beside)?;
            let what = format!("df.start, {clients} client{}", if clients == 1 { "" } else { "s" });
            Ok(Row::new(what, "starts/s", Goal::RatioAtLeast(0.5), samples))
        })
        .collect()
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
