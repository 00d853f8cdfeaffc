//! A start of a definition or of a registered workflow, on its way.

use crate::{Client, InstanceId, Output, Run, ServerError, StartError, start::Start};
use futures_util::{FutureExt, future::BoxFuture};
use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};
use tokio_postgres::Transaction;

/// A start that begins when it is awaited; made by [`Client::start`] and [`Client::run_named`].
///
/// Awaited, it is the handle of the instance, once the start is committed. A connection that is lost on the way
/// is made up for as [`Workflow::start`](crate::Workflow::start) tells.
///
/// ```no_run
/// # use pg_durable_sdk::{Client, Definition};
/// # async fn start(client: &Client, fulfil: fn() -> Definition<i64, i64>) -> Result<(), pg_durable_sdk::StartError> {
/// let run = client.start(fulfil, 7).label("order 7").idempotency_key("order-7").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a start begins when it is awaited"]
pub struct Starting<O = Output> {
    client: Client,
    start: Option<Result<Start, StartError>>,
    call: Option<BoxFuture<'static, Result<InstanceId, StartError>>>,
    result: PhantomData<fn() -> O>,
}

impl<O> Starting<O> {
    pub(crate) fn new(client: Client, start: Result<Start, StartError>) -> Self {
        Self { client, start: Some(start), call: None, result: PhantomData }
    }

    /// Labels the instance, in place of the workflow's name.
    pub fn label(self, label: impl Into<String>) -> Self {
        self.with(|start| start.label = Some(label.into()))
    }

    /// Starts at most one instance for this key: a start with the key of an earlier one returns that one.
    pub fn idempotency_key(self, key: impl Into<String>) -> Self {
        self.with(|start| start.idempotency_key = Some(key.into()))
    }

    /// Says what the result is read as by [`Run::result`]; [`Output::read`] tells what fits.
    pub fn returns<U>(self) -> Starting<U> {
        Starting { client: self.client, start: self.start, call: self.call, result: PhantomData }
    }

    /// Starts the instance in a caller's transaction: it exists when that commits, and otherwise never did.
    ///
    /// [`Client::run`] makes a handle of the id.
    ///
    /// ```no_run
    /// # use pg_durable_sdk::{Client, Definition};
    /// # async fn start(
    /// #     client: &Client, db: &mut tokio_postgres::Client, fulfil: fn() -> Definition<i64, i64>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let tx = db.transaction().await?;
    /// tx.execute("INSERT INTO orders (id) VALUES (7)", &[]).await?;
    /// let id = client.start(fulfil, 7).start_in(&tx).await?;
    /// tx.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start_in(self, tx: &Transaction<'_>) -> Result<InstanceId, StartError> {
        match self.start {
            Some(start) => start?.start_in(tx).await,
            // Only who polled it before gets here.
            None => Err(StartError::Server(ServerError::unexpected_answer())),
        }
    }

    fn with(mut self, set: impl FnOnce(&mut Start)) -> Self {
        if let Some(Ok(start)) = &mut self.start {
            set(start);
        }
        self
    }
}

impl<O> Future for Starting<O> {
    type Output = Result<Run<O>, StartError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(start) = self.start.take() {
            let client = self.client.clone();
            self.call = Some(async move { client.start_once(&start?.with_key()).await }.boxed());
        }
        match &mut self.call {
            Some(call) => call.poll_unpin(context).map_ok(|id| self.client.run(id).returns()),
            // There is one or the other.
            None => Poll::Pending,
        }
    }
}

impl<O> fmt::Debug for Starting<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Starting").finish_non_exhaustive()
    }
}
