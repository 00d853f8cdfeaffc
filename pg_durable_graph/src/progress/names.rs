//! Which named results the branches see, and where each comes from.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::branches::Branches;
use super::kept::{Kept, Origin};
use super::scoped::Scoped;
use super::states::{Held, States};
use crate::graph::Graph;
use crate::kind::{Catch, NodeKind};
use crate::node_id::NodeId;
use crate::outcome::Outcome;

/// The named results that a branch sees.
pub type Bindings = HashMap<String, Arc<Outcome>>;

/// The named results that a branch sees, and where they come from.
#[derive(Debug, Clone, Default)]
struct Scope {
    seen: Bindings,
    origins: HashMap<String, Origin>,
}

impl Scope {
    fn bind(&mut self, name: &str, origin: Origin, outcome: Arc<Outcome>) {
        self.seen.insert(name.to_owned(), outcome);
        self.origins.insert(name.to_owned(), origin);
    }
}

/// The names of an instance, as one process sees them.
#[derive(Debug, Clone)]
pub(super) struct Names {
    graph: Arc<Graph>,
    branches: Arc<Branches>,
    /// The nodes that bear names.
    named: Vec<NodeId>,
    /// What the branches that are under way see.
    scopes: HashMap<NodeId, Scope>,
}

impl Names {
    pub(super) fn new(graph: Arc<Graph>, branches: Arc<Branches>) -> Names {
        let named = graph.iter().filter(|(_, node)| node.result_name.is_some()).map(|(id, _)| id).collect();
        Names { graph, branches, named, scopes: HashMap::new() }
    }

    /// What a branch sees; `None` where it is not under way.
    pub(super) fn seen(&self, branch: NodeId) -> Option<&Bindings> {
        self.scopes.get(&branch).map(|scope| &scope.seen)
    }

    /// Begins a branch with what is seen where its JOIN or RACE is reached.
    pub(super) fn open(&mut self, branch: NodeId) {
        let outer = self.graph.parent(branch).map(|parent| self.graph.branch(parent));
        let scope = outer.and_then(|outer| self.scopes.get(&outer)).cloned().unwrap_or_default();
        self.scopes.insert(branch, scope);
    }

    /// No branch is under way.
    pub(super) fn close_all(&mut self) {
        self.scopes.clear();
    }

    /// Goes on in `branch` with what `inner` sees, the branch of those below `node` that counts; all of those end.
    pub(super) fn go_on_with(&mut self, inner: NodeId, node: NodeId, branch: NodeId) {
        let mut at = inner;
        while let Some(parent) = self.graph.parent(at).filter(|_| at != branch) {
            let outer = self.graph.branch(parent);
            if self.hide_shown(parent, at) {
                self.merge(&[at], outer);
            } else {
                let scope = self.scopes.remove(&at).unwrap_or_default();
                self.scopes.insert(outer, scope);
            }
            at = outer;
        }
        let end = self.graph.ends()[node.index()];
        self.scopes.retain(|root, _| *root == branch || *root < node || root.0 >= end);
    }

    /// The branches below a node are not under way any more.
    pub(super) fn end_within(&mut self, node: NodeId) {
        let end = self.graph.ends()[node.index()];
        self.scopes.retain(|root, _| *root <= node || root.0 >= end);
    }

    /// What a branch has bound that its surroundings do not see.
    pub(super) fn bound_in(&self, root: NodeId, outer: NodeId) -> Option<Arc<Kept>> {
        let (inner, outer) = (self.scopes.get(&root)?, self.scopes.get(&outer));
        let is_new =
            |name: &str, origin: &Origin| outer.is_none_or(|outer| outer.origins.get(name) != Some(origin));
        let new = inner.origins.iter().filter(|(name, origin)| is_new(name, origin));
        Kept::of(new.map(|(name, &origin)| (name.clone(), origin, inner.seen[name].clone())))
    }

    /// Begins the handler of a CATCH, which sees what the body had bound, and the failure.
    pub(super) fn open_handler(&mut self, node: NodeId, catch: &Catch, scoped: &Scoped, generation: i64) {
        self.open(catch.handler);
        let scope = self.scopes.entry(catch.handler).or_default();
        if let Some(bound) = &scoped.bound {
            bound.iter().for_each(|(name, origin, outcome)| scope.bind(name, origin, outcome.clone()));
        }
        if let Some(caught) = &scoped.caught {
            let origin = Origin { node: node.0, generation };
            scope.bind(&catch.name, origin, Arc::new(Outcome::plain(caught.value())));
        }
    }

    /// Goes on in `outer` behind a scope whose branch `root` has completed. What the handler of a CATCH was shown ends with
    /// it.
    pub(super) fn leave_scope(&mut self, node: NodeId, root: NodeId, outer: NodeId) {
        self.hide_shown(node, root);
        self.merge(&[root], outer);
    }

    /// Takes from the handler of a CATCH the names that it was shown; false where `root` is no handler.
    fn hide_shown(&mut self, node: NodeId, root: NodeId) -> bool {
        let NodeKind::Catch(catch) = self.graph.kind(node) else { return false };
        if root != catch.handler {
            return false;
        }
        if let Some(scope) = self.scopes.get_mut(&root) {
            let is_shown = |origin: &Origin| {
                let from = NodeId(origin.node);
                from == node || self.graph.is_within(from, catch.body)
            };
            scope.origins.retain(|_, origin| !is_shown(origin));
            scope.seen.retain(|name, _| scope.origins.contains_key(name));
        }
        true
    }

    /// Goes on in `outer` behind a JOIN whose branches have all completed.
    pub(super) fn merge(&mut self, branches: &[NodeId], outer: NodeId) {
        // What a branch has bound itself is what differs from the names that all branches began with.
        let mut base = self.scopes.remove(&outer).unwrap_or_default();
        let mut bound = Vec::new();
        for root in branches {
            let inner = self.scopes.remove(root).unwrap_or_default();
            for (name, outcome) in inner.seen {
                let origin = inner.origins[&name];
                if base.origins.get(&name) != Some(&origin) {
                    bound.push((name, origin, outcome));
                }
            }
        }
        for (name, origin, outcome) in bound {
            base.bind(&name, origin, outcome);
        }
        self.scopes.insert(outer, base);
    }

    /// A node has completed: if it bears a name, `branch` sees its outcome from now on.
    pub(super) fn bind(&mut self, states: &States, node: NodeId, branch: NodeId) {
        if let Some(name) = &self.graph.node(node).result_name {
            let (origin, outcome) = (origin(states, node), states.outcome(node));
            self.scopes.entry(branch).or_default().bind(name, origin, outcome);
        }
    }

    /// Binds what earlier generations of a loop have left behind: names bound in its body live on. Of a running
    /// loop that is what its generation began with; of a completed one, what its last generation has not superseded.
    pub(super) fn bind_left_behind(&mut self, states: &States, outer: NodeId, branch: NodeId) {
        let is_completed = states.is_completed(outer);
        for place in self.range(outer) {
            let node = self.named[place];
            let is_known = if is_completed {
                !self.branches.may_be_given_up(node, outer)
            } else {
                self.graph.branch(node) == self.graph.branch(outer)
            };
            if is_known
                && let Some(name) = &self.graph.node(node).result_name
                && let Some((origin, outcome)) = self.left_behind(states, node, outer)
            {
                self.scopes.entry(branch).or_default().bind(name, origin, outcome);
            }
        }
        self.recall(states, outer, branch);
    }

    /// The nodes of a loop whose outcomes a later one of the same name has superseded, or, where the rows may be
    /// those of a branch that was given up, all of them.
    pub(super) fn superseded(
        &self,
        states: &States,
        outer: NodeId,
        branch: NodeId,
        all: bool,
    ) -> Vec<NodeId> {
        let is_superseded = |node: NodeId| {
            let Some((left, _)) = self.left_behind(states, node, outer) else { return false };
            let name = self.graph.node(node).result_name.as_deref().unwrap_or_default();
            let origin = self.scopes.get(&branch).and_then(|scope| scope.origins.get(name));
            all || origin != Some(&left)
        };
        let nodes = self.named[self.range(outer)].iter().copied();
        nodes
            .filter(|&node| !self.branches.may_be_given_up(node, outer))
            .filter(|&node| is_superseded(node))
            .collect()
    }

    /// Whether branches inside a loop that may be given up bind names.
    pub(super) fn are_bound_in_vain(&self, outer: NodeId) -> bool {
        let nodes = &self.named[self.range(outer)];
        nodes.iter().any(|&node| self.branches.may_be_given_up(node, outer))
    }

    /// What the row of a LOOP whose next generation begins has to keep. The rows of its branch remember what they have
    /// bound, but for those that were begun again since and have failed, or were left by a failure; the loop's own and those of
    /// branches inside do not.
    pub(super) fn keep_for_loop(&self, states: &States, node: NodeId, branch: NodeId) -> Option<Arc<Kept>> {
        self.keep(branch, |from| {
            let is_overwritten = || states.of(from).held.outcome().is_none();
            from == node
                || self.graph.is_within(from, node)
                    && (self.graph.branch(from) != self.graph.branch(node) || is_overwritten())
        })
    }

    /// What the row of an IF, a scope, or a leaf that is tried again has to keep that is about to lose what it bound before.
    pub(super) fn keep_own(&self, node: NodeId, branch: NodeId) -> Option<Arc<Kept>> {
        self.keep(branch, |from| from == node)
    }

    /// The bindings of a branch that come from certain nodes, to be kept in the row of a running node.
    fn keep(&self, branch: NodeId, of: impl Fn(NodeId) -> bool) -> Option<Arc<Kept>> {
        let scope = self.scopes.get(&branch)?;
        let kept = scope.origins.iter().filter(|(_, origin)| of(NodeId(origin.node)));
        Kept::of(kept.map(|(name, &origin)| (name.clone(), origin, scope.seen[name].clone())))
    }

    /// Binds what the row of a running node keeps.
    pub(super) fn recall(&mut self, states: &States, node: NodeId, branch: NodeId) {
        let kept = match &states.of(node).held {
            Held::Kept(kept) => Some(kept),
            Held::Scoped(scoped) => scoped.kept.as_ref(),
            Held::Nothing | Held::Outcome(_) => None,
        };
        if let Some(kept) = kept {
            let scope = self.scopes.entry(branch).or_default();
            kept.iter().for_each(|(name, origin, outcome)| scope.bind(name, origin, outcome.clone()));
        }
    }

    /// What a node bound in an earlier generation of a loop around it, where its row still says so: that of an IF or a
    /// scope which a BREAK has left keeps what it bound before.
    fn left_behind(&self, states: &States, node: NodeId, outer: NodeId) -> Option<(Origin, Arc<Outcome>)> {
        let state = states.of(node);
        if node == outer || states.is_current(node) {
            return None;
        }
        match (&state.held, self.graph.kind(node)) {
            (Held::Outcome(outcome), _) => Some((origin(states, node), outcome.clone())),
            (Held::Kept(kept), NodeKind::If(_)) => {
                let name = self.graph.node(node).result_name.as_deref()?;
                kept.get(name).map(|(origin, outcome)| (origin, outcome.clone()))
            }
            (Held::Scoped(scoped), _) => {
                let name = self.graph.node(node).result_name.as_deref()?;
                let kept = scoped.kept.as_ref()?;
                kept.get(name).map(|(origin, outcome)| (origin, outcome.clone()))
            }
            (Held::Kept(_) | Held::Nothing, _) => None,
        }
    }

    /// The places in `named` of the nodes in a subtree.
    fn range(&self, outer: NodeId) -> Range<usize> {
        let end = self.graph.ends()[outer.index()];
        self.named.partition_point(|id| *id < outer)..self.named.partition_point(|id| id.0 < end)
    }
}

/// What a binding by this node, as its state stands, comes from.
fn origin(states: &States, node: NodeId) -> Origin {
    Origin { node: node.0, generation: states.of(node).generation }
}
