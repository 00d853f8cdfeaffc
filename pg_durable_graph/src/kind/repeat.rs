//! LOOP: a body again and again.

use std::borrow::Cow;

use super::inner::{Held, Inner, Slot, Slots, slots};
use super::members::{Member, Members};
use crate::config;
use crate::error::Problem;
use crate::node_id::NodeId;

/// Carries out `body`, then looks at `condition` and starts the next generation while it is true.
#[derive(Debug, Clone, PartialEq)]
pub struct Loop {
    /// Carried out at least once.
    pub body: NodeId,
    /// Looked at after the body; `None` repeats until a BREAK or a cancellation.
    pub condition: Option<NodeId>,
}

slots!(Loop {
    body: Slot::Titled(Member::Left, "↻ body:"),
    condition: Slot::Titled(Member::Condition, "? while:"),
});

impl Inner for Loop {
    fn read(members: Members) -> Result<Loop, Problem> {
        members.refuse("LOOP", &["right_node", "extra_nodes"])?;
        members
            .query
            .as_deref()
            .map_or(Ok(()), |query| config::refuse_embedded("LOOP", "condition_node", query))?;
        Ok(Loop { body: members.left("LOOP")?, condition: members.condition })
    }

    fn label(&self) -> Cow<'static, str> {
        match self.condition {
            Some(_) => "LOOP (while)".into(),
            None => "LOOP (infinite)".into(),
        }
    }
}
