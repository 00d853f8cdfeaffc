//! The order workflow, written in Rust and registered, is run from psql.

use anyhow::Result;
use pg_durable_sdk::Client;

use crate::order_approval::{self, fulfil};

/// What is done in psql.
pub const SCRIPT: &str = include_str!("../from_psql.sql");

/// What the service does when it starts. To register the same again does nothing; a changed workflow needs a new
/// version.
pub async fn register(client: &Client, session: &tokio_postgres::Client) -> Result<()> {
    order_approval::set_up(session).await?;
    client.register(fulfil).await?;
    Ok(())
}
