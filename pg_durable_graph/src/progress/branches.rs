//! The branches of a graph, and which of them may be given up before they have completed.

use std::sync::Arc;

use crate::graph::Graph;
use crate::kind::NodeKind;
use crate::node_id::NodeId;

/// What of a graph's shape decides how far a name reaches. It never changes.
#[derive(Debug)]
pub(super) struct Branches {
    graph: Arc<Graph>,
    breaks: Vec<NodeId>,
}

impl Branches {
    pub(super) fn new(graph: Arc<Graph>) -> Branches {
        let breaks = graph.iter().filter(|(_, node)| node.kind.breaks()).map(|(id, _)| id).collect();
        Branches { graph, breaks }
    }

    /// The BREAKs in the branches of a JOIN or RACE that end a loop around it.
    pub(super) fn breaks_out(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        let ends = self.breaks.iter().copied().filter(move |&end| self.graph.is_within(end, node));
        ends.filter(move |&end| self.graph.enclosing_loop(end).is_none_or(|outer| outer < node))
    }

    /// Whether a node lies in a branch inside `outer` that may be given up.
    pub(super) fn may_be_given_up(&self, node: NodeId, outer: NodeId) -> bool {
        self.parents(node).take_while(|&at| outer < at).any(|at| self.gives_up(at))
    }

    /// Those whose end gives up what goes on at a node, from the inside: a RACE by another branch's completion, a LOOP by a
    /// BREAK in another branch, a scope by a failure in another branch, a TIMEOUT when its time is up.
    pub(super) fn guards(&self, node: NodeId) -> Vec<NodeId> {
        let (mut guards, mut has_others) = (Vec::new(), false);
        for at in self.parents(node) {
            let may_end = matches!(self.graph.kind(at), NodeKind::Race(_) | NodeKind::Timeout(_));
            if may_end || has_others && self.graph.is_scope(at) {
                guards.push(at);
            }
            has_others |= !self.graph.is_scope(at);
            let left = self.breaks_out(at).filter_map(|end| self.graph.enclosing_loop(end));
            guards.extend(left);
        }
        guards.dedup();
        guards
    }

    /// Whether the end of a branch is said in the row of its root: where the branch may fail without its siblings, and branches
    /// inside of it may make it fail and complete at the same moment.
    pub(super) fn ends_in_row(&self, root: NodeId) -> bool {
        let stands_alone =
            self.graph.parent(root).is_some_and(|parent| self.graph.kind(parent).fails_by_branch());
        stands_alone && self.graph.has_branches_within(root)
    }

    /// The RETRYs around a node whose next attempt would do again what goes on there.
    pub(super) fn retries(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        self.parents(node).filter(|&at| matches!(self.graph.kind(at), NodeKind::Retry(_)))
    }

    /// The JOINs, RACEs and scopes around a node, from the inside.
    pub(super) fn parents(&self, node: NodeId) -> impl Iterator<Item = NodeId> {
        let parent_of = |at| self.graph.parent(self.graph.branch(at));
        std::iter::successors(parent_of(node), move |&at| parent_of(at))
    }

    /// Whether the branches of a JOIN, RACE or scope may be given up before they have completed.
    fn gives_up(&self, node: NodeId) -> bool {
        let may_fail_alone = matches!(self.graph.kind(node), NodeKind::Join(join) if join.settles);
        may_fail_alone
            || matches!(self.graph.kind(node), NodeKind::Race(_))
            || self.graph.is_scope(node)
            || self.breaks_out(node).next().is_some()
    }
}
