//! Delivers 100,000 rows, every tenth twice, and loads them.

use std::time::Instant;

use anyhow::{Result, ensure};
use pg_durable_examples::database::Database;
use pg_durable_examples::ingest::{Batch, deliver, load, set_up};

const ROWS: i64 = 100_000;

#[tokio::main]
async fn main() -> Result<()> {
    let database = Database::open()?;
    let (client, session) = (database.client().await?, database.session().await?);
    set_up(&session).await?;

    let next = "SELECT coalesce(max(batch), 0) + 1, coalesce(max(number), 0) + 1 FROM ingest.sales";
    let next = session.query_one(next, &[]).await?;
    let batch = Batch { id: next.get(0) };
    deliver(&session, &batch, next.get(1), ROWS).await?;

    let started = Instant::now();
    // Who asks again for the same batch gets the run that there is.
    let key = format!("ingest {}", batch.id);
    let run = client.start(load, batch).idempotency_key(key).await?;
    println!("{}", run.explain().await?);
    let loaded = run.result().await?;
    println!("{loaded:?} in {:.1} s", started.elapsed().as_secs_f32());
    ensure!(loaded.published == ROWS, "{ROWS} rows were delivered");
    Ok(())
}
