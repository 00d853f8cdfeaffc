//! What the Rust SDK costs: building and starting, and awaiting very many results at once.

use crate::{
    limit::{self, INSERT},
    row::{Goal, Row, Sample},
    target::Bench,
};
use anyhow::{Context, Result, ensure};
use pg_durable_sdk::{Client, Run, Workflow, sql};
use std::time::{Duration, Instant};
use tokio::{runtime::Runtime, task::JoinSet};

const STEPS: usize = 20;

/// Each client builds the workflow anew for every start, as a service does, and has a connection of its own.
///
/// The first step waits for a signal, so that what is measured is starting and not the steps.
pub fn start(bench: &Bench) -> Result<Vec<Row>> {
    let mut rows = vec![building(bench)];
    for clients in [1, 8] {
        let measure = || {
            let rate = Runtime::new()?.block_on(starts(bench, clients))?;
            cancel_all(bench)?;
            Ok(rate)
        };
        let samples = limit::beside(bench, clients, measure, Sample::beside)?;
        let what = format!("20 steps, {clients} client{}", if clients == 1 { "" } else { "s" });
        rows.push(Row::new(what, "starts/s", Goal::RatioAtLeast(0.5), samples));
    }
    Ok(rows)
}

fn workflow() -> Workflow {
    let waiting = Workflow::new().label("sdk").wait_for_signal("go");
    (1..STEPS).fold(waiting, |workflow, _| workflow.step(sql(INSERT)))
}

/// What of it is Rust's own: making the graph, checking it, writing it as JSON.
fn building(bench: &Bench) -> Row {
    const TIMES: u32 = 1000;
    let measure = |_| {
        let since = Instant::now();
        let bytes: usize =
            (0..TIMES).filter_map(|_| workflow().graph().ok()).map(|it| it.to_json().len()).sum();
        assert!(bytes > 0, "the workflow is right");
        Sample::alone((since.elapsed() / TIMES).as_secs_f64() * 1e6)
    };
    let samples = (0..bench.pace.repetitions).map(measure).collect();
    Row::new("20 steps, building alone", "µs", Goal::None, samples)
}

/// Starts a second by so many clients.
async fn starts(bench: &Bench, clients: usize) -> Result<f64> {
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let client = Client::connect(bench.dsn()).await?;
        let window = bench.pace.window;
        tasks.spawn(async move {
            let (since, mut starts) = (Instant::now(), 0);
            while since.elapsed() < window {
                workflow().start(&client).await?;
                starts += 1;
            }
            Ok::<_, anyhow::Error>(f64::from(starts) / since.elapsed().as_secs_f64())
        });
    }
    tasks.join_all().await.into_iter().sum()
}

fn cancel_all(bench: &Bench) -> Result<()> {
    const CANCEL: &str =
        "SELECT count(df.cancel(id)) FROM df.instances WHERE status IN ('pending', 'running')";
    bench.client()?.batch_execute(CANCEL)?;
    bench.settle()
}

/// So many tasks await one result each on one client; all are let go at once.
pub fn await_many(bench: &Bench) -> Result<Vec<Row>> {
    let runs = bench.pace.choose(10_000, 2_000);
    let (mut connections, mut spent) = (Vec::new(), Vec::new());
    for _ in 0..bench.pace.repetitions {
        let (most, time) = Runtime::new()?.block_on(awaited(bench, runs))?;
        connections.push(Sample::alone(most));
        spent.push(Sample::alone(time.as_secs_f64()));
        bench.settle()?;
    }
    Ok(vec![
        Row::new(format!("{runs} awaited"), "connections", Goal::FigureAtMost(4.0), connections),
        Row::new(format!("{runs} awaited, from the first end to the last result"), "s", Goal::None, spent),
    ])
}

/// The most connections that the client had, and how long all took from being let go.
async fn awaited(bench: &Bench, runs: usize) -> Result<(f64, Duration)> {
    let (onlooker, connection) = tokio_postgres::connect(bench.dsn(), tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    let start =
        "SELECT df.start(df.seq(df.wait_for_signal('go'), 'SELECT 7 AS n')) FROM generate_series(1, $1)";
    let ids = onlooker.query(start, &[&i32::try_from(runs)?]).await?;
    let client = Client::connect(bench.dsn()).await?;
    let mut tasks = JoinSet::new();
    for id in ids {
        let run: Run<i32> = client.run(id.get::<_, String>(0)).returns();
        tasks.spawn(async move { run.result().await });
    }
    let mut most = 0;
    const PARKED: &str = "SELECT count(*) FROM df.nodes WHERE waiting_for IS NOT NULL";
    const CONNECTIONS: &str = "SELECT count(*) FROM pg_stat_activity \
         WHERE application_name = 'pg_durable_sdk' AND usename = current_user";
    let deadline = Instant::now() + Duration::from_secs(120);
    let count = async |query: &str| anyhow::Ok(onlooker.query_one(query, &[]).await?.get::<_, i64>(0));
    while count(PARKED).await? < i64::try_from(runs)? {
        most = most.max(count(CONNECTIONS).await?);
        ensure!(Instant::now() < deadline, "not all instances wait for their signal");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let since = Instant::now();
    onlooker.execute("SELECT df.signal(id, 'go') FROM df.instances WHERE status = 'running'", &[]).await?;
    while let Some(result) = tasks.join_next().await {
        ensure!(result.context("a task panicked")?? == 7, "the result is another");
        if tasks.len() % 500 == 0 {
            most = most.max(count(CONNECTIONS).await?);
        }
    }
    Ok((most as f64, since.elapsed()))
}
