//! Where an example runs: in the database of `DATABASE_URL`, or on a throwaway server.

use std::env;

use anyhow::{Context, Result};
use pg_durable_sdk::Client;
use pg_durable_sdk::testing::TestServer;
use tokio_postgres::NoTls;

/// The variable with a connection string; its database has the extension, and its role `df.grant_usage`.
pub const DATABASE_URL: &str = "DATABASE_URL";

/// The role of a throwaway server that examples run as.
pub const ROLE: &str = "app";

const SET_UP: &str = "
CREATE EXTENSION pg_durable;
CREATE ROLE app LOGIN;
GRANT CREATE ON DATABASE postgres TO app;
SELECT df.grant_usage('app');
";

/// A database with the extension; a throwaway one ends with this.
#[derive(Debug)]
pub struct Database {
    url: String,
    server: Option<TestServer>,
}

impl Database {
    /// The database of `DATABASE_URL`, else a throwaway one.
    pub fn open() -> Result<Self> {
        match env::var(DATABASE_URL) {
            Ok(url) => Ok(Self { url, server: None }),
            Err(_) => Self::throwaway(),
        }
    }

    /// A new server with the extension, as tests use one.
    pub fn throwaway() -> Result<Self> {
        let server = TestServer::start()?;
        server.psql("postgres", SET_UP)?;
        Ok(Self { url: server.dsn(ROLE, "postgres"), server: Some(server) })
    }

    /// What a client connects to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The throwaway server, whose clock may be moved and whose processes may be killed.
    pub fn server(&self) -> Option<&TestServer> {
        self.server.as_ref()
    }

    /// A client of pg_durable.
    pub async fn client(&self) -> Result<Client> {
        Ok(Client::connect(&self.url).await?)
    }

    /// A session for SQL of the example's own.
    pub async fn session(&self) -> Result<tokio_postgres::Client> {
        let (session, connection) =
            tokio_postgres::connect(&self.url, NoTls).await.context("could not connect")?;
        tokio::spawn(connection);
        Ok(session)
    }
}
