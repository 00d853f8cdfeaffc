//! The nodes of an instance, and how far each has come.

use crate::{Output, ServerError};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;

/// One node of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunNode {
    /// The node's id, unique in its instance; ids grow in the order of the graph.
    pub id: String,
    /// The kind: `SQL`, `THEN`, `SIGNAL` and so on.
    pub node_type: String,
    /// What the node does: of an SQL step the SQL.
    pub query: Option<String>,
    /// The name of its result.
    pub result_name: Option<String>,
    /// The first child.
    pub left_node: Option<String>,
    /// The second child.
    pub right_node: Option<String>,
    /// How far it has come.
    pub state: NodeState,
    /// Its result, once it has completed.
    pub result: Option<Value>,
    /// What it waits for, while it does.
    pub waiting_for: Option<String>,
    /// When its wait ends at the latest.
    pub wake_at: Option<DateTime<Utc>>,
    /// Whether its effect happens exactly once or at least once.
    pub delivery: Option<String>,
    /// Which generation of the loop around it the node is in.
    pub generation: Option<i64>,
    /// Its error's message.
    pub error: Option<String>,
    /// Its error's SQLSTATE.
    pub sqlstate: Option<String>,
    /// Which attempt at it has completed, failed or is to come, where there was more than one.
    pub attempt: Option<i32>,
    /// When it is tried again.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// When it was written last.
    pub updated_at: Option<DateTime<Utc>>,
}

/// How far a node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum NodeState {
    /// Not reached yet.
    Pending,
    /// Being carried out, or waiting.
    Running,
    /// Has its result.
    Completed,
    /// Has its error.
    Failed,
    /// Will not be reached any more: in the branch that was not taken, or lost.
    Skipped,
}

impl NodeState {
    /// The word in `df.instance_nodes`.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeState::Pending => "pending",
            NodeState::Running => "running",
            NodeState::Completed => "completed",
            NodeState::Failed => "failed",
            NodeState::Skipped => "skipped",
        }
    }

    fn read(word: &str) -> Option<Self> {
        let all = [Self::Pending, Self::Running, Self::Completed, Self::Failed, Self::Skipped];
        all.into_iter().find(|state| state.as_str() == word)
    }
}

impl RunNode {
    pub(crate) const SQL: &str = "SELECT node_id, node_type, query, result_name, left_node, right_node, \
         coalesce(inferred_status, status), result, waiting_for, wake_at, delivery, generation, error, sqlstate, \
         updated_at, attempt, next_attempt_at FROM df.instance_nodes($1)";

    /// Those that differ from what is known of them: their ids, states and times of change. What was not
    /// reached yet is no change.
    pub(crate) const CHANGED_SQL: &str = "SELECT n.node_id, n.node_type, n.query, n.result_name, n.left_node, \
         n.right_node, now.state, n.result, n.waiting_for, n.wake_at, n.delivery, n.generation, n.error, n.sqlstate, \
         n.updated_at, n.attempt, n.next_attempt_at \
         FROM df.instance_nodes($1) AS n CROSS JOIN LATERAL coalesce(n.inferred_status, n.status) AS now (state) \
         LEFT JOIN unnest($2, $3, $4) AS known (id, state, updated_at) ON known.id = n.node_id \
         WHERE now.state <> coalesce(known.state, 'pending') OR known.updated_at IS DISTINCT FROM n.updated_at \
         AND known.id IS NOT NULL ORDER BY n.updated_at, n.node_id";

    pub(crate) fn read(row: &Row) -> Result<Self, ServerError> {
        let state = NodeState::read(row.try_get(6)?).ok_or_else(ServerError::unexpected_answer)?;
        let result: Option<&str> = row.try_get(7)?;
        let read = |text| Output::parse(text).map(Output::into_json);
        Ok(Self {
            id: row.try_get(0)?,
            node_type: row.try_get(1)?,
            query: row.try_get(2)?,
            result_name: row.try_get(3)?,
            left_node: row.try_get(4)?,
            right_node: row.try_get(5)?,
            state,
            result: result.map(read).transpose()?,
            waiting_for: row.try_get(8)?,
            wake_at: row.try_get(9)?,
            delivery: row.try_get(10)?,
            generation: row.try_get(11)?,
            error: row.try_get(12)?,
            sqlstate: row.try_get(13)?,
            updated_at: row.try_get(14)?,
            attempt: row.try_get(15)?,
            next_attempt_at: row.try_get(16)?,
        })
    }
}
