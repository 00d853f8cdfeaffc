//! What finished instances in the tables cost those that run.

use crate::{
    limit::INSERT,
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
    let row = |durability: Durability| {
        let empty = median(before.of(durability).iter().chain(after.of(durability)).copied());
        let samples = full.of(durability).iter().map(|&time| Sample::beside(time, empty)).collect();
        let what = format!("a step, {}, {count} finished", durability.as_str());
        Row::new(what, "µs", Goal::RatioAtMost(1.2), samples)
    };
    Ok(vec![row(Durability::Step), row(Durability::Barrier)])
}

/// Microseconds of a step, in each repetition.
struct Times {
    step: Vec<f64>,
    barrier: Vec<f64>,
}

impl Times {
    fn measure(bench: &Bench) -> Result<Self> {
        const STEPS: usize = 200;
        let mut session = bench.session()?;
        let graph = session.build(&chain(INSERT, STEPS))?;
        let mut times = |durability| {
            let mut once = || {
                bench.pace.wait_for_quiet()?;
                Ok(1e6 / STEPS as f64 / session.rate(&graph, durability, bench.pace.window)?)
            };
            (0..bench.pace.repetitions).map(|_| once()).collect::<Result<Vec<f64>>>()
        };
        Ok(Self { step: times(Durability::Step)?, barrier: times(Durability::Barrier)? })
    }

    fn of(&self, durability: Durability) -> &Vec<f64> {
        match durability {
            Durability::Step => &self.step,
            Durability::Barrier => &self.barrier,
        }
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
