//! The validated graph: an arena of nodes, parents before children.

use crate::kind::NodeKind;

/// A node's place in its graph: its index in pre-order, the root being 0.
///
/// A newtype because a graph has other numbers (branch numbers, generations) that must not be mixed up
/// with it. Stored and printed as eight hex digits, unique within one instance only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The root of every graph.
    pub const ROOT: NodeId = NodeId(0);

    /// The index into an arena of nodes.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// Reads the stored form, eight hex digits.
    pub fn parse(text: &str) -> Option<NodeId> {
        (text.len() == 8).then(|| u32::from_str_radix(text, 16).ok().map(NodeId)).flatten()
    }
}

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

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
/// A `Graph` never changes after it was built, so the derived tables (parents, branches, loops) are made once.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    parents: Vec<Option<NodeId>>,
    branches: Vec<NodeId>,
    loops: Vec<Option<NodeId>>,
}

impl Graph {
    /// Makes a graph of nodes that are already in pre-order; the caller vouches for the shape, as
    /// [`crate::json`] and [`crate::stored`] do after their checks.
    pub(crate) fn from_preorder(nodes: Vec<Node>) -> Graph {
        let mut parents = vec![None; nodes.len()];
        let mut branches = vec![NodeId::ROOT; nodes.len()];
        let mut loops = vec![None; nodes.len()];
        for (index, node) in nodes.iter().enumerate() {
            let parent = NodeId(index as u32);
            let opens_branch = matches!(node.kind, NodeKind::Join(_) | NodeKind::Race(_));
            let opens_loop = matches!(node.kind, NodeKind::Loop(_));
            for child in node.kind.children() {
                parents[child.index()] = Some(parent);
                branches[child.index()] = if opens_branch { child } else { branches[index] };
                loops[child.index()] = if opens_loop { Some(parent) } else { loops[index] };
            }
        }
        Graph { nodes, parents, branches, loops }
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
    /// JOIN or RACE, else the root.
    pub fn branch(&self, id: NodeId) -> NodeId {
        self.branches[id.index()]
    }

    /// The nearest LOOP around this node, not counting the node itself.
    pub fn enclosing_loop(&self, id: NodeId) -> Option<NodeId> {
        self.loops[id.index()]
    }

    /// Whether `inner` is `outer` or lies below it.
    pub fn is_within(&self, inner: NodeId, outer: NodeId) -> bool {
        let mut at = Some(inner);
        while let Some(node) = at {
            if node == outer {
                return true;
            }
            at = self.parent(node);
        }
        false
    }
}
