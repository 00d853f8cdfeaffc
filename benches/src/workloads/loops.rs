//! A loop: two steps an iteration, its body and its condition.

use crate::{
    limit,
    row::{Goal, Row, Sample},
    session::{Durability, Session, counting_loop},
    target::Bench,
};
use anyhow::Result;
use std::time::Duration;

const ITERATIONS: u64 = 1000;

/// A long loop shows whether an iteration costs more the more there have been.
pub fn counting(bench: &Bench) -> Result<Vec<Row>> {
    let long = bench.pace.choose(30_000, 10_000);
    let row = |iterations: u64, goal| -> Result<Row> {
        let samples = limit::beside(bench, 1, || rate(bench, iterations), Sample::beside)?;
        Ok(Row::new(format!("{iterations} iterations, barrier"), "iterations/s", goal, samples))
    };
    Ok(vec![row(ITERATIONS, Goal::FigureAtLeast(10_000.0))?, row(long, Goal::None)?])
}

/// Iterations a second, loop after loop.
fn rate(bench: &Bench, iterations: u64) -> Result<f64> {
    let mut session = bench.session()?;
    let graph = session.build(&counting_loop(iterations))?;
    let warm = session.build(&counting_loop(1))?;
    run(&mut session, &warm)?;
    let (mut spent, mut runs) = (Duration::ZERO, 0);
    while spent < bench.pace.window {
        spent += run(&mut session, &graph)?;
        runs += 1;
    }
    Ok((runs * iterations) as f64 / spent.as_secs_f64())
}

/// How long the loop takes, from its start until the client knows of its end.
pub fn run(session: &mut Session, graph: &str) -> Result<Duration> {
    session.client.batch_execute("ALTER SEQUENCE df_bench.counter RESTART")?;
    session.run(graph, Durability::Barrier)
}
