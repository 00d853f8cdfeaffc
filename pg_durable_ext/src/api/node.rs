//! `df.instance_nodes()`.

use std::sync::Arc;

use pg_durable_board::{Hindered, RoleId, Tenant};
use pg_durable_graph::kind::{Delivery, NodeKind};
use pg_durable_graph::progress::{Next, Progress};
use pg_durable_graph::rights::Sight;
use pg_durable_graph::shown::{self, Mark};
use pg_durable_graph::{Graph, InstanceStatus, NodeId};
use pgrx::datum::TimestampWithTimeZone;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

use super::visible;
use crate::engine::wake;
use crate::pg::spi::Session;
use crate::pg::text::Text;
use crate::pg::{clock, shmem};
use crate::store::seen::VisibleInstance;
use crate::store::{EngineError, nodes};

type Row = (
    Option<Text>,
    Option<Text>,
    Option<Text>,
    Option<Text>,
    Option<Text>,
    Option<Text>,
    Option<Text>,
    Option<Text>,
    Option<Text>,
    Option<Text>,
    Option<Text>,
    Option<TimestampWithTimeZone>,
    Option<Text>,
    Option<TimestampWithTimeZone>,
    Option<Text>,
    Option<i64>,
    Option<Text>,
    Option<Text>,
    Option<i32>,
    Option<i32>,
    Option<TimestampWithTimeZone>,
    Option<TimestampWithTimeZone>,
);

#[expect(clippy::type_complexity, reason = "the columns, as pgrx wants them named")]
#[pg_extern]
fn instance_nodes(
    instance_id_param: &str,
) -> Result<
    TableIterator<
        'static,
        (
            name!(node_id, Option<Text>),
            name!(node_type, Option<Text>),
            name!(query, Option<Text>),
            name!(result_name, Option<Text>),
            name!(left_node, Option<Text>),
            name!(right_node, Option<Text>),
            name!(status, Option<Text>),
            name!(result, Option<Text>),
            name!(status_details, Option<Text>),
            name!(inferred_status, Option<Text>),
            name!(inferred_status_from_ancestor_id, Option<Text>),
            name!(updated_at, Option<TimestampWithTimeZone>),
            name!(waiting_for, Option<Text>),
            name!(wake_at, Option<TimestampWithTimeZone>),
            name!(delivery, Option<Text>),
            name!(generation, Option<i64>),
            name!(error, Option<Text>),
            name!(sqlstate, Option<Text>),
            name!(deaths, Option<i32>),
            name!(attempt, Option<i32>),
            name!(next_attempt_at, Option<TimestampWithTimeZone>),
            name!(started_at, Option<TimestampWithTimeZone>),
        ),
    >,
    ErrorReport,
> {
    let rows = match Shown::load(instance_id_param)? {
        Some(shown) => shown.rows(),
        None => Vec::new(),
    };
    Ok(TableIterator::new(rows))
}

/// An instance as it is shown to users.
pub struct Shown {
    pub instance: VisibleInstance,
    pub graph: Arc<Graph>,
    /// How much of the nodes the current user sees.
    pub sight: Sight,
    progress: Progress,
    shown: std::collections::HashMap<NodeId, nodes::ShownNode>,
    /// What executors carry out at this moment, which no row says.
    in_hand: Vec<NodeId>,
    /// What keeps its next steps from running, and these steps.
    hindered: Option<(Hindered, Vec<NodeId>)>,
}

impl Shown {
    /// Loads an instance as the current user; `None` when it is unknown or not visible.
    pub fn load(id: &str) -> Result<Option<Shown>, EngineError> {
        let Some(number) = wake::instance_number(id) else { return Ok(None) };
        let Some(instance) = visible::find(id) else { return Ok(None) };
        let read = || {
            let rows = nodes::show(&Session::open(), id);
            (!rows.is_empty()).then_some(rows)
        };
        let Some((shown, sight)) = visible::read(read) else { return Ok(None) };
        let Some(loaded) = nodes::load(id, &[])? else { return Ok(None) };
        let mut progress = Progress::new(loaded.graph.clone(), loaded.states, 0, number);
        // Derives what inner nodes are; an instance that cannot go on is shown as far as it came.
        let _ = progress.resume(clock::now());
        let tenant = Tenant { database: wake::here(), role: RoleId(instance.submitted_by.to_u32()) };
        let (in_hand, hindered) = match shmem::try_board() {
            Some(board) => (
                board.executors.nodes_in_hand(tenant.database, number),
                board.hindrances.of_tenant(tenant, clock::now()),
            ),
            None => (Vec::new(), Vec::new()),
        };
        let in_hand: Vec<NodeId> = in_hand.into_iter().map(NodeId).collect();
        let is_elsewhere = instance.database.is_some();
        let hindered = hindered.into_iter().find(|hindered| hindered.hindrance.concerns(is_elsewhere));
        let is_unfinished = matches!(instance.status.as_str(), "pending" | "running");
        let hindered = hindered.filter(|_| is_unfinished).map(|hindered| {
            let mut steps = next_steps(&mut progress);
            steps.retain(|step| !in_hand.contains(step));
            (hindered, steps)
        });
        Ok(Some(Shown { instance, graph: loaded.graph, sight, progress, shown, in_hand, hindered }))
    }

    /// What is shown of every node, in the graph's order.
    pub fn nodes(&self) -> Vec<shown::Shown> {
        let instance = self.instance.status.parse().unwrap_or(InstanceStatus::Running);
        let (status, is_handled) = (|id| self.progress.status(id), |id: NodeId| self.progress.is_handled(id));
        shown::of_nodes(&self.graph, instance, status, is_handled, &self.in_hand)
    }

    fn rows(&self) -> Vec<Row> {
        let nodes = self.nodes();
        self.graph
            .iter()
            .map(|(id, node)| {
                let mut row = self.shown.get(&id).cloned().unwrap_or_default();
                if self.sight == Sight::Shape {
                    (row.query, row.result, row.error) = (None, None, None);
                }
                let shown::Shown { mark, from } = nodes[id.index()];
                let is_waiting = mark == Mark::Running;
                if let Some((hindered, steps)) = &self.hindered
                    && steps.contains(&id)
                    && row.next_attempt_at.is_none()
                {
                    row.error = Some(hindered.hindrance.why().to_owned());
                    row.sqlstate = Some(hindered.hindrance.sqlstate().to_owned());
                    row.attempt = i32::try_from(hindered.tries).ok();
                    row.next_attempt_at = Some(hindered.until);
                }
                let details = serde_json::json!({
                    "execution_id": format!("{}::{}", self.instance.id, self.progress.generation(id)),
                });
                (
                    Some(Text(id.to_string())),
                    Some(Text(node.kind.name().to_owned())),
                    row.query.map(Text),
                    node.result_name.clone().map(Text),
                    row.left_node.map(Text),
                    row.right_node.map(Text),
                    Some(Text(shown_status(mark, &row.status))),
                    // Of a running node the row holds what the engine has to remember.
                    row.result.filter(|_| matches!(row.status.as_str(), "completed" | "failed")).map(Text),
                    (row.status != "pending").then(|| Text(details.to_string())),
                    Some(Text(mark.as_str().to_owned())),
                    from.map(|from| Text(from.to_string())),
                    row.updated_at.and_then(clock::to_sql),
                    row.waiting_for.filter(|_| is_waiting).map(Text),
                    row.wake_at.filter(|_| is_waiting).and_then(clock::to_sql),
                    delivery(&node.kind, row.at_least_once, self.instance.database.is_some()).map(Text),
                    Some(self.progress.generation(id)),
                    row.error.map(Text),
                    row.sqlstate.map(Text),
                    row.deaths,
                    row.attempt,
                    row.next_attempt_at.and_then(clock::to_sql),
                    row.started_at.and_then(clock::to_sql),
                )
            })
            .collect()
    }
}

/// The steps that come next in an instance that has been walked through.
fn next_steps(progress: &mut Progress) -> Vec<NodeId> {
    let next = progress.take_frontier().into_iter();
    next.filter_map(|(_, next)| if let Next::Run(leaf) = next { Some(leaf) } else { None }).collect()
}

/// Derived where the row says less; the row's own status for what was passed over.
fn shown_status(mark: Mark, stored: &str) -> String {
    if mark == Mark::Skipped { stored.to_owned() } else { mark.as_str().to_owned() }
}

fn delivery(kind: &NodeKind, at_least_once: Option<bool>, is_remote: bool) -> Option<String> {
    let text = match (at_least_once, kind.leaf()?.delivered()?) {
        (Some(true), _) => "at least once",
        (Some(false), _) => "exactly once",
        (None, _) if is_remote => "at least once",
        (None, Delivery::ExactlyOnce) => "exactly once",
        (None, Delivery::AtLeastOnce) => "at least once",
        (None, Delivery::ExactlyOnceUnlessCommits) => "exactly once, unless it commits inside",
    };
    Some(text.to_owned())
}
