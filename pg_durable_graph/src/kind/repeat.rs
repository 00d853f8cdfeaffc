//! LOOP: a body again and again.

use crate::error::Problem;
use crate::kind::refuse_embedded;
use crate::node_id::NodeId;

/// Carries out `body`, then looks at `condition` and starts the next generation while it is true.
#[derive(Debug, Clone, PartialEq)]
pub struct Loop {
    /// Carried out at least once.
    pub body: NodeId,
    /// Looked at after the body; `None` repeats until a BREAK or a cancellation.
    pub condition: Option<NodeId>,
}

impl Loop {
    /// Checks the `query` of a LOOP, which has nothing to say.
    pub(crate) fn check_query(query: &str) -> Result<(), Problem> {
        refuse_embedded("LOOP", "condition_node", query)
    }

    pub(crate) fn label(&self) -> &'static str {
        match self.condition {
            Some(_) => "LOOP (while)",
            None => "LOOP (infinite)",
        }
    }
}
