//! What looking at a fleet costs with finished instances in the tables: pages, wherever they are and whoever asks, counts, and
//! a retention pass that finds nothing. Times in the server, of plans that are made anew each time.

use super::finished::{empty_tables, fill};
use crate::{
    row::{Goal, Row, Sample, percentile},
    target::Bench,
};
use anyhow::{Context, Result};
use postgres::Client;
use std::{
    thread,
    time::{Duration, Instant},
};

/// Questions of one kind.
struct Question {
    what: &'static str,
    /// `{n}` is another number each time, below that of the instances.
    sql: &'static str,
    /// By a role that has few instances among many of another's.
    is_of_few: bool,
    /// Milliseconds.
    most: f64,
}

const fn by_owner(what: &'static str, sql: &'static str) -> Question {
    Question { what, sql, is_of_few: false, most: 5.0 }
}

const fn by_few(what: &'static str, sql: &'static str) -> Question {
    Question { what, sql, is_of_few: true, most: 5.0 }
}

const BEHIND: &str = "SELECT count(*) FROM df.list_instances(NULL, 100, NULL, encode(convert_to('-created_at|' ||
     ((extract(epoch FROM now() - {n} * interval '1 s') - 946684800) * 1000000)::int8 || '|00000000', 'UTF8'), 'hex'))";
const BEFORE: &str =
    "SELECT count(*) FROM df.list(jsonb_build_object('created_before', now() - {n} * interval '1 s'))";
const SQLSTATE: &str = "SELECT count(*) FROM df.list('{\"sqlstate\": \"23*\"}')";
const ENDED: &str = "SELECT count(*) FROM df.list('{}', '-completed_at')";

const QUESTIONS: [Question; 9] = [
    by_owner("df.list, the newest 50", "SELECT count(*) FROM df.list()"),
    by_owner("df.list from anywhere", BEFORE),
    by_owner("df.list, nothing fits", SQLSTATE),
    by_owner("df.list by completed_at", ENDED),
    by_owner("df.list_instances from anywhere", BEHIND),
    by_few("df.list, a role with 50", "SELECT count(*) FROM df.list()"),
    by_few("df.list_instances, a role with 50", "SELECT count(*) FROM df.list_instances()"),
    by_few("df.list by completed_at, a role with 50", ENDED),
    Question {
        what: "df.count of 10,000",
        sql: "SELECT count FROM df.count()",
        is_of_few: false,
        most: 10.0,
    },
];

/// By a superuser.
const BY_SUPERUSER: [Question; 2] = [
    Question { what: "df.metrics", sql: "SELECT * FROM df.metrics()", is_of_few: false, most: 5.0 },
    // What the scheduler asks before it deletes anything.
    Question {
        what: "retention that finds nothing",
        sql: "SELECT 1 FROM df.instances WHERE completed_at < now() - make_interval(days => 36500)
              AND status = ANY (ARRAY['completed', 'failed', 'cancelled']) LIMIT 1",
        is_of_few: false,
        most: 1.0,
    },
];

/// The 95th of a hundred times of each question.
pub fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let count = bench.pace.choose(1_000_000, 100_000);
    fill(bench, count)?;
    let mut superuser = bench.superuser()?;
    superuser.batch_execute(
        "DROP ROLE IF EXISTS bench_few;
         CREATE ROLE bench_few LOGIN;
         SELECT df.grant_usage('bench_few');
         UPDATE df.instances SET submitted_by = 'bench_few'::regrole
             WHERE id IN (SELECT id FROM df.instances ORDER BY created_at LIMIT 50)",
    )?;
    superuser.batch_execute("VACUUM ANALYZE df.instances")?;
    wait_for_count(&mut superuser, count)?;
    let mut few = bench.superuser()?;
    few.batch_execute("SET SESSION AUTHORIZATION bench_few")?;
    let mut owner = bench.client()?;
    let mut rows = Vec::new();
    for question in &QUESTIONS {
        let client = if question.is_of_few { &mut few } else { &mut owner };
        rows.push(row(bench, client, question, count)?);
    }
    for question in &BY_SUPERUSER {
        rows.push(row(bench, &mut superuser, question, count)?);
    }
    empty_tables(bench)?;
    drop(few);
    superuser.batch_execute("DROP OWNED BY bench_few; DROP ROLE bench_few")?;
    Ok(rows)
}

fn row(bench: &Bench, client: &mut Client, question: &Question, count: i32) -> Result<Row> {
    let times = bench.pace.choose(100, 30);
    let mut samples = Vec::new();
    for _ in 0..bench.pace.repetitions {
        let mut taken = Vec::new();
        for time in 0..times {
            let n = i64::from(count) * i64::from(time) / i64::from(times);
            let sql = question.sql.replace("{n}", &n.to_string());
            let since = Instant::now();
            client.query(&sql, &[]).with_context(|| sql.clone())?;
            taken.push(since.elapsed().as_secs_f64() * 1e3);
        }
        samples.push(Sample::alone(percentile(taken, 0.95)));
    }
    let what = format!("{}, p95, {count} finished", question.what);
    Ok(Row::new(what, "ms", Goal::FigureAtMost(question.most), samples))
}

/// The scheduler counts what others have brought once nobody can bring more of that time.
fn wait_for_count(superuser: &mut Client, count: i32) -> Result<()> {
    /// Two looks, a minute apart, and the counting.
    const PATIENCE: Duration = Duration::from_secs(300);
    let since = Instant::now();
    loop {
        let counted: i64 = superuser
            .query_one("SELECT coalesce(sum(completed + failed + cancelled), 0)::int8 FROM df._tally", &[])?
            .get(0);
        if counted >= i64::from(count) {
            return Ok(());
        }
        anyhow::ensure!(
            since.elapsed() < PATIENCE,
            "the scheduler has counted {counted} of {count} instances"
        );
        thread::sleep(Duration::from_millis(100));
    }
}
