//! Latency as a client sees it, in bare commits: what one pgbench client needs for a transaction.

use crate::{
    limit::{self, INSERT},
    row::{Goal, Row, Sample, median, percentile},
    session::{Durability, chain, join},
    target::Bench,
};
use anyhow::Result;

pub fn one_step(bench: &Bench) -> Result<Vec<Row>> {
    let runs = bench.pace.choose(1000, 200);
    let mut session = bench.session()?;
    let graph = session.build(&format!("df.sql('{INSERT}')"))?;
    let measure = || session.latencies(&graph, Durability::Step, runs);
    let both = limit::beside(bench, 1, measure, |latencies, tps| (latencies, tps))?;
    let samples = |share| {
        let sample = |(latencies, tps): &(Vec<f64>, f64)| {
            Sample::latency(percentile(latencies.iter().copied(), share), *tps)
        };
        both.iter().map(sample).collect()
    };
    Ok(vec![
        Row::new("one INSERT, p50", "ms", Goal::RatioAtMost(3.0), samples(0.5)),
        Row::new("one INSERT, p99", "ms", Goal::RatioAtMost(10.0), samples(0.99)),
    ])
}

pub fn ten_steps(bench: &Bench) -> Result<Vec<Row>> {
    let row = |durability: Durability, bound| -> Result<Row> {
        let expression = chain(INSERT, 10);
        let samples = half_of(bench, &expression, durability, bench.pace.choose(300, 60))?;
        let what = format!("10 INSERT, {}, p50", durability.as_str());
        Ok(Row::new(what, "ms", Goal::RatioAtMost(bound), samples))
    };
    Ok(vec![row(Durability::Step, 13.0)?, row(Durability::Barrier, 5.0)?])
}

pub fn join_of_32(bench: &Bench) -> Result<Vec<Row>> {
    let samples = half_of(bench, &join(INSERT, 32), Durability::Step, bench.pace.choose(100, 20))?;
    Ok(vec![Row::new("JOIN of 32 INSERT, p50", "ms", Goal::RatioAtMost(40.0), samples)])
}

/// The median latency of a workflow.
fn half_of(bench: &Bench, expression: &str, durability: Durability, runs: usize) -> Result<Vec<Sample>> {
    let mut session = bench.session()?;
    let graph = session.build(expression)?;
    let measure = || Ok(median(session.latencies(&graph, durability, runs)?));
    limit::beside(bench, 1, measure, Sample::latency)
}
