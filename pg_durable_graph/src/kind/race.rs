//! RACE: several branches at once, the first one wins.

use std::borrow::Cow;

use super::inner::{Held, Inner, Slot, Slots, slots};
use super::members::Members;
use crate::config;
use crate::error::Problem;
use crate::node_id::NodeId;

/// Completes with its first completed branch; the others are cancelled.
#[derive(Debug, Clone, PartialEq)]
pub struct Race {
    /// At least two.
    pub branches: Vec<NodeId>,
}

slots!(Race { branches: Slot::Branches });

impl Inner for Race {
    fn read(members: Members) -> Result<Race, Problem> {
        members
            .query
            .as_deref()
            .map_or(Ok(()), |query| config::refuse_embedded("RACE", "extra_nodes", query))?;
        Ok(Race { branches: members.branches("RACE")? })
    }

    fn label(&self) -> Cow<'static, str> {
        "RACE".into()
    }

    fn opens_branches(&self) -> bool {
        true
    }
}
