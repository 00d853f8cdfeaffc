//! One chain of steps: what a step costs where nothing else runs.

use crate::{
    limit::{self, INSERT},
    row::{Goal, Row, Sample},
    session::{Durability, chain},
    target::Bench,
};
use anyhow::Result;

const STEPS: usize = 200;
const STEPS_OF_LONG_CHAIN: usize = 2000;

/// Every step is flushed.
pub fn step(bench: &Bench) -> Result<Vec<Row>> {
    let samples = steps_per_second(bench, INSERT, STEPS, Durability::Step)?;
    Ok(vec![Row::new("200 INSERT, step", "steps/s", Goal::RatioAtLeast(0.8), samples)])
}

/// The end is flushed. A long chain shows what a step costs beside the commits of start and end.
pub fn barrier(bench: &Bench) -> Result<Vec<Row>> {
    let rate = |statement, steps| steps_per_second(bench, statement, steps, Durability::Barrier);
    Ok(vec![
        Row::new("200 INSERT, barrier", "steps/s", Goal::FigureAtLeast(30_000.0), rate(INSERT, STEPS)?),
        Row::new("200 SELECT 1, barrier", "steps/s", Goal::FigureAtLeast(50_000.0), rate("SELECT 1", STEPS)?),
        Row::new("2,000 INSERT, barrier", "steps/s", Goal::None, rate(INSERT, STEPS_OF_LONG_CHAIN)?),
        Row::new("2,000 SELECT 1, barrier", "steps/s", Goal::None, rate("SELECT 1", STEPS_OF_LONG_CHAIN)?),
    ])
}

/// From the commit of the start until the client knows of the end, chain after chain; `build` has what a start costs.
fn steps_per_second(
    bench: &Bench,
    statement: &str,
    steps: usize,
    durability: Durability,
) -> Result<Vec<Sample>> {
    let mut session = bench.session()?;
    let graph = session.build(&chain(statement, steps))?;
    let measure = || Ok(session.rate(&graph, durability, bench.pace.window)? * steps as f64);
    limit::beside(bench, 1, measure, Sample::beside)
}
