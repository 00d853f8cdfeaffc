//! A signal on its way to an instance.

use crate::{
    Client, InstanceId, ServerError, SignalError,
    connection::{Parameter, text},
};
use futures_util::{FutureExt, future::BoxFuture};
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};
use tokio_postgres::{Transaction, error::SqlState};

const SQL: &str = "SELECT df.signal($1, $2, $3, $4)";

/// A signal that is sent when it is awaited; made by [`Run::signal`](crate::Run::signal).
#[must_use = "a signal is sent when it is awaited"]
pub struct Signalling {
    client: Client,
    signal: Option<Result<Call, SignalError>>,
    call: Option<BoxFuture<'static, Result<(), SignalError>>>,
}

/// The arguments of `df.signal`.
struct Call {
    id: InstanceId,
    name: String,
    payload: String,
    idempotency_key: Option<String>,
}

impl Signalling {
    pub(crate) fn new(
        client: Client,
        id: InstanceId,
        name: &str,
        payload: Result<String, serde_json::Error>,
    ) -> Self {
        let call = |payload| Call { id, name: name.to_owned(), payload, idempotency_key: None };
        Self { client, signal: Some(payload.map(call).map_err(SignalError::Payload)), call: None }
    }

    /// Sends at most one signal of this name for this key: another one with the key of an earlier one is dropped, whatever its
    /// payload.
    ///
    /// With a key, a signal whose answer was lost is sent again.
    ///
    /// ```no_run
    /// # async fn paid(run: pg_durable_sdk::Run) -> Result<(), pg_durable_sdk::SignalError> {
    /// run.signal("paid", &()).idempotency_key("payment-7").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        if let Some(Ok(call)) = &mut self.signal {
            call.idempotency_key = Some(key.into());
        }
        self
    }

    /// Sends the signal with a caller's transaction: when that commits, or never.
    ///
    /// ```no_run
    /// # async fn paid(run: &pg_durable_sdk::Run, db: &mut tokio_postgres::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let tx = db.transaction().await?;
    /// tx.execute("UPDATE orders SET paid = true WHERE id = 7", &[]).await?;
    /// run.signal("paid", &()).idempotency_key("payment-7").send_in(&tx).await?;
    /// tx.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_in(self, tx: &Transaction<'_>) -> Result<(), SignalError> {
        let Some(call) = self.signal else {
            // Only who polled it before gets here.
            return Err(SignalError::Server(ServerError::unexpected_answer()));
        };
        let call = call?;
        let sent = tx.query_typed(SQL, &call.parameters(&call.id.as_str())).await;
        sent.map(drop).map_err(|error| call.refused(error.into()))
    }
}

impl Call {
    fn parameters<'a>(&'a self, id: &'a &'a str) -> [Parameter<'a>; 4] {
        [text(id), text(&self.name), text(&self.payload), text(&self.idempotency_key)]
    }

    async fn send(self, client: Client) -> Result<(), SignalError> {
        let id = self.id.as_str();
        let parameters = self.parameters(&id);
        let sent = match self.idempotency_key {
            Some(_) => client.query_again(SQL, &parameters).await,
            // Not sent twice: each would be kept.
            None => client.query(SQL, &parameters).await,
        };
        sent.map(drop).map_err(|error| self.refused(error))
    }

    fn refused(&self, error: ServerError) -> SignalError {
        if error.is(&SqlState::UNDEFINED_OBJECT) {
            SignalError::UnknownInstance(self.id.clone())
        } else if error.is(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE) {
            SignalError::Terminal(self.id.clone())
        } else {
            SignalError::Server(error)
        }
    }
}

impl Future for Signalling {
    type Output = Result<(), SignalError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(signal) = self.signal.take() {
            let client = self.client.clone();
            self.call = Some(async move { signal?.send(client).await }.boxed());
        }
        match &mut self.call {
            Some(call) => call.poll_unpin(context),
            // There is one or the other.
            None => Poll::Pending,
        }
    }
}

impl fmt::Debug for Signalling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signalling").finish_non_exhaustive()
    }
}
