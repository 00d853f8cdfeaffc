//! Many instances at once.

use super::start;
use crate::{
    limit::{self, INSERT},
    row::{Goal, Row, Sample},
    session::{Durability, Session, chain},
    target::Bench,
};
use anyhow::Result;
use std::time::{Duration, Instant};

const CHAINS: usize = 32;
const STEPS: usize = 20;
const IN_FLIGHT: usize = 32;

/// Chains that are started together; the clock runs from the commit of their start until the last has ended.
pub fn chains(bench: &Bench) -> Result<Vec<Row>> {
    let mut session = bench.session()?;
    let graph = session.build(&chain(INSERT, STEPS))?;
    let measure = || run_chains(&mut session, &graph, CHAINS, STEPS, bench.pace.window);
    let samples = limit::beside(bench, 8, measure, Sample::beside)?;
    Ok(vec![Row::new("32 × 20 INSERT, step", "steps/s", Goal::RatioAtLeast(0.7), samples)])
}

/// Steps a second of so many chains at once, round after round for this long.
pub fn run_chains(
    session: &mut Session,
    graph: &str,
    chains: usize,
    steps: usize,
    window: Duration,
) -> Result<f64> {
    // The first round brings the executors.
    round(session, graph, chains)?;
    let (mut rounds, mut spent) = (0, Duration::ZERO);
    while spent < window {
        spent += round(session, graph, chains)?;
        rounds += 1;
    }
    Ok((rounds * chains * steps) as f64 / spent.as_secs_f64())
}

fn round(session: &mut Session, graph: &str, chains: usize) -> Result<Duration> {
    session.client.batch_execute("BEGIN")?;
    let ids: Vec<String> =
        (0..chains).map(|_| session.start(graph, Durability::Step)).collect::<Result<_>>()?;
    let since = Instant::now();
    session.client.batch_execute("COMMIT")?;
    for id in &ids {
        session.wait(id)?;
    }
    Ok(since.elapsed())
}

/// As many clients as instances are in flight, each of which starts one, waits for its end, and starts the next.
pub fn instances(bench: &Bench) -> Result<Vec<Row>> {
    let measure = || in_flight(bench, IN_FLIGHT);
    let samples = limit::beside(bench, 8, measure, Sample::beside)?;
    Ok(vec![Row::new("one INSERT, 32 in flight", "instances/s", Goal::RatioAtLeast(0.5), samples)])
}

/// Instances a second with so many in flight, by pgbench, as the limit is measured.
pub fn in_flight(bench: &Bench, clients: usize) -> Result<f64> {
    bench.session()?.run(INSERT, Durability::Step)?;
    let script = format!(
        "SELECT df.start('{INSERT}', durability => 'step') AS id \\gset\nSELECT df.await_instance(:id, 300)"
    );
    limit::pgbench(bench, &script, clients)
}

/// [`instances`], and `df.start` by 8 clients, where each flush lasts a millisecond more, as on a disk that is not as near.
pub fn slow_flush(bench: &Bench) -> Result<Vec<Row>> {
    let settings = [("commit_siblings", "0"), ("commit_delay", "1000")];
    for (name, value) in settings {
        bench.alter_system(name, Some(value))?;
    }
    let measured = (|| {
        let (start, in_flight) = (start::rate_of(bench, 8)?, instances(bench)?);
        Ok(start.into_iter().chain(in_flight).collect())
    })();
    for (name, _) in settings {
        bench.alter_system(name, None)?;
    }
    measured
}
