//! A session that holds an old snapshot: no version of any row that it could see may go.
//!
//! A session that waits in `df.await_instance` holds one too, so the loop's end is asked for now and then instead.

use super::many;
use crate::{
    limit::INSERT,
    row::{Goal, Row, Sample},
    session::{Durability, chain, counting_loop},
    target::Bench,
};
use anyhow::Result;
use std::time::Duration;

/// Throughput with the old snapshot, its limit being the same without.
pub fn old(bench: &Bench) -> Result<Vec<Row>> {
    Ok(vec![
        Row::new(
            "32 × 20 INSERT, step",
            "steps/s",
            Goal::RatioAtLeast(0.8),
            with_and_without(bench, chains)?,
        ),
        Row::new(
            "a loop, barrier",
            "iterations/s",
            Goal::RatioAtLeast(0.8),
            with_and_without(bench, one_loop)?,
        ),
    ])
}

fn with_and_without(bench: &Bench, measure: fn(&Bench, Duration) -> Result<f64>) -> Result<Vec<Sample>> {
    // Longer than elsewhere: what an old snapshot costs grows with what has been written since.
    let window = bench.pace.window * 3;
    (0..bench.pace.repetitions)
        .map(|_| {
            bench.pace.wait_for_quiet()?;
            let without = measure(bench, window)?;
            let mut holder = bench.client()?;
            let mut transaction = holder
                .build_transaction()
                .isolation_level(postgres::IsolationLevel::RepeatableRead)
                .start()?;
            transaction.query("SELECT count(*) FROM df_bench.effect", &[])?;
            let with = measure(bench, window)?;
            transaction.commit()?;
            Ok(Sample::beside(with, without))
        })
        .collect()
}

fn chains(bench: &Bench, window: Duration) -> Result<f64> {
    let mut session = bench.session()?;
    let graph = session.build(&chain(INSERT, 20))?;
    many::run_chains(&mut session, &graph, 32, 20, window)
}

/// One long loop: its few rows are written again at every iteration.
fn one_loop(bench: &Bench, _window: Duration) -> Result<f64> {
    let iterations = bench.pace.choose(30_000, 5000);
    let mut session = bench.session()?;
    let graph = session.build(&counting_loop(iterations))?;
    session.client.batch_execute("ALTER SEQUENCE df_bench.counter RESTART")?;
    let id = session.start(&graph, Durability::Barrier)?;
    bench.drain(0)?;
    let took = "SELECT extract(epoch FROM completed_at - started_at)::float8 FROM df.instances WHERE id = $1";
    let secs: f64 = session.client.query_one(took, &[&id])?.get(0);
    Ok(iterations as f64 / secs)
}
