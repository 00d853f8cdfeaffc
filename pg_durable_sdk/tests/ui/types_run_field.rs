use pg_durable_sdk::{sql, workflow};

#[workflow(name = "told", version = 1)]
async fn told() -> Result<()> {
    sql!("SELECT {run.status}").await?;
    sql!("SELECT {run}").await?;
    Ok(())
}

fn main() {
    {
        use pg_durable_sdk::run;
        let _ = sql!("SELECT {run.status}");
    }
}
