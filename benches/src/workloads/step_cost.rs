//! What a step costs the server: transactions, and bytes of the log beyond those of its own INSERT.

use crate::{
    limit::{self, INSERT},
    row::{Goal, Row, Sample},
    session::{Durability, Session, chain},
    target::Bench,
};
use anyhow::Result;
use postgres::Client;
use std::{thread, time::Duration};

const SHORT: usize = 200;
const LONG: usize = 1200;

/// Sessions report their transactions at most once a second.
const STATISTICS: Duration = Duration::from_millis(1500);

/// What was counted between two moments.
#[derive(Debug, Clone, Copy)]
struct Cost {
    transactions: i64,
    log_bytes: i64,
}

/// The difference between a long and a short chain, so that start and end do not count.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let mut onlooker = bench.onlooker()?;
    onlooker.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_walinspect")?;
    let mut session = bench.session()?;
    let warm = session.build(&chain(INSERT, 10))?;
    session.run(&warm, Durability::Step)?;
    let (mut transactions, mut log_bytes) = (Vec::new(), Vec::new());
    for _ in 0..bench.pace.repetitions {
        bench.superuser()?.batch_execute("CHECKPOINT")?;
        let short = cost_of_chain(bench, &mut onlooker, &mut session, SHORT)?;
        let long = cost_of_chain(bench, &mut onlooker, &mut session, LONG)?;
        let steps = (LONG - SHORT) as f64;
        transactions.push(Sample::alone((long.transactions - short.transactions) as f64 / steps));
        let insert = cost_of(&mut onlooker, || limit::repeat(bench, INSERT, LONG as u64))?;
        let own = insert.log_bytes as f64 / LONG as f64;
        let step = (long.log_bytes - short.log_bytes) as f64 / steps;
        log_bytes.push(Sample { figure: step - own, limit: Some(own) });
    }
    Ok(vec![
        // A vacuum in the meantime has transactions too.
        Row::new("transactions a step", "", Goal::FigureAtMost(1.01), transactions),
        Row::new("log a step beyond the INSERT's own", "bytes", Goal::FigureAtMost(400.0), log_bytes),
    ])
}

/// A chain behind a gate, so that its start is not counted.
fn cost_of_chain(bench: &Bench, onlooker: &mut Client, session: &mut Session, steps: usize) -> Result<Cost> {
    let graph = session.build(&format!("df.wait_for_signal('go') ~> {}", chain(INSERT, steps)))?;
    let id = session.start(&graph, Durability::Step)?;
    bench.wait_for("SELECT count(*) FROM df.nodes WHERE waiting_for IS NOT NULL", 1)?;
    cost_of(onlooker, || {
        session.client.execute("SELECT df.signal($1, 'go')", &[&id])?;
        session.wait(&id)
    })
}

fn cost_of(onlooker: &mut Client, action: impl FnOnce() -> Result<()>) -> Result<Cost> {
    thread::sleep(STATISTICS);
    let (transactions, from) = look(onlooker)?;
    action()?;
    thread::sleep(STATISTICS);
    let (transactions_now, to) = look(onlooker)?;
    // Images of whole pages are the checkpoint's doing, and more or fewer of them by chance.
    let row = onlooker.query_one(
        "SELECT ($2::text::pg_lsn - $1::text::pg_lsn)::bigint - sum(fpi_size)::bigint
         FROM pg_get_wal_stats($1::text::pg_lsn, $2::text::pg_lsn)",
        &[&from, &to],
    )?;
    Ok(Cost { transactions: transactions_now - transactions, log_bytes: row.get(0) })
}

fn look(onlooker: &mut Client) -> Result<(i64, String)> {
    let row = onlooker.query_one(
        "SELECT xact_commit + xact_rollback, pg_current_wal_flush_lsn()::text
         FROM pg_stat_database WHERE datname = 'bench'",
        &[],
    )?;
    Ok((row.get(0), row.get(1)))
}
