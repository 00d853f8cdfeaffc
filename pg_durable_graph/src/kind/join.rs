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
    /// Whether it waits for all, whatever becomes of each, and tells that; else it fails with the first that fails.
    pub settles: bool,
}

slots!(Join { branches: Slot::Branches });

impl Inner for Join {
    fn read(members: Members) -> Result<Join, Problem> {
        let settles = members.query.as_deref().map_or(Ok(false), read)?;
        Ok(Join { branches: members.branches("JOIN")?, settles })
    }

    fn query(&self) -> Option<String> {
        self.settles.then(|| r#"{"policy":"settle"}"#.to_owned())
    }

    fn label(&self) -> Cow<'static, str> {
        let settled = if self.settles { ", settled" } else { "" };
        format!("JOIN ({}{settled})", self.branches.len()).into()
    }

    fn opens_branches(&self) -> bool {
        true
    }

    fn fails_by_branch(&self) -> bool {
        self.settles
    }

    fn is_derived(&self) -> bool {
        true
    }
}

/// Whether it waits for all.
fn read(query: &str) -> Result<bool, Problem> {
    let mut object = config::object("JOIN", query)?;
    let settles = config::takes_policy("JOIN", &mut object, "settle")?;
    config::refuse_members("JOIN", "extra_nodes", &object)?;
    Ok(settles)
}
