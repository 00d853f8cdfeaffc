//! THEN: one node after the other.

use crate::node_id::NodeId;

/// Carries out `first`, then `next`; its result is that of `next`.
#[derive(Debug, Clone, PartialEq)]
pub struct Then {
    /// Carried out first.
    pub first: NodeId,
    /// Carried out when `first` has completed.
    pub next: NodeId,
}
