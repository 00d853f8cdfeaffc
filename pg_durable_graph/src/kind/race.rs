//! RACE: several branches at once, the first one wins.

use crate::graph::NodeId;

/// Completes with its first completed branch; the others are cancelled.
#[derive(Debug, Clone, PartialEq)]
pub struct Race {
    /// At least two.
    pub branches: Vec<NodeId>,
}
