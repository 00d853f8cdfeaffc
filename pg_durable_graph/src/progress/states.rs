//! What the node rows say: which generation each is of, how it changes, and which of them are to be written.

use std::sync::Arc;

use crate::graph::Graph;
use crate::instant::Instant;
use crate::kind::NodeKind;
use crate::node_id::NodeId;
use crate::outcome::Outcome;
use crate::status::NodeStatus;

/// The part of a node row that changes.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeState {
    /// Meant for [`NodeState::generation`] only.
    pub status: NodeStatus,
    /// The generation of the enclosing loop in which the rest was written.
    pub generation: i64,
    /// For a LOOP the generation its body is in; for a RACE the number of the winning branch, from 0.
    pub iteration: i64,
    /// The outcome of a completed node; for a running LOOP or IF the names that its generation began with, where
    /// no other row knows them.
    pub outcome: Option<Arc<Outcome>>,
    /// When a running wait ends; `None` waits for ever.
    pub wake_at: Option<Instant>,
}

impl Default for NodeState {
    fn default() -> Self {
        NodeState { status: NodeStatus::Pending, generation: 0, iteration: 0, outcome: None, wake_at: None }
    }
}

/// The rows of an instance, as one process sees them.
#[derive(Debug, Clone)]
pub(super) struct States {
    graph: Arc<Graph>,
    states: Vec<NodeState>,
    /// Each node to be written, with the branch whose owner writes it.
    writes: Vec<(NodeId, NodeId)>,
}

impl States {
    pub(super) fn new(graph: Arc<Graph>, states: Vec<NodeState>) -> States {
        assert_eq!(graph.len(), states.len(), "one state for each node");
        States { graph, states, writes: Vec::new() }
    }

    /// The state of a node as it stands, which may be of an earlier generation.
    pub(super) fn of(&self, node: NodeId) -> &NodeState {
        &self.states[node.index()]
    }

    /// The generation that a node belongs to now.
    pub(super) fn generation(&self, node: NodeId) -> i64 {
        self.graph.enclosing_loop(node).map_or(0, |outer| self.of(outer).iteration)
    }

    /// Whether the stored state is of the present generation of every loop around the node.
    pub(super) fn is_current(&self, node: NodeId) -> bool {
        let mut at = node;
        loop {
            if self.of(at).generation != self.generation(at) {
                return false;
            }
            match self.graph.enclosing_loop(at) {
                Some(outer) => at = outer,
                None => return true,
            }
        }
    }

    /// The stored status where it is current, else pending.
    pub(super) fn status(&self, node: NodeId) -> NodeStatus {
        if self.is_current(node) { self.of(node).status } else { NodeStatus::Pending }
    }

    pub(super) fn is_completed(&self, node: NodeId) -> bool {
        self.status(node) == NodeStatus::Completed
    }

    pub(super) fn outcome(&self, node: NodeId) -> Arc<Outcome> {
        self.of(node).outcome.clone().unwrap_or_default()
    }

    pub(super) fn take_writes(&mut self, branch: NodeId) -> Vec<NodeId> {
        self.writes.extract_if(.., |(_, owner)| *owner == branch).map(|(node, _)| node).collect()
    }

    pub(super) fn has_writes(&self, branch: NodeId) -> bool {
        self.writes.iter().any(|(_, owner)| *owner == branch)
    }

    /// Forgets writes to branches of others that earlier walks have left, once a later generation has begun.
    pub(super) fn drop_stale_writes(&mut self) {
        let mut writes = std::mem::take(&mut self.writes);
        writes.retain(|(node, _)| self.of(*node).status == NodeStatus::Pending || self.is_current(*node));
        self.writes = writes;
    }

    /// A wait has begun.
    pub(super) fn arm(&mut self, leaf: NodeId, wake_at: Option<Instant>) {
        let generation = self.generation(leaf);
        let state = &mut self.states[leaf.index()];
        *state = NodeState {
            status: NodeStatus::Running,
            generation,
            iteration: state.iteration,
            outcome: None,
            wake_at,
        };
        self.mark_written(leaf);
    }

    pub(super) fn complete(&mut self, node: NodeId, outcome: Arc<Outcome>, iteration: i64) {
        let generation = self.generation(node);
        self.states[node.index()] = NodeState {
            status: NodeStatus::Completed,
            generation,
            iteration,
            outcome: Some(outcome),
            wake_at: None,
        };
        self.mark_written(node);
    }

    /// Completes a node whose completion follows from its children: stored only where it bears a name.
    pub(super) fn derive_completed(&mut self, node: NodeId, outcome: Arc<Outcome>) {
        let was_stored = self.is_completed(node);
        let written = self.writes.len();
        let iteration = self.of(node).iteration;
        self.complete(node, outcome, iteration);
        if was_stored || self.graph.node(node).result_name.is_none() {
            self.writes.truncate(written);
        }
    }

    pub(super) fn fail(&mut self, leaf: NodeId, outcome: Outcome) {
        self.complete(leaf, Arc::new(outcome), 0);
        self.states[leaf.index()].status = NodeStatus::Failed;
    }

    /// The next generation of a LOOP has begun, with the names that its row keeps.
    pub(super) fn begin_generation(
        &mut self,
        node: NodeId,
        kept: Option<Arc<Outcome>>,
        wake_at: Option<Instant>,
    ) {
        let generation = self.generation(node);
        let state = &mut self.states[node.index()];
        let iteration = state.iteration + 1;
        *state = NodeState { status: NodeStatus::Running, generation, iteration, outcome: kept, wake_at };
        self.mark_written(node);
    }

    /// An IF on rows has been decided, with the names that its row keeps.
    pub(super) fn decide(&mut self, node: NodeId, has_rows: bool, kept: Option<Arc<Outcome>>) {
        self.arm(node, None);
        let state = &mut self.states[node.index()];
        state.iteration = has_rows.into();
        state.outcome = kept;
    }

    /// A RACE was left by a BREAK in the branch `winner`; `owner` writes it.
    pub(super) fn decide_by_break(&mut self, node: NodeId, winner: usize, owner: NodeId) {
        self.states[node.index()] = NodeState {
            status: NodeStatus::Completed,
            generation: self.generation(node),
            iteration: winner as i64,
            outcome: None,
            wake_at: None,
        };
        self.mark_written_by(node, owner);
    }

    pub(super) fn forget(&mut self, node: NodeId, owner: NodeId) {
        let is_loop = matches!(self.graph.kind(node), NodeKind::Loop(_));
        let state = self.of(node);
        self.states[node.index()] = NodeState {
            status: NodeStatus::Pending,
            // Of a generation that nobody has written yet, lest the row be taken for one that is over.
            generation: self.generation(node).max(state.generation + 1),
            // A LOOP counts on; the number of a winner or of a decision is for its generation only.
            iteration: if is_loop { state.iteration + 1 } else { 0 },
            outcome: None,
            wake_at: None,
        };
        self.mark_written_by(node, owner);
    }

    fn mark_written(&mut self, node: NodeId) {
        self.mark_written_by(node, self.graph.branch(node));
    }

    fn mark_written_by(&mut self, node: NodeId, owner: NodeId) {
        let write = (node, owner);
        if !self.writes.contains(&write) {
            self.writes.push(write);
        }
    }
}
