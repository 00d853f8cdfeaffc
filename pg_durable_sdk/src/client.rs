//! The client: where workflows are started and found again.

use crate::{
    ConnectError, Define, InstanceId, List, Run, RunError, ServerError, StartError, Starting,
    connection::{Backoff, Connection, Parameter, Session, Sessions, text},
    start::{Start, What},
    wait::Waiter,
    write,
};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_postgres::{
    Config, NoTls, Row, Socket,
    config::SslMode,
    error::SqlState,
    tls::{MakeTlsConnect, TlsConnect},
};

/// How long a start whose connection was lost is tried again, unless the client is told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a statement is sent that collides with others.
const COLLISIONS: usize = 10;

/// A client of one database; cheap to clone, and shared by any number of tasks.
///
/// It has at most two connections: one for calls, and, once a result is awaited, one on which all awaited
/// instances are waited for together. A lost connection is made anew at the next call; awaited results outlive
/// a restart of the server.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
    patience: Duration,
}

#[derive(Debug)]
struct Inner {
    sessions: Arc<Sessions>,
    waiter: Waiter,
}

/// Connecting.
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
        let config: Config = config.parse().map_err(ConnectError::Config)?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(ConnectError::Tls);
        }
        Self::connect_with(config, NoTls).await
    }

    /// Connects with what a [`tokio_postgres::Config`] says, and a TLS connector such as those of
    /// `tokio-postgres-rustls` and `postgres-native-tls`, or [`NoTls`].
    ///
    /// Without an application name the config gets `pg_durable_sdk`, without a connect time-out 10 s.
    ///
    /// ```no_run
    /// # async fn connect() -> Result<(), pg_durable_sdk::ConnectError> {
    /// use tokio_postgres::{Config, NoTls};
    ///
    /// let mut config = Config::new();
    /// config.host("localhost").user("app").dbname("shop");
    /// let client = pg_durable_sdk::Client::connect_with(config, NoTls).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_with<T>(config: Config, tls: T) -> Result<Self, ConnectError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let client = Self::over(Sessions::Own(Connection::new(config, tls)));
        client.session().await?;
        Ok(client)
    }

    /// Makes a client that takes its connections from an existing pool: one for each call, and given back.
    ///
    /// Connects only when it is used. Once a result is awaited it takes one connection out of the pool for
    /// itself, in whose place the pool may open another. Needs the feature `deadpool`.
    ///
    /// ```no_run
    /// # fn of_pool(pool: deadpool_postgres::Pool) {
    /// let client = pg_durable_sdk::Client::from_pool(pool);
    /// # }
    /// ```
    #[cfg(feature = "deadpool")]
    pub fn from_pool(pool: deadpool_postgres::Pool) -> Self {
        Self::over(Sessions::Pool(crate::pool::Pooled(pool)))
    }

    /// Says how long a start whose connection was lost is tried again before it gives up with
    /// [`StartError::Lost`]; 30 s unless said otherwise.
    ///
    /// ```no_run
    /// # async fn connect() -> Result<(), pg_durable_sdk::ConnectError> {
    /// use pg_durable_sdk::Client;
    /// use std::time::Duration;
    ///
    /// let client = Client::connect("postgres://app@localhost/shop").await?.patience(Duration::from_secs(5));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn over(sessions: Sessions) -> Self {
        let sessions = Arc::new(sessions);
        let waiter = Waiter::new(sessions.clone());
        Self { inner: Arc::new(Inner { sessions, waiter }), patience: PATIENCE }
    }
}

/// Starting instances.
impl Client {
    /// Starts an instance of a definition, with its input: one round trip.
    ///
    /// The definition need not be registered. Its name labels the instance, unless the workflow or
    /// [`Starting::label`] does.
    ///
    /// ```no_run
    /// use pg_durable_sdk::{Client, Definition, JsonSchema, Run, Workflow, sql};
    ///
    /// #[derive(serde::Serialize, JsonSchema)]
    /// struct Order { id: i64 }
    ///
    /// fn ship() -> Definition<Order, i64> {
    ///     Definition::new("order.ship", 1, || {
    ///         Workflow::new().step(sql("UPDATE orders SET sent = true WHERE id = $input.id RETURNING id").returns())
    ///     })
    /// }
    ///
    /// # async fn start(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let run: Run<i64> = client.start(ship, Order { id: 7 }).await?;
    /// let shipped: i64 = run.result().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn start<D: Define>(&self, definition: D, input: D::Input) -> Starting<D::Output> {
        let definition = definition.define();
        let start =
            write::to_json(&input).map_err(|error| StartError::Input(Arc::new(error))).and_then(|input| {
                let mut start = definition.workflow().to_start(Some(input))?;
                start.label.get_or_insert_with(|| definition.name().to_owned());
                Ok(start)
            });
        Starting::new(self.clone(), start)
    }

    /// Starts the newest version of a registered workflow, of which only the name is known here.
    ///
    /// The server checks the input against the workflow's JSON Schema.
    ///
    /// ```no_run
    /// # use pg_durable_sdk::{Client, StartError};
    /// # async fn start(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let order = serde_json::json!({"id": 7, "sku": "A-1", "qty": 2, "amount": 19.9});
    /// let run = match client.run_named("order.fulfil", &order).await {
    ///     Err(StartError::InvalidInput { violations, .. }) => {
    ///         violations.iter().for_each(|violation| eprintln!("{violation}"));
    ///         return Ok(());
    ///     }
    ///     started => started?,
    /// };
    /// let receipt = run.result().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_named(&self, name: impl Into<String>, input: &(impl Serialize + ?Sized)) -> Starting {
        self.run_registered(name.into(), None, input)
    }

    /// Starts one version of a registered workflow; see [`run_named`](Self::run_named).
    ///
    /// ```no_run
    /// # async fn start(client: &pg_durable_sdk::Client) -> Result<(), pg_durable_sdk::StartError> {
    /// let run = client.run_version("nightly.report", 1, &()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_version(
        &self,
        name: impl Into<String>,
        version: u32,
        input: &(impl Serialize + ?Sized),
    ) -> Starting {
        // No version is that large, and the server says so.
        self.run_registered(name.into(), Some(i32::try_from(version).unwrap_or(i32::MAX)), input)
    }

    fn run_registered(
        &self,
        name: String,
        version: Option<i32>,
        input: &(impl Serialize + ?Sized),
    ) -> Starting {
        let start = write::to_json(input).map_err(|error| StartError::Input(Arc::new(error))).map(|input| {
            Start { what: What::Registered { name, version, input }, label: None, idempotency_key: None }
        });
        Starting::new(self.clone(), start)
    }
}

/// Finding instances.
impl Client {
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

    /// The instance that the current role started with this idempotency key, if there is one; of a workflow that
    /// runs as its owner, any of those that it started so.
    ///
    /// Tells after [`StartError::Lost`] whether the workflow was started.
    ///
    /// ```no_run
    /// # use pg_durable_sdk::{Client, StartError, Workflow, sql};
    /// # async fn start(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
    /// match Workflow::new().step(sql("CALL close_day()")).start(client).await {
    ///     Err(StartError::Lost { idempotency_key, .. }) => match client.find(&idempotency_key).await? {
    ///         Some(run) => println!("{} was started", run.id()),
    ///         None => println!("it was not started"),
    ///     },
    ///     started => println!("{} was started", started?.id()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn find(&self, idempotency_key: &str) -> Result<Option<Run>, RunError> {
        const SQL: &str = "SELECT i.id::text FROM df.instances AS i \
             CROSS JOIN LATERAL (SELECT pg_catalog.quote_ident(current_user)::regrole) AS me (role) \
             WHERE i.submitted_by = me.role AND i.called_by IS NULL AND i.idempotency_key = $1 \
                OR i.called_by = me.role AND i.idempotency_key \
                   = i.workflow || ' \"' || pg_catalog.replace(current_user, '\"', '\"\"') || '\" ' || $1 \
             ORDER BY i.created_at DESC LIMIT 1";
        let rows = self.query_again(SQL, &[text(&idempotency_key)]).await?;
        let id =
            rows.first().map(|row| row.try_get::<_, String>(0)).transpose().map_err(ServerError::from)?;
        Ok(id.map(|id| self.run(id)))
    }

    /// The instances that the current role may see, newest first; narrowed down and read by the methods of
    /// [`List`].
    ///
    /// ```no_run
    /// # async fn list(client: pg_durable_sdk::Client) -> Result<(), pg_durable_sdk::ListError> {
    /// use pg_durable_sdk::Status;
    ///
    /// let mut failed = client.list().status(Status::Failed).stream();
    /// while let Some(instance) = failed.next().await {
    ///     let instance = instance?;
    ///     println!("{}: {}", instance.id, instance.error.unwrap_or_default());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self) -> List {
        List::new(self.clone())
    }
}

/// What handles and starts are made of.
impl Client {
    pub(crate) fn waiter(&self) -> &Waiter {
        &self.inner.waiter
    }

    async fn session(&self) -> Result<Session, ServerError> {
        self.inner.sessions.session().await
    }

    /// [`send`], over a session of the client's.
    pub(crate) async fn query(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, ServerError> {
        send(&self.session().await?, sql, parameters).await
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

    /// Starts an instance, again and again with the same idempotency key until that is answered.
    pub(crate) async fn start_once(&self, start: &Start) -> Result<InstanceId, StartError> {
        let deadline = Instant::now() + self.patience;
        let mut backoff = Backoff::new();
        // Whether an attempt may have succeeded without our knowing.
        let mut is_open = false;
        loop {
            let error = match self.session().await {
                Ok(session) => match send(&session, start.sql(), &start.parameters()).await {
                    Ok(rows) => return Start::id(&rows).map_err(StartError::Server),
                    Err(error) => {
                        is_open |= error.is_connection_lost();
                        error
                    }
                },
                Err(error) => error,
            };
            if error.is_connection_lost() && Instant::now() < deadline {
                backoff.pause().await;
                continue;
            }
            return Err(match is_open {
                true => {
                    let idempotency_key = start.idempotency_key.clone().unwrap_or_default();
                    StartError::Lost { idempotency_key, source: error }
                }
                false => start.refused(error),
            });
        }
    }
}

/// Sends one statement, which is carried out once at most. Whether it was is unknown when the connection is lost.
///
/// Where it collides with others, as statements of roles that are serializable by default do, it has left nothing behind
/// and is sent again.
async fn send(session: &Session, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, ServerError> {
    let mut backoff = Backoff::new();
    for _ in 1..COLLISIONS {
        match session.query_typed(sql, parameters).await.map_err(ServerError::from) {
            Err(error) if error.is(&SqlState::T_R_SERIALIZATION_FAILURE) => backoff.pause().await,
            result => return result,
        }
    }
    Ok(session.query_typed(sql, parameters).await?)
}
