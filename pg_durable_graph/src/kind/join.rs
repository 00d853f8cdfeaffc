//! JOIN: several branches at once, all of them wanted.

use crate::error::Problem;
use crate::kind::refuse_embedded;
use crate::node_id::NodeId;

/// Completes when every branch has; its result is the array of theirs, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// At least two.
    pub branches: Vec<NodeId>,
}

impl Join {
    /// Checks the `query` of a JOIN, which has nothing to say.
    pub(crate) fn check_query(query: &str) -> Result<(), Problem> {
        refuse_embedded("JOIN", "extra_nodes", query)
    }

    pub(crate) fn label(&self) -> String {
        format!("JOIN ({})", self.branches.len())
    }
}
