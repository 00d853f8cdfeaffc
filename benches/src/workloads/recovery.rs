//! How soon unfinished instances go on after the postmaster was killed.

use crate::{
    limit::{self, INSERT},
    row::{Goal, Row, Sample},
    target::Bench,
};
use anyhow::{Context, Result};

const INSTANCES: i32 = 10_000;

/// All instances wait for a signal; they are sent one each in a single transaction, behind whose commit the postmaster
/// is killed. So nearly all have a step to do when the server is back, and do it.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (mut first, mut all) = (Vec::new(), Vec::new());
    for _ in 0..bench.pace.repetitions {
        bench.settle()?;
        let tps = limit::insert_tps(bench, 8)?;
        bench.superuser()?.batch_execute("TRUNCATE df_bench.effect")?;
        let graph = format!("df.wait_for_signal('go') ~> '{INSERT}'");
        let start = format!("SELECT count(df.start({graph})) FROM generate_series(1, $1)");
        bench.client()?.query(&start, &[&INSTANCES])?;
        bench
            .wait_for("SELECT count(*) FROM df.nodes WHERE waiting_for IS NOT NULL", i64::from(INSTANCES))?;
        bench.client()?.batch_execute("SELECT count(df.signal(id, 'go')) FROM df.instances")?;
        bench.server()?.kill_postmaster()?;
        bench.server()?.start_again()?;
        bench.wait_for("SELECT count(*) FROM df.instances WHERE status <> 'completed'", 0)?;
        let resumed = Resumed::look(bench)?;
        first.push(Sample::alone(resumed.first));
        all.push(Sample::beside(resumed.last, resumed.count as f64 / tps));
        eprintln!("  {} of {INSTANCES} instances were resumed after the kill", resumed.count);
    }
    Ok(vec![
        Row::new("first resumed step", "s", Goal::FigureAtMost(1.0), first),
        Row::new("all instances taken up again", "s", Goal::FigureAtMost(5.0), all),
    ])
}

/// What the steps' own rows tell, in seconds since the server took connections again.
struct Resumed {
    count: i64,
    first: f64,
    last: f64,
}

impl Resumed {
    fn look(bench: &Bench) -> Result<Self> {
        let ready =
            ready_at(&bench.server()?.log()).context("the log does not say when the server was ready")?;
        let row = bench.superuser()?.query_one(
            "SELECT count(*), extract(epoch FROM min(at) - r)::float8, extract(epoch FROM max(at) - r)::float8
             FROM df_bench.effect, (SELECT $1::text::timestamptz AS r) AS ready WHERE at >= r GROUP BY r",
            &[&ready],
        )?;
        Ok(Self { count: row.get(0), first: row.get(1), last: row.get(2) })
    }
}

/// When the server was last ready, as its log says.
fn ready_at(log: &str) -> Option<String> {
    let line = log.lines().rfind(|line| line.contains("database system is ready to accept connections"))?;
    let (at, _) = line.split_once(" [")?;
    Some(at.to_owned())
}

#[cfg(test)]
mod tests {
    use super::ready_at;

    #[test]
    fn the_last_start_counts() {
        let log = "2026-11-21 05:00:00.000 UTC [1]  @ LOG:  database system is ready to accept connections\n\
                   2026-11-21 05:01:02.345 UTC [7]  @ LOG:  database system is ready to accept connections\n\
                   2026-11-21 05:01:03.000 UTC [8]  @ LOG:  other\n";
        assert_eq!(ready_at(log).as_deref(), Some("2026-11-21 05:01:02.345 UTC"));
    }
}
