use pg_durable_sdk::workflow;

const EMPTY: &str = "";
const LIKE_ID: &str = "c0ffee00";

#[workflow(name = EMPTY)]
async fn empty() -> Result<()> {
    Ok(())
}

#[workflow(name = LIKE_ID)]
async fn like_id() -> Result<()> {
    Ok(())
}

fn main() {}
