//! What the node rows say: which generation each is of, how it changes, and which of them are to be written.

use std::sync::Arc;

use super::kept::Kept;
use super::scoped::Scoped;
use crate::failure::Failure;
use crate::graph::Graph;
use crate::instant::Instant;
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
    /// What only a node of its kind knows.
    pub own: Own,
    /// What it has left behind, or has to remember.
    pub held: Held,
    /// When a running wait ends; `None` waits for ever.
    pub wake_at: Option<Instant>,
    /// Which attempt at the body of a RETRY is under way, from 1; 0 before it had to be said.
    pub attempt: u32,
    /// Why a failed node failed; of one that is being tried again, or handled, why it did last.
    pub error: Option<Arc<Failure>>,
}

/// The fact that a node keeps in its row, once there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// None, or none yet.
    Nothing,
    /// Of a LOOP or RETRY the generation that its body is in, from 1.
    Count(i64),
    /// Of a leaf how many attempts at it have failed.
    Attempts(i64),
    /// Of a CATCH that its handler is carried out, or was.
    Handler,
    /// Of a RACE the branch that has decided it, from 0.
    Winner(usize),
    /// Of an IF on rows whether there were any.
    Decision(bool),
}

/// What a row holds for others to read.
#[derive(Debug, Clone, PartialEq)]
pub enum Held {
    /// Nothing, or what follows from the children.
    Nothing,
    /// The outcome of a completed node.
    Outcome(Arc<Outcome>),
    /// Of a running LOOP or IF the names that its generation began with, where no other row knows them.
    Kept(Arc<Kept>),
    /// What a running RETRY or CATCH, or a leaf that is tried again, has to remember.
    Scoped(Arc<Scoped>),
}

impl Default for NodeState {
    fn default() -> Self {
        NodeState {
            status: NodeStatus::Pending,
            generation: 0,
            own: Own::Nothing,
            held: Held::Nothing,
            wake_at: None,
            attempt: 0,
            error: None,
        }
    }
}

impl Own {
    /// The generation that the body of a LOOP or RETRY is in; 0 before its first.
    pub fn count(self) -> i64 {
        match self {
            Own::Count(count) => count,
            Own::Nothing | Own::Attempts(_) | Own::Handler | Own::Winner(_) | Own::Decision(_) => 0,
        }
    }

    /// How many attempts at a leaf have failed.
    pub fn failed_attempts(self) -> i64 {
        match self {
            Own::Attempts(failed) => failed,
            Own::Nothing | Own::Count(_) | Own::Handler | Own::Winner(_) | Own::Decision(_) => 0,
        }
    }
}

impl Held {
    fn of(kept: Option<Arc<Kept>>) -> Held {
        kept.map_or(Held::Nothing, Held::Kept)
    }

    /// The outcome, where there is one.
    pub fn outcome(&self) -> Option<&Arc<Outcome>> {
        match self {
            Held::Outcome(outcome) => Some(outcome),
            Held::Nothing | Held::Kept(_) | Held::Scoped(_) => None,
        }
    }

    /// What a scope remembers.
    pub fn scoped(&self) -> Option<&Scoped> {
        match self {
            Held::Scoped(scoped) => Some(scoped),
            Held::Nothing | Held::Outcome(_) | Held::Kept(_) => None,
        }
    }

    fn of_scope(scoped: Scoped) -> Held {
        if scoped == Scoped::default() { Held::Nothing } else { Held::Scoped(Arc::new(scoped)) }
    }
}

/// What of a row the fence looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// Whether it is that of a LOOP or RETRY.
    pub counts: bool,
    /// Whether the node has completed or failed.
    pub is_over: bool,
    /// `generation`.
    pub generation: i64,
    /// `iteration`.
    pub iteration: i64,
}

impl Fence {
    /// The fence: whether the row may be written for this generation and with this iteration. It may not if it says
    /// already that this generation of the node or a later one is over: somebody else was faster then. The count of a LOOP or
    /// RETRY must not go backwards, or the rows of a lost branch that had got further would refuse for ever what the node
    /// does when it is entered anew; a RETRY of one leaf counts nothing. Within a generation the number does not go backwards
    /// for any kind: a leaf's failed attempts, a CATCH's handler.
    ///
    /// The extension's `store/fence.sql` is the same for PostgreSQL.
    pub fn accepts(self, generation: i64, iteration: i64) -> bool {
        if self.generation == generation {
            !self.is_over && self.iteration <= iteration
        } else {
            self.generation < generation && (!self.counts || iteration == 0 || self.iteration < iteration)
        }
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
        self.graph.enclosing_count(node).map_or(0, |outer| self.of(outer).own.count())
    }

    /// Whether the stored state is of the present generation of every LOOP and RETRY around the node.
    pub(super) fn is_current(&self, node: NodeId) -> bool {
        let mut at = node;
        loop {
            if self.of(at).generation != self.generation(at) {
                return false;
            }
            match self.graph.enclosing_count(at) {
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
        self.of(node).held.outcome().cloned().unwrap_or_default()
    }

    /// Why a node has failed in its present generation.
    pub(super) fn failure(&self, node: NodeId) -> Option<&Arc<Failure>> {
        let state = self.of(node);
        let is_failed = state.status == NodeStatus::Failed && self.is_current(node);
        state.error.as_ref().filter(|_| is_failed)
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

    /// The body of a scope has completed, or its handler: stored where it bears a name, and where somebody else may say
    /// at the same moment that a branch of it has failed.
    pub(super) fn complete_scope(
        &mut self,
        node: NodeId,
        outcome: Arc<Outcome>,
        own: Own,
        is_contended: bool,
    ) {
        let was_stored = self.is_completed(node);
        let attempt = self.of(node).attempt;
        let written = self.writes.len();
        self.complete_with(node, outcome, own);
        self.states[node.index()].attempt = attempt;
        let is_stored = is_contended || self.graph.node(node).result_name.is_some();
        if was_stored || !is_stored {
            self.writes.truncate(written);
        }
    }

    /// A scope is left by a BREAK in its branch; `owner` writes it.
    pub(super) fn leave_by_break(&mut self, node: NodeId, owner: NodeId) {
        self.set(node, NodeStatus::Completed, self.own_now(node), Held::Nothing, None);
        self.mark_written_by(node, owner);
    }

    /// Another attempt at the body of a RETRY has begun, or will at `wake_at`.
    pub(super) fn begin_attempt(
        &mut self,
        node: NodeId,
        attempt: u32,
        scoped: Scoped,
        wake_at: Option<Instant>,
        error: Option<Arc<Failure>>,
    ) {
        let next = Own::Count(self.of(node).own.count() + 1);
        self.set(node, NodeStatus::Running, next, Held::of_scope(scoped), wake_at);
        let state = &mut self.states[node.index()];
        (state.attempt, state.error) = (attempt, error);
        self.mark_written(node);
    }

    /// The body of a TIMEOUT has begun, which may take until then.
    pub(super) fn begin_time(&mut self, node: NodeId, scoped: Scoped, until: Instant) {
        self.set(node, NodeStatus::Running, Own::Nothing, Held::of_scope(scoped), Some(until));
        self.mark_written(node);
    }

    /// A leaf has failed that is tried again.
    pub(super) fn try_again(
        &mut self,
        leaf: NodeId,
        failed: i64,
        scoped: Scoped,
        wake_at: Instant,
        error: Arc<Failure>,
    ) {
        let own = Own::Attempts(failed);
        self.set(leaf, NodeStatus::Running, own, Held::of_scope(scoped), Some(wake_at));
        self.states[leaf.index()].error = Some(error);
        self.mark_written(leaf);
    }

    /// The handler of a CATCH has begun.
    pub(super) fn begin_handler(&mut self, node: NodeId, scoped: Scoped, error: Arc<Failure>) {
        self.set(node, NodeStatus::Running, Own::Handler, Held::of_scope(scoped), None);
        self.states[node.index()].error = Some(error);
        self.mark_written(node);
    }

    /// A wait has begun.
    pub(super) fn arm(&mut self, leaf: NodeId, wake_at: Option<Instant>) {
        self.set(leaf, NodeStatus::Running, Own::Nothing, Held::Nothing, wake_at);
        self.mark_written(leaf);
    }

    /// A node has completed that keeps no fact beside its outcome.
    pub(super) fn complete(&mut self, node: NodeId, outcome: Arc<Outcome>) {
        self.complete_with(node, outcome, self.attempts(node));
    }

    /// A LOOP has completed, in the generation it is in.
    pub(super) fn complete_loop(&mut self, node: NodeId, outcome: Arc<Outcome>) {
        self.complete_with(node, outcome, self.of(node).own);
    }

    /// The branch `winner` of a RACE has completed it.
    pub(super) fn complete_race(&mut self, node: NodeId, winner: usize, outcome: Arc<Outcome>) {
        self.complete_with(node, outcome, Own::Winner(winner));
    }

    /// Completes a node whose completion follows from its children: stored only where it bears a name, or somebody else may say
    /// at the same moment that it has failed.
    pub(super) fn derive_completed(&mut self, node: NodeId, outcome: Arc<Outcome>, is_contended: bool) {
        let was_stored = self.is_completed(node);
        let written = self.writes.len();
        self.complete_with(node, outcome, self.of(node).own);
        if was_stored || !is_contended && self.graph.node(node).result_name.is_none() {
            self.writes.truncate(written);
        }
    }

    fn complete_with(&mut self, node: NodeId, outcome: Arc<Outcome>, own: Own) {
        self.set(node, NodeStatus::Completed, own, Held::Outcome(outcome), None);
        self.mark_written(node);
    }

    pub(super) fn fail(&mut self, node: NodeId, failure: Arc<Failure>) {
        self.set(node, NodeStatus::Failed, self.own_now(node), Held::Nothing, None);
        self.states[node.index()].error = Some(failure);
        self.mark_written(node);
    }

    /// The next generation of a LOOP has begun, with the names that its row keeps.
    pub(super) fn begin_generation(
        &mut self,
        node: NodeId,
        kept: Option<Arc<Kept>>,
        wake_at: Option<Instant>,
    ) {
        let next = Own::Count(self.of(node).own.count() + 1);
        self.set(node, NodeStatus::Running, next, Held::of(kept), wake_at);
        self.mark_written(node);
    }

    /// An IF on rows has been decided, with the names that its row keeps.
    pub(super) fn decide(&mut self, node: NodeId, has_rows: bool, kept: Option<Arc<Kept>>) {
        self.set(node, NodeStatus::Running, Own::Decision(has_rows), Held::of(kept), None);
        self.mark_written(node);
    }

    /// A RACE was left by a BREAK in the branch `winner`; `owner` writes it.
    pub(super) fn decide_by_break(&mut self, node: NodeId, winner: usize, owner: NodeId) {
        self.set(node, NodeStatus::Completed, Own::Winner(winner), Held::Nothing, None);
        self.mark_written_by(node, owner);
    }

    pub(super) fn forget(&mut self, node: NodeId, owner: NodeId) {
        let state = self.of(node);
        // A LOOP counts on; a winner or a decision is for its generation only.
        let own = match state.own {
            Own::Count(count) => Own::Count(count + 1),
            Own::Nothing | Own::Attempts(_) | Own::Handler | Own::Winner(_) | Own::Decision(_) => {
                Own::Nothing
            }
        };
        // Of a generation that nobody has written yet, lest the row be taken for one that is over.
        let generation = self.generation(node).max(state.generation + 1);
        self.states[node.index()] = NodeState { generation, own, ..NodeState::default() };
        self.mark_written_by(node, owner);
    }

    /// What a node knows in its present generation, which must not go backwards.
    fn own_now(&self, node: NodeId) -> Own {
        match self.of(node).own {
            Own::Count(count) => Own::Count(count),
            own if self.is_current(node) => own,
            Own::Nothing | Own::Attempts(_) | Own::Handler | Own::Winner(_) | Own::Decision(_) => {
                Own::Nothing
            }
        }
    }

    /// How often a leaf was tried, which stays to be seen.
    fn attempts(&self, node: NodeId) -> Own {
        match self.of(node).own {
            Own::Attempts(failed) if self.is_current(node) => Own::Attempts(failed),
            Own::Attempts(_)
            | Own::Nothing
            | Own::Count(_)
            | Own::Handler
            | Own::Winner(_)
            | Own::Decision(_) => Own::Nothing,
        }
    }

    /// What a node is in the generation it belongs to now.
    fn set(&mut self, node: NodeId, status: NodeStatus, own: Own, held: Held, wake_at: Option<Instant>) {
        let generation = self.generation(node);
        self.states[node.index()] =
            NodeState { status, generation, own, held, wake_at, attempt: 0, error: None };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fence_lets_through_what_is_news_only() {
        for ((is_over, generation, iteration), new, expected) in [
            // The same generation: anything unless it is over.
            ((false, 2, 1), (2, 1), [true, true]),
            ((false, 2, 1), (2, 2), [true, true]),
            ((false, 2, 1), (2, 0), [false, false]),
            ((true, 2, 1), (2, 1), [false, false]),
            ((true, 2, 1), (2, 2), [false, false]),
            // A later one: a LOOP's only with a higher count.
            ((true, 1, 1), (2, 2), [true, true]),
            ((true, 1, 1), (2, 1), [true, false]),
            ((false, 1, 1), (2, 0), [true, true]),
            // An earlier one.
            ((false, 3, 1), (2, 9), [false, false]),
        ] {
            let found = [false, true]
                .map(|counts| Fence { counts, is_over, generation, iteration }.accepts(new.0, new.1));
            assert_eq!(found, expected, "{is_over} {generation} {iteration}, then {new:?}");
        }
    }
}
