//! IF: one of two nodes, by a condition.

use crate::graph::NodeId;

/// Carries out `then` or `otherwise`; its result is that branch's.
#[derive(Debug, Clone, PartialEq)]
pub struct If {
    /// What decides.
    pub condition: Condition,
    /// Carried out when the condition is true.
    pub then: NodeId,
    /// Carried out when it is not.
    pub otherwise: NodeId,
}

/// What an IF looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// The truth of a node's result (see [`crate::truth`]).
    Node(NodeId),
    /// Whether the named result has at least one row (`df.if_rows`).
    HasRows(String),
}
