//! The number of a node.

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
