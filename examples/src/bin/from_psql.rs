//! Registers the order workflow, and runs it from psql.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use pg_durable_examples::database::Database;
use pg_durable_examples::from_psql::{SCRIPT, register};

#[tokio::main]
async fn main() -> Result<()> {
    let database = Database::open()?;
    let (client, session) = (database.client().await?, database.session().await?);
    register(&client, &session).await?;

    let psql =
        database.server().map_or(PathBuf::from("psql"), |server| server.installation().program("psql"));
    let mut psql = Command::new(psql)
        .args(["--no-psqlrc", "--echo-queries", "--set=ON_ERROR_STOP=1", "--dbname", database.url()])
        .stdin(Stdio::piped())
        .spawn()
        .context("psql cannot be run")?;
    std::io::Write::write_all(&mut psql.stdin.take().context("psql reads nothing")?, SCRIPT.as_bytes())?;
    ensure!(psql.wait()?.success(), "the script failed");
    Ok(())
}
