//! Sells for three days, reports them, and leaves the nightly report running.

use anyhow::Result;
use pg_durable_examples::database::Database;
use pg_durable_examples::nightly::{every_night, report, sell, set_up};

#[tokio::main]
async fn main() -> Result<()> {
    let database = Database::open()?;
    let (client, session) = (database.client().await?, database.session().await?);
    set_up(&session).await?;
    let regions = ["north", "east", "south", "west"].map(str::to_owned);
    sell(&session, &regions, 3, 10_000).await?;

    report(&regions).label("report now").start(&client).await?.result().await?;
    for row in session.query("SELECT day::text, sales, cents FROM nightly.days ORDER BY day", &[]).await? {
        println!(
            "{}: {} sales, {} cents",
            row.get::<_, String>(0),
            row.get::<_, i64>(1),
            row.get::<_, i64>(2)
        );
    }

    let run = every_night(&regions).start(&client).await?;
    println!("{}", run.explain().await?);
    println!("It waits for the night. SELECT df.cancel('{}') ends it.", run.id());
    Ok(())
}
