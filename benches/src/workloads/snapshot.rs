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

/// Loops whose bodies are not one step, by what is in them besides the step that counts.
const BODIES: [(&str, &str); 3] = [
    ("JOIN", "df.join(STEP, 'SELECT 1')"),
    ("RACE", "df.race(STEP, df.sleep(3600))"),
    ("SLEEP", "df.seq(df.sleep(0), STEP)"),
];
/// So many generations are timed, early and late.
const TIMED: u64 = 1000;

/// Throughput with the old snapshot, its limit being the same without; and whether a loop becomes slower.
pub fn old(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = vec![
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
    ];
    let generations = bench.pace.choose(30_000, 5000);
    for (name, body) in BODIES {
        let samples = (0..bench.pace.repetitions)
            .map(|_| late_beside_early(bench, body, generations))
            .collect::<Result<_>>()?;
        rows.push(Row::new(
            format!("generation {generations} of {name}"),
            "ms",
            Goal::RatioAtMost(1.2),
            samples,
        ));
    }
    Ok(rows)
}

/// How long one generation takes at the end of a loop, its limit being those after the first thousand.
fn late_beside_early(bench: &Bench, body: &str, generations: u64) -> Result<Sample> {
    bench.pace.wait_for_quiet()?;
    bench.settle()?;
    let mut holder = bench.client()?;
    let mut transaction =
        holder.build_transaction().isolation_level(postgres::IsolationLevel::RepeatableRead).start()?;
    transaction.query("SELECT count(*) FROM df.nodes", &[])?;
    let mut session = bench.session()?;
    let step = "'INSERT INTO df_bench.effect (n) VALUES (nextval(''df_bench.counter''))'";
    let again = format!("'SELECT last_value < {generations} FROM df_bench.counter'");
    let graph = session.build(&format!("df.loop({}, {again})", body.replace("STEP", step)))?;
    session.client.batch_execute("ALTER SEQUENCE df_bench.counter RESTART")?;
    session.start(&graph, Durability::Barrier)?;
    bench.drain(0)?;
    let mut per_generation = |from: u64| -> Result<f64> {
        let took = "SELECT extract(epoch FROM max(at) - min(at))::float8 * 1000
                    FROM df_bench.effect WHERE n BETWEEN $1 AND $2";
        let (first, last) = (from as i64, (from + TIMED) as i64);
        let millis: f64 = session.client.query_one(took, &[&first, &last])?.get(0);
        Ok(millis / TIMED as f64)
    };
    let early = per_generation(TIMED)?;
    let late = per_generation(generations - TIMED)?;
    transaction.commit()?;
    Ok(Sample::beside(late, early))
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
