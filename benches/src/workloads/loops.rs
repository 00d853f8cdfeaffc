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

pub fn counting(bench: &Bench) -> Result<Vec<Row>> {
    let mut session = bench.session()?;
    let graph = session.build(&counting_loop(ITERATIONS))?;
    let measure = || {
        let (mut spent, mut runs) = (Duration::ZERO, 0);
        run(&mut session, &graph)?;
        while spent < bench.pace.window {
            spent += run(&mut session, &graph)?;
            runs += 1;
        }
        Ok((runs * ITERATIONS) as f64 / spent.as_secs_f64())
    };
    let samples = limit::beside(bench, 1, measure, Sample::beside)?;
    Ok(vec![Row::new("1,000 iterations, barrier", "iterations/s", Goal::FigureAtLeast(10_000.0), samples)])
}

/// How long the loop takes, from its start until the client knows of its end.
pub fn run(session: &mut Session, graph: &str) -> Result<Duration> {
    session.client.batch_execute("ALTER SEQUENCE df_bench.counter RESTART")?;
    session.run(graph, Durability::Barrier)
}
