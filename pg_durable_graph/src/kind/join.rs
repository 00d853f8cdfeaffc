//! JOIN: several branches at once, all of them wanted.

use crate::graph::NodeId;

/// Completes when every branch has; its result is the array of theirs, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// At least two.
    pub branches: Vec<NodeId>,
}
