//! What the engine takes while nothing is to be done.

use crate::{
    process,
    row::{Goal, Row, Sample},
    target::Bench,
};
use anyhow::Result;
use std::{
    thread,
    time::{Duration, Instant},
};

const SLEEPING: i32 = 10_000;

pub fn nothing(bench: &Bench) -> Result<Vec<Row>> {
    let quiet = Quiet::enter(bench)?;
    let samples = (0..bench.pace.repetitions).map(|_| quiet.watch()).collect::<Result<Vec<_>>>()?;
    Ok(rows(samples, "idle"))
}

pub fn sleeping(bench: &Bench) -> Result<Vec<Row>> {
    let (mut watched, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..bench.pace.repetitions {
        // What earlier workloads made the processes allocate is not to hide what sleepers take.
        bench.server()?.restart()?;
        let quiet = Quiet::enter(bench)?;
        let before = memory_of_server(bench)?;
        let start = "SELECT count(df.start(df.sleep(86400))) FROM generate_series(1, $1)";
        bench.client()?.query(start, &[&SLEEPING])?;
        bench.wait_for("SELECT count(*) FROM df.nodes WHERE wake_at IS NOT NULL", i64::from(SLEEPING))?;
        quiet.wait_for_executors_to_leave()?;
        watched.push(quiet.watch()?);
        memory.push(Sample::alone(memory_of_server(bench)? - before));
        bench.server()?.psql("bench", "TRUNCATE df.instances, df.nodes")?;
    }
    bench.server()?.restart()?;
    let mut rows = rows(watched, "10,000 asleep");
    rows.push(Row::new("memory of 10,000 asleep", "MB", Goal::FigureAtMost(20.0), memory));
    Ok(rows)
}

fn rows(watched: Vec<Watched>, state: &str) -> Vec<Row> {
    let column = |of: fn(&Watched) -> f64| watched.iter().map(|it| Sample::alone(of(it))).collect();
    vec![
        Row::new(
            format!("transactions, {state}"),
            "/s",
            Goal::FigureAtMost(0.0),
            column(|it| it.transactions),
        ),
        Row::new(
            format!("processor, {state}"),
            "%",
            Goal::FigureAtMost(0.1),
            column(|it| it.processor_percent),
        ),
    ]
}

/// All processes of the server, pages that they share counted once. Includes the tables' pages in memory.
fn memory_of_server(bench: &Bench) -> Result<f64> {
    process::family(bench.server()?.postmaster_pid()?)?.into_iter().map(process::memory_mb).sum()
}

struct Watched {
    transactions: f64,
    processor_percent: f64,
}

/// A time in which nobody but the engine has anything to do; restores the settings on drop.
struct Quiet<'a>(&'a Bench);

impl<'a> Quiet<'a> {
    fn enter(bench: &'a Bench) -> Result<Self> {
        let quiet = Self(bench);
        // Autovacuum has transactions of its own; executors that linger would do nothing, for longer.
        bench.alter_system("autovacuum", Some("off"))?;
        bench.alter_system("pg_durable.executor_idle_timeout", Some("1s"))?;
        quiet.wait_for_executors_to_leave()?;
        Ok(quiet)
    }

    fn wait_for_executors_to_leave(&self) -> Result<()> {
        self.0.wait_for("SELECT count(*) FROM df.workers() WHERE kind = 'executor'", 0)?;
        self.0.wait_for("SELECT count(*) FROM df.workers() WHERE kind = 'scheduler'", 1)?;
        // Statistics of what has just ended are still under way.
        thread::sleep(Duration::from_secs(2));
        Ok(())
    }

    fn watch(&self) -> Result<Watched> {
        let mut onlooker = self.0.onlooker()?;
        let workers = self.0.superuser()?.query("SELECT pid FROM df.workers() WHERE pid IS NOT NULL", &[])?;
        let pids: Vec<u32> = workers.iter().map(|row| row.get::<_, i32>(0) as u32).collect();
        thread::sleep(Duration::from_secs(2));
        let mut look = || -> Result<(i64, f64)> {
            let query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'bench'";
            let transactions = onlooker.query_one(query, &[])?.get(0);
            Ok((transactions, pids.iter().map(|&pid| process::cpu_seconds(pid)).sum::<Result<f64>>()?))
        };
        let since = Instant::now();
        let (transactions, processor) = look()?;
        thread::sleep(Duration::from_secs(self.0.pace.choose(10, 3)));
        let (transactions_now, processor_now) = look()?;
        let secs = since.elapsed().as_secs_f64();
        Ok(Watched {
            transactions: (transactions_now - transactions) as f64 / secs,
            processor_percent: (processor_now - processor) / secs * 100.0,
        })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        for name in ["autovacuum", "pg_durable.executor_idle_timeout"] {
            if let Err(error) = self.0.alter_system(name, None) {
                eprintln!("could not reset {name}: {error:#}");
            }
        }
    }
}
