//! What finished instances in the tables cost those that run.

use crate::{
    limit::{self, INSERT},
    row::{Goal, Row, Sample, median},
    session::{Durability, chain},
    target::Bench,
};
use anyhow::Result;

/// The time of a step beside its time in empty tables, before and after.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.pace.choose(1_000_000, 100_000);
    let before = Times::measure(bench)?;
    fill(bench, count)?;
    let full = Times::measure(bench)?;
    empty_tables(bench)?;
    let after = Times::measure(bench)?;
    let row = |durability: Durability, unit, of: fn(&Times) -> &Vec<f64>| {
        let empty = median(of(&before).iter().chain(of(&after)).copied());
        let samples = of(&full).iter().map(|&time| Sample::beside(time, empty)).collect();
        let what = format!("a step, {}, {count} finished", durability.as_str());
        Row::new(what, unit, Goal::RatioAtMost(1.2), samples)
    };
    Ok(vec![
        row(Durability::Step, "bare commits", |times| &times.step),
        row(Durability::Barrier, "µs", |times| &times.barrier),
    ])
}

/// The time of a step in each repetition.
struct Times {
    /// In bare commits of the same time: minutes lie between the measurements, and the disk may have changed.
    step: Vec<f64>,
    /// In microseconds.
    barrier: Vec<f64>,
}

impl Times {
    fn measure(bench: &Bench) -> Result<Self> {
        const STEPS: usize = 200;
        let mut session = bench.session()?;
        let graph = session.build(&chain(INSERT, STEPS))?;
        let mut rate = |durability| Ok(session.rate(&graph, durability, bench.pace.window)? * STEPS as f64);
        let step = limit::beside(bench, 1, || rate(Durability::Step), |rate, tps| tps / rate)?;
        let barrier = limit::beside(bench, 1, || rate(Durability::Barrier), |rate, _| 1e6 / rate)?;
        Ok(Self { step, barrier })
    }
}

/// Puts finished one-step instances into the tables. Their ids are longer than any that the engine gives soon.
pub fn fill(bench: &Bench, count: i32) -> Result<()> {
    let mut superuser = bench.superuser()?;
    superuser.execute(
        "INSERT INTO df.instances (id, root_node, submitted_by, status, created_at, updated_at, started_at,
                                   completed_at, durability)
         SELECT '1' || lpad(to_hex(n), 8, '0'), '00000000', 'bench'::regrole, 'completed', t, t, t, t, 'step'
         FROM generate_series(1, $1) AS n, LATERAL (SELECT now() - n * interval '1 second') AS x (t)",
        &[&count],
    )?;
    superuser.execute(
        "INSERT INTO df.nodes (instance_id, id, node_type, query, status, submitted_by, result)
         SELECT '1' || lpad(to_hex(n), 8, '0'), '00000000', 'SQL', 'SELECT 1', 'completed', 'bench'::regrole,
                '{\"rows\": [{\"?column?\": 1}], \"row_count\": 1}'
         FROM generate_series(1, $1) AS n",
        &[&count],
    )?;
    superuser.batch_execute("VACUUM ANALYZE df.instances")?;
    superuser.batch_execute("VACUUM ANALYZE df.nodes")?;
    superuser.batch_execute("CHECKPOINT")?;
    Ok(())
}

/// Empties the tables again.
pub fn empty_tables(bench: &Bench) -> Result<()> {
    let mut superuser = bench.superuser()?;
    superuser.batch_execute("TRUNCATE df.instances, df.nodes")?;
    superuser.batch_execute("CHECKPOINT")?;
    Ok(())
}
