//! JOIN: several branches at once, all of them wanted.

use std::borrow::Cow;

use super::inner::{Held, Inner, Slot, Slots, slots};
use super::members::Members;
use crate::config;
use crate::error::Problem;
use crate::node_id::NodeId;

/// Completes when every branch has; its result is the array of theirs, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// At least two.
    pub branches: Vec<NodeId>,
}

slots!(Join { branches: Slot::Branches });

impl Inner for Join {
    fn read(members: Members) -> Result<Join, Problem> {
        members
            .query
            .as_deref()
            .map_or(Ok(()), |query| config::refuse_embedded("JOIN", "extra_nodes", query))?;
        Ok(Join { branches: members.branches("JOIN")? })
    }

    fn label(&self) -> Cow<'static, str> {
        format!("JOIN ({})", self.branches.len()).into()
    }

    fn opens_branches(&self) -> bool {
        true
    }

    fn is_derived(&self) -> bool {
        true
    }
}
