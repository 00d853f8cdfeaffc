//! The handle of an instance.

use crate::{
    Attempt, CancelError, Client, Failure, InstanceId, Output, ResultError, RunError, RunNode, ServerError,
    SignalError, Signalling, Status, Watch,
    connection::{Backoff, text},
    write,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, marker::PhantomData};
use tokio_postgres::{Row, Transaction, error::SqlState};

const STATUS: &str = "SELECT df.status($1)";
const CANCEL: &str = "SELECT df.cancel($1, $2)";

/// The handle of a started instance.
///
/// The instance does not depend on it: dropped, the instance goes on, and [`Client::run`] makes a new one.
/// `T` is the type that the result is read as.
pub struct Run<T = Output> {
    client: Client,
    id: InstanceId,
    result: PhantomData<fn() -> T>,
}

impl Run {
    pub(crate) fn new(client: Client, id: InstanceId) -> Self {
        Self { client, id, result: PhantomData }
    }
}

impl<T> Clone for Run<T> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), id: self.id.clone(), result: PhantomData }
    }
}

impl<T> fmt::Debug for Run<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<T> Run<T> {
    /// Says what the result is read as by [`result`](Self::result); [`Output::read`] tells what fits.
    ///
    /// ```no_run
    /// # async fn reattach(client: pg_durable_sdk::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let count = client.run("a1b2c3d4").returns::<i64>().result().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn returns<U>(self) -> Run<U> {
        Run { client: self.client, id: self.id, result: PhantomData }
    }

    /// The instance's id, under which SQL knows it too: `SELECT df.status('a1b2c3d4')`.
    pub fn id(&self) -> &InstanceId {
        &self.id
    }

    /// Where the instance stands now.
    pub async fn status(&self) -> Result<Status, RunError> {
        self.read_status(&self.client.query_again(STATUS, &[text(&self.id.as_str())]).await?)
    }

    fn read_status(&self, rows: &[Row]) -> Result<Status, RunError> {
        let status: Option<&str> = first(rows)?.try_get(0).map_err(ServerError::from)?;
        let status = status.ok_or_else(|| RunError::UnknownInstance(self.id.clone()))?;
        status.parse().map_err(|_| ServerError::unexpected_answer().into())
    }

    /// Waits until the instance is terminal and returns its result, or why there is none: an [`Output`], or the
    /// type that the workflow [`returns`](crate::Workflow::returns).
    ///
    /// Waits as long as it takes, also over a restart of the server, and does not poll: wrap it in
    /// `tokio::time::timeout` where that is too long. May be called again, and by several tasks at once; all
    /// results that are awaited on a client share one connection.
    ///
    /// ```no_run
    /// # use pg_durable_sdk::{ResultError, Run};
    /// # async fn wait(run: Run) -> Result<(), ResultError> {
    /// match run.result().await {
    ///     Ok(output) => println!("{output}"),
    ///     Err(ResultError::Failed { failure, .. }) => println!("{} ({:?})", failure.message, failure.sqlstate),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn result(&self) -> Result<T, ResultError>
    where
        T: DeserializeOwned,
    {
        let output = self.output().await?;
        output.read().map_err(|source| ResultError::Output { id: self.id.clone(), output, source })
    }

    async fn output(&self) -> Result<Output, ResultError> {
        let mut backoff = Backoff::new();
        loop {
            match self.outcome().await {
                Ok(Some(output)) => return Ok(output),
                Ok(None) => backoff.reset(),
                // The waiter has the patience until the server is back.
                Err(ResultError::Server(error)) if error.is_connection_lost() => backoff.pause().await,
                Err(error) => return Err(error),
            }
            self.client.waiter().wait_for(&self.id).await?;
        }
    }

    /// Sends a signal, which is kept until a step takes it.
    ///
    /// ```no_run
    /// # async fn approve(run: pg_durable_sdk::Run) -> Result<(), pg_durable_sdk::SignalError> {
    /// #[derive(serde::Serialize)]
    /// struct Approval { approved: bool }
    ///
    /// run.signal("approval", &Approval { approved: true }).await?;
    /// run.signal("ping", &()).idempotency_key("ping-7").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn signal(&self, name: &str, payload: &(impl Serialize + ?Sized)) -> Signalling {
        let payload = write::to_json(payload).map(|payload| payload.to_string());
        Signalling::new(self.client.clone(), self.id.clone(), name, payload)
    }

    /// Sends a signal with a caller's transaction: when that commits, or never.
    ///
    /// The instance may have been started in the same transaction.
    ///
    /// ```no_run
    /// # use pg_durable_sdk::{Client, Run};
    /// # async fn paid(run: &Run, db: &mut tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let tx = db.transaction().await?;
    /// tx.execute("UPDATE orders SET paid = true WHERE id = 7", &[]).await?;
    /// run.signal_in(&tx, "paid", &()).await?;
    /// tx.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn signal_in(
        &self,
        tx: &Transaction<'_>,
        name: &str,
        payload: &(impl Serialize + ?Sized),
    ) -> Result<(), SignalError> {
        self.signal(name, payload).send_in(tx).await
    }

    /// Cancels the instance and interrupts what it is running; steps that have completed stay so.
    ///
    /// Cancelling what is cancelled already does nothing.
    pub async fn cancel(&self, reason: &str) -> Result<(), CancelError> {
        let id = self.id.as_str();
        let cancelled = self.client.query_again(CANCEL, &[text(&id), text(&reason)]).await;
        cancelled.map_err(|error| self.not_cancelled(error))?;
        let rows = self.client.query_again(STATUS, &[text(&id)]).await?;
        self.cancelled(&rows)
    }

    /// Cancels the instance with a caller's transaction: when that commits, or never.
    ///
    /// ```no_run
    /// # async fn withdraw(
    /// #     run: &pg_durable_sdk::Run, db: &mut tokio_postgres::Client,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let tx = db.transaction().await?;
    /// tx.execute("UPDATE orders SET state = 'withdrawn' WHERE id = 7", &[]).await?;
    /// run.cancel_in(&tx, "withdrawn").await?;
    /// tx.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cancel_in(&self, tx: &Transaction<'_>, reason: &str) -> Result<(), CancelError> {
        let id = self.id.as_str();
        let cancelled = tx.query_typed(CANCEL, &[text(&id), text(&reason)]).await;
        cancelled.map_err(|error| self.not_cancelled(error.into()))?;
        let rows = tx.query_typed(STATUS, &[text(&id)]).await.map_err(ServerError::from)?;
        self.cancelled(&rows)
    }

    fn not_cancelled(&self, error: ServerError) -> CancelError {
        if error.is(&SqlState::UNDEFINED_OBJECT) {
            CancelError::UnknownInstance(self.id.clone())
        } else {
            error.into()
        }
    }

    /// Whether the status, asked for after the cancel, is one of a cancelled instance.
    fn cancelled(&self, rows: &[Row]) -> Result<(), CancelError> {
        match self.read_status(rows) {
            Ok(status @ (Status::Completed | Status::Failed)) => {
                Err(CancelError::Terminal { id: self.id.clone(), status })
            }
            Ok(Status::Pending | Status::Running | Status::Cancelled) => Ok(()),
            Err(RunError::UnknownInstance(id)) => Err(CancelError::UnknownInstance(id)),
            Err(RunError::Server(error)) => Err(error.into()),
        }
    }

    /// The instance as a tree of text, with how far each node has come.
    pub async fn explain(&self) -> Result<String, RunError> {
        let unknown = || RunError::UnknownInstance(self.id.clone());
        // What is no id, df.explain() would take for SQL.
        if !self.id.is_plausible() {
            return Err(unknown());
        }
        match self.client.query_again("SELECT df.explain($1)", &[text(&self.id.as_str())]).await {
            Ok(rows) => Ok(first(&rows)?.try_get(0).map_err(ServerError::from)?),
            Err(error) if error.is(&SqlState::UNDEFINED_OBJECT) => Err(unknown()),
            Err(error) => Err(error.into()),
        }
    }

    /// The nodes of the instance and how far each has come, in the order of the graph.
    pub async fn nodes(&self) -> Result<Vec<RunNode>, RunError> {
        let rows = match self.client.query_again(RunNode::SQL, &[text(&self.id.as_str())]).await {
            Err(error) if error.is(&SqlState::UNDEFINED_OBJECT) => Vec::new(),
            result => result?,
        };
        if rows.is_empty() {
            return Err(RunError::UnknownInstance(self.id.clone()));
        }
        let mut nodes = rows.iter().map(RunNode::read).collect::<Result<Vec<_>, _>>()?;
        nodes.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(nodes)
    }

    /// The attempts that have failed and that are, or were, followed by others: of each node the newest
    /// `pg_durable.attempts_kept`, oldest first. What is unknown has none.
    pub async fn attempts(&self) -> Result<Vec<Attempt>, RunError> {
        let rows = self.client.query_again(Attempt::SQL, &[text(&self.id.as_str())]).await?;
        Ok(rows.iter().map(Attempt::read).collect::<Result<Vec<_>, _>>()?)
    }

    /// The changes of the instance as a `Stream`: first how far it has come, then each change that is seen,
    /// last its terminal status.
    ///
    /// It costs: the server tells of the end by itself, but not of nodes, so the stream looks at them, by two
    /// statements that read all nodes of the instance and return those that changed. It looks ten times a second
    /// while there are changes and once a second when nothing happens, only while it is polled. A change that
    /// is followed by another before the next look is not seen. Use [`result`](Self::result) to await the end,
    /// which looks at nothing. Outlives a restart of the server.
    ///
    /// ```no_run
    /// # async fn watch(run: pg_durable_sdk::Run) -> Result<(), pg_durable_sdk::RunError> {
    /// use pg_durable_sdk::Change;
    ///
    /// let mut changes = run.watch();
    /// while let Some(change) = changes.next().await {
    ///     match change? {
    ///         Change::Status(status) => println!("the instance is {status}"),
    ///         Change::Node(node) => println!("node {} is {}", node.id, node.state.as_str()),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch(&self) -> Watch {
        Watch::new(self.client.clone(), self.id.clone())
    }

    /// The result of a terminal instance; `None` while it runs.
    async fn outcome(&self) -> Result<Option<Output>, ResultError> {
        const SQL: &str = "SELECT i.status, CASE i.status WHEN 'completed' THEN df._whole_result(i.id) END, \
             i.failed_node::text, i.sqlstate, coalesce(i.message, i.error), i.detail, i.hint, i.context \
             FROM df.instances AS i WHERE i.id = $1";
        let rows = self.client.query_again(SQL, &[text(&self.id.as_str())]).await?;
        let row = rows.first().ok_or_else(|| ResultError::UnknownInstance(self.id.clone()))?;
        let status: &str = row.try_get(0).map_err(ServerError::from)?;
        let status: Status = status.parse().map_err(|_| ServerError::unexpected_answer())?;
        match status {
            Status::Pending | Status::Running => Ok(None),
            Status::Completed => Ok(Some(read_output(row)?)),
            Status::Failed => Err(ResultError::Failed { id: self.id.clone(), failure: read_failure(row)? }),
            Status::Cancelled => {
                Err(ResultError::Cancelled { id: self.id.clone(), failure: read_failure(row)? })
            }
        }
    }
}

fn first(rows: &[Row]) -> Result<&Row, ServerError> {
    rows.first().ok_or_else(ServerError::unexpected_answer)
}

fn read_output(row: &Row) -> Result<Output, ServerError> {
    let text: Option<&str> = row.try_get(1)?;
    Output::parse_whole(text.unwrap_or_default())
}

fn read_failure(row: &Row) -> Result<Box<Failure>, ServerError> {
    Ok(Box::new(Failure {
        node: row.try_get(2)?,
        sqlstate: row.try_get(3)?,
        message: row.try_get::<_, Option<String>>(4)?.unwrap_or_default(),
        detail: row.try_get(5)?,
        hint: row.try_get(6)?,
        context: row.try_get(7)?,
    }))
}
