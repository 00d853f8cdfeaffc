//! Why an executor stops advancing a branch.

use pg_durable_graph::{Failure, NodeId};

/// Why an executor stops advancing a branch without having finished it.
#[derive(Debug)]
pub enum Stop {
    /// The instance has ended, or somebody else has carried out the same step: the transaction does not commit.
    Lost,
    /// The branch was cancelled or lost a race.
    Abandoned,
    /// The node failed.
    Failed { node: NodeId, failure: Failure },
    /// The server could not store the outcome (no space, say): to be tried again later.
    Unstored(Failure),
}
