//! RACE: several branches at once, the first one wins.

use crate::error::Problem;
use crate::kind::refuse_embedded;
use crate::node_id::NodeId;

/// Completes with its first completed branch; the others are cancelled.
#[derive(Debug, Clone, PartialEq)]
pub struct Race {
    /// At least two.
    pub branches: Vec<NodeId>,
}

impl Race {
    /// Checks the `query` of a RACE, which has nothing to say.
    pub(crate) fn check_query(query: &str) -> Result<(), Problem> {
        refuse_embedded("RACE", "extra_nodes", query)
    }
}
