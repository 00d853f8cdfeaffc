//! Which pass through the loops around it a node belongs to, and what of it is given up with a branch.
//!
//! A signal that was consumed in a branch which is then given up is to be had again. Whether a consumption belongs to what
//! was given up is a question of the pass that it happened in: the branch may have won the RACE of an earlier generation,
//! and what it consumed then stays consumed.

use super::Progress;
use crate::kind::NodeKind;
use crate::node_id::NodeId;

/// A branch that was given up, in one pass of the loops around its JOIN or RACE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// The branch.
    pub root: NodeId,
    /// The generations of the LOOPs and RETRYs around its JOIN, RACE or scope, from the outside.
    pub passes: Vec<i64>,
}

/// Where a node stands while it is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The generations of the LOOPs and RETRYs around the node, from the outside.
    pub passes: Vec<i64>,
    /// How many of these lie around, or are, the outermost of those who may give the node up: what was done in an earlier
    /// pass of theirs is settled. Of a RETRY only those around it count, as another attempt is no other pass. `None` where
    /// nothing may.
    pub open_from: Option<usize>,
}

impl Progress {
    /// Where a node stands.
    pub fn position(&self, node: NodeId) -> Position {
        let counts = |at: NodeId| match self.graph.kind(at) {
            NodeKind::Loop(_) => self.counts(at).count() + 1,
            NodeKind::Leaf(_)
            | NodeKind::Then(_)
            | NodeKind::If(_)
            | NodeKind::Join(_)
            | NodeKind::Race(_)
            | NodeKind::Retry(_)
            | NodeKind::Catch(_)
            | NodeKind::Timeout(_) => self.counts(at).count(),
        };
        let may_end = self.branches.guards(node).into_iter().chain(self.branches.retries(node));
        let open_from = may_end.map(counts).min();
        Position { passes: self.passes(node), open_from }
    }

    /// The branches that were given up since the last call: what they have consumed is to be had again.
    pub fn take_given_up(&mut self) -> Vec<GivenUp> {
        std::mem::take(&mut self.given_up)
    }

    pub(super) fn passes(&self, node: NodeId) -> Vec<i64> {
        let inside_out = std::iter::once(node).chain(self.counts(node));
        let mut passes: Vec<i64> = inside_out
            .filter(|&at| self.graph.enclosing_count(at).is_some())
            .map(|at| self.generation(at))
            .collect();
        passes.reverse();
        passes
    }

    /// The LOOPs and RETRYs around a node, from the inside.
    fn counts(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(self.graph.enclosing_count(node), |&at| self.graph.enclosing_count(at))
    }

    pub(super) fn give_up(&mut self, node: NodeId, roots: impl IntoIterator<Item = NodeId>) {
        let passes = self.passes(node);
        let given_up = roots.into_iter().map(|root| GivenUp { root, passes: passes.clone() });
        self.given_up.extend(given_up);
    }

    /// What leaves the JOINs and RACEs between a node and `outer`, a BREAK or a failure that a handler takes, gives up the
    /// branches beside it, but for those of a JOIN that have completed, as far as this process knows.
    pub(super) fn give_up_beside(&mut self, node: NodeId, outer: NodeId) {
        let graph = self.graph.clone();
        let mut branch = graph.branch(node);
        while let Some(parent) = graph.parent(branch).filter(|&parent| outer < parent) {
            let others: Vec<NodeId> = match graph.kind(parent) {
                NodeKind::Race(race) => race.branches.clone(),
                NodeKind::Join(join) => {
                    join.branches.iter().copied().filter(|&root| !self.is_completed(root)).collect()
                }
                NodeKind::Leaf(_)
                | NodeKind::Then(_)
                | NodeKind::If(_)
                | NodeKind::Loop(_)
                | NodeKind::Retry(_)
                | NodeKind::Catch(_)
                | NodeKind::Timeout(_) => Vec::new(),
            };
            self.give_up(parent, others.into_iter().filter(|&root| root != branch));
            branch = graph.branch(parent);
        }
    }
}
