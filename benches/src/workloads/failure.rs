//! What it costs that a failure would be taken, where nothing fails.

use crate::{
    limit::INSERT,
    row::{Goal, Row, Sample},
    session::{Durability, Session, chain, quoted},
    target::Bench,
};
use anyhow::Result;

const STEPS: usize = 200;
/// The bodies of two steps.
const PAIRS: usize = 100;

/// Chains whose steps each have something around them, beside the plain chain, in turn.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (insert, plain) = (quoted(INSERT), chain(INSERT, STEPS));
    let each = |around: String| vec![around; STEPS].join(" ~> ");
    let pairs = vec![format!("df.retry({insert} ~> {insert})"); PAIRS].join(" ~> ");
    let (retry, catch) = (each(format!("df.retry({insert})")), each(format!("df.catch({insert}, {insert})")));
    let mut rows = Vec::new();
    for (durability, goals) in
        [(Durability::Step, [0.95, 0.95, 0.95]), (Durability::Barrier, [0.9, 0.9, 0.9])]
    {
        let what = ["200 retries of a step", "200 catches of a step", "100 retries of two steps"];
        for ((what, graph), goal) in what.into_iter().zip([&retry, &catch, &pairs]).zip(goals) {
            let samples = beside(bench, graph, &plain, durability)?;
            let what = format!("{what}, {}, beside the plain chain", durability.as_str());
            rows.push(Row::new(what, "steps/s", Goal::RatioAtLeast(goal), samples));
        }
    }
    Ok(rows)
}

/// Steps a second of one graph beside those of another, each measured between two looks at the other.
fn beside(bench: &Bench, graph: &str, plain: &str, durability: Durability) -> Result<Vec<Sample>> {
    bench.pace.wait_for_quiet()?;
    let mut session = bench.session()?;
    let (graph, plain) = (session.build(graph)?, session.build(plain)?);
    let rate = |session: &mut Session, graph: &str| -> Result<f64> {
        Ok(session.rate(graph, durability, bench.pace.window / 4)? * STEPS as f64)
    };
    let mut before = rate(&mut session, &plain)?;
    let mut samples = Vec::new();
    for _ in 0..4 * bench.pace.repetitions {
        let measured = rate(&mut session, &graph)?;
        let after = rate(&mut session, &plain)?;
        samples.push(Sample::beside(measured, (before + after) / 2.0));
        before = after;
    }
    Ok(samples)
}
