//! Carrying out one leaf: one file a node kind.

pub mod end;
pub mod schedule;
pub mod signal;
pub mod sleep;
pub mod sql;

use pg_durable_graph::NodeId;
use pg_durable_graph::progress::Next;

use super::failure::Failure;

/// Where a branch stands after a leaf was looked at.
pub enum After {
    /// The leaf is done and its outcome committed.
    Next { branch: NodeId, next: Next },
    /// What was done is committed, and something further on fails.
    Fails { node: NodeId, failure: Failure },
    /// The leaf waits; what it waits for will make it ready.
    Parked { until: Option<i64> },
}
