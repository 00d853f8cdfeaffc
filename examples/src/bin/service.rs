//! Serves the order workflow on `127.0.0.1:8080`, or the port in `PORT`.

use std::env;

use anyhow::{Context, Result};
use deadpool_postgres::{Manager, Pool};
use pg_durable_examples::database::Database;
use pg_durable_examples::{order_approval, service};
use tokio::net::TcpListener;
use tokio_postgres::{Config, NoTls};

#[tokio::main]
async fn main() -> Result<()> {
    let database = Database::open()?;
    order_approval::set_up(&database.session().await?).await?;
    let config: Config = database.url().parse()?;
    let pool = Pool::builder(Manager::new(config, NoTls)).max_size(8).build()?;

    let port = env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await.context("the port is taken")?;
    let url = format!("http://{}/orders", listener.local_addr()?);
    println!("curl -H 'Content-Type: application/json' -d '{{\"sku\": \"bicycle\", \"qty\": 2}}' {url}");
    println!("curl -N {url}/RUN/events");
    println!(
        "curl -H 'Content-Type: application/json' -d '{{\"approved\": true, \"by\": \"Ada\"}}' {url}/RUN/approval"
    );
    axum::serve(listener, service::router(pool)).await?;
    Ok(())
}
