//! The client: where workflows are started and found again.

use crate::{
    ConnectError, InstanceId, Run, ServerError, StartError,
    connection::{Backoff, Connection, Parameter},
    start::Start,
    wait::Waiter,
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_postgres::{Config, Row};

/// How long a start whose connection was lost is tried again.
const START_RETRY: Duration = Duration::from_secs(30);

/// A client of one database; cheap to clone, and shared by any number of tasks.
///
/// It has at most two connections: one for calls, and, once a result is awaited, one on which all awaited
/// instances are waited for together. A lost connection is made anew at the next call; awaited results outlive
/// a restart of the server.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connection: Connection,
    waiter: Waiter,
}

impl Client {
    /// Connects, without TLS.
    ///
    /// Takes a connection string (`host=localhost user=app dbname=shop`) or a URL
    /// (`postgres://app@localhost/shop`), as [`tokio_postgres::Config`] documents them. Must be called in a
    /// tokio runtime.
    ///
    /// ```no_run
    /// # async fn connect() -> Result<(), pg_durable_sdk::ConnectError> {
    /// let client = pg_durable_sdk::Client::connect("postgres://app@localhost/shop").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(config: &str) -> Result<Self, ConnectError> {
        let mut config: Config = config.parse().map_err(ConnectError::Config)?;
        if config.get_application_name().is_none() {
            config.application_name("pg_durable_sdk");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        let waiter = Waiter::new(config.clone());
        let connection = Connection::new(config);
        connection.session().await?;
        Ok(Self { inner: Arc::new(Inner { connection, waiter }) })
    }

    /// The handle of an instance that was started somewhere, some time.
    ///
    /// Asks the server nothing: whether there is such an instance is told by the handle's calls.
    ///
    /// ```no_run
    /// # async fn reattach(client: pg_durable_sdk::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let output = client.run("a1b2c3d4").result().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn run(&self, id: impl Into<InstanceId>) -> Run {
        Run::new(self.clone(), id.into())
    }

    pub(crate) fn waiter(&self) -> &Waiter {
        &self.inner.waiter
    }

    /// Sends one statement, once. Whether it was carried out is unknown when the connection is lost.
    pub(crate) async fn query(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, ServerError> {
        let session = self.inner.connection.session().await?;
        Ok(session.query_typed(sql, parameters).await?)
    }

    /// Sends a statement that may be carried out twice: once more where the connection turns out to be lost.
    pub(crate) async fn query_again(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, ServerError> {
        match self.query(sql, parameters).await {
            Err(error) if error.is_connection_lost() => self.query(sql, parameters).await,
            result => result,
        }
    }

    pub(crate) async fn start(&self, start: &Start) -> Result<InstanceId, StartError> {
        let deadline = Instant::now() + START_RETRY;
        let mut backoff = Backoff::new();
        let lost = |source| StartError::Lost { idempotency_key: start.idempotency_key().to_owned(), source };
        loop {
            match self.query(Start::SQL, &start.parameters()).await {
                Ok(rows) => return id_of(&rows).map_err(StartError::Server),
                Err(error) if !error.is_connection_lost() => return Err(StartError::Server(error)),
                Err(error) if Instant::now() >= deadline => return Err(lost(error)),
                Err(_) => backoff.pause().await,
            }
        }
    }
}

fn id_of(rows: &[Row]) -> Result<InstanceId, ServerError> {
    let row = rows.first().ok_or_else(ServerError::unexpected_answer)?;
    Ok(InstanceId::from(row.try_get::<_, String>(0)?))
}
