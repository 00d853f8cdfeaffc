//! The attempts that have failed.

use crate::ServerError;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;

/// An attempt that has failed, at a step or workflow that is tried again; see [`Run::attempts`](crate::Run::attempts).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attempt {
    /// The node: the step, or the RETRY around several.
    pub node: String,
    /// The generation of the node.
    pub generation: i64,
    /// Which attempt it was, from 1.
    pub number: i32,
    /// When it began, as far as that is known.
    pub started_at: Option<DateTime<Utc>>,
    /// When it failed.
    pub ended_at: DateTime<Utc>,
    /// The failure's SQLSTATE.
    pub sqlstate: String,
    /// The failure's message.
    pub message: Option<String>,
    /// The failure's detail.
    pub detail: Option<String>,
}

impl Attempt {
    pub(crate) const SQL: &str = "SELECT node_id, generation, attempt, started_at, ended_at, sqlstate, message, detail \
         FROM df.attempts($1)";

    pub(crate) fn read(row: &Row) -> Result<Self, ServerError> {
        Ok(Self {
            node: row.try_get(0)?,
            generation: row.try_get(1)?,
            number: row.try_get(2)?,
            started_at: row.try_get(3)?,
            ended_at: row.try_get(4)?,
            sqlstate: row.try_get(5)?,
            message: row.try_get(6)?,
            detail: row.try_get(7)?,
        })
    }
}
