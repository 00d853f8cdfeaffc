//! Three orders: one is approved, one declined, and one is forgotten.

use std::time::Duration;

use anyhow::Result;
use pg_durable_examples::database::Database;
use pg_durable_examples::order_approval::{Approval, fulfil, place, set_up};

#[tokio::main]
async fn main() -> Result<()> {
    let database = Database::open()?;
    let (client, session) = (database.client().await?, database.session().await?);
    set_up(&session).await?;
    println!("{}", fulfil().explain());

    for approved in [true, false] {
        let run = client.start(fulfil, place(&session, "bicycle", 2).await?).await?;
        // A signal is kept until the workflow gets to it.
        run.signal("approval", &Approval { approved, by: "Ada".to_owned() }).await?;
        println!("{}: {:?}", run.id(), run.result().await?);
    }

    // Nobody waits for a day here: the clock of a throwaway server can be moved.
    if let Some(server) = database.server() {
        let run = client.start(fulfil, place(&session, "bicycle", 2).await?).await?;
        run.until_waiting_for("signal approval").await?;
        server.advance(Duration::from_secs(24 * 60 * 60))?;
        println!("{}: {:?}", run.id(), run.result().await?);
    }
    Ok(())
}
