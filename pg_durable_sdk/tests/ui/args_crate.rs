use pg_durable_sdk::{sql, workflow};

#[workflow(name = "nightly", crate = 5)]
async fn nightly() -> Result<()> {
    Ok(())
}

fn main() {
    let _ = sql!(crate = 5, "SELECT 1");
    let _ = sql!(crate = pg_durable_sdk);
}
