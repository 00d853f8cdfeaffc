//! Makes a bloated table and has it looked after.

use std::time::Duration;

use anyhow::Result;
use pg_durable_examples::database::Database;
use pg_durable_examples::maintenance::{Approval, maintain, make_bloated, set_up};

const TABLE: &str = "upkeep.visits";

#[tokio::main]
async fn main() -> Result<()> {
    let database = Database::open()?;
    let (client, session) = (database.client().await?, database.session().await?);
    set_up(&session).await?;
    session.batch_execute(&format!("DROP TABLE IF EXISTS {TABLE}")).await?;
    make_bloated(&session, TABLE).await?;

    let run = maintain(&[TABLE]).start(&client).await?;
    run.signal("approval", &Approval { approved: true }).await?;
    // REINDEX CONCURRENTLY waits for statements that began before it, and result() would be one of them.
    while !run.status().await?.is_terminal() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    run.result().await?;
    println!("{}", run.explain().await?);
    for row in session.query("SELECT relation, what FROM upkeep.done ORDER BY at", &[]).await? {
        println!("{}: {}", row.get::<_, &str>(0), row.get::<_, &str>(1));
    }
    Ok(())
}
