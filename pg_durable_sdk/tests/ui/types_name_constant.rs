use pg_durable_sdk::workflow;

const NUMBER: i64 = 7;

#[workflow(name = NUMBER)]
async fn number() -> Result<()> {
    Ok(())
}

#[workflow(name = 7)]
async fn seven() -> Result<()> {
    Ok(())
}

fn main() {}
