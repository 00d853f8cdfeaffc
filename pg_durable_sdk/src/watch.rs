//! Watching an instance: its changes as a stream.
//!
//! The server wakes who awaits the end of an instance, and nobody for what happens before. So the stream looks
//! at the nodes from time to time, the less often the less happens, and only while it is polled. A look sends
//! what is known and gets only the nodes that differ.

use crate::{
    Client, InstanceId, NodeState, RunError, RunNode, ServerError, Status,
    connection::{Backoff, text},
};
use chrono::{DateTime, Utc};
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio_postgres::types::Type;

/// The pause after a look that found something.
const SHORTEST: Duration = Duration::from_millis(100);

/// The pause when nothing changes for long.
const LONGEST: Duration = Duration::from_secs(1);

/// Something that changed in an instance.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// The instance has this status now.
    Status(Status),
    /// The node has come this far now.
    Node(Box<RunNode>),
}

/// The changes of an instance, as a `Stream`; made by [`Run::watch`](crate::Run::watch).
#[must_use]
pub struct Watch {
    stream: BoxStream<'static, Result<Change, RunError>>,
}

impl Watch {
    pub(crate) fn new(client: Client, id: InstanceId) -> Self {
        let watcher = Watcher {
            end: Some(end_of(client.clone(), id.clone())),
            client,
            id,
            known: BTreeMap::new(),
            status: None,
            found: VecDeque::new(),
            pause: SHORTEST,
            is_over: false,
        };
        Self { stream: stream::unfold(watcher, Watcher::next).boxed() }
    }

    /// The next change; `None` once the instance is terminal and all has been told.
    ///
    /// ```no_run
    /// # async fn watch(run: pg_durable_sdk::Run) -> Result<(), pg_durable_sdk::RunError> {
    /// let first = run.watch().next().await.transpose()?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Change, RunError>> {
        self.stream.next().await
    }
}

impl futures_util::Stream for Watch {
    type Item = Result<Change, RunError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.poll_next_unpin(context)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// What tells one state of a node from the next.
#[derive(Clone, Copy)]
struct Known {
    state: NodeState,
    updated_at: Option<DateTime<Utc>>,
}

struct Watcher {
    client: Client,
    id: InstanceId,
    known: BTreeMap<String, Known>,
    status: Option<Status>,
    /// Changes not told yet.
    found: VecDeque<Change>,
    pause: Duration,
    /// Wakes when the instance is terminal; `None` once it has, or where that cannot be told.
    end: Option<BoxFuture<'static, ()>>,
    is_over: bool,
}

impl Watcher {
    async fn next(mut self) -> Option<(Result<Change, RunError>, Self)> {
        let mut backoff = Backoff::new();
        loop {
            if let Some(change) = self.found.pop_front() {
                return Some((Ok(change), self));
            }
            if self.is_over {
                return None;
            }
            if self.status.is_some() {
                self.wait().await;
            }
            match self.look().await {
                Ok(()) => self.pause = self.next_pause(),
                Err(RunError::Server(error)) if error.is_connection_lost() => backoff.pause().await,
                Err(error) => {
                    self.is_over = true;
                    return Some((Err(error), self));
                }
            }
        }
    }

    /// Until the instance ends, or it is time for another look.
    async fn wait(&mut self) {
        match &mut self.end {
            Some(end) => {
                if tokio::time::timeout(self.pause, end).await.is_ok() {
                    self.end = None;
                }
            }
            None => tokio::time::sleep(self.pause).await,
        }
    }

    fn next_pause(&self) -> Duration {
        if self.found.is_empty() { (self.pause * 2).min(LONGEST) } else { SHORTEST }
    }

    /// Adds what differs from what is known, and takes note of it.
    async fn look(&mut self) -> Result<(), RunError> {
        const SQL: &str = "SELECT i.status::text FROM df.instances AS i WHERE i.id = $1";
        // First the status: then the nodes that are found after it are not older.
        let rows = self.client.query_again(SQL, &[text(&self.id.as_str())]).await?;
        let row = rows.first().ok_or_else(|| RunError::UnknownInstance(self.id.clone()))?;
        let status: &str = row.try_get(0).map_err(ServerError::from)?;
        let status: Status = status.parse().map_err(|_| ServerError::unexpected_answer())?;
        let nodes = self.changed_nodes().await?;
        // What goes on is told before its nodes, and the end after them.
        let is_news = self.status != Some(status);
        if is_news && !status.is_terminal() {
            self.found.push_back(Change::Status(status));
        }
        for node in nodes {
            self.known.insert(node.id.clone(), Known { state: node.state, updated_at: node.updated_at });
            self.found.push_back(Change::Node(Box::new(node)));
        }
        if is_news && status.is_terminal() {
            self.found.push_back(Change::Status(status));
        }
        self.status = Some(status);
        self.is_over = status.is_terminal();
        Ok(())
    }

    async fn changed_nodes(&mut self) -> Result<Vec<RunNode>, RunError> {
        let ids: Vec<&str> = self.known.keys().map(String::as_str).collect();
        let states: Vec<&str> = self.known.values().map(|known| known.state.as_str()).collect();
        let updated: Vec<_> = self.known.values().map(|known| known.updated_at).collect();
        let id = self.id.as_str();
        let parameters: [crate::connection::Parameter<'_>; 4] = [
            text(&id),
            (&ids, Type::TEXT_ARRAY),
            (&states, Type::TEXT_ARRAY),
            (&updated, Type::TIMESTAMPTZ_ARRAY),
        ];
        let rows = self.client.query_again(RunNode::CHANGED_SQL, &parameters).await?;
        Ok(rows.iter().map(RunNode::read).collect::<Result<_, _>>()?)
    }
}

/// Wakes when the instance is terminal.
fn end_of(client: Client, id: InstanceId) -> BoxFuture<'static, ()> {
    async move {
        if client.waiter().wait_for(&id).await.is_err() {
            // The looks go on, and tell what is wrong.
            std::future::pending().await
        }
    }
    .boxed()
}
