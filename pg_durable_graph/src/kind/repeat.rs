//! LOOP: a body again and again.

use crate::graph::NodeId;

/// Carries out `body`, then looks at `condition` and starts the next generation while it is true.
#[derive(Debug, Clone, PartialEq)]
pub struct Loop {
    /// Carried out at least once.
    pub body: NodeId,
    /// Looked at after the body; `None` repeats until a BREAK or a cancellation.
    pub condition: Option<NodeId>,
}
