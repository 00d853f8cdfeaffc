//! A node's state as columns of `df.nodes`: the one place that says what `iteration` and `result` mean for a kind.

use std::sync::Arc;

use super::kept::Kept;
use super::scoped::Scoped;
use super::states::{Held, NodeState, Own};
use crate::failure::Failure;
use crate::instant::Instant;
use crate::kind::{Condition, NodeKind};
use crate::node_id::NodeId;
use crate::outcome::Outcome;
use crate::status::NodeStatus;

/// The columns of a node's row that change as it is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateRow {
    /// `status`.
    pub status: String,
    /// `generation`.
    pub generation: i64,
    /// `iteration`.
    pub iteration: i64,
    /// `wake_at`.
    pub wake_at: Option<Instant>,
    /// `result`, as JSON; that of a failed node is for readers of the table only.
    pub result: Option<String>,
    /// `result_columns`, as JSON.
    pub result_columns: Option<String>,
    /// `attempt`: that which has completed, failed, or is to come.
    pub attempt: Option<i32>,
    /// `sqlstate`, `message`, `detail`, `hint` and `context` of a node that has failed, or whose failure is tried again or
    /// handled.
    pub failure: Option<Arc<Failure>>,
}

/// A row that no node can be in: somebody else wrote to the table, or a newer version did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A word that is no status.
    #[error("node {node} has the unknown status '{status}'")]
    Status {
        /// The node.
        node: NodeId,
        /// The word.
        status: String,
    },
    /// A number that says nothing for this kind and status.
    #[error("node {node}, {kind} and {status}, has the iteration {iteration}")]
    Iteration {
        /// The node.
        node: NodeId,
        /// Its kind.
        kind: &'static str,
        /// Its status.
        status: NodeStatus,
        /// The number.
        iteration: i64,
    },
    /// A `result` or `result_columns` that cannot be read, or where there should be none.
    #[error("node {node}, {kind} and {status}, has an unreadable {column}: {reason}")]
    Column {
        /// The node.
        node: NodeId,
        /// Its kind.
        kind: &'static str,
        /// Its status.
        status: NodeStatus,
        /// The column.
        column: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl NodeState {
    /// The state that a row describes.
    pub fn from_row(node: NodeId, kind: &NodeKind, row: StateRow) -> Result<NodeState, StateError> {
        let Ok(status) = row.status.parse::<NodeStatus>() else {
            return Err(StateError::Status { node, status: row.status });
        };
        let iteration = row.iteration;
        let own = own(kind, status, iteration).ok_or(StateError::Iteration {
            node,
            kind: kind.name(),
            status,
            iteration,
        })?;
        let unreadable = |(column, reason): (&'static str, String)| StateError::Column {
            node,
            kind: kind.name(),
            status,
            column,
            reason,
        };
        let held = held(kind, status, row.result, row.result_columns).map_err(unreadable)?;
        let error = row.failure.filter(|_| status == NodeStatus::Failed);
        if status == NodeStatus::Failed && error.is_none() {
            return Err(unreadable(("sqlstate", "there is none".to_owned())));
        }
        // That of a leaf follows from how many have failed.
        let attempt = match kind {
            NodeKind::Retry(_) => row.attempt.and_then(|attempt| attempt.try_into().ok()).unwrap_or(0),
            NodeKind::Leaf(_)
            | NodeKind::Then(_)
            | NodeKind::If(_)
            | NodeKind::Join(_)
            | NodeKind::Race(_)
            | NodeKind::Loop(_)
            | NodeKind::Catch(_)
            | NodeKind::Timeout(_) => 0,
        };
        Ok(NodeState { status, generation: row.generation, own, held, wake_at: row.wake_at, attempt, error })
    }

    /// The row that describes the state.
    pub fn to_row(&self) -> StateRow {
        let (result, result_columns) = match &self.held {
            Held::Nothing => (None, None),
            Held::Outcome(outcome) => {
                let (result, columns) = outcome.to_json();
                (Some(result), columns)
            }
            Held::Kept(kept) => (Some(kept.to_json()), None),
            Held::Scoped(scoped) => (Some(scoped.to_json()), None),
        };
        StateRow {
            status: self.status.as_str().to_owned(),
            generation: self.generation,
            iteration: self.own.number(),
            wake_at: self.wake_at,
            result,
            result_columns,
            attempt: self.shown_attempt(),
            failure: self.error.clone(),
        }
    }
}

impl NodeState {
    /// Which attempt the row tells of, where there was more than one.
    fn shown_attempt(&self) -> Option<i32> {
        let attempt = match self.own {
            Own::Attempts(failed) => failed + 1,
            Own::Nothing | Own::Count(_) | Own::Handler | Own::Winner(_) | Own::Decision(_) => {
                self.attempt.into()
            }
        };
        (attempt > 0).then(|| i32::try_from(attempt).unwrap_or(i32::MAX))
    }
}

impl Own {
    /// The number in the row.
    pub fn number(self) -> i64 {
        match self {
            Own::Nothing => 0,
            Own::Count(count) => count,
            Own::Attempts(failed) => failed,
            Own::Handler => 1,
            Own::Winner(winner) => winner as i64,
            Own::Decision(has_rows) => has_rows.into(),
        }
    }
}

fn own(kind: &NodeKind, status: NodeStatus, number: i64) -> Option<Own> {
    let nothing = (number == 0).then_some(Own::Nothing);
    match kind {
        NodeKind::Loop(_) | NodeKind::Retry(_) if number > 0 => Some(Own::Count(number)),
        NodeKind::Leaf(leaf) if number > 0 && leaf.is_tried_in_place() => Some(Own::Attempts(number)),
        NodeKind::Catch(_) if number == 1 => Some(Own::Handler),
        NodeKind::Race(race) if status == NodeStatus::Completed => {
            let winner = usize::try_from(number).ok().filter(|&winner| winner < race.branches.len());
            winner.map(Own::Winner)
        }
        NodeKind::If(choice) => match (&choice.condition, status, number) {
            (Condition::HasRows(_), NodeStatus::Running | NodeStatus::Completed, 0 | 1) => {
                Some(Own::Decision(number == 1))
            }
            // One that fails before it is decided keeps the decision of an earlier generation.
            (Condition::HasRows(_), NodeStatus::Failed, 0 | 1) => Some(Own::Nothing),
            (Condition::HasRows(_) | Condition::Node(_), _, _) => nothing,
        },
        NodeKind::Leaf(_)
        | NodeKind::Then(_)
        | NodeKind::Join(_)
        | NodeKind::Race(_)
        | NodeKind::Loop(_)
        | NodeKind::Retry(_)
        | NodeKind::Catch(_)
        | NodeKind::Timeout(_) => nothing,
    }
}

/// What the row holds, or the column that cannot be read and why.
fn held(
    kind: &NodeKind,
    status: NodeStatus,
    result: Option<String>,
    columns: Option<String>,
) -> Result<Held, (&'static str, String)> {
    let may_keep = matches!(kind, NodeKind::Loop(_) | NodeKind::If(_));
    let is_scoped = match kind {
        NodeKind::Leaf(leaf) => leaf.is_tried_in_place(),
        kind => kind.is_scope(),
    };
    match (status, result) {
        (_, None) => Ok(Held::Nothing),
        (NodeStatus::Completed, Some(result)) => {
            let value = serde_json::from_str(&result).map_err(|error| ("result", error.to_string()))?;
            let layout = columns.as_deref().map(serde_json::from_str).transpose();
            let layout = layout.map_err(|error| ("result_columns", error.to_string()))?;
            Ok(Held::Outcome(Arc::new(Outcome::with_layout(value, layout))))
        }
        (NodeStatus::Running, Some(result)) if may_keep => {
            let kept =
                serde_json::from_str::<Kept>(&result).map_err(|error| ("result", error.to_string()))?;
            Ok(Held::Kept(Arc::new(kept)))
        }
        (NodeStatus::Running, Some(result)) if is_scoped => {
            let scoped =
                serde_json::from_str::<Scoped>(&result).map_err(|error| ("result", error.to_string()))?;
            Ok(Held::Scoped(Arc::new(scoped)))
        }
        (NodeStatus::Failed, Some(_)) => Ok(Held::Nothing),
        (NodeStatus::Pending | NodeStatus::Running, Some(_)) => Err(("result", "it has none yet".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::kind::{RetryPolicy, Sleep, Sql};
    use crate::matching::Matching;
    use crate::node_id::NodeId;
    use crate::outcome::{Column, Layout};
    use crate::progress::kept::Origin;
    use crate::progress::scoped::Caught;
    use serde_json::json;
    use std::time::Duration;

    fn sql() -> Graph {
        Graph::leaf(Sql::new("SELECT 1"))
    }

    /// One node of each kind whose rows differ.
    fn kinds() -> [NodeKind; 9] {
        let root = |graph: Graph| graph.kind(NodeId::ROOT).clone();
        [
            root(sql()),
            root(Graph::then(sql(), sql())),
            root(Graph::repeat(sql(), None)),
            root(Graph::race(vec![sql(), sql()]).unwrap()),
            root(Graph::if_rows("x", sql(), sql())),
            root(Graph::if_else(sql(), sql(), sql())),
            root(Graph::retry(Graph::then(sql(), sql()), RetryPolicy::default()).unwrap()),
            root(Graph::catch(sql(), sql(), vec![Matching::All], "error").unwrap()),
            root(Graph::leaf(Sleep::new(Duration::from_secs(1)))),
        ]
    }

    fn state(status: NodeStatus, own: Own, held: Held) -> NodeState {
        NodeState { status, generation: 7, own, held, wake_at: Some(5), attempt: 0, error: None }
    }

    fn row(status: &str, iteration: i64, result: Option<&str>) -> StateRow {
        StateRow {
            status: status.to_owned(),
            iteration,
            result: result.map(str::to_owned),
            ..StateRow::default()
        }
    }

    #[test]
    fn states_survive_the_round_trip() {
        use NodeStatus::{Completed, Pending, Running};
        let [sql, then, repeat, race, if_rows, if_else, retry, catch, _] = kinds();
        let columns = Layout::Rows(vec![Column::new("n", "bigint")]);
        let rows = Outcome::with_layout(json!({"rows": [{"n": 1}]}), Some(columns));
        let plain = Held::Outcome(Arc::new(Outcome::plain(json!(null))));
        let origin = Origin { node: 3, generation: 2 };
        let names = [("a", Outcome::plain(json!([1]))), ("b", rows.clone())];
        let kept = names.map(|(name, outcome)| (name.to_owned(), origin, Arc::new(outcome)));
        let kept = Kept::of(kept.into_iter());
        let caught = Caught {
            node: 2,
            node_type: "SQL".to_owned(),
            attempt: 3,
            failure: Failure::new("22012", "division by zero"),
            suppressed: vec![Failure::new("40001", "first").hint("again")],
        };
        let since = Scoped { since: Some(5), ..Scoped::default() };
        let handling = Scoped { caught: Some(caught), bound: kept.clone(), ..Scoped::default() };
        let held = [since, handling, Scoped { kept: kept.clone(), ..Scoped::default() }];
        let [since, handling, before] = held.map(|scoped| Held::Scoped(Arc::new(scoped)));
        let kept = Held::Kept(kept.unwrap());
        let rows = Held::Outcome(Arc::new(rows));
        let nothing = Held::Nothing;
        for (kind, status, own, held) in [
            (&sql, Pending, Own::Nothing, &nothing),
            (&sql, Running, Own::Nothing, &nothing),
            (&sql, Completed, Own::Nothing, &rows),
            (&then, Completed, Own::Nothing, &plain),
            (&then, Completed, Own::Nothing, &nothing),
            (&repeat, Pending, Own::Nothing, &nothing),
            (&repeat, Pending, Own::Count(3), &nothing),
            (&repeat, Running, Own::Count(1), &nothing),
            (&repeat, Running, Own::Count(1), &kept),
            (&repeat, Completed, Own::Count(9), &plain),
            (&race, Pending, Own::Nothing, &nothing),
            (&race, Completed, Own::Winner(0), &plain),
            (&race, Completed, Own::Winner(1), &nothing),
            (&if_rows, Running, Own::Decision(false), &nothing),
            (&if_rows, Running, Own::Decision(true), &kept),
            (&if_rows, Completed, Own::Decision(true), &plain),
            (&if_else, Completed, Own::Nothing, &plain),
            (&sql, Running, Own::Attempts(2), &nothing),
            (&sql, Running, Own::Attempts(1), &since),
            (&sql, Completed, Own::Attempts(2), &rows),
            (&retry, Running, Own::Count(4), &before),
            (&retry, Completed, Own::Nothing, &plain),
            (&catch, Running, Own::Handler, &handling),
            (&catch, Completed, Own::Handler, &plain),
            (&catch, Completed, Own::Nothing, &nothing),
        ] {
            let state = state(status, own, held.clone());
            assert_eq!(NodeState::from_row(NodeId(1), kind, state.to_row()), Ok(state));
        }
        let failure = Failure { detail: Some("why".to_owned()), ..Failure::new("22012", "division by zero") };
        for kind in [&sql, &if_rows] {
            let error = Some(Arc::new(failure.clone()));
            let state = NodeState { error, ..state(NodeStatus::Failed, Own::Nothing, Held::Nothing) };
            assert_eq!(NodeState::from_row(NodeId(1), kind, state.to_row()), Ok(state));
        }
    }

    #[test]
    fn rows_tell_which_attempt_they_are_of() {
        let [sql, _, _, _, _, _, retry, _, _] = kinds();
        let shown = |status, own, attempt| {
            NodeState { attempt, ..state(status, own, Held::Nothing) }.to_row().attempt
        };
        assert_eq!(shown(NodeStatus::Completed, Own::Nothing, 0), None);
        assert_eq!(shown(NodeStatus::Running, Own::Attempts(1), 0), Some(2));
        assert_eq!(shown(NodeStatus::Completed, Own::Attempts(2), 0), Some(3));
        for (kind, attempt, read) in [(&retry, Some(3), 3), (&retry, None, 0), (&sql, Some(3), 0)] {
            let row = StateRow { attempt, ..row("running", 1, None) };
            assert_eq!(NodeState::from_row(NodeId(1), kind, row).unwrap().attempt, read);
        }
    }

    #[test]
    fn what_no_node_can_be_in_is_refused() {
        let [sql, _, repeat, race, if_rows, if_else, retry, catch, sleep] = kinds();
        for (kind, row, expected) in [
            (&sql, row("done", 0, None), "node 00000001 has the unknown status 'done'"),
            (&sql, row("running", -1, None), "node 00000001, SQL and running, has the iteration -1"),
            (&sleep, row("running", 1, None), "node 00000001, SLEEP and running, has the iteration 1"),
            (&catch, row("running", 2, None), "node 00000001, CATCH and running, has the iteration 2"),
            (
                &retry,
                row("running", 1, Some("1")),
                "node 00000001, RETRY and running, has an unreadable result: \
                 invalid type: integer `1`, expected struct Scoped at line 1 column 1",
            ),
            (&repeat, row("running", -1, None), "node 00000001, LOOP and running, has the iteration -1"),
            (&race, row("completed", 2, None), "node 00000001, RACE and completed, has the iteration 2"),
            (&race, row("pending", 1, None), "node 00000001, RACE and pending, has the iteration 1"),
            (&if_rows, row("running", 2, None), "node 00000001, IF and running, has the iteration 2"),
            (&if_else, row("completed", 1, None), "node 00000001, IF and completed, has the iteration 1"),
            (
                &sql,
                row("completed", 0, Some("{")),
                "node 00000001, SQL and completed, has an unreadable result: \
                 EOF while parsing an object at line 1 column 1",
            ),
            (
                &sql,
                row("running", 0, Some("1")),
                "node 00000001, SQL and running, has an unreadable result: \
                 invalid type: integer `1`, expected struct Scoped at line 1 column 1",
            ),
            (
                &sleep,
                row("running", 0, Some("1")),
                "node 00000001, SLEEP and running, has an unreadable result: it has none yet",
            ),
            (
                &repeat,
                row("running", 1, Some(r#"{"x": {"node": 1}}"#)),
                "node 00000001, LOOP and running, has an unreadable result: \
                 missing field `generation` at line 1 column 17",
            ),
            (
                &sql,
                row("failed", 0, Some("\"why\"")),
                "node 00000001, SQL and failed, has an unreadable sqlstate: there is none",
            ),
            (
                &sql,
                StateRow { result_columns: Some("1".to_owned()), ..row("completed", 0, Some("1")) },
                "node 00000001, SQL and completed, has an unreadable result_columns: \
                 data did not match any variant of untagged enum Layout",
            ),
        ] {
            let error = NodeState::from_row(NodeId(1), kind, row).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
