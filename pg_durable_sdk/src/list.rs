//! Listing instances, page by page.

use crate::{Client, InstanceId, ListError, Output, ServerError, Status, connection::text};
use chrono::{DateTime, Utc};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use serde::{Deserialize, Serialize};
use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    str::FromStr,
    task::{Context, Poll},
};
use tokio_postgres::{Row, error::SqlState, types::Type};

/// Which instances are listed; made by [`Client::list`].
///
/// Read it by [`page`](Self::page), or all of it by [`stream`](Self::stream).
#[derive(Debug, Clone)]
#[must_use]
pub struct List {
    client: Client,
    status: Option<Status>,
    label: Option<String>,
    page_size: u32,
    after: Option<Cursor>,
}

impl List {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, status: None, label: None, page_size: 100, after: None }
    }

    /// Only those of this status.
    ///
    /// ```no_run
    /// # fn list(client: pg_durable_sdk::Client) {
    /// let running = client.list().status(pg_durable_sdk::Status::Running);
    /// # }
    /// ```
    pub fn status(mut self, status: Status) -> Self {
        self.status = Some(status);
        self
    }

    /// Only those of exactly this label.
    ///
    /// ```no_run
    /// # fn list(client: pg_durable_sdk::Client) {
    /// let reports = client.list().label("nightly-report");
    /// # }
    /// ```
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// How many a page has at most: 100 unless said otherwise. The server allows no more than its setting
    /// `pg_durable.list_instances_max_limit`, 1000 by default.
    ///
    /// ```no_run
    /// # fn list(client: pg_durable_sdk::Client) {
    /// let few = client.list().page_size(10);
    /// # }
    /// ```
    pub fn page_size(mut self, page_size: u32) -> Self {
        self.page_size = page_size;
        self
    }

    /// Begins behind an earlier page.
    ///
    /// ```no_run
    /// # async fn list(client: pg_durable_sdk::Client) -> Result<(), pg_durable_sdk::ListError> {
    /// let first = client.list().page().await?;
    /// if let Some(cursor) = first.next {
    ///     let second = client.list().after(cursor).page().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn after(mut self, cursor: impl Into<Cursor>) -> Self {
        self.after = Some(cursor.into());
        self
    }

    /// Reads one page: one round trip.
    ///
    /// ```no_run
    /// # async fn list(client: pg_durable_sdk::Client) -> Result<(), pg_durable_sdk::ListError> {
    /// for instance in client.list().page_size(10).page().await?.instances {
    ///     println!("{} {}", instance.id, instance.status);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn page(&self) -> Result<Page, ListError> {
        const SQL: &str = "SELECT instance_id, label, status, execution_count, output, created_at, \
             completed_at, next_cursor FROM df.list_instances($1, $2, $3, $4)";
        let status = self.status.map(Status::as_str);
        let size = i32::try_from(self.page_size).unwrap_or(i32::MAX);
        let after = self.after.as_ref().map(Cursor::as_str);
        let parameters = [text(&status), (&size, Type::INT4), text(&self.label), text(&after)];
        let rows = match self.client.query_again(SQL, &parameters).await {
            Err(error) if self.after.is_some() && error.is(&SqlState::INVALID_PARAMETER_VALUE) => {
                return Err(ListError::Cursor);
            }
            rows => rows?,
        };
        let next = match rows.first() {
            Some(row) => row.try_get::<_, Option<String>>(7).map_err(ServerError::from)?,
            None => None,
        };
        let instances = rows.iter().map(Instance::read).collect::<Result<_, _>>()?;
        Ok(Page { instances, next: next.map(Cursor) })
    }

    /// Reads all, each page when the one before has been taken. Ends after the first error.
    ///
    /// ```no_run
    /// # async fn list(client: pg_durable_sdk::Client) -> Result<(), pg_durable_sdk::ListError> {
    /// let mut all = client.list().label("nightly-report").stream();
    /// while let Some(instance) = all.next().await {
    ///     println!("{}", instance?.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(self) -> Instances {
        let pages = stream::unfold(Some(self), |list| async {
            let mut list = list?;
            Some(match list.page().await {
                Ok(page) => {
                    list.after = page.next;
                    let rest = list.after.is_some().then_some(list);
                    (page.instances.into_iter().map(Ok).collect(), rest)
                }
                Err(error) => (vec![Err(error)], None),
            })
        });
        Instances { stream: pages.map(stream::iter).flatten().boxed() }
    }
}

/// The instances of a [`List`], as a `Stream`.
#[must_use]
pub struct Instances {
    stream: BoxStream<'static, Result<Instance, ListError>>,
}

impl Instances {
    /// The next instance; `None` after the last.
    ///
    /// ```no_run
    /// # async fn list(client: pg_durable_sdk::Client) {
    /// let newest = client.list().stream().next().await;
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Instance, ListError>> {
        self.stream.next().await
    }
}

impl futures_util::Stream for Instances {
    type Item = Result<Instance, ListError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.poll_next_unpin(context)
    }
}

impl fmt::Debug for Instances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instances").finish_non_exhaustive()
    }
}

/// A page of a [`List`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page {
    /// The instances, newest first.
    pub instances: Vec<Instance>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

/// Where a page ends. Its text may be handed out, as in a link, and come back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(String);

impl Cursor {
    /// The cursor as text: letters and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Cursor {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Cursor {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl FromStr for Cursor {
    type Err = Infallible;

    /// Takes any text; what is no cursor, [`List::page`] refuses.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.into())
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An instance, as a [`List`] shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Instance {
    /// Its id; [`Client::run`] makes a handle of it.
    pub id: InstanceId,
    /// Its label.
    pub label: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// How many generations a loop at its root has begun; 1 without one.
    pub generations: i64,
    /// Its result, once it has completed, if it takes no more than 8 kB; else [`Run::result`](crate::Run::result) has it.
    pub output: Option<Output>,
    /// How many bytes a result takes that is larger, as the server stores it.
    pub output_bytes: Option<u64>,
    /// Why it failed, or was cancelled.
    pub error: Option<String>,
    /// When it was started.
    pub created_at: DateTime<Utc>,
    /// When it completed, failed or was cancelled.
    pub completed_at: Option<DateTime<Utc>>,
}

impl Instance {
    fn read(row: &Row) -> Result<Self, ServerError> {
        let status: &str = row.try_get(2)?;
        let status: Status = status.parse().map_err(|_| ServerError::unexpected_answer())?;
        let text: Option<String> = row.try_get(4)?;
        let output_bytes = text.as_deref().and_then(size_of_output);
        let (output, error) = match status {
            Status::Completed if output_bytes.is_some() => (None, None),
            Status::Completed => (Some(Output::parse(text.as_deref().unwrap_or("null"))?), None),
            Status::Failed | Status::Cancelled => (None, text),
            Status::Pending | Status::Running => (None, None),
        };
        let output_bytes = output_bytes.filter(|_| status == Status::Completed);
        Ok(Self {
            id: InstanceId::from(row.try_get::<_, String>(0)?),
            label: row.try_get(1)?,
            status,
            generations: row.try_get(3)?,
            output,
            output_bytes,
            error,
            created_at: row.try_get(5)?,
            completed_at: row.try_get(6)?,
        })
    }
}

/// What a list says in the place of a large result: no JSON, so that it cannot be one.
fn size_of_output(text: &str) -> Option<u64> {
    text.strip_prefix('[')?.strip_suffix(" bytes: see df.result()]")?.parse().ok()
}
