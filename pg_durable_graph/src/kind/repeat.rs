//! LOOP: a body again and again.

use std::borrow::Cow;

use serde_json::Value;

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
    /// Whether a failure of the body begins the next generation, in place of failing the loop.
    pub continue_on_failure: bool,
}

slots!(Loop {
    body: Slot::Titled(Member::Left, "↻ body:"),
    condition: Slot::Titled(Member::Condition, "? while:"),
});

impl Inner for Loop {
    fn read(members: Members) -> Result<Loop, Problem> {
        members.refuse("LOOP", &["right_node", "extra_nodes"])?;
        let continue_on_failure = members.query.as_deref().map_or(Ok(false), read)?;
        Ok(Loop { body: members.left("LOOP")?, condition: members.condition, continue_on_failure })
    }

    fn query(&self) -> Option<String> {
        self.continue_on_failure.then(|| r#"{"continue_on_failure":true}"#.to_owned())
    }

    fn label(&self) -> Cow<'static, str> {
        match (self.condition, self.continue_on_failure) {
            (Some(_), false) => "LOOP (while)",
            (None, false) => "LOOP (infinite)",
            (Some(_), true) => "LOOP (while, goes on after failures)",
            (None, true) => "LOOP (infinite, goes on after failures)",
        }
        .into()
    }
}

/// Whether it goes on after a failure.
fn read(query: &str) -> Result<bool, Problem> {
    let mut object = config::object("LOOP", query)?;
    let goes_on = object.remove("continue_on_failure");
    config::refuse_members("LOOP", "condition_node", &object)?;
    match goes_on {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(goes_on)) => Ok(goes_on),
        Some(Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            let reason = "has a continue_on_failure that is neither true nor false".to_owned();
            Err(Problem::Config { node_type: "LOOP", reason })
        }
    }
}
