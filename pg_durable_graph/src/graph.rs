//! The validated graph: an arena of nodes, parents before children.

use std::time::Duration;

use crate::error::{GraphError, Problem};
use crate::kind::{
    Catch, Condition, If, Join, Leaf, Loop, Member, NodeKind, Race, Retry, RetryPolicy, Then, Timeout, Wait,
};
use crate::limits::{MAX_DEPTH, MAX_NODES};
use crate::matching::Matching;
use crate::name::check_result_name;
use crate::node_id::NodeId;

/// One vertex of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What the node does, with its children.
    pub kind: NodeKind,
    /// The name under which later nodes find this node's result (`|=> 'name'`).
    pub result_name: Option<String>,
}

/// A tree of nodes in pre-order: the root first, every parent before its children.
///
/// A `Graph` never changes after it was built, so the derived tables (parents, branches, loops and the like) are made once.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    parents: Vec<Option<NodeId>>,
    branches: Vec<NodeId>,
    loops: Vec<Option<NodeId>>,
    counts: Vec<Option<NodeId>>,
    timeouts: Vec<Option<NodeId>>,
    ends: Vec<u32>,
}

impl Graph {
    /// Makes a graph of nodes that are already in pre-order; the caller vouches for the shape, as
    /// [`crate::json`] and [`crate::stored`] do after their checks.
    pub(crate) fn from_preorder(nodes: Vec<Node>) -> Graph {
        let mut parents = vec![None; nodes.len()];
        let mut branches = vec![NodeId::ROOT; nodes.len()];
        let mut loops = vec![None; nodes.len()];
        let mut counts = vec![None; nodes.len()];
        let mut timeouts = vec![None; nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            let parent = NodeId(index as u32);
            let in_place = is_in_place(&nodes, &node.kind);
            let opens_branch = node.kind.opens_branches() && !in_place;
            let opens_loop = matches!(node.kind, NodeKind::Loop(_));
            let opens_count = opens_loop || matches!(node.kind, NodeKind::Retry(_)) && !in_place;
            let opens_timeout = matches!(node.kind, NodeKind::Timeout(_)) && !in_place;
            node.kind.each_child(|child| {
                parents[child.index()] = Some(parent);
                branches[child.index()] = if opens_branch { child } else { branches[index] };
                loops[child.index()] = if opens_loop { Some(parent) } else { loops[index] };
                counts[child.index()] = if opens_count { Some(parent) } else { counts[index] };
                timeouts[child.index()] = if opens_timeout { Some(parent) } else { timeouts[index] };
            });
        }
        let mut ends: Vec<u32> = (1..=nodes.len() as u32).collect();
        for (index, parent) in parents.iter().enumerate().rev() {
            if let Some(parent) = parent {
                ends[parent.index()] = ends[parent.index()].max(ends[index]);
            }
        }
        Graph { nodes, parents, branches, loops, counts, timeouts, ends }
    }

    /// The graph with other texts: `map` is given every text of a leaf in which variables may stand.
    pub fn map_texts(mut self, mut map: impl FnMut(&str) -> String) -> Graph {
        for node in &mut self.nodes {
            for text in node.kind.texts_mut() {
                *text = map(text);
            }
        }
        self
    }

    /// How many nodes there are; never 0.
    #[allow(clippy::len_without_is_empty, reason = "a graph has at least its root")]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The kind of the node with this id.
    pub fn kind(&self, id: NodeId) -> &NodeKind {
        &self.nodes[id.index()].kind
    }

    /// Every node with its id, parents first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(index, node)| (NodeId(index as u32), node))
    }

    /// The parent, or `None` for the root.
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.parents[id.index()]
    }

    /// The branch that carries this node out: its nearest ancestor (or itself) that is a direct child of a
    /// JOIN, RACE or scope, else the root.
    pub fn branch(&self, id: NodeId) -> NodeId {
        self.branches[id.index()]
    }

    /// The nearest LOOP around this node, not counting the node itself.
    pub fn enclosing_loop(&self, id: NodeId) -> Option<NodeId> {
        self.loops[id.index()]
    }

    /// The nearest node around this one that counts how often what is below it is carried out: a LOOP, or a RETRY of more than
    /// a step.
    pub fn enclosing_count(&self, id: NodeId) -> Option<NodeId> {
        self.counts[id.index()]
    }

    /// The nearest TIMEOUT around this node whose deadline is in its row.
    pub(crate) fn enclosing_timeout(&self, id: NodeId) -> Option<NodeId> {
        self.timeouts[id.index()]
    }

    /// The RETRY of which this leaf is all: its attempts are a matter of the leaf's row.
    pub fn retry_of(&self, leaf: NodeId) -> Option<&Retry> {
        if let NodeKind::Retry(retry) = self.in_place(leaf)? { Some(retry) } else { None }
    }

    /// How long a leaf may take that is all of a TIMEOUT: whoever carries it out sees to that.
    pub fn time_of(&self, leaf: NodeId) -> Option<Duration> {
        if let NodeKind::Timeout(timeout) = self.in_place(leaf)? { Some(timeout.duration) } else { None }
    }

    /// The RETRY or TIMEOUT of which this leaf is all.
    fn in_place(&self, leaf: NodeId) -> Option<&NodeKind> {
        let parent = self.kind(self.parent(leaf)?);
        is_in_place(&self.nodes, parent).then_some(parent)
    }

    /// Whether a node takes, or raises, failures of a branch below it; not a RETRY or TIMEOUT whose only step does so itself.
    pub fn is_scope(&self, id: NodeId) -> bool {
        self.kind(id).is_scope() && !is_in_place(&self.nodes, self.kind(id))
    }

    /// Whether several branches may be under way in a node: it, or one below it, is a JOIN or RACE.
    pub fn has_branches_within(&self, id: NodeId) -> bool {
        let within = id.0..self.ends[id.index()];
        within.map(NodeId).any(|at| matches!(self.kind(at), NodeKind::Join(_) | NodeKind::Race(_)))
    }

    /// The names of other signals that the RACE waits for of which this SIGNAL is a branch: they are taken in the order in
    /// which they were sent.
    pub fn rival_signals(&self, signal: NodeId) -> Vec<&str> {
        let name_of = |at: NodeId| self.signal_wait(at)?.words().1;
        let NodeKind::Race(race) = self.parent(signal).map_or(self.kind(signal), |at| self.kind(at)) else {
            return Vec::new();
        };
        let own = name_of(signal);
        race.branches.iter().filter_map(|&root| name_of(root)).filter(|&name| Some(name) != own).collect()
    }

    /// The SIGNALs that are `root` or lie below it.
    pub fn signals_within(&self, root: NodeId) -> impl Iterator<Item = NodeId> {
        let below = root.0..self.ends[root.index()];
        below.map(NodeId).filter(|&node| self.signal_wait(node).is_some())
    }

    fn signal_wait(&self, node: NodeId) -> Option<&dyn Wait> {
        self.kind(node).leaf().and_then(Leaf::wait).filter(|wait| wait.is_for_signal())
    }

    /// Whether `inner` is `outer` or lies below it.
    pub fn is_within(&self, inner: NodeId, outer: NodeId) -> bool {
        outer <= inner && inner.0 < self.ends[outer.index()]
    }

    /// Where each subtree ends: in pre-order it is a span of ids.
    pub(crate) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Whether a BREAK ends this loop.
    pub fn has_break(&self, around: NodeId) -> bool {
        self.iter().any(|(id, node)| node.kind.breaks() && self.enclosing_loop(id) == Some(around))
    }

    fn has_wait(&self, around: NodeId) -> bool {
        let waits = |kind: &NodeKind| kind.leaf().and_then(Leaf::wait).is_some_and(|wait| !wait.is_empty());
        self.iter().any(|(id, node)| waits(&node.kind) && self.is_within(id, around))
    }

    /// The loops that only a cancellation ends and that never wait: without a pause they would spin.
    pub(crate) fn throttled_loops(&self) -> Vec<NodeId> {
        self.iter()
            .filter(|(_, node)| matches!(&node.kind, NodeKind::Loop(repeat) if repeat.condition.is_none()))
            .map(|(id, _)| id)
            .filter(|&id| !self.has_break(id) && !self.has_wait(id))
            .collect()
    }

    /// Where the node stands in the wire form: `root`, `root.left.condition_node`, `root.extra_nodes[0]`.
    pub fn path(&self, id: NodeId) -> String {
        let mut members = Vec::new();
        let mut at = id;
        while let Some(parent) = self.parent(at) {
            members.push(self.member_under(parent, at));
            at = parent;
        }
        path_of(members)
    }

    fn member_under(&self, parent: NodeId, child: NodeId) -> Member {
        let found = self.kind(parent).members().into_iter().find(|(_, id)| *id == child);
        found.expect("a node is among its parent's children").0
    }

    /// The steps of a sequence, for a THEN its flattened chain, for any other node the node alone.
    pub fn sequence_of(&self, id: NodeId) -> Vec<NodeId> {
        let mut steps = Vec::new();
        let mut open = vec![id];
        while let Some(at) = open.pop() {
            if let NodeKind::Then(then) = self.kind(at) {
                open.extend([then.next, then.first]);
            } else {
                steps.push(at);
            }
        }
        steps
    }

    /// Refuses a graph of more than [`MAX_NODES`] nodes or [`MAX_DEPTH`] levels.
    ///
    /// A THEN directly under a THEN is on its parent's level: a sequence of thousands of steps is long, not deep.
    pub fn check_limits(&self) -> Result<(), GraphError> {
        if self.len() > MAX_NODES {
            return Err(Problem::TooManyNodes.into());
        }
        let mut depths = vec![0; self.len()];
        for (id, node) in self.iter() {
            let is_then = matches!(node.kind, NodeKind::Then(_));
            if let Some(parent) = self.parent(id) {
                let parent_is_then = matches!(self.kind(parent), NodeKind::Then(_));
                depths[id.index()] = depth_below(depths[parent.index()], parent_is_then, is_then);
            }
            if depths[id.index()] > MAX_DEPTH {
                return Err(GraphError::at(self.path(id), Problem::TooDeep));
            }
        }
        Ok(())
    }
}

/// The level of a child: the one place that says how levels are counted.
pub(crate) fn depth_below(parent: usize, parent_is_then: bool, child_is_then: bool) -> usize {
    if parent_is_then && child_is_then { parent } else { parent + 1 }
}

/// Prints a path whose members were collected from the node upwards.
pub(crate) fn path_of(members: Vec<Member>) -> String {
    let mut path = String::from("root");
    for member in members.into_iter().rev() {
        path.push_str(&member.to_string());
    }
    path
}

/// Building graphs from graphs. Each call copies no text and takes time in the size of its result; none checks
/// the limits, which [`Graph::check_limits`] does once at the end.
impl Graph {
    /// A graph of one node.
    pub fn leaf(leaf: impl Into<Leaf>) -> Graph {
        Graph::from_preorder(vec![Node { kind: NodeKind::Leaf(leaf.into()), result_name: None }])
    }

    /// `first`, then `next`.
    pub fn then(first: Graph, next: Graph) -> Graph {
        Graph::join_under(vec![first, next], |ids| NodeKind::Then(Then { first: ids[0], next: ids[1] }))
    }

    /// One step after the other: the same graph as folding with [`Graph::then`], made at once. `None` when
    /// there are no steps.
    pub fn sequence(steps: Vec<Graph>) -> Option<Graph> {
        let thens = steps.len().checked_sub(1)? as u32;
        let mut nodes = Vec::with_capacity(thens as usize + steps.iter().map(Graph::len).sum::<usize>());
        // `(a ~> b) ~> c`: every THEN but the last has the next one on its left.
        for then in 0..thens {
            nodes.push(Node {
                kind: NodeKind::Then(Then { first: NodeId(then + 1), next: NodeId::ROOT }),
                result_name: None,
            });
        }
        for (nth, step) in steps.into_iter().enumerate() {
            let root = append(&mut nodes, step);
            if nth > 0 {
                let then = thens as usize - nth;
                *nodes[then].kind.child_mut(1).expect("a THEN has two children") = root;
            }
        }
        Some(Graph::from_preorder(nodes))
    }

    /// All branches at once, and all of them wanted.
    pub fn join(branches: Vec<Graph>) -> Result<Graph, GraphError> {
        Graph::branches_of(branches, "JOIN", |branches| Join { branches, settles: false }.into())
    }

    /// All branches at once; waits for all, whatever becomes of each.
    pub fn join_settled(branches: Vec<Graph>) -> Result<Graph, GraphError> {
        Graph::branches_of(branches, "JOIN", |branches| Join { branches, settles: true }.into())
    }

    /// All branches at once, and the first one wins.
    pub fn race(branches: Vec<Graph>) -> Result<Graph, GraphError> {
        Graph::branches_of(branches, "RACE", |branches| Race { branches, tagged: false, any: false }.into())
    }

    /// All branches at once, and the first one wins; the result tells which.
    pub fn race_tagged(branches: Vec<Graph>) -> Result<Graph, GraphError> {
        Graph::branches_of(branches, "RACE", |branches| Race { branches, tagged: true, any: false }.into())
    }

    /// All branches at once, and the first one that completes wins; fails once all have.
    pub fn race_any(branches: Vec<Graph>) -> Result<Graph, GraphError> {
        Graph::branches_of(branches, "RACE", |branches| Race { branches, tagged: false, any: true }.into())
    }

    fn branches_of(
        branches: Vec<Graph>,
        node_type: &'static str,
        kind: impl FnOnce(Vec<NodeId>) -> NodeKind,
    ) -> Result<Graph, GraphError> {
        if branches.len() < 2 {
            return Err(Problem::TooFewBranches(node_type).into());
        }
        Ok(Graph::join_under(branches, |ids| kind(ids.to_vec())))
    }

    /// `then` or `otherwise`, by the truth of what `condition` leaves.
    pub fn if_else(condition: Graph, then: Graph, otherwise: Graph) -> Graph {
        Graph::join_under(vec![condition, then, otherwise], |ids| {
            NodeKind::If(If { condition: Condition::Node(ids[0]), then: ids[1], otherwise: ids[2] })
        })
    }

    /// `then` or `otherwise`, by whether the named result has rows.
    pub fn if_rows(name: impl Into<String>, then: Graph, otherwise: Graph) -> Graph {
        let condition = Condition::HasRows(name.into());
        Graph::join_under(vec![then, otherwise], |ids| {
            NodeKind::If(If { condition, then: ids[0], otherwise: ids[1] })
        })
    }

    /// `body` again and again, while `condition` is true after it, or for ever.
    pub fn repeat(body: Graph, condition: Option<Graph>) -> Graph {
        Graph::repeat_as(body, condition, false)
    }

    /// [`repeat`](Self::repeat), also where `body` fails.
    pub fn repeat_after_failures(body: Graph, condition: Option<Graph>) -> Graph {
        Graph::repeat_as(body, condition, true)
    }

    fn repeat_as(body: Graph, condition: Option<Graph>, continue_on_failure: bool) -> Graph {
        let children = std::iter::once(body).chain(condition).collect();
        Graph::join_under(children, |ids| {
            NodeKind::Loop(Loop { body: ids[0], condition: ids.get(1).copied(), continue_on_failure })
        })
    }

    /// `body`, tried as often as the policy says.
    pub fn retry(body: Graph, policy: RetryPolicy) -> Result<Graph, GraphError> {
        policy.check()?;
        Ok(Graph::join_under(vec![body], |ids| NodeKind::Retry(Retry { body: ids[0], policy })))
    }

    /// `body`, and `handler` where that fails with one of `errors`, which it sees under `name`.
    pub fn catch(
        body: Graph,
        handler: Graph,
        errors: Vec<Matching>,
        name: impl Into<String>,
    ) -> Result<Graph, GraphError> {
        let catch =
            Catch { body: NodeId(1), handler: NodeId(1 + body.len() as u32), errors, name: name.into() };
        catch.check()?;
        Ok(Graph::join_under(vec![body, handler], |_| NodeKind::Catch(catch)))
    }

    /// `body`, which may take so long.
    pub fn timeout(body: Graph, duration: Duration) -> Result<Graph, GraphError> {
        Timeout::check(duration)?;
        Ok(Graph::join_under(vec![body], |ids| NodeKind::Timeout(Timeout { body: ids[0], duration })))
    }

    /// Gives the root's result a name, in place of the one it had.
    pub fn named(self, name: impl Into<String>) -> Result<Graph, GraphError> {
        self.named_at(NodeId::ROOT, name)
    }

    /// Gives a node's result a name, in place of the one it had.
    pub fn named_at(mut self, id: NodeId, name: impl Into<String>) -> Result<Graph, GraphError> {
        let name = name.into();
        check_result_name(&name)?;
        self.nodes[id.index()].result_name = Some(name);
        Ok(self)
    }

    /// Lets an IF that looks for rows look at another result; any other node stays as it is.
    pub fn looking_at(mut self, id: NodeId, result: impl Into<String>) -> Graph {
        if let NodeKind::If(If { condition: Condition::HasRows(name), .. }) = &mut self.nodes[id.index()].kind
        {
            *name = result.into();
        }
        self
    }

    /// The same without the values that are bound beside its texts, which may be others each time that it is made.
    pub fn without_params(mut self) -> Graph {
        for node in &mut self.nodes {
            if let NodeKind::Leaf(leaf) = &mut node.kind {
                leaf.clear_params();
            }
        }
        self
    }

    fn join_under(children: Vec<Graph>, kind: impl FnOnce(&[NodeId]) -> NodeKind) -> Graph {
        let mut next = 1;
        let ids: Vec<NodeId> = children
            .iter()
            .map(|child| {
                let id = NodeId(next);
                next += child.len() as u32;
                id
            })
            .collect();
        let mut nodes = Vec::with_capacity(next as usize);
        nodes.push(Node { kind: kind(&ids), result_name: None });
        for child in children {
            append(&mut nodes, child);
        }
        Graph::from_preorder(nodes)
    }
}

/// Whether it is a RETRY or TIMEOUT whose body is one leaf, which sees to it in its own row.
fn is_in_place(nodes: &[Node], kind: &NodeKind) -> bool {
    let body = match kind {
        NodeKind::Retry(retry) => retry.body,
        NodeKind::Timeout(timeout) => timeout.body,
        NodeKind::Leaf(_)
        | NodeKind::Then(_)
        | NodeKind::If(_)
        | NodeKind::Join(_)
        | NodeKind::Race(_)
        | NodeKind::Loop(_)
        | NodeKind::Catch(_) => return false,
    };
    nodes[body.index()].kind.leaf().is_some_and(Leaf::is_tried_in_place)
}

/// Moves a graph behind the nodes that are there and says where its root came to be.
fn append(nodes: &mut Vec<Node>, graph: Graph) -> NodeId {
    let offset = nodes.len() as u32;
    for mut node in graph.nodes {
        node.kind.each_child_mut(|child| child.0 += offset);
        nodes.push(node);
    }
    NodeId(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Sql;

    fn sql(query: &str) -> Graph {
        Graph::leaf(Sql::new(query))
    }

    #[test]
    fn children_agree_with_each_child_and_child_mut() {
        let graph = Graph::join(vec![
            Graph::if_else(sql("c"), Graph::then(sql("a"), sql("b")), sql("e")),
            Graph::repeat(sql("body"), Some(sql("while"))),
            Graph::if_rows("n", sql("t"), Graph::repeat(sql("x"), None)),
            Graph::race(vec![sql("1"), sql("2"), sql("3")]).unwrap(),
        ])
        .unwrap();
        for (id, node) in graph.iter() {
            let children = node.kind.children();
            let mut visited = Vec::new();
            node.kind.each_child(|child| visited.push(child));
            assert_eq!(visited, children);
            let mut kind = node.kind.clone();
            let through_mut: Vec<NodeId> = (0..).map_while(|nth| kind.child_mut(nth).copied()).collect();
            assert_eq!(through_mut, children);
            assert!(children.iter().all(|child| graph.parent(*child) == Some(id)));
        }
    }

    #[test]
    fn paths_use_the_members_of_the_wire_form() {
        let graph = Graph::join(vec![
            Graph::if_else(sql("c"), sql("t"), sql("e")),
            Graph::if_rows("n", sql("t"), sql("e")),
            Graph::repeat(sql("body"), Some(sql("while"))),
            sql("last"),
        ])
        .unwrap();
        let paths: Vec<String> = graph.iter().map(|(id, _)| graph.path(id)).collect();
        assert_eq!(
            paths,
            [
                "root",
                "root.left",
                "root.left.condition_node",
                "root.left.left",
                "root.left.right",
                "root.right",
                "root.right.left",
                "root.right.right",
                "root.extra_nodes[0]",
                "root.extra_nodes[0].left",
                "root.extra_nodes[0].condition_node",
                "root.extra_nodes[1]",
            ]
        );
    }

    #[test]
    fn sequence_is_the_fold_of_then() {
        for n in 1..6 {
            let steps = || (0..n).map(|step| Graph::then(sql("x"), sql(&step.to_string())));
            let folded = steps().reduce(Graph::then).unwrap();
            assert_eq!(Graph::sequence(steps().collect()).unwrap(), folded);
        }
        assert_eq!(Graph::sequence(Vec::new()), None);
    }

    #[test]
    fn depth_counts_nesting_but_not_length() {
        let long = Graph::sequence((0..2_000).map(|_| sql("x")).collect()).unwrap();
        assert_eq!(long.check_limits(), Ok(()));
        assert_eq!(long.sequence_of(NodeId::ROOT).len(), 2_000);

        let nested = |levels| (0..levels).fold(sql("x"), |body, _| Graph::repeat(body, None));
        assert_eq!(nested(256).check_limits(), Ok(()));
        let error = nested(257).check_limits().unwrap_err();
        assert!(error.is_limit());
        assert_eq!(
            error.to_string(),
            "Graph exceeds maximum nesting depth of 256. Simplify the workflow or break it into multiple instances."
        );

        let wide = |n: usize| Graph::join((0..n).map(|_| sql("x")).collect()).unwrap();
        assert_eq!(wide(9_999).check_limits(), Ok(()));
        assert_eq!(
            wide(10_000).check_limits().unwrap_err().to_string(),
            "Workflow exceeds maximum node count of 10000. Simplify the workflow or break it into multiple instances."
        );
    }
}
